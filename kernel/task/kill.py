"""Who may send a signal to whom, and sending to many.  See kill(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EINVAL, EPERM, ESRCH
from kernel.abi.signals import NSIG, SIGCONT
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
    """EINVAL for no signal number (0 is a question only); EPERM unless ``may_signal``."""
    if not 0 <= signo <= NSIG:
        raise EINVAL("there is no signal %d", signo)
    if not may_signal(task, group, signo):
        raise EPERM(
            "process %d has real uid %d, saved uid %d; uid %d may not signal it without CAP_KILL",
            group.pid, group.leader.cred.ruid, group.leader.cred.suid, task.cred.euid,
        )  # fmt: skip


def _send_to_many(task: Task, groups: Iterable[ThreadGroup], signo: int) -> tuple[int, int]:
    """How many got it, and how many may not be signalled."""
    sent = refused = 0
    for group in groups:
        try:
            check_permission(task, group, signo)
        except EPERM:
            refused += 1
            continue
        sent += 1
        if signo:
            send_to_group(group, SigInfo.user(signo, task.tgid, task.cred.ruid))
    return sent, refused


def kill_group_members(task: Task, pgrp: ProcessGroup, signo: int) -> None:
    """kill(2) with 0 or -pgid: an error only if nobody got it."""
    sent, _ = _send_to_many(task, list(pgrp.members.values()), signo)
    if not sent:
        raise EPERM("uid %d may signal none of process group %d", task.cred.euid, pgrp.pgid)


def kill_all_processes(task: Task, signo: int) -> None:
    """kill(2) with -1: everybody but init and the caller.  Those it may not are passed over."""
    groups = task.kernel.groups
    others = [groups[pid] for pid in sorted(groups) if pid not in (1, task.tgid)]
    if not others:
        raise ESRCH("there is no other process than 1 and %d", task.tgid)
    _send_to_many(task, others, signo)
