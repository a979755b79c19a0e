"""Calls counted by process: who made them, not only how many there were."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from kernel.events import Observer
from tools.stats import StatsRow

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.table import SyscallTable


class ProcessRows(NamedTuple):
    """One process; ``command`` is its last name."""

    pid: int
    command: str
    rows: tuple[StatsRow, ...]


@dataclass(slots=True)
class _Process:
    command: str = ""
    calls: dict[int, int] = field(default_factory=dict)
    errors: dict[int, int] = field(default_factory=dict)
    nanoseconds: dict[int, int] = field(default_factory=dict)


class ProcessCounts(Observer["Task"]):
    """Counts by process and number.

    The time is that of calls that did not sleep: a sleep is nobody's work.  Invariant: calls and
    errors of all processes add up to those of the machine's table.
    """

    def __init__(self) -> None:
        self._processes: dict[int, _Process] = {}
        self._entered: dict[int, tuple[int, int]] = {}

    def _of(self, task: Task) -> _Process:
        found = self._processes.setdefault(task.tgid, _Process())
        found.command = task.comm.decode(errors="replace")
        return found

    def syscall_enter(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """One more."""
        calls = self._of(task).calls
        calls[number] = calls.get(number, 0) + 1
        self._entered[task.tid] = (task.kernel.clock.monotonic(), task.voluntary_switches)

    def syscall_exit(
        self, task: Task, number: int, args: tuple[int, ...], result: int, reason: str
    ) -> None:
        """How it ended, and what it cost."""
        process = self._of(task)
        if -512 < result < 0:
            process.errors[number] = process.errors.get(number, 0) + 1
        started, sleeps = self._entered.pop(task.tid, (0, -1))
        if sleeps == task.voluntary_switches:
            spent = task.kernel.clock.monotonic() - started
            process.nanoseconds[number] = process.nanoseconds.get(number, 0) + spent

    def rows(self, table: SyscallTable) -> list[ProcessRows]:
        """Processes by number; their calls, most first."""
        return [
            ProcessRows(pid, process.command, _rows(table, process))
            for pid, process in sorted(self._processes.items())
        ]


def _rows(table: SyscallTable, process: _Process) -> tuple[StatsRow, ...]:
    rows = [
        StatsRow(
            table.name(number) or f"syscall_{number:#x}",
            calls,
            process.errors.get(number, 0),
            process.nanoseconds.get(number, 0),
            table.declared(number),
        )
        for number, calls in process.calls.items()
    ]
    return tuple(sorted(rows, key=lambda row: (-row.calls, row.name)))
