"""mprotect(2)."""

from __future__ import annotations

from typing import Final

from kernel.abi.errors import EACCES, EINVAL, ENOMEM
from kernel.abi.memory import (
    PROT_EXEC,
    PROT_GROWSDOWN,
    PROT_GROWSUP,
    PROT_READ,
    PROT_SEM,
    PROT_WRITE,
)
from kernel.mm.around import Around, area_text
from kernel.mm.fault import populate
from kernel.mm.mapping import check_wx
from kernel.mm.physical import PAGE_MASK, PAGE_SHIFT
from kernel.mm.space import Space, page_align
from kernel.mm.vm_flags import (
    VM_ACCESS,
    VM_ACCOUNT,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_LOCKONFAULT,
    VM_MAYEXEC,
    VM_NORESERVE,
    VM_SHARED,
    VM_WRITE,
)
from kernel.mm.vma import Vma

_LOCK_STATE: Final = VM_LOCKED | VM_LOCKONFAULT | VM_SHARED | VM_WRITE
_PROTS: Final = PROT_READ | PROT_WRITE | PROT_EXEC


def do_mprotect(space: Space, address: int, length: int, prot: int) -> None:
    """Change the rights of a range.  See mprotect(2), ERRORS.

    As in Linux, what lies before the first hole or refusal is changed all the same.
    """
    grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP)
    prot &= ~grows
    if grows == PROT_GROWSDOWN | PROT_GROWSUP:
        raise EINVAL("PROT_GROWSDOWN and PROT_GROWSUP exclude each other")
    if address & PAGE_MASK:
        raise EINVAL("address %#x is not a multiple of the page size", address)
    if not length:
        return
    end = address + page_align(length)
    if end >= 1 << 64 or end == address:
        raise ENOMEM("%#x bytes from %#x on go past the end of memory", length, address)
    if prot & ~(_PROTS | PROT_SEM):
        raise EINVAL("protection %#x: only the bits %#x are known", prot, _PROTS | PROT_SEM)
    start = _first(space, address, end, grows)
    prot &= _PROTS
    for area in space.vmas.overlapping(start, end):
        if area.start > start:
            raise ENOMEM("%s", Around(space, start))
        stop = min(area.end, end)
        implied = prot & PROT_READ and space.read_implies_exec and area.flags & VM_MAYEXEC
        _protect_area(space, area, start, stop, prot | PROT_EXEC if implied else prot)
        start = stop
    if start < end:
        raise ENOMEM("%s", Around(space, start))


def _first(space: Space, start: int, end: int, grows: int) -> int:
    """Where the change begins: PROT_GROWSDOWN extends it to the start of the area."""
    if not grows:
        return start
    area = space.vmas.next_from(start)
    if area is None or area.start >= end:
        raise ENOMEM("%s", Around(space, start))
    if grows == PROT_GROWSUP or not area.flags & VM_GROWSDOWN:
        raise EINVAL("%s does not grow in that direction", area_text(space, area))
    return area.start


def _protect_area(space: Space, area: Vma, start: int, stop: int, prot: int) -> None:
    """Give [start, stop) of one area new rights (``mprotect_fixup``)."""
    flags = area.flags & ~VM_ACCESS | prot
    if prot & ~(flags >> 4) & VM_ACCESS:
        raise EACCES(
            "%s: its file was not opened for that, or the mount forbids it", area_text(space, area)
        )
    if flags == area.flags:
        return
    check_wx(space, flags)
    was = area.flags
    pages = (stop - start) >> PAGE_SHIFT
    splits = (area.start < start) + (area.end > stop)
    if splits:
        space.need_areas(splits)
    if prot & VM_WRITE and not area.flags & VM_WRITE:
        flags = _charge(space, area, flags, pages)
    area = space.isolate(area, start, stop)
    space.count_area(area.flags, -pages)
    space.count_area(flags, pages)
    lost = area.rights
    area.set_flags(flags)
    lost &= ~area.rights
    changed = space.ranges.protect(space.root, start >> PAGE_SHIFT, pages, area.rights)
    if changed and lost:
        space.tlb.invalidate(space.root, start, pages)
    space.join(area)
    if was & _LOCK_STATE == VM_LOCKED and flags & VM_WRITE:
        populate(space, start, stop)  # locked memory takes no fault later: copy now


def _charge(space: Space, area: Vma, flags: int, pages: int) -> int:
    """Pages that become private and writable are promised from now on; returns the flags."""
    if area.flags & VM_SHARED:
        return flags
    space.check_room(flags, 0 if area.flags & VM_WRITE else pages)
    if not area.flags & (VM_ACCOUNT | VM_NORESERVE):
        space.frames.charge(pages)
        flags |= VM_ACCOUNT
    return flags
