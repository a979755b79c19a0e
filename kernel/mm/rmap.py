"""From a file's pages to the places that map them.

An inode's pager lists the areas that map it (``Pager.mapped``); here they are used: to take pages
out of every mapping (truncate, a file that changed on the host), and to find which pages were
written to through one.  Linux analogue: ``unmap_mapping_range``, ``folio_mkclean``.
"""

from __future__ import annotations

from collections.abc import Iterable

from kernel.mm.physical import PAGE_SHIFT, PAGE_SIZE
from kernel.mm.vm_flags import VM_SHARED
from kernel.mm.vma import Vma


def _span(area: Vma, first: int, last: int | None) -> tuple[int, int]:
    """[start, end) of the part of an area that shows pages first..last (exclusive)."""
    start = max(area.address_of(first), area.start)
    end = area.end if last is None else min(area.address_of(last), area.end)
    return start, end


def indexes_within(pages: dict[int, int], span: range) -> list[int]:
    """The pages of ``span`` that exist; looks through whichever of the two is shorter.

    A program chooses the span, and may choose one of 2**50 pages.
    """
    if len(span) < len(pages):
        return [index for index in span if index in pages]
    return [index for index in pages if index in span]


def unmap_everywhere(areas: Iterable[Vma], first: int, last: int | None) -> None:
    """Take pages [first, last) out of every mapping, private copies of them too (truncate(2))."""
    for area in list(areas):
        start, end = _span(area, first, last)
        if start < end and area.space is not None:
            area.space.drop_pages(start, end)


def unmap_frames(areas: Iterable[Vma], frames: dict[int, int]) -> None:
    """Take the cache's own frames (by page index) out of every mapping; private copies stay."""
    for area in list(areas):
        space = area.space
        if space is None:
            continue
        low, high = area.page_index(area.start), area.page_index(area.end)
        for index, frame in frames.items():
            if not low <= index < high:
                continue
            address = area.address_of(index)
            if space.ranges.walk(space.root, address >> PAGE_SHIFT) >> PAGE_SHIFT == frame:
                space.drop_pages(address, address + PAGE_SIZE)


def dirty_pages(areas: Iterable[Vma], first: int, last: int | None, clear: bool) -> list[int]:
    """Indices of pages [first, last) written to through a shared mapping, ascending.

    With ``clear`` the entries are clean afterwards, and their translations dropped.
    """
    found: dict[int, None] = {}
    for area in areas:
        space = area.space
        start, end = _span(area, first, last)
        if start >= end or space is None or not area.flags & VM_SHARED:
            continue
        count = (end - start) >> PAGE_SHIFT
        pages = space.ranges.dirty(space.root, start >> PAGE_SHIFT, count, clear)
        if pages and clear:
            space.tlb.invalidate(space.root, start, count)
        for page in pages:
            found[area.page_index(page << PAGE_SHIFT)] = None
    return sorted(found)
