"""madvise(2), msync(2), mincore(2), and the mlock(2) family."""

from __future__ import annotations

import pytest

from kernel.abi.errors import EACCES, EBUSY, EFAULT, EINVAL, ENOMEM, EOPNOTSUPP, EPERM
from kernel.abi.memory import (
    MADV_DONTFORK,
    MADV_DONTNEED,
    MADV_FREE,
    MADV_HUGEPAGE,
    MADV_NORMAL,
    MADV_POPULATE_READ,
    MADV_POPULATE_WRITE,
    MADV_REMOVE,
    MADV_WILLNEED,
    MADV_WIPEONFORK,
    MAP_ANONYMOUS,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    MCL_CURRENT,
    MCL_FUTURE,
    MCL_ONFAULT,
    MS_ASYNC,
    MS_INVALIDATE,
    MS_SYNC,
    PROT_NONE,
    PROT_READ,
)
from kernel.cred import RLIMIT_MEMLOCK
from kernel.mm.advise import READ_AHEAD
from kernel.mm.fault import LOW_FRAMES
from tests.support.memory import ANON, PAGE, RW, Memory


@pytest.mark.parametrize("advice", [MADV_DONTNEED, MADV_FREE])
def test_dropped_anonymous_pages_read_as_zero(advice: int) -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0, 3 * PAGE, RW, ANON)
    space.user.write(base, b"x" * 3 * PAGE)
    space.madvise(base + PAGE, PAGE, advice)
    assert space.rss == 2
    assert space.user.read(base + PAGE - 1, 3) == b"x\0\0"
    memory.check(space)


def test_dontneed_of_a_private_file_shows_the_file_again() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0, PAGE, RW, MAP_PRIVATE, memory.pager(b"file"))
    space.user.write(base, b"mine")
    space.madvise(base, PAGE, MADV_DONTNEED)
    assert space.user.read(base, 4) == b"file"


def test_a_hole_is_enomem_after_the_rest_was_done() -> None:
    space = Memory().space()
    base = space.mmap(0, 3 * PAGE, RW, ANON)
    space.user.write(base, b"x" * 3 * PAGE)
    space.munmap(base + PAGE, PAGE)
    with pytest.raises(ENOMEM):
        space.madvise(base, 3 * PAGE, MADV_DONTNEED)
    assert space.rss == 0


def test_madvise_errors() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0, PAGE, RW, ANON)
    with pytest.raises(EINVAL):
        space.madvise(base, PAGE, MADV_HUGEPAGE)
    with pytest.raises(EINVAL):
        space.madvise(base + 1, PAGE, MADV_NORMAL)
    with pytest.raises(EINVAL):
        space.madvise(base, (1 << 64) - 1, MADV_NORMAL)
    space.madvise(base, 0, MADV_NORMAL)
    with pytest.raises(ENOMEM):
        space.madvise(0x10000, PAGE, MADV_NORMAL)
    with pytest.raises(EINVAL):
        space.madvise(base, PAGE, MADV_REMOVE)
    space.mlock(base, PAGE, False, True)
    with pytest.raises(EINVAL):
        space.madvise(base, PAGE, MADV_DONTNEED)
    shared = space.mmap(0, PAGE, RW, MAP_SHARED, memory.pager(b"x"))
    with pytest.raises(EOPNOTSUPP):
        space.madvise(shared, PAGE, MADV_REMOVE)
    with pytest.raises(EINVAL):
        space.madvise(shared, PAGE, MADV_FREE)
    with pytest.raises(EINVAL):
        space.madvise(shared, PAGE, MADV_WIPEONFORK)
    read_only = space.mmap(0, PAGE, PROT_READ, MAP_SHARED, memory.pager(b"x"))
    with pytest.raises(EACCES):
        space.madvise(read_only, PAGE, MADV_REMOVE)


def test_willneed_and_populate_read_pages_in() -> None:
    memory = Memory()
    space = memory.space()
    pager = memory.pager(b"x" * 3 * PAGE)
    base = space.mmap(0, 5 * PAGE, RW, MAP_PRIVATE, pager)
    space.madvise(base, 5 * PAGE, MADV_WILLNEED)
    assert (sorted(pager.pages), space.rss) == ([0, 1, 2], 0)
    space.madvise(base, 3 * PAGE, MADV_POPULATE_READ)
    assert space.rss == 3
    with pytest.raises(EFAULT):
        space.madvise(base, 4 * PAGE, MADV_POPULATE_WRITE)
    none = space.mmap(0, PAGE, PROT_NONE, ANON)
    with pytest.raises(EINVAL):
        space.madvise(none, PAGE, MADV_POPULATE_READ)
    memory.check(space)


def test_dontfork_and_wipeonfork() -> None:
    memory = Memory()
    space = memory.space()
    left_out = space.mmap(0, PAGE, RW, ANON)
    wiped = space.mmap(0, PAGE, RW, ANON)
    kept = space.mmap(0, PAGE, RW, ANON)
    for base in (left_out, wiped, kept):
        space.user.write(base, b"secret")
    space.madvise(left_out, PAGE, MADV_DONTFORK)
    space.madvise(wiped, PAGE, MADV_WIPEONFORK)
    child = space.fork()
    with pytest.raises(EFAULT):
        child.user.read(left_out, 1)
    assert child.user.read(wiped, 6) == bytes(6)
    assert child.user.read(kept, 6) == b"secret"
    memory.check(space, child)


def test_msync_writes_shared_pages_back() -> None:
    memory = Memory()
    space = memory.space()
    pager = memory.pager(b"a" * PAGE + b"b" * 10)
    base = space.mmap(0, 2 * PAGE, RW, MAP_SHARED, pager)
    space.user.write(base + PAGE, b"written beyond")
    assert pager.content[PAGE:] == b"b" * 10
    space.msync(base, 2 * PAGE, MS_SYNC)
    assert pager.content[PAGE:] == b"written be"
    space.user.write(base, b"at munmap")
    space.munmap(base, 2 * PAGE)
    assert pager.content[:9] == b"at munmap"
    memory.check(space)


def test_write_back_at_the_end_of_the_space() -> None:
    memory = Memory()
    space = memory.space()
    pager = memory.pager(b"a" * PAGE)
    base = space.mmap(0, PAGE, RW, MAP_SHARED, pager)
    space.user.write(base, b"at exit")
    space.destroy()
    assert pager.content[:7] == b"at exit"


def test_msync_errors() -> None:
    space = Memory().space()
    base = space.mmap(0, PAGE, RW, ANON)
    with pytest.raises(EINVAL):
        space.msync(base, PAGE, 8)
    with pytest.raises(EINVAL):
        space.msync(base + 1, PAGE, MS_SYNC)
    with pytest.raises(EINVAL):
        space.msync(base, PAGE, MS_SYNC | MS_ASYNC)
    with pytest.raises(ENOMEM):
        space.msync(base, 2 * PAGE, MS_SYNC) if base + PAGE < space.mmap_base else space.msync(
            0x10000, PAGE, MS_SYNC
        )
    space.msync(base, 0, MS_SYNC)
    space.mlock(base, PAGE, False, True)
    with pytest.raises(EBUSY):
        space.msync(base, PAGE, MS_INVALIDATE)


def test_mincore() -> None:
    memory = Memory()
    space = memory.space()
    pager = memory.pager(b"x" * 3 * PAGE)
    pager.get_page(1)
    base = space.mmap(0, 3 * PAGE, PROT_READ, MAP_PRIVATE, pager)
    assert space.mincore(base, 2 * PAGE + 1) == b"\0\1\0"
    with pytest.raises(ENOMEM):
        space.mincore(base - PAGE, 2 * PAGE)
    with pytest.raises(EINVAL):
        space.mincore(base + 1, 1)


def test_mlock_counts_against_its_limit() -> None:
    memory = Memory()
    space = memory.space()
    memory.limits.values[RLIMIT_MEMLOCK] = (4 * PAGE, 4 * PAGE)
    base = space.mmap(0, 10 * PAGE, RW, ANON)
    space.mlock(base + 1, 2 * PAGE, False, False)
    assert (space.locked_vm, space.rss) == (3, 3)
    space.mlock(base, 4 * PAGE, True, False)
    with pytest.raises(ENOMEM):
        space.mlock(base + 4 * PAGE, PAGE, False, False)
    with pytest.raises(ENOMEM):
        space.mlockall(MCL_CURRENT, False)
    memory.check(space)
    space.munlock(base, 4 * PAGE)
    assert space.locked_vm == 0
    assert len(space.vmas) == 1
    memory.limits.values[RLIMIT_MEMLOCK] = (0, 0)
    with pytest.raises(EPERM):
        space.mlock(base, PAGE, False, False)
    with pytest.raises(ENOMEM):
        space.mlock(0x10000, PAGE, False, True)
    with pytest.raises(EINVAL):
        space.mlock((1 << 64) - PAGE, PAGE, False, True)


def test_mlockall_now_and_later() -> None:
    memory = Memory()
    space = memory.space()
    space.mmap(0, 2 * PAGE, RW, ANON)
    space.mlockall(MCL_CURRENT | MCL_FUTURE, True)
    assert (space.rss, space.locked_vm) == (2, 2)
    space.mmap(0, 3 * PAGE, RW, ANON)
    assert (space.rss, space.locked_vm) == (5, 5)
    child = space.fork()
    assert child.locked_vm == 0, "locks are not inherited"
    space.munlockall()
    assert space.locked_vm == 0
    space.mmap(0, PAGE, PROT_READ, ANON)
    assert space.rss == 5
    with pytest.raises(EINVAL):
        space.mlockall(MCL_ONFAULT, True)
    memory.check(space, child)


def test_remove_punches_a_hole_into_shared_memory() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0, 3 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS)
    space.user.write(base, b"x" * 3 * PAGE)
    child = space.fork()
    space.madvise(base + PAGE, PAGE, MADV_REMOVE)
    for one in (space, child):
        assert one.user.read(base + PAGE - 1, 3) == b"x\0\0"
        assert one.user.read(base + 2 * PAGE, 1) == b"x"
    memory.check(space, child)


def test_remove_of_a_huge_range_takes_no_longer_than_its_pages() -> None:
    memory = Memory()
    space = memory.space()
    huge = 1 << 45
    base = space.mmap(0, huge, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE)
    space.user.write(base + huge // 2, b"x")
    space.madvise(base, huge, MADV_REMOVE)
    assert (space.rss, space.user.read(base + huge // 2, 1)) == (0, b"\0")
    memory.check(space)


def test_willneed_stops_when_memory_is_no_longer_plenty() -> None:
    memory = Memory(LOW_FRAMES + 64)
    space = memory.space()
    pager = memory.pager(bytes(256 * PAGE))
    base = space.mmap(0, 256 * PAGE, PROT_READ, MAP_PRIVATE, pager)
    space.madvise(base, 256 * PAGE, MADV_WILLNEED)
    assert 0 < len(pager.pages) < 64
    assert memory.frames.free_count == LOW_FRAMES - 1


def test_willneed_reads_a_limited_part() -> None:
    memory = Memory(READ_AHEAD + 1024)
    space = memory.space()
    pager = memory.pager(bytes((READ_AHEAD + 16) * PAGE))
    base = space.mmap(0, (READ_AHEAD + 16) * PAGE, PROT_READ, MAP_PRIVATE, pager)
    space.madvise(base, (READ_AHEAD + 16) * PAGE, MADV_WILLNEED)
    assert len(pager.pages) == READ_AHEAD


def test_willneed_leaves_the_holes_of_a_file_in_memory() -> None:
    memory = Memory()
    space = memory.space()
    pager = memory.pager(bytes(3 * PAGE), writes_back=False)
    base = space.mmap(0, 3 * PAGE, PROT_READ, MAP_SHARED, pager)
    space.madvise(base, 3 * PAGE, MADV_WILLNEED)
    assert not pager.pages
