"""Memory calls through the stubs of both CPUs: descriptors, rights, order of errors."""

from __future__ import annotations

import pytest

from kernel.abi.errors import (
    EACCES,
    EAGAIN,
    EBADF,
    EEXIST,
    EFAULT,
    EINVAL,
    ENODEV,
    ENOMEM,
    EOPNOTSUPP,
    EPERM,
)
from kernel.abi.files import AT_FDCWD, MS_NOEXEC, O_PATH, O_RDONLY, O_RDWR, O_WRONLY
from kernel.abi.memory import (
    MADV_DONTNEED,
    MADV_REMOVE,
    MAP_ANONYMOUS,
    MAP_FIXED_NOREPLACE,
    MAP_HUGETLB,
    MAP_LOCKED,
    MAP_NORESERVE,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_SHARED_VALIDATE,
    MAP_SYNC,
    MCL_CURRENT,
    MLOCK_ONFAULT,
    MREMAP_MAYMOVE,
    MS_SYNC,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
)
from kernel.cred import RLIMIT_MEMLOCK, Credentials
from kernel.fs.root import make_file
from kernel.mm.space import USER_TOP
from tests.support.calls import Guest

PAGE = 4096
RW = PROT_READ | PROT_WRITE
ANON = MAP_PRIVATE | MAP_ANONYMOUS


@pytest.fixture
def guest(arch: str) -> Guest:
    made = Guest(arch)
    made.world.with_dev()
    make_file(made.world.rootfs.root, b"file", b"contents" * 1024)
    return made


def opened(guest: Guest, path: bytes, flags: int = O_RDONLY) -> int:
    fd = guest("openat", AT_FDCWD, path, guest.world.arch.open_flags_out(flags), 0)
    assert isinstance(fd, int)
    return fd


def mapped(
    guest: Guest, length: int = PAGE, prot: int = RW, flags: int = ANON, fd: int = -1
) -> int:
    address = guest("mmap", 0, length, prot, flags, fd, 0)
    assert isinstance(address, int)
    return address


def test_anonymous_memory_ignores_the_descriptor(guest: Guest) -> None:
    address = mapped(guest, 3 * PAGE, fd=77)
    guest.task.mem.write(address, b"x" * 3 * PAGE)
    assert guest("munmap", address, 3 * PAGE) == 0
    with pytest.raises(EFAULT):
        guest.task.mem.read(address, 1)


def test_order_of_errors_of_mmap(guest: Guest) -> None:
    with pytest.raises(EINVAL):  # the offset before the descriptor
        guest("mmap", 0, PAGE, RW, MAP_PRIVATE, 77, 1)
    with pytest.raises(EBADF):  # the descriptor before the length
        guest("mmap", 0, 0, RW, MAP_PRIVATE, 77, 0)
    with pytest.raises(EINVAL):  # the length before the kind
        guest("mmap", 0, 0, RW, 0, opened(guest, b"/file"), 0)
    with pytest.raises(ENOMEM):
        guest("mmap", 0, -1, RW, MAP_ANONYMOUS, -1, 0)
    with pytest.raises(EINVAL):
        guest("mmap", 0, PAGE, RW, MAP_ANONYMOUS, -1, 0)


def test_what_the_descriptor_allows(guest: Guest) -> None:
    reading, writing = opened(guest, b"/file"), opened(guest, b"/file", O_WRONLY)
    with pytest.raises(EACCES):
        mapped(guest, flags=MAP_SHARED, fd=reading)
    with pytest.raises(EACCES):
        mapped(guest, prot=PROT_READ, flags=MAP_PRIVATE, fd=writing)
    with pytest.raises(EBADF):
        mapped(guest, flags=MAP_PRIVATE, fd=opened(guest, b"/file", O_PATH))
    with pytest.raises(EOPNOTSUPP):
        mapped(guest, flags=MAP_SHARED_VALIDATE | MAP_SYNC, fd=opened(guest, b"/file", O_RDWR))
    with pytest.raises(ENODEV):
        mapped(guest, prot=PROT_READ, flags=MAP_PRIVATE, fd=opened(guest, b"/dev"))
    private = mapped(guest, flags=MAP_PRIVATE, fd=reading)
    guest.task.mem.write(private, b"changed!")
    assert guest.task.contents(b"/file")[:8] == b"contents"
    shared = mapped(guest, prot=PROT_READ, flags=MAP_SHARED, fd=reading)
    with pytest.raises(EACCES):
        guest("mprotect", shared, PAGE, RW)


def test_a_mapping_outlives_its_descriptor(guest: Guest) -> None:
    fd = opened(guest, b"/file", O_RDWR)
    shared = mapped(guest, flags=MAP_SHARED, fd=fd)
    guest("close", fd)
    guest.task.mem.write(shared, b"CONTENTS")
    assert guest.task.contents(b"/file")[:9] == b"CONTENTSc"
    assert guest("msync", shared, PAGE, MS_SYNC) == 0


def test_noexec_mounts(guest: Guest) -> None:
    guest.world.mounts.mounts[0].flags |= MS_NOEXEC
    fd = opened(guest, b"/file")
    with pytest.raises(EPERM):
        mapped(guest, prot=PROT_READ | PROT_EXEC, flags=MAP_PRIVATE, fd=fd)
    address = mapped(guest, prot=PROT_READ, flags=MAP_PRIVATE, fd=fd)
    with pytest.raises(EACCES):
        guest("mprotect", address, PAGE, PROT_READ | PROT_EXEC)


def test_dev_zero_is_fresh_memory(guest: Guest) -> None:
    fd = opened(guest, b"/dev/zero", O_RDWR)
    private = mapped(guest, flags=MAP_PRIVATE, fd=fd)
    guest.task.mem.write(private, b"mine")
    shared = mapped(guest, flags=MAP_SHARED, fd=fd)
    assert guest.task.mem.read(shared, 4) == bytes(4)
    with pytest.raises(ENODEV):
        mapped(guest, flags=MAP_PRIVATE, fd=opened(guest, b"/dev/null", O_RDWR))


def test_no_huge_pages(guest: Guest) -> None:
    with pytest.raises(ENOMEM):
        mapped(guest, flags=ANON | MAP_HUGETLB)
    with pytest.raises(EINVAL):
        mapped(guest, flags=MAP_PRIVATE | MAP_HUGETLB, fd=opened(guest, b"/file"))


def test_moving_and_growing(guest: Guest) -> None:
    address = mapped(guest)
    guest.task.mem.write(address, b"kept")
    moved = guest("mremap", address, PAGE, 300 * PAGE, MREMAP_MAYMOVE, 0)
    assert guest.task.mem.read(moved, 4) == b"kept"
    with pytest.raises(EINVAL):
        guest("mremap", moved, PAGE, PAGE, 64, 0)


def test_the_break_has_no_errors(guest: Guest) -> None:
    space = guest.task.mm
    space.start_brk = space.brk_end = 0x600000
    assert guest("brk", 0) == 0x600000
    assert guest("brk", 0x602010) == 0x602010
    assert guest("brk", 1) == 0x602010
    guest.task.mem.write(0x602000, b"heap")


def test_mincore_writes_a_byte_per_page(guest: Guest) -> None:
    address = mapped(guest, 64 * PAGE)
    guest.task.mem.write(address + 40 * PAGE, b"x")
    answer = bytearray(64)
    assert guest("mincore", address, 64 * PAGE, answer) == 0
    assert answer[40] == 1
    assert answer[0] == 0
    with pytest.raises(ENOMEM):
        guest("mincore", 0x10000, PAGE, answer)
    with pytest.raises(EINVAL):
        guest("mincore", address + 1, PAGE, answer)
    with pytest.raises(EFAULT):
        guest("mincore", address, PAGE, USER_TOP)
    with pytest.raises(EFAULT):
        guest("mincore", address, PAGE, guest.bad)


def test_locks_need_room_or_the_capability(guest: Guest) -> None:
    address = mapped(guest, 8 * PAGE)
    assert guest("mlock", address, 8 * PAGE) == 0
    assert guest("munlockall") == 0
    guest.task.cred = Credentials.for_user(1000, 1000)
    guest.task.limits.values[RLIMIT_MEMLOCK] = (2 * PAGE, 2 * PAGE)
    with pytest.raises(ENOMEM):
        guest("mlock", address, 3 * PAGE)
    with pytest.raises(EAGAIN):
        mapped(guest, 3 * PAGE, flags=ANON | MAP_LOCKED)
    with pytest.raises(ENOMEM):
        guest("mlockall", MCL_CURRENT)
    assert guest("mlock2", address, 2 * PAGE, MLOCK_ONFAULT) == 0
    with pytest.raises(EINVAL):
        guest("mlock2", address, PAGE, 2)
    with pytest.raises(EINVAL):
        guest("madvise", address, PAGE, MADV_DONTNEED)
    assert guest("munlock", address, 2 * PAGE) == 0
    assert guest("madvise", address, PAGE, MADV_DONTNEED) == 0


def test_a_taken_place_stays_as_it_is(guest: Guest) -> None:
    address = mapped(guest)
    with pytest.raises(EEXIST):
        guest("mmap", address, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0)


def test_a_hole_is_punched_into_a_file_in_memory(guest: Guest) -> None:
    shared = mapped(guest, 2 * PAGE, flags=MAP_SHARED, fd=opened(guest, b"/file", O_RDWR))
    assert guest("madvise", shared, PAGE, MADV_REMOVE) == 0
    assert guest.task.mem.read(shared + PAGE - 2, 4) == b"\0\0co"
    assert guest.task.contents(b"/file")[PAGE - 2 : PAGE + 2] == b"\0\0co"


def test_mincore_of_a_huge_range_fails_at_the_end_of_the_vector(guest: Guest) -> None:
    huge = 1 << 45
    base = guest("mmap", 0, huge, 0, ANON | MAP_NORESERVE, -1, 0)
    vector = guest("mmap", 0, 2 * PAGE, RW, ANON, -1, 0)
    assert isinstance(base, int)
    assert isinstance(vector, int)
    with pytest.raises(EFAULT):
        guest("mincore", base, huge, vector + PAGE)
    assert guest("mincore", base, 6000 * PAGE, vector) == 0
