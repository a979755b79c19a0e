"""open, read, write, directories, through the stubs of both CPUs."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from kernel.abi.errors import (
    E2BIG,
    EBADF,
    EFAULT,
    EINVAL,
    EISDIR,
    ELOOP,
    EMFILE,
    ENOENT,
    ENOTDIR,
    EOPNOTSUPP,
    EPERM,
    ERANGE,
    EXDEV,
)
from kernel.abi.files import (
    AT_FDCWD,
    AT_REMOVEDIR,
    CLOSE_RANGE_CLOEXEC,
    F_GETFD,
    F_GETFL,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECTORY,
    O_LARGEFILE,
    O_NOFOLLOW,
    O_PATH,
    O_RDWR,
    O_TMPFILE,
    O_WRONLY,
    RESOLVE_BENEATH,
    RWF_APPEND,
    RWF_NOWAIT,
    SEEK_END,
    SEEK_SET,
)
from kernel.abi.structs import OPEN_HOW
from kernel.cred import RLIMIT_NOFILE
from tests.support.calls import Guest, opened

# --- open and close ------------------------------------------------------------------------------


def test_open_gives_the_lowest_number_and_close_frees_it(guest: Guest) -> None:
    assert [opened(guest, b"/dir/file") for _ in range(3)] == [0, 1, 2]
    guest("close", 1)
    assert opened(guest, b"/dir/file") == 1
    with pytest.raises(EBADF):
        guest("close", 7)


def test_order_of_errors_of_open(guest: Guest) -> None:
    with pytest.raises(EINVAL):  # flags before the path
        guest("openat", AT_FDCWD, guest.bad, guest.world.arch.open_flags_out(O_TMPFILE), 0)
    with pytest.raises(EFAULT):
        guest("openat", AT_FDCWD, guest.bad, 0, 0)
    guest.task.limits.values[RLIMIT_NOFILE] = (0, 0)
    with pytest.raises(EFAULT):
        guest("openat", AT_FDCWD, guest.bad, 0, 0)
    with pytest.raises(EMFILE):  # a number before the walk
        guest("openat", AT_FDCWD, b"/missing", 0, 0)


def test_flags_of_this_cpu_mean_the_same(guest: Guest) -> None:
    with pytest.raises(ENOTDIR):
        opened(guest, b"/dir/file", O_DIRECTORY)
    with pytest.raises(ELOOP):
        opened(guest, b"/link", O_NOFOLLOW)
    fd = opened(guest, b"/dir", O_DIRECTORY | O_CLOEXEC)
    flags = guest.world.arch.open_flags_in(guest("fcntl", fd, F_GETFL, 0))
    assert flags == O_DIRECTORY | O_LARGEFILE
    assert guest("fcntl", fd, F_GETFD, 0) == 1


def test_openat2(guest: Guest) -> None:
    fd = opened(guest, b"/dir", O_PATH)

    def openat2(path: bytes, flags: int, mode: int, resolve: int, extra: bytes = b"") -> Any:
        how = OPEN_HOW.pack(flags, mode, resolve) + extra
        return guest("openat2", fd, path, how, len(how))

    assert openat2(b"file", 0, 0, RESOLVE_BENEATH) == 1
    with pytest.raises(EXDEV):
        openat2(b"../link", 0, 0, RESOLVE_BENEATH)
    with pytest.raises(EINVAL):
        openat2(b"file", 1 << 40, 0, 0)
    with pytest.raises(EINVAL):
        openat2(b"file", 0, 0o644, 0)
    assert openat2(b"file", 0, 0, 0, bytes(8)) == 2
    with pytest.raises(E2BIG):
        openat2(b"file", 0, 0, 0, b"\1")
    with pytest.raises(EINVAL):
        guest("openat2", fd, b"file", bytes(23), 23)


def test_close_range(guest: Guest) -> None:
    for _ in range(6):
        opened(guest, b"/dir/file")
    guest("close_range", 1, 2, 0)
    guest("close_range", 4, 0xFFFFFFFF, CLOSE_RANGE_CLOEXEC)
    assert [fd for fd, _ in guest.task.fds.items()] == [0, 3, 4, 5]
    assert list(guest.task.fds.cloexec) == [4, 5]
    with pytest.raises(EINVAL):
        guest("close_range", 2, 1, 0)


# --- reading and writing -------------------------------------------------------------------------


def test_read_write_and_position(guest: Guest) -> None:
    fd = opened(guest, b"/dir/file", O_RDWR)
    buf = bytearray(4)
    assert guest("read", fd, buf, 4) == 4
    assert buf == b"0123"
    assert guest("write", fd, b"AB", 2) == 2
    assert guest("lseek", fd, 0, SEEK_SET) == 0
    whole = bytearray(20)
    assert guest("pread64", fd, whole, 20, 2) == 8
    assert whole[:8] == b"23AB6789"
    assert guest("lseek", fd, 0, 1) == 0
    assert guest("pwrite64", fd, b"Z", 1, 9) == 1
    assert guest("lseek", fd, -1, SEEK_END) == 9
    with pytest.raises(EINVAL):
        guest("lseek", fd, 0, 5)


def test_access_modes(guest: Guest) -> None:
    reading, writing = opened(guest, b"/dir/file"), opened(guest, b"/dir/file", O_WRONLY)
    with pytest.raises(EBADF):
        guest("write", reading, b"x", 1)
    with pytest.raises(EBADF):
        guest("read", writing, bytearray(1), 1)
    with pytest.raises(EBADF):
        guest("read", 99, bytearray(1), 1)
    with pytest.raises(EISDIR):
        guest("read", opened(guest, b"/dir"), bytearray(1), 1)


def test_sizes_and_addresses(guest: Guest) -> None:
    fd = opened(guest, b"/dir/file", O_RDWR)
    with pytest.raises(EINVAL):
        guest("read", fd, bytearray(1), -1)
    with pytest.raises(EFAULT):
        guest("read", fd, guest.bad, 5)
    with pytest.raises(EFAULT):
        guest("write", fd, guest.bad, 5)
    assert guest("read", fd, guest.bad, 0) == 0
    assert guest("read", fd, guest.bad - 3, 10) == 3
    with pytest.raises(EINVAL):
        guest("pread64", fd, bytearray(1), 1, -1)


def iovecs(guest: Guest, *parts: bytes) -> bytes:
    return b"".join(struct.pack("<QQ", guest.place(part), len(part)) for part in parts)


def test_vectors(guest: Guest) -> None:
    fd = opened(guest, b"/v", O_CREAT | O_RDWR)
    assert guest("writev", fd, iovecs(guest, b"abc", b"", b"defg"), 3) == 7
    target = iovecs(guest, bytes(2), bytes(5))
    assert guest("preadv", fd, target, 2, 0, 0) == 7
    second = struct.unpack_from("<Q", target, 16)[0]
    assert guest.task.mem.read(second, 5) == b"cdefg"
    assert guest("pwritev", fd, iovecs(guest, b"X"), 1, 1, 0) == 1
    with pytest.raises(EINVAL):
        guest("writev", fd, guest.base, 1025)
    with pytest.raises(EINVAL):
        guest("readv", fd, struct.pack("<QQ", guest.base, 1 << 63), 1)
    with pytest.raises(EFAULT):
        guest("writev", fd, guest.bad, 1)


def test_flags_of_preadv2_and_pwritev2(guest: Guest) -> None:
    fd = opened(guest, b"/dir/file", O_RDWR)
    assert guest("pwritev2", fd, iovecs(guest, b"!"), 1, 0, 0, RWF_APPEND) == 1
    buf = iovecs(guest, bytes(11))
    assert guest("preadv2", fd, buf, 1, 0, 0, 0) == 11
    assert guest("preadv2", fd, buf, 1, -1, 0, 0) == 11
    assert guest("lseek", fd, 0, 1) == 11
    for flags in (RWF_NOWAIT, 1 << 20):
        with pytest.raises(EOPNOTSUPP):
            guest("preadv2", fd, buf, 1, 0, 0, flags)


# --- directories ---------------------------------------------------------------------------------


def entries(data: bytes) -> dict[bytes, tuple[int, int]]:
    found = {}
    while data:
        ino, _, length, kind = struct.unpack_from("<QqHB", data)
        found[data[19:length].rstrip(b"\0")] = (ino, kind)
        data = data[length:]
    return found


def test_getdents64(guest: Guest) -> None:
    fd = opened(guest, b"/dir")
    buf = bytearray(200)
    count = guest("getdents64", fd, buf, 200)
    found = entries(bytes(buf[:count]))
    assert {name: kind for name, (_, kind) in found.items()} == {
        b".": 4, b"..": 4, b"sub": 4, b"file": 8,
    }  # fmt: skip
    assert found[b".."][0] == guest.world.rootfs.root.ino
    assert guest("getdents64", fd, buf, 200) == 0
    with pytest.raises(ENOTDIR):
        guest("getdents64", opened(guest, b"/dir/file"), buf, 200)


def test_getdents64_in_small_pieces_shows_each_name_once(guest: Guest) -> None:
    for number in range(40):
        opened(guest, b"/dir/%03d" % number, O_CREAT)
    fd = opened(guest, b"/dir")
    with pytest.raises(EINVAL):
        guest("getdents64", fd, bytearray(20), 20)
    names: list[bytes] = []
    while True:
        buf = bytearray(64)
        count = guest("getdents64", fd, buf, 64)
        if not count:
            break
        names += entries(bytes(buf[:count]))
    assert len(names) == len(dict.fromkeys(names)) == 44


def test_working_directory(guest: Guest) -> None:
    guest("chdir", b"/dir/sub")
    buf = bytearray(20)
    assert guest("getcwd", buf, 20) == 9
    assert buf[:9] == b"/dir/sub\0"
    with pytest.raises(ERANGE):
        guest("getcwd", buf, 8)
    guest("fchdir", opened(guest, b"/dir", O_PATH))
    assert guest("getcwd", buf, 20) == 5
    with pytest.raises(ENOTDIR):
        guest("chdir", b"file")
    guest("mkdirat", AT_FDCWD, b"gone", 0o755)
    guest("chdir", b"gone")
    guest("unlinkat", AT_FDCWD, b"/dir/gone", AT_REMOVEDIR)
    with pytest.raises(ENOENT):
        guest("getcwd", buf, 20)


def test_chroot(guest: Guest) -> None:
    guest("chroot", b"/dir")
    assert opened(guest, b"/file") == 0
    buf = bytearray(30)
    assert guest("getcwd", buf, 30) == 15
    assert buf[:15] == b"(unreachable)/\0"
    user = Guest(guest.world.arch.name, 1000, guest.world)
    with pytest.raises(EPERM):
        user("chroot", b"/dir")
