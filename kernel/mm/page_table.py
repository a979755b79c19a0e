"""Looking at page tables, and single entries.

Range operations do the mass work; this module has what needs one entry at a time (faults, user
copies) or is made for people (the inspector, tests): an index into ``PhysicalMemory.words``, and a
walk over all there is.  The entry format is in ``ranges``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from kernel.mm.physical import TABLE_FRAMES, PhysicalMemory
from kernel.mm.ranges import (
    PTE_ACCESSED,
    PTE_COW,
    PTE_DIRTY,
    PTE_EXEC,
    PTE_READ,
    PTE_SHARED,
    PTE_WRITE,
)

FRAME_BITS: Final = 0xFFFFFFFFFF000
"""The frame number's bits of an entry: ``entry & FRAME_BITS`` is a physical address."""


def new_root(physical: PhysicalMemory) -> int:
    """An empty root table, or 0 when there is no frame."""
    root = physical.take()
    if root:
        physical.control[TABLE_FRAMES] += 1
    return root


def leaf_index(words: memoryview, root: int, vpn: int) -> int:
    """Index in ``words`` of a page's leaf entry, or -1 if there is no leaf table."""
    entry = words[(root << 9) + (vpn >> 27 & 511)]
    if entry:
        entry = words[(entry >> 12 << 9) + (vpn >> 18 & 511)]
        if entry:
            entry = words[(entry >> 12 << 9) + (vpn >> 9 & 511)]
            if entry:
                index: int = (entry >> 12 << 9) + (vpn & 511)
                return index
    return -1


class Mapped(NamedTuple):
    """One present page, as plain data."""

    vpn: int
    frame: int
    flags: str


_LETTERS: Final = (
    (PTE_READ, "r"),
    (PTE_WRITE, "w"),
    (PTE_EXEC, "x"),
    (PTE_COW, "c"),
    (PTE_ACCESSED, "a"),
    (PTE_DIRTY, "d"),
    (PTE_SHARED, "s"),
)


def flag_letters(entry: int) -> str:
    """``rwxcads`` with dashes for what is not set."""
    return "".join(letter if entry & bit else "-" for bit, letter in _LETTERS)


def present_pages(words: memoryview, root: int) -> Iterator[Mapped]:
    """Every present page of a tree, ascending."""
    for vpn, entry in _entries(words, root, 0, 3):
        yield Mapped(vpn, entry >> 12, flag_letters(entry))


def count_tables(words: memoryview, root: int) -> int:
    """Table frames of a tree, root included: VmPTE in /proc/PID/status."""
    return 1 + _count_below(words, root, 3)


def _entries(words: memoryview, table: int, base: int, level: int) -> Iterator[tuple[int, int]]:
    for index, entry in enumerate(words[table << 9 : (table + 1) << 9].tolist()):
        if not entry:
            continue
        vpn = base | index << 9 * level
        if level:
            yield from _entries(words, entry >> 12, vpn, level - 1)
        else:
            yield vpn, entry


def _count_below(words: memoryview, table: int, level: int) -> int:
    if not level:
        return 0
    found = 0
    for entry in words[table << 9 : (table + 1) << 9].tolist():
        if entry:
            found += 1 + _count_below(words, entry >> 12, level - 1)
    return found
