"""mremap(2)."""

from __future__ import annotations

import pytest

from kernel.abi.errors import EFAULT, EINVAL, ENOMEM, KernelError
from kernel.abi.memory import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_SHARED,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
)
from tests.support.memory import ANON, PAGE, RW, Memory

PLACE = 0x2000_0000


def test_shrink_frees_the_tail() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0, 4 * PAGE, RW, ANON)
    space.user.write(base, b"x" * 4 * PAGE)
    assert space.mremap(base, 4 * PAGE, PAGE, 0) == base
    assert (space.total_vm, space.rss, memory.frames.committed) == (1, 1, 1)
    memory.check(space)


def test_grow_in_place_where_there_is_room() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(PLACE, PAGE, RW, ANON)
    assert space.mremap(base, PAGE, 3 * PAGE, 0) == base
    assert memory.frames.committed == 3
    space.mmap(PLACE + 3 * PAGE, PAGE, 1, ANON)
    with pytest.raises(ENOMEM):
        space.mremap(base, 3 * PAGE, 4 * PAGE, 0)
    memory.check(space)


def test_move_keeps_the_content_and_its_frames() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(PLACE, 2 * PAGE, RW, ANON)
    space.mmap(PLACE + 2 * PAGE, PAGE, 1, ANON)
    space.user.write(base + PAGE, b"moved")
    frame = space.frame_at(base + PAGE, 0)
    moved = space.mremap(base, 2 * PAGE, 8 * PAGE, MREMAP_MAYMOVE)
    assert moved != base
    assert space.user.read(moved + PAGE, 5) == b"moved"
    assert space.frame_at(moved + PAGE, 0) == frame
    with pytest.raises(EFAULT):
        space.user.read(base, 1)
    assert memory.frames.committed == 8
    memory.check(space)


def test_fixed_replaces_what_was_there() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0, 2 * PAGE, RW, ANON)
    space.user.write(base, b"a" * 2 * PAGE)
    space.mmap(PLACE, 2 * PAGE, RW, ANON)
    space.user.write(PLACE, b"b" * 2 * PAGE)
    flags = MREMAP_MAYMOVE | MREMAP_FIXED
    assert space.mremap(base, 2 * PAGE, PAGE, flags, PLACE) == PLACE
    assert space.user.read(PLACE, 1) == b"a"
    assert space.user.read(PLACE + PAGE, 1) == b"b"
    memory.check(space)


def test_dontunmap_leaves_an_empty_area() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0, PAGE, RW, ANON)
    space.user.write(base, b"gone")
    moved = space.mremap(base, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP)
    assert space.user.read(moved, 4) == b"gone"
    assert space.user.read(base, 4) == bytes(4)
    memory.check(space)


def test_old_size_zero_duplicates_shared_memory() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS)
    twin = space.mremap(base, 0, PAGE, MREMAP_MAYMOVE)
    space.user.write(base, b"both")
    assert space.user.read(twin, 4) == b"both"
    private = space.mmap(0, PAGE, RW, ANON)
    with pytest.raises(EINVAL):
        space.mremap(private, 0, PAGE, MREMAP_MAYMOVE)
    memory.check(space)
    space.destroy()
    assert memory.frames.used_count == 0
    assert memory.frames.committed == 0


ERRORS: list[tuple[int, int, int, int, int, type[KernelError]]] = [
    (0, PAGE, PAGE, 8, 0, EINVAL),
    (0, PAGE, PAGE, MREMAP_FIXED, 0, EINVAL),
    (0, PAGE, 2 * PAGE, MREMAP_DONTUNMAP | MREMAP_MAYMOVE, 0, EINVAL),
    (1, PAGE, PAGE, 0, 0, EINVAL),
    (0, PAGE, 0, 0, 0, EINVAL),
    (10 * PAGE, PAGE, PAGE, 0, 0, EFAULT),
    (0, 3 * PAGE, 4 * PAGE, MREMAP_MAYMOVE, 0, EFAULT),
    (0, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, PLACE + 1, EINVAL),
    (0, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, PLACE, EINVAL),
    (0, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, 1 << 60, EINVAL),
]


@pytest.mark.parametrize(("delta", "old", "new", "flags", "target", "error"), ERRORS)
def test_errors(
    delta: int, old: int, new: int, flags: int, target: int, error: type[KernelError]
) -> None:
    memory = Memory()
    space = memory.space()
    space.mmap(PLACE, 2 * PAGE, RW, ANON | MAP_FIXED)
    with pytest.raises(error):
        space.mremap(PLACE + delta, old, new, flags, target)
    memory.check(space)


def test_moving_part_of_a_file_mapping_keeps_its_offset() -> None:
    memory = Memory()
    space = memory.space()
    pager = memory.pager(b"".join(bytes([65 + i]) * PAGE for i in range(4)))
    base = space.mmap(0, 4 * PAGE, 1, MAP_SHARED, pager)
    moved = space.mremap(base + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, PLACE)
    assert space.user.read(moved, 1) == b"C"
    assert space.user.read(base + 3 * PAGE, 1) == b"D"
    memory.check(space)
