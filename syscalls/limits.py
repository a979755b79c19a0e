"""Limits and niceness: getrlimit(2), prlimit(2), getpriority(2).

Limits are the model's: nothing here ever reaches the emulator's own process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EINVAL, ESRCH
from kernel.abi.structs import RLIMIT
from kernel.task.limits import check_may_limit, get_priority, set_limit, set_priority
from syscalls.declare import syscall

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.kinds import (
        Int,
        PidT,
        PriorityWhich,
        Resource,
        RlimitInPtr,
        RlimitOutPtr,
        Size,
        Zero,
    )


def _limit(task: Task, resource: int) -> tuple[int, int]:
    if resource >= len(task.limits.values):
        raise EINVAL("there is no resource %d", resource)
    return task.limits.values[resource]


@syscall("getrlimit(2)")
def getrlimit(task: Task, resource: Resource, rlim: RlimitOutPtr) -> Zero:
    """Soft and hard limit of a resource.  See getrlimit(2)."""
    task.mem.pack(RLIMIT, rlim, *_limit(task, resource))
    return 0


@syscall("getrlimit(2)")
def setrlimit(task: Task, resource: Resource, rlim: RlimitInPtr) -> Zero:
    """Change soft and hard limit of a resource.  See getrlimit(2)."""
    soft, hard = task.mem.unpack(RLIMIT, rlim)
    _limit(task, resource)
    set_limit(task, task, resource, soft, hard)
    return 0


@syscall("prlimit(2)")
def prlimit64(
    task: Task, pid: PidT, resource: Resource, new_rlim: RlimitInPtr, old_rlim: RlimitOutPtr
) -> Zero:
    """Read and change limits, of another process too.  See prlimit(2)."""
    new = task.mem.unpack(RLIMIT, new_rlim) if new_rlim else None
    target = task.kernel.tasks.get(pid) if pid else task
    if target is None:
        raise ESRCH("there is no process %d", pid)
    check_may_limit(task, target)
    old = _limit(target, resource)
    if new is not None:
        set_limit(task, target, resource, *new)
    if old_rlim:
        task.mem.pack(RLIMIT, old_rlim, *old)
    return 0


@syscall("getpriority(2)")
def getpriority(task: Task, which: PriorityWhich, who: PidT) -> Size:
    """20 minus the lowest nice value of those meant: 1 to 40, so never an errno.

    See getpriority(2), NOTES.
    """
    return 20 - get_priority(task, which, who)


@syscall("getpriority(2)")
def setpriority(task: Task, which: PriorityWhich, who: PidT, prio: Int) -> Zero:
    """Set the nice value of a process, a group or a user.  See getpriority(2)."""
    set_priority(task, which, who, prio)
    return 0
