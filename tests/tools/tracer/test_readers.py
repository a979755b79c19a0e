"""Those who read a trace: commands, readers that leave, readers that do not read, full disks."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.command import started
from tests.support.guest import run_cli

pytestmark = [pytest.mark.guest, pytest.mark.row("T4")]
MANY = "i=0; while [ $i -lt 400 ]; do i=$((i+1)); cd /; done"
FULL = Path("/dev/full")
ASLEEP = re.compile(r"\w+\((0|1, 0), [^=]*\Z")


def test_a_command_gets_the_trace(tmp_path: Path) -> None:
    place = tmp_path / "lines"
    words = ("-o", f"|grep -c chdir >{place}", "busybox", "sh", "-c", MANY)
    assert run_cli("trace", *words).status == 0
    assert place.read_text() == "400\n"


def test_a_reader_that_leaves_is_one_line_and_the_program_goes_on(tmp_path: Path) -> None:
    """The machine stops printing, and the trace that others read is whole."""
    kept = tmp_path / "kept.json"
    script = MANY + "; echo done"
    words = ("-o", "|head -n 1 >/dev/null", "--json", str(kept), "busybox", "sh", "-c", script)
    result = run_cli("trace", *words)
    assert (result.status, result.stdout) == (0, b"done\n")
    assert result.stderr == (
        b"diorama: |head -n 1 >/dev/null: its reader has gone; the rest of the trace is lost\n"
    )
    names = [json.loads(line).get("name") for line in kept.read_text().splitlines()]
    assert names.count("chdir") == 400
    assert names[-2] == "exit_group"


@pytest.mark.parametrize("both", [False, True])
def test_no_processor_is_burnt_when_stderr_has_lost_its_reader(both: bool) -> None:
    """`trace | head -1`: with the guest's own output in the same pipe, and without."""
    reading, writing = os.pipe()
    words = ("trace", "-f", "busybox", "sh", "-c", "sleep 2 & wait; exit 7")
    stdout = writing if both else subprocess.DEVNULL
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with started(*words, stdout=stdout, stderr=writing) as program:
        os.close(writing)
        assert os.read(reading, 1)
        os.close(reading)
        assert program.wait(90) == 7
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent < 1.9, "a loop that waits for nobody"


def test_a_reader_that_does_not_read_can_be_left() -> None:
    """The pipe is full and the machine waits; a signal ends the wait and the run."""
    script = "echo begun >&2; while :; do cd /; done"
    words = ("trace", "-o", "|sleep 60", "busybox", "sh", "-c", script)
    with started(*words, stdout=subprocess.DEVNULL) as program:
        assert program.stderr is not None
        assert program.stderr.readline() == b"begun\n"
        line = program.stderr.readline()
        assert line == b"diorama: |sleep 60: its reader does not read; the program waits\n"
        children = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text()
        program.send_signal(signal.SIGTERM)
        for child in children.split():
            os.kill(int(child), signal.SIGKILL)  # the command, which would sleep on
        assert program.wait(90) == 128 + signal.SIGTERM


def test_a_full_disk_keeps_the_program_running() -> None:
    if not FULL.exists():
        pytest.skip("no /dev/full here")
    result = run_cli("trace", "-o", str(FULL), "busybox", "sh", "-c", f"{MANY}; echo done")
    assert (result.status, result.stdout) == (125, b"done\n")
    assert result.stderr == b"diorama: /dev/full: No space left on device\n"


def test_what_was_recorded_survives_sigkill(tmp_path: Path) -> None:
    """Nothing waits in a buffer: the last line on the disk is the call that sleeps."""
    text, records = tmp_path / "text", tmp_path / "json"
    words = (
        "trace", "-o", str(text), "--json", str(records), "busybox", "sh", "-c",
        "cd /tmp; cd /etc; echo ready; cat",
    )  # fmt: skip
    with started(*words, stdin=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"ready\n"
        while not ASLEEP.search(text.read_text()):
            os.sched_yield()
            assert program.poll() is None
        program.kill()
        program.wait(90)
    lines = text.read_text().splitlines()
    assert ASLEEP.search(lines[-1])
    last = json.loads(records.read_text().splitlines()[-1])
    assert lines[-2].startswith(f"{last['name']}({last['text']['entry']}")


@pytest.mark.parametrize("option", ["-o", "--json", "--timeline", "--folded"])
def test_what_cannot_be_written_is_said_before_the_run(option: str, tmp_path: Path) -> None:
    result = run_cli("trace", option, str(tmp_path / "no" / "file"), "busybox", "echo", "never")
    assert (result.status, result.stdout) == (125, b"")
    assert result.stderr.startswith(b"diorama: ")
    assert result.stderr.endswith(b"No such file or directory\n")
    assert result.stderr.count(b"\n") == 1
