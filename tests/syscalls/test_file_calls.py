"""System calls on files, through the stubs of both CPUs."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from kernel.abi.errors import (
    E2BIG,
    EACCES,
    EAGAIN,
    EBADF,
    EEXIST,
    EFAULT,
    EINVAL,
    EISDIR,
    ELOOP,
    EMFILE,
    ENAMETOOLONG,
    ENOENT,
    ENOTDIR,
    ENOTTY,
    EOPNOTSUPP,
    EPERM,
    ERANGE,
    ESPIPE,
    EXDEV,
)
from kernel.abi.files import (
    AT_EACCESS,
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_REMOVEDIR,
    AT_SYMLINK_NOFOLLOW,
    CLOSE_RANGE_CLOEXEC,
    F_DUPFD,
    F_DUPFD_CLOEXEC,
    F_GETFD,
    F_GETFL,
    F_GETLK,
    F_GETPIPE_SZ,
    F_RDLCK,
    F_SETFD,
    F_SETFL,
    F_SETLK,
    F_UNLCK,
    F_WRLCK,
    FIOCLEX,
    FIONREAD,
    LOCK_EX,
    LOCK_NB,
    MFD_CLOEXEC,
    O_APPEND,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECTORY,
    O_EXCL,
    O_LARGEFILE,
    O_NOFOLLOW,
    O_NONBLOCK,
    O_PATH,
    O_RDONLY,
    O_RDWR,
    O_TMPFILE,
    O_WRONLY,
    RESOLVE_BENEATH,
    RWF_APPEND,
    RWF_NOWAIT,
    SEEK_END,
    SEEK_SET,
    UTIME_NOW,
    UTIME_OMIT,
)
from kernel.abi.structs import FLOCK, OPEN_HOW, STATFS, STATX
from kernel.cred import RLIMIT_NOFILE
from kernel.fs.root import make_directory, make_file, make_link
from tests.support.calls import Guest


@pytest.fixture
def guest(arch: str) -> Guest:
    made = Guest(arch)
    root = made.world.rootfs.root
    make_directory(root, b"dir/sub")
    make_file(root, b"dir/file", b"0123456789")
    make_link(root, b"link", b"dir/file")
    return made


def opened(guest: Guest, path: bytes, flags: int = O_RDONLY, mode: int = 0o644) -> int:
    raw = guest.world.arch.open_flags_out(flags)
    fd = guest("openat", AT_FDCWD, path, raw, mode)
    assert isinstance(fd, int)
    return fd


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


# --- attributes ----------------------------------------------------------------------------------


def test_stat_family_agrees(guest: Guest) -> None:
    size = guest.world.arch.stat_size
    bufs = [bytearray(size) for _ in range(3)]
    guest("newfstatat", AT_FDCWD, b"/link", bufs[0], 0)
    fd = opened(guest, b"/dir/file")
    guest("fstat", fd, bufs[1])
    guest("newfstatat", fd, b"", bufs[2], AT_EMPTY_PATH)
    assert bufs[0] == bufs[1] == bufs[2]
    guest("newfstatat", AT_FDCWD, b"/link", bufs[0], AT_SYMLINK_NOFOLLOW)
    assert bufs[0] != bufs[1]
    with pytest.raises(EFAULT):
        guest("fstat", fd, guest.bad)
    with pytest.raises(EINVAL):
        guest("newfstatat", fd, b"", bufs[2], 1)


def test_statx(guest: Guest) -> None:
    buf = bytearray(256)
    guest("statx", AT_FDCWD, b"/dir/file", 0, 0xFFF, buf)
    fields = STATX.unpack(bytes(buf))
    assert fields[0] & 0xFFF == 0xFFF
    assert fields[6] & 0o777 == 0o644
    assert fields[8] == 10
    with pytest.raises(EINVAL):
        guest("statx", AT_FDCWD, b"/dir", 0x6000, 0, buf)


def test_statfs(guest: Guest) -> None:
    buf = bytearray(STATFS.size)
    guest("statfs", b"/dir", buf)
    assert STATFS.unpack(bytes(buf))[0] == 0x01021994
    again = bytearray(STATFS.size)
    guest("fstatfs", opened(guest, b"/dir"), again)
    assert again == buf


def test_access_asks_the_real_user(guest: Guest) -> None:
    guest("fchmodat", AT_FDCWD, b"/dir/file", 0o600)
    guest.task.cred = guest.task.cred.changed(ruid=1000, rgid=1000)
    with pytest.raises(EACCES):
        guest("faccessat", AT_FDCWD, b"/dir/file", 4)
    assert guest("faccessat2", AT_FDCWD, b"/dir/file", 4, AT_EACCESS) == 0
    assert guest("faccessat", AT_FDCWD, b"/dir/file", 0) == 0
    with pytest.raises(EINVAL):
        guest("faccessat", AT_FDCWD, b"/dir/file", 8)


def test_modes_and_owners(guest: Guest) -> None:
    fd = opened(guest, b"/dir/file")
    guest("fchmod", fd, 0o4755)
    inode = guest.task.inode(b"/dir/file")
    assert inode.mode & 0o7777 == 0o4755
    guest("fchownat", AT_FDCWD, b"/dir/file", 1000, -1, 0)
    assert (inode.uid, inode.gid, inode.mode & 0o7777) == (1000, 0, 0o755)
    guest("fchown", fd, -1, 1000)
    assert (inode.uid, inode.gid) == (1000, 1000)
    with pytest.raises(EOPNOTSUPP):
        guest("fchmodat2", AT_FDCWD, b"/link", 0o600, AT_SYMLINK_NOFOLLOW)
    assert guest("umask", 0o077) == 0o022
    opened(guest, b"/masked", O_CREAT, 0o666)
    assert guest.task.inode(b"/masked").mode & 0o777 == 0o600


def test_times(guest: Guest) -> None:
    def times(*values: int) -> bytes:
        return struct.pack("<qqqq", *values)

    inode = guest.task.inode(b"/dir/file")
    guest("utimensat", AT_FDCWD, b"/dir/file", times(1, 2, 3, 4), 0)
    assert (inode.atime, inode.mtime) == (1_000_000_002, 3_000_000_004)
    guest("utimensat", AT_FDCWD, b"/dir/file", times(5, 6, 0, UTIME_OMIT), 0)
    assert (inode.atime, inode.mtime) == (5_000_000_006, 3_000_000_004)
    guest("utimensat", opened(guest, b"/dir/file"), 0, times(0, UTIME_NOW, 0, UTIME_OMIT), 0)
    assert inode.atime == guest.world.now()
    with pytest.raises(EINVAL):
        guest("utimensat", AT_FDCWD, b"/dir/file", times(0, 10**9, 0, 0), 0)


def test_truncate_and_fallocate(guest: Guest) -> None:
    guest("truncate", b"/dir/file", 4)
    fd = opened(guest, b"/dir/file", O_RDWR)
    guest("ftruncate", fd, 6)
    assert guest.task.contents(b"/dir/file") == b"0123\0\0"
    guest("fallocate", fd, 0, 0, 5000)
    assert guest.task.inode(b"/dir/file").size == 5000
    with pytest.raises(EINVAL):
        guest("ftruncate", opened(guest, b"/dir/file"), 0)
    with pytest.raises(EBADF):
        guest("fallocate", opened(guest, b"/dir/file"), 0, 0, 1)
    with pytest.raises(EINVAL):
        guest("fallocate", fd, 0, 0, 0)
    with pytest.raises(EISDIR):
        guest("truncate", b"/dir", 0)


# --- names ---------------------------------------------------------------------------------------


def test_links_and_renames(guest: Guest) -> None:
    guest("linkat", AT_FDCWD, b"/dir/file", AT_FDCWD, b"/hard", 0)
    guest("symlinkat", b"hard", AT_FDCWD, b"/soft")
    buf = bytearray(10)
    assert guest("readlinkat", AT_FDCWD, b"/soft", buf, 2) == 2
    assert buf[:2] == b"ha"
    guest("renameat2", AT_FDCWD, b"/hard", AT_FDCWD, b"/moved", 1)
    with pytest.raises(EEXIST):
        guest("renameat2", AT_FDCWD, b"/moved", AT_FDCWD, b"/soft", 1)
    guest("unlinkat", AT_FDCWD, b"/moved", 0)
    assert guest.task.inode(b"/dir/file").nlink == 1
    with pytest.raises(EISDIR):
        guest("unlinkat", AT_FDCWD, b"/dir", 0)
    with pytest.raises(EINVAL):
        guest("readlinkat", AT_FDCWD, b"/dir", buf, 10)
    with pytest.raises(EINVAL):
        guest("readlinkat", AT_FDCWD, b"/soft", buf, 0)
    with pytest.raises(ENAMETOOLONG):
        guest("symlinkat", b"x" * 5000, AT_FDCWD, b"/long")


def test_exclusive_creation(guest: Guest) -> None:
    with pytest.raises(EEXIST):
        opened(guest, b"/link", O_CREAT | O_EXCL | O_WRONLY)


# --- descriptors ---------------------------------------------------------------------------------


def test_dup_and_fcntl(guest: Guest) -> None:
    fd = opened(guest, b"/dir/file", O_RDWR)
    assert guest("dup", fd) == 1
    assert guest("dup3", fd, 7, O_CLOEXEC) == 7
    assert guest("fcntl", fd, F_DUPFD, 7) == 8
    assert guest("fcntl", fd, F_DUPFD_CLOEXEC, 7) == 9
    assert [guest("fcntl", n, F_GETFD, 0) for n in (7, 8, 9)] == [1, 0, 1]
    guest("fcntl", 9, F_SETFD, 0)
    assert guest("fcntl", 9, F_GETFD, 0) == 0
    guest("fcntl", fd, F_SETFL, O_APPEND | O_NONBLOCK | O_CREAT)
    assert guest("fcntl", 1, F_GETFL, 0) & (O_APPEND | O_NONBLOCK | 3) == 0o6002
    with pytest.raises(EINVAL):
        guest("fcntl", fd, 999, 0)
    with pytest.raises(EINVAL):
        guest("dup3", fd, fd, 0)
    with pytest.raises(EINVAL):
        guest("fcntl", fd, F_DUPFD, 5000)
    with pytest.raises(EBADF):
        guest("fcntl", opened(guest, b"/dir", O_PATH), F_SETFL, 0)


def test_record_locks_between_processes(guest: Guest) -> None:
    fd = opened(guest, b"/dir/file", O_RDWR)
    other = Guest(guest.world.arch.name, 1000, guest.world)
    guest("fchmod", fd, 0o666)
    fd2 = opened(other, b"/dir/file", O_RDWR)
    assert guest("fcntl", fd, F_SETLK, FLOCK.pack(F_WRLCK, 0, 2, 3, 0)) == 0
    asked = bytearray(FLOCK.pack(F_RDLCK, SEEK_END, -10, 0, 0))
    other("fcntl", fd2, F_GETLK, asked)
    assert FLOCK.unpack(bytes(asked)) == (F_WRLCK, SEEK_SET, 2, 3, guest.task.tgid)
    asked = bytearray(FLOCK.pack(F_RDLCK, SEEK_SET, 5, 1, 0))
    other("fcntl", fd2, F_GETLK, asked)
    assert FLOCK.unpack(bytes(asked))[0] == F_UNLCK
    with pytest.raises(EINVAL):
        other("fcntl", fd2, F_SETLK, FLOCK.pack(F_RDLCK, SEEK_SET, -1, 1, 0))
    read_only = opened(other, b"/dir/file")
    with pytest.raises(EBADF):
        other("fcntl", read_only, F_SETLK, FLOCK.pack(F_WRLCK, 0, 0, 1, 0))


def test_flock(guest: Guest) -> None:
    first, second = opened(guest, b"/dir/file"), opened(guest, b"/dir/file")
    assert guest("flock", first, LOCK_EX) == 0
    with pytest.raises(EAGAIN):
        guest("flock", second, LOCK_EX | LOCK_NB)
    guest("close", first)
    assert guest("flock", second, LOCK_EX | LOCK_NB) == 0
    with pytest.raises(EINVAL):
        guest("flock", second, 0)


def test_ioctl(guest: Guest) -> None:
    fd = opened(guest, b"/dir/file")
    guest("ioctl", fd, FIOCLEX, 0)
    assert guest("fcntl", fd, F_GETFD, 0) == 1
    buf = bytearray(4)
    guest("ioctl", fd, FIONREAD, buf)
    assert buf == struct.pack("<i", 10)
    with pytest.raises(ENOTTY):
        guest("ioctl", fd, 0x5401, 0)


def test_memfd(guest: Guest) -> None:
    fd = guest("memfd_create", b"name", MFD_CLOEXEC)
    assert guest("write", fd, b"abc", 3) == 3
    with pytest.raises(EINVAL):
        guest("memfd_create", b"x" * 250, 0)
    with pytest.raises(EINVAL):
        guest("memfd_create", b"x", 1 << 20)


# --- pipes and copies ----------------------------------------------------------------------------


def pipe(guest: Guest, flags: int = 0) -> tuple[int, int]:
    buf = bytearray(8)
    guest("pipe2", buf, flags)
    read, write = struct.unpack("<ii", buf)
    return read, write


def test_pipe2(guest: Guest) -> None:
    read, write = pipe(guest, O_CLOEXEC | O_NONBLOCK)
    assert (read, write) == (0, 1)
    assert guest("write", write, b"hello", 5) == 5
    buf = bytearray(4)
    guest("ioctl", read, FIONREAD, buf)
    assert buf == struct.pack("<i", 5)
    assert guest("fcntl", read, F_GETPIPE_SZ, 0) == 65536
    with pytest.raises(ESPIPE):
        guest("lseek", read, 0, 0)
    with pytest.raises(ESPIPE):
        guest("pread64", read, buf, 1, 0)
    with pytest.raises(EINVAL):
        guest("pipe2", buf, O_APPEND)


def test_pipe2_to_a_bad_address_leaves_nothing(guest: Guest) -> None:
    with pytest.raises(EFAULT):
        guest("pipe2", guest.bad, 0)
    assert guest.task.fds.items() == []
    guest.task.limits.values[RLIMIT_NOFILE] = (1, 1)
    with pytest.raises(EMFILE):
        guest("pipe2", bytearray(8), 0)
    assert guest.task.fds.items() == []


def finished(call: Any) -> int:
    """The result of a generator that does not sleep."""
    if isinstance(call, int):
        return call
    try:
        next(call)
    except StopIteration as stop:
        return int(stop.value)
    raise AssertionError("it sleeps")


def test_sendfile(guest: Guest) -> None:
    source, target = opened(guest, b"/dir/file"), opened(guest, b"/copy", O_CREAT | O_WRONLY)
    assert finished(guest("sendfile", target, source, 0, 4)) == 4
    offset = guest.place(struct.pack("<q", 6))
    assert finished(guest("sendfile", target, source, offset, 100)) == 4
    assert guest.task.mem.read_u64(offset) == 10
    assert guest("lseek", source, 0, 1) == 4
    assert guest.task.contents(b"/copy") == b"01236789"
    read, _write = pipe(guest)
    with pytest.raises(EINVAL):
        finished(guest("sendfile", target, read, 0, 1))


def test_copy_file_range(guest: Guest) -> None:
    source, target = opened(guest, b"/dir/file"), opened(guest, b"/copy", O_CREAT | O_WRONLY)
    at = guest.place(struct.pack("<q", 3))
    assert finished(guest("copy_file_range", source, at, target, 0, 100, 0)) == 7
    assert guest.task.contents(b"/copy") == b"3456789"
    both = opened(guest, b"/dir/file", O_RDWR)
    with pytest.raises(EINVAL):
        finished(guest("copy_file_range", both, 0, both, guest.place(bytes(8)), 5, 0))
    with pytest.raises(EISDIR):
        finished(guest("copy_file_range", opened(guest, b"/dir"), 0, target, 0, 5, 0))


def test_splice_to_and_from_a_pipe(guest: Guest) -> None:
    source, target = opened(guest, b"/dir/file"), opened(guest, b"/copy", O_CREAT | O_WRONLY)
    read, write = pipe(guest)
    assert finished(guest("splice", source, 0, write, 0, 6, 0)) == 6
    assert finished(guest("splice", read, 0, target, 0, 100, 0)) == 6
    assert guest.task.contents(b"/copy") == b"012345"
    with pytest.raises(EINVAL):
        finished(guest("splice", source, 0, target, 0, 1, 0))


def test_extended_attributes(guest: Guest) -> None:
    guest("setxattr", b"/dir/file", b"user.key", b"value", 5, 0)
    buf = bytearray(20)
    assert guest("getxattr", b"/link", b"user.key", buf, 20) == 5
    assert buf[:5] == b"value"
    assert guest("getxattr", b"/dir/file", b"user.key", 0, 0) == 5
    with pytest.raises(ERANGE):
        guest("getxattr", b"/dir/file", b"user.key", buf, 2)
    assert guest("listxattr", b"/dir/file", buf, 20) == 9
    fd = opened(guest, b"/dir/file")
    guest("fremovexattr", fd, b"user.key")
    assert guest("flistxattr", fd, buf, 20) == 0
    with pytest.raises(ERANGE):
        guest("fsetxattr", fd, b"user." + b"x" * 300, b"", 0, 0)


def test_legacy_calls_of_x86() -> None:
    guest = Guest("x86_64")
    assert guest("creat", b"/new", 0o640) == 0
    guest("mkdir", b"/d", 0o755)
    guest("rename", b"/new", b"/d/new")
    guest("link", b"/d/new", b"/hard")
    guest("symlink", b"/hard", b"/soft")
    buf = bytearray(10)
    assert guest("readlink", b"/soft", buf, 10) == 5
    st = bytearray(144)
    guest("stat", b"/soft", st)
    guest("lstat", b"/soft", st)
    assert guest("access", b"/hard", 4) == 0
    guest("chmod", b"/hard", 0o600)
    guest("chown", b"/hard", 1, 1)
    guest("lchown", b"/soft", 1, 1)
    assert guest("dup2", 0, 5) == 5
    assert guest("dup2", 5, 5) == 5
    fd = guest("open", b"/d", 0, 0)
    dents = bytearray(200)
    count = guest("getdents", fd, dents, 200)
    assert dents[18:19] == b"."
    assert count == 24 * 3
    guest("utime", b"/hard", struct.pack("<qq", 1, 2))
    assert guest.task.inode(b"/hard").mtime == 2 * 10**9
    guest("utimes", b"/hard", struct.pack("<qqqq", 1, 5, 3, 6))
    assert guest.task.inode(b"/hard").mtime == 3_000_006_000
    guest("mknod", b"/fifo", 0o010644, 0)
    guest("unlink", b"/hard")
    guest("unlink", b"/d/new")
    guest("rmdir", b"/d")
    pipe_fds = bytearray(8)
    guest("pipe", pipe_fds)
