"""Sleeping calls go back to their start: what saving a machine needs of them.

A sleeping call is a generator, which nobody can keep; but it is never more than its number, six raw
arguments, a restart block and a deadline.  ``freeze`` takes each sleeper out of its generator, as a
signal would, and keeps those values; ``thaw`` makes the calls anew, in the order in which they fell
asleep, so that queues stay first come first served.  In between nobody runs, so nobody sees the
difference, but for what a stop brings, too: a transfer that had moved some bytes is over, with a
short count, and a sleeper of FUTEX_WAIT_REQUEUE_PI that was moved to its lock gets EAGAIN.

What only SIGKILL can wake stays asleep: the parent of a vfork, and execve while its siblings end.
Both wait for tasks that are part of the same state.

Linux analogue: ``freeze_processes()``, ``thaw_processes()``.  Differs from Linux: calls that would
return EINTR after a stop (epoll_wait(2), semop(2), a socket with a timeout) go on, too.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kernel.abi.errors import EINTR, ERESTART_RESTARTBLOCK, KernelError
from kernel.task import sleep
from kernel.task.delivery import give_back_mask

if TYPE_CHECKING:
    from kernel.machine.loop import Machine
    from kernel.task.task import Task
    from kernel.wait import WaitQueue

TRAP_WORDS: Final = 16


class Frozen(NamedTuple):
    """One call that slept: plain values, and the task it is of.

    ``call``: its number and six raw arguments; ``block``: what restart_syscall(2) needs, if it goes
    on by that; ``deadline``: when its sleep ends by itself, in ns of the monotonic clock.
    """

    tid: int
    call: tuple[int, ...]
    block: tuple[str, tuple[int, ...], int | None] | None
    deadline: int | None


def freeze(machine: Machine) -> list[Frozen]:
    """End every sleep that can be; what is needed to begin them again, in their order."""
    frozen = []
    for task in _in_order(machine):
        found = _freeze(machine, task)
        if found is not None:
            frozen.append(found)
    return frozen


def thaw(machine: Machine, frozen: list[Frozen]) -> None:
    """Make the calls again; each sleeps, or has its result."""
    for one in frozen:
        task = machine.system.tasks.get(one.tid)
        if task is not None and not task.dead:
            _thaw(machine, task, one)


def _in_order(machine: Machine) -> list[Task]:
    """The sleepers, so that whoever is before another in some queue comes first."""
    tasks = machine.system.tasks
    asleep = {tid: tasks[tid] for tid in sorted(tasks) if tasks[tid].generator is not None}
    last: dict[WaitQueue, int | None] = {}
    before: dict[int, list[int]] = {tid: [] for tid in asleep}
    for tid, task in asleep.items():
        for queue in task.waiter.queues if task.waiter is not None else ():
            if queue not in last:
                last[queue] = _chain(queue, before)
            end = last[queue]
            if task.waiter not in queue.waiters and end is not None:
                before[tid].append(end)  # woken: if it sleeps again, then behind all of them
    done: dict[int, Task] = {}
    for tid in asleep:
        _add(tid, before, asleep, done)
    return list(done.values())


def _chain(queue: WaitQueue, before: dict[int, list[int]]) -> int | None:
    """Each sleeper of a queue comes behind the one before it; the last one, or None."""
    sleepers = (getattr(getattr(entry, "sleeper", None), "tid", None) for entry in queue.waiters)
    here = [tid for tid in sleepers if tid in before]
    for first, second in pairwise(here):
        before[second].append(first)
    return here[-1] if here else None


def _add(
    tid: int, before: dict[int, list[int]], asleep: dict[int, Task], done: dict[int, Task]
) -> None:
    """Put a task behind everybody who is before it; there may be thousands, so no recursion."""
    path = [tid]
    while path:
        here = path[-1]
        others = before[here]
        if here not in done and others:
            path.append(others.pop())  # each is followed once, so a circle has an end, too
            continue
        done.setdefault(here, asleep[here])
        path.pop()


def _freeze(machine: Machine, task: Task) -> Frozen | None:
    """None: its call is over, or it has to stay asleep."""
    scheduler = machine.system.scheduler
    while task.generator is not None and task.waiter is not None:
        if task.waiter.woken or task.timed_out:  # on its way already: let it come there
            scheduler.remove(task)
            if machine._wake(task):
                scheduler.enqueue(task)
            continue
        call = task.call
        deadline = task.sleep.deadline if task.sleep is not None else None
        result = machine._guarded(task, sleep.settle, task)
        if result is None or call is None:
            return None
        scheduler.remove(task)  # settling it has made it runnable
        reason, task.interrupted = task.interrupted, None
        if reason is None and result != -EINTR.errno:
            machine._finish_sleep(task, result)
            scheduler.enqueue(task)
            return None
        block = reason.block if isinstance(reason, ERESTART_RESTARTBLOCK) else None
        give_back_mask(task)
        return Frozen(task.tid, call, block, deadline)
    return None


def _thaw(machine: Machine, task: Task, frozen: Frozen) -> None:
    scheduler = machine.system.scheduler
    result = machine._guarded(task, _begin, machine, task, frozen)
    if result is not None:
        machine._finish_sleep(task, result)
        if not task.dead:
            scheduler.enqueue(task)


def _begin(machine: Machine, task: Task, frozen: Frozen) -> Any:
    """The call's result, or None: it sleeps again."""
    words = frozen.call
    if frozen.block is not None:
        task.restart_block = frozen.block
        words = (machine.system.restart_syscall, 0, 0, 0, 0, 0, 0)
    trap = memoryview(bytearray(8 * TRAP_WORDS)).cast("Q")
    for place, word in enumerate(words):
        trap[place] = word
    task.call = frozen.call
    entries = machine.table.entries
    try:
        result = entries[words[0]](task, trap)
    except KernelError as error:
        return sleep.failed(task, error)
    if result.__class__ is int:
        return result
    return sleep.begin(task, result, frozen.deadline)
