"""User copies: bad addresses to the byte, strings, structures, buffers, a naive model."""

from __future__ import annotations

from struct import Struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.abi.errors import E2BIG, EFAULT, EINVAL, ENAMETOOLONG
from kernel.abi.memory import MAP_FIXED, MAP_PRIVATE, PROT_NONE, PROT_READ
from kernel.mm.address_space import AddressSpace
from kernel.mm.fault import ACCESS_READ, ACCESS_WRITE
from kernel.mm.physical import CODE
from kernel.mm.ranges import PTE_DIRTY
from kernel.mm.space import USER_TOP
from tests.support.memory import ANON, PAGE, RW, Memory

BASE = 0x2000_0000


def island(memory: Memory, pages: int = 2) -> AddressSpace:
    """A space with a few pages and nothing around them."""
    space = memory.space()
    space.mmap(BASE, pages * PAGE, RW, ANON | MAP_FIXED)
    return space


def test_one_byte_either_side_of_a_mapping() -> None:
    user = island(Memory()).user
    end = BASE + 2 * PAGE
    user.write(BASE, b"a")
    user.write(end - 1, b"z")
    assert user.read(end - 4, 4) == b"\0\0\0z"
    for address, length in ((BASE - 1, 1), (BASE - 1, 2), (end, 1), (end - 1, 2)):
        with pytest.raises(EFAULT):
            user.read(address, length)
        with pytest.raises(EFAULT):
            user.write(address, bytes(length))


@pytest.mark.parametrize("address", [USER_TOP, 1 << 63, (1 << 64) - 1, -1, 0, 1 << 56])
def test_addresses_outside_the_user_half(address: int) -> None:
    user = island(Memory()).user
    with pytest.raises(EFAULT):
        user.read(address, 1)
    with pytest.raises(EFAULT):
        user.write(address, b"x")
    assert user.read(address, 0) == b""
    user.write(address, b"")


def test_rights_are_respected_after_they_were_cached() -> None:
    space = island(Memory())
    user = space.user
    user.write(BASE, b"x")
    space.mprotect(BASE, PAGE, PROT_READ)
    assert user.read(BASE, 1) == b"x"
    with pytest.raises(EFAULT):
        user.write(BASE, b"y")
    space.mprotect(BASE, PAGE, PROT_NONE)
    with pytest.raises(EFAULT):
        user.read(BASE, 1)
    space.munmap(BASE, 2 * PAGE)
    with pytest.raises(EFAULT):
        user.read(BASE, 1)


def test_a_failed_write_changes_nothing() -> None:
    user = island(Memory()).user
    end = BASE + 2 * PAGE
    with pytest.raises(EFAULT):
        user.write(end - 4, b"12345")
    assert user.read(end - 4, 4) == bytes(4)


def test_writing_marks_dirty_and_drops_code() -> None:
    memory = Memory()
    space = island(memory)
    space.user.read(BASE, 1)
    entry = space.ranges.walk(space.root, BASE >> 12)
    assert not entry & PTE_DIRTY
    memory.physical.flags[entry >> 12] |= CODE
    space.user.write(BASE, b"x")
    assert space.ranges.walk(space.root, BASE >> 12) & PTE_DIRTY
    assert memory.tlb.code_requests == [entry >> 12]
    memory.physical.flags[entry >> 12] |= CODE
    space.user.write(BASE, b"y")
    assert len(memory.tlb.code_requests) == 2


def test_many_pages_end_at_the_first_bad_one() -> None:
    space = island(Memory(), 12)
    user = space.user
    user.write(BASE, b"x" * 12 * PAGE)
    space.munmap(BASE + 9 * PAGE, PAGE)
    for access in (ACCESS_READ, ACCESS_WRITE):
        runs = user.runs(BASE + 100, 12 * PAGE - 200, access, partial=True)
        assert sum(length for _, length in runs) == 9 * PAGE - 100
        assert runs[0][0] & PAGE - 1 == 100
        with pytest.raises(EFAULT, match=f"{BASE + 9 * PAGE:#x}"):
            user.runs(BASE + 100, 12 * PAGE - 200, access)
        assert user.runs(BASE + 9 * PAGE + 5, 3 * PAGE + 5, access, partial=True) == []
    assert user.read(BASE + 5, 8 * PAGE) == b"x" * 8 * PAGE


def test_many_pages_are_each_marked_dirty_and_lose_their_code() -> None:
    memory = Memory()
    space = island(memory, 8)
    space.user.read(BASE, 8 * PAGE)
    frames = [space.ranges.walk(space.root, (BASE >> 12) + n) >> 12 for n in range(8)]
    for frame in frames[3:5]:
        memory.physical.flags[frame] |= CODE
    for _ in range(2):
        space.user.write(BASE + 1, b"y" * 7 * PAGE)
        assert memory.tlb.code_requests == frames[3:5]
    assert all(space.ranges.walk(space.root, (BASE >> 12) + n) & PTE_DIRTY for n in range(8))
    memory.physical.flags[frames[4]] |= CODE
    space.user.write(BASE + 1, b"z" * 7 * PAGE)
    assert memory.tlb.code_requests == [*frames[3:5], frames[4]]


def test_strings() -> None:
    user = island(Memory()).user
    end = BASE + 2 * PAGE
    user.write(BASE + PAGE - 3, b"across\0")
    assert user.read_path(BASE + PAGE - 3) == b"across"
    user.write(end - 3, b"abc")
    with pytest.raises(EFAULT):
        user.read_cstring(end - 3, 10)
    with pytest.raises(ENAMETOOLONG):
        user.read_cstring(end - 3, 3)
    user.write(BASE, b"x" * 4096)
    with pytest.raises(ENAMETOOLONG):
        user.read_path(BASE)
    user.write(BASE + 4095, b"\0")
    assert len(user.read_path(BASE)) == 4095
    user.write(BASE, b"\0")
    assert user.read_path(BASE) == b""


def test_string_array() -> None:
    user = island(Memory()).user
    user.write(BASE, b"one\0two\0")
    for i, pointer in enumerate((BASE, BASE + 4, 0)):
        user.write_u64(BASE + 64 + 8 * i, pointer)
    assert user.string_array(BASE + 64, 4096) == [b"one", b"two"]
    assert user.string_array(0, 4096) == []
    with pytest.raises(E2BIG):
        user.string_array(BASE + 64, 20)
    with pytest.raises(EFAULT):
        user.string_array(BASE + 2 * PAGE - 8 + 1, 4096)


def test_numbers_and_structures() -> None:
    user = island(Memory()).user
    user.write_u32(BASE, -2)
    assert user.read_u32(BASE) == 0xFFFFFFFE
    assert user.read_s32(BASE) == -2
    user.write_u64(BASE + PAGE - 4, 0x1122334455667788)
    assert user.read_u64(BASE + PAGE - 4) == 0x1122334455667788
    assert user.read_u16(BASE + PAGE - 4) == 0x7788
    assert user.read_u8(BASE + PAGE - 4) == 0x88
    pair = Struct("<iQ")
    user.pack(pair, BASE + PAGE - 6, -1, 9)
    assert user.unpack(pair, BASE + PAGE - 6) == (-1, 9)
    user.zero(BASE + PAGE - 6, 12)
    assert user.unpack(pair, BASE + PAGE - 6) == (0, 0)


def test_iovecs() -> None:
    user = island(Memory()).user
    iovec = Struct("<QQQQ")
    user.pack(iovec, BASE, BASE, 5, BASE + 9, 0)
    assert user.read_iovec(BASE, 2) == [(BASE, 5), (BASE + 9, 0)]
    assert user.read_iovec(BASE, 0) == []
    for count in (-1, 1025):
        with pytest.raises(EINVAL):
            user.read_iovec(BASE, count)
    user.pack(iovec, BASE, BASE, 1 << 63, 0, 0)
    with pytest.raises(EINVAL):
        user.read_iovec(BASE, 2)
    user.pack(iovec, BASE, USER_TOP, 1, 0, 0)
    with pytest.raises(EFAULT):
        user.read_iovec(BASE, 1)
    user.pack(iovec, BASE, BASE, 0x7FFFF000, BASE, 5)
    assert user.read_iovec(BASE, 2) == [(BASE, 0x7FFFF000), (BASE, 0)]


def test_a_buffer_faults_only_if_it_moved_nothing() -> None:
    user = island(Memory()).user
    end = BASE + 2 * PAGE
    buffer = user.buffer(end - 3, 10)
    assert buffer.put(b"abcdefg") == 3
    assert buffer.put(b"more") == 0
    assert (buffer.done, buffer.remaining) == (3, 7)
    with pytest.raises(EFAULT):
        user.buffer(end, 10).put(b"x")
    with pytest.raises(EFAULT):
        user.buffer(end, 10).take(1)
    assert user.buffer(end - 3, 10).take(10) == b"abc"
    with pytest.raises(EFAULT):
        user.buffer(USER_TOP - 1, 2)
    assert user.buffer(end, 0).put(b"") == 0


def test_big_buffers_are_few_slices() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0, 16 * PAGE, RW, ANON)
    views = space.user.buffer(base, 16 * PAGE).put_views(16 * PAGE)
    assert len(views) <= 2
    assert sum(len(view) for view in views) == 16 * PAGE


SIZE = 6 * PAGE
places = st.builds(
    lambda page, delta: max(0, min(SIZE - 1, page * PAGE + delta)),
    st.integers(0, 6),
    st.integers(-5, 5),
)
lengths = st.one_of(
    st.integers(0, 9), st.integers(PAGE - 3, 2 * PAGE + 3), st.integers(3 * PAGE, SIZE)
)
moves = st.tuples(st.sampled_from(("write", "put", "views", "fork")), places, lengths)


@settings(max_examples=60, deadline=None)
@given(st.lists(moves, max_size=12), st.lists(st.tuples(places, lengths), max_size=4))
def test_copies_agree_with_a_bytearray(
    script: list[tuple[str, int, int]], iovec: list[tuple[int, int]]
) -> None:
    memory = Memory(512)
    space = memory.space()
    base = space.mmap(0, SIZE, RW, ANON)
    model = bytearray(SIZE)
    others = []
    for number, (kind, place, length) in enumerate(script, 1):
        length = min(length, SIZE - place)
        data = bytes([number % 256]) * length
        if kind == "fork":
            others.append((space.fork(), bytes(model)))
            continue
        if kind == "write":
            space.user.write(base + place, data)
        elif kind == "put":
            assert space.user.buffer(base + place, length).put(data) == length
        else:
            for view in space.user.buffer(base + place, length).put_views(length):
                view[:] = data[: len(view)]
        model[place : place + length] = data
    assert space.user.read(base, SIZE) == model
    for other, content in others:
        assert other.user.read(base, SIZE) == content
    segments = [(base + place, min(length, SIZE - place)) for place, length in iovec]
    gathered = space.user.buffer_iov(segments)
    expected = b"".join(bytes(model[a - base : a - base + n]) for a, n in segments)
    half = len(expected) // 2
    assert gathered.take(half) + gathered.take(len(expected)) == expected
    memory.check(space, *(other for other, _ in others))


def test_file_pages_are_faulted_in_for_the_kernel() -> None:
    memory = Memory()
    space = memory.space()
    base = space.mmap(0, 3 * PAGE, PROT_READ, MAP_PRIVATE, memory.pager(b"ab" * PAGE))
    assert space.user.read(base + PAGE - 2, 4) == b"abab"
    with pytest.raises(EFAULT):
        space.user.read(base + 2 * PAGE - 1, 2)
