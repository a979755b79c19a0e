"""``strace -c``: calls counted instead of printed, and the table at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kernel.events import Observer
from tools.tracer.filters import Filter

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.table import SyscallTable

NS = 1_000_000_000
RULE = "------ ----------- ----------- --------- --------- ----------------"


@dataclass(slots=True)
class _Count:
    calls: int = 0
    errors: int = 0
    ns: int = 0


class Summary(Observer["Task"]):
    """Counts calls, errors and time in the kernel per name.  Time asleep is not counted."""

    def __init__(
        self, table: SyscallTable, filters: Filter | None = None, *, follow: bool = True
    ) -> None:
        self.table = table
        self.filter = filters or Filter()
        self.counts: dict[str, _Count] = {}
        self._follow = follow
        self._root: int | None = None
        self._entered: dict[int, int] = {}

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
        """Remember how much kernel time the task had."""
        self._entered[task.tid] = task.kernel.clock.monotonic()

    def syscall_exit(
        self, task: Task, number: int, args: tuple[int, ...], result: int, reason: str
    ) -> None:
        """Count it."""
        started = self._entered.pop(task.tid, None)
        failed = -4096 < result < 0
        if not self._shown(task, number) or not self.filter.status(failed):
            return
        name = self.table.name(number) or f"syscall_{number:#x}"
        count = self.counts.setdefault(name, _Count())
        count.calls += 1
        count.errors += failed
        if started is not None:
            count.ns += task.kernel.clock.monotonic() - started

    def no_return(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """A call that did not come back was still made."""
        self._entered.pop(task.tid, None)
        if self._shown(task, number):
            name = self.table.name(number) or f"syscall_{number:#x}"
            self.counts.setdefault(name, _Count()).calls += 1

    def table_text(self) -> str:
        """The table, most expensive first."""
        total = sum(count.ns for count in self.counts.values())
        rows = sorted(self.counts.items(), key=lambda item: (-item[1].ns, -item[1].calls, item[0]))
        lines = ["% time     seconds  usecs/call     calls    errors syscall", RULE]
        lines += [_row(name, count, total) for name, count in rows]
        whole = _Count(
            sum(count.calls for count in self.counts.values()),
            sum(count.errors for count in self.counts.values()),
            total,
        )
        return "\n".join([*lines, RULE, _row("total", whole, total)]) + "\n"


def _row(name: str, count: _Count, total: int) -> str:
    share = 100 * count.ns / total if total else 100.0 if name == "total" else 0.0
    average = count.ns // 1000 // count.calls if count.calls else 0
    errors = str(count.errors) if count.errors else ""
    return f"{share:6.2f} {count.ns / NS:11.6f} {average:11d} {count.calls:9d} {errors:>9} {name}"
