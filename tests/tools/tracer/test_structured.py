"""``--json``, ``--timeline``, ``--folded`` and ``-k``, on both CPUs, from the command line."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support import oracles
from tests.support.command import started
from tests.support.guest import run_cli
from tools import tracejson
from tools.errors import DioramaError
from tools.fetch import HOST_CPU
from userland import build

pytestmark = pytest.mark.row("T4")
ARCHES = ("x86_64", "aarch64")

STACK_SOURCE = r"""
#include <unistd.h>
__attribute__((noinline)) int inner(int n) { return write(1, "deep\n", n) + 1; }
__attribute__((noinline)) int outer(int n) { return inner(n) + 1; }
int main(void) { return outer(5) != 7; }
"""
SCRIPTS = (
    "sleep 0.01 & date | cat; cat /nonexistent; kill -9 $$",
    'trap "echo t" INT; kill -INT $$; (exit 3); exec true',
    "mkfifo /tmp/f; cat /tmp/f & echo x >/tmp/f; wait",
)


def traced(*words: str, status: int = 0) -> Any:
    result = run_cli("trace", *words)
    assert result.status == status, result.stderr
    assert b"internal error" not in result.stderr
    return result


def events(path: Path) -> list[dict[str, Any]]:
    with path.open() as file:
        return list(tracejson.read_events(file))


@pytest.fixture(scope="module", params=ARCHES)
def deep(request: pytest.FixtureRequest) -> tuple[str, str]:
    kept = (flag for flag in build.C_FLAGS if flag != "-g0")  # which strips
    flags = (*kept, "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls", "-g")
    path = build.build_source("deep", request.param, STACK_SOURCE, flags)
    return request.param, str(path)


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("script", SCRIPTS)
def test_the_text_can_be_made_again_from_the_json(arch: str, script: str, tmp_path: Path) -> None:
    text, records = tmp_path / "text", tmp_path / "json"
    run_cli(
        "trace", "-f", "--arch", arch, "-o", str(text), "--json", str(records),
        "busybox", "sh", "-c", script,
    )  # fmt: skip
    assert tracejson.strace_text(events(records), pids=True) == text.read_text()
    assert len(text.read_text().splitlines()) > 20


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize(
    "filters", [("-e", "status=failed"), ("-e", "trace=%file"), ("-e", "signal=none"), ("-k",)]
)
def test_and_with_filters(arch: str, filters: tuple[str, ...], tmp_path: Path) -> None:
    text, records = tmp_path / "text", tmp_path / "json"
    traced(
        "-f", "--arch", arch, *filters, "-o", str(text), "--json", str(records),
        "busybox", "sh", "-c", "cat /none; ls /bin >/dev/null; true",
    )  # fmt: skip
    assert tracejson.strace_text(events(records), pids=True) == text.read_text()


CALL_KEYS = (
    "event time pid tid comm number name arguments raw return errno error reason duration "
    "return_path injected stack text order"
).split()


@pytest.mark.parametrize("arch", ARCHES)
def test_a_call_says_everything_about_itself(arch: str, tmp_path: Path) -> None:
    path = tmp_path / "json"
    result = traced("--arch", arch, "--json", str(path), "busybox", "cat", "/etc/passwd", "/none",
                    status=1)  # fmt: skip
    assert b"openat(" not in result.stderr  # the file takes the text's place
    found = [e for e in events(path) if e["event"] == "call"]
    assert all(list(e) == CALL_KEYS for e in found)
    good, bad = [
        next(e for e in found if e["arguments"] and name in str(e["arguments"][1:2]))
        for name in ("/etc/passwd", "/none")
    ]
    assert good["name"] in ("open", "openat")
    assert good["return_path"] == "/etc/passwd"
    assert good["error"] is None
    assert good["duration"] > 0
    assert (bad["errno"], bad["error"], bad["return"]) == (2, "ENOENT", -2)
    assert bad["reason"]
    reads = [e for e in found if e["name"] in ("read", "sendfile")]
    assert any(a["path"] == "/etc/passwd" for e in reads for a in e["arguments"])
    last = events(path)[-1]
    assert (last["event"], last["status"], last["signal"]) == ("exit", 1, None)


def test_stdout_is_called_minus() -> None:
    result = traced("--json", "-", "-e", "trace=none", "busybox", "true")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert lines[0] == {
        "event": "start",
        "format": "diorama-trace",
        "version": 1,
        "arch": lines[0]["arch"],
    }
    assert [line["event"] for line in lines[1:]] == ["exec", "exit"]


@pytest.mark.parametrize("arch", ARCHES)
def test_run_writes_it_too(arch: str, tmp_path: Path) -> None:
    path = tmp_path / "json"
    result = run_cli("run", "--arch", arch, "--json", str(path), "busybox", "sh", "-c", "echo a")
    assert (result.status, result.stdout, result.stderr) == (0, b"a\n", b"")
    assert {"exec", "call", "exit"} == {e["event"] for e in events(path)}


@pytest.mark.parametrize("arch", ARCHES)
def test_a_fault_is_an_event(arch: str, tmp_path: Path) -> None:
    source = "int main(void) { *(volatile int *)16 = 1; return 0; }"
    program = build.build_source("faulting", arch, source)
    path = tmp_path / "json"
    traced("--json", str(path), str(program), status=139)
    fault, signal, end = events(path)[-3:]
    assert (fault["event"], fault["address"]) == ("fault", 16)
    assert (signal["event"], signal["signal"], signal["action"]) == ("signal", "SIGSEGV", "kill")
    assert (end["event"], end["signal"]) == ("exit", "SIGSEGV")


def test_a_trace_that_is_switched_off_and_on_loses_nothing(tmp_path: Path) -> None:
    """SIGUSR1 to diorama, from a script that pauses meanwhile; files are continued."""
    text, records = tmp_path / "text", tmp_path / "records"
    timeline = tmp_path / "timeline"
    program = started(
        "trace", "-e", "trace=chdir", "-o", str(text), "--json", str(records),
        "--timeline", str(timeline), "busybox", "sh", "-c",
        "cd /etc; echo 1; read x; cd /bin; echo 2; read x; cd /tmp; echo 3; read x",
        stdin=subprocess.PIPE,
    )  # fmt: skip
    assert program.stdin is not None
    assert program.stdout is not None
    for number in (b"1\n", b"2\n", b"3\n"):
        assert program.stdout.readline() == number
        program.send_signal(signal.SIGUSR1)
        time.sleep(0.1)  # the signal is taken at the end of a turn
        program.stdin.write(b"\n")
        program.stdin.flush()
    program.communicate(timeout=90)
    assert program.returncode == 0
    for content in (text.read_text(), tracejson.strace_text(events(records))):
        assert [line.split('"')[1] for line in content.splitlines() if "chdir(" in line] == [
            "/etc",
            "/tmp",
        ]
    (second,) = tmp_path.glob("timeline.*")
    for path in (timeline, second):
        check_trace_events(json.loads(path.read_text()))


def test_the_reader_refuses_what_is_no_trace(tmp_path: Path) -> None:
    for text in ("hello\n", "[]\n", '{"event":"start"}\n', '{"event":"start","version":99}\n'):
        with pytest.raises(DioramaError):
            list(tracejson.read_events(text.splitlines()))
    bad = tmp_path / "bad"
    bad.write_text("nonsense")
    assert tracejson.main([str(bad)]) == 125
    assert tracejson.main([str(tmp_path / "none")]) == 125
    assert tracejson.main([]) == 125


@pytest.mark.parametrize("option", ["--json", "--timeline", "--folded"])
def test_an_output_that_cannot_be_written_is_one_line(option: str, tmp_path: Path) -> None:
    result = run_cli("trace", option, str(tmp_path / "none" / "x"), "busybox", "echo", "never")
    assert (result.status, result.stdout) == (125, b"")
    assert result.stderr.count(b"\n") == 1
    result = run_cli("trace", option, "", "busybox", "true")
    assert result.status == 125


# -- the timeline --------------------------------------------------------------------------------


def spans(trace: list[dict[str, Any]]) -> Iterator[tuple[tuple[int, int], float, float]]:
    for event in trace:
        if event["ph"] == "X":
            yield (event["pid"], event["tid"]), event["ts"], event["ts"] + event["dur"]


def check_trace_events(document: dict[str, Any]) -> list[dict[str, Any]]:
    """What viewers ask for: known phases, their fields, no overlap on a track, arrows in pairs."""
    trace: list[dict[str, Any]] = document["traceEvents"]
    needed = {
        "X": {"name", "ts", "dur", "pid", "tid"},
        "M": {"name", "pid", "tid", "args"},
        "i": {"name", "ts", "pid", "tid", "s"},
        "C": {"name", "ts", "pid", "args"},
        "s": {"name", "ts", "pid", "tid", "id", "cat"},
        "f": {"name", "ts", "pid", "tid", "id", "cat", "bp"},
    }
    for event in trace:
        assert needed[event["ph"]] <= set(event)
        assert event.get("dur", 0) >= 0
        assert event.get("ts", 0) >= 0
    tracks: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for track, start, end in spans(trace):
        tracks.setdefault(track, []).append((start, end))
    for track, found in tracks.items():
        found.sort()
        for (_, end), (start, _) in pairwise(found):
            assert start >= end - 1e-6, track
    named = {(e["pid"], e["tid"]) for e in trace if e["name"] == "thread_name"}
    assert set(tracks) <= named
    begun = {e["id"]: e["ts"] for e in trace if e["ph"] == "s"}
    for event in trace:
        if event["ph"] == "f":
            assert begun[event["id"]] <= event["ts"]
    return trace


@pytest.mark.parametrize("arch", ARCHES)
def test_a_timeline_is_what_viewers_read(arch: str, tmp_path: Path) -> None:
    path = tmp_path / "timeline.json"
    traced("--arch", arch, "--timeline", str(path), "busybox", "sh", "-c",
           "(sleep 0.02; echo a) | cat; kill -USR1 $$", status=138)  # fmt: skip
    trace = check_trace_events(json.loads(path.read_text()))
    names = {event["name"] for event in trace}
    assert {"user", "read", "memory", "run queue", "SIGUSR1", "wake", "exit"} <= names
    assert any(name.startswith("fault: ") for name in names)
    assert {e["cat"] for e in trace if e["ph"] == "X"} == {"user", "call"}


def test_a_timeline_of_a_killed_program_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "timeline.json"
    words = ("--timeline", str(path), "--deterministic", "--timeout", "0.3")
    run_cli("trace", *words, "busybox", "sleep", "9")
    trace = check_trace_events(json.loads(path.read_text()))
    assert any(e["name"] in ("nanosleep", "clock_nanosleep") for e in trace)


# -- stacks --------------------------------------------------------------------------------------


def test_stacks_are_folded_with_names(deep: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "folded"
    traced("--folded", str(path), "-e", "trace=write,writev", deep[1])
    (line,) = path.read_text().splitlines()
    stack, count = line.rsplit(" ", 1)
    assert int(count) == 1
    frames = stack.split(";")
    assert frames[-1].startswith("write")
    positions = [frames.index(name) for name in ("main", "outer", "inner")]
    assert positions == sorted(positions)


def test_k_prints_them_below_the_call(deep: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "text"
    traced("-k", "-o", str(path), "-e", "trace=write", deep[1])
    lines = path.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("write(1"))
    below = []
    for line in lines[start + 1 :]:
        if not line.startswith(" > "):
            break
        below.append(line)
    text = "\n".join(below)
    assert text.index("(inner+0x") < text.index("(outer+0x") < text.index("(main+0x")
    assert below[0].startswith(" > /bin/deep")
    assert below[0].endswith("]")


def test_the_frames_are_straces(deep: tuple[str, str], tmp_path: Path) -> None:
    """strace finds them by .eh_frame; the places must be the same."""
    if deep[0] != HOST_CPU:
        return
    strace = str(oracles.program("strace"))
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    words = ("-k", "-e", "trace=write")
    done = subprocess.run([strace, *words, "-o", str(outside), deep[1]], capture_output=True)
    if b"-k" in done.stderr:
        oracles.cannot_run("this strace prints no stacks")
    traced("-o", str(inside), *words, deep[1])
    places = [re.findall(r"^ > .*\[(0x\w+)\]$", p.read_text(), re.M) for p in (outside, inside)]
    assert places[0] == places[1]
    assert len(places[0]) >= 5


@pytest.mark.parametrize("arch", ARCHES)
def test_a_stripped_program_gives_addresses(arch: str, tmp_path: Path) -> None:
    path = tmp_path / "folded"
    traced("--arch", arch, "--folded", str(path), "busybox", "true")
    assert "busybox@0x" in path.read_text()


@pytest.mark.parametrize("option", ["--json", "--timeline", "--folded"])
def test_two_deterministic_runs_write_the_same(option: str, tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        path = tmp_path / name
        traced("-f", "--deterministic", option, str(path), "busybox", "sh", "-c", "date | cat")
        found.append(path.read_bytes())
    assert found[0] == found[1]


@pytest.mark.parametrize("option", ["--json", "--timeline", "--folded"])
def test_a_full_disk_is_said_at_the_end(option: str) -> None:
    result = run_cli("trace", option, "/dev/full", "busybox", "echo", "done")
    assert (result.status, result.stdout) == (125, b"done\n")
    assert result.stderr == b"diorama: /dev/full: No space left on device\n"
