"""The first processes: pid 1, which is the kernel's own, and the program, pid 2.

Init has no user code: it adopts orphans and buries them at once (its SIGCHLD is ignored, so a child
that ends is reaped on the spot), and it is there in /proc like any other process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EPERM
from kernel.abi.signals import SIG_IGN, SIGCHLD, SIGCONT, SIGHUP, SIGKILL
from kernel.cred import Credentials, Limits
from kernel.task.actions import Action, SignalActions
from kernel.task.jobs import join_group, new_session
from kernel.task.sched_policy import SchedulingPolicy
from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_group
from kernel.task.task import SLEEPING, Task
from kernel.task.thread_group import ThreadGroup

if TYPE_CHECKING:
    from kernel.task.system import System
    from kernel.vfs.fdtable import FdTable
    from kernel.vfs.fscontext import FsContext


def create_init(kernel: System, fds: FdTable, fs: FsContext) -> Task:
    """Make pid 1.  Must come before every other task."""
    init = _create(kernel, fds, fs, Credentials(), None, Limits())
    if init.tid != 1:
        raise EPERM("init is the first task")
    init.comm = b"init"
    init.group.unkillable = True
    init.actions.set(SIGCHLD, Action(SIG_IGN))
    init.state = SLEEPING
    kernel.init = init
    return init


def create_program(
    kernel: System, fds: FdTable, fs: FsContext, cred: Credentials, limits: Limits | None = None
) -> Task:
    """A child of init that leads a session of its own; ``execve.spawn`` gives it a program.

    Observers hear of it when it has one.  It is not in the run queue yet: the caller enqueues it
    once it has something to run.
    """
    limits = limits or Limits()
    task = _create(kernel, fds, fs, cred, kernel.init.group, limits)
    task.context = kernel.cpu.new_context()
    return task


def _create(
    kernel: System, fds: FdTable, fs: FsContext, cred: Credentials, parent: ThreadGroup | None,
    limits: Limits,
) -> Task:  # fmt: skip
    pid = kernel.pids.allocate()
    pgrp = new_session(kernel, pid)
    group = ThreadGroup(pid, parent, pgrp, limits, kernel.user_signals)
    join_group(group, pgrp)
    pgrp.session.leader = group
    group.exit_signal = SIGCHLD
    if parent is not None:
        parent.children[pid] = group
    task = Task(
        kernel, pid, group, mm=None, fds=fds, fs=fs, cred=cred, actions=SignalActions(),
        context=None, policy=SchedulingPolicy(),
    )  # fmt: skip
    kernel.tasks[pid] = task
    kernel.groups[pid] = group
    kernel.change_user(None, cred.ruid)
    return task


def living_processes(kernel: System) -> list[ThreadGroup]:
    """Every process but init that can still run, by pid."""
    return [
        kernel.groups[pid] for pid in sorted(kernel.groups) if pid != 1 and kernel.groups[pid].tasks
    ]


_OVER: Final = "the run is over, and nothing outlives it"
_LEFT: Final = "the program that was run has ended, and this process is left over"


def hang_up_all(kernel: System) -> None:
    """The program has ended: what is left is told (SIGHUP, SIGCONT)."""
    for group in living_processes(kernel):
        send_to_group(group, SigInfo(SIGHUP, reason=_LEFT))
        send_to_group(group, SigInfo(SIGCONT))


def kill_all(kernel: System, why: str = _OVER) -> None:
    """The run ends: SIGKILL to what is left; ``why``, for people."""
    for group in living_processes(kernel):
        send_to_group(group, SigInfo(SIGKILL, reason=why))
