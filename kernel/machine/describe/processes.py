"""Tasks, their signals, and who wants the processor."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from kernel.abi.signals import NSIG, SIG_DFL, SIG_IGN, SIGCHLD, signal_name
from kernel.wait import Waiter

if TYPE_CHECKING:
    from kernel.machine.dispatch import SyscallTable
    from kernel.task.pending import PendingSet
    from kernel.task.siginfo import SigInfo
    from kernel.task.system import System
    from kernel.task.task import Task
    from kernel.wait import WaitQueue


class TaskView(NamedTuple):
    """One task of the process tree.

    ``ppid``, ``pgid``, ``sid``: of its process; ``call`` is the number of the system call it sleeps
    in and ``call_name`` its name, where a table was given; times in nanoseconds.  ``kernel_task``:
    no user code, as pid 1 here.
    """

    pid: int
    tid: int
    ppid: int
    pgid: int
    sid: int
    comm: str
    state: str
    uid: int
    gid: int
    utime: int
    stime: int
    nice: int
    priority: int
    threads: int
    call: int | None
    call_name: str | None
    kernel_task: bool
    implemented_by: str = "kernel.task.task.Task"


class PendingSignal(NamedTuple):
    """One signal that was sent and not taken.  ``shared``: any task of the process may take it."""

    number: int
    name: str
    code: int
    sender: int | None
    shared: bool
    implemented_by: str = "kernel.task.siginfo.SigInfo"


class SignalAction(NamedTuple):
    """What a signal does that is not left at its default."""

    number: int
    name: str
    action: str
    handler: int
    flags: int
    mask: tuple[str, ...]
    implemented_by: str = "kernel.task.actions.SignalActions"


class Signals(NamedTuple):
    """All about one task's signals; masks as names."""

    tid: int
    pending: tuple[PendingSignal, ...]
    blocked: tuple[str, ...]
    actions: tuple[SignalAction, ...]
    alternate_stack: tuple[int, int] | None
    """(address, size)"""
    implemented_by: str = "kernel.task.pending.PendingSet"


class RunQueue(NamedTuple):
    """Who has the processor and who is next, by tid, in the order they will get it."""

    current: int | None
    waiting: tuple[int, ...]
    real_time: tuple[tuple[int, tuple[int, ...]], ...]
    """(priority, tids), highest first; these go before ``ordinary``"""
    ordinary: tuple[int, ...]
    load: tuple[float, float, float]
    implemented_by: str = "kernel.task.scheduler.Scheduler"


def text(name: bytes) -> str:
    """A name of the guest's as text; what is no UTF-8 is replaced."""
    return name.decode("utf-8", "replace")


def sleepers(queue: WaitQueue) -> tuple[int, ...]:
    """The tids of those who sleep on a queue, in the order they came."""
    return tuple(cast("Task", e.sleeper).tid for e in queue.waiters if isinstance(e, Waiter))


def tasks(system: System, table: SyscallTable | None = None) -> tuple[TaskView, ...]:
    """Every task, zombies included, by tid."""
    return tuple(_task(system.tasks[tid], table) for tid in sorted(system.tasks))


def _task(task: Task, table: SyscallTable | None) -> TaskView:
    group = task.group
    call = task.call[0] if task.generator is not None and task.call is not None else None
    return TaskView(
        group.pid,
        task.tid,
        group.parent.pid if group.parent is not None else 0,
        group.pgrp.pgid,
        group.session.sid,
        text(task.comm),
        task.state,
        task.cred.ruid,
        task.cred.rgid,
        task.utime,
        task.stime,
        task.policy.nice,
        task.priority,
        len(group.tasks),
        call,
        table.name(call) if table is not None and call is not None else None,
        task.context is None and not task.dead,
    )


def signals(task: Task) -> Signals:
    """Pending, blocked, and what is done with each."""
    pending = [*_pending(task.pending, False), *_pending(task.group.pending, True)]
    actions = tuple(
        SignalAction(n, signal_name(n), _action(found.handler), found.handler, found.flags,
                     mask_names(found.mask))
        for n in range(1, NSIG + 1)
        if (found := task.actions.get(n)).handler != SIG_DFL
    )  # fmt: skip
    stack = task.altstack
    alternate = (stack.sp, stack.size) if stack.size else None
    return Signals(task.tid, tuple(pending), mask_names(task.blocked), actions, alternate)


def _action(handler: int) -> str:
    return "ignore" if handler == SIG_IGN else "handler"


def _pending(pending: PendingSet, shared: bool) -> list[PendingSignal]:
    queued = [
        PendingSignal(info.signo, signal_name(info.signo), info.code, _sender(info), shared)
        for info, _ in pending.queue
    ]
    known = {signal.number for signal in queued}
    lost = [n for n in range(1, NSIG + 1) if pending.has(n) and n not in known]
    return queued + [PendingSignal(n, signal_name(n), 0, None, shared) for n in lost]


def _sender(info: SigInfo) -> int | None:
    """The process that sent it, or the child it is about; None: the kernel, for another reason."""
    return info.pid if not info.from_kernel or info.signo == SIGCHLD else None


def mask_names(mask: int) -> tuple[str, ...]:
    """The signals of a mask, by name."""
    return tuple(signal_name(n) for n in range(1, NSIG + 1) if mask >> (n - 1) & 1)


def run_queue(system: System) -> RunQueue:
    """Who runs and who is next."""
    scheduler = system.scheduler
    real_time, ordinary = scheduler.waiting()
    ranked = tuple((rank, tuple(t.tid for t in queue)) for rank, queue in real_time)
    waiting = [tid for _, tids in ranked for tid in tids] + [task.tid for task in ordinary]
    return RunQueue(
        scheduler.current.tid if scheduler.current is not None else None,
        tuple(waiting),
        ranked,
        tuple(task.tid for task in ordinary),
        scheduler.load,
    )
