"""What a parent hears about its children: SIGCHLD and the wake-up of wait(2).

See sigaction(2), SA_NOCLDSTOP and SA_NOCLDWAIT.  The functions get ``send`` as an argument, because
sending signals itself has to tell parents (SIGCONT).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kernel.abi.errors import EAGAIN
from kernel.abi.signals import (
    CLD_CONTINUED,
    CLD_DUMPED,
    CLD_EXITED,
    CLD_KILLED,
    CLD_STOPPED,
    SA_NOCLDSTOP,
    SA_NOCLDWAIT,
    SIG_IGN,
    SIGCHLD,
    SIGCONT,
)
from kernel.task.siginfo import SigInfo
from kernel.task.usage import NS_PER_TICK, cpu_times

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel.task.thread_group import ThreadGroup

    Send = Callable[[ThreadGroup, SigInfo], None]


def child_info(group: ThreadGroup, code: int, status: int, signo: int = SIGCHLD) -> SigInfo:
    """siginfo of a child's change of state."""
    utime, stime = cpu_times(group)
    return SigInfo.child(
        code,
        group.pid,
        group.leader.cred.ruid,
        status,
        utime // NS_PER_TICK,
        stime // NS_PER_TICK,
        signo,
    )


def exit_code(status: int) -> tuple[int, int]:
    """(si_code, si_status) of a wait(2) status of the dead."""
    if status & 0x7F == 0:
        return CLD_EXITED, status >> 8 & 0xFF
    return (CLD_DUMPED if status & 0x80 else CLD_KILLED), status & 0x7F


def notify_exit(group: ThreadGroup, send: Send) -> bool:
    """Tell the parent of a death; True if nobody will wait for it (it is to be reaped now)."""
    group.ended.wake()
    parent = group.parent
    if parent is None:
        return True
    parent.child_wait.wake()  # before the signal, so that a sleeping wait(2) reports the child
    reap = False
    signo = group.exit_signal
    if signo == SIGCHLD:
        action = parent.leader.actions.get(SIGCHLD)
        reap = action.handler == SIG_IGN or bool(action.flags & SA_NOCLDWAIT)
        if action.handler == SIG_IGN:
            signo = 0
    if signo:
        code, status = exit_code(group.status)
        with suppress(EAGAIN):  # a real-time signal, and the parent's queue is full: it is lost
            send(parent, child_info(group, code, status, signo))
    return reap


def notify_stopped(group: ThreadGroup, signo: int, send: Send) -> None:
    """Tell the parent that a child stopped."""
    _notify_job_control(group, CLD_STOPPED, signo, send)


def notify_continued(group: ThreadGroup, send: Send) -> None:
    """Tell the parent that a child goes on."""
    _notify_job_control(group, CLD_CONTINUED, SIGCONT, send)


def _notify_job_control(group: ThreadGroup, code: int, status: int, send: Send) -> None:
    parent = group.parent
    if parent is None or not parent.tasks:
        return
    parent.child_wait.wake()
    action = parent.leader.actions.get(SIGCHLD)
    if action.handler != SIG_IGN and not action.flags & SA_NOCLDSTOP:
        send(parent, child_info(group, code, status))
