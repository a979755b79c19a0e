"""mmap(2) and munmap(2): placement, flags, and the order of errors."""

from __future__ import annotations

import pytest

from kernel.abi.errors import (
    EACCES,
    EAGAIN,
    EEXIST,
    EINVAL,
    ENODEV,
    ENOMEM,
    EOPNOTSUPP,
    EOVERFLOW,
    EPERM,
    KernelError,
)
from kernel.abi.memory import (
    MAP_32BIT,
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    MAP_LOCKED,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_SHARED_VALIDATE,
    MAP_SYNC,
    PROT_EXEC,
    PROT_NONE,
    PROT_READ,
)
from kernel.cred import RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK
from kernel.mm.mapping import Source
from kernel.mm.space import USER_TOP
from kernel.mm.vma import STACK_GUARD_GAP
from tests.support.memory import ANON, PAGE, RW, FakeFile, Memory


def test_mappings_go_top_down_and_equal_neighbours_join() -> None:
    memory = Memory()
    space = memory.space()
    first = space.mmap(0, PAGE, RW, ANON)
    second = space.mmap(0, 2 * PAGE, RW, ANON)
    assert first == space.mmap_base - PAGE
    assert second == first - 2 * PAGE
    assert len(space.vmas) == 1
    memory.check(space)


def test_same_requests_give_the_same_addresses() -> None:
    def addresses() -> list[int]:
        space = Memory().space()
        kept = [space.mmap(0, n * PAGE, n % 2 + 1, ANON) for n in (1, 5, 2, 9)]
        space.munmap(kept[1], PAGE)
        return [*kept, space.mmap(0, PAGE, RW, ANON)]

    assert addresses() == addresses()


def test_a_freed_hole_is_found_again() -> None:
    space = Memory().space()
    kept = [space.mmap(0, 4 * PAGE, RW if n % 2 else PROT_READ, ANON) for n in range(6)]
    space.munmap(kept[1], 4 * PAGE)
    assert space.mmap(0, 5 * PAGE, RW, ANON) == kept[5] - 5 * PAGE
    assert space.mmap(0, 4 * PAGE, PROT_NONE, ANON) == kept[1]
    space.munmap(kept[3], 4 * PAGE)
    space.munmap(kept[2], 4 * PAGE)
    assert space.mmap(0, 8 * PAGE, PROT_NONE, ANON) == kept[3]


def test_free_hint_is_honoured_and_taken_hint_is_not() -> None:
    space = Memory().space()
    hint = 0x2000_0000
    assert space.mmap(hint + 123, PAGE, RW, ANON) == hint
    assert space.mmap(hint, PAGE, RW, ANON) != hint
    assert space.mmap(0x5005, PAGE, RW, ANON) == 0x10000, "rounded up to vm.mmap_min_addr"


def test_map_fixed_replaces_the_middle_of_an_area() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0, 5 * PAGE, RW, ANON)
    space.user.write(base, b"a" * 5 * PAGE)
    middle = base + 2 * PAGE
    assert space.mmap(middle, PAGE, PROT_READ, ANON | MAP_FIXED) == middle
    assert [a.pages for a in space.vmas] == [2, 1, 2]
    assert space.user.read(middle, 1) == b"\0"
    assert space.user.read(base + 3 * PAGE, 1) == b"a"
    memory.check(space)


def test_map_fixed_noreplace_refuses_a_taken_place() -> None:
    space = Memory().space()
    base = space.mmap(0, PAGE, RW, ANON)
    with pytest.raises(EEXIST):
        space.mmap(base, PAGE, RW, ANON | MAP_FIXED_NOREPLACE)
    below = base - PAGE
    assert space.mmap(below, PAGE, RW, ANON | MAP_FIXED_NOREPLACE) == below


def test_map_32bit_stays_below_two_gigabytes() -> None:
    space = Memory().space()
    first = space.mmap(0, PAGE, RW, ANON | MAP_32BIT)
    second = space.mmap(0, PAGE, RW, ANON | MAP_32BIT)
    assert (first, second) == (0x40000000, 0x40001000)


ERRORS: list[tuple[int, int, int, int, type[KernelError]]] = [
    (0, 0, RW, ANON, EINVAL),
    (0, USER_TOP + PAGE, RW, ANON, ENOMEM),
    (0, (1 << 64) - 1, RW, ANON, ENOMEM),
    (0x20001, PAGE, RW, ANON | MAP_FIXED, EINVAL),
    (USER_TOP, PAGE, RW, ANON | MAP_FIXED, ENOMEM),
    (0, PAGE, RW, ANON | MAP_FIXED, EPERM),
    (0, PAGE, RW, MAP_ANONYMOUS, EINVAL),
    (0, PAGE, RW, MAP_ANONYMOUS | MAP_SHARED_VALIDATE, EINVAL),
    (0, PAGE, RW, MAP_ANONYMOUS | MAP_SHARED | MAP_GROWSDOWN, EINVAL),
    (0, PAGE, RW | PROT_EXEC, ANON, EACCES),
]


@pytest.mark.parametrize(("address", "length", "prot", "flags", "error"), ERRORS)
def test_errors(address: int, length: int, prot: int, flags: int, error: type[KernelError]) -> None:
    memory = Memory()
    space = memory.space()
    with pytest.raises(error):
        space.mmap(address, length, prot, flags)
    memory.check(space)


FILE_ERRORS: list[tuple[int, int, bool, bool, type[KernelError]]] = [
    (MAP_SHARED, RW, True, False, EACCES),
    (MAP_SHARED_VALIDATE, RW, True, False, EACCES),
    (MAP_PRIVATE, RW, False, True, EACCES),
    (MAP_SHARED_VALIDATE | MAP_SYNC, RW, True, True, EOPNOTSUPP),
    (MAP_PRIVATE | MAP_GROWSDOWN, RW, True, True, EINVAL),
    (0, RW, True, True, EINVAL),
]


@pytest.mark.parametrize(("flags", "prot", "readable", "writable", "error"), FILE_ERRORS)
def test_errors_with_files(
    flags: int, prot: int, readable: bool, writable: bool, error: type[KernelError]
) -> None:
    memory = Memory()
    source = Source(memory.pager(b"x"), None, readable, writable)
    with pytest.raises(error):
        memory.space().mmap_source(0, PAGE, prot, flags, source, 0, True)


def test_unmappable_file_noexec_mount_and_huge_offset() -> None:
    memory = Memory()
    space = memory.space()
    with pytest.raises(ENODEV):
        space.mmap_source(0, PAGE, RW, MAP_PRIVATE, Source(None), 0, True)
    source = Source(memory.pager(b"x"), executable=False)
    with pytest.raises(EPERM):
        space.mmap_source(0, PAGE, PROT_EXEC, MAP_PRIVATE, source, 0, True)
    with pytest.raises(EOVERFLOW):
        space.mmap_source(0, PAGE, RW, MAP_PRIVATE, source, (1 << 63) - PAGE, True)
    address = space.mmap_source(0, PAGE, PROT_READ, MAP_PRIVATE, source, 0, True)
    with pytest.raises(EACCES):
        space.mprotect(address, PAGE, PROT_EXEC)


def test_write_and_execute_together_where_it_is_allowed() -> None:
    space = Memory().space()
    space.allow_wx = True
    assert space.mmap(0, PAGE, RW | PROT_EXEC, ANON)


def test_limits_of_the_process() -> None:
    memory = Memory()
    space = memory.space()
    memory.limits.values[RLIMIT_AS] = (10 * PAGE, 10 * PAGE)
    base = space.mmap(0, 8 * PAGE, PROT_NONE, ANON)
    with pytest.raises(ENOMEM, match="RLIMIT_AS"):
        space.mmap(0, 3 * PAGE, PROT_NONE, ANON)
    space.mmap(base, 8 * PAGE, PROT_NONE, ANON | MAP_FIXED)
    memory.limits.values[RLIMIT_DATA] = (PAGE, PAGE)
    with pytest.raises(ENOMEM, match="RLIMIT_DATA"):
        space.mmap(0, 2 * PAGE, RW, ANON)
    memory.check(space)


def test_commit_limit_counts_private_writable_memory_only() -> None:
    memory = Memory(256)
    space = memory.space()
    space.mmap(0, 1 << 30, PROT_NONE, ANON)
    space.mmap(0, 1 << 30, RW, ANON | MAP_NORESERVE)
    assert memory.frames.committed == 0
    space.mmap(0, 200 * PAGE, RW, ANON)
    space.mmap(0, 200 * PAGE, PROT_READ, ANON)
    assert memory.frames.committed == 200
    space.mmap(0, 200 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS)
    with pytest.raises(ENOMEM):
        space.mmap(0, 200 * PAGE, RW, ANON)
    memory.check(space)
    space.destroy()
    assert memory.frames.committed == 0
    assert memory.frames.used_count == 0


def test_populate_and_locked_map_at_once() -> None:
    memory = Memory()
    space = memory.space()
    space.mmap(0, 20 * PAGE, RW, ANON | MAP_POPULATE)
    assert space.rss == 20
    memory.limits.values[RLIMIT_MEMLOCK] = (4 * PAGE, 4 * PAGE)
    with pytest.raises(EAGAIN):
        space.mmap_source(0, 5 * PAGE, RW, ANON | MAP_LOCKED, None, 0, False)
    space.mmap_source(0, 4 * PAGE, PROT_READ, ANON | MAP_LOCKED, None, 0, False)
    assert (space.rss, space.locked_vm) == (24, 4)
    memory.check(space)


def test_nothing_is_placed_in_a_guard_gap() -> None:
    space = Memory().space()
    stack = space.mmap(0x7000_0000, PAGE, RW, ANON | MAP_GROWSDOWN)
    near = stack - STACK_GUARD_GAP
    assert space.mmap(near, PAGE, RW, ANON) != near
    fine = near - PAGE
    assert space.mmap(fine, PAGE, RW, ANON) == fine


def test_files_and_pagers_hear_of_areas() -> None:
    memory = Memory()
    space = memory.space()
    file, pager = FakeFile(), memory.pager(b"x" * 5 * PAGE)
    base = space.mmap(0, 5 * PAGE, PROT_READ, MAP_PRIVATE, pager, 0, file)
    assert (file.refs, len(pager.areas)) == (2, 1)
    space.munmap(base + PAGE, PAGE)
    assert (file.refs, len(pager.areas)) == (3, 2)
    assert space.maps()[1].offset == 2 * PAGE
    space.mmap(base + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, pager, PAGE, file)
    assert (file.refs, len(pager.areas)) == (2, 1), "the three parts joined again"
    space.destroy()
    assert (file.refs, pager.areas) == (1, [])


def test_munmap_middle_splits_area_and_frees_frames() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0, 5 * PAGE, RW, ANON | MAP_POPULATE)
    space.munmap(base + PAGE, 3 * PAGE)
    assert [(a.start - base) // PAGE for a in space.vmas] == [0, 4]
    assert space.rss == 2
    assert (space.root, base + PAGE, 3) in memory.tlb.requests
    memory.check(space)


@pytest.mark.parametrize(
    ("address", "length"), [(0x10001, PAGE), (0x10000, 0), (USER_TOP, PAGE), (0, 1 << 63)]
)
def test_munmap_errors(address: int, length: int) -> None:
    with pytest.raises(EINVAL):
        Memory().space().munmap(address, length)


def test_munmap_of_nothing_is_fine() -> None:
    Memory().space().munmap(0x10000, 1 << 40)


def test_maps_shows_names() -> None:
    memory = Memory()
    space = memory.space()
    space.start_brk = space.brk_end = 0x600000
    space.brk(0x601000)
    space.mmap(0, PAGE, PROT_READ, MAP_PRIVATE, memory.pager(b"x"), 0, FakeFile(b"/bin/x"))
    space.mmap(0, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS)
    space.mmap(0, PAGE, PROT_EXEC, ANON, label=b"[sigpage]")
    lines = [(entry.perms, entry.name) for entry in space.maps()]
    assert lines == [
        ("rw-p", b"[heap]"),
        ("--xp", b"[sigpage]"),
        ("rw-s", b"/dev/zero (deleted)"),
        ("r--p", b"/bin/x"),
    ]
    assert space.maps()[3].inode == 42
