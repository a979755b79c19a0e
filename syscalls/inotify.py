"""inotify_init(2), inotify_add_watch(2), inotify_rm_watch(2).  See kernel.fs.inotify."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EINVAL, ENOTDIR
from kernel.abi.files import (
    AT_FDCWD,
    IN_CLOEXEC,
    IN_DONT_FOLLOW,
    IN_EXCL_UNLINK,
    IN_IGNORED,
    IN_ISDIR,
    IN_MASK_ADD,
    IN_MASK_CREATE,
    IN_NONBLOCK,
    IN_ONESHOT,
    IN_ONLYDIR,
    IN_Q_OVERFLOW,
    IN_UNMOUNT,
    MAY_READ,
    S_IFDIR,
    S_IFMT,
)
from kernel.cred import RLIMIT_NOFILE
from kernel.fs.inotify import ALL_EVENTS, as_inotify, make_inotify
from kernel.vfs.permissions import check
from kernel.vfs.walk import FOLLOW, walk
from syscalls.declare import syscall
from syscalls.kinds import Fd, NewFd, PathPtr, Zero
from syscalls.kinds_ipc import InotifyFlags, InotifyMask, InotifyWatch

if TYPE_CHECKING:
    from kernel.task.task import Task

_ANY = (
    ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ONLYDIR | IN_DONT_FOLLOW
    | IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD | IN_ISDIR | IN_ONESHOT
)  # fmt: skip


@syscall("inotify_init(2)", arch="x86_64")
def inotify_init(task: Task) -> NewFd:
    """A queue of file events.  See inotify_init(2)."""
    return inotify_init1(task, InotifyFlags(0))


@syscall("inotify_init(2)")
def inotify_init1(task: Task, flags: InotifyFlags) -> NewFd:
    """inotify_init with IN_CLOEXEC and IN_NONBLOCK.  See inotify_init1(2), ERRORS."""
    if flags & ~(IN_CLOEXEC | IN_NONBLOCK):
        raise EINVAL("flags %#x: only the bits %#x are known", flags, IN_CLOEXEC | IN_NONBLOCK)
    file = make_inotify(task, bool(flags & IN_NONBLOCK))
    return task.fds.install(file, bool(flags & IN_CLOEXEC), 0, task.limits.soft(RLIMIT_NOFILE))


@syscall("inotify_add_watch(2)", partial="changes by the host are not seen")
def inotify_add_watch(task: Task, fd: Fd, pathname: PathPtr, mask: InotifyMask) -> int:
    """Watch a file or directory; the number of the watch.  See inotify_add_watch(2), ERRORS."""
    if not mask & _ANY:
        raise EINVAL("mask %#x names no event", mask)
    file = task.fds.get(fd)
    if mask & IN_MASK_ADD and mask & IN_MASK_CREATE:
        raise EINVAL("IN_MASK_ADD and IN_MASK_CREATE exclude each other")
    inotify = as_inotify(file)
    path = task.mem.read_path(pathname)
    place = walk(task, AT_FDCWD, path, 0 if mask & IN_DONT_FOLLOW else FOLLOW)
    inode = place.dentry.inode
    if mask & IN_ONLYDIR and inode.mode & S_IFMT != S_IFDIR:
        raise ENOTDIR("%s is %s (IN_ONLYDIR)", place, inode.kind)
    check(task.cred, inode, MAY_READ, place)
    return inotify.watch(inode, mask)


@syscall("inotify_rm_watch(2)")
def inotify_rm_watch(task: Task, fd: Fd, wd: InotifyWatch) -> Zero:
    """End a watch.  See inotify_rm_watch(2), ERRORS."""
    as_inotify(task.fds.get(fd)).unwatch(wd)
    return 0
