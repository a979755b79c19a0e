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
