"""Descriptors that are closed, readers that go away, signals from the host."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.command import shell, started
from tests.support.ptys import PATIENCE
from tests.tools.console.debugged import program

pytestmark = [pytest.mark.guest, pytest.mark.row("T2")]


@pytest.mark.parametrize(
    ("redirections", "status"),
    [("<&-", 0), ("</dev/null", 0), ("2>&-", 0), (">&-", 0), ("2>/dev/full", 0)],
)
def test_without_a_stream(redirections: str, status: int, tmp_path: Path) -> None:
    words = f"diorama debug {program('x86_64')} word {redirections}"
    done = shell(words, cwd=tmp_path)
    assert done.returncode == status
    assert b"internal error" not in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    given = "-ex 'break write' -ex c -ex help -ex help -ex help -ex detach"
    script = f"diorama debug {given} {program('x86_64')} word 2>&1 >out | head -1; cat out"
    done = shell(script, cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == b"unchanged", "the program goes on all the same"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_program_runs(number: int) -> None:
    script = "echo go; while :; do :; done"
    process = started("debug", "-ex", "c", "busybox", "sh", "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == b"go\n"
    process.send_signal(number)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number


def session(command: str, answer: str) -> subprocess.Popen[bytes]:
    """A session that has said an answer to a command, and awaits more of them."""
    process = started("debug", str(program("x86_64")), "word", stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(command.encode() + b"\n")
    process.stdin.flush()
    assert answer.encode() + b"\n" in iter(process.stderr.readline, b"")
    return process


def test_a_signal_while_a_command_is_awaited() -> None:
    process = session("print 'awaited'", "awaited")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGTERM


def test_an_endless_expression_can_be_interrupted() -> None:
    process = session("print console.say('begun') or [0 for i in iter(int, 1)]", "begun")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(b"print 'and on'\nquit 3\n", PATIENCE)
    assert process.returncode == 3
    assert b"and on" in said
