"""Changing attributes: chmod(2), chown(2), utimensat(2), umask(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EINVAL, EOPNOTSUPP
from kernel.abi.files import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_SYMLINK_NOFOLLOW,
    S_IFLNK,
    S_IFMT,
    UTIME_OMIT,
)
from kernel.abi.structs import TIMESPEC, UTIMBUF
from kernel.vfs.attributes import Times, check_times
from kernel.vfs.attributes import chmod as change_mode
from kernel.vfs.attributes import chown as change_owner
from kernel.vfs.attributes import utimes as change_times
from kernel.vfs.walk import walk
from syscalls.attributes import walk_flags
from syscalls.declare import syscall
from syscalls.kinds import (
    AtFlags,
    DirFd,
    Fd,
    FileMode,
    Gid,
    OldMode,
    PathPtr,
    TimespecPairPtr,
    TimevalPairPtr,
    Uid,
    UtimbufPtr,
    Zero,
)

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.vfs.dentry import Path


def _place(task: Task, dirfd: int, pathname: int, flags: int) -> Path:
    return walk(task, dirfd, task.mem.read_path(pathname), walk_flags(flags))


@syscall("chmod(2)", arch="x86_64")
def chmod(task: Task, pathname: PathPtr, mode: FileMode) -> Zero:
    """Change permission bits.  See chmod(2)."""
    change_mode(task, _place(task, AT_FDCWD, pathname, 0), mode)
    return 0


@syscall("chmod(2)")
def fchmod(task: Task, fd: Fd, mode: FileMode) -> Zero:
    """Change permission bits of an open file.  See fchmod(2)."""
    change_mode(task, task.fds.get(fd).path, mode)
    return 0


@syscall("chmod(2)")
def fchmodat(task: Task, dirfd: DirFd, pathname: PathPtr, mode: FileMode) -> Zero:
    """chmod relative to a directory.  See fchmodat(2)."""
    change_mode(task, _place(task, dirfd, pathname, 0), mode)
    return 0


@syscall("chmod(2)")
def fchmodat2(task: Task, dirfd: DirFd, pathname: PathPtr, mode: FileMode, flags: AtFlags) -> Zero:
    """fchmodat with flags; links have no mode of their own (EOPNOTSUPP).  See fchmodat(2)."""
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise EINVAL(
            "flags %#x: only the bits %#x are known",
            flags,
            AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH,
        )
    place = _place(task, dirfd, pathname, flags)
    if place.dentry.inode.mode & S_IFMT == S_IFLNK:
        raise EOPNOTSUPP("%s is a symbolic link, which has no mode of its own", place)
    change_mode(task, place, mode)
    return 0


@syscall("chown(2)", arch="x86_64")
def chown(task: Task, pathname: PathPtr, owner: Uid, group: Gid) -> Zero:
    """Change owner and group.  See chown(2)."""
    change_owner(task, _place(task, AT_FDCWD, pathname, 0), owner, group)
    return 0


@syscall("chown(2)", arch="x86_64")
def lchown(task: Task, pathname: PathPtr, owner: Uid, group: Gid) -> Zero:
    """As chown, of a symbolic link itself.  See lchown(2)."""
    change_owner(task, _place(task, AT_FDCWD, pathname, AT_SYMLINK_NOFOLLOW), owner, group)
    return 0


@syscall("chown(2)")
def fchown(task: Task, fd: Fd, owner: Uid, group: Gid) -> Zero:
    """Change owner and group of an open file.  See fchown(2)."""
    change_owner(task, task.fds.get(fd).path, owner, group)
    return 0


@syscall("chown(2)")
def fchownat(
    task: Task, dirfd: DirFd, pathname: PathPtr, owner: Uid, group: Gid, flags: AtFlags
) -> Zero:
    """chown relative to a directory.  See fchownat(2)."""
    if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise EINVAL(
            "flags %#x: only the bits %#x are known",
            flags,
            AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH,
        )
    change_owner(task, _place(task, dirfd, pathname, flags), owner, group)
    return 0


@syscall("umask(2)")
def umask(task: Task, mask: FileMode) -> OldMode:
    """Set the mask of new files' permissions; returns the old one.  See umask(2)."""
    old = task.fs.umask
    task.fs.umask = mask & 0o777
    return old


def _read_timevals(task: Task, address: int) -> Times | None:
    """Two struct timeval as (seconds, ns)."""
    if not address:
        return None
    raw = task.mem.read(address, 32)
    pair = [(s, us) for s, us in (TIMESPEC.unpack_from(raw, at) for at in (0, 16))]
    if any(not 0 <= us < 1_000_000 for _, us in pair):
        raise EINVAL("a time has microseconds that are not 0 to 999999")
    return (pair[0][0], pair[0][1] * 1000), (pair[1][0], pair[1][1] * 1000)


@syscall("utime(2)", arch="x86_64")
def utime(task: Task, filename: PathPtr, times: UtimbufPtr) -> Zero:
    """Set access and modification time in seconds.  See utime(2)."""
    pair: Times | None = None
    if times:
        atime, mtime = task.mem.unpack(UTIMBUF, times)
        pair = (atime, 0), (mtime, 0)
    change_times(task, _place(task, AT_FDCWD, filename, 0), pair)
    return 0


@syscall("utimes(2)", arch="x86_64")
def utimes(task: Task, filename: PathPtr, times: TimevalPairPtr) -> Zero:
    """Set access and modification time in microseconds.  See utimes(2)."""
    pair = _read_timevals(task, times)
    change_times(task, _place(task, AT_FDCWD, filename, 0), pair)
    return 0


@syscall("futimesat(2)", arch="x86_64")
def futimesat(task: Task, dirfd: DirFd, pathname: PathPtr, times: TimevalPairPtr) -> Zero:
    """utimes relative to a directory; without a path, of the descriptor.  See futimesat(2)."""
    pair = _read_timevals(task, times)
    change_times(task, _place(task, dirfd, pathname, 0) if pathname else _of(task, dirfd), pair)
    return 0


def _of(task: Task, fd: int) -> Path:
    return task.fds.get(fd).path


@syscall("utimensat(2)")
def utimensat(
    task: Task, dirfd: DirFd, pathname: PathPtr, times: TimespecPairPtr, flags: AtFlags
) -> Zero:
    """Set times in nanoseconds; without a path, of the descriptor.  See utimensat(2)."""
    pair: Times | None = None
    if times:
        raw = task.mem.read(times, 32)
        pair = TIMESPEC.unpack_from(raw, 0), TIMESPEC.unpack_from(raw, 16)
        if pair[0][1] == pair[1][1] == UTIME_OMIT:
            return 0  # "success immediately, without even checking the file" (utimensat(2))
    if not pathname and dirfd != AT_FDCWD:
        if flags:
            raise EINVAL("flags %#x with a descriptor and no path", flags)
        place = _of(task, dirfd)
    else:
        if flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
            raise EINVAL(
                "flags %#x: only the bits %#x are known",
                flags,
                AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH,
            )
        place = _place(task, dirfd, pathname, flags)
    check_times(pair)
    change_times(task, place, pair)
    return 0
