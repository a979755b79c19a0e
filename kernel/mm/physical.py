"""The emulated RAM and the per-frame state that Python and C share.

Everything here is raw storage: anonymous host mappings and typed views of them.  The C part of the
CPU works on the same bytes through their addresses, so the layout below is an interface:

==========  ======  =========================================================================
attribute   type    meaning
==========  ======  =========================================================================
``words``   u64     the RAM itself (``bytes``: the same as u8); page tables are read here
``counts``  u32     references per frame; 0 = free
``flags``   u8      per frame: CODE, X_MAPPED, NEEDS_ZERO
``free``    u32     stack of freed frame numbers; the top is at ``control[FREE_TOP] - 1``
``control`` u64     FREE_TOP, NEXT_FRESH, FRAME_LIMIT, TABLE_FRAMES
==========  ======  =========================================================================

Invariants: frame 0 is never handed out (0 means "none"); a frame on the free stack has count 0;
frames from NEXT_FRESH up were never used and are zero; a free frame that may hold old content has
NEEDS_ZERO and is zeroed when it is taken, not when it is freed.

The host mapping is private and unreserved: RAM that no guest touched costs the host nothing, and
pages can be handed back with madvise(2).  Linux analogue: ``mem_map`` and ``struct page``.
"""

from __future__ import annotations

import mmap
import sys
from typing import Final

PAGE_SHIFT: Final = 12
PAGE_SIZE: Final = 1 << PAGE_SHIFT
PAGE_MASK: Final = PAGE_SIZE - 1
WORDS_PER_PAGE: Final = PAGE_SIZE // 8

# Bits of a frame's flag byte.
CODE: Final = 1
"""Handed out executable since its translations were last dropped."""
X_MAPPED: Final = 2
"""Mapped executable somewhere since it was taken: a writable alias needs care."""
NEEDS_ZERO: Final = 4
"""May hold old content: zero it before anybody sees it."""
# Bits 6 and 7 are the processor's own (kernel/cpu/engine.h); taking a frame clears them.

# Indices of the control words.
FREE_TOP: Final = 0
NEXT_FRESH: Final = 1
FRAME_LIMIT: Final = 2
TABLE_FRAMES: Final = 3
CONTROL_WORDS: Final = 64

_ZERO_PAGE: Final = bytes(PAGE_SIZE)
_MAP_NORESERVE: Final = 0x40 if sys.platform == "darwin" else 0x4000
"""Not in the mmap module before Python 3.12."""
_FLAGS: Final = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS


def _anonymous(size: int) -> mmap.mmap:
    """Private, unreserved host memory, rounded up to whole host pages."""
    size = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
    return mmap.mmap(-1, size, flags=_FLAGS | _MAP_NORESERVE)


class PhysicalMemory:
    """RAM of ``size_bytes`` and its per-frame state; see the module's table for the layout."""

    __slots__ = (
        "bytes",
        "control",
        "control_map",
        "counts",
        "counts_map",
        "flags",
        "flags_map",
        "frame_count",
        "free",
        "free_map",
        "ram",
        "size",
        "words",
    )

    def __init__(self, size_bytes: int) -> None:
        self.size = size_bytes & ~PAGE_MASK
        self.frame_count = self.size >> PAGE_SHIFT
        if self.frame_count < 8:
            raise ValueError("physical memory needs at least 8 frames")
        self.ram = _anonymous(self.size)
        self.counts_map = _anonymous(self.frame_count * 4)
        self.flags_map = _anonymous(self.frame_count)
        self.free_map = _anonymous(self.frame_count * 4)
        self.control_map = _anonymous(CONTROL_WORDS * 8)
        self.bytes = memoryview(self.ram)
        self.words = self.bytes.cast("Q")
        self.counts = memoryview(self.counts_map).cast("I")
        self.flags = memoryview(self.flags_map)
        self.free = memoryview(self.free_map).cast("I")
        self.control = memoryview(self.control_map).cast("Q")
        self.control[NEXT_FRESH] = 1
        self.control[FRAME_LIMIT] = self.frame_count

    def take(self) -> int:
        """A zeroed frame with count 1, or 0 when there is none."""
        control = self.control
        top = control[FREE_TOP]
        if top:
            control[FREE_TOP] = top - 1
            frame = self.free[top - 1]
            if self.flags[frame] & NEEDS_ZERO:
                start = frame << PAGE_SHIFT
                self.bytes[start : start + PAGE_SIZE] = _ZERO_PAGE
        else:
            frame = control[NEXT_FRESH]
            if frame >= control[FRAME_LIMIT]:
                return 0
            control[NEXT_FRESH] = frame + 1
        self.flags[frame] = 0
        self.counts[frame] = 1
        return frame

    def give(self, frame: int) -> None:
        """Put a frame whose count is 0, and whose translations are gone, on the free stack."""
        control = self.control
        self.flags[frame] = NEEDS_ZERO
        top = control[FREE_TOP]
        self.free[top] = frame
        control[FREE_TOP] = top + 1

    @property
    def free_count(self) -> int:
        """How many frames ``take`` can still hand out."""
        control = self.control
        return control[FREE_TOP] + control[FRAME_LIMIT] - control[NEXT_FRESH]

    @property
    def usable(self) -> int:
        """Frames there are at all, used or free (frame 0 is none)."""
        return self.control[FRAME_LIMIT] - 1

    def close(self) -> None:
        """Give the host its memory back; no view of this object may be used afterwards.

        Views exported to others (ctypes) keep a mapping alive: those are then left to the garbage
        collector.
        """
        for view in (self.words, self.bytes, self.counts, self.flags, self.free, self.control):
            view.release()
        maps = (self.ram, self.counts_map, self.flags_map, self.free_map, self.control_map)
        for mapping in maps:
            try:
                mapping.close()
            except BufferError:
                continue

    def __repr__(self) -> str:
        return f"<PhysicalMemory {self.frame_count} frames>"
