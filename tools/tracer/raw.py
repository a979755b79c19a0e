"""The raw form: one line when a call is entered and one when it returns (REQUIREMENTS K10).

::

    [TRACE] pid=2 write(1) args=(0x1, 0x400100, 0x5, 0x0, 0x0, 0x0)
    [TRACE] pid=2 open(2) → -2 (ENOENT)

The number in parentheses is the call's, which tells the CPUs apart; arguments are the registers as
they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import BY_NUMBER
from kernel.events import Observer
from tools.tracer.filters import Filter
from tools.tracer.lines import Sink

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.table import SyscallTable

MAX_ERRNO = 4095


class RawTracer(Observer["Task"]):
    """Prints registers and results; looks at no memory."""

    def __init__(
        self,
        table: SyscallTable,
        sink: Sink,
        filters: Filter | None = None,
        *,
        follow: bool = True,
    ) -> None:
        self.table = table
        self.filter = filters or Filter()
        self._sink = sink
        self._follow = follow
        self._root: int | None = None

    def _shown(self, task: Task, number: int) -> bool:
        if self._root is None:
            self._root = task.tgid
        if not self._follow and task.tgid != self._root:
            return False
        return self.filter.call(self.table.name(number))

    def _head(self, task: Task, number: int) -> str:
        return f"[TRACE] pid={task.tid} {self.table.name(number) or 'unknown'}({number})"

    def syscall_enter(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """Six hexadecimal registers."""
        if self._shown(task, number) and self.filter.statuses is None:
            registers = ", ".join(f"{arg:#x}" for arg in args)
            self._sink.write(f"{self._head(task, number)} args=({registers})\n")

    def syscall_exit(
        self, task: Task, number: int, args: tuple[int, ...], result: int, reason: str
    ) -> None:
        """The result, with the error's name where it is one."""
        failed = -MAX_ERRNO <= result < 0
        if not self._shown(task, number) or not self.filter.status(failed):
            return
        error = BY_NUMBER.get(-result) if failed else None
        name = f" ({error.__name__})" if error is not None else ""
        self._sink.write(f"{self._head(task, number)} → {result}{name}\n")
