"""The system-call table of ``diorama stats`` and ``--stats``: values first, then a shape.

Rows are sorted by calls (most first), then by name; ``total`` and ``unknown`` close the table.
``unknown`` counts the calls whose number has no declaration; they are part of the total.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kernel.machine.loop import Machine
    from tools.stats_processes import ProcessRows

NS_PER_SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class StatsRow:
    """One system call of one run."""

    name: str
    calls: int
    errors: int
    nanoseconds: int
    known: bool = True


@dataclass(frozen=True, slots=True)
class Stats:
    """A whole run's calls.  Invariant: rows are in table order."""

    rows: tuple[StatsRow, ...]
    total: StatsRow
    unknown: StatsRow
    processes: tuple[ProcessRows, ...] = ()

    @classmethod
    def of(cls, rows: Iterable[StatsRow], processes: Iterable[ProcessRows] = ()) -> Stats:
        """Sort and add up."""
        ordered = sorted((row for row in rows if row.calls), key=lambda row: (-row.calls, row.name))
        unknown = [row for row in ordered if not row.known]
        total, rest = _sum("total", ordered), _sum("unknown", unknown)
        return cls(tuple(ordered), total, rest, tuple(processes))


def collect(machine: Machine, processes: Iterable[ProcessRows] = ()) -> Stats:
    """What a machine counted so far.

    Calls and errors are always counted; the time only while an observer is attached.
    """
    counts, table = machine.counts, machine.table
    rows = [
        StatsRow(_name(machine, n), calls, counts.errors[n], counts.kernel_ns[n], table.declared(n))
        for n, calls in enumerate(counts.calls)
    ]
    rows += [
        StatsRow(_name(machine, n), calls, calls, 0, known=False)
        for n, calls in sorted(counts.outside.items())
    ]
    return Stats.of(rows, processes)


def _name(machine: Machine, number: int) -> str:
    """Linux's name, or strace's way of writing a number that has none."""
    return machine.table.name(number) or f"syscall_{number:#x}"


def _sum(name: str, rows: Iterable[StatsRow]) -> StatsRow:
    """One row for many."""
    rows = list(rows)
    return StatsRow(
        name,
        sum(row.calls for row in rows),
        sum(row.errors for row in rows),
        sum(row.nanoseconds for row in rows),
    )


def render(stats: Stats, path: str | None, *, by_process: bool = False) -> str:
    """The text for a file of that name (``.json``, ``.csv``), or the table for people.

    ``by_process``: the table has a part for each process before the whole.
    """
    if path is not None and path.endswith(".json"):
        return as_json(stats)
    if path is not None and path.endswith(".csv"):
        return as_csv(stats)
    parts = [_process_table(process) for process in stats.processes] if by_process else []
    return "\n".join([*parts, as_table(stats)])


def as_table(stats: Stats) -> str:
    """Columns calls, errors, time in seconds, name."""
    lines = [f"{'calls':>9} {'errors':>9} {'seconds':>11}  syscall"]
    rule = f"{'-' * 9} {'-' * 9} {'-' * 11}  {'-' * 16}"
    lines += [rule, *map(_table_line, stats.rows), rule]
    lines += [_table_line(stats.total), _table_line(stats.unknown)]
    return "\n".join(lines) + "\n"


def _process_table(process: ProcessRows) -> str:
    """The calls of one process."""
    lines = [f"pid {process.pid} {process.command}", *map(_table_line, process.rows)]
    lines.append(_table_line(_sum("total", process.rows)))
    return "\n".join(lines) + "\n"


def _table_line(row: StatsRow) -> str:
    seconds = row.nanoseconds / NS_PER_SECOND
    return f"{row.calls:>9} {row.errors or '':>9} {seconds:>11.6f}  {row.name}"


def as_json(stats: Stats) -> str:
    """``{"syscalls": [{"name", "calls", "errors", "nanoseconds"}...], "total", "unknown"}``.

    ``"processes": [{"pid", "command", "syscalls"}...]`` follows where they were counted.
    """
    document: dict[str, object] = {
        "syscalls": [_plain(row) for row in stats.rows],
        "total": _plain(stats.total),
        "unknown": _plain(stats.unknown),
    }
    if stats.processes:
        document["processes"] = [
            {"pid": p.pid, "command": p.command, "syscalls": [_plain(row) for row in p.rows]}
            for p in stats.processes
        ]
    return json.dumps(document, indent=1) + "\n"


def _plain(row: StatsRow) -> dict[str, object]:
    plain = asdict(row)
    del plain["known"]  # said by `unknown`
    return plain


def as_csv(stats: Stats) -> str:
    """The same as comma-separated values with a head line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["calls", "errors", "seconds", "syscall"])
    for row in (*stats.rows, stats.total, stats.unknown):
        writer.writerow([row.calls, row.errors, f"{row.nanoseconds / NS_PER_SECOND:.9f}", row.name])
    return text.getvalue()
