"""Range operations on page tables in C: what kernel.mm.ranges.PythonRanges does, 100 times faster.

The protocol and the meaning of every method are in ``kernel.mm.ranges``.
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from kernel.abi.errors import ENOMEM
from kernel.cpu.library import memory_config

if TYPE_CHECKING:
    from kernel.mm.physical import PhysicalMemory

_ROOM: Final = 1024


class NativeRanges:
    """A kernel.mm.ranges.RangeOps.

    ``engine``: handle of the C engine that walks these tables, so that it forgets a root that is
    freed; None without one (tests).
    """

    __slots__ = ("_handle", "_keep", "_lib", "_stale_count", "_words", "stale")

    def __init__(self, lib: Any, physical: PhysicalMemory, engine: int | None = None) -> None:
        self._lib = lib
        self._words = physical.words
        self._keep = physical  # C holds addresses into it
        config = memory_config(physical)
        block = (ctypes.c_uint64 * len(config))(*config)
        self._handle: int = lib.ranges_create(block, engine)
        if not self._handle:
            raise MemoryError("no host memory for the range operations")
        count = (ctypes.c_uint64 * 1).from_address(self._handle)
        self._stale_count = memoryview(count).cast("B").cast("Q")
        self.stale: list[int] = []

    def close(self) -> None:
        """Give the host memory back."""
        if self._handle:
            self._stale_count.release()
            self._lib.ranges_free(self._handle)
            self._handle = 0

    def _collect_stale(self) -> None:
        frames = array("I", bytes(4 * _ROOM))
        address = frames.buffer_info()[0]
        while count := self._stale_count[0]:
            self._lib.ranges_take_stale(self._handle, address, _ROOM)
            self.stale.extend(frames[: min(count, _ROOM)])

    def walk(self, root: int, vpn: int) -> int:
        """See RangeOps.  In Python: four look-ups are cheaper than a call into C."""
        words = self._words
        entry = words[(root << 9) + (vpn >> 27 & 511)]
        if not entry:
            return 0
        entry = words[(entry >> 12 << 9) + (vpn >> 18 & 511)]
        if not entry:
            return 0
        entry = words[(entry >> 12 << 9) + (vpn >> 9 & 511)]
        if not entry:
            return 0
        return words[(entry >> 12 << 9) + (vpn & 511)]

    def set_entry(self, root: int, vpn: int, entry: int) -> None:
        """See RangeOps."""
        if self._lib.ranges_set_entry(self._handle, root, vpn, entry):
            raise ENOMEM("no frame for a page table")

    def map_zero(self, root: int, vpn: int, count: int, flags: int) -> int:
        """See RangeOps."""
        mapped: int = self._lib.ranges_map_zero(self._handle, root, vpn, count, flags)
        return mapped

    def map_frames(self, root: int, vpn: int, frames: Sequence[int], flags: int) -> int:
        """See RangeOps."""
        numbers = array("Q", frames)
        address, count = numbers.buffer_info()
        mapped: int = self._lib.ranges_map_frames(self._handle, root, vpn, address, count, flags)
        return mapped

    def unmap(self, root: int, vpn: int, count: int) -> int:
        """See RangeOps."""
        dropped: int = self._lib.ranges_unmap(self._handle, root, vpn, count)
        if self._stale_count[0]:
            self._collect_stale()
        return dropped

    def protect(self, root: int, vpn: int, count: int, flags: int) -> int:
        """See RangeOps."""
        changed: int = self._lib.ranges_protect(self._handle, root, vpn, count, flags)
        return changed

    def fork(self, src_root: int, dst_root: int, vpn: int, count: int) -> int:
        """See RangeOps."""
        copied: int = self._lib.ranges_fork(self._handle, src_root, dst_root, vpn, count)
        if copied < 0:
            raise ENOMEM("no frame for a page table")
        return copied

    def move(self, root: int, old_vpn: int, new_vpn: int, count: int) -> int:
        """See RangeOps."""
        moved: int = self._lib.ranges_move(self._handle, root, old_vpn, new_vpn, count)
        if moved < 0:
            raise ENOMEM("no frame for a page table")
        return moved

    def dirty(self, root: int, vpn: int, count: int, clear: bool) -> list[int]:
        """See RangeOps."""
        found: list[int] = []
        part = array("Q", bytes(8 * _ROOM))
        address = part.buffer_info()[0]
        end = vpn + count
        while vpn < end:
            n = self._lib.ranges_dirty(self._handle, root, vpn, end - vpn, clear, address, _ROOM)
            found.extend(part[:n])
            if n < _ROOM:
                break
            vpn = found[-1] + 1
        return found

    def present(self, root: int, vpn: int, count: int) -> int:
        """See RangeOps."""
        present: int = self._lib.ranges_present(self._handle, root, vpn, count)
        return present

    def free_tables(self, root: int) -> None:
        """See RangeOps."""
        self._lib.ranges_free_tables(self._handle, root)

    def __repr__(self) -> str:
        return "<NativeRanges>"
