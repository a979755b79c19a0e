"""mremap(2)."""

from __future__ import annotations

from typing import Final

from kernel.abi.errors import EFAULT, EINVAL, ENOMEM
from kernel.abi.memory import MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE
from kernel.mm.advise import change_flags
from kernel.mm.around import Around, area_text
from kernel.mm.fault import populate
from kernel.mm.mapping import check_lock
from kernel.mm.physical import PAGE_MASK, PAGE_SHIFT
from kernel.mm.space import MAX_MAP_COUNT, USER_TOP, Space, page_align
from kernel.mm.vm_flags import (
    VM_ACCOUNT,
    VM_DONTEXPAND,
    VM_LOCKED,
    VM_LOCKONFAULT,
    VM_MAYSHARE,
)
from kernel.mm.vma import Vma

_KNOWN: Final = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP


def do_mremap(
    space: Space,
    address: int,
    old_length: int,
    new_length: int,
    flags: int,
    new_address: int = 0,
    may_lock: bool = True,
) -> int:
    """Resize or move a mapping; returns where it is now.  See mremap(2), ERRORS."""
    if flags & ~_KNOWN:
        raise EINVAL("flags %#x: only the bits %#x are known", flags, _KNOWN)
    if flags & MREMAP_FIXED and not flags & MREMAP_MAYMOVE:
        raise EINVAL("MREMAP_FIXED needs MREMAP_MAYMOVE")
    if flags & MREMAP_DONTUNMAP and (not flags & MREMAP_MAYMOVE or old_length != new_length):
        raise EINVAL("MREMAP_DONTUNMAP wants MREMAP_MAYMOVE and equal sizes")
    if address & PAGE_MASK:
        raise EINVAL("address %#x is not a multiple of the page size", address)
    old, new = page_align(old_length), page_align(new_length)
    if not new:
        raise EINVAL("the new size is 0")
    area = space.vmas.find(address)
    if area is None:
        raise EFAULT("%s", Around(space, address))
    if flags & (MREMAP_FIXED | MREMAP_DONTUNMAP):
        return _move_to(space, address, old, new, flags, new_address, may_lock)
    if old >= new:
        if old > new:
            _unmap(space, address + new, old - new)
        return address
    area = _check_resize(space, address, old, new, flags, may_lock)
    if old == area.end - address and _grow_in_place(space, area, address + new):
        return address
    if not flags & MREMAP_MAYMOVE:
        raise ENOMEM(
            "%s cannot grow to %#x bytes in place, and MREMAP_MAYMOVE is not set",
            area_text(space, area), new,
        )  # fmt: skip
    return _move(space, area, address, old, new, space.find_hole(new), keep=False)


def _unmap(space: Space, start: int, length: int) -> None:
    if length > USER_TOP or start > USER_TOP - length:
        raise EINVAL("%#x bytes from %#x on go beyond the user half", length, start)
    space.unmap_range(start, start + length)


def _move_to(
    space: Space, address: int, old: int, new: int, flags: int, target: int, may_lock: bool
) -> int:
    """MREMAP_FIXED and MREMAP_DONTUNMAP (``mremap_to``)."""
    if target & PAGE_MASK:
        raise EINVAL("the new address %#x is not a multiple of the page size", target)
    if new > USER_TOP or target > USER_TOP - new:
        raise EINVAL("%#x bytes from %#x on go beyond the user half", new, target)
    if address + old > target and target + new > address:
        raise EINVAL("[%#x, +%#x) and [%#x, +%#x) overlap", address, old, target, new)
    if len(space.vmas) + 2 >= MAX_MAP_COUNT - 3:
        raise ENOMEM(
            "%d areas are vm.max_map_count, %d, or near it", len(space.vmas), MAX_MAP_COUNT
        )
    _check_range(space, address, min(old, new), flags)  # before anything is destroyed
    if flags & MREMAP_FIXED:
        space.unmap_range(target, target + new)
    if old > new:
        _unmap(space, address + new, old - new)
        old = new
    area = _check_resize(space, address, old, new, flags, may_lock)
    keep = bool(flags & MREMAP_DONTUNMAP)
    if keep:
        space.check_room(area.flags, old >> PAGE_SHIFT)
    if not flags & MREMAP_FIXED:
        free = target and space.is_free(target, target + new)
        target = target if free else space.find_hole(new)
    return _move(space, area, address, old, new, target, keep)


def _check_range(space: Space, address: int, old: int, flags: int) -> Vma:
    """The area that holds the old range."""
    area = space.vmas.find(address)
    if area is None:
        raise EFAULT("%s", Around(space, address))
    if not old and not area.flags & VM_MAYSHARE:
        raise EINVAL("old size 0 duplicates a mapping: only a shared one can be")
    if flags & MREMAP_DONTUNMAP and area.flags & VM_DONTEXPAND:
        raise EINVAL("%s must stay as it is", area_text(space, area))
    if old > area.end - address:
        raise EFAULT("%#x bytes are more than %s has", old, area_text(space, area))
    return area


def _check_resize(
    space: Space, address: int, old: int, new: int, flags: int, may_lock: bool
) -> Vma:
    """May the area at an address become that long (``vma_to_resize``)?"""
    area = _check_range(space, address, old, flags)
    if new <= old:
        return area
    if area.flags & VM_DONTEXPAND:
        raise EFAULT("%s must not grow", area_text(space, area))
    pages = (new - old) >> PAGE_SHIFT
    if area.flags & VM_LOCKED:
        check_lock(space, pages, may_lock)
    space.check_room(area.flags, pages)
    return area


def _grow_in_place(space: Space, area: Vma, end: int) -> bool:
    """Extend an area at its end if the room is free."""
    if end > USER_TOP:
        return False
    above = space.vmas.next_from(area.end)
    if above is not None and above.guarded_start < end:
        return False
    pages = (end - area.end) >> PAGE_SHIFT
    if area.flags & VM_ACCOUNT:
        space.frames.charge(pages)
    start, area.end = area.end, end
    space.count_area(area.flags, pages)
    area = space.join(area)
    _lock_new(space, area, start, end)
    return True


def _move(
    space: Space, area: Vma, address: int, old: int, new: int, target: int, keep: bool
) -> int:
    """Move ``old`` bytes to ``target`` and give them ``new`` (``move_vma``).

    Commit: the whole new area is charged, and the old part uncharged when it is unmapped.
    """
    space.need_areas(3)
    pages = new >> PAGE_SHIFT
    space.frames.reserve(_tables_needed(space, old >> PAGE_SHIFT))
    if area.flags & VM_ACCOUNT:
        space.frames.charge(pages)
    offset = area.offset + address - area.start if area.pager is not None else 0
    flags = area.flags
    moved = Vma(space, target, target + new, flags, area.pager, offset, area.file, area.label)
    if old:
        vpn = address >> PAGE_SHIFT
        space.ranges.move(space.root, vpn, target >> PAGE_SHIFT, old >> PAGE_SHIFT)
        space.tlb.invalidate(space.root, address, old >> PAGE_SHIFT)
        space.forget_tables()
    space.add_area(moved)
    if keep:
        left = space.vmas.find(address)
        assert left is not None
        change_flags(space, left, left.start, left.end, left.flags & ~(VM_LOCKED | VM_LOCKONFAULT))
    elif old:
        space.unmap_range(address, address + old)
    _lock_new(space, moved, target + old, target + new)
    return target


def _tables_needed(space: Space, pages: int) -> int:
    """Tables the target range may lack: leaves, two levels above them, and edges."""
    return min(3 * space.rss, pages // 512 + pages // (512 * 512) + 6)


def _lock_new(space: Space, area: Vma, start: int, end: int) -> None:
    """Locked memory is present from the start."""
    if area.flags & (VM_LOCKED | VM_LOCKONFAULT) == VM_LOCKED and start < end:
        populate(space, start, end)
