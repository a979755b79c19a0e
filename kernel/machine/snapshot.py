"""What every task is doing right now, as plain data and as lines for people.

Shown on SIGQUIT, in the report of a deadlock, and from Python (``machine.snapshot()``).  Taking one
changes nothing and needs no observer: a sleeping task keeps its call and what it waits for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.machine.holders import ending_thread, word_owner
from kernel.task.futex import Bucket
from kernel.task.task import RUNNING, STOPPED
from kernel.vfs.dentry import display_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kernel.machine.loop import Machine
    from kernel.task.system import System
    from kernel.task.task import Task
    from kernel.wait import WaitQueue

_SECOND: Final = 1_000_000_000
_LARGE: Final = 1 << 20
"""Numbers from here on are shown in hexadecimal: addresses, flags."""


class TaskSnapshot(NamedTuple):
    """One task.  ``call`` and ``args``: the system call it is in; ``pc``: where its user code is.

    ``files``: what the descriptors among the arguments are, as (number, path).

    ``waits_for``: the conditions any of which would wake it; ``holder``: the task that has the
    lock it waits for, where that can be told; ``seconds_left`` until its sleep ends by itself.
    """

    pid: int
    tid: int
    name: str
    state: str
    call: str | None
    args: tuple[int, ...]
    files: tuple[tuple[int, str], ...]
    waits_for: tuple[str, ...]
    holder: int | None
    seconds_left: float | None
    pc: int

    def __str__(self) -> str:
        where = f"pc {self.pc:#x}" if self.call is None else self._call()
        return f"{self.pid}/{self.tid} {self.name} {self.state} {where}{self._reason()}"

    def _call(self) -> str:
        shown = ", ".join(str(arg) if abs(arg) < _LARGE else hex(arg) for arg in self.args)
        files = "".join(f" [{fd} = {path}]" for fd, path in self.files)
        return f"{self.call}({shown}){files} pc {self.pc:#x}"

    def _reason(self) -> str:
        if not self.waits_for:
            return ""
        held = f", held by {self.holder}" if self.holder else ""
        left = "" if self.seconds_left is None else f", for {self.seconds_left:.3f} s at most"
        return f": waits for {' or '.join(self.waits_for)}{held}{left}"


def take_snapshot(machine: Machine) -> list[TaskSnapshot]:
    """Every task that has user code, by tid; zombies are left out."""
    tasks = machine.system.tasks
    return [
        task_snapshot(machine, tasks[tid])
        for tid in sorted(tasks)
        if tasks[tid].context is not None and not tasks[tid].dead
    ]


def task_snapshot(machine: Machine, task: Task) -> TaskSnapshot:
    """One task; it has user code and lives."""
    system = machine.system
    asleep = task.generator is not None
    number = task.call[0] if asleep and task.call is not None else None
    call = None if number is None else machine.table.name(number) or f"call {number}"
    raw = task.call[1:] if task.call is not None else ()
    return TaskSnapshot(
        task.tgid,
        task.tid,
        task.comm.decode("utf-8", "replace"),
        task.state,
        call,
        machine.table.decode(number, raw) if number is not None else (),
        _files(task, machine.table.descriptors(number, raw)) if number is not None else (),
        conditions(task),
        lock_holder(task),
        seconds_left(system, task),
        system.cpu.registers(task.context).pc,
    )


def _files(task: Task, fds: tuple[int, ...]) -> tuple[tuple[int, str], ...]:
    files = task.fds.files
    return tuple(
        (fd, display_path(files[fd].path).decode("utf-8", "replace")) for fd in fds if fd in files
    )


def sleep_queues(task: Task) -> tuple[WaitQueue, ...]:
    """The wait queues it sleeps on."""
    return task.waiter.queues if task.waiter is not None and not task.waiter.woken else ()


def conditions(task: Task) -> tuple[str, ...]:
    """What it waits for, in words: any of these would wake it."""
    if task.state == STOPPED:
        return ("SIGCONT",)
    if task.state == RUNNING or task.generator is None:
        return ()
    names = tuple(_condition(task, queue) for queue in sleep_queues(task))
    if not names and (task.sleep is None or task.sleep.deadline is None):
        return ("a signal",)
    return names or ("time",)


def _condition(task: Task, queue: WaitQueue) -> str:
    if isinstance(queue, Bucket) and task.mm is not None and queue.key[0] == task.mm.root:
        ending = ending_thread(task, queue.address)
        if ending:
            return f"{queue.name}, the end of thread {ending}"
    return queue.name or "something without a name"


def lock_holder(task: Task) -> int | None:
    """Who has the lock: sure for locks with priority inheritance, else what the word says."""
    if task.pi_blocked is not None:
        return task.pi_blocked.owner.tid
    for queue in sleep_queues(task):
        if isinstance(queue, Bucket) and task.mm is not None and queue.key[0] == task.mm.root:
            return word_owner(task, queue.address) or None
    return None


def seconds_left(system: System, task: Task) -> float | None:
    """Until its sleep ends by itself; None: it never will."""
    if task.timer is None or task.sleep is None or task.sleep.deadline is None:
        return None
    return max(0, task.sleep.deadline - system.clock.monotonic()) / _SECOND


def snapshot_lines(tasks: Iterable[TaskSnapshot]) -> list[str]:
    """For people: a heading and a line per task, pid/tid first."""
    lines = [str(task) for task in tasks]
    return [f"{len(lines)} task{'' if len(lines) == 1 else 's'}:", *(f"  {line}" for line in lines)]
