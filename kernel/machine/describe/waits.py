"""Who waits for what, and who could end it: wait queues, futexes, the wait-for graph.

A queue does not know what it belongs to, so ``_owners`` walks over the objects that have one and
remembers which is whose.  From the object follows who could wake a sleeper: an empty pipe those who
have its write end, a file lock its owner, a child's parent the children, a lock in user memory the
thread whose number is in the word.

A task is *stuck* if it sleeps without a deadline and everybody who could wake it is stuck, too: the
greatest such set is what deadlocks are made of.  Signals from outside could still end them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from kernel.abi.errors import EFAULT
from kernel.fs.pipe import PipeFile
from kernel.machine.describe.files import Holder, open_files
from kernel.machine.describe.plain import dotted
from kernel.machine.describe.processes import sleepers, text
from kernel.machine.describe.sockets import peer_of
from kernel.machine.holders import ending_thread
from kernel.machine.snapshot import conditions, lock_holder, seconds_left, sleep_queues
from kernel.net.socketfile import SocketFile
from kernel.task.futex import Bucket
from kernel.vfs.locks import LockTable
from kernel.wait import Waiter, WaitQueue

if TYPE_CHECKING:
    from kernel.fs.pipe import Pipe
    from kernel.machine.loop import Machine
    from kernel.task.system import System
    from kernel.task.task import Task
    from kernel.task.thread_group import ThreadGroup
    from kernel.vfs.openfile import OpenFile


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


class Wait(NamedTuple):
    """One sleeping task.

    ``wakers``: tids of those who could wake it, as far as that can be told; ``open_ended``: others
    could, too (the host, a timer, anybody); ``stuck``: nobody ever will.
    """

    tid: int
    pid: int
    comm: str
    call: str | None
    waits_for: tuple[str, ...]
    wakers: tuple[int, ...]
    open_ended: bool
    seconds_left: float | None
    stuck: bool
    implemented_by: str = "kernel.wait.Waiter"


class WaitGraph(NamedTuple):
    """All sleepers, and the circles among those who are stuck, each as tids in order."""

    waits: tuple[Wait, ...]
    cycles: tuple[tuple[int, ...], ...]
    implemented_by: str = "kernel.wait.WaitQueue"


def wait_queues(machine: Machine) -> tuple[QueueView, ...]:
    """Every queue that a task sleeps on, in order of the first sleeper's number."""
    system = machine.system
    owners = _owners(system)
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


# -- the graph -------------------------------------------------------------------------------------


def wait_graph(machine: Machine) -> WaitGraph:
    """Who waits for whom.  See the module for what ``stuck`` means."""
    system = machine.system
    asleep = [
        task
        for tid in sorted(system.tasks)
        if (task := system.tasks[tid]).generator is not None and conditions(task)
    ]
    find = _Wakers(system)
    wakers = {task.tid: find.of(task) for task in asleep}
    stuck = _stuck(
        {
            task.tid: wakers[task.tid][0]
            for task in asleep
            if not wakers[task.tid][1] and seconds_left(system, task) is None
        }
    )
    waits = tuple(
        Wait(
            task.tid,
            task.tgid,
            text(task.comm),
            machine.table.name(task.call[0]) if task.call is not None else None,
            conditions(task),
            *wakers[task.tid],
            seconds_left(system, task),
            task.tid in stuck,
        )
        for task in asleep
    )
    return WaitGraph(waits, _cycles(stuck))


def _stuck(edges: dict[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    """The greatest set whose members can only be woken by members."""
    stuck = {tid: wakers for tid, wakers in edges.items() if wakers}
    while True:
        left = {t: wakers for t, wakers in stuck.items() if all(w in stuck for w in wakers)}
        if len(left) == len(stuck):
            return left
        stuck = left


def _cycles(edges: dict[int, tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """From each task along its first waker until one comes again; each circle once.

    A task is its own next only if nobody else could wake it.
    """
    found: dict[tuple[int, ...], None] = {}
    for start in edges:
        path: list[int] = []
        here = start
        while here not in path:
            path.append(here)
            here = next((tid for tid in edges[here] if tid != here), here)
        circle = path[path.index(here) :]
        low = circle.index(min(circle))
        found[(*circle[low:], *circle[:low])] = None
    return tuple(found)


class _Wakers:
    """Who could wake a sleeper, from the objects it waits for."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.files = open_files(system)
        self.owners = _owners(system)

    def of(self, task: Task) -> tuple[tuple[int, ...], bool]:
        """(tids, could others, too?)"""
        if task.pi_blocked is not None:
            return (task.pi_blocked.owner.tid,), False
        found: dict[int, None] = {}
        unsure = not sleep_queues(task)
        for queue in sleep_queues(task):
            tids = self._of_queue(task, queue)
            unsure = unsure or tids is None
            found.update(dict.fromkeys(tids or ()))
        return tuple(found), unsure

    def _of_queue(self, task: Task, queue: WaitQueue) -> list[int] | None:
        """None: it cannot be told."""
        if isinstance(queue, Bucket):
            return self._of_futex(task, queue)
        owner = self.owners.get(queue)
        if isinstance(owner, PipeFile):
            return self._pipe_partners(owner.pipe)
        if isinstance(owner, SocketFile):
            peer = peer_of(owner)
            return self._holders_of(peer) if peer is not None else None
        if isinstance(owner, LockTable):
            return self._lock_owners(owner)
        return self._of_group(task, queue)

    def _of_group(self, task: Task, queue: WaitQueue) -> list[int] | None:
        """Children, a vforked child, the threads execve ends, a process somebody waits for."""
        group = task.group
        if queue is group.child_wait:
            return self._tasks_of(list(group.children))
        if queue is group.siblings_gone:
            return [tid for tid in sorted(group.tasks) if tid != task.tid]
        owner = self.owners.get(queue)
        if owner is not None and hasattr(owner, "vfork_done"):
            return [cast("Task", owner).tid]
        if owner is not None and hasattr(owner, "ended"):
            return self._tasks_of([cast("ThreadGroup", owner).pid])
        return None

    def _of_futex(self, task: Task, bucket: Bucket) -> list[int]:
        """The owner of the lock, or the thread whose end is awaited; else all who see the word."""
        owner = lock_holder(task)
        if owner is None and task.mm is not None and bucket.key[0] == task.mm.root:
            owner = ending_thread(task, bucket.address) or None
        if owner is not None:
            return [owner]
        tasks = self.system.tasks
        if bucket.key[0] < 0:
            return []
        return [tid for tid in sorted(tasks) if tid != task.tid and tasks[tid].mm is task.mm]

    def _pipe_partners(self, pipe: Pipe) -> list[int]:
        wanted = [
            file
            for file in self.files
            if isinstance(file, PipeFile)
            and file.pipe is pipe
            and (file.readable if pipe.size else file.writable)
        ]
        return self._tasks_of([pid for file in wanted for pid, _ in self.files[file]])

    def _holders_of(self, file: OpenFile) -> list[int] | None:
        holders: list[Holder] = self.files.get(file, [])
        return self._tasks_of([pid for pid, _ in holders]) if holders else None

    def _lock_owners(self, table: LockTable) -> list[int]:
        pids = [lock.pid for lock in table.records]
        for owner in (*table.flocks, *(lock.owner for lock in table.records if lock.pid < 0)):
            pids += [pid for pid, _ in self.files.get(cast("OpenFile", owner), [])]
        return self._tasks_of(pids)

    def _tasks_of(self, pids: list[int]) -> list[int]:
        groups = self.system.groups
        return [tid for pid in dict.fromkeys(pids) if pid in groups for tid in groups[pid].tasks]


def _owners(system: System) -> dict[WaitQueue, object]:
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
