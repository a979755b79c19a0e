"""Mechanism on page tables: what to do to a whole range of entries.

A page table is a tree of four levels of 512 u64 entries in emulated RAM; address bits 39, 30, 21
and 12 are the indices.  Everything here is mechanism: entries, counts, tables.  What a page is for
is decided above (``address_space``, ``fault``).

``RangeOps`` is the protocol.  ``PythonRanges`` is the reference: it says by example what each
operation means, and runs kernel tests without an engine.  The CPU's C twin must agree with it in
every result, in every entry, and in every reference count (a property test compares them).

Rules both follow:

* An empty table is freed at once, except the root; ``TABLE_FRAMES`` counts tables in use.
* Frames whose last reference goes: with the CODE flag they are appended to ``stale`` (count 0, not
  free yet), since only the caller can drop their translations; else they go to the free stack, in
  *descending* page order, so that they come back ascending.
* ``ENOMEM`` is raised only where a method says so; the filling operations stop early instead and
  return how far they came.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from kernel.abi.errors import ENOMEM
from kernel.mm.physical import CODE, TABLE_FRAMES, X_MAPPED, PhysicalMemory

PTE_PRESENT: Final = 1
PTE_READ: Final = 2
PTE_WRITE: Final = 4
PTE_EXEC: Final = 8
PTE_COW: Final = 16
"""Copy before the first write: WRITE is not effective while this is set."""
PTE_ACCESSED: Final = 32
PTE_DIRTY: Final = 64
PTE_SHARED: Final = 128
"""A page of a shared mapping: fork leaves the entry as it is."""
PTE_RIGHTS: Final = PTE_READ | PTE_WRITE | PTE_EXEC
PTE_FLAGS: Final = 0xFFF

TOP_SHIFT: Final = 27
"""vpn >> TOP_SHIFT is the index into the root table (address bit 39)."""


class RangeOps(Protocol):
    """Range operations; ``vpn`` is address >> 12, ``root`` the frame of the top table.

    ``stale``: frames that lost their last reference while holding translated code; the caller
    drops their translations, frees them and empties the list (``Frames.settle``).
    """

    stale: list[int]

    def walk(self, root: int, vpn: int) -> int:
        """The leaf entry of a page, or 0."""

    def set_entry(self, root: int, vpn: int, entry: int) -> None:
        """Write a leaf entry, making tables as needed.  Raw: no counting.  Raises ENOMEM.

        Writing 0 clears the entry and leaves its table, even if it is empty now.
        """

    def map_zero(self, root: int, vpn: int, count: int, flags: int) -> int:
        """Fill the holes of the range with fresh zero frames; returns how many were mapped.

        ``flags`` are the entry's flag bits (PTE_PRESENT is added).  Present entries stay as they
        are.  Stops early when out of frames.
        """

    def map_frames(self, root: int, vpn: int, frames: Sequence[int], flags: int) -> int:
        """Map ``frames[i]`` at ``vpn + i`` where there is a hole and ``frames[i]`` is not 0.

        Counts each mapped frame up; sets X_MAPPED on it if flags has PTE_EXEC.  Returns how many
        were mapped; stops early when out of frames for tables.
        """

    def unmap(self, root: int, vpn: int, count: int) -> int:
        """Drop the entries of the range and their references; returns how many there were."""

    def protect(self, root: int, vpn: int, count: int, flags: int) -> int:
        """Give present entries the R/W/X bits of ``flags`` and leave all others as they are.

        Sets X_MAPPED on their frames if flags has PTE_EXEC.  Returns how many entries changed.
        """

    def fork(self, src_root: int, dst_root: int, vpn: int, count: int) -> int:
        """Let dst share src's pages of the range: same frames, counted up.

        Entries without SHARED become COW in both, whatever their rights are now: mprotect(2) may
        make a read-only page writable later.  The target range is empty before.  Returns how many
        entries were copied.  Raises ENOMEM with dst partly filled (the caller destroys it).
        """

    def move(self, root: int, old_vpn: int, new_vpn: int, count: int) -> int:
        """Move entries to an empty range that does not overlap; returns how many.

        Raises ENOMEM having moved nothing.
        """

    def dirty(self, root: int, vpn: int, count: int, clear: bool) -> list[int]:
        """The vpns whose entry is DIRTY, ascending; with ``clear`` they are clean afterwards."""

    def present(self, root: int, vpn: int, count: int) -> int:
        """How many entries of the range are present."""

    def free_tables(self, root: int) -> None:
        """Free the tree of tables, root included; the leaves are gone already."""


class PythonRanges:
    """The reference implementation; see RangeOps for what each method means."""

    __slots__ = ("_counts", "_flags", "_physical", "_words", "stale")

    def __init__(self, physical: PhysicalMemory) -> None:
        self._physical = physical
        self._words = physical.words
        self._counts = physical.counts
        self._flags = physical.flags
        self.stale: list[int] = []

    # -- tables ----------------------------------------------------------------------------------

    def _slot(self, root: int, vpn: int) -> int:
        """Index in ``words`` of the leaf entry of vpn, or -1 without a leaf table."""
        words = self._words
        table = root
        for shift in (27, 18, 9):
            entry = words[(table << 9) + (vpn >> shift & 511)]
            if not entry:
                return -1
            table = entry >> 12
        return (table << 9) + (vpn & 511)

    def _make_slot(self, root: int, vpn: int) -> int:
        """Like ``_slot``, making the tables that are missing; -1 when out of frames."""
        words = self._words
        table = root
        for shift in (27, 18, 9):
            index = (table << 9) + (vpn >> shift & 511)
            entry = words[index]
            if not entry:
                table = self._physical.take()
                if not table:
                    self._prune(root, vpn)
                    return -1
                self._physical.control[TABLE_FRAMES] += 1
                words[index] = table << 12 | PTE_PRESENT
            else:
                table = entry >> 12
        return (table << 9) + (vpn & 511)

    def _prune(self, root: int, vpn: int) -> None:
        """Free the tables on the way to vpn that are empty, deepest first."""
        words = self._words
        path = []
        table = root
        for shift in (27, 18, 9):
            index = (table << 9) + (vpn >> shift & 511)
            entry = words[index]
            if not entry:
                break
            path.append(index)
            table = entry >> 12
        for index in reversed(path):
            table = words[index] >> 12
            if any(words[table << 9 : (table + 1) << 9]):
                return
            words[index] = 0
            self._free_table(table)

    def _free_table(self, table: int) -> None:
        self._counts[table] = 0
        self._physical.give(table)
        self._physical.control[TABLE_FRAMES] -= 1

    def _leaves(self, root: int, vpn: int, count: int) -> Iterator[tuple[int, int, int]]:
        """(first vpn, number, index of the first entry) of each existing leaf table's part."""
        end = vpn + count
        while vpn < end:
            slot = self._slot(root, vpn)
            if slot >= 0:
                yield vpn, min(512 - (vpn & 511), end - vpn), slot
                vpn = (vpn | 511) + 1
            else:
                vpn = (vpn | self._hole(root, vpn)) + 1

    def _hole(self, root: int, vpn: int) -> int:
        """Low bits of the pages that the missing table on the way to vpn would have covered."""
        table = root
        for shift in (27, 18):
            entry = self._words[(table << 9) + (vpn >> shift & 511)]
            if not entry:
                return (1 << shift) - 1
            table = entry >> 12
        return 511

    def _put(self, frame: int) -> None:
        """One reference less."""
        count = self._counts[frame] - 1
        self._counts[frame] = count
        if count:
            return
        if self._flags[frame] & CODE:
            self.stale.append(frame)
        else:
            self._physical.give(frame)

    # -- operations ------------------------------------------------------------------------------

    def walk(self, root: int, vpn: int) -> int:
        """See RangeOps."""
        slot = self._slot(root, vpn)
        return self._words[slot] if slot >= 0 else 0

    def set_entry(self, root: int, vpn: int, entry: int) -> None:
        """See RangeOps."""
        slot = self._make_slot(root, vpn)
        if slot < 0:
            raise ENOMEM("no frame for a page table")
        self._words[slot] = entry

    def map_zero(self, root: int, vpn: int, count: int, flags: int) -> int:
        """See RangeOps."""
        mapped = 0
        for page in range(vpn, vpn + count):
            slot = self._make_slot(root, page)
            if slot < 0:
                break
            if self._words[slot]:
                continue
            frame = self._physical.take()
            if not frame:
                self._prune(root, page)
                break
            self._words[slot] = frame << 12 | flags | PTE_PRESENT
            if flags & PTE_EXEC:
                self._flags[frame] |= X_MAPPED
            mapped += 1
        return mapped

    def map_frames(self, root: int, vpn: int, frames: Sequence[int], flags: int) -> int:
        """See RangeOps."""
        mapped = 0
        for page, frame in enumerate(frames, vpn):
            if not frame:
                continue
            slot = self._make_slot(root, page)
            if slot < 0:
                break
            if self._words[slot]:
                continue
            self._words[slot] = frame << 12 | flags | PTE_PRESENT
            self._counts[frame] += 1
            if flags & PTE_EXEC:
                self._flags[frame] |= X_MAPPED
            mapped += 1
        return mapped

    def unmap(self, root: int, vpn: int, count: int) -> int:
        """See RangeOps."""
        dropped = 0
        words = self._words
        for first, n, slot in reversed(list(self._leaves(root, vpn, count))):
            for index in range(slot + n - 1, slot - 1, -1):
                entry = words[index]
                if entry:
                    words[index] = 0
                    self._put(entry >> 12)
                    dropped += 1
            self._prune(root, first)
        return dropped

    def protect(self, root: int, vpn: int, count: int, flags: int) -> int:
        """See RangeOps."""
        changed = 0
        words = self._words
        rights = flags & PTE_RIGHTS
        for _, n, slot in self._leaves(root, vpn, count):
            for index in range(slot, slot + n):
                entry = words[index]
                if not entry:
                    continue
                if rights & PTE_EXEC:
                    self._flags[entry >> 12] |= X_MAPPED
                if entry & PTE_RIGHTS != rights:
                    words[index] = entry & ~PTE_RIGHTS | rights
                    changed += 1
        return changed

    def fork(self, src_root: int, dst_root: int, vpn: int, count: int) -> int:
        """See RangeOps."""
        copied = 0
        words = self._words
        for first, n, slot in self._leaves(src_root, vpn, count):
            for offset in range(n):
                entry = words[slot + offset]
                if not entry:
                    continue
                if not entry & PTE_SHARED:
                    entry |= PTE_COW
                target = self._make_slot(dst_root, first + offset)
                if target < 0:
                    raise ENOMEM("no frame for a page table")
                words[slot + offset] = entry
                words[target] = entry
                self._counts[entry >> 12] += 1
                copied += 1
        return copied

    def move(self, root: int, old_vpn: int, new_vpn: int, count: int) -> int:
        """See RangeOps."""
        words = self._words
        present = [
            first + offset
            for first, n, slot in self._leaves(root, old_vpn, count)
            for offset in range(n)
            if words[slot + offset]
        ]
        delta = new_vpn - old_vpn
        for done, page in enumerate(present):
            if self._make_slot(root, page + delta) < 0:
                for undone in present[:done]:
                    self._prune(root, undone + delta)
                raise ENOMEM("no frame for a page table")
        for page in present:
            old = self._slot(root, page)
            words[self._slot(root, page + delta)] = words[old]
            words[old] = 0
        for first, _, _ in list(self._leaves(root, old_vpn, count)):
            self._prune(root, first)
        return len(present)

    def dirty(self, root: int, vpn: int, count: int, clear: bool) -> list[int]:
        """See RangeOps."""
        found = []
        words = self._words
        for first, n, slot in self._leaves(root, vpn, count):
            for offset in range(n):
                entry = words[slot + offset]
                if entry & PTE_DIRTY:
                    found.append(first + offset)
                    if clear:
                        words[slot + offset] = entry & ~PTE_DIRTY
        return found

    def present(self, root: int, vpn: int, count: int) -> int:
        """See RangeOps."""
        words = self._words
        return sum(
            1
            for _, n, slot in self._leaves(root, vpn, count)
            for entry in words[slot : slot + n]
            if entry
        )

    def free_tables(self, root: int) -> None:
        """See RangeOps."""
        self._free_subtree(root, 3)

    def _free_subtree(self, table: int, levels: int) -> None:
        if levels:
            for entry in self._words[table << 9 : (table + 1) << 9]:
                if entry:
                    self._free_subtree(entry >> 12, levels - 1)
        self._free_table(table)
