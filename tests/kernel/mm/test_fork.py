"""fork(2) of address spaces and their end."""

from __future__ import annotations

from kernel.abi.memory import MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, PROT_READ
from tests.support.memory import ANON, PAGE, RW, FakeFile, Memory


def test_frames_are_shared_until_someone_writes() -> None:
    memory = Memory()
    parent = memory.space()
    base = parent.mmap(0, 32 * PAGE, RW, ANON)
    parent.user.write(base, b"p" * 32 * PAGE)
    used = memory.frames.used_count
    child = parent.fork()
    assert memory.frames.used_count == used + child.table_frames
    assert child.rss == parent.rss == 32
    child.user.write(base, b"c")
    assert parent.user.read(base, 1) == b"p"
    assert child.user.read(base, 2) == b"cp"
    memory.check(parent, child)


def test_the_parents_lost_right_to_write_is_reported() -> None:
    memory = Memory()
    parent = memory.space()
    base = parent.mmap(0, PAGE, RW, ANON)
    parent.user.write(base, b"p")
    memory.tlb.requests.clear()
    parent.fork()
    assert [(root, start) for root, start, _ in memory.tlb.requests] == [(parent.root, base)]


def test_read_only_page_made_writable_after_fork_is_not_shared() -> None:
    memory = Memory()
    parent = memory.space()
    base = parent.mmap(0, PAGE, RW, ANON)
    parent.user.write(base, b"before")
    parent.mprotect(base, PAGE, PROT_READ)
    child = parent.fork()
    for space in (parent, child):
        space.mprotect(base, PAGE, RW)
    child.user.write(base, b"child!")
    assert parent.user.read(base, 6) == b"before"
    memory.check(parent, child)


def test_shared_anonymous_memory_outlives_its_maker() -> None:
    memory = Memory()
    parent = memory.space()
    base = parent.mmap(0, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS)
    child = parent.fork()
    parent.user.write(base + PAGE, b"hello")
    parent.destroy()
    assert child.user.read(base + PAGE, 5) == b"hello"
    assert memory.frames.committed == 4
    child.destroy()
    assert memory.frames.committed == 0
    assert memory.frames.used_count == 0


def test_layout_and_references_are_copied() -> None:
    memory = Memory()
    parent = memory.space()
    file, pager = FakeFile(), memory.pager(b"x")
    parent.mmap(0, PAGE, PROT_READ, MAP_PRIVATE, pager, 0, file)
    parent.start_brk = parent.brk_end = 0x1000000
    parent.auxv = b"aux"
    child = parent.fork()
    assert (child.brk_end, child.auxv, file.refs, len(pager.areas)) == (0x1000000, b"aux", 3, 2)
    assert child.mmap(0, PAGE, RW, ANON) == parent.mmap(0, PAGE, RW, ANON)
    memory.check(parent, child)


def test_the_last_user_destroys_the_space() -> None:
    memory = Memory()
    space = memory.space()
    space.mmap(0, PAGE, RW, ANON)
    space.hold()
    space.drop()
    assert memory.frames.used_count > 0
    space.drop()
    assert memory.frames.used_count == 0
