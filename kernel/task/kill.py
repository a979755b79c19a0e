"""Who may send a signal to whom, and sending to many.  See kill(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EPERM, ESRCH, KernelError
from kernel.abi.signals import SIGCONT
from kernel.cred import CAP_KILL
from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_group

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kernel.task.session import ProcessGroup
    from kernel.task.task import Task
    from kernel.task.thread_group import ThreadGroup


def may_signal(task: Task, group: ThreadGroup, signo: int) -> bool:
    """The sender's real or effective user is the target's real or saved one, or CAP_KILL.

    SIGCONT may go to any process of the sender's session.
    """
    if group is task.group:
        return True
    mine, other = task.cred, group.leader.cred
    if mine.euid in (other.suid, other.ruid) or mine.ruid in (other.suid, other.ruid):
        return True
    if signo == SIGCONT and group.session is task.group.session:
        return True
    return mine.capable(CAP_KILL)


def check_permission(task: Task, group: ThreadGroup, signo: int) -> None:
    """EPERM unless ``may_signal``."""
    if not may_signal(task, group, signo):
        raise EPERM(f"process {group.pid} belongs to somebody else")


def _send_to_many(task: Task, groups: Iterable[ThreadGroup], signo: int) -> None:
    """At least one must get it: EPERM if none may be signalled, ESRCH if there is none."""
    sent = False
    problem: KernelError = ESRCH("nobody is there")
    for group in groups:
        if not may_signal(task, group, signo):
            problem = EPERM("none of them may be signalled")
            continue
        sent = True
        if signo:
            send_to_group(group, SigInfo.user(signo, task.tgid, task.cred.ruid))
    if not sent:
        raise problem


def kill_group_members(task: Task, pgrp: ProcessGroup, signo: int) -> None:
    """kill(2) with 0 or -pgid."""
    _send_to_many(task, list(pgrp.members.values()), signo)


def kill_all_processes(task: Task, signo: int) -> None:
    """kill(2) with -1: everybody but init and the caller."""
    groups = task.kernel.groups
    others = [groups[pid] for pid in sorted(groups) if pid not in (1, task.tgid)]
    _send_to_many(task, others, signo)
