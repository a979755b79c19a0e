"""A debugger's view of memory."""

from __future__ import annotations

import pytest

from kernel.abi.errors import EFAULT
from kernel.abi.memory import MAP_PRIVATE, MAP_SHARED, PROT_EXEC, PROT_NONE, PROT_READ
from kernel.mm.peek import peek, poke
from kernel.mm.physical import CODE
from tests.support.memory import ANON, PAGE, RW, Memory


def test_rights_do_not_matter_to_a_debugger() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0, 2 * PAGE, RW, ANON)
    space.user.write(base, b"secret")
    space.mprotect(base, 2 * PAGE, PROT_NONE)
    assert peek(space, base, 6) == b"secret"
    assert poke(space, base + PAGE - 2, b"four") == 4
    assert peek(space, base + PAGE - 2, 4) == b"four"
    with pytest.raises(EFAULT):
        space.user.read(base, 1)
    memory.check(space)


def test_a_breakpoint_is_private_and_drops_code() -> None:
    memory = Memory()
    one, two = memory.space(), memory.space()
    pager = memory.pager(b"\x90" * PAGE)
    text = PROT_READ | PROT_EXEC
    at = one.mmap(0, PAGE, text, MAP_PRIVATE, pager)
    assert two.mmap(0, PAGE, text, MAP_PRIVATE, pager) == at
    one.user.read(at, 1)
    two.user.read(at, 1)
    assert poke(one, at, b"\xcc") == 1
    assert (one.user.read(at, 1), two.user.read(at, 1)) == (b"\xcc", b"\x90")
    assert (one.root, at, 1) in memory.tlb.requests
    frame = one.frame_at(at, 0)
    memory.physical.flags[frame] |= CODE
    poke(one, at, b"\x90")
    assert memory.tlb.code_requests == [frame]
    memory.check(one, two)


def test_what_cannot_be_reached() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0, PAGE, PROT_READ, MAP_SHARED, memory.pager(b"x"), writable=False)
    assert poke(space, base, b"no") == 0
    assert peek(space, base + PAGE - 1, 5) == b"\0"
    assert peek(space, 0x10000, 5) == b""
    assert peek(space, 1 << 60, 5) == b""
    assert peek(space, -1, 5) == b""
