"""What files say about themselves: stat(2), statx(2), statfs(2), access(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EINVAL
from kernel.abi.files import (
    AT_EACCESS,
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_NO_AUTOMOUNT,
    AT_STATX_SYNC_TYPE,
    AT_SYMLINK_NOFOLLOW,
    STATX__RESERVED,
    STATX_ATTR_MOUNT_ROOT,
    STATX_BASIC_STATS,
    STATX_BTIME,
    STATX_MNT_ID,
    major,
    minor,
)
from kernel.abi.structs import STATFS, STATX
from kernel.vfs.attributes import check_permission, inode_at, statfs_of
from kernel.vfs.real import as_real_user
from kernel.vfs.walk import EMPTY, FOLLOW, start_of, walk
from syscalls.declare import syscall
from syscalls.kinds import (
    AccessMode,
    AtFlags,
    DirFd,
    FaccessFlags,
    Fd,
    PathPtr,
    StatfsPtr,
    StatPtr,
    StatxFlags,
    StatxMask,
    StatxPtr,
    Zero,
)

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.vfs.dentry import Path

_NS: Final = 1_000_000_000
_KNOWN_AT: Final = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE


def walk_flags(flags: int) -> int:
    """AT_* flags as flags of the walk."""
    return (0 if flags & AT_SYMLINK_NOFOLLOW else FOLLOW) | (EMPTY if flags & AT_EMPTY_PATH else 0)


@syscall("stat(2)", arch="x86_64")
def stat(task: Task, pathname: PathPtr, statbuf: StatPtr) -> Zero:
    """Attributes of a file.  See stat(2)."""
    inode = inode_at(task, AT_FDCWD, task.mem.read_path(pathname), FOLLOW)
    task.mem.write(statbuf, task.kernel.arch.pack_stat(inode))
    return 0


@syscall("stat(2)", arch="x86_64")
def lstat(task: Task, pathname: PathPtr, statbuf: StatPtr) -> Zero:
    """As stat, of a symbolic link itself.  See lstat(2)."""
    inode = inode_at(task, AT_FDCWD, task.mem.read_path(pathname), 0)
    task.mem.write(statbuf, task.kernel.arch.pack_stat(inode))
    return 0


@syscall("stat(2)")
def fstat(task: Task, fd: Fd, statbuf: StatPtr) -> Zero:
    """Attributes of an open file.  See fstat(2)."""
    inode = task.fds.get_any(fd).inode
    inode.refresh()
    task.mem.write(statbuf, task.kernel.arch.pack_stat(inode))
    return 0


@syscall("stat(2)")
def newfstatat(
    task: Task, dirfd: DirFd, pathname: PathPtr, statbuf: StatPtr, flags: AtFlags
) -> Zero:
    """stat relative to a directory; with AT_EMPTY_PATH fstat.  See fstatat(2)."""
    if flags & ~_KNOWN_AT:
        raise EINVAL("flags %#x: only the bits %#x are known", flags, _KNOWN_AT)
    path = task.mem.read_path(pathname) if pathname or not flags & AT_EMPTY_PATH else b""
    inode = inode_at(task, dirfd, path, walk_flags(flags))
    task.mem.write(statbuf, task.kernel.arch.pack_stat(inode))
    return 0


@syscall("statx(2)")
def statx(
    task: Task, dirfd: DirFd, pathname: PathPtr, flags: StatxFlags, mask: StatxMask,
    statxbuf: StatxPtr,
) -> Zero:  # fmt: skip
    """Attributes with a birth time and a mount id.  See statx(2)."""
    if mask & STATX__RESERVED or flags & ~_KNOWN_AT:
        raise EINVAL("flags %#x or mask %#x have unknown bits", flags, mask)
    if flags & AT_STATX_SYNC_TYPE == AT_STATX_SYNC_TYPE:
        raise EINVAL("AT_STATX_FORCE_SYNC and AT_STATX_DONT_SYNC exclude each other")
    path = task.mem.read_path(pathname) if pathname or not flags & AT_EMPTY_PATH else b""
    if not path and flags & AT_EMPTY_PATH:
        place = start_of(task, dirfd)
    else:
        place = walk(task, dirfd, path, walk_flags(flags))
    task.mem.write(statxbuf, _pack_statx(place))
    return 0


def _pack_statx(place: Path) -> bytes:
    inode = place.dentry.inode
    inode.refresh()
    dev = inode.sb.dev
    is_root = place.dentry is place.mount.root
    times = (divmod(t, _NS) for t in (inode.atime, inode.btime, inode.ctime, inode.mtime))
    return STATX.pack(
        STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID,
        inode.blksize,
        STATX_ATTR_MOUNT_ROOT if is_root else 0,
        *(inode.nlink, inode.uid, inode.gid, inode.mode),
        *(inode.ino, inode.size, inode.blocks, STATX_ATTR_MOUNT_ROOT),
        *(part for time in times for part in time),
        *(major(inode.rdev), minor(inode.rdev), major(dev), minor(dev)),
        *(place.mount.ident, 0, 0),
    )


def _pack_statfs(place: Path) -> bytes:
    numbers, dev, flags = statfs_of(place)
    return STATFS.pack(
        *numbers[:7], dev & 0xFFFFFFFF, dev >> 32, numbers.namelen, numbers.bsize, flags
    )


@syscall("statfs(2)")
def statfs(task: Task, path: PathPtr, buf: StatfsPtr) -> Zero:
    """The file system a path lies on.  See statfs(2)."""
    task.mem.write(buf, _pack_statfs(walk(task, AT_FDCWD, task.mem.read_path(path), FOLLOW)))
    return 0


@syscall("statfs(2)")
def fstatfs(task: Task, fd: Fd, buf: StatfsPtr) -> Zero:
    """The file system of an open file.  See fstatfs(2)."""
    task.mem.write(buf, _pack_statfs(task.fds.get_any(fd).path))
    return 0


def _access(task: Task, dirfd: int, path: bytes, mode: int, flags: int) -> int:
    caller = task if flags & AT_EACCESS else as_real_user(task)
    place = walk(caller, dirfd, path, walk_flags(flags))
    place.dentry.inode.refresh()
    if mode:
        check_permission(caller.cred, place, mode)
    return 0


@syscall("access(2)", arch="x86_64")
def access(task: Task, pathname: PathPtr, mode: AccessMode) -> Zero:
    """May the real user do this?  See access(2)."""
    if mode & ~7:
        raise EINVAL("mode %#x: only the bits %#x are known", mode, 7)
    return _access(task, AT_FDCWD, task.mem.read_path(pathname), mode, 0)


@syscall("access(2)")
def faccessat(task: Task, dirfd: DirFd, pathname: PathPtr, mode: AccessMode) -> Zero:
    """access relative to a directory, without flags.  See faccessat(2), "C library"."""
    if mode & ~7:
        raise EINVAL("mode %#x: only the bits %#x are known", mode, 7)
    return _access(task, dirfd, task.mem.read_path(pathname), mode, 0)


@syscall("access(2)")
def faccessat2(
    task: Task, dirfd: DirFd, pathname: PathPtr, mode: AccessMode, flags: FaccessFlags
) -> Zero:
    """faccessat with AT_EACCESS, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH.  See faccessat(2)."""
    if mode & ~7 or flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise EINVAL("mode %#x or flags %#x have unknown bits", mode, flags)
    return _access(task, dirfd, task.mem.read_path(pathname), mode, flags)
