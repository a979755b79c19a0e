"""The statistics as files: JSON and CSV, both with a fixed order.

JSON: ``format`` and ``version`` (which goes up when a key changes its meaning or goes), then
``syscalls`` (a list of rows), ``total``, ``unknown``, ``faults``, ``switches``, ``frames``, and
``processes``.  CSV: a line per row; those of single processes have their ``pid``.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Any, Final

from tools.stats.compare import FORMAT, VERSION
from tools.stats.table import as_table
from tools.stats.values import NS_PER_SECOND, ProcessRows, Stats, StatsRow

COLUMNS: Final = (
    "calls", "errors", "seconds", "syscall", "asleep", "bytes", "errnos", "pid", "command",
)  # fmt: skip

Plain = dict[str, Any]  # Any: what JSON can hold


def render(
    stats: Stats, path: str | None, *, by_process: bool = False, details: bool = False
) -> str:
    """The text for a file of that name (``.json``, ``.csv``), or the table for people."""
    if path is not None and path.endswith(".json"):
        return as_json(stats)
    if path is not None and path.endswith(".csv"):
        return as_csv(stats, by_process=by_process)
    return as_table(stats, by_process=by_process, details=details)


def as_json(stats: Stats) -> str:
    """One document."""
    document: Plain = {
        "format": FORMAT,
        "version": VERSION,
        "syscalls": [_row(row) for row in stats.rows],
        "total": _row(stats.total),
        "unknown": _row(stats.unknown),
        "faults": {"minor": stats.minor, "major": stats.major, "kinds": stats.faults},
        "switches": {
            "all": stats.switches,
            "voluntary": stats.voluntary,
            "involuntary": stats.involuntary,
        },
        "frames": stats.frames._asdict(),
        "processes": [_process(process) for process in stats.processes],
    }
    return json.dumps(document, indent=1) + "\n"


def _row(row: StatsRow) -> Plain:
    return {
        "name": row.name,
        "calls": row.calls,
        "errors": row.errors,
        "nanoseconds": row.nanoseconds,
        "asleep": row.asleep,
        "bytes": row.bytes,
        "errnos": dict(row.errnos),
    }


def _process(process: ProcessRows) -> Plain:
    return {
        "pid": process.pid,
        "command": process.command,
        "syscalls": [_row(row) for row in process.rows],
        "faults": {
            "minor": process.minor,
            "major": process.major,
            "kinds": dict(process.faults),
        },
        "switches": {"voluntary": process.voluntary, "involuntary": process.involuntary},
        "times": {"user": process.user, "system": process.system},
        "max_rss": process.max_rss,
    }


def as_csv(stats: Stats, *, by_process: bool = False) -> str:
    """Comma-separated values with a head line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in (*stats.rows, stats.total, stats.unknown):
        writer.writerow([*_cells(row), "", ""])
    if by_process:
        for process in stats.processes:
            for row in process.rows:
                writer.writerow([*_cells(row), process.pid, process.command])
    return text.getvalue()


def _cells(row: StatsRow) -> list[object]:
    return [
        row.calls,
        row.errors,
        f"{row.nanoseconds / NS_PER_SECOND:.9f}",
        row.name,
        f"{row.asleep / NS_PER_SECOND:.9f}",
        row.bytes,
        " ".join(f"{name}={count}" for name, count in row.errnos.items()),
    ]
