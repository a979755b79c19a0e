"""Signals that diorama itself gets, where no terminal is involved."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.support.command import started

pytestmark = pytest.mark.guest

SPIN = "echo up; while :; do :; done"
WAIT = "echo up; sleep 100"


def running(
    arch: str, script: str, command: str = "run", **options: int
) -> subprocess.Popen[bytes]:
    """A shell that has said `up`."""
    process = started(command, "--arch", arch, "busybox", "sh", "-c", script, **options)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return process


def finished(process: subprocess.Popen[bytes]) -> tuple[int, bytes, str]:
    out, err = process.communicate(timeout=90)
    return process.returncode, out, err.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("script", [SPIN, WAIT, f"trap '' TERM HUP; {SPIN}"])
def test_it_ends_the_guests(arch: str, script: str, number: signal.Signals) -> None:
    process = running(arch, script)
    process.send_signal(number)
    assert finished(process) == (128 + number, b"", "")


@pytest.mark.parametrize("script", [SPIN, WAIT])
def test_interrupting_ends_the_program(arch: str, script: str) -> None:
    process = running(arch, script)
    process.send_signal(signal.SIGINT)
    assert finished(process) == (130, b"", "")


def test_interrupting_is_the_programs_to_catch(arch: str) -> None:
    process = running(arch, f"trap 'echo caught; exit 3' INT; {SPIN}")
    process.send_signal(signal.SIGINT)
    assert finished(process) == (3, b"caught\n", "")


def test_interrupting_twice_leaves_a_program_that_does_not_listen(arch: str) -> None:
    process = running(arch, f"trap 'echo heard' INT; {SPIN}")
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    assert process.stdout.readline() == b"heard\n"
    process.send_signal(signal.SIGINT)
    assert finished(process)[0] == 130


@pytest.mark.row("K10")
def test_tracing_is_switched_on_and_off(arch: str) -> None:
    process = running(
        arch, "echo up; read a; echo on $a; read b; echo off $b", stdin=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None

    def next_line(answer: bytes) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"x\n")
        process.stdin.flush()
        assert process.stdout.readline() == answer

    process.send_signal(signal.SIGUSR1)
    next_line(b"on x\n")
    traced = b""
    while b"poll(" not in traced.partition(b'write(1, "on x\\n", 5)')[2]:
        traced += os.read(process.stderr.fileno(), 1)
    process.send_signal(signal.SIGUSR1)
    while not traced.endswith(b"<detached ...>\n"):
        more = os.read(process.stderr.fileno(), 1)
        assert more
        traced += more
    next_line(b"off x\n")
    status, _, rest = finished(process)
    assert (status, rest) == (0, "")
    assert b"off x" not in traced
