"""Changing limits and niceness: the rules.  See getrlimit(2), getpriority(2), sched(7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EACCES, EINVAL, EPERM, ESRCH
from kernel.abi.process import PRIO_PGRP, PRIO_PROCESS, PRIO_USER
from kernel.cred import CAP_SYS_NICE, CAP_SYS_RESOURCE, RLIMIT_NICE, RLIMIT_NOFILE
from kernel.vfs.fdtable import NR_OPEN

if TYPE_CHECKING:
    from kernel.task.task import Task


def check_may_limit(task: Task, target: Task) -> None:
    """Oneself, a process of exactly the same users, or CAP_SYS_RESOURCE (prlimit(2))."""
    mine, other = task.cred, target.cred
    users = mine.ruid == other.ruid == other.euid == other.suid
    groups = mine.rgid == other.rgid == other.egid == other.sgid
    same = users and groups
    if target.group is not task.group and not same and not mine.capable(CAP_SYS_RESOURCE):
        raise EPERM(
            "process %d belongs to uid %d; uid %d has no CAP_SYS_RESOURCE",
            target.tgid, other.ruid, mine.ruid,
        )  # fmt: skip


def set_limit(task: Task, target: Task, resource: int, soft: int, hard: int) -> None:
    """Soft at most hard (EINVAL); raising hard needs CAP_SYS_RESOURCE (EPERM)."""
    if soft > hard:
        raise EINVAL("the soft limit %d is above the hard one, %d", soft, hard)
    if resource == RLIMIT_NOFILE and hard > NR_OPEN:
        raise EPERM("%d is above fs.nr_open, %d", hard, NR_OPEN)
    values = target.limits.values
    if hard > values[resource][1] and not task.cred.capable(CAP_SYS_RESOURCE):
        raise EPERM(
            "the hard limit is %d; raising it to %d needs CAP_SYS_RESOURCE",
            values[resource][1],
            hard,
        )
    values[resource] = (soft, hard)
    target.group.cpu_warnings = 0


def _meant(task: Task, which: int, who: int) -> list[Task]:
    """The tasks that PRIO_* and a number name."""
    kernel = task.kernel
    if which == PRIO_PROCESS:
        found = kernel.tasks.get(who) if who else task
        return [found] if found is not None and not found.dead else []
    if which == PRIO_PGRP:
        pgrp = kernel.pgrps.get(who) if who else task.group.pgrp
        members = pgrp.members.values() if pgrp is not None else ()
        return [member for group in members for member in group.tasks.values()]
    if which != PRIO_USER:
        raise EINVAL("which is %d, none of PRIO_PROCESS, _PGRP, _USER", which)
    user = who or task.cred.ruid
    every = (kernel.tasks[tid] for tid in sorted(kernel.tasks))
    return [other for other in every if other.cred.ruid == user and not other.dead]


def get_priority(task: Task, which: int, who: int) -> int:
    """The lowest nice value, that is the highest priority, of those meant."""
    meant = _meant(task, which, who)
    if not meant:
        raise ESRCH("which %d, who %d means no process", which, who)
    return min(other.policy.nice for other in meant)


def set_priority(task: Task, which: int, who: int, nice: int) -> None:
    """Give all of them the nice value, clamped; an error of one does not spare the others."""
    meant = _meant(task, which, who)
    if not meant:
        raise ESRCH("which %d, who %d means no process", which, who)
    problem: EPERM | EACCES | None = None
    for other in meant:
        try:
            renice(task, other, nice)
        except (EPERM, EACCES) as error:
            problem = error
    if problem is not None:
        raise problem


def renice(task: Task, other: Task, nice: int) -> None:
    """Give one task another nice value, clamped.  EPERM, EACCES: see setpriority(2)."""
    nice = max(-20, min(19, nice))
    mine = task.cred
    if mine.euid not in (other.cred.ruid, other.cred.euid) and not mine.capable(CAP_SYS_NICE):
        raise EPERM(
            "process %d belongs to uid %d; uid %d has no CAP_SYS_NICE",
            other.tgid, other.cred.ruid, mine.euid,
        )  # fmt: skip
    if nice < other.policy.nice and not mine.capable(CAP_SYS_NICE):
        lowest = 20 - other.limits.soft(RLIMIT_NICE)
        if nice < lowest:
            raise EACCES(
                "nice %d is below %d, which RLIMIT_NICE allows; there is no CAP_SYS_NICE",
                nice,
                lowest,
            )
    other.policy = other.policy.with_nice(nice)
