"""What a page fault means: the one place that decides.

``handle_fault`` returns a verdict and never raises a signal.  It maps what was asked for and, where
that is cheap, its neighbours: a trap costs several microseconds, one more page a fraction of one.
See mmap(2), "ERRORS" (SIGSEGV, SIGBUS), and Linux's ``handle_mm_fault``.
"""

from __future__ import annotations

from typing import Final

from kernel.abi.errors import ENOMEM, KernelError
from kernel.abi.signals import SIGBUS, SIGSEGV
from kernel.cred import RLIMIT_STACK
from kernel.mm.page_table import leaf_index
from kernel.mm.physical import PAGE_MASK, PAGE_SHIFT, X_MAPPED
from kernel.mm.ranges import (
    PTE_ACCESSED,
    PTE_COW,
    PTE_DIRTY,
    PTE_EXEC,
    PTE_PRESENT,
    PTE_RIGHTS,
    PTE_SHARED,
)
from kernel.mm.space import Space
from kernel.mm.vm_flags import (
    VM_ACCESS,
    VM_ACCOUNT,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_SHARED,
    VM_WRITE,
)
from kernel.mm.vma import STACK_GUARD_GAP, Vma

ACCESS_READ: Final = 0
ACCESS_WRITE: Final = 1
ACCESS_FETCH: Final = 2

FAULT_OK: Final = 0
FAULT_MAPERR: Final = 1
FAULT_ACCERR: Final = 2
FAULT_BUS: Final = 3
FAULT_OOM: Final = 4

VERDICT_SIGNALS: Final[dict[int, tuple[int, int]]] = {
    FAULT_MAPERR: (SIGSEGV, 1),
    FAULT_ACCERR: (SIGSEGV, 2),
    FAULT_BUS: (SIGBUS, 2),
}
"""(signal, si_code) of a verdict: SEGV_MAPERR, SEGV_ACCERR, BUS_ADRERR.  FAULT_OOM is no signal
of the faulting task: the machine picks whom to kill."""

VERDICT_NAMES: Final = ("ok", "SEGV_MAPERR", "SEGV_ACCERR", "BUS_ADRERR", "out of memory")

_NEEDED: Final = (VM_ACCESS, VM_WRITE, VM_EXEC)
WINDOW: Final = 16
"""Pages mapped around a fault; a power of two.  64 KiB, as Linux's fault_around_bytes."""
BIG_AREA: Final = 1 << 20
BIG_WINDOW: Final = 32
LOW_FRAMES: Final = 512
"""With fewer frames free, neighbours are left alone."""


def handle_fault(space: Space, address: int, access: int, kernel: bool = False) -> int:
    """Make one access to one page possible, or say why not.

    ``kernel``: the access is the kernel's own (a user copy), so a copy-on-write break must be
    reported to the TLB; the guest's own write fault replaces its entry by itself.
    """
    area = space.vmas.find(address)
    if area is None:
        area = _grow_stack(space, address)
        if area is None:
            return FAULT_MAPERR
    if not area.flags & _NEEDED[access]:
        return FAULT_ACCERR
    index = leaf_index(space.physical.words, space.root, address >> PAGE_SHIFT)
    try:
        if index >= 0 and space.physical.words[index]:
            return _present(space, area, index, address, access, kernel)
        if area.pager is None:
            return _anonymous(space, area, address)
        return _file(space, area, address, access)
    except ENOMEM:
        return FAULT_OOM


def _present(space: Space, area: Vma, index: int, address: int, access: int, kernel: bool) -> int:
    """The page is there: a write to a copy-on-write page, or a fault that is over already."""
    words = space.physical.words
    entry = words[index]
    if access == ACCESS_WRITE and entry & PTE_COW:
        frame = entry >> PAGE_SHIFT
        flags = PTE_PRESENT | area.rights | PTE_ACCESSED | PTE_DIRTY
        if space.frames.count(frame) == 1:
            words[index] = frame << PAGE_SHIFT | flags
            space.fault_kind = "reuse"
        else:
            _replace(space, index, frame, flags)
            if kernel:
                space.tlb.invalidate(space.root, address & ~PAGE_MASK, 1)
            space.fault_kind = "cow"
        space.min_flt += 1
        return FAULT_OK
    if entry & PTE_RIGHTS != area.rights:
        words[index] = entry & ~PTE_RIGHTS | area.rights
    space.fault_kind = "spurious"
    return FAULT_OK


def _replace(space: Space, index: int, frame: int, flags: int) -> None:
    """Give an entry its own copy of a frame."""
    copy = space.frames.copy(frame)
    if flags & PTE_EXEC:
        space.physical.flags[copy] |= X_MAPPED
    space.physical.words[index] = copy << PAGE_SHIFT | flags
    space.frames.put(frame)


def _anonymous(space: Space, area: Vma, address: int) -> int:
    """Private anonymous memory: fresh zero pages, neighbours as well."""
    start, end = _window(space, area, address)
    vpn = start >> PAGE_SHIFT
    count = (end - start) >> PAGE_SHIFT
    mapped = space.ranges.map_zero(space.root, vpn, count, area.rights)
    space.add_rss(mapped)
    if mapped != count and not space.ranges.walk(space.root, address >> PAGE_SHIFT):
        # Table frames may be missing too: at most three of them.
        space.frames.reclaim(4)
        mapped = space.ranges.map_zero(space.root, address >> PAGE_SHIFT, 1, area.rights)
        space.add_rss(mapped)
        if not mapped:
            return FAULT_OOM
    space.min_flt += 1
    space.fault_kind = "minor"
    return FAULT_OK


def _window(space: Space, area: Vma, address: int) -> tuple[int, int]:
    """The part of the area, around an address, that is mapped at one fault."""
    if space.frames.free_count < LOW_FRAMES:
        page = address & ~PAGE_MASK
        return page, page + PAGE_MASK + 1
    size = (BIG_WINDOW if area.end - area.start >= BIG_AREA else WINDOW) << PAGE_SHIFT
    start = address & -size
    end = start + size
    if start < area.start:
        start = area.start
    return start, end if end < area.end else area.end


def _file(space: Space, area: Vma, address: int, access: int) -> int:
    """A page of a file: SIGBUS beyond its end, a private copy for a private write."""
    pager = area.pager
    assert pager is not None
    page = area.page_index(address)
    if page << PAGE_SHIFT >= pager.size:
        return FAULT_BUS
    known = pager.present_pages(page, 1)
    major = not known or not known[0]
    try:
        frame = pager.get_page(page)
    except ENOMEM:
        raise
    except KernelError:
        return FAULT_BUS
    if access == ACCESS_WRITE and not area.flags & VM_SHARED:
        _map_private_copy(space, area, address, frame)
        space.fault_kind = "cow"
    else:
        _map_around(space, area, address, frame)
        space.fault_kind = "major" if major else "minor"
    if major:
        space.maj_flt += 1
    else:
        space.min_flt += 1
    return FAULT_OK


def _map_private_copy(space: Space, area: Vma, address: int, frame: int) -> None:
    """The first access to a private page of a file is a write: copy it at once."""
    space.frames.get(frame)  # so that reclaim cannot take it while there is no mapping of it
    try:
        space.frames.reserve(4)
        copy = space.frames.copy(frame)
    finally:
        space.frames.put(frame)
    if area.rights & PTE_EXEC:
        space.physical.flags[copy] |= X_MAPPED
    flags = PTE_PRESENT | area.rights | PTE_ACCESSED | PTE_DIRTY
    space.ranges.set_entry(space.root, address >> PAGE_SHIFT, copy << PAGE_SHIFT | flags)
    space.add_rss(1)


def _map_around(space: Space, area: Vma, address: int, frame: int) -> None:
    """Map a page of a file, and those around it that are in memory already."""
    pager = area.pager
    assert pager is not None
    flags = area.rights | (PTE_SHARED if area.flags & VM_SHARED else PTE_COW)
    vpn = address >> PAGE_SHIFT
    mapped = space.ranges.map_frames(space.root, vpn, (frame,), flags)
    if not mapped:
        space.frames.get(frame)
        try:
            space.frames.reserve(3)  # tables
        finally:
            space.frames.put(frame)
        mapped = space.ranges.map_frames(space.root, vpn, (frame,), flags)
    if not mapped:
        raise ENOMEM("no frame for a page table")
    start, end = _window(space, area, address)
    last = (pager.size + PAGE_MASK) >> PAGE_SHIFT
    first = area.page_index(start)
    count = min((end - start) >> PAGE_SHIFT, last - first)
    if count > 1:
        near = pager.present_pages(first, count)
        mapped += space.ranges.map_frames(space.root, start >> PAGE_SHIFT, near, flags)
    space.add_rss(mapped)


def _grow_stack(space: Space, address: int) -> Vma | None:
    """Extend the stack down to a fault below it, if limits and the guard gap allow that.

    See getrlimit(2), RLIMIT_STACK, and Linux's ``expand_downwards``.
    """
    area = space.vmas.next_from(address)
    if area is None or not area.flags & VM_GROWSDOWN:
        return None
    start = address & ~PAGE_MASK
    if area.end - start > space.limits.soft(RLIMIT_STACK):
        return None
    below = space.vmas.before(area.start)
    if below is not None and start - below.end < STACK_GUARD_GAP:
        if below.flags & VM_GROWSDOWN:
            if start < below.end:
                return None
        elif below.flags & VM_ACCESS:
            return None
    pages = (area.start - start) >> PAGE_SHIFT
    try:
        space.check_room(area.flags, pages)
        if area.flags & VM_ACCOUNT:
            space.frames.charge(pages)
    except ENOMEM:
        return None
    space.count_area(area.flags, pages)
    space.vmas.set_start(area, start)
    return area


def populate(space: Space, start: int, end: int, write: bool | None = None) -> int:
    """Fault in every page of [start, end); returns the first verdict that is not OK.

    ``write`` None: as the area allows (MAP_POPULATE, mlock(2)).
    """
    for area in space.vmas.overlapping(start, end):
        low, high = max(start, area.start), min(end, area.end)
        if write is None:
            access = ACCESS_WRITE if area.flags & (VM_WRITE | VM_SHARED) == VM_WRITE else 0
        else:
            access = ACCESS_WRITE if write else ACCESS_READ
        verdict = _populate_area(space, area, low, high, access)
        if verdict:
            return verdict
    return FAULT_OK


def _populate_area(space: Space, area: Vma, low: int, high: int, access: int) -> int:
    if not area.flags & _NEEDED[access]:
        return FAULT_ACCERR
    if area.pager is None:
        vpn, count = low >> PAGE_SHIFT, (high - low) >> PAGE_SHIFT
        space.add_rss(space.ranges.map_zero(space.root, vpn, count, area.rights))
    words = space.physical.words
    for address in range(low, high, PAGE_MASK + 1):
        index = leaf_index(words, space.root, address >> PAGE_SHIFT)
        entry = words[index] if index >= 0 else 0
        if not entry or (access == ACCESS_WRITE and entry & PTE_COW):
            verdict = handle_fault(space, address, access, kernel=True)
            if verdict:
                return verdict
    return FAULT_OK


def force_page(space: Space, address: int, write: bool) -> int:
    """Make a page present whatever its rights, for a debugger; its frame, or 0.

    A forced write to a private page gives the process its own copy, so that a breakpoint never
    reaches the file; to a shared page that may not be written it is refused.  Linux analogue:
    ``get_user_pages`` with FOLL_FORCE.
    """
    area = space.vmas.find(address)
    if area is None or (write and area.flags & (VM_SHARED | VM_WRITE) == VM_SHARED):
        return 0
    access = ACCESS_WRITE if write else ACCESS_READ
    index = leaf_index(space.physical.words, space.root, address >> PAGE_SHIFT)
    if index < 0 or not space.physical.words[index]:
        try:
            if area.pager is None:
                verdict = _anonymous(space, area, address)
            else:
                verdict = _file(space, area, address, access)
        except ENOMEM:
            return 0
        if verdict:
            return 0
        index = leaf_index(space.physical.words, space.root, address >> PAGE_SHIFT)
    if write and space.physical.words[index] & PTE_COW:
        try:
            _present(space, area, index, address, access, True)
        except ENOMEM:
            return 0
    if write:
        space.physical.words[index] |= PTE_DIRTY
    return space.physical.words[index] >> PAGE_SHIFT
