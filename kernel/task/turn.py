"""The present turn of the processor, so that time in the kernel can be told while it runs.

A turn is wall time; the processor counts the part of it spent in user code, the rest was spent in
the kernel on the task's behalf.  Nothing is measured per trap.
"""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernel.task.task import Task


class Turn:
    """Whose turn it is, when it began, and how much user time the task had then."""

    __slots__ = ("_began", "_user", "task")

    def __init__(self) -> None:
        self.task: Task | None = None
        self._began = 0
        self._user = 0

    def begin(self, task: Task) -> None:
        """The machine gives the processor to a task."""
        self.task = task
        self._user = task.utime
        self._began = monotonic_ns()

    def kernel_ns(self, task: Task) -> int:
        """Nanoseconds of the present turn that ``task`` spent in the kernel; 0 if not its turn."""
        if task is not self.task:
            return 0
        return max(0, monotonic_ns() - self._began - (task.utime - self._user))

    def end(self) -> None:
        """The turn is over: add it up, unless the task has died and was added up by exit."""
        task = self.task
        if task is not None and not task.dead:
            task.stime_ns += self.kernel_ns(task)
        self.task = None
