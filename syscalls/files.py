"""Opening and closing: open(2), openat(2), openat2(2), creat(2), close(2), close_range(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import E2BIG, EINVAL
from kernel.abi.files import (
    AT_FDCWD,
    CLOSE_RANGE_CLOEXEC,
    CLOSE_RANGE_UNSHARE,
    O_CLOEXEC,
    O_CREAT,
    O_TRUNC,
    O_WRONLY,
)
from kernel.abi.structs import OPEN_HOW
from kernel.cred import RLIMIT_NOFILE
from kernel.vfs.open import OpenHow, open_at
from kernel.vfs.openfile import OpenFile
from syscalls.declare import syscall
from syscalls.kinds import (
    CloseRangeFlags,
    DirFd,
    Fd,
    FileMode,
    NewFd,
    OpenFlags,
    OpenHowPtr,
    PathPtr,
    Size,
    UFd,
    Zero,
)

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.wait import Blocking


def _open(task: Task, dirfd: int, path: bytes, how: OpenHow, cloexec: bool) -> int | Blocking[int]:
    """Open and install.  The descriptor is looked for first: EMFILE comes before ENOENT."""
    fds = task.fds
    limit = task.limits.values[RLIMIT_NOFILE][0]
    fds.free_fd(0, limit)
    file = open_at(task, dirfd, path, how)
    if isinstance(file, OpenFile):
        return fds.install(file, cloexec, 0, limit)
    return _install_when_open(task, file, cloexec)


def _install_when_open(task: Task, opening: Blocking[OpenFile], cloexec: bool) -> Blocking[int]:
    file = yield from opening
    return task.fds.install(file, cloexec, 0, task.limits.soft(RLIMIT_NOFILE))


@syscall("openat(2)")
def openat(
    task: Task, dirfd: DirFd, pathname: PathPtr, flags: OpenFlags, mode: FileMode
) -> NewFd | Blocking[NewFd]:
    """Open a file relative to a directory.  See openat(2), ERRORS."""
    how = OpenHow.from_flags(flags, mode)
    path = task.mem.read_path(pathname)
    return _open(task, dirfd, path, how, bool(flags & O_CLOEXEC))


@syscall("open(2)", arch="x86_64")
def open(  # noqa: A001 (Linux's name)
    task: Task, pathname: PathPtr, flags: OpenFlags, mode: FileMode
) -> NewFd | Blocking[NewFd]:
    """Open a file.  See open(2), ERRORS."""
    how = OpenHow.from_flags(flags, mode)
    return _open(task, AT_FDCWD, task.mem.read_path(pathname), how, bool(flags & O_CLOEXEC))


@syscall("creat(2)", arch="x86_64")
def creat(task: Task, pathname: PathPtr, mode: FileMode) -> NewFd | Blocking[NewFd]:
    """open with O_CREAT | O_WRONLY | O_TRUNC.  See creat(2)."""
    how = OpenHow.from_flags(O_CREAT | O_WRONLY | O_TRUNC, mode)
    return _open(task, AT_FDCWD, task.mem.read_path(pathname), how, False)


@syscall("openat2(2)")
def openat2(
    task: Task, dirfd: DirFd, pathname: PathPtr, how: OpenHowPtr, size: Size
) -> NewFd | Blocking[NewFd]:
    """openat with control over path resolution.  See openat2(2), ERRORS.

    The structure may grow: a larger one is accepted if what we do not know is zero (E2BIG).
    """
    if size < OPEN_HOW.size:
        raise EINVAL("struct open_how has %d bytes, not %d", OPEN_HOW.size, size)
    if size > 4096:
        raise E2BIG("struct open_how of %d bytes is more than a page", size)
    raw = task.mem.read(how, size)
    if any(raw[OPEN_HOW.size :]):
        raise E2BIG("unknown fields of struct open_how are set")
    flags, mode, resolve = OPEN_HOW.unpack_from(raw)
    flags = task.kernel.arch.open_flags_in(flags & 0xFFFFFFFF) | flags & ~0xFFFFFFFF
    checked = OpenHow.from_open_how(flags, mode, resolve)
    path = task.mem.read_path(pathname)
    return _open(task, dirfd, path, checked, bool(flags & O_CLOEXEC))


@syscall("close(2)")
def close(task: Task, fd: Fd) -> Zero:
    """Close a descriptor.  See close(2)."""
    task.fds.close(fd)
    return 0


@syscall("close_range(2)")
def close_range(task: Task, first: UFd, last: UFd, flags: CloseRangeFlags) -> Zero:
    """Close, or mark close-on-exec, all descriptors of a range.  See close_range(2)."""
    if flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) or first > last:
        raise EINVAL(
            "flags %#x are not all known, or first %d is above last %d", flags, first, last
        )
    if flags & CLOSE_RANGE_UNSHARE and task.fds.users > 1:
        shared = task.fds
        task.fds = shared.copy()
        shared.release()
    fds = task.fds
    if flags & CLOSE_RANGE_CLOEXEC:
        for fd, _ in fds.items():
            if first <= fd <= last:
                fds.set_cloexec(fd, True)
    else:
        fds.close_range(first, last)
    return 0
