"""Sending signals: who may, what becomes pending, who is woken.  See signal(7), kill(2).

Taking a signal is delivery.py.  Between the two a signal is pending, for one task or for the
process.  Sending decides only what cannot wait: stop and continue cancel each other, an ignored
signal is thrown away, and a fatal one ends the process even if no task of it gets to run soon.

Linux analogue: ``kernel/signal.c``, ``send_signal_locked`` and ``complete_signal``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EAGAIN
from kernel.abi.signals import (
    COREDUMP_SIGNALS,
    IGNORED_BY_DEFAULT,
    KERNEL_ONLY,
    SI_USER,
    SIG_DFL,
    SIG_IGN,
    SIGCONT,
    SIGKILL,
    SIGRTMIN,
    STOP_SIGNALS,
    sigbit,
)
from kernel.cred import RLIMIT_SIGPENDING
from kernel.task.actions import Action, SignalActions
from kernel.task.children import notify_continued, notify_stopped
from kernel.task.pending import PendingSet
from kernel.task.siginfo import SigInfo
from kernel.task.task import SLEEPING, STOPPED, UNINTERRUPTIBLE, Task

if TYPE_CHECKING:
    from kernel.task.thread_group import ThreadGroup

__all__ = [
    "Action",
    "PendingSet",
    "SigInfo",
    "SignalActions",
    "doomed",
    "end_siblings",
    "force_signal",
    "kill_group",
    "lend_mask",
    "pending_signal",
    "post_kernel_signal",
    "report_stop",
    "retarget",
    "return_mask",
    "send_to_group",
    "send_to_task",
    "set_blocked",
]


def send_to_task(task: Task, info: SigInfo) -> None:
    """Send to one task (tgkill(2), SIGPIPE).  EAGAIN: the queue limit of real-time signals."""
    if not task.dead:
        _send(task.group, task, task.pending, info)


def send_to_group(group: ThreadGroup, info: SigInfo) -> None:
    """Send to a process (kill(2), SIGCHLD): whichever of its tasks can take it first."""
    if group.tasks:
        task = group.leader if not group.leader.dead else next(iter(group.tasks.values()))
        _send(group, task, group.pending, info)


def _send(group: ThreadGroup, task: Task, pending: PendingSet, info: SigInfo) -> None:
    signo = info.signo
    bit = sigbit(signo)
    if bit & STOP_SIGNALS:
        _discard(group, sigbit(SIGCONT))
    elif signo == SIGCONT:
        _discard(group, STOP_SIGNALS)
        resume_group(group)
    if group.exiting:
        return
    if _ignored(task, signo):
        for observer in task.kernel.events:
            observer.signal(task, info, "ignore")
        return
    _make_pending(task, pending, info)
    if task.kernel.signal_came.waiters:
        task.kernel.signal_came.wake()
    target = task if pending is task.pending else _choose(group, task, bit)
    if target is None or not _wants(target, bit):
        return
    if _fatal_now(target, signo):
        for observer in target.kernel.events:
            observer.signal(target, info, "kill")
        end_group(group, signo)
    else:
        wake_for_signal(target)


def _discard(group: ThreadGroup, mask: int) -> None:
    group.pending.discard(mask)
    for task in group.tasks.values():
        task.pending.discard(mask)


def _ignored(task: Task, signo: int) -> bool:
    """Would nobody ever notice?  A blocked signal is kept: its action may still change."""
    if task.blocked >> (signo - 1) & 1:
        return False
    if _is_seen(task, signo):
        return False
    if task.group.unkillable and task.actions.get(signo).handler == SIG_DFL:
        return True
    return task.actions.ignores(signo)


def _is_seen(task: Task, signo: int) -> bool:
    """A debugger wants to see it before anything is done about it (ptrace(2))."""
    gate = task.kernel.gate
    return gate is not None and gate.wants(signo)


def _make_pending(task: Task, pending: PendingSet, info: SigInfo) -> None:
    user = task.cred.ruid
    limit = task.limits.soft(RLIMIT_SIGPENDING)
    from_kernel = info.signo < SIGRTMIN and info.code >= 0
    if from_kernel or task.kernel.user_signals.get(user, 0) < limit:
        pending.add(info, user)
    elif info.signo >= SIGRTMIN and info.code != SI_USER:
        raise EAGAIN(
            "uid %d has %d signals queued, RLIMIT_SIGPENDING is %d",
            user, task.kernel.user_signals.get(user, 0), limit,
        )  # fmt: skip
    else:
        pending.add_bit(info.signo)


def _choose(group: ThreadGroup, preferred: Task, bit: int) -> Task | None:
    if _wants(preferred, bit):
        return preferred
    for task in group.tasks.values():
        if _wants(task, bit):
            return task
    return None


def _wants(task: Task, bit: int) -> bool:
    """Could this task take the signal when it next gets to run?"""
    if bit == sigbit(SIGKILL):
        return True
    if task.sigwait & bit:
        return True
    return not task.blocked & bit and task.state != STOPPED


def _fatal_now(task: Task, signo: int) -> bool:
    """Does it end the process for sure?  Core dumps are left to delivery."""
    bit = sigbit(signo)
    if _is_seen(task, signo):
        return False
    if bit & (COREDUMP_SIGNALS | STOP_SIGNALS | IGNORED_BY_DEFAULT) or task.sigwait & bit:
        return False
    return task.actions.get(signo).handler == SIG_DFL


def wake_for_signal(task: Task, kill: bool = False) -> None:
    """Make a task look at its signals: Linux's signal_wake_up."""
    task.work = True
    state = task.state
    if task.queued:
        return
    if state == SLEEPING or (kill and state == UNINTERRUPTIBLE):
        task.kernel.scheduler.unblock(task)
    elif kill and state == STOPPED:
        task.kernel.scheduler.enqueue(task)


def end_group(group: ThreadGroup, status: int) -> None:
    """Decide the end of a process: every task of it dies as soon as it is scheduled."""
    if group.exiting:
        return
    group.exiting = True
    group.status = status
    group.stop_signal = 0
    for task in list(group.tasks.values()):
        wake_for_signal(task, kill=True)


def end_siblings(task: Task) -> None:
    """execve has passed its last check: every other task of the process dies."""
    group = task.group
    group.executing = task
    for other in list(group.tasks.values()):
        if other is not task:
            wake_for_signal(other, kill=True)


def report_stop(group: ThreadGroup) -> None:
    """A task stopped, or left a stopping process: tell the parent once nobody runs any more."""
    if not group.stop_signal or group.stopped:
        return
    if all(task.state == STOPPED for task in group.tasks.values()):
        group.stopped = True
        group.stop_report = group.stop_signal
        group.continued = False
        notify_stopped(group, group.stop_signal, send_to_group)


def resume_group(group: ThreadGroup) -> None:
    """SIGCONT was sent: stopped tasks go on, whatever becomes of the signal itself."""
    if not group.stop_signal:
        return
    was_stopped, group.stopped = group.stopped, False
    group.stop_signal = 0
    group.stop_report = 0
    for task in group.tasks.values():
        if task.state == STOPPED:
            task.kernel.scheduler.enqueue(task)
    if was_stopped:
        group.continued = True
        notify_continued(group, send_to_group)


def pending_signal(task: Task) -> bool:
    """Is there a reason to interrupt a sleep (Linux's signal_pending)?"""
    group = task.group
    if (task.pending.bits | group.pending.bits) & (~task.blocked | task.sigwait):
        return True
    return group.exiting or group.stop_signal != 0 or group.executing is not None


def doomed(task: Task) -> bool:
    """Must it die before it runs user code again: its process ends, or a sibling executes?"""
    group = task.group
    return group.exiting or (group.executing is not None and group.executing is not task)


def set_blocked(task: Task, mask: int) -> None:
    """Change the mask of a task; what becomes unblocked is delivered before user code runs."""
    mask &= ~KERNEL_ONLY
    newly = mask & ~task.blocked & task.group.pending.bits
    task.blocked = mask
    if (task.pending.bits | task.group.pending.bits) & ~mask:
        task.work = True
    if newly and len(task.group.tasks) > 1:
        retarget(task, newly)


def lend_mask(task: Task, mask: int) -> None:
    """Another mask for the time of one call: sigsuspend, ppoll, pselect, epoll_pwait.

    Delivery gives the old one back; a handler that runs sees the lent one, and its frame has the
    old one.  A call that ends without being interrupted calls ``return_mask`` itself.
    """
    task.saved_mask = task.blocked
    set_blocked(task, mask)
    task.work = True


def return_mask(task: Task) -> None:
    """End ``lend_mask``: the call was not interrupted, no signal of the lent mask may come now."""
    if task.saved_mask is not None:
        mask, task.saved_mask = task.saved_mask, None
        set_blocked(task, mask)


def retarget(task: Task, signals: int = -1) -> None:
    """The process has signals pending that this task will not take: others must."""
    signals &= task.group.pending.bits
    if not signals:
        return
    for other in task.group.tasks.values():
        if other is not task and signals & ~other.blocked:
            wake_for_signal(other)


def force_signal(task: Task, info: SigInfo) -> None:
    """A signal the task caused itself: blocked or ignored, it kills.  See signal(7)."""
    signo = info.signo
    info.forced = True
    handler = task.actions.get(signo).handler
    if task.blocked >> (signo - 1) & 1 or handler == SIG_IGN:
        task.actions.reset(signo)
        task.blocked &= ~sigbit(signo)
        handler = SIG_DFL
    if handler == SIG_DFL:
        task.group.unkillable = False
    task.pending.add(info, task.cred.ruid)
    task.work = True


def discard_ignored(task: Task, signo: int) -> None:
    """The action has become "ignore": what is pending of it goes (sigaction(2), POSIX)."""
    if task.actions.ignores(signo):
        _discard(task.group, sigbit(signo))


def post_kernel_signal(task: Task, signo: int) -> None:
    """A signal the task's own call brings with it: SIGPIPE with EPIPE, SIGXFSZ with EFBIG."""
    send_to_task(task, SigInfo.user(signo, task.tgid, task.cred.ruid))


def kill_group(group: ThreadGroup, signo: int) -> None:
    """The kernel itself sends a signal to a process (out of memory, shutdown, hang-up)."""
    send_to_group(group, SigInfo(signo))
