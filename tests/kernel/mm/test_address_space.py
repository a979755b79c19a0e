"""Whole address spaces against a naive model: a dict of pages with rights and content."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kernel.abi.errors import EFAULT, EINVAL, ENOMEM
from kernel.abi.memory import (
    MADV_DONTNEED,
    MAP_FIXED,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
    PROT_NONE,
    PROT_READ,
)
from kernel.mm.address_space import AddressSpace
from tests.support.memory import ANON, PAGE, RW, Memory

BASE = 0x2000_0000 - 8 * PAGE  # the range straddles a leaf table's end
PAGES = 24

Model = dict[int, tuple[int, int]]
"""Page number -> (protection, first byte)."""

pages = st.integers(0, PAGES - 1)
counts = st.integers(1, 8)
prots = st.sampled_from((PROT_NONE, PROT_READ, RW))


class Spaces(RuleBasedStateMachine):
    """Random calls on up to three related spaces."""

    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory(1024)
        self.spaces: list[AddressSpace] = [self.memory.space()]
        self.models: list[Model] = [{}]

    def pick(self, which: int) -> tuple[AddressSpace, Model]:
        index = which % len(self.spaces)
        return self.spaces[index], self.models[index]

    @rule(which=st.integers(0, 2), page=pages, count=counts, prot=prots)
    def mmap(self, which: int, page: int, count: int, prot: int) -> None:
        space, model = self.pick(which)
        address = BASE + page * PAGE
        assert space.mmap(address, count * PAGE, prot, ANON | MAP_FIXED) == address
        model |= dict.fromkeys(range(page, page + count), (prot, 0))

    @rule(which=st.integers(0, 2), page=pages, count=counts)
    def munmap(self, which: int, page: int, count: int) -> None:
        space, model = self.pick(which)
        space.munmap(BASE + page * PAGE, count * PAGE)
        for gone in range(page, page + count):
            model.pop(gone, None)

    @rule(which=st.integers(0, 2), page=pages, count=counts, prot=prots)
    def mprotect(self, which: int, page: int, count: int, prot: int) -> None:
        space, model = self.pick(which)
        hole = next((p for p in range(page, page + count) if p not in model), None)
        try:
            space.mprotect(BASE + page * PAGE, count * PAGE, prot)
            assert hole is None
        except ENOMEM:
            assert hole is not None
        for changed in range(page, page + count if hole is None else hole):
            model[changed] = (prot, model[changed][1])

    @rule(which=st.integers(0, 2), page=pages, value=st.integers(1, 255))
    def write(self, which: int, page: int, value: int) -> None:
        space, model = self.pick(which)
        try:
            space.user.write(BASE + page * PAGE, bytes([value]))
            assert model[page][0] == RW
            model[page] = (RW, value)
        except EFAULT:
            assert model.get(page, (0, 0))[0] != RW

    @rule(which=st.integers(0, 2), page=pages, count=counts)
    def dontneed(self, which: int, page: int, count: int) -> None:
        space, model = self.pick(which)
        inside = [p for p in range(page, page + count) if p in model]
        try:
            space.madvise(BASE + page * PAGE, count * PAGE, MADV_DONTNEED)
            assert len(inside) == count
        except ENOMEM:
            assert len(inside) < count
        for p in inside:
            model[p] = (model[p][0], 0)

    @rule(which=st.integers(0, 2), page=pages, count=counts, place=pages)
    def mremap(self, which: int, page: int, count: int, place: int) -> None:
        space, model = self.pick(which)
        start, length = BASE + page * PAGE, count * PAGE
        area = space.vmas.find(start)
        flags = MREMAP_MAYMOVE | MREMAP_FIXED
        overlap = abs(page - place) < count
        inside = area is not None and area.end >= start + length
        try:
            space.mremap(start, length, length, flags, BASE + place * PAGE)
        except EFAULT:
            assert not inside, "and nothing was destroyed"
            return
        except EINVAL:
            assert overlap
            return
        assert inside
        assert not overlap
        moved = [model.pop(p) for p in range(page, page + count)]
        for gone in range(place, place + count):
            model.pop(gone, None)
        model |= dict(zip(range(place, place + count), moved, strict=True))

    @rule(which=st.integers(0, 2))
    def fork(self, which: int) -> None:
        if len(self.spaces) < 3:
            space, model = self.pick(which)
            self.spaces.append(space.fork())
            self.models.append(dict(model))

    @rule()
    def exit(self) -> None:
        if len(self.spaces) > 1:
            self.spaces.pop(0).destroy()
            self.models.pop(0)

    @invariant()
    def agrees(self) -> None:
        self.memory.check(*self.spaces)
        for space, model in zip(self.spaces, self.models, strict=True):
            listed = {
                (address - BASE) // PAGE: area.flags & RW
                for area in space.vmas
                for address in range(area.start, area.end, PAGE)
            }
            assert listed == {page: prot for page, (prot, _) in model.items()}
        writable = sum(
            1
            for space in self.spaces
            for area in space.vmas
            for _ in range(area.pages)
            if area.flags & 0x100000
        )
        assert self.memory.frames.committed == writable

    def teardown(self) -> None:
        for space, model in zip(self.spaces, self.models, strict=True):
            for page, (prot, value) in model.items():
                if prot:
                    assert space.user.read(BASE + page * PAGE, 1) == bytes([value])
            space.check_invariants()
            space.destroy()
        assert self.memory.frames.used_count == 0
        assert self.memory.frames.committed == 0


Spaces.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestSpaces = Spaces.TestCase
