"""The table of `diorama stats` and its other shapes."""

from __future__ import annotations

import csv
import json

from tools.stats.formats import render
from tools.stats.table import coloured
from tools.stats.values import FrameCounts, ProcessRows, Stats, StatsRow, in_order

ROWS = (
    StatsRow("write", 2, 0, 1_500_000, asleep=1_000_000_000, bytes=77),
    StatsRow("openat", 5, 3, 2_000_000_000, errnos={"ENOENT": 2, "EACCES": 1}),
    StatsRow("brk", 2, 0, 0),
    StatsRow("never", 0, 0, 0),
    StatsRow("syscall_999", 1, 1, 10, known=False, errnos={"ENOSYS": 1}),
)
PROCESS = ProcessRows(
    2, "prog", in_order(ROWS[:3]), {"minor": 3, "cow": 1}, 4, 1, 5, 6, 7_000, 8_000, 100
)
STATS = Stats.of(ROWS, (PROCESS,), FrameCounts(1000, 10, 20, 5), 9)


def test_rows_are_sorted_by_calls_then_name() -> None:
    assert [row.name for row in STATS.rows] == ["openat", "brk", "write", "syscall_999"]


def test_table_ends_with_total_and_unknown() -> None:
    lines = render(STATS, None).splitlines()
    assert lines[0].split() == ["calls", "errors", "seconds", "syscall"]
    assert lines[2].split() == ["5", "3", "2.000000", "openat"]
    assert lines[3].split() == ["2", "0.000000", "brk"]
    assert lines[-2].split() == ["10", "4", "2.001500", "total"]
    assert lines[-1].split() == ["1", "1", "0.000000", "unknown"]


def test_details_add_columns_and_what_happened_beside() -> None:
    lines = render(STATS, None, details=True).splitlines()
    assert lines[0] == "faults    minor=4 major=1; minor=3 cow=1"
    assert lines[1] == "switches  9 of the processor; voluntary=5 involuntary=6"
    assert lines[2].startswith("frames    peak=20 used=10 page_cache=5 of 1000 ")
    rows = {line.split()[-1]: line.split() for line in lines if line}
    assert rows["write"] == ["2", "0.001500", "1.000000", "77", "write"]
    assert "5         3    2.000000    0.000000" in lines[6]
    assert lines[6].endswith("  openat           ENOENT=2 EACCES=1")
    assert lines[-1].split()[-2:] == ["unknown", "ENOSYS=1"]


def test_processes_come_before_the_whole() -> None:
    text = render(STATS, None, by_process=True)
    assert text.startswith("pid 2 prog\n        5         3    2.000000  openat\n")
    assert text.endswith(render(STATS, None))
    detailed = render(STATS, None, by_process=True, details=True)
    assert "  switches  voluntary=5 involuntary=6\n" in detailed
    assert "  memory    100 KiB resident at most\n" in detailed


def test_the_files_suffix_gives_the_format() -> None:
    document = json.loads(render(STATS, "x.json"))
    assert list(document)[:2] == ["format", "version"]
    assert document["syscalls"][0] == {
        "name": "openat",
        "calls": 5,
        "errors": 3,
        "nanoseconds": 2_000_000_000,
        "asleep": 0,
        "bytes": 0,
        "errnos": {"ENOENT": 2, "EACCES": 1},
    }
    assert document["total"]["calls"] == 10
    assert document["total"]["bytes"] == 77
    assert document["faults"] == {"minor": 4, "major": 1, "kinds": {"minor": 3, "cow": 1}}
    assert document["switches"] == {"all": 9, "voluntary": 5, "involuntary": 6}
    assert document["frames"] == {"total": 1000, "used": 10, "peak": 20, "page_cache": 5}
    (process,) = document["processes"]
    assert (process["pid"], process["max_rss"]) == (2, 100)
    assert process["times"] == {"user": 7_000, "system": 8_000}
    assert render(STATS, "x.txt") == render(STATS, None)


def test_csv_has_a_line_per_row_and_begins_as_the_table_does() -> None:
    lines = render(STATS, "x.csv").splitlines()
    assert lines[1].startswith("5,3,2.000000000,openat,")
    rows = list(csv.DictReader(lines))
    assert rows[0]["errnos"] == "ENOENT=2 EACCES=1"
    assert [row["syscall"] for row in rows[-2:]] == ["total", "unknown"]
    both = list(csv.DictReader(render(STATS, "x.csv", by_process=True).splitlines()))
    assert both[: len(rows)] == rows
    assert {(row["pid"], row["command"]) for row in both[len(rows) :]} == {("2", "prog")}


def test_colours_change_no_character() -> None:
    for options in ({}, {"details": True}, {"by_process": True}):
        table = render(STATS, None, **options)
        text = coloured(table)
        assert text.plain == table
        styles = {table[span.start : span.end].strip(): str(span.style) for span in text.spans}
        assert styles["3"] == "red"
        assert any(name.startswith("openat") for name in styles)
