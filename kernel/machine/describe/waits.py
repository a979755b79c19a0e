"""What is slept on: wait queues and futexes.

A queue does not know what it belongs to, so ``queue_owners`` walks over the objects that have one
and remembers which is whose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from kernel.abi.errors import EFAULT
from kernel.machine.describe.files import open_files
from kernel.machine.describe.plain import dotted
from kernel.machine.describe.processes import sleepers
from kernel.machine.snapshot import lock_holder, sleep_queues
from kernel.wait import Waiter, WaitQueue

if TYPE_CHECKING:
    from kernel.machine.loop import Machine
    from kernel.task.system import System
    from kernel.task.task import Task


class QueueView(NamedTuple):
    """One wait queue somebody is on.

    ``sleepers`` by tid in the order they came, ``exclusive`` those of them that want to be woken
    alone; ``watchers``: entries that only listen (epoll, O_ASYNC); ``implemented_by``: the class of
    the object the queue belongs to.
    """

    name: str
    sleepers: tuple[int, ...]
    exclusive: tuple[int, ...]
    watchers: int
    implemented_by: str


class FutexView(NamedTuple):
    """One word that somebody sleeps on.

    ``shared``: it lies in a shared mapping and means the same in every process, whatever its
    address there; ``value``: the word now; ``owner``: whose tid is in it, where that can be told;
    ``inherits``: a lock with priority inheritance.
    """

    address: int
    pid: int
    shared: bool
    value: int | None
    owner: int | None
    inherits: bool
    waiters: tuple[int, ...]
    implemented_by: str


def wait_queues(machine: Machine) -> tuple[QueueView, ...]:
    """Every queue that a task sleeps on, in order of the first sleeper's number."""
    system = machine.system
    owners = queue_owners(system)
    found: dict[WaitQueue, None] = {}
    for tid in sorted(system.tasks):
        found.update(dict.fromkeys(sleep_queues(system.tasks[tid])))
    return tuple(_queue(queue, owners.get(queue, queue)) for queue in found)


def _queue(queue: WaitQueue, owner: object) -> QueueView:
    return QueueView(
        queue.name,
        sleepers(queue),
        tuple(
            cast("Task", e.sleeper).tid
            for e in queue.waiters
            if isinstance(e, Waiter) and e.exclusive
        ),
        sum(1 for entry in queue.waiters if not isinstance(entry, Waiter)),
        dotted(type(owner)),
    )


def futexes(system: System) -> tuple[FutexView, ...]:
    """Every word with a sleeper, by the first sleeper's number."""
    table = system.futexes
    views = [
        _futex(system, key[0] < 0, bucket, bucket.address, sleepers(bucket), False)
        for key, bucket in table.buckets.items()
        if sleepers(bucket)
    ]
    for key, lock in table.locks.items():
        for task, address in lock.waiters.items():
            tids = tuple(waiter.tid for waiter in lock.waiters)
            views.append(_futex(system, key[0] < 0, lock, address, tids, True, task, lock.owner))
            break
    return tuple(sorted(views, key=lambda view: view.waiters))


def _futex(
    system: System, shared: bool, thing: object, address: int, waiters: tuple[int, ...],
    inherits: bool, task: Task | None = None, owner: Task | None = None,
) -> FutexView:  # fmt: skip
    first = task or system.tasks[waiters[0]]
    holder = owner.tid if owner is not None else lock_holder(first)
    value = _word(first, address)
    kind = dotted(type(thing))
    return FutexView(address, first.tgid, shared, value, holder, inherits, waiters, kind)


def _word(task: Task, address: int) -> int | None:
    try:
        return task.mem.read_u32(address)
    except EFAULT:
        return None


def queue_owners(system: System) -> dict[WaitQueue, object]:
    """Whose queue is it?  Of files somebody has open, their locks, tasks and processes."""
    found: dict[WaitQueue, object] = {}
    for file in open_files(system):
        if file.queue is not None:
            found.setdefault(file.queue, file)
        if file.inode.locks is not None:
            found[file.inode.locks.queue] = file.inode.locks
    for pid in sorted(system.groups):
        group = system.groups[pid]
        found[group.child_wait] = found[group.ended] = group
        if group.siblings_gone is not None:
            found[group.siblings_gone] = group
    for tid in sorted(system.tasks):
        done = system.tasks[tid].vfork_done
        if done is not None:
            found[done] = system.tasks[tid]
    for key in system.futexes.buckets:
        bucket = system.futexes.buckets[key]
        found[bucket] = bucket
    return found
