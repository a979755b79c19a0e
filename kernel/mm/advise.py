"""madvise(2), msync(2), mincore(2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kernel.abi.errors import (
    EACCES,
    EBUSY,
    EFAULT,
    EINVAL,
    EIO,
    ENOMEM,
    EOPNOTSUPP,
)
from kernel.abi.memory import (
    MADV_COLD,
    MADV_DODUMP,
    MADV_DOFORK,
    MADV_DONTDUMP,
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_FREE,
    MADV_KEEPONFORK,
    MADV_NORMAL,
    MADV_PAGEOUT,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MADV_RANDOM,
    MADV_REMOVE,
    MADV_SEQUENTIAL,
    MADV_WILLNEED,
    MADV_WIPEONFORK,
    MS_ASYNC,
    MS_INVALIDATE,
    MS_SYNC,
)
from kernel.mm.around import Around, area_text
from kernel.mm.fault import FAULT_BUS, LOW_FRAMES, populate
from kernel.mm.page_table import leaf_index
from kernel.mm.physical import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE
from kernel.mm.space import USER_TOP, Space, page_align
from kernel.mm.vm_flags import (
    VM_DONTCOPY,
    VM_DONTDUMP,
    VM_LOCKED,
    VM_READ,
    VM_SHARED,
    VM_WIPEONFORK,
    VM_WRITE,
)
from kernel.mm.vma import Vma

MADV_DONTNEED_LOCKED: Final = 24
READ_AHEAD: Final = 2048
"""Pages that one MADV_WILLNEED reads."""
_FLAG_CHANGES: Final = {
    MADV_DONTFORK: (VM_DONTCOPY, 0),
    MADV_DOFORK: (0, VM_DONTCOPY),
    MADV_WIPEONFORK: (VM_WIPEONFORK, 0),
    MADV_KEEPONFORK: (0, VM_WIPEONFORK),
    MADV_DONTDUMP: (VM_DONTDUMP, 0),
    MADV_DODUMP: (0, VM_DONTDUMP),
}
"""Advice that is a flag of the area: (bits to set, bits to clear)."""


def do_madvise(space: Space, address: int, length: int, advice: int) -> None:
    """Give advice about a range.  See madvise(2), ERRORS.

    What the kernel is not built for (huge pages, KSM, memory failure) is EINVAL, as in a Linux
    configured without it.  A hole in the range is ENOMEM, after the rest was done.
    """
    act = _ACTIONS.get(advice)
    if act is None:
        raise EINVAL("advice %d is not known here", advice)
    if address & PAGE_MASK:
        raise EINVAL("address %#x is not a multiple of the page size", address)
    end = address + page_align(length)
    if end >= 1 << 64 or (length and end == address):
        raise EINVAL("%#x bytes from %#x on go past the end of memory", length, address)
    if end == address:
        return
    if advice in (MADV_POPULATE_READ, MADV_POPULATE_WRITE):
        _populate(space, address, end, advice == MADV_POPULATE_WRITE)
        return
    hole = False
    start = address
    for area in space.vmas.overlapping(address, end):
        if area.start > start:
            hole = True
            start = area.start
        stop = min(area.end, end)
        act(space, area, start, stop, advice)
        start = stop
    if hole or start < end:
        raise ENOMEM("not all of the range up to %#x is mapped", end)


def _hint(space: Space, area: Vma, start: int, stop: int, advice: int) -> None:
    """Advice about read-ahead and aging: there is nothing to read ahead from, and no swap.

    Doing nothing is right here: madvise(2) calls these hints, without any visible effect.
    """


def _drop(space: Space, area: Vma, start: int, stop: int, advice: int) -> None:
    """MADV_DONTNEED and MADV_FREE: the pages read as zero, or as the file, from now on.

    MADV_FREE lets the kernel choose the moment; we take it at once.
    """
    if area.flags & VM_LOCKED and advice != MADV_DONTNEED_LOCKED:
        raise EINVAL("%s is locked in memory", area_text(space, area))
    if advice == MADV_FREE and area.pager is not None:
        raise EINVAL("MADV_FREE is for anonymous memory, not for %s", area_text(space, area))
    space.zap(area, start, stop)


def _will_need(space: Space, area: Vma, start: int, stop: int, advice: int) -> None:
    """Read a file's pages into the page cache, as long as memory is plenty.

    At most READ_AHEAD of them: Linux has such a limit, too, and the machine stands still meanwhile.
    Where the frame is the file (tmpfs) nothing is to be read, and a hole stays one.
    """
    pager = area.pager
    if pager is None or not pager.needs_write_back:
        return
    first = area.page_index(start)
    last = min(area.page_index(stop), (pager.size + PAGE_MASK) >> PAGE_SHIFT, first + READ_AHEAD)
    for index in range(first, last):
        if space.frames.free_count < LOW_FRAMES:
            return
        try:
            pager.get_page(index)
        except (EIO, ENOMEM):
            return  # read-ahead is best effort


def _set_flags(space: Space, area: Vma, start: int, stop: int, advice: int) -> None:
    if advice == MADV_WIPEONFORK and (area.pager is not None or area.flags & VM_SHARED):
        raise EINVAL(
            "MADV_WIPEONFORK is for private anonymous memory, not for %s", area_text(space, area)
        )
    add, take = _FLAG_CHANGES[advice]
    change_flags(space, area, start, stop, (area.flags | add) & ~take)


def change_flags(space: Space, area: Vma, start: int, stop: int, flags: int) -> None:
    """Give part of an area other flags; its rights stay."""
    if flags == area.flags:
        return
    splits = (area.start < start) + (area.end > stop)
    if splits:
        space.need_areas(splits)
    area = space.isolate(area, start, stop)
    space.count_area(area.flags, -area.pages)
    area.set_flags(flags)
    space.count_area(flags, area.pages)
    space.join(area)


def _remove(space: Space, area: Vma, start: int, stop: int, advice: int) -> None:
    """MADV_REMOVE: punch a hole into the file behind the mapping."""
    if area.flags & VM_LOCKED:
        raise EINVAL("%s is locked in memory", area_text(space, area))
    if area.pager is None:
        raise EINVAL("MADV_REMOVE is for files, not for %s", area_text(space, area))
    if area.flags & (VM_SHARED | VM_WRITE) != VM_SHARED | VM_WRITE:
        raise EACCES("%s is not mapped shared and writable", area_text(space, area))
    # Not in the protocol: few pagers can.  Bytes, and the pager takes them out of all mappings.
    punch: Callable[[int, int], None] | None = getattr(area.pager, "punch", None)
    if punch is None:
        raise EOPNOTSUPP("this file cannot have holes punched")
    offset = area.offset + start - area.start
    punch(offset, offset + stop - start)


def _populate(space: Space, start: int, end: int, write: bool) -> None:
    """MADV_POPULATE_READ/WRITE.  See madvise(2): EFAULT for SIGBUS, ENOMEM for a hole."""
    covered = start
    for area in space.vmas.overlapping(start, end):
        if area.start > covered:
            raise ENOMEM("%s", Around(space, covered))
        if not area.flags & (VM_WRITE if write else VM_READ):
            raise EINVAL("%s", Around(space, covered, int(write)))
        stop = min(area.end, end)
        verdict = populate(space, covered, stop, write)
        if verdict == FAULT_BUS:
            raise EFAULT("%s", Around(space, covered, int(write)))
        if verdict:
            raise ENOMEM("no page frame is left (--memory)")
        covered = stop
    if covered < end:
        raise ENOMEM("%s", Around(space, covered))


_Action = Callable[[Space, Vma, int, int, int], None]
_ACTIONS: Final[dict[int, _Action]] = {
    MADV_NORMAL: _hint,
    MADV_RANDOM: _hint,
    MADV_SEQUENTIAL: _hint,
    MADV_COLD: _hint,
    MADV_PAGEOUT: _hint,
    MADV_WILLNEED: _will_need,
    MADV_DONTNEED: _drop,
    MADV_DONTNEED_LOCKED: _drop,
    MADV_FREE: _drop,
    MADV_REMOVE: _remove,
    MADV_POPULATE_READ: _hint,
    MADV_POPULATE_WRITE: _hint,
    **dict.fromkeys(_FLAG_CHANGES, _set_flags),
}


def do_msync(space: Space, address: int, length: int, flags: int) -> None:
    """Write dirty pages of shared file mappings to their files.  See msync(2), ERRORS."""
    if flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC):
        raise EINVAL(
            "flags %#x: only the bits %#x are known", flags, MS_ASYNC | MS_INVALIDATE | MS_SYNC
        )
    if address & PAGE_MASK:
        raise EINVAL("address %#x is not a multiple of the page size", address)
    if flags & MS_ASYNC and flags & MS_SYNC:
        raise EINVAL("MS_ASYNC and MS_SYNC exclude each other")
    end = address + page_align(length)
    if end >= 1 << 64:
        raise ENOMEM("%#x bytes from %#x on go past the end of memory", length, address)
    hole = False
    start = address
    for area in space.vmas.overlapping(address, end) if end > address else ():
        if area.start > start:
            hole = True
            start = area.start
        if flags & MS_INVALIDATE and area.flags & VM_LOCKED:
            raise EBUSY("%s is locked in memory", area_text(space, area))
        stop = min(area.end, end)
        # MS_ASYNC starts nothing in Linux either; writing now is early, never wrong.
        if area.pager is not None and area.pager.needs_write_back and area.flags & VM_SHARED:
            space.clean(area, start, stop)
        start = stop
    if hole or start < end:
        raise ENOMEM("not all of the range up to %#x is mapped", end)


def do_mincore(space: Space, address: int, length: int) -> bytes:
    """A byte per page of the range: 1 if it is in memory.  See mincore(2), ERRORS."""
    if address & PAGE_MASK:
        raise EINVAL("address %#x is not a multiple of the page size", address)
    if address > USER_TOP or length > USER_TOP - address:
        raise ENOMEM("%#x bytes from %#x on go beyond the user half", length, address)
    if not length:
        return b""
    end = address + page_align(length)
    answer = bytearray()
    start = address
    for area in space.vmas.overlapping(address, end):
        if area.start > start:
            break
        stop = min(area.end, end)
        answer += _residents(space, area, start, stop)
        start = stop
    if start < end:
        raise ENOMEM("%s", Around(space, start))
    return bytes(answer)


def _residents(space: Space, area: Vma, start: int, stop: int) -> bytearray:
    words = space.physical.words
    found = bytearray((stop - start) >> PAGE_SHIFT)
    if space.ranges.present(space.root, start >> PAGE_SHIFT, len(found)):
        for i, address in enumerate(range(start, stop, PAGE_SIZE)):
            index = leaf_index(words, space.root, address >> PAGE_SHIFT)
            if index >= 0 and words[index]:
                found[i] = 1
    if area.pager is not None:
        for i, frame in enumerate(area.pager.present_pages(area.page_index(start), len(found))):
            if frame:
                found[i] = 1
    return found
