"""Waiting for children.  See wait(2), waitid(2).

One search over the caller's own children serves wait4 and waitid; it looks at deaths, stops and
continuations as the options ask, and takes note of what it reports unless WNOWAIT says not to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi.errors import ECHILD, ERESTARTSYS
from kernel.abi.process import (
    __WALL,
    __WCLONE,
    P_PGID,
    P_PID,
    WCONTINUED,
    WEXITED,
    WNOHANG,
    WNOWAIT,
    WSTOPPED,
)
from kernel.abi.signals import CLD_CONTINUED, CLD_STOPPED, SIGCHLD, SIGCONT
from kernel.task.children import exit_code
from kernel.task.exit import reap
from kernel.task.usage import Usage, of_group
from kernel.wait import Interrupted, Sleep

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.task.thread_group import ThreadGroup
    from kernel.wait import Blocking

WAIT_ALL: Final = __WALL
WAIT_CLONE: Final = __WCLONE


class Choice(NamedTuple):
    """Which children, and which of their changes: P_* with its number, and the W* options."""

    kind: int
    number: int
    options: int

    def covers(self, child: ThreadGroup) -> bool:
        """Is this one of the children asked for?"""
        if self.kind == P_PID and child.pid != self.number:
            return False
        if self.kind == P_PGID and child.pgrp.pgid != self.number:
            return False
        if self.options & WAIT_ALL:
            return True
        return (child.exit_signal != SIGCHLD) == bool(self.options & WAIT_CLONE)


class Report(NamedTuple):
    """What a wait found: ``status`` is wait4's word, ``code`` and ``value`` waitid's."""

    pid: int
    uid: int
    status: int
    code: int
    value: int
    usage: Usage


def wait_for(task: Task, choice: Choice) -> Report | Blocking[Report | None] | None:
    """Report a child's change of state; None with WNOHANG if there is none yet.

    ECHILD: there is no such child, now or later.
    """
    report = _search(task.group, choice)
    if report is not None or choice.options & WNOHANG:
        return report
    return _wait(task, choice)


def _wait(task: Task, choice: Choice) -> Blocking[Report | None]:
    queue = task.group.child_wait
    interrupted = False
    while not interrupted:
        try:
            yield Sleep((queue,))
        except Interrupted:
            interrupted = True  # Linux looks once more before it gives up
        report = _search(task.group, choice)
        if report is not None:
            return report
    raise ERESTARTSYS("a signal came first")


def _search(parent: ThreadGroup, choice: Choice) -> Report | None:
    children = parent.children
    if choice.kind == P_PID:
        only = children.get(choice.number)
        candidates = [only] if only is not None else []
    else:
        candidates = list(children.values())
    found = False
    for child in candidates:
        if not choice.covers(child):
            continue
        found = True
        report = _report(parent, child, choice.options)
        if report is not None:
            return report
    if not found:
        raise ECHILD(*_nobody(parent, choice))
    return None


def _nobody(parent: ThreadGroup, choice: Choice) -> tuple[str, *tuple[object, ...]]:
    """Why there is nobody to wait for, as a reason."""
    pid, children = parent.pid, parent.children
    if not children:
        return "process %d has no children", pid
    if choice.kind == P_PID and choice.number not in children:
        return "process %d is no child of process %d", choice.number, pid
    if choice.kind == P_PGID and all(c.pgrp.pgid != choice.number for c in children.values()):
        return "no child of process %d is in process group %d", pid, choice.number
    return "%d children of process %d are not of the kind asked for (__WCLONE)", len(children), pid


def _report(parent: ThreadGroup, child: ThreadGroup, options: int) -> Report | None:
    if child.zombie:
        return _report_death(parent, child, options) if options & WEXITED else None
    if child.stop_report and options & WSTOPPED:
        signo = child.stop_report
        if not options & WNOWAIT:
            child.stop_report = 0
        return _make(child, signo << 8 | 0x7F, CLD_STOPPED, signo)
    if child.continued and options & WCONTINUED:
        if not options & WNOWAIT:
            child.continued = False
        return _make(child, 0xFFFF, CLD_CONTINUED, SIGCONT)
    return None


def _report_death(parent: ThreadGroup, child: ThreadGroup, options: int) -> Report:
    code, value = exit_code(child.status)
    report = _make(child, child.status, code, value)
    if not options & WNOWAIT:
        parent.child_usage.add(report.usage)
        reap(child)
    return report


def _make(child: ThreadGroup, status: int, code: int, value: int) -> Report:
    usage = of_group(child)
    usage.add(child.child_usage)
    return Report(child.pid, child.leader.cred.ruid, status, code, value, usage)
