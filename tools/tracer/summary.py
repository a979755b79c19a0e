"""``strace -c``: calls counted instead of printed, and the table at the end.

The time of a call is what the kernel spent on it: a sleep does not count.  With ``-w`` it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernel.events import Observer
from tools.tracer.columns import COLUMNS, DEFAULT_COLUMNS
from tools.tracer.filters import Filter

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.table import SyscallTable

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Shape:
    """``-S``, ``-U`` and ``-w``; no columns: the usual ones."""

    sort_by: str = "time-percent"
    columns: str = ""
    overhead: int = 0  # nanoseconds of each call that are the tracer's own
    wall_clock: bool = False


@dataclass(slots=True)
class _Count:
    calls: int = 0
    errors: int = 0
    ns: int = 0
    shortest: int = 0
    longest: int = 0

    def add(self, ns: int) -> None:
        """One more call."""
        self.shortest = min(self.shortest, ns) if self.calls else ns
        self.longest = max(self.longest, ns)
        self.calls += 1
        self.ns += ns


class Summary(Observer["Task"]):
    """Counts calls, errors and time per name.

    ``_entered``: (since when the kernel works for a task's call, its sleeps so far), by tid.
    """

    def __init__(
        self,
        table: SyscallTable,
        filters: Filter | None = None,
        shape: Shape | None = None,
        *,
        follow: bool = True,
    ) -> None:
        self.table = table
        self.filter = filters or Filter()
        self.shape = shape or Shape()
        self.counts: dict[str, _Count] = {}
        self._follow = follow
        self._root: int | None = None
        self._entered: dict[int, tuple[int, int]] = {}

    def _shown(self, task: Task, number: int) -> bool:
        if self._root is None:
            self._root = task.tgid
        return (self._follow or task.tgid == self._root) and self.filter.call(
            self.table.name(number)
        )

    def exec(self, task: Task, path: bytes, argv: tuple[bytes, ...]) -> None:
        """The first program's execve is counted, as strace does."""
        if self._root is None:
            self._root = task.tgid
            if self.filter.call("execve"):
                self.counts["execve"] = _Count(1)

    def syscall_enter(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """Remember when."""
        self._entered[task.tid] = (task.kernel.clock.monotonic(), task.voluntary_switches)

    def switch(self, previous: Task | None, task: Task) -> None:
        """A sleep is over; what comes now is work again."""
        if not self.shape.wall_clock and task.tid in self._entered:
            self._entered[task.tid] = (task.kernel.clock.monotonic(), task.voluntary_switches)

    def _spent(self, task: Task) -> int:
        """How long the call took.  One that slept while nobody else ran counts as no time."""
        if task.tid not in self._entered:
            return 0
        started, sleeps = self._entered.pop(task.tid)
        if sleeps != task.voluntary_switches and not self.shape.wall_clock:
            return 0
        return max(0, task.kernel.clock.monotonic() - started - self.shape.overhead)

    def syscall_exit(
        self, task: Task, number: int, args: tuple[int, ...], result: int, reason: str
    ) -> None:
        """Count it."""
        spent = self._spent(task)
        failed = -4096 < result < 0
        if not self._shown(task, number) or not self.filter.status(failed):
            return
        name = self.table.name(number) or f"syscall_{number:#x}"
        count = self.counts.setdefault(name, _Count())
        count.add(spent)
        count.errors += failed

    def no_return(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """A call that did not come back was still made."""
        spent = self._spent(task)
        if self._shown(task, number):
            name = self.table.name(number) or f"syscall_{number:#x}"
            self.counts.setdefault(name, _Count()).add(spent)

    def table_text(self) -> str:
        """The table, sorted as asked: the most expensive first."""
        columns = self.shape.columns.split(",") if self.shape.columns else list(DEFAULT_COLUMNS)
        total = sum(count.ns for count in self.counts.values())
        rows = [(name, _cells(name, count, total)) for name, count in self._sorted()]
        counts = list(self.counts.values())
        whole = _Count(
            sum(count.calls for count in counts),
            sum(count.errors for count in counts),
            total,
            min((count.shortest for count in counts), default=0),
            max((count.longest for count in counts), default=0),
        )
        rule = " ".join("-" * COLUMNS[column][1] for column in columns)
        titles = {column: COLUMNS[column][0] for column in columns}
        lines = [_line(titles, columns), rule, *(_line(cells, columns) for _, cells in rows)]
        return "\n".join([*lines, rule, _line(_cells("total", whole, total), columns)]) + "\n"

    def _sorted(self) -> list[tuple[str, _Count]]:
        items = list(self.counts.items())
        key = self.shape.sort_by
        if key == "nothing":
            return items
        if key == "name":
            return sorted(items)
        return sorted(items, key=lambda item: (-_value(key, item[1]), -item[1].calls, item[0]))


def _value(key: str, count: _Count) -> float:
    values = {
        "calls": count.calls,
        "errors": count.errors,
        "avg-time": count.ns / count.calls if count.calls else 0,
        "min-time": count.shortest,
        "max-time": count.longest,
    }
    return values.get(key, count.ns)


def _cells(name: str, count: _Count, total: int) -> dict[str, str]:
    share = 100 * count.ns / total if total else 100.0 if name == "total" else 0.0
    return {
        "time-percent": f"{share:.2f}",
        "total-time": f"{count.ns / NS:.6f}",
        "avg-time": str(count.ns // 1000 // count.calls if count.calls else 0),
        "calls": str(count.calls),
        "errors": str(count.errors or ""),
        "name": name,
        "min-time": f"{count.shortest / NS:.6f}",
        "max-time": f"{count.longest / NS:.6f}",
    }


def _line(cells: dict[str, str], columns: list[str]) -> str:
    """Numbers to the right, names to the left; nothing is padded at the end."""
    shown = [
        cells[c].ljust(COLUMNS[c][1]) if c == "name" else cells[c].rjust(COLUMNS[c][1])
        for c in columns
    ]
    return " ".join(shown).rstrip()
