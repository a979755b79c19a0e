"""Descriptors as such: dup(2), fcntl(2), ioctl(2); memfd_create(2), eventfd(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EBADF, EINVAL, ENAMETOOLONG, EPERM
from kernel.abi.files import (
    EFD_CLOEXEC,
    EFD_NONBLOCK,
    EFD_SEMAPHORE,
    F_ADD_SEALS,
    F_DUPFD,
    F_DUPFD_CLOEXEC,
    F_GET_SEALS,
    F_GETFD,
    F_GETFL,
    F_GETLK,
    F_GETOWN,
    F_GETOWN_EX,
    F_GETPIPE_SZ,
    F_GETSIG,
    F_OFD_GETLK,
    F_OFD_SETLK,
    F_OFD_SETLKW,
    F_OWNER_PGRP,
    F_OWNER_PID,
    F_OWNER_TID,
    F_SETFD,
    F_SETFL,
    F_SETLK,
    F_SETLKW,
    F_SETOWN,
    F_SETOWN_EX,
    F_SETPIPE_SZ,
    F_SETSIG,
    FD_CLOEXEC,
    FIOASYNC,
    FIOCLEX,
    FIONBIO,
    FIONCLEX,
    FIONREAD,
    FIOQSIZE,
    MFD_ALLOW_SEALING,
    MFD_CLOEXEC,
    MFD_EXEC,
    MFD_NOEXEC_SEAL,
    O_ASYNC,
    O_CLOEXEC,
    O_NOATIME,
    O_NONBLOCK,
    S_IFDIR,
    S_IFLNK,
    S_IFMT,
    S_IFREG,
)
from kernel.abi.ioctls import FIGETBSZ
from kernel.abi.structs import F_OWNER_EX
from kernel.cred import RLIMIT_NOFILE
from kernel.fs.eventfd import make_eventfd
from kernel.fs.memfd import NAME_LIMIT, make_memfd, sealable
from kernel.fs.pipe import pipe_of
from kernel.task.sigio import sigio_sender
from kernel.vfs.async_io import set_async
from kernel.vfs.openfile import SETTABLE_FLAGS, OpenFile
from kernel.vfs.permissions import is_owner
from syscalls.declare import syscall
from syscalls.kinds import (
    EventfdFlags,
    FcntlArg,
    FcntlCmd,
    Fd,
    IoctlArg,
    IoctlCmd,
    MemfdFlags,
    NewFd,
    OpenFlags,
    StringPtr,
    UInt,
)
from syscalls.locks import get_lock, set_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel.task.task import Task
    from kernel.wait import Blocking


@syscall("dup(2)")
def dup(task: Task, oldfd: Fd) -> NewFd:
    """Another descriptor for the same open file.  See dup(2)."""
    file = task.fds.get_any(oldfd)
    return task.fds.install(file, False, 0, task.limits.soft(RLIMIT_NOFILE))


@syscall("dup(2)", arch="x86_64")
def dup2(task: Task, oldfd: Fd, newfd: Fd) -> NewFd:
    """As dup, to a number of the caller's choice.  See dup2(2)."""
    if oldfd == newfd:
        task.fds.get_any(oldfd)
        return newfd
    return task.fds.duplicate(oldfd, newfd, False, task.limits.soft(RLIMIT_NOFILE))


@syscall("dup(2)")
def dup3(task: Task, oldfd: Fd, newfd: Fd, flags: OpenFlags) -> NewFd:
    """As dup2, with O_CLOEXEC; the same descriptor twice is EINVAL.  See dup3(2)."""
    if flags & ~O_CLOEXEC:
        raise EINVAL("flags %#x: only the bits %#x are known", flags, O_CLOEXEC)
    if oldfd == newfd:
        raise EINVAL("both descriptors are %d", oldfd)
    limit = task.limits.soft(RLIMIT_NOFILE)
    return task.fds.duplicate(oldfd, newfd, bool(flags & O_CLOEXEC), limit)


# --- fcntl ---------------------------------------------------------------------------------------


def _dupfd(task: Task, fd: int, file: OpenFile, arg: int) -> int:
    return _duplicate(task, file, arg, False)


def _dupfd_cloexec(task: Task, fd: int, file: OpenFile, arg: int) -> int:
    return _duplicate(task, file, arg, True)


def _duplicate(task: Task, file: OpenFile, minimum: int, cloexec: bool) -> int:
    limit = task.limits.soft(RLIMIT_NOFILE)
    if minimum >= limit:
        raise EINVAL("%d is not below RLIMIT_NOFILE, %d", minimum, limit)
    return task.fds.install(file, cloexec, minimum, limit)


def _getfd(task: Task, fd: int, file: OpenFile, arg: int) -> int:
    return FD_CLOEXEC if fd in task.fds.cloexec else 0


def _setfd(task: Task, fd: int, file: OpenFile, arg: int) -> int:
    task.fds.set_cloexec(fd, bool(arg & FD_CLOEXEC))
    return 0


def _getfl(task: Task, fd: int, file: OpenFile, arg: int) -> int:
    return task.kernel.arch.open_flags_out(file.flags)


def _setfl(task: Task, fd: int, file: OpenFile, arg: int) -> int:
    flags = task.kernel.arch.open_flags_in(arg & 0xFFFFFFFF)
    if flags & O_NOATIME & ~file.flags and not is_owner(task.cred, file.inode):
        raise EPERM(
            "O_NOATIME needs the owner, uid %d, or CAP_FOWNER; this is uid %d",
            file.inode.uid, task.cred.fsuid,
        )  # fmt: skip
    _change_flags(task, fd, file, flags & SETTABLE_FLAGS)
    return 0


def _change_flags(task: Task, fd: int, file: OpenFile, flags: int) -> None:
    if (flags ^ file.flags) & O_ASYNC:
        set_async(task.kernel.init, file, bool(flags & O_ASYNC), sigio_sender(task, fd))
    file.set_flags(task, flags)


def _setown(task: Task, fd: int, file: OpenFile, arg: int) -> int:
    who = (arg & 0xFFFFFFFF) - ((arg & 0x80000000) << 1)
    if who == -(1 << 31):
        raise EINVAL("there is no process group %d", who)
    file.owner = (F_OWNER_PGRP, -who) if who < 0 else (F_OWNER_PID, who)
    return 0


def _getown(task: Task, fd: int, file: OpenFile, arg: int) -> int:
    kind, who = file.owner
    return -who if kind == F_OWNER_PGRP else who


def _setown_ex(task: Task, fd: int, file: OpenFile, arg: int) -> int:
    kind, who = task.mem.unpack(F_OWNER_EX, arg)
    if kind not in (F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP):
        raise EINVAL("owner type %d is none of F_OWNER_TID, _PID, _PGRP", kind)
    file.owner = (kind, who)
    return 0


def _getown_ex(task: Task, fd: int, file: OpenFile, arg: int) -> int:
    task.mem.pack(F_OWNER_EX, arg, *file.owner)
    return 0


def _setsig(task: Task, fd: int, file: OpenFile, arg: int) -> int:
    if not 0 <= arg <= 64:
        raise EINVAL("there is no signal %d", arg)
    file.owner_signal = arg
    return 0


def _getsig(task: Task, fd: int, file: OpenFile, arg: int) -> int:
    return file.owner_signal


def _getlk(task: Task, fd: int, file: OpenFile, arg: int) -> int:
    return get_lock(task, file, arg, ofd=False)


def _setlk(task: Task, fd: int, file: OpenFile, arg: int) -> int | Blocking[int]:
    return set_lock(task, fd, file, arg, ofd=False, wait=False)


def _setlkw(task: Task, fd: int, file: OpenFile, arg: int) -> int | Blocking[int]:
    return set_lock(task, fd, file, arg, ofd=False, wait=True)


def _ofd_getlk(task: Task, fd: int, file: OpenFile, arg: int) -> int:
    return get_lock(task, file, arg, ofd=True)


def _ofd_setlk(task: Task, fd: int, file: OpenFile, arg: int) -> int | Blocking[int]:
    return set_lock(task, fd, file, arg, ofd=True, wait=False)


def _ofd_setlkw(task: Task, fd: int, file: OpenFile, arg: int) -> int | Blocking[int]:
    return set_lock(task, fd, file, arg, ofd=True, wait=True)


def _setpipe(task: Task, fd: int, file: OpenFile, arg: int) -> int:
    return pipe_of(file).resize(task, arg & 0xFFFFFFFF)


def _getpipe(task: Task, fd: int, file: OpenFile, arg: int) -> int:
    return pipe_of(file).capacity


def _add_seals(task: Task, fd: int, file: OpenFile, arg: int) -> int:
    inode = sealable(file)
    if not file.writable:
        raise EPERM("%s is not open for writing, so it cannot be sealed", file.path)
    inode.add_seals(arg & 0xFFFFFFFF)
    return 0


def _get_seals(task: Task, fd: int, file: OpenFile, arg: int) -> int:
    return sealable(file).seals


_WITH_O_PATH: dict[int, Callable[[Task, int, OpenFile, int], int | Blocking[int]]] = {
    F_DUPFD: _dupfd,
    F_DUPFD_CLOEXEC: _dupfd_cloexec,
    F_GETFD: _getfd,
    F_SETFD: _setfd,
    F_GETFL: _getfl,
}
"""The commands an O_PATH descriptor allows; see open(2), O_PATH."""

_COMMANDS: dict[int, Callable[[Task, int, OpenFile, int], int | Blocking[int]]] = {
    **_WITH_O_PATH,
    F_SETFL: _setfl,
    F_GETLK: _getlk,
    F_SETLK: _setlk,
    F_SETLKW: _setlkw,
    F_OFD_GETLK: _ofd_getlk,
    F_OFD_SETLK: _ofd_setlk,
    F_OFD_SETLKW: _ofd_setlkw,
    F_SETOWN: _setown,
    F_GETOWN: _getown,
    F_SETOWN_EX: _setown_ex,
    F_GETOWN_EX: _getown_ex,
    F_SETSIG: _setsig,
    F_GETSIG: _getsig,
    F_SETPIPE_SZ: _setpipe,
    F_GETPIPE_SZ: _getpipe,
    F_ADD_SEALS: _add_seals,
    F_GET_SEALS: _get_seals,
}


@syscall("fcntl(2)")
def fcntl(task: Task, fd: Fd, cmd: FcntlCmd, arg: FcntlArg) -> NewFd | Blocking[NewFd]:
    """Do something with a descriptor.  See fcntl(2), ERRORS.

    Leases and F_NOTIFY are EINVAL, as on file systems that have none.
    """
    file = task.fds.get_any(fd)
    if file.is_path and cmd not in _WITH_O_PATH:
        raise EBADF("descriptor %d is open with O_PATH, only as a place: %s", fd, file.path)
    command = _COMMANDS.get(cmd)
    if command is None:
        raise EINVAL("there is no fcntl command %d here", cmd)
    return command(task, fd, file, arg)


# --- ioctl ---------------------------------------------------------------------------------------


def _set_flag(task: Task, fd: int, file: OpenFile, flag: int, arg: int) -> int:
    on = task.mem.read_u32(arg)
    flags = file.flags & SETTABLE_FLAGS & ~flag
    _change_flags(task, fd, file, flags | flag if on else flags)
    return 0


@syscall("ioctl(2)")
def ioctl(task: Task, fd: Fd, request: IoctlCmd, arg: IoctlArg) -> NewFd | Blocking[NewFd]:
    """Control a device; a few requests work on every file.  See ioctl(2)."""
    file = task.fds.get(fd)
    if request in (FIOCLEX, FIONCLEX):
        task.fds.set_cloexec(fd, request == FIOCLEX)
        return 0
    if request == FIONBIO:
        return _set_flag(task, fd, file, O_NONBLOCK, arg)
    if request == FIOASYNC:
        return _set_flag(task, fd, file, O_ASYNC, arg)
    if request == FIONREAD and file.inode.mode & S_IFMT == S_IFREG:
        task.mem.write(arg, file.bytes_readable(task).to_bytes(8, "little", signed=True)[:4])
        return 0
    if request == FIGETBSZ and file.inode.mode & S_IFMT in (S_IFREG, S_IFDIR):
        task.mem.write_u32(arg, file.inode.sb.statfs().bsize)
        return 0
    if request == FIOQSIZE and file.inode.mode & S_IFMT in (S_IFREG, S_IFDIR, S_IFLNK):
        task.mem.write_u64(arg, file.inode.size)
        return 0
    return file.ioctl(task, request, arg)


@syscall("memfd_create(2)")
def memfd_create(task: Task, name: StringPtr, flags: MemfdFlags) -> NewFd:
    """Make a file in memory without a name.  See memfd_create(2), ERRORS."""
    known = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC
    if flags & ~known or (flags & MFD_EXEC and flags & MFD_NOEXEC_SEAL):
        raise EINVAL("flags %#x", flags)
    try:
        text = task.mem.read_cstring(name, NAME_LIMIT + 1)
    except ENAMETOOLONG:
        raise EINVAL("a name of more than %s bytes", NAME_LIMIT) from None
    fds, limit = task.fds, task.limits.soft(RLIMIT_NOFILE)
    fds.free_fd(0, limit)
    file = make_memfd(task, task.kernel.frames, text, flags)
    return fds.install(file, bool(flags & MFD_CLOEXEC), 0, limit)


@syscall("eventfd(2)", arch="x86_64")
def eventfd(task: Task, initval: UInt) -> NewFd:
    """A counter behind a descriptor.  See eventfd(2)."""
    return _eventfd(task, initval, 0)


@syscall("eventfd(2)")
def eventfd2(task: Task, initval: UInt, flags: EventfdFlags) -> NewFd:
    """eventfd with EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE.  See eventfd(2)."""
    if flags & ~(EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE):
        raise EINVAL(
            "flags %#x: only the bits %#x are known",
            flags,
            EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE,
        )
    return _eventfd(task, initval, flags)


def _eventfd(task: Task, count: int, flags: int) -> int:
    limit = task.limits.soft(RLIMIT_NOFILE)
    task.fds.free_fd(0, limit)
    file = make_eventfd(task, count, bool(flags & EFD_NONBLOCK), bool(flags & EFD_SEMAPHORE))
    return task.fds.install(file, bool(flags & EFD_CLOEXEC), 0, limit)
