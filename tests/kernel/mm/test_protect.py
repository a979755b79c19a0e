"""mprotect(2)."""

from __future__ import annotations

import pytest

from kernel.abi.errors import EACCES, EFAULT, EINVAL, ENOMEM
from kernel.abi.memory import (
    MAP_GROWSDOWN,
    MAP_POPULATE,
    MAP_SHARED,
    PROT_EXEC,
    PROT_GROWSDOWN,
    PROT_GROWSUP,
    PROT_NONE,
    PROT_READ,
)
from kernel.mm.physical import X_MAPPED
from tests.support.memory import ANON, PAGE, RW, Memory


def test_rights_change_for_the_range_only() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0, 3 * PAGE, RW, ANON | MAP_POPULATE)
    space.mprotect(base + PAGE, PAGE, PROT_READ)
    space.user.write(base, b"x")
    space.user.write(base + 2 * PAGE, b"x")
    with pytest.raises(EFAULT):
        space.user.write(base + PAGE, b"x")
    assert space.user.read(base + PAGE, 1) == b"\0"
    assert [a.pages for a in space.vmas] == [1, 1, 1]
    assert (space.root, base + PAGE, 1) in memory.tlb.requests, "a loss of rights is reported"
    memory.tlb.requests.clear()
    space.mprotect(base + PAGE, PAGE, RW)
    assert memory.tlb.requests == [], "a gain is not"
    assert len(space.vmas) == 1
    memory.check(space)


def test_prot_none_keeps_the_content() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0, PAGE, RW, ANON)
    space.user.write(base, b"kept")
    space.mprotect(base, PAGE, PROT_NONE)
    with pytest.raises(EFAULT):
        space.user.read(base, 4)
    space.mprotect(base, PAGE, PROT_READ)
    assert space.user.read(base, 4) == b"kept"
    memory.check(space)


def test_w_xor_x_both_ways() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0, PAGE, RW, ANON | MAP_POPULATE)
    with pytest.raises(EACCES, match="W\\^X"):
        space.mprotect(base, PAGE, RW | PROT_EXEC)
    space.mprotect(base, PAGE, PROT_READ | PROT_EXEC)
    assert memory.physical.flags[space.ranges.walk(space.root, base >> 12) >> 12] & X_MAPPED
    space.mprotect(base, PAGE, RW)


def test_a_hole_is_enomem_after_what_lies_before_it_changed() -> None:
    space = Memory().space()
    base = space.mmap(0, 3 * PAGE, RW, ANON)
    space.munmap(base + PAGE, PAGE)
    with pytest.raises(ENOMEM):
        space.mprotect(base, 3 * PAGE, PROT_READ)
    with pytest.raises(EFAULT):
        space.user.write(base, b"x")
    space.user.write(base + 2 * PAGE, b"x")


def test_errors_in_linux_order() -> None:
    space = Memory().space()
    base = space.mmap(0, PAGE, RW, ANON)
    with pytest.raises(EINVAL):
        space.mprotect(base, PAGE, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP)
    with pytest.raises(EINVAL):
        space.mprotect(base + 1, 0, PROT_READ)
    space.mprotect(base, 0, 0x777)
    with pytest.raises(ENOMEM):
        space.mprotect(base, (1 << 64) - PAGE, 0x777)
    with pytest.raises(EINVAL):
        space.mprotect(0x10000, PAGE, 0x770)
    with pytest.raises(ENOMEM):
        space.mprotect(0x10000, PAGE, PROT_READ)


def test_growsdown_reaches_the_start_of_the_stack() -> None:
    space = Memory().space()
    base = space.mmap(0, 4 * PAGE, RW, ANON | MAP_GROWSDOWN)
    space.mprotect(base + 3 * PAGE, PAGE, PROT_READ | PROT_GROWSDOWN)
    assert [a.start for a in space.vmas] == [base]
    plain = space.mmap(0, PAGE, RW, ANON)
    with pytest.raises(EINVAL):
        space.mprotect(plain, PAGE, PROT_READ | PROT_GROWSDOWN)


def test_shared_mapping_of_a_read_only_file_stays_read_only() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0, PAGE, PROT_READ, MAP_SHARED, memory.pager(b"x"), writable=False)
    with pytest.raises(EACCES):
        space.mprotect(base, PAGE, RW)


def test_becoming_writable_is_charged_once() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0, 10 * PAGE, PROT_NONE, ANON)
    space.mprotect(base, 4 * PAGE, RW)
    space.mprotect(base, 4 * PAGE, PROT_NONE)
    space.mprotect(base, 4 * PAGE, RW)
    assert memory.frames.committed == 4
    memory.check(space)
    space.munmap(base, 10 * PAGE)
    assert memory.frames.committed == 0


def test_private_page_of_a_file_is_copied_after_it_became_writable() -> None:
    memory = Memory()
    space = memory.space()
    pager = memory.pager(b"original")
    base = space.mmap(0, PAGE, PROT_READ, 2, pager)
    assert space.user.read(base, 8) == b"original"
    space.mprotect(base, PAGE, RW)
    space.user.write(base, b"CHANGED!")
    assert bytes(memory.frames.view(pager.pages[0])[:8]) == b"original"
    memory.check(space)


def test_read_implies_exec_where_the_personality_says_so() -> None:
    space = Memory().space()
    space.read_implies_exec = space.allow_wx = True
    base = space.mmap(0, PAGE, RW, ANON)
    assert space.fault(base, 2) == 0
    space.mprotect(base, PAGE, PROT_NONE)
    assert space.fault(base, 2) != 0
    space.mprotect(base, PAGE, PROT_READ)
    assert space.fault(base, 2) == 0
