"""pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2); signalfd(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EBADF, EINVAL, EPERM, ESRCH
from kernel.abi.files import SFD_CLOEXEC, SFD_NONBLOCK
from kernel.abi.process import PIDFD_NONBLOCK
from kernel.abi.signals import KERNEL_ONLY, SI_TKILL
from kernel.abi.structs import SIGINFO_SIZE
from kernel.cred import RLIMIT_NOFILE
from kernel.task.kill import check_permission
from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_group
from kernel.views.pidfd import as_pidfd, make_pidfd
from kernel.views.procfs.access import may_look
from kernel.views.procfs.process import TaskDirectory
from kernel.views.signalfd import as_signalfd, make_signalfd
from syscalls.declare import syscall

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.task.thread_group import ThreadGroup
    from kernel.vfs.openfile import OpenFile
    from syscalls.kinds import (
        Fd,
        NewFd,
        PidfdFlags,
        PidT,
        SiginfoPtr,
        Signal,
        SignalfdFlags,
        SigsetPtr,
        Size,
        UInt,
        Zero,
    )

SIGSET_SIZE: Final = 8


# --- processes -----------------------------------------------------------------------------------


@syscall("pidfd_open(2)", partial="PIDFD_THREAD is EINVAL")
def pidfd_open(task: Task, pid: PidT, flags: PidfdFlags) -> NewFd:
    """A descriptor for a process.  See pidfd_open(2), ERRORS."""
    if flags & ~PIDFD_NONBLOCK:
        raise EINVAL("flags %#x: only the bits %#x are known", flags, PIDFD_NONBLOCK)
    if pid <= 0:
        raise EINVAL("there is no process number %d", pid)
    group = task.kernel.groups.get(pid)
    if group is None:
        if pid in task.kernel.tasks:
            raise EINVAL("task %d is a thread, not the first of its process", pid)
        raise ESRCH("there is no process %d", pid)
    file = make_pidfd(task, group, flags)
    return task.fds.install(file, True, 0, task.limits.soft(RLIMIT_NOFILE))


@syscall("pidfd_send_signal(2)")
def pidfd_send_signal(task: Task, pidfd: Fd, sig: Signal, info: SiginfoPtr, flags: UInt) -> Zero:
    """kill(2) or rt_sigqueueinfo(2) by descriptor.  See pidfd_send_signal(2), ERRORS."""
    if flags:
        raise EINVAL("flags are %#x and must be 0", flags)
    group = _process(task.fds.get(pidfd))
    if info:
        data = task.mem.read(info, SIGINFO_SIZE)
        said = SigInfo.unpack(data, sig)
        if int.from_bytes(data[:4], "little", signed=True) != sig:
            raise EINVAL("si_signo is another signal")
        if group is not task.group and (said.code >= 0 or said.code == SI_TKILL):
            raise EPERM("si_code %d is for the kernel only", said.code)
    else:
        said = SigInfo.user(sig, task.tgid, task.cred.ruid)
    check_permission(task, group, sig)
    if sig:
        send_to_group(group, said)
    return 0


def _process(file: OpenFile) -> ThreadGroup:
    """The living process behind a pidfd, or behind an open /proc/PID.  EBADF, ESRCH."""
    if isinstance(file.inode, TaskDirectory) and file.inode.process is not None:
        group = file.inode.process
        if group.reaped:
            raise ESRCH("process %d has ended and was waited for", group.pid)
        return group
    return as_pidfd(file).living()


@syscall("pidfd_getfd(2)")
def pidfd_getfd(task: Task, pidfd: Fd, targetfd: Fd, flags: UInt) -> NewFd:
    """A copy of another process's descriptor.  See pidfd_getfd(2), ERRORS."""
    if flags:
        raise EINVAL("flags are %#x and must be 0", flags)
    group = as_pidfd(task.fds.get(pidfd)).living()
    if group.zombie:
        raise ESRCH("process %d has ended", group.pid)
    other = next(iter(group.tasks.values()))
    if not may_look(task, other):
        raise EPERM(
            "process %d belongs to uid %d; uid %d needs CAP_SYS_PTRACE",
            group.pid, other.cred.ruid, task.cred.fsuid,
        )  # fmt: skip
    found = other.fds.files.get(targetfd)
    if found is None:
        raise EBADF("process %d has no descriptor %d", group.pid, targetfd)
    return task.fds.install(found, True, 0, task.limits.soft(RLIMIT_NOFILE))


# --- signals -------------------------------------------------------------------------------------


@syscall("signalfd(2)", arch="x86_64")
def signalfd(task: Task, fd: Fd, mask: SigsetPtr, size: Size) -> NewFd:
    """Signals as things to read.  See signalfd(2)."""
    return _signalfd(task, fd, mask, size, 0)


@syscall("signalfd(2)")
def signalfd4(task: Task, fd: Fd, mask: SigsetPtr, size: Size, flags: SignalfdFlags) -> NewFd:
    """signalfd with SFD_CLOEXEC and SFD_NONBLOCK.  See signalfd(2), ERRORS."""
    return _signalfd(task, fd, mask, size, flags)


def _signalfd(task: Task, fd: int, mask: int, size: int, flags: int) -> int:
    if size != SIGSET_SIZE:
        raise EINVAL("the signal mask has %d bytes, not %d", size, SIGSET_SIZE)
    wanted = task.mem.read_u64(mask) & ~KERNEL_ONLY
    if flags & ~(SFD_CLOEXEC | SFD_NONBLOCK):
        raise EINVAL("flags %#x: only the bits %#x are known", flags, SFD_CLOEXEC | SFD_NONBLOCK)
    if fd != -1:
        as_signalfd(task.fds.get(fd)).set_mask(wanted)
        return fd
    file = make_signalfd(task, wanted, bool(flags & SFD_NONBLOCK))
    return task.fds.install(file, bool(flags & SFD_CLOEXEC), 0, task.limits.soft(RLIMIT_NOFILE))
