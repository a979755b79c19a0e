"""Replacing, ending and waiting for processes.

See execve(2), execveat(2), _exit(2), exit_group(2), wait4(2),
waitid(2), getpid(2), gettid(2), set_tid_address(2), getrusage(2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EAGAIN, ECHILD, EINVAL, ESRCH
from kernel.abi.files import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_NONBLOCK
from kernel.abi.process import (
    __WALL,
    __WCLONE,
    __WNOTHREAD,
    P_ALL,
    P_PGID,
    P_PID,
    P_PIDFD,
    RUSAGE_CHILDREN,
    RUSAGE_SELF,
    RUSAGE_THREAD,
    WCONTINUED,
    WEXITED,
    WNOHANG,
    WNOWAIT,
    WSTOPPED,
    WUNTRACED,
)
from kernel.task.execve import Target, execute
from kernel.task.exit import exit_process, exit_task
from kernel.task.siginfo import SigInfo
from kernel.task.usage import of_group, of_task
from kernel.task.wait import Choice, Report, wait_for
from kernel.views.pidfd import as_pidfd
from syscalls.declare import NO_RETURN_VALUE, syscall

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.wait import Blocking
    from syscalls.kinds import (
        AtFlags,
        DirFd,
        EnvironPtr,
        ExitStatus,
        IdType,
        NewPid,
        NoReturnValue,
        PathPtr,
        PidT,
        RusagePtr,
        RusageWho,
        SiginfoOutPtr,
        StringsPtr,
        UserAddr,
        WaitOptions,
        WaitStatusPtr,
        Zero,
    )

INT_MIN: Final = -(1 << 31)
_KINDS_OF_CHILD: Final = __WNOTHREAD | __WCLONE | __WALL
WAIT4_OPTIONS: Final = WNOHANG | WUNTRACED | WCONTINUED | _KINDS_OF_CHILD
WAITID_CHANGES: Final = WEXITED | WSTOPPED | WCONTINUED
WAITID_OPTIONS: Final = WNOHANG | WNOWAIT | WAITID_CHANGES | _KINDS_OF_CHILD


# --- numbers -------------------------------------------------------------------------------------


@syscall("getpid(2)")
def getpid(task: Task) -> NewPid:
    """The number of the caller's process.  See getpid(2)."""
    return task.group.pid


@syscall("getpid(2)")
def getppid(task: Task) -> NewPid:
    """The number of its parent.  See getpid(2)."""
    parent = task.group.parent
    return parent.pid if parent is not None else 0


@syscall("gettid(2)")
def gettid(task: Task) -> NewPid:
    """The number of the calling task itself.  See gettid(2)."""
    return task.tid


@syscall("set_tid_address(2)")
def set_tid_address(task: Task, tidptr: UserAddr) -> NewPid:
    """Where to write 0 and wake a futex when the task ends.  See set_tid_address(2)."""
    task.clear_child_tid = tidptr
    return task.tid


# --- another program -----------------------------------------------------------------------------


@syscall("execve(2)")
def execve(
    task: Task, pathname: PathPtr, argv: StringsPtr, envp: EnvironPtr
) -> NoReturnValue | Blocking[NoReturnValue]:
    """Run another program in this process.  See execve(2)."""
    path = task.mem.read_path(pathname)
    return execute(task, Target(AT_FDCWD, path), argv, envp)


@syscall("execveat(2)")
def execveat(
    task: Task,
    dirfd: DirFd,
    pathname: PathPtr,
    argv: StringsPtr,
    envp: EnvironPtr,
    flags: AtFlags,
) -> NoReturnValue | Blocking[NoReturnValue]:
    """As execve, of a file relative to a directory or of an open file.  See execveat(2)."""
    if flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW):
        raise EINVAL("flags %#x: only AT_EMPTY_PATH and AT_SYMLINK_NOFOLLOW are known", flags)
    path = task.mem.read_path(pathname)
    return execute(task, Target(dirfd, path, flags), argv, envp)


# --- the end -------------------------------------------------------------------------------------


@syscall("_exit(2)", name="exit")
def exit_(task: Task, status: ExitStatus) -> NoReturnValue:
    """End the calling task; with the last one, the process.  See _exit(2)."""
    exit_task(task, (status & 0xFF) << 8)
    return NO_RETURN_VALUE


@syscall("exit_group(2)")
def exit_group(task: Task, status: ExitStatus) -> NoReturnValue:
    """End the process with all of its tasks.  See exit_group(2)."""
    exit_process(task, (status & 0xFF) << 8)
    return NO_RETURN_VALUE


# --- waiting -------------------------------------------------------------------------------------


@syscall("wait4(2)")
def wait4(
    task: Task, pid: PidT, wstatus: WaitStatusPtr, options: WaitOptions, rusage: RusagePtr
) -> NewPid | Blocking[NewPid]:
    """Wait for a child to end, stop or continue.  See wait4(2)."""
    if options & 0xFFFFFFFF & ~WAIT4_OPTIONS:
        raise EINVAL(
            "options %#x: only the bits %#x are known", options & 0xFFFFFFFF, WAIT4_OPTIONS
        )
    if pid == INT_MIN:
        raise ESRCH("no process group has the number %d", -pid)
    wanted = options & 0xFFFFFFFF | WEXITED
    if pid > 0:
        choice = Choice(P_PID, pid, wanted)
    elif pid == -1:
        choice = Choice(P_ALL, 0, wanted)
    else:
        choice = Choice(P_PGID, -pid or task.group.pgrp.pgid, wanted)
    found = wait_for(task, choice)
    if found is None or isinstance(found, Report):
        return _tell_wait4(task, found, wstatus, rusage)
    return _wait4(task, found, wstatus, rusage)


def _wait4(
    task: Task, waiting: Blocking[Report | None], wstatus: int, rusage: int
) -> Blocking[int]:
    report = yield from waiting
    return _tell_wait4(task, report, wstatus, rusage)


def _tell_wait4(task: Task, report: Report | None, wstatus: int, rusage: int) -> int:
    """The child is gone even if the caller's addresses are bad: EFAULT then, as in Linux."""
    if report is None:
        return 0
    if wstatus:
        task.mem.write_u32(wstatus, report.status)
    if rusage:
        task.mem.write(rusage, report.usage.pack())
    return report.pid


@syscall("waitid(2)")
def waitid(
    task: Task,
    which: IdType,
    ident: PidT,
    infop: SiginfoOutPtr,
    options: WaitOptions,
    rusage: RusagePtr,
) -> Zero | Blocking[Zero]:
    """Wait for the changes of state that the options name.  See waitid(2)."""
    wanted = options & 0xFFFFFFFF
    if wanted & ~WAITID_OPTIONS or not wanted & WAITID_CHANGES:
        raise EINVAL("options %#x name no change of state, or have unknown bits", wanted)
    choice = _waitid_choice(task, which, ident, wanted)
    if which == P_PIDFD and task.fds.get(ident).flags & O_NONBLOCK:
        found = wait_for(task, choice._replace(options=wanted | WNOHANG))
        if found is None and not wanted & WNOHANG:
            raise EAGAIN("the process has not changed its state, and the pidfd is O_NONBLOCK")
    else:
        found = wait_for(task, choice)
    if found is None or isinstance(found, Report):
        return _tell_waitid(task, found, infop, rusage)
    return _waitid(task, found, infop, rusage)


def _waitid_choice(task: Task, which: int, ident: int, options: int) -> Choice:
    if which == P_ALL:
        return Choice(P_ALL, 0, options)
    if which == P_PID:
        if ident <= 0:
            raise EINVAL("there is no process number %d", ident)
        return Choice(P_PID, ident, options)
    if which == P_PGID:
        if ident < 0:
            raise EINVAL("there is no process group %d", ident)
        return Choice(P_PGID, ident or task.group.pgrp.pgid, options)
    if which == P_PIDFD:
        if ident < 0:
            raise EINVAL("there is no descriptor %d", ident)
        group = as_pidfd(task.fds.get(ident)).group
        if group.reaped:
            raise ECHILD("process %d has ended and was waited for", group.pid)
        return Choice(P_PID, group.pid, options)
    raise EINVAL("id type %d is none of P_ALL, P_PID, P_PGID, P_PIDFD", which)


def _waitid(task: Task, waiting: Blocking[Report | None], infop: int, rusage: int) -> Blocking[int]:
    report = yield from waiting
    return _tell_waitid(task, report, infop, rusage)


def _tell_waitid(task: Task, report: Report | None, infop: int, rusage: int) -> int:
    """Linux writes the six members it knows and leaves the rest of the 128 bytes alone."""
    if rusage and report is not None:
        task.mem.write(rusage, report.usage.pack())
    if infop:
        info = SigInfo(0, 0)
        if report is not None:
            info = SigInfo.child(report.code, report.pid, report.uid, report.value, 0, 0)
        data = info.pack()
        task.mem.write(infop, data[:12])
        task.mem.write(infop + 16, data[16:28])
    return 0


# --- what it cost --------------------------------------------------------------------------------


@syscall("getrusage(2)")
def getrusage(task: Task, who: RusageWho, usage: RusagePtr) -> Zero:
    """Resources used by the process, its waited-for children, or this task.  See getrusage(2)."""
    if who == RUSAGE_SELF:
        total = of_group(task.group)
    elif who == RUSAGE_CHILDREN:
        total = task.group.child_usage
    elif who == RUSAGE_THREAD:
        total = of_task(task)
    else:
        raise EINVAL("who is %d, none of RUSAGE_SELF, _CHILDREN, _THREAD", who)
    task.mem.write(usage, total.pack())
    return 0
