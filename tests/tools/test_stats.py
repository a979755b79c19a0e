"""The table of `diorama stats` and its other shapes."""

from __future__ import annotations

import json

from tools.stats import Stats, StatsRow, render

STATS = Stats.of(
    [
        StatsRow("write", 2, 0, 1_500_000),
        StatsRow("openat", 5, 3, 2_000_000_000),
        StatsRow("brk", 2, 0, 0),
        StatsRow("never", 0, 0, 0),
        StatsRow("syscall_999", 1, 1, 10, known=False),
    ]
)


def test_rows_are_sorted_by_calls_then_name() -> None:
    assert [row.name for row in STATS.rows] == ["openat", "brk", "write", "syscall_999"]


def test_table_ends_with_total_and_unknown() -> None:
    lines = render(STATS, None).splitlines()
    assert lines[0].split() == ["calls", "errors", "seconds", "syscall"]
    assert lines[2].split() == ["5", "3", "2.000000", "openat"]
    assert lines[3].split() == ["2", "0.000000", "brk"]
    assert lines[-2].split() == ["10", "4", "2.001500", "total"]
    assert lines[-1].split() == ["1", "1", "0.000000", "unknown"]


def test_the_files_suffix_gives_the_format() -> None:
    document = json.loads(render(STATS, "x.json"))
    assert document["syscalls"][0] == {
        "name": "openat",
        "calls": 5,
        "errors": 3,
        "nanoseconds": 2_000_000_000,
    }
    assert document["total"]["calls"] == 10
    assert render(STATS, "x.csv").splitlines()[1] == "5,3,2.000000000,openat"
    assert render(STATS, "x.txt") == render(STATS, None)
