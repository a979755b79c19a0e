"""stat, chmod, times, names, through the stubs of both CPUs."""

from __future__ import annotations

import struct

import pytest

from kernel.abi.errors import (
    EACCES,
    EBADF,
    EEXIST,
    EFAULT,
    EINVAL,
    EISDIR,
    ENAMETOOLONG,
    EOPNOTSUPP,
)
from kernel.abi.files import (
    AT_EACCESS,
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_SYMLINK_NOFOLLOW,
    O_CREAT,
    O_EXCL,
    O_RDWR,
    O_WRONLY,
    UTIME_NOW,
    UTIME_OMIT,
)
from kernel.abi.structs import STATFS, STATX
from tests.support.calls import Guest, opened

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
