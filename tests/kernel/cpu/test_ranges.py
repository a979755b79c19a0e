"""The C range operations agree with the Python reference in everything that can be seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.abi.errors import ENOMEM
from kernel.cpu.library import open_engine
from kernel.cpu.ranges import NativeRanges
from kernel.mm.physical import CODE, PhysicalMemory
from kernel.mm.ranges import (
    PTE_COW,
    PTE_DIRTY,
    PTE_EXEC,
    PTE_READ,
    PTE_SHARED,
    PTE_WRITE,
    PythonRanges,
    RangeOps,
)

pytestmark = pytest.mark.row("K2")

BASES = (0, 0x1FE, 0x3FFFE, 0x7FFFFFE)
"""Page numbers just below a border of each table level."""
vpns = st.builds(lambda base, offset: base + offset, st.sampled_from(BASES), st.integers(0, 6))
counts = st.integers(0, 5) | st.just(600)
rights = st.sampled_from(
    [
        PTE_READ,
        PTE_READ | PTE_WRITE,
        PTE_READ | PTE_EXEC,
        PTE_READ | PTE_WRITE | PTE_DIRTY,
        PTE_READ | PTE_WRITE | PTE_SHARED | PTE_DIRTY,
        PTE_READ | PTE_WRITE | PTE_COW,
        0,
    ]
)
roots = st.integers(0, 1)
operations = st.one_of(
    st.tuples(st.just("map_zero"), roots, vpns, st.integers(0, 5), rights),
    st.tuples(
        st.just("map_frames"), roots, vpns, st.lists(st.sampled_from([0, 3, 4]), max_size=4), rights
    ),
    st.tuples(st.just("unmap"), roots, vpns, counts),
    st.tuples(st.just("protect"), roots, vpns, counts, rights),
    st.tuples(st.just("fork"), vpns, counts),
    st.tuples(st.just("move"), roots, vpns, st.integers(0, 5)),
    st.tuples(st.just("dirty"), roots, vpns, counts, st.booleans()),
    st.tuples(st.just("present"), roots, vpns, counts),
    st.tuples(st.just("walk"), roots, vpns),
    st.tuples(st.just("set_entry"), roots, vpns, st.just(0)),
    st.tuples(st.just("code"), st.integers(5, 20)),
)

LIB = open_engine()


class Side:
    """One implementation on its own memory, with two address spaces and two page-cache frames."""

    def __init__(self, frames: int, make: Callable[[PhysicalMemory], RangeOps]) -> None:
        self.physical = PhysicalMemory(frames * 4096)
        self.ranges = make(self.physical)
        self.roots = [self.physical.take(), self.physical.take()]
        self.files = [self.physical.take(), self.physical.take()]

    def apply(self, name: str, args: tuple[Any, ...]) -> Any:
        """Do one operation; ENOMEM is a result like others."""
        if name == "code":
            if args[0] < self.physical.frame_count and self.physical.counts[args[0]]:
                self.physical.flags[args[0]] |= CODE
            return None
        if name == "fork":
            return self.fork(*args)
        root = self.roots[args[0]]
        if name == "move":
            _, old, count = args
            new = 0x5FFFE
            if self.ranges.present(root, new, count):
                return None
            args = (root, old, new, count)
        else:
            args = (root, *args[1:])
        try:
            return getattr(self.ranges, name)(*args)
        except ENOMEM:
            return "ENOMEM"

    def fork(self, vpn: int, count: int) -> Any:
        """From the first space to the second, whose range is emptied before."""
        self.ranges.unmap(self.roots[1], vpn, count)
        try:
            return self.ranges.fork(self.roots[0], self.roots[1], vpn, count)
        except ENOMEM:
            return "ENOMEM"

    def state(self) -> tuple[object, ...]:
        """All there is: RAM, counts, flags, free frames, control words, stale frames."""
        p = self.physical
        top = p.control[0]
        return (
            p.control.tolist(),
            p.free[:top].tolist(),
            p.counts.tolist(),
            p.flags.tolist(),
            list(self.ranges.stale),
            p.bytes.tobytes(),
        )


def native(physical: PhysicalMemory) -> RangeOps:
    return NativeRanges(LIB, physical)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([12, 40]), st.lists(operations, max_size=25))
def test_native_agrees_with_reference(frames: int, script: list[tuple[Any, ...]]) -> None:
    sides = [Side(frames, PythonRanges), Side(frames, native)]
    for name, *args in script:
        first, second = (side.apply(name, tuple(args)) for side in sides)
        assert first == second, name
        assert sides[0].state() == sides[1].state(), name


def test_free_tables_agrees() -> None:
    sides = [Side(40, PythonRanges), Side(40, native)]
    for side in sides:
        root = side.roots[0]
        for vpn in BASES:
            side.ranges.map_zero(root, vpn, 4, PTE_READ)
        for vpn in BASES:
            side.ranges.unmap(root, vpn, 4)
            side.ranges.set_entry(root, vpn, 0)
        side.physical.control[3] += 1  # the root itself is a table
        side.ranges.free_tables(root)
    assert sides[0].state() == sides[1].state()


def test_dirty_in_parts() -> None:
    side = Side(3000, native)
    side.ranges.map_zero(side.roots[0], 100, 2500, PTE_READ | PTE_DIRTY)
    assert side.ranges.dirty(side.roots[0], 0, 5000, True) == list(range(100, 2600))
    assert side.ranges.dirty(side.roots[0], 0, 5000, False) == []


def test_many_stale_frames_in_order() -> None:
    side = Side(3000, native)
    side.ranges.map_zero(side.roots[0], 100, 2500, PTE_READ | PTE_EXEC)
    frames = [side.ranges.walk(side.roots[0], vpn) >> 12 for vpn in range(100, 2600)]
    for frame in frames:
        side.physical.flags[frame] |= CODE
    assert side.ranges.unmap(side.roots[0], 0, 5000) == 2500
    assert side.ranges.stale == frames[::-1]
