"""``stats --compare``, and the calls of each process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.guest import run_cli

ARCHES = ("x86_64", "aarch64")


def table(path: Path, **calls: tuple[int, int, int]) -> str:
    """A file as ``--stats=FILE.json`` writes it."""
    rows = [
        {"name": n, "calls": c, "errors": e, "nanoseconds": ns} for n, (c, e, ns) in calls.items()
    ]
    total = {"name": "total", **{k: sum(r[k] for r in rows) for k in list(rows[0])[1:]}}  # type: ignore[misc]
    path.write_text(json.dumps({"syscalls": rows, "total": total, "unknown": total}))
    return str(path)


def test_what_changed_is_shown_most_first(tmp_path: Path) -> None:
    old = table(tmp_path / "a", read=(5, 0, 10**9), write=(2, 1, 0), brk=(3, 0, 0), gone=(1, 0, 0))
    new = table(tmp_path / "b", read=(9, 0, 10**9), write=(2, 0, 0), brk=(3, 0, 5), came=(7, 7, 0))
    result = run_cli("stats", "--compare", old, new)
    assert result.status == 0
    rows = [line.split() for line in result.text.splitlines()[2:]]
    assert [row[-1] for row in rows if len(row) == 8 and "---" not in row[0]] == [
        "came",
        "read",
        "gone",
        "write",
        "total",
    ]
    assert rows[1] == ["5", "9", "0", "0", "1.000000", "1.000000", "+4", "read"]
    assert rows[2][-2] == "-1"


def test_nothing_changed(tmp_path: Path) -> None:
    same = table(tmp_path / "a", read=(5, 0, 1))
    assert "no call was made more or less often" in run_cli("stats", "--compare", same, same).text


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"syscalls": [{"name": "x"}], "total": {}}', "\0", "[" * 100_000]
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, content: str) -> None:
    bad, good = tmp_path / "bad", table(tmp_path / "good", read=(1, 0, 0))
    bad.write_text(content)
    for words in ((good, str(bad)), (str(bad), good), (good, str(tmp_path / "none")), (good,), ()):
        result = run_cli("stats", "--compare", *words)
        assert (result.status, result.stdout) == (125, b"")
        assert result.stderr.count(b"\n") == 1
    late = run_cli("stats", "--busybox", "--compare", good, good)
    assert (late.status, late.stderr.count(b"\n")) == (125, 1)


def full(path: Path, **changes: Any) -> str:
    """A file of this version; ``changes`` replace what is in it."""
    row = {"calls": 3, "errors": 1, "nanoseconds": 5, "asleep": 7, "bytes": 100,
           "errnos": {"ENOENT": 1}}  # fmt: skip
    document = {
        "format": "diorama-stats",
        "version": 1,
        "syscalls": [{"name": "read", **row, **changes.pop("row", {})}],
        "total": {"name": "total", **row},
        "faults": {"minor": 5, "major": 0, "kinds": {"minor": 4, "cow": 1}},
        "switches": {"all": 2, "voluntary": 1, "involuntary": 0},
        "frames": {"total": 100, "used": 5, "peak": 9, "page_cache": 0},
        **changes,
    }
    path.write_text(json.dumps(document))
    return str(path)


def test_errors_bytes_faults_and_frames_are_compared(tmp_path: Path) -> None:
    old = full(tmp_path / "a")
    new = full(
        tmp_path / "b",
        row={"bytes": 150, "errnos": {"EACCES": 1}, "nanoseconds": 9, "asleep": 1},
        faults={"minor": 6, "major": 0, "kinds": {"minor": 4, "cow": 2}},
        frames={"total": 100, "used": 5, "peak": 12, "page_cache": 0},
    )
    rows = [line.split() for line in run_cli("stats", "--compare", old, new).text.splitlines()]
    assert ["0", "1", "EACCES"] in rows
    assert ["1", "0", "ENOENT"] in rows
    assert ["100", "150", "bytes"] in rows
    assert ["5", "6", "+1", "minor"] in rows
    assert ["1", "2", "+1", "kinds.cow"] in rows
    assert ["9", "12", "+3", "peak"] in rows
    assert not any(row[-1:] in (["switches"], ["total", "used"]) for row in rows)


def test_time_alone_is_no_change(tmp_path: Path) -> None:
    old, new = full(tmp_path / "a"), full(tmp_path / "b", row={"nanoseconds": 99, "asleep": 0})
    text = run_cli("stats", "--compare", old, new).text
    assert "no call was made more or less often" in text


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "another"},
        {"version": "1"},
        {"row": {"errnos": ["ENOENT"]}},
        {"row": {"bytes": -1}},
        {"row": {"calls": True}},
        {"faults": 5},
        {"frames": {"peak": "many"}},
    ],
)
def test_damaged_files_are_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    good, bad = full(tmp_path / "a"), full(tmp_path / "b", **changes)
    result = run_cli("stats", "--compare", good, bad)
    assert result.status == 125
    assert result.stderr.endswith(b"not a table that --stats=FILE.json wrote\n")


def test_a_newer_file_is_named(tmp_path: Path) -> None:
    good, newer = full(tmp_path / "a"), full(tmp_path / "b", version=2)
    result = run_cli("stats", "--compare", good, newer)
    assert (result.status, result.stderr.count(b"\n")) == (125, 1)
    assert b"newer diorama, version 2" in result.stderr


@pytest.mark.parametrize("arch", ARCHES)
def test_processes_add_up_to_the_whole(arch: str, tmp_path: Path) -> None:
    path = tmp_path / "stats.json"
    script = "cat /none; true | cat; sleep 0.01"
    run_cli("stats", f"--stats={path}", "--arch", arch, "busybox", "sh", "-c", script)
    document = json.loads(path.read_text())
    found = document["processes"]
    assert {"busybox", "cat", "sleep"} <= {process["command"] for process in found}
    assert [process["pid"] for process in found] == sorted(process["pid"] for process in found)
    sums: dict[str, list[int]] = {}
    for process in found:
        for row in process["syscalls"]:
            both = sums.setdefault(row["name"], [0, 0])
            both[0] += row["calls"]
            both[1] += row["errors"]
    whole: dict[str, Any] = {r["name"]: [r["calls"], r["errors"]] for r in document["syscalls"]}
    assert sums == whole
    assert run_cli("stats", "--compare", str(path), str(path)).status == 0


@pytest.mark.parametrize("arch", ARCHES)
def test_the_table_shows_processes_when_asked(arch: str) -> None:
    words = ("--arch", arch, "busybox", "sh", "-c", "cat /etc/passwd >/dev/null; :")
    text = run_cli("stats", "--processes", *words).stderr.decode()
    assert "\npid 3 cat\n" in text
    assert text.startswith("pid 2 ")
    assert text.splitlines()[-2].split()[-1] == "total"
    assert "pid 3" not in run_cli("stats", *words).stderr.decode()
