"""brk(2): the heap's end."""

from __future__ import annotations

from typing import Final

from kernel.abi.errors import ENOMEM
from kernel.cred import RLIMIT_DATA
from kernel.mm.around import area_text
from kernel.mm.fault import populate
from kernel.mm.physical import PAGE_SHIFT, PAGE_SIZE
from kernel.mm.space import USER_TOP, Space, page_align
from kernel.mm.vm_flags import (
    VM_ACCOUNT,
    VM_LOCKED,
    VM_LOCKONFAULT,
    VM_MAY,
    VM_READ,
    VM_WRITE,
)
from kernel.mm.vma import Vma

_HEAP: Final = VM_READ | VM_WRITE | VM_MAY | VM_ACCOUNT


def do_brk(space: Space, address: int) -> int:
    """Move the break; returns the break as it is then, which on failure is the old one.

    The raw system call has no errors; the C library turns an unmoved break into ENOMEM.
    See brk(2), "C library/kernel differences".
    """
    current = space.brk_end
    if address < space.start_brk or address > USER_TOP:
        return current
    used = address - space.start_brk + space.end_data - space.start_data
    if used > space.limits.soft(RLIMIT_DATA):
        return current
    old_end, new_end = page_align(current), page_align(address)
    try:
        if new_end < old_end:
            space.unmap_range(new_end, old_end)
        elif new_end > old_end:
            _grow(space, old_end, new_end)
    except ENOMEM:
        return current
    space.brk_end = address
    return address


def _grow(space: Space, start: int, end: int) -> None:
    """Map [start, end) as heap, a page clear of what comes next."""
    above = space.vmas.next_from(start)
    if above is not None and end + PAGE_SIZE > above.guarded_start:
        raise ENOMEM("%s is in the way of the heap", area_text(space, above))
    pages = (end - start) >> PAGE_SHIFT
    flags = _HEAP | space.default_flags
    space.check_room(flags, pages)
    space.need_areas(1)
    space.frames.charge(pages)
    space.add_area(Vma(space, start, end, flags))
    if flags & (VM_LOCKED | VM_LOCKONFAULT) == VM_LOCKED:
        populate(space, start, end)
