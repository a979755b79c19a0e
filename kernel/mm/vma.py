"""Virtual memory areas: what a process has asked to be mapped where.

An area says what *may* be there; the page table says what *is* there.  Linux analogue:
``struct vm_area_struct`` and its maple tree.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from kernel.mm.pager import MappedFile, Pager
from kernel.mm.physical import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE
from kernel.mm.ranges import PTE_EXEC, PTE_READ, PTE_WRITE
from kernel.mm.vm_flags import (
    VM_ACCESS,
    VM_ACCOUNT,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_READ,
    VM_SHARED,
    VM_WRITE,
)

if TYPE_CHECKING:
    from kernel.mm.space import Space

STACK_GUARD_GAP: Final = 256 * PAGE_SIZE
"""Kept free below an area that grows down, as Linux does since the stack clash of 2017."""

_RIGHTS: Final = tuple(
    (PTE_READ if prot else 0)
    | (PTE_WRITE if prot & VM_WRITE else 0)
    | (PTE_EXEC if prot & VM_EXEC else 0)
    for prot in range(8)
)
"""Entry rights by R/W/X bits.  Any right implies reading, as on x86 and in Linux's arm64 table."""


class Vma:
    """One area: [start, end), page-aligned, with one set of flags and one source of pages.

    ``offset``: byte offset in the file of ``start`` (0 for anonymous memory).  ``label``: a name
    for /proc/PID/maps where no file gives one.
    """

    __slots__ = ("end", "file", "flags", "label", "offset", "pager", "rights", "space", "start")

    def __init__(
        self,
        space: Space | None,
        start: int,
        end: int,
        flags: int,
        pager: Pager | None = None,
        offset: int = 0,
        file: MappedFile | None = None,
        label: bytes = b"",
    ) -> None:
        self.space = space
        self.start = start
        self.end = end
        self.flags = flags
        self.rights = _RIGHTS[flags & VM_ACCESS]
        self.pager = pager
        self.offset = offset
        self.file = file
        self.label = label

    @property
    def pages(self) -> int:
        """Length in pages."""
        return (self.end - self.start) >> PAGE_SHIFT

    @property
    def guarded_start(self) -> int:
        """Where other areas must end (``vm_start_gap``)."""
        if self.flags & VM_GROWSDOWN:
            return max(self.start - STACK_GUARD_GAP, 0)
        return self.start

    def set_flags(self, flags: int) -> None:
        """Change the flags, and the entry rights that follow from them."""
        self.flags = flags
        self.rights = _RIGHTS[flags & VM_ACCESS]

    def page_index(self, address: int) -> int:
        """The page of the file that is mapped at an address."""
        return (address - self.start + self.offset) >> PAGE_SHIFT

    def address_of(self, index: int) -> int:
        """Where a page of the file is mapped (may lie outside the area)."""
        return (index << PAGE_SHIFT) - self.offset + self.start

    def can_join(self, right: Vma) -> bool:
        """May ``right``, which begins where this area ends, become part of it?"""
        return (
            self.end == right.start
            and self.flags == right.flags
            and self.pager is right.pager
            and self.file is right.file
            and self.label == right.label
            and (self.pager is None or self.offset + self.end - self.start == right.offset)
        )

    def __repr__(self) -> str:
        letters = (VM_READ, "r"), (VM_WRITE, "w"), (VM_EXEC, "x"), (VM_SHARED, "s")
        perms = "".join(letter if self.flags & bit else "-" for bit, letter in letters)
        return f"<Vma {self.start:#x}-{self.end:#x} {perms} offset={self.offset:#x}>"


class VmaList:
    """The areas of one address space, sorted by address.

    Invariants: areas are page-aligned, not empty, do not overlap, and are sorted; ``_starts``
    mirrors their start addresses.  Who owns this: the verbs of the address space; nobody else
    changes it.
    """

    __slots__ = ("_areas", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._areas: list[Vma] = []

    def __len__(self) -> int:
        return len(self._areas)

    def __iter__(self) -> Iterator[Vma]:
        return iter(self._areas)

    def find(self, address: int) -> Vma | None:
        """The area that contains an address."""
        index = bisect_right(self._starts, address) - 1
        if index >= 0:
            area = self._areas[index]
            if address < area.end:
                return area
        return None

    def next_from(self, address: int) -> Vma | None:
        """The first area that ends above an address (Linux's ``find_vma``)."""
        index = bisect_right(self._starts, address) - 1
        if index >= 0 and address < self._areas[index].end:
            return self._areas[index]
        index += 1
        return self._areas[index] if index < len(self._areas) else None

    def before(self, address: int) -> Vma | None:
        """The last area that starts below an address."""
        index = bisect_left(self._starts, address) - 1
        return self._areas[index] if index >= 0 else None

    def overlapping(self, start: int, end: int) -> list[Vma]:
        """Every area with a page in [start, end), ascending."""
        if start >= end:
            return []
        first = bisect_right(self._starts, start) - 1
        if first < 0 or self._areas[first].end <= start:
            first += 1
        return self._areas[first : bisect_left(self._starts, end, lo=first)]

    def below(self, address: int) -> Iterator[Vma]:
        """The areas that start below an address, from the highest down."""
        for index in range(bisect_left(self._starts, address) - 1, -1, -1):
            yield self._areas[index]

    def insert(self, area: Vma) -> None:
        """Add an area; the place is free."""
        index = bisect_left(self._starts, area.start)
        self._starts.insert(index, area.start)
        self._areas.insert(index, area)

    def append(self, area: Vma) -> None:
        """Add an area above all others (fork copies in order)."""
        self._starts.append(area.start)
        self._areas.append(area)

    def remove(self, area: Vma) -> None:
        """Take an area out."""
        index = bisect_left(self._starts, area.start)
        del self._starts[index]
        del self._areas[index]

    def remove_range(self, start: int, end: int) -> None:
        """Take out the areas that lie in [start, end); none straddles its edges."""
        first = bisect_left(self._starts, start)
        last = bisect_left(self._starts, end)
        del self._starts[first:last]
        del self._areas[first:last]

    def set_start(self, area: Vma, start: int) -> None:
        """Move an area's lower edge, within the free space or the area itself."""
        index = bisect_left(self._starts, area.start)
        self._starts[index] = start
        area.start = start

    def clear(self) -> None:
        """Forget all areas."""
        self._starts.clear()
        self._areas.clear()

    def check_invariants(self) -> None:
        """See the class; for tests."""
        previous_end = 0
        for start, area in zip(self._starts, self._areas, strict=True):
            assert start == area.start, f"{area} is listed at {start:#x}"
            assert area.start < area.end, f"{area} is empty"
            assert not (area.start | area.end | area.offset) & PAGE_MASK, f"{area} is unaligned"
            assert area.start >= previous_end, f"{area} overlaps its neighbour"
            assert not (area.flags & VM_ACCOUNT and area.flags & VM_SHARED), f"{area} is charged"
            previous_end = area.end

    def describe(self) -> list[dict[str, Any]]:
        """Plain data, for the inspector."""
        return [
            {"start": a.start, "end": a.end, "flags": a.flags, "offset": a.offset}
            for a in self._areas
        ]

    def __repr__(self) -> str:
        return f"<VmaList {len(self)} areas>"
