"""Who may change how a task is scheduled.  See sched_setscheduler(2), sched(7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EINVAL, EPERM
from kernel.cred import CAP_SYS_NICE, RLIMIT_RTPRIO
from kernel.task.futex_pi import inherit
from kernel.task.sched_policy import (
    NORMAL_POLICIES,
    RT_POLICIES,
    SCHED_IDLE,
    SCHED_RESET_ON_FORK,
    SchedulingPolicy,
)

if TYPE_CHECKING:
    from kernel.task.task import Task


def check_may_schedule(task: Task, target: Task) -> None:
    """The same user, or CAP_SYS_NICE."""
    mine, other = task.cred, target.cred
    if mine.euid not in (other.ruid, other.euid) and not mine.capable(CAP_SYS_NICE):
        raise EPERM(
            "task %d belongs to uid %d; uid %d has no CAP_SYS_NICE",
            target.tid,
            other.ruid,
            mine.euid,
        )


def set_policy(task: Task, target: Task, policy: int, priority: int) -> None:
    """Give a task a policy and a priority; a queued task goes to the end of its new queue."""
    reset = bool(policy & SCHED_RESET_ON_FORK)
    policy &= ~SCHED_RESET_ON_FORK
    if policy not in RT_POLICIES and policy not in NORMAL_POLICIES:
        raise EINVAL("there is no policy %d here", policy)
    if not 0 <= priority <= 99 or (priority != 0) != (policy in RT_POLICIES):
        raise EINVAL("policy %d has no priority %d", policy, priority)
    check_may_schedule(task, target)
    if not task.cred.capable(CAP_SYS_NICE):
        _check_unprivileged(target, policy, priority, reset)
    scheduler = target.kernel.scheduler
    queued = target.queued
    scheduler.remove(target)
    target.policy = SchedulingPolicy(policy, priority, target.policy.nice, reset)
    if queued:
        scheduler.enqueue(target)
    if target.pi_blocked is not None:
        inherit(target.pi_blocked.owner)


def _check_unprivileged(target: Task, policy: int, priority: int, reset: bool) -> None:
    old = target.policy
    limit = target.limits.soft(RLIMIT_RTPRIO)
    if policy in RT_POLICIES and (
        (policy != old.policy and not limit) or (priority > old.priority and priority > limit)
    ):
        raise EPERM(
            "priority %d is over RLIMIT_RTPRIO, %d, and there is no CAP_SYS_NICE", priority, limit
        )
    if old.policy == SCHED_IDLE and policy != SCHED_IDLE:
        raise EPERM("leaving SCHED_IDLE needs CAP_SYS_NICE")
    if old.reset_on_fork and not reset:
        raise EPERM("SCHED_RESET_ON_FORK stays without CAP_SYS_NICE")
