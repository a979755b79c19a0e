"""Shared anonymous memory: MAP_SHARED|MAP_ANONYMOUS, shared with children of fork.

Linux analogue: a ``/dev/zero (deleted)`` shmem file.  Its pages are charged when it is made.
"""

from __future__ import annotations

from collections.abc import Sequence

from kernel.mm.frames import Frames
from kernel.mm.physical import PAGE_SHIFT
from kernel.mm.rmap import indexes_within, unmap_everywhere
from kernel.mm.vma import Vma


class SharedAnonymous:
    """Pages made on first touch, freed when the last area that maps them goes.

    Invariant: ``_pages`` holds one reference to each of its frames while ``_areas`` is not empty.
    """

    __slots__ = ("_areas", "_charged", "_frames", "_pages", "needs_write_back", "size")

    def __init__(self, frames: Frames, pages: int, charged: bool) -> None:
        if charged:
            frames.charge(pages)
        self._charged = pages if charged else 0
        self._frames = frames
        self._pages: dict[int, int] = {}
        self._areas: dict[Vma, None] = {}
        self.needs_write_back = False
        self.size = pages << PAGE_SHIFT

    def get_page(self, index: int) -> int:
        """The frame of a page, made if need be.  Raises ENOMEM."""
        frame = self._pages.get(index)
        if frame is None:
            frame = self._pages[index] = self._frames.alloc()
        return frame

    def present_pages(self, index: int, count: int) -> Sequence[int]:
        """Frames that exist already."""
        get = self._pages.get
        return [get(i, 0) for i in range(index, index + count)]

    def mark_dirty(self, index: int) -> None:
        """The frame is the memory: nothing to remember."""

    def write_back(self, first: int, last: int) -> None:
        """The frame is the memory: there is nowhere to write it."""

    def mapped(self, vma: Vma) -> None:
        """One more area."""
        self._areas[vma] = None

    def unmapped(self, vma: Vma) -> None:
        """One area less; the last one ends the memory."""
        del self._areas[vma]
        if not self._areas:
            self._end()

    def _end(self) -> None:
        """Give everything back."""
        if self._pages or self._charged:
            for frame in self._pages.values():
                self._frames.put(frame)
            self._pages.clear()
            self._frames.uncharge(self._charged)
            self._charged = 0

    def punch(self, start: int, end: int) -> None:
        """Bytes start..end read as zero from now on (MADV_REMOVE)."""
        first, last = start >> PAGE_SHIFT, end >> PAGE_SHIFT
        unmap_everywhere(self._areas, first, last)
        for index in indexes_within(self._pages, range(first, last)):
            self._frames.put(self._pages.pop(index))
