"""The raw trace to the byte (REQUIREMENTS K10), and the statistics (K11), from the command line."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from tests.support.guest import run_cli
from userland import build

pytestmark = pytest.mark.guest

RAW = {
    "x86_64": """\
[TRACE] pid=2 write(1) args=(0x1, ADDRESS, 0x5, 0x0, 0x0, 0x0)
[TRACE] pid=2 write(1) → 5
[TRACE] pid=2 open(2) args=(ADDRESS, 0x0, 0x0, 0x0, 0x0, 0x0)
[TRACE] pid=2 open(2) → -2 (ENOENT)
[TRACE] pid=2 unknown(1000) args=(ADDRESS, 0x0, 0x0, 0x0, 0x0, 0x0)
diorama: pid 2: unknown system call (1000): not implemented, ENOSYS
[TRACE] pid=2 unknown(1000) → -38 (ENOSYS)
[TRACE] pid=2 exit_group(231) args=(0x0, 0x0, 0x0, 0x0, 0x0, 0x0)
""",
    "aarch64": """\
[TRACE] pid=2 write(64) args=(0x1, ADDRESS, 0x5, 0x0, 0x0, 0x0)
[TRACE] pid=2 write(64) → 5
[TRACE] pid=2 openat(56) args=(0xffffffffffffff9c, ADDRESS, 0x0, 0x0, 0x0, 0x0)
[TRACE] pid=2 openat(56) → -2 (ENOENT)
[TRACE] pid=2 unknown(1000) args=(0x0, 0x0, 0x0, 0x0, 0x0, 0x0)
diorama: pid 2: unknown system call (1000): not implemented, ENOSYS
[TRACE] pid=2 unknown(1000) → -38 (ENOSYS)
[TRACE] pid=2 exit_group(94) args=(0x0, 0x0, 0x0, 0x0, 0x0, 0x0)
""",
}


@pytest.mark.row("K3", "K10")
def test_raw_lines_to_the_byte(arch: str) -> None:
    program = str(build.build("calls", arch))
    result = run_cli("run", "--trace=raw", program)
    assert (result.status, result.text) == (0, "ciao\n")
    shown = result.stderr.decode()
    pattern = re.escape(RAW[arch]).replace("ADDRESS", r"0x(1|4|2)[0-9a-f]{5,6}")
    assert re.fullmatch(pattern, shown), shown
    same = run_cli("run", "--trace", "--trace-format", "raw", program)
    assert same.stderr.decode() == shown
    chosen = run_cli("run", "-q", "--trace=write", "--trace-format=raw", program)
    assert chosen.stderr.decode().splitlines() == shown.splitlines()[:2]


@pytest.mark.row("K11")
def test_the_dump(arch: str) -> None:
    """Calls, errors, time and name; by calls, then by name; total and unknown; run is the same."""
    words = ("--arch", arch, "busybox", "sh", "-c", "cat /no /no; true | true")
    result = run_cli("stats", *words)
    head, rule, *rows, last_rule, total, unknown = result.stderr.decode().splitlines()[2:]
    assert head.split() == ["calls", "errors", "seconds", "syscall"]
    assert set(rule) == set(last_rule) == {"-", " "}
    parsed = [(int(row[:9]), row.split()[-1]) for row in rows]
    assert parsed == sorted(parsed, key=lambda row: (-row[0], row[1]))
    assert {name: calls for calls, name in parsed}["exit_group"] == 4
    assert int(total[:9]) == sum(calls for calls, _ in parsed)
    assert float(total.split()[-2]) > 0
    assert total.endswith("  total")
    assert unknown.split() == ["0", "0.000000", "unknown"]
    failed = sum(int(row[10:19]) for row in rows if row[10:19].strip())
    assert failed == int(total[10:19]) >= 2
    simple = ("--arch", arch, "busybox", "true")
    table = _columns(run_cli("stats", *simple).stderr)
    assert _columns(run_cli("run", "--stats", *simple).stderr) == table


def _columns(table: bytes) -> list[list[str]]:
    """The table without its times."""
    return [[line[:9], line[10:19], line[32:]] for line in table.decode().splitlines()]


@pytest.mark.row("K11")
def test_unknown_calls_are_counted(arch: str) -> None:
    result = run_cli("stats", "-q", str(build.build("calls", arch)))
    rows = [line.split() for line in result.stderr.decode().splitlines()]
    assert ["1", "1", rows[-1][2], "unknown"] == rows[-1]
    assert any(row[:2] == ["1", "1"] and row[-1] == "syscall_0x3e8" for row in rows)


@pytest.mark.row("K11")
def test_the_dump_as_json_and_csv(arch: str, work: Path) -> None:
    program = str(build.build("calls", arch))
    (work / "out.json").write_text("longer than what is to be written " * 100)
    assert run_cli("run", "-q", "--stats=out.json", program).stderr == b""
    document = json.loads((work / "out.json").read_text())
    assert document["syscalls"][0]["name"] == "exit_group"
    assert document["total"]["calls"] == 4
    assert document["total"]["errors"] == 2
    assert document["unknown"]["calls"] == 1
    assert run_cli("stats", "-q", "--stats=out.csv", program).stderr == b""
    rows = list(csv.DictReader(io.StringIO((work / "out.csv").read_text())))
    assert [row["syscall"] for row in rows][-2:] == ["total", "unknown"]
    assert rows[-2]["calls"] == "4"
    assert run_cli("stats", "-q", "--stats=out.txt", program).stderr == b""
    assert (work / "out.txt").read_text().split()[:4] == ["calls", "errors", "seconds", "syscall"]


@pytest.mark.row("K3")
def test_the_list_of_calls(arch: str) -> None:
    rows = json.loads(run_cli("syscalls", "--json", "--arch", arch).stdout)
    lines = run_cli("syscalls", "--arch", arch).text.splitlines()
    assert lines[0] == f"{arch}: {len(rows)} system calls"
    for row, line in zip(rows, lines[1:], strict=True):
        assert line.split()[:2] == [str(row["number"]), row["name"]]
        assert row["man"] in line
        assert (row["support"] == "partial") == bool(row["note"])
    assert {row["arch"] for row in json.loads(run_cli("syscalls", "--json").stdout)} == {
        "x86_64",
        "aarch64",
    }
