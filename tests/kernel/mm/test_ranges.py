"""Range operations against a naive model: a dict of entries and a counter of references."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.abi.errors import ENOMEM
from kernel.mm.page_table import count_tables, flag_letters, new_root, present_pages
from kernel.mm.physical import CODE, TABLE_FRAMES, X_MAPPED
from kernel.mm.ranges import (
    PTE_COW,
    PTE_DIRTY,
    PTE_EXEC,
    PTE_PRESENT,
    PTE_READ,
    PTE_RIGHTS,
    PTE_SHARED,
    PTE_WRITE,
)
from tests.support.memory import Memory

RW = PTE_READ | PTE_WRITE
BASES = (0, 500, 511, (1 << 18) - 3, (1 << 27) - 2, (1 << 35) - 40)


class Model:
    """Page tables as dicts: root -> vpn -> entry."""

    def __init__(self) -> None:
        self.memory = Memory(4096)
        self.roots = [new_root(self.memory.physical) for _ in range(2)]
        self.tables: list[dict[int, int]] = [{}, {}]

    def check(self) -> None:
        memory = self.memory
        references: Counter[int] = Counter()
        for root, table in zip(self.roots, self.tables, strict=True):
            found = {
                page.vpn: memory.ranges.walk(root, page.vpn)
                for page in present_pages(memory.physical.words, root)
            }
            assert found == table
            references.update(entry >> 12 for entry in table.values())
        for frame, count in references.items():
            assert memory.physical.counts[frame] == count
        tables = sum(count_tables(memory.physical.words, root) for root in self.roots)
        assert tables == memory.physical.control[TABLE_FRAMES]
        assert memory.frames.used_count == tables + len(references)
        memory.frames.check_invariants()


vpns = st.builds(lambda base, delta: base + delta, st.sampled_from(BASES), st.integers(0, 20))
counts = st.integers(1, 30)
rights = st.sampled_from((0, PTE_READ, RW, PTE_READ | PTE_EXEC))
which = st.integers(0, 1)
steps = st.one_of(
    st.tuples(st.just("zero"), which, vpns, counts, rights),
    st.tuples(st.just("unmap"), which, vpns, counts),
    st.tuples(st.just("protect"), which, vpns, counts, rights),
    st.tuples(st.just("dirty"), which, vpns, counts),
    st.tuples(st.just("fork"), which, vpns, counts),
    st.tuples(st.just("move"), which, vpns, vpns, counts),
    st.tuples(st.just("share"), which, vpns, vpns, counts, rights),
)


def apply(model: Model, step: tuple[object, ...]) -> None:
    """Do one step on both sides and compare what it returns."""
    ranges = model.memory.ranges
    name, index, vpn, *rest = step
    assert isinstance(index, int)
    assert isinstance(vpn, int)
    root, table = model.roots[index], model.tables[index]
    numbers = [n for n in rest if isinstance(n, int)]
    if name == "zero":
        count, flags = numbers
        holes = [v for v in range(vpn, vpn + count) if v not in table]
        assert ranges.map_zero(root, vpn, count, flags) == len(holes)
        for v in holes:
            table[v] = ranges.walk(root, v)
            assert table[v] & 0xFFF == flags | PTE_PRESENT
            assert not any(model.memory.frames.view(table[v] >> 12))
            model.memory.frames.writable(table[v] >> 12)[0] = 1
    elif name == "unmap":
        (count,) = numbers
        gone = [v for v in range(vpn, vpn + count) if v in table]
        assert ranges.unmap(root, vpn, count) == len(gone)
        for v in gone:
            del table[v]
    elif name == "protect":
        count, flags = numbers
        inside = [v for v in range(vpn, vpn + count) if v in table]
        changed = [v for v in inside if table[v] & PTE_RIGHTS != flags]
        assert ranges.protect(root, vpn, count, flags) == len(changed)
        for v in inside:
            table[v] = table[v] & ~PTE_RIGHTS | flags
            if flags & PTE_EXEC:
                assert model.memory.physical.flags[table[v] >> 12] & X_MAPPED
    elif name == "dirty":
        (count,) = numbers
        inside = [v for v in range(vpn, vpn + count) if v in table]
        for v in inside[::2]:
            table[v] |= PTE_DIRTY
            ranges.set_entry(root, v, table[v])
        expected = [v for v in inside if table[v] & PTE_DIRTY]
        assert ranges.dirty(root, vpn, count, False) == expected
        assert ranges.dirty(root, vpn, count, True) == expected
        for v in expected:
            table[v] &= ~PTE_DIRTY
        assert ranges.present(root, vpn, count) == len(inside)
    elif name == "fork":
        (count,) = numbers
        other, target = model.roots[1 - index], model.tables[1 - index]
        if any(v in target for v in range(vpn, vpn + count)):
            return
        inside = [v for v in range(vpn, vpn + count) if v in table]
        assert ranges.fork(root, other, vpn, count) == len(inside)
        for v in inside:
            if not table[v] & PTE_SHARED:
                table[v] |= PTE_COW
            target[v] = table[v]
    elif name == "move":
        new, count = numbers
        places = range(new, new + count)
        if abs(new - vpn) < count or any(v in table for v in places):
            return
        inside = [v for v in range(vpn, vpn + count) if v in table]
        assert ranges.move(root, vpn, new, count) == len(inside)
        for v in inside:
            table[v - vpn + new] = table.pop(v)
    else:
        new, count, flags = numbers
        frames = [table.get(vpn + i, 0) >> 12 for i in range(count)]
        other, target = model.roots[1 - index], model.tables[1 - index]
        free = [i for i in range(count) if frames[i] and new + i not in target]
        flags |= PTE_SHARED
        assert ranges.map_frames(other, new, frames, flags) == len(free)
        for i in free:
            target[new + i] = frames[i] << 12 | flags | PTE_PRESENT


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=25))
def test_range_operations_agree_with_a_dict(script: list[tuple[object, ...]]) -> None:
    model = Model()
    for step in script:
        apply(model, step)
    model.check()
    for index, root in enumerate(model.roots):
        for vpn in list(model.tables[index]):
            model.memory.ranges.unmap(root, vpn, 1)
        model.memory.ranges.free_tables(root)
    assert model.memory.frames.used_count == 0


def test_map_zero_stops_when_frames_run_out() -> None:
    memory = Memory(16)
    root = new_root(memory.physical)
    # 15 usable frames, the root and three tables taken: 11 are left for pages.
    assert memory.ranges.map_zero(root, 0, 100, RW) == 11
    assert memory.ranges.map_zero(root, 1 << 18, 5, RW) == 0
    memory.frames.check_invariants()
    assert count_tables(memory.physical.words, root) == 4


def test_frames_with_code_wait_in_stale() -> None:
    memory = Memory(64)
    root = new_root(memory.physical)
    memory.ranges.map_zero(root, 5, 3, PTE_READ | PTE_EXEC)
    frame = memory.ranges.walk(root, 6) >> 12
    memory.physical.flags[frame] |= CODE
    assert memory.ranges.unmap(root, 5, 3) == 3
    assert memory.ranges.stale == [frame]
    memory.frames.settle(memory.ranges)
    assert memory.tlb.code_requests == [frame]
    assert memory.ranges.stale == []
    assert memory.frames.used_count == 1


def test_freed_frames_come_back_in_ascending_order() -> None:
    memory = Memory(64)
    root = new_root(memory.physical)
    memory.ranges.map_zero(root, 0, 8, RW)
    before = [page.frame for page in present_pages(memory.physical.words, root)]
    memory.ranges.set_entry(root, 20, 0)
    memory.ranges.map_zero(root, 21, 1, RW)
    memory.ranges.unmap(root, 0, 8)
    memory.ranges.map_zero(root, 0, 8, RW)
    assert [page.frame for page in present_pages(memory.physical.words, root)][:8] == before


def test_fork_makes_read_only_private_pages_copy_on_write_too() -> None:
    memory = Memory(64)
    parent, child = new_root(memory.physical), new_root(memory.physical)
    memory.ranges.map_zero(parent, 0, 1, PTE_READ)
    memory.ranges.map_zero(parent, 1, 1, RW | PTE_SHARED)
    memory.ranges.fork(parent, child, 0, 2)
    for root in (parent, child):
        assert memory.ranges.walk(root, 0) & PTE_COW
        assert not memory.ranges.walk(root, 1) & PTE_COW


def test_move_without_frames_for_tables_moves_nothing() -> None:
    memory = Memory(12)
    root = new_root(memory.physical)
    memory.ranges.map_zero(root, 0, 100, RW)
    before = list(present_pages(memory.physical.words, root))
    with pytest.raises(ENOMEM):
        memory.ranges.move(root, 0, 1 << 30, 4)
    assert list(present_pages(memory.physical.words, root)) == before
    memory.frames.check_invariants()


def test_flag_letters_name_every_bit() -> None:
    assert flag_letters(0xFFF) == "rwxcads"
    assert flag_letters(PTE_PRESENT | PTE_READ) == "r------"
