"""Semaphore sets.  See semget(2), semop(2), semctl(2).

The operations of one semop(2) happen all together or not at all.  A call that cannot go on sleeps
on the set's queue and tries again whenever a value changed.  What SEM_UNDO has to take back when
a process ends is kept with the set, by process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kernel.abi.errors import EAGAIN, EFBIG, EIDRM, EINTR, ERANGE
from kernel.abi.ipc import (
    IPC_NOWAIT,
    READ,
    SEM_UNDO,
    SEMAEM,
    SEMID_DS,
    SEMID_DS_PADDED,
    SEMVMX,
    WRITE,
)
from kernel.task.sysv.ids import IpcObject, seconds
from kernel.wait import Interrupted, Sleep, WaitQueue

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.task.thread_group import ThreadGroup
    from kernel.wait import Blocking


class Operation(NamedTuple):
    """struct sembuf."""

    number: int
    change: int
    flags: int


class SemaphoreSet(IpcObject):
    """Invariants: values are 0..SEMVMX; a process in ``undo`` has this set in its ``sem_undo``.

    ``pids``: who changed each semaphore last.  ``blocked``: the operation each sleeping call waits
    for (GETNCNT and GETZCNT count them).
    """

    __slots__ = ("blocked", "otime", "pids", "undo", "values", "waiting")

    def __init__(self, task: Task, key: int, count: int, mode: int) -> None:
        super().__init__(task, key, mode)
        self.values = [0] * count
        self.pids = [0] * count
        self.undo: dict[ThreadGroup, list[int]] = {}
        self.blocked: dict[Task, Operation] = {}
        self.waiting = WaitQueue("semaphore set")
        self.otime = 0

    def pack(self, padded: bool) -> bytes:
        """``struct semid64_ds``."""
        layout = SEMID_DS_PADDED if padded else SEMID_DS
        return layout.pack(self.pack_perm(), self.otime, self.ctime, len(self.values))

    def sleepers(self, number: int, for_zero: bool) -> int:
        """GETZCNT, GETNCNT."""
        return sum(
            operation.number == number and (operation.change == 0) == for_zero
            for operation in self.blocked.values()
        )

    def changed(self) -> None:
        """Values changed: everybody who waits tries again."""
        if self.waiting.waiters:
            self.waiting.wake(len(self.waiting.waiters))

    def set_value(self, task: Task, number: int, value: int) -> None:
        """SETVAL: what anybody had to undo of it is forgotten."""
        if not 0 <= value <= SEMVMX:
            raise ERANGE("%d is no value of a semaphore, which are 0 to %d", value, SEMVMX)
        self._set(task, number, value)
        self.ctime = seconds(task)
        self.changed()

    def set_values(self, task: Task, values: tuple[int, ...]) -> None:
        """SETALL."""
        if any(value > SEMVMX for value in values):
            raise ERANGE("%d is above SEMVMX, %d", max(values), SEMVMX)
        for number, value in enumerate(values):
            self._set(task, number, value)
        self.ctime = seconds(task)
        self.changed()

    def _set(self, task: Task, number: int, value: int) -> None:
        self.values[number] = value
        self.pids[number] = task.tgid
        for adjustments in self.undo.values():
            adjustments[number] = 0


def remove_set(task: Task, semaphores: SemaphoreSet) -> None:
    """IPC_RMID."""
    semaphores.check_owner(task)
    task.kernel.ipc.semaphores.remove(semaphores)
    for group in semaphores.undo:
        del group.sem_undo[semaphores]
    semaphores.undo.clear()
    semaphores.changed()


# --- operations ----------------------------------------------------------------------------------


def operate(
    task: Task, ident: int, operations: tuple[Operation, ...], deadline: int | None
) -> int | Blocking[int]:
    """semop(2), semtimedop(2)."""
    semaphores = task.kernel.ipc.semaphores.find(ident)
    if any(operation.number >= len(semaphores.values) for operation in operations):
        raise EFBIG("set %d has semaphores 0 to %d", ident, len(semaphores.values) - 1)
    alters = any(operation.change for operation in operations)
    semaphores.check(task, WRITE if alters else READ)
    blocker = _try(task, semaphores, operations)
    if blocker is None:
        return 0
    if blocker.flags & IPC_NOWAIT:
        raise EAGAIN(*_refused(semaphores, blocker))
    return _operate_later(task, semaphores, operations, blocker, deadline)


def _refused(semaphores: SemaphoreSet, operation: Operation) -> tuple[str, int, int, int, int]:
    """A reason: which semaphore does not allow an operation now."""
    number = operation.number
    return (
        "semaphore %d is %d and does not allow %+d (IPC_NOWAIT); last changed by process %d",
        number, semaphores.values[number], operation.change, semaphores.pids[number],
    )  # fmt: skip


def _operate_later(
    task: Task, semaphores: SemaphoreSet, operations: tuple[Operation, ...],
    blocker: Operation, deadline: int | None,
) -> Blocking[int]:  # fmt: skip
    """A handler ends the call in spite of SA_RESTART (signal(7))."""
    waiting: Operation | None = blocker
    try:
        while waiting is not None:
            semaphores.blocked[task] = waiting
            if not (yield Sleep((semaphores.waiting,), deadline)):
                raise EAGAIN("the time to wait is over")
            if semaphores.removed:
                raise EIDRM("semaphore set %d was removed while the call waited", semaphores.ident)
            waiting = _try(task, semaphores, operations)
            if waiting is not None and waiting.flags & IPC_NOWAIT:
                raise EAGAIN(*_refused(semaphores, waiting))
    except Interrupted:
        raise EINTR("a signal came") from None
    finally:
        semaphores.blocked.pop(task, None)
    return 0


def _try(
    task: Task, semaphores: SemaphoreSet, operations: tuple[Operation, ...]
) -> Operation | None:
    """Do all of them, or none and name the first that has to wait."""
    values = list(semaphores.values)
    adjustments = _adjustments(task, semaphores, operations)
    for operation in operations:
        number, change, flags = operation
        value = values[number] + change
        if value < 0 or (not change and value):
            return operation
        if value > SEMVMX:
            raise ERANGE("semaphore %d would be %d, above SEMVMX, %d", number, value, SEMVMX)
        if flags & SEM_UNDO and adjustments is not None:
            adjustments[number] -= change
            if not -SEMAEM - 1 <= adjustments[number] <= SEMAEM:
                raise ERANGE("an adjustment above SEMAEM")
        values[number] = value
    _commit(task, semaphores, operations, values, adjustments)
    return None


def _adjustments(
    task: Task, semaphores: SemaphoreSet, operations: tuple[Operation, ...]
) -> list[int] | None:
    if not any(operation.flags & SEM_UNDO for operation in operations):
        return None
    return list(semaphores.undo.get(task.group) or [0] * len(semaphores.values))


def _commit(
    task: Task, semaphores: SemaphoreSet, operations: tuple[Operation, ...], values: list[int],
    adjustments: list[int] | None,
) -> None:  # fmt: skip
    changed = values != semaphores.values
    semaphores.values = values
    for operation in operations:
        semaphores.pids[operation.number] = task.tgid
    if adjustments is not None:
        semaphores.undo[task.group] = adjustments
        task.group.sem_undo[semaphores] = None
    semaphores.otime = seconds(task)
    if changed:
        semaphores.changed()


def undo_semaphores(group: ThreadGroup) -> None:
    """The process ends: take back what it did with SEM_UNDO.  See semop(2)."""
    for semaphores in list(group.sem_undo):
        adjustments = semaphores.undo.pop(group)
        for number, adjustment in enumerate(adjustments):
            if adjustment:
                value = semaphores.values[number] + adjustment
                semaphores.values[number] = min(max(value, 0), SEMVMX)
                semaphores.pids[number] = group.pid
        semaphores.changed()
    group.sem_undo.clear()
