"""Scheduling as programs see it: sched(7), sched_yield(2), sched_setaffinity(2),
sched_setscheduler(2), sched_setparam(2), sched_get_priority_max(2), sched_rr_get_interval(2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EINVAL, ESRCH
from kernel.abi.structs import INT, TIMESPEC
from kernel.task.sched_policy import (
    NORMAL_POLICIES,
    RT_POLICIES,
    SCHED_DEADLINE,
    SCHED_OTHER,
    SCHED_RESET_ON_FORK,
    SCHED_RR,
)
from kernel.task.sched_rules import check_may_schedule, set_policy
from kernel.task.scheduler import AT_ONCE
from kernel.wait import Sleep
from syscalls.declare import syscall

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.wait import Blocking
    from syscalls.kinds import (
        CpuMaskOutPtr,
        CpuMaskPtr,
        PidT,
        SchedParamOutPtr,
        SchedParamPtr,
        SchedPolicy,
        Size,
        TimespecOutPtr,
        UInt,
        Zero,
    )

CPU_MASK_SIZE: Final = 8
THE_CPU: Final = 1
RR_INTERVAL_NS: Final = 100_000_000
OTHER_INTERVAL_NS: Final = 4_000_000


def _task(task: Task, pid: int) -> Task:
    """The task asked about; 0 is the caller."""
    if pid < 0:
        raise EINVAL("there is no process number %d", pid)
    return _existing(task, pid)


def _existing(task: Task, pid: int) -> Task:
    """The same for the calls to which a negative number is just nobody's: those of affinity."""
    found = task.kernel.tasks.get(pid) if pid else task
    if found is None:
        raise ESRCH("there is no process %d", pid)
    return found


@syscall("sched_yield(2)")
def sched_yield(task: Task) -> Zero | Blocking[Zero]:
    """Let the others run first.  See sched_yield(2)."""
    if not task.kernel.scheduler.runnable:
        return 0
    return _yield()


def _yield() -> Blocking[int]:
    """A sleep that is over at once, behind the others."""
    yield Sleep((), AT_ONCE)
    return 0


@syscall("sched_setaffinity(2)")
def sched_getaffinity(task: Task, pid: PidT, size: UInt, mask: CpuMaskOutPtr) -> Size:
    """The processors a task may use: there is one.  See sched_setaffinity(2)."""
    if size < CPU_MASK_SIZE or size % CPU_MASK_SIZE:
        raise EINVAL("a mask has a multiple of 8 bytes, not %d", size)
    _existing(task, pid)
    task.mem.write_u64(mask, THE_CPU)
    return CPU_MASK_SIZE


@syscall("sched_setaffinity(2)")
def sched_setaffinity(task: Task, pid: PidT, size: UInt, mask: CpuMaskPtr) -> Zero:
    """Any mask with the one processor in it says what holds anyway.  See sched_setaffinity(2)."""
    wanted = task.mem.read(mask, min(size, CPU_MASK_SIZE))
    target = _existing(task, pid)
    check_may_schedule(task, target)
    if not int.from_bytes(wanted, "little") & THE_CPU:
        raise EINVAL("the mask lacks processor 0, the only one")
    return 0


@syscall("sched_setscheduler(2)")
def sched_getscheduler(task: Task, pid: PidT) -> Size:
    """The policy of a task.  See sched_setscheduler(2)."""
    policy = _task(task, pid).policy
    return policy.policy | (SCHED_RESET_ON_FORK if policy.reset_on_fork else 0)


@syscall("sched_setscheduler(2)")
def sched_setscheduler(task: Task, pid: PidT, policy: SchedPolicy, param: SchedParamPtr) -> Zero:
    """Set policy and priority.  SCHED_DEADLINE needs another call.  See sched_setscheduler(2)."""
    if policy < 0 or not param:
        raise EINVAL("policy %d, or the pointer to its parameter is NULL", policy)
    (priority,) = task.mem.unpack(INT, param)
    set_policy(task, _task(task, pid), policy, priority)
    return 0


@syscall("sched_setparam(2)")
def sched_getparam(task: Task, pid: PidT, param: SchedParamOutPtr) -> Zero:
    """The priority of a task.  See sched_setparam(2)."""
    if not param:
        raise EINVAL("the pointer to the parameter is NULL")
    task.mem.pack(INT, param, _task(task, pid).policy.priority)
    return 0


@syscall("sched_setparam(2)")
def sched_setparam(task: Task, pid: PidT, param: SchedParamPtr) -> Zero:
    """Set the priority within the policy.  See sched_setparam(2)."""
    if not param:
        raise EINVAL("the pointer to the parameter is NULL")
    (priority,) = task.mem.unpack(INT, param)
    target = _task(task, pid)
    reset = SCHED_RESET_ON_FORK if target.policy.reset_on_fork else 0
    set_policy(task, target, target.policy.policy | reset, priority)
    return 0


def _priorities(policy: int) -> tuple[int, int]:
    if policy in RT_POLICIES:
        return 1, 99
    if policy in NORMAL_POLICIES or policy == SCHED_DEADLINE:
        return 0, 0
    raise EINVAL("there is no policy %d", policy)


@syscall("sched_get_priority_max(2)")
def sched_get_priority_max(task: Task, policy: SchedPolicy) -> Size:
    """The highest priority of a policy.  See sched_get_priority_max(2)."""
    return _priorities(policy)[1]


@syscall("sched_get_priority_max(2)")
def sched_get_priority_min(task: Task, policy: SchedPolicy) -> Size:
    """The lowest priority of a policy.  See sched_get_priority_max(2)."""
    return _priorities(policy)[0]


@syscall("sched_rr_get_interval(2)")
def sched_rr_get_interval(task: Task, pid: PidT, tp: TimespecOutPtr) -> Zero:
    """How long a turn is; 0 for SCHED_FIFO, which has none.  See sched_rr_get_interval(2)."""
    policy = _task(task, pid).policy.policy
    interval = OTHER_INTERVAL_NS if policy == SCHED_OTHER else 0
    if policy == SCHED_RR:
        interval = RR_INTERVAL_NS
    task.mem.pack(TIMESPEC, tp, 0, interval)
    return 0
