"""The wait-for graph: who waits for whom, and who is stuck.

From the object a wait queue belongs to follows who could wake a sleeper: an empty pipe those who
have its write end, a file lock its owner, a child's parent the children, a lock in user memory the
thread whose number is in the word.

A task is *stuck* if it sleeps without a deadline and everybody who could wake it is stuck, too: the
greatest such set is what deadlocks are made of.  Signals from outside could still end them.

Thousands of threads may sleep on one word, each to be woken by any other.  So those who could wake
the sleepers of one object are one *crowd*, however many sleep there, and all that is done takes
time in proportion to the tasks and the crowds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.fs.pipe import PipeFile
from kernel.machine.describe.files import open_files
from kernel.machine.describe.processes import sleepers, text
from kernel.machine.describe.sockets import peer_of
from kernel.machine.describe.waits import queue_owners
from kernel.machine.holders import ending_thread
from kernel.machine.snapshot import conditions, lock_holder, seconds_left, sleep_queues
from kernel.net.socketfile import SocketFile
from kernel.task.futex import Bucket
from kernel.task.task import Task
from kernel.task.thread_group import ThreadGroup
from kernel.vfs.locks import LockTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kernel.fs.pipe import Pipe
    from kernel.machine.loop import Machine
    from kernel.mm.address_space import AddressSpace
    from kernel.task.system import System
    from kernel.vfs.openfile import OpenFile
    from kernel.wait import WaitQueue

MOST_WAKERS: Final = 32
"""So many are named of those who could wake a task."""


class Wait(NamedTuple):
    """One sleeping task.

    ``wakers``: tids of those who could wake it, as far as that can be told, at most MOST_WAKERS of
    them, and ``more`` who are not named; ``open_ended``: others could, too (the host, a timer,
    anybody); ``stuck``: nobody ever will.
    """

    tid: int
    pid: int
    comm: str
    call: str | None
    waits_for: tuple[str, ...]
    wakers: tuple[int, ...]
    more: int
    open_ended: bool
    seconds_left: float | None
    stuck: bool
    implemented_by: str = "kernel.wait.Waiter"


class WaitGraph(NamedTuple):
    """All sleepers, and the circles among those who are stuck, each as tids in order."""

    waits: tuple[Wait, ...]
    cycles: tuple[tuple[int, ...], ...]
    implemented_by: str = "kernel.wait.WaitQueue"


def wait_graph(machine: Machine) -> WaitGraph:
    """Who waits for whom.  See the module for what ``stuck`` means."""
    system = machine.system
    asleep = [
        task
        for tid in sorted(system.tasks)
        if (task := system.tasks[tid]).generator is not None and conditions(task)
    ]
    wakers = Wakers(system)
    found = {task.tid: wakers.of(task) for task in asleep}
    sure = {
        task.tid: crowd
        for task in asleep
        for crowd, unsure in (found[task.tid],)
        if not unsure and seconds_left(system, task) is None
    }
    stuck = stuck_tasks(sure, wakers.crowds)
    waits = (_wait(machine, task, wakers, *found[task.tid], task.tid in stuck) for task in asleep)
    return WaitGraph(tuple(waits), circles(stuck, wakers.crowds))


def _wait(
    machine: Machine, task: Task, wakers: Wakers, crowd: int, unsure: bool, stuck: bool
) -> Wait:
    named, more = wakers.named(task, crowd)
    return Wait(
        task.tid,
        task.tgid,
        text(task.comm),
        machine.table.name(task.call[0]) if task.call is not None else None,
        conditions(task),
        named,
        more,
        unsure,
        seconds_left(machine.system, task),
        stuck,
    )


def stuck_tasks(waits: dict[int, int], crowds: Sequence[tuple[int, ...]]) -> dict[int, int]:
    """The greatest set whose members can only be woken by members.

    ``waits``: tid -> number of the crowd that could wake it; the result is a part of it.
    """
    waiting: dict[int, list[int]] = {}
    for tid, crowd in waits.items():
        waiting.setdefault(crowd, []).append(tid)
    member_of: dict[int, list[int]] = {}
    for crowd in waiting:
        for tid in crowds[crowd]:
            member_of.setdefault(tid, []).append(crowd)
    able = [n for n in waiting if not crowds[n] or any(tid not in waits for tid in crowds[n])]
    known = dict.fromkeys(able)
    left = dict(waits)
    while able:
        for tid in waiting[able.pop()]:
            del left[tid]
            fresh = [n for n in member_of.get(tid, ()) if n not in known]
            known.update(dict.fromkeys(fresh))
            able += fresh
    return left


def circles(
    stuck: dict[int, int], crowds: Sequence[tuple[int, ...]]
) -> tuple[tuple[int, ...], ...]:
    """From each task along its first waker until one comes again; each circle once.

    A task is its own next only if nobody else could wake it.
    """
    found: list[tuple[int, ...]] = []
    first_met: dict[int, int] = {}
    for start in stuck:
        path: list[int] = []
        here = start
        while here not in first_met:
            first_met[here] = start
            path.append(here)
            here = next((tid for tid in crowds[stuck[here]] if tid != here), here)
        if path and first_met[here] == start:
            circle = path[path.index(here) :]
            low = circle.index(min(circle))
            found.append((*circle[low:], *circle[:low]))
    return tuple(found)


class Wakers:
    """Who could wake a sleeper, from the objects it waits for.

    ``crowds``: groups of tids, by number.  ``_of_queues``: the crowd of a queue, None if it cannot
    be told; ``_of_spaces``: everybody who sees an address space.
    """

    def __init__(self, system: System) -> None:
        self.system = system
        self.files = open_files(system)
        self.owners = queue_owners(system)
        self.crowds: list[tuple[int, ...]] = [()]
        self._singles: dict[int, int] = {}
        self._of_queues: dict[WaitQueue, int | None] = {}
        self._of_spaces: dict[AddressSpace, int] = {}
        self._pipes: dict[Pipe, list[PipeFile]] = {}
        for file in self.files:
            if isinstance(file, PipeFile):
                self._pipes.setdefault(file.pipe, []).append(file)
        self._find_spaces()

    def _find_spaces(self) -> None:
        seen_by: dict[AddressSpace, list[int]] = {}
        for tid in sorted(self.system.tasks):
            mm = self.system.tasks[tid].mm
            if mm is not None:
                seen_by.setdefault(mm, []).append(tid)
        for mm, tids in seen_by.items():
            self._of_spaces[mm] = self._crowd(tids) if len(tids) > 1 else 0

    def _crowd(self, tids: Iterable[int]) -> int:
        self.crowds.append(tuple(tids))
        return len(self.crowds) - 1

    def _single(self, tid: int) -> int:
        if tid not in self._singles:
            self._singles[tid] = self._crowd((tid,))
        return self._singles[tid]

    def named(self, task: Task, crowd: int) -> tuple[tuple[int, ...], int]:
        """Some of a crowd, and how many more there are.  Who shares memory does not mean itself."""
        others = crowd == self._of_spaces.get(task.mm) if task.mm is not None else False
        some = self.crowds[crowd][: MOST_WAKERS + others]
        named = tuple(tid for tid in some if not (others and tid == task.tid))[:MOST_WAKERS]
        return named, len(self.crowds[crowd]) - (others and crowd > 0) - len(named)

    def of(self, task: Task) -> tuple[int, bool]:
        """(the crowd, could others, too?)"""
        if task.pi_blocked is not None:
            return self._single(task.pi_blocked.owner.tid), False
        found = [self._of_queue(task, queue) for queue in sleep_queues(task)]
        known = list(dict.fromkeys(crowd for crowd in found if crowd is not None))
        unsure = not found or None in found
        if len(known) == 1:
            return known[0], unsure
        everybody = dict.fromkeys(tid for crowd in known for tid in self.crowds[crowd])
        return self._crowd(everybody) if everybody else 0, unsure

    def _of_queue(self, task: Task, queue: WaitQueue) -> int | None:
        """None: it cannot be told."""
        if isinstance(queue, Bucket):
            return self._of_futex(task, queue)
        if queue not in self._of_queues:
            tids = self._of_object(queue, self.owners.get(queue))
            self._of_queues[queue] = self._crowd(tids) if tids is not None else None
        return self._of_queues[queue]

    def _of_object(self, queue: WaitQueue, owner: object) -> list[int] | None:
        if isinstance(owner, PipeFile):
            return self._pipe_partners(owner.pipe)
        if isinstance(owner, SocketFile):
            peer = peer_of(owner)
            return self._holders_of(peer) if peer is not None else None
        if isinstance(owner, LockTable):
            return self._lock_owners(owner)
        if isinstance(owner, ThreadGroup):
            return self._of_group(queue, owner)
        return [owner.tid] if isinstance(owner, Task) else None  # who vfork waits for

    def _of_group(self, queue: WaitQueue, group: ThreadGroup) -> list[int]:
        """Children, the threads execve ends, a process somebody waits for."""
        if queue is group.child_wait:
            return self._tasks_of(group.children)
        if queue is group.siblings_gone:
            executing = sleepers(queue)
            return [tid for tid in sorted(group.tasks) if tid not in executing]
        return self._tasks_of((group.pid,))

    def _of_futex(self, task: Task, bucket: Bucket) -> int:
        """The owner of the lock, or the thread whose end is awaited; else all who see the word."""
        owner = lock_holder(task)
        if owner is None and task.mm is not None and bucket.key[0] == task.mm.root:
            owner = ending_thread(task, bucket.address) or None
        if owner is not None:
            return self._single(owner)
        if bucket.key[0] < 0 or task.mm is None:
            return 0
        return self._of_spaces[task.mm]

    def _pipe_partners(self, pipe: Pipe) -> list[int]:
        wanted = [
            file
            for file in self._pipes.get(pipe, ())
            if (file.readable if pipe.size else file.writable)
        ]
        return self._tasks_of(pid for file in wanted for pid, _ in self.files[file])

    def _holders_of(self, file: OpenFile) -> list[int] | None:
        found = self.files.get(file)
        return self._tasks_of(pid for pid, _ in found) if found else None

    def _lock_owners(self, table: LockTable) -> list[int]:
        pids = [lock.pid for lock in table.records]
        for owner in (*table.flocks, *(lock.owner for lock in table.records if lock.pid < 0)):
            pids += [pid for pid, _ in self.files.get(owner, [])]  # type: ignore[call-overload]
        return self._tasks_of(pids)

    def _tasks_of(self, pids: Iterable[int]) -> list[int]:
        groups = self.system.groups
        return [tid for pid in dict.fromkeys(pids) if pid in groups for tid in groups[pid].tasks]
