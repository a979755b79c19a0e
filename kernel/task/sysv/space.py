"""The IPC objects of one machine.  Linux: ``struct ipc_namespace``."""

from __future__ import annotations

from kernel.abi.ipc import MSGMNI, SEMMNI, SHMMNI
from kernel.task.sysv.ids import IdTable
from kernel.task.sysv.msg import MessageQueue
from kernel.task.sysv.sem import SemaphoreSet
from kernel.task.sysv.shm import Segment


class IpcSpace:
    """Three tables, filled by shmget(2), semget(2) and msgget(2)."""

    __slots__ = ("queues", "segments", "semaphores")

    def __init__(self) -> None:
        self.segments: IdTable[Segment] = IdTable(SHMMNI)
        self.semaphores: IdTable[SemaphoreSet] = IdTable(SEMMNI)
        self.queues: IdTable[MessageQueue] = IdTable(MSGMNI)

    def __repr__(self) -> str:
        return "<IpcSpace>"
