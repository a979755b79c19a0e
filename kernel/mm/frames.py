"""The frame allocator: reference counts, reclaim, and what may be promised.

Who owns this: the memory room; others hold references (``get``/``put``) and look (``view``).

Two different things are counted.  Frames are real: a frame is in use while its count is not 0.
Commitments are promises: every private writable page and every page of shared anonymous memory is
charged when it is mapped, touched or not, so that ENOMEM comes from mmap(2) and not, as an OOM
kill, from a store.  The limit is twice the RAM, since fork promises everything twice and most
children exec; and no single request may exceed the RAM.  Linux analogue: ``alloc_page``,
``vm_committed_as`` and ``__vm_enough_memory``.

Invariants (``check_invariants``): no frame on the free stack has a count; no free frame holds
translated code; used + free = usable.
"""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import ENOMEM
from kernel.mm.physical import (
    CODE,
    FREE_TOP,
    NEEDS_ZERO,
    NEXT_FRESH,
    PAGE_SHIFT,
    PAGE_SIZE,
    TABLE_FRAMES,
    PhysicalMemory,
)
from kernel.mm.tlb import Tlb

if TYPE_CHECKING:
    from kernel.mm.ranges import RangeOps

Reclaimer = Callable[[int], int]
"""Try to free that many frames; return how many were freed."""

TRIM_FRAMES: Final = 4096
"""So many freed frames (16 MiB) are worth a look for runs to hand back to the host."""
TRIM_RUN: Final = 64
_HOST_FRAMES: Final = max(mmap.PAGESIZE // PAGE_SIZE, 1)


class Frames:
    """Allocates frames of one PhysicalMemory and keeps count of promises."""

    __slots__ = (
        "_bytes",
        "_counts",
        "_flags",
        "_trim_at",
        "commit_limit",
        "committed",
        "physical",
        "reclaimers",
        "tlb",
    )

    def __init__(self, physical: PhysicalMemory, tlb: Tlb) -> None:
        self.physical = physical
        self.tlb = tlb
        self._bytes = physical.bytes
        self._counts = physical.counts
        self._flags = physical.flags
        self._trim_at = TRIM_FRAMES
        self.reclaimers: list[Reclaimer] = []
        self.committed = 0
        self.commit_limit = 2 * physical.usable

    # -- frames ----------------------------------------------------------------------------------

    @property
    def total(self) -> int:
        """Frames there are, used or free: MemTotal."""
        return self.physical.usable

    @property
    def free_count(self) -> int:
        """Frames that can be handed out without reclaim: MemFree."""
        return self.physical.free_count

    @property
    def used_count(self) -> int:
        """Frames in use, page tables and page cache included."""
        return self.physical.usable - self.physical.free_count

    @property
    def table_count(self) -> int:
        """Frames that are page tables: PageTables in /proc/meminfo."""
        return self.physical.control[TABLE_FRAMES]

    def alloc(self) -> int:
        """A zeroed frame with one reference.  Raises ENOMEM."""
        frame = self.physical.take()
        if not frame:
            self.reclaim(1)
            frame = self.physical.take()
            if not frame:
                raise ENOMEM(
                    "the machine's memory (--memory), %d pages, is used up", self.physical.usable
                )
        return frame

    def get(self, frame: int) -> None:
        """One more reference."""
        self._counts[frame] += 1

    def put(self, frame: int) -> None:
        """One reference less; the last one frees the frame."""
        count = self._counts[frame] - 1
        self._counts[frame] = count
        if not count:
            if self._flags[frame] & CODE:
                self.tlb.invalidate_code(frame)
            self.physical.give(frame)

    def count(self, frame: int) -> int:
        """References to a frame."""
        return self._counts[frame]

    def view(self, frame: int) -> memoryview:
        """The bytes of a frame, to look at only."""
        start = frame << PAGE_SHIFT
        return self._bytes[start : start + PAGE_SIZE].toreadonly()

    def writable(self, frame: int) -> memoryview:
        """The bytes of a frame, to write to: drops code translated from the old content."""
        if self._flags[frame] & CODE:
            self.tlb.invalidate_code(frame)
            self._flags[frame] &= ~CODE
        start = frame << PAGE_SHIFT
        return self._bytes[start : start + PAGE_SIZE]

    def copy(self, source: int) -> int:
        """A new frame with the content of another.  Raises ENOMEM."""
        frame = self.alloc()
        target, start = frame << PAGE_SHIFT, source << PAGE_SHIFT
        data = self._bytes
        data[target : target + PAGE_SIZE] = data[start : start + PAGE_SIZE]
        return frame

    def settle(self, ranges: RangeOps) -> None:
        """Free the frames a range operation left in ``stale``: drop their translations first."""
        stale = ranges.stale
        for frame in stale:
            self.tlb.invalidate_code(frame)
            self.physical.give(frame)
        stale.clear()

    # -- shortage --------------------------------------------------------------------------------

    def reclaim(self, wanted: int) -> int:
        """Ask the reclaimers, oldest first, for frames; returns how many they freed."""
        freed = 0
        for reclaimer in self.reclaimers:
            if freed >= wanted:
                break
            freed += reclaimer(wanted - freed)
        return freed

    def reserve(self, wanted: int) -> None:
        """Make sure that many frames are free.  Raises ENOMEM, and then nothing was changed.

        There is one thread, so what is free now stays free until the caller takes it.
        """
        short = wanted - self.free_count
        if short > 0:
            self.reclaim(short)
            if self.free_count < wanted:
                raise ENOMEM(
                    "%d pages are wanted, %d of %d are free (--memory)",
                    wanted, self.free_count, self.physical.usable,
                )  # fmt: skip

    def trim(self) -> int:
        """Hand long runs of freed frames back to the host; returns how many frames.

        Called where a lot was freed (an address space ended), never in a fault.  What the host
        took back reads as zero again, so those frames need no zeroing.
        """
        control, free, flags = self.physical.control, self.physical.free, self._flags
        top = control[FREE_TOP]
        if top < self._trim_at:
            self._trim_at = max(TRIM_FRAMES, min(self._trim_at, 2 * top))
            return 0
        self._trim_at = 2 * top
        # Descending, so that the lowest frames are on top and come back first.
        frames = sorted(free[:top], reverse=True)
        free[:top] = memoryview(array("I", frames))
        trimmed = 0
        for start, length in _runs(frames, flags):
            # Where the host's pages are larger than ours, only whole ones of its own.
            edge = -start % _HOST_FRAMES
            start += edge
            length = (length - edge) // _HOST_FRAMES * _HOST_FRAMES
            if length <= 0:
                continue
            self.physical.ram.madvise(mmap.MADV_DONTNEED, start << PAGE_SHIFT, length << PAGE_SHIFT)
            flags[start : start + length] = bytes(length)
            trimmed += length
        return trimmed

    # -- promises --------------------------------------------------------------------------------

    def charge(self, pages: int) -> None:
        """Promise pages.  Raises ENOMEM when that is more than can be kept."""
        if pages > self.physical.usable:
            raise ENOMEM(
                "%d pages of 4 KiB are asked for, the machine has %d (--memory)",
                pages,
                self.physical.usable,
            )
        committed = self.committed + pages
        if committed > self.commit_limit:
            raise ENOMEM(
                "%d pages more would make %d promised, the commit limit is %d (--memory)",
                pages, committed, self.commit_limit,
            )  # fmt: skip
        self.committed = committed

    def uncharge(self, pages: int) -> None:
        """Take a promise back."""
        self.committed -= pages

    def check_invariants(self) -> None:
        """See the module's text; for tests."""
        physical = self.physical
        control = physical.control
        free = physical.free[: control[FREE_TOP]].tolist()
        assert len(set(free)) == len(free), "a frame is on the free stack twice"
        assert 0 not in free, "frame 0 is on the free stack"
        for frame in free:
            assert self._counts[frame] == 0, f"free frame {frame} is referenced"
            assert not self._flags[frame] & CODE, f"free frame {frame} holds code"
        used = control[NEXT_FRESH] - 1 - len(free)
        in_use = sum(1 for count in self._counts[: control[NEXT_FRESH]] if count)
        assert used == in_use, f"{used} frames are out, {in_use} have references"
        assert self.committed >= 0, "promises are negative"

    def __repr__(self) -> str:
        return f"<Frames {self.used_count} of {self.total} used>"


def _runs(descending: list[int], flags: memoryview) -> list[tuple[int, int]]:
    """Runs of at least TRIM_RUN dirty frames in a descending list, as (first frame, length)."""
    runs = []
    length = 0
    previous = 0
    for frame in [*descending, -1]:
        if length and (frame != previous - 1 or not flags[frame] & NEEDS_ZERO):
            if length >= TRIM_RUN:
                runs.append((previous, length))
            length = 0
        if frame > 0 and flags[frame] & NEEDS_ZERO:
            length += 1
        previous = frame
    return runs
