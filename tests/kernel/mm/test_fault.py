"""Page faults: verdicts, neighbours, copies, the stack, shortage."""

from __future__ import annotations

import pytest

from kernel.abi.errors import EFAULT, ENOMEM
from kernel.abi.memory import (
    MAP_FIXED,
    MAP_GROWSDOWN,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    PROT_EXEC,
    PROT_NONE,
    PROT_READ,
    PROT_WRITE,
)
from kernel.cred import RLIMIT_STACK
from kernel.mm.fault import (
    ACCESS_FETCH,
    ACCESS_READ,
    ACCESS_WRITE,
    FAULT_ACCERR,
    FAULT_BUS,
    FAULT_MAPERR,
    FAULT_OK,
    FAULT_OOM,
    WINDOW,
)
from kernel.mm.ranges import PTE_COW, PTE_SHARED, PTE_WRITE
from kernel.mm.vma import STACK_GUARD_GAP
from tests.support.memory import ANON, PAGE, RW, Memory

STACK_TOP = 0x7000_0000


def test_anonymous_fault_maps_its_neighbours() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0x2000_0000, 100 * PAGE, RW, ANON)
    assert space.fault(base + 20 * PAGE, ACCESS_WRITE) == FAULT_OK
    assert space.rss == WINDOW
    assert space.ranges.present(space.root, (base >> 12) + 16, WINDOW) == WINDOW
    assert (space.min_flt, space.maj_flt, space.fault_kind) == (1, 0, "minor")
    memory.check(space)


def test_neighbours_stay_within_the_area() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0x2000_0000 + PAGE, 2 * PAGE, RW, ANON)
    space.mmap(base + 2 * PAGE, PAGE, PROT_READ, ANON | MAP_FIXED)
    space.fault(base, ACCESS_READ)
    assert space.rss == 2
    memory.check(space)


@pytest.mark.parametrize(
    ("prot", "access", "verdict"),
    [
        (PROT_NONE, ACCESS_READ, FAULT_ACCERR),
        (PROT_READ, ACCESS_WRITE, FAULT_ACCERR),
        (PROT_READ, ACCESS_FETCH, FAULT_ACCERR),
        (PROT_WRITE, ACCESS_READ, FAULT_OK),
        (PROT_EXEC, ACCESS_READ, FAULT_OK),
        (PROT_EXEC, ACCESS_FETCH, FAULT_OK),
    ],
)
def test_rights(prot: int, access: int, verdict: int) -> None:
    space = Memory().space()
    base = space.mmap(0, PAGE, prot, ANON)
    assert space.fault(base, access) == verdict


def test_a_hole_is_maperr() -> None:
    assert Memory().space().fault(0x5000_0000, ACCESS_READ) == FAULT_MAPERR


def test_beyond_the_end_of_a_file_is_bus() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0, 3 * PAGE, PROT_READ, MAP_PRIVATE, memory.pager(b"x" * (PAGE + 1)))
    assert space.fault(base + PAGE, ACCESS_READ) == FAULT_OK
    assert space.user.read(base + PAGE, 3) == b"x\0\0"
    assert space.fault(base + 2 * PAGE, ACCESS_READ) == FAULT_BUS


def test_a_file_that_cannot_be_read_is_bus() -> None:
    memory = Memory()
    space = memory.space()
    pager = memory.pager(b"x")
    pager.broken = True
    base = space.mmap(0, PAGE, PROT_READ, MAP_PRIVATE, pager)
    assert space.fault(base, ACCESS_READ) == FAULT_BUS


def test_file_fault_maps_the_cached_pages_around_it() -> None:
    memory = Memory()
    space = memory.space()
    pager = memory.pager(b"x" * 8 * PAGE)
    for index in (0, 2, 5):
        pager.get_page(index)
    base = space.mmap(0x2000_0000, 8 * PAGE, PROT_READ, MAP_PRIVATE, pager)
    space.fault(base + PAGE, ACCESS_READ)
    assert space.rss == 4
    assert (space.maj_flt, space.fault_kind) == (1, "major")
    space.fault(base + 7 * PAGE, ACCESS_READ)
    assert sorted(pager.pages) == [0, 1, 2, 5, 7], "nothing is read that was not asked for"
    memory.check(space)


def test_private_write_copies_and_shared_write_does_not() -> None:
    memory = Memory()
    space = memory.space()
    pager = memory.pager(b"file")
    private = space.mmap(0, PAGE, RW, MAP_PRIVATE, pager)
    shared = space.mmap(0, PAGE, RW, MAP_SHARED, pager)
    space.user.write(private, b"mine")
    assert space.user.read(shared, 4) == b"file"
    space.user.write(shared, b"ours")
    assert space.user.read(private, 4) == b"mine"
    entry = space.ranges.walk(space.root, shared >> 12)
    assert entry & PTE_SHARED
    assert entry & PTE_WRITE
    memory.check(space)


def test_write_after_read_of_a_private_page_breaks_the_copy() -> None:
    memory = Memory()
    space = memory.space()
    pager = memory.pager(b"file")
    base = space.mmap(0, PAGE, RW, MAP_PRIVATE, pager)
    assert space.user.read(base, 4) == b"file"
    assert space.ranges.walk(space.root, base >> 12) & PTE_COW
    memory.tlb.requests.clear()
    assert space.fault(base, ACCESS_WRITE) == FAULT_OK
    assert memory.tlb.requests == [], "the guest's own write fault needs no invalidation"
    assert space.fault_kind == "cow"
    space.madvise(base, PAGE, 4)
    space.user.read(base, 1)
    space.user.write(base, b"k")
    assert (space.root, base, 1) in memory.tlb.requests, "the kernel's does"
    memory.check(space)


def test_the_last_owner_of_a_copy_on_write_page_takes_the_frame() -> None:
    memory = Memory()
    parent = memory.space()
    base = parent.mmap(0, PAGE, RW, ANON)
    parent.user.write(base, b"x")
    frame = parent.frame_at(base, ACCESS_READ)
    child = parent.fork()
    child.user.write(base, b"y")
    assert child.frame_at(base, ACCESS_READ) != frame
    parent.user.write(base, b"z")
    assert parent.frame_at(base, ACCESS_READ) == frame
    assert parent.fault_kind == "reuse"
    memory.check(parent, child)


def test_the_stack_grows_to_its_limit() -> None:
    memory = Memory()
    space = memory.space()
    memory.limits.values[RLIMIT_STACK] = (64 * PAGE, 64 * PAGE)
    flags = ANON | MAP_GROWSDOWN | MAP_FIXED
    space.mmap(STACK_TOP - 4 * PAGE, 4 * PAGE, RW, flags)
    assert space.fault(STACK_TOP - 10 * PAGE, ACCESS_WRITE) == FAULT_OK
    assert space.stack_vm == 10
    assert space.fault(STACK_TOP - 64 * PAGE, ACCESS_WRITE) == FAULT_OK
    assert space.fault(STACK_TOP - 65 * PAGE, ACCESS_WRITE) == FAULT_MAPERR
    assert memory.frames.committed == 64
    memory.check(space)


def test_the_stack_keeps_its_distance_from_what_lies_below() -> None:
    space = Memory().space()
    space.mmap(STACK_TOP - PAGE, PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED)
    below = STACK_TOP - STACK_GUARD_GAP - 20 * PAGE
    space.mmap(below - PAGE, PAGE, PROT_READ, ANON | MAP_FIXED)
    assert space.fault(below + STACK_GUARD_GAP, ACCESS_WRITE) == FAULT_OK
    assert space.fault(below + STACK_GUARD_GAP - PAGE, ACCESS_WRITE) == FAULT_MAPERR
    space.mprotect(below - PAGE, PAGE, PROT_NONE)
    assert space.fault(below + STACK_GUARD_GAP - PAGE, ACCESS_WRITE) == FAULT_OK


def test_no_frame_left_is_a_verdict_and_reclaim_comes_first() -> None:
    memory = Memory(64)
    space = memory.space()
    base = space.mmap(0, 100 * PAGE, RW, ANON | MAP_NORESERVE)
    hoard = [memory.frames.alloc() for _ in range(20)]
    page = base
    while (verdict := space.fault(page, ACCESS_WRITE)) == FAULT_OK:
        page += PAGE
    assert verdict == FAULT_OOM
    with pytest.raises(EFAULT):  # as Linux: whoever ignores a bad address may ignore this as well
        space.user.write(page, b"x")

    def reclaim(wanted: int) -> int:
        memory.frames.put(hoard.pop())
        return 1

    memory.frames.reclaimers.append(reclaim)
    assert space.fault(page, ACCESS_WRITE) == FAULT_OK
    assert len(hoard) == 19
    memory.check(space)


def test_sharing_a_fork_costs_table_frames_and_shortage_is_undone() -> None:
    memory = Memory(40)
    parent = memory.space()
    for place in range(4):
        base = parent.mmap(0x1_0000_0000 * (place + 1), PAGE, RW, ANON | MAP_FIXED)
        parent.user.write(base, b"x")
    hoard = []
    while memory.frames.free_count > 6:
        hoard.append(memory.frames.alloc())
    committed = memory.frames.committed
    with pytest.raises(ENOMEM):
        parent.fork()
    assert memory.frames.free_count == 6
    assert memory.frames.committed == committed
    parent.user.write(0x1_0000_0000, b"still there")
    memory.check(parent)
