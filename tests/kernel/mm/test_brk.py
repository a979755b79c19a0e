"""brk(2)."""

from __future__ import annotations

from kernel.abi.memory import MAP_FIXED
from kernel.cred import RLIMIT_DATA
from kernel.mm.address_space import AddressSpace
from tests.support.memory import ANON, PAGE, RW, Memory

START = 0x600000


def heap(memory: Memory) -> AddressSpace:
    space = memory.space()
    space.start_brk = space.brk_end = START
    return space


def test_the_break_moves_both_ways() -> None:
    memory = Memory()
    space = heap(memory)
    assert space.brk(0) == START
    assert space.brk(START + 10) == START + 10
    space.user.write(START, b"0123456789")
    assert space.brk(START + 3 * PAGE) == START + 3 * PAGE
    assert len(space.vmas) == 1
    assert space.brk(START + PAGE) == START + PAGE
    assert space.total_vm == 1
    assert space.brk(START) == START
    assert len(space.vmas) == 0
    memory.check(space)


def test_refusals_leave_the_break_where_it_is() -> None:
    memory = Memory(256)
    space = heap(memory)
    space.mmap(START + 10 * PAGE, PAGE, RW, ANON | MAP_FIXED)
    assert space.brk(START + 10 * PAGE) == START, "a page must stay free before the next area"
    assert space.brk(START + 9 * PAGE) == START + 9 * PAGE
    assert space.brk(START - 1) == START + 9 * PAGE
    memory.limits.values[RLIMIT_DATA] = (9 * PAGE, 9 * PAGE)
    assert space.brk(START + 9 * PAGE + 1) == START + 9 * PAGE
    memory.check(space)


def test_no_more_heap_than_the_machine_can_promise() -> None:
    space = heap(Memory(256))
    assert space.brk(START + 1000 * PAGE) == START
