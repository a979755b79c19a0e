"""fork(2)'s copy of an address space, and the end of one.

Frames are shared: entries of private pages become copy-on-write in parent and child, by one range
operation.  Linux analogue: ``dup_mmap`` and ``exit_mmap``.
"""

from __future__ import annotations

from kernel.abi.errors import ENOMEM
from kernel.mm.physical import PAGE_SHIFT
from kernel.mm.space import Space
from kernel.mm.vm_flags import VM_ACCOUNT, VM_DONTCOPY, VM_LOCKED, VM_LOCKONFAULT, VM_WIPEONFORK
from kernel.mm.vma import Vma

_UNLOCK = ~(VM_LOCKED | VM_LOCKONFAULT)
_LAYOUT = (
    "mmap_base",
    "start_code",
    "end_code",
    "start_data",
    "end_data",
    "start_brk",
    "brk_end",
    "start_stack",
    "arg_start",
    "arg_end",
    "env_start",
    "env_end",
    "vdso_sigreturn",
    "auxv",
    "exe",
    "allow_wx",
    "membarrier",
    "read_implies_exec",
)


def copy_space(parent: Space, child: Space) -> None:
    """Make ``child``, which is empty, a copy of ``parent``.

    Raises ENOMEM; the child is then to be destroyed.  Nothing of the parent's is lost.
    """
    for name in _LAYOUT:
        setattr(child, name, getattr(parent, name))
    child.forget_holes()
    whole = True
    for area in parent.vmas:
        if area.flags & (VM_DONTCOPY | VM_WIPEONFORK):
            whole = False
            if area.flags & VM_DONTCOPY:
                continue
        _copy_area(child, area)
    _copy_pages(parent, child, whole)


def _copy_area(child: Space, area: Vma) -> None:
    flags = area.flags & _UNLOCK
    if flags & VM_ACCOUNT:
        child.frames.charge(area.pages)
    copy = Vma(child, area.start, area.end, flags, area.pager, area.offset, area.file, area.label)
    child.count_area(flags, copy.pages)
    if copy.file is not None:
        copy.file.hold()
    if copy.pager is not None:
        copy.pager.mapped(copy)
    child.vmas.append(copy)


def _copy_pages(parent: Space, child: Space, whole: bool) -> None:
    """Share the pages: in one go, unless some areas are left out."""
    spans: list[tuple[int, int]] = []
    areas = [a for a in child.vmas if not a.flags & VM_WIPEONFORK]
    if whole and areas:
        spans.append((areas[0].start, areas[-1].end))
    else:
        spans += [(a.start, a.end) for a in areas]
    try:
        for start, end in spans:
            vpn = start >> PAGE_SHIFT
            child.add_rss(
                parent.ranges.fork(parent.root, child.root, vpn, (end - start) >> PAGE_SHIFT)
            )
    except ENOMEM:
        # Count what came over before the frames ran out, so that the end of the child adds up.
        child.rss = sum(
            child.ranges.present(child.root, a.start >> PAGE_SHIFT, a.pages) for a in child.vmas
        )
        raise
    finally:
        for start, end in spans:
            parent.tlb.invalidate(parent.root, start, (end - start) >> PAGE_SHIFT)


def destroy_space(space: Space) -> None:
    """Give everything back: pages (shared dirty ones written), tables, charges, files."""
    areas = list(space.vmas)
    for area in areas:
        pager = area.pager
        if pager is not None and pager.needs_write_back:
            space.zap(area, area.start, area.end)
        space.count_area(area.flags, -area.pages)
        if area.flags & VM_ACCOUNT:
            space.frames.uncharge(area.pages)
    if areas:
        space.drop_pages(areas[0].start, areas[-1].end)
    space.vmas.clear()
    space.ranges.free_tables(space.root)
    space.forget_tables()
    space.root = 0
    for area in areas:
        space.release(area)
    space.frames.trim()
