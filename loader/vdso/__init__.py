"""The vDSO: a page of our own code, and one of data, in every program.  See vdso(7).

``vdso.c`` is the code: it reads the processor's counter and adds the one number that the data page
has, so that asking for the time is no system call.  ``images.py`` is what the compiler made of it.
Both pages are the same frames in every program, mapped below each other as ``[vvar]`` and
``[vdso]``; only the kernel writes to them.

Linux analogue: ``lib/vdso``, ``arch/*/entry/vdso``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from kernel.abi.memory import MAP_FIXED, MAP_PRIVATE, PROT_EXEC, PROT_READ
from kernel.arch.base import PAGE_SIZE
from loader.vdso.images import IMAGES

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.mm.frames import Frames
    from kernel.mm.vma import Vma

DATA, CODE, PAGES = 0, 1, 2
MASK64: Final = (1 << 64) - 1


class Vdso:
    """The two frames of a machine, and their ``Pager``.  Each holds one reference for ever."""

    needs_write_back = False
    size = PAGES * PAGE_SIZE

    def __init__(self, arch_name: str, frames: Frames) -> None:
        self._frames = frames
        self._pages = (frames.alloc(), frames.alloc())
        image = IMAGES[arch_name]
        frames.writable(self._pages[CODE])[: len(image)] = image

    def publish(self, offset: int) -> None:
        """The clock's offset from monotonic time to the time of day, for programs to read."""
        data = (offset & MASK64).to_bytes(8, "little")
        self._frames.writable(self._pages[DATA])[: len(data)] = data

    def map_into(self, space: AddressSpace) -> int:
        """Map both pages; returns the address of the image, for AT_SYSINFO_EHDR."""
        data = space.mmap(0, self.size, PROT_READ, MAP_PRIVATE, self, label=b"[vvar]")
        code = data + PAGE_SIZE
        protection = PROT_READ | PROT_EXEC
        flags = MAP_PRIVATE | MAP_FIXED
        space.mmap(code, PAGE_SIZE, protection, flags, self, PAGE_SIZE, label=b"[vdso]")
        return code

    # -- kernel.mm.pager.Pager ---------------------------------------------------------------------

    def get_page(self, index: int) -> int:
        """One of the two."""
        return self._pages[index]

    def present_pages(self, index: int, count: int) -> Sequence[int]:
        """Always there."""
        return self._pages[index : index + count]

    def mark_dirty(self, index: int) -> None:
        """Mappings are private: nobody writes here."""

    def write_back(self, first: int, last: int) -> None:
        """There is nothing behind the frames."""

    def mapped(self, vma: Vma) -> None:
        """The frames stay whatever maps them."""

    def unmapped(self, vma: Vma) -> None:
        """The frames stay."""
