"""Process groups and sessions: setpgid(2), getpgid(2), setsid(2), getsid(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import ESRCH
from kernel.task.jobs import create_session, set_process_group
from syscalls.declare import syscall

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.task.thread_group import ThreadGroup
    from syscalls.kinds import NewPid, PidT, Zero


@syscall("setpgid(2)")
def setpgid(task: Task, pid: PidT, pgid: PidT) -> Zero:
    """Move the caller or a child of it to a process group.  See setpgid(2)."""
    set_process_group(task, pid, pgid)
    return 0


def _process(task: Task, pid: int) -> ThreadGroup:
    """The process asked about; 0 is the caller's own."""
    if not pid:
        return task.group
    found = task.kernel.tasks.get(pid)
    if found is None:
        raise ESRCH("there is no process %d", pid)
    return found.group


@syscall("getpgid(2)")
def getpgid(task: Task, pid: PidT) -> NewPid:
    """The process group of a process.  See getpgid(2)."""
    return _process(task, pid).pgrp.pgid


@syscall("getpgrp(2)", arch="x86_64")
def getpgrp(task: Task) -> NewPid:
    """The caller's process group.  See getpgrp(2)."""
    return task.group.pgrp.pgid


@syscall("setsid(2)")
def setsid(task: Task) -> NewPid:
    """Begin a session, without a terminal.  See setsid(2)."""
    return create_session(task)


@syscall("getsid(2)")
def getsid(task: Task, pid: PidT) -> NewPid:
    """The session of a process.  See getsid(2)."""
    return _process(task, pid).session.sid
