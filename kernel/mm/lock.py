"""mlock(2), mlock2(2), munlock(2), mlockall(2), munlockall(2).

Nothing is ever swapped out here, so a present page stays; what locking adds is that pages are
present from the start, that RLIMIT_MEMLOCK counts, and that MADV_DONTNEED is refused.
"""

from __future__ import annotations

from kernel.abi.errors import EAGAIN, EINVAL, ENOMEM, EPERM
from kernel.abi.memory import MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT
from kernel.cred import RLIMIT_MEMLOCK
from kernel.mm.advise import change_flags
from kernel.mm.around import Around
from kernel.mm.fault import FAULT_OOM, populate
from kernel.mm.physical import PAGE_MASK, PAGE_SHIFT
from kernel.mm.space import Space, page_align
from kernel.mm.vm_flags import VM_LOCKED, VM_LOCKONFAULT

_LOCKS = VM_LOCKED | VM_LOCKONFAULT


def do_mlock(space: Space, address: int, length: int, on_fault: bool, may_lock: bool) -> None:
    """Lock a range.  See mlock(2), ERRORS.  ``may_lock``: the caller has CAP_IPC_LOCK."""
    limit = space.limits.soft(RLIMIT_MEMLOCK)
    if not may_lock and not limit:
        raise EPERM("RLIMIT_MEMLOCK is 0, and there is no CAP_IPC_LOCK")
    start, end = _span(address, length)
    if not may_lock:
        known = _locked_in(space, start, end)
        if space.locked_vm + ((end - start) >> PAGE_SHIFT) - known > limit >> PAGE_SHIFT:
            raise ENOMEM(
                "%d bytes and %d locked already are over RLIMIT_MEMLOCK, %d",
                end - start, (space.locked_vm - known) << PAGE_SHIFT, limit,
            )  # fmt: skip
    _apply(space, start, end, VM_LOCKED | (VM_LOCKONFAULT if on_fault else 0))
    if on_fault:
        return
    verdict = populate(space, start, end)
    if verdict == FAULT_OOM:
        raise EAGAIN("no page frame is left for the range")
    if verdict:
        raise ENOMEM("a page from %#x on cannot be made present", start)


def do_munlock(space: Space, address: int, length: int) -> None:
    """Unlock a range.  See mlock(2)."""
    start, end = _span(address, length)
    _apply(space, start, end, 0)


def do_mlockall(space: Space, flags: int, may_lock: bool) -> None:
    """Lock everything there is, will be, or both.  See mlockall(2), ERRORS."""
    if not flags or flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) or flags == MCL_ONFAULT:
        raise EINVAL("flags %#x: MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT beside one of them", flags)
    limit = space.limits.soft(RLIMIT_MEMLOCK)
    if not may_lock and not limit:
        raise EPERM("RLIMIT_MEMLOCK is 0, and there is no CAP_IPC_LOCK")
    if not may_lock and flags & MCL_CURRENT and space.total_vm > limit >> PAGE_SHIFT:
        raise ENOMEM(
            "%d mapped bytes are over RLIMIT_MEMLOCK, %d", space.total_vm << PAGE_SHIFT, limit
        )
    bits = VM_LOCKED | (VM_LOCKONFAULT if flags & MCL_ONFAULT else 0)
    space.default_flags = bits if flags & MCL_FUTURE else 0
    if not flags & MCL_CURRENT:
        return
    for area in list(space.vmas):
        change_flags(space, area, area.start, area.end, area.flags & ~_LOCKS | bits)
    if not flags & MCL_ONFAULT:
        for area in list(space.vmas):
            populate(space, area.start, area.end)  # mlockall(2): Linux ignores failures here too


def do_munlockall(space: Space) -> None:
    """Unlock everything, now and for the future."""
    space.default_flags = 0
    for area in list(space.vmas):
        change_flags(space, area, area.start, area.end, area.flags & ~_LOCKS)


def _span(address: int, length: int) -> tuple[int, int]:
    """The pages of a range; an address may be unaligned here.  EINVAL if it wraps around."""
    start = address & ~PAGE_MASK
    end = start + page_align(length + (address & PAGE_MASK))
    if end >= 1 << 64:
        raise EINVAL("%#x bytes from %#x on go past the end of memory", length, address)
    return start, end


def _locked_in(space: Space, start: int, end: int) -> int:
    """Pages of the range that are locked already."""
    return sum(
        (min(area.end, end) - max(area.start, start)) >> PAGE_SHIFT
        for area in space.vmas.overlapping(start, end)
        if area.flags & VM_LOCKED
    )


def _apply(space: Space, start: int, end: int, bits: int) -> None:
    """Set or clear the lock bits; a hole is ENOMEM, after what lies before it was done."""
    for area in space.vmas.overlapping(start, end):
        if area.start > start:
            raise ENOMEM("%s", Around(space, start))
        stop = min(area.end, end)
        change_flags(space, area, start, stop, area.flags & ~_LOCKS | bits)
        start = stop
    if start < end:
        raise ENOMEM("%s", Around(space, start))
