"""dup, fcntl, locks, pipes, copies, through the stubs of both CPUs."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from kernel.abi.errors import (
    EAGAIN,
    EBADF,
    EFAULT,
    EINVAL,
    EISDIR,
    EMFILE,
    ENOTTY,
    ERANGE,
    ESPIPE,
)
from kernel.abi.files import (
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
    F_SETLKW,
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
    O_NONBLOCK,
    O_PATH,
    O_RDWR,
    O_WRONLY,
    SEEK_END,
    SEEK_SET,
)
from kernel.abi.structs import FLOCK
from kernel.cred import RLIMIT_NOFILE
from kernel.vfs.locks import END, RecordLock, lock_table
from tests.support.calls import Guest, opened

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


def test_a_descriptor_closed_by_another_thread_gets_no_lock(guest: Guest) -> None:
    fd = opened(guest, b"/dir/file", O_RDWR)
    inode = guest.task.fds.get(fd).inode
    other = guest.world.caller().fds
    assert lock_table(inode).set(RecordLock(other, 9, F_WRLCK, 0, END), False, None) == 0
    guest.task.fds.share()
    sleeping = guest("fcntl", fd, F_SETLKW, FLOCK.pack(F_WRLCK, 0, 0, 0, 0))
    next(sleeping)
    guest("close", fd)
    lock_table(inode).drop_owner(other)
    with pytest.raises(EBADF):
        sleeping.send(True)
    assert not lock_table(inode).records


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
