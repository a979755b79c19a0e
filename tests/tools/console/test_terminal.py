"""The console at a terminal: whose it is when, Ctrl-C, history, completion, leaving."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.support.command import started
from tests.support.ptys import PATIENCE, Person, person
from tests.tools.console.debugged import program

pytestmark = [pytest.mark.guest, pytest.mark.row("T2")]
PROMPT = b"(diorama)"


def running(user: Person) -> bool:
    """Has the guest the terminal?  The prompt makes it raw, too, but leaves output alone."""
    return not user.settings[1] & termios.OPOST


def interrupted(user: Person) -> bytes:
    """The program runs, and Ctrl-C stops it; where it is."""
    user.type(b"c\r")
    user.until(lambda: running(user))
    user.type(b"\x03")
    user.see(b"Interrupted, 2 ")
    where = user.see(b"\r\n")
    user.see(PROMPT)
    return where


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """History of a test is its own."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_ctrl_c_stops_the_machine_and_not_the_guest(arch: str) -> None:
    with person("debug", str(program(arch)), "spin") as user:
        user.see(PROMPT)
        interrupted(user)
        user.type(b"print task.state\r")
        user.see(b"R\r\n")
        user.see(PROMPT)
        interrupted(user)
        user.type(b"quit 5\r")
        assert user.wait() == 5
        assert not user.raw


def test_ctrl_c_stops_a_guest_that_sleeps(arch: str) -> None:
    with person("debug", str(program(arch)), "read") as user:
        user.see(PROMPT)
        where = b""
        while b"asleep in read: waits for" not in where:
            where = interrupted(user)
        user.type(b"print 'state', task.state\r")
        user.see(b"('state', 'S')")  # nothing has woken it
        user.see(PROMPT)
        user.type(b"waits\r")
        user.see(b"seconds left")
        user.see(b"read")
        user.see(PROMPT)
        user.type(b"c\r")
        user.until(lambda: running(user))
        user.type(b"typed\r")
        user.see(b"exited with 6")
        assert user.wait() == 6


def test_a_terminal_that_can_only_print(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with person("debug", str(program("x86_64")), "word") as user:
        assert b"\x1b" not in user.see(PROMPT)
        user.type(b"break write\r")
        assert b"\x1b" not in user.see(b"Breakpoint 1: write")
        user.see(PROMPT)
        user.type(b"\x04")
        assert user.wait() == 0


def test_the_screen_is_shared(arch: str) -> None:
    """Cooked for the console, raw for the guest; what the guest wrote stands before the stop."""
    with person("debug", str(program(arch)), "word") as user:
        user.see(PROMPT)
        user.type(b"break exit_group\r")
        user.see(PROMPT)
        user.type(b"c\r")
        shown = user.see(b"enters exit_group")
        assert shown.index(b"unchanged\r\n") < shown.index(b"Breakpoint 1, ")
        user.see(PROMPT)
        user.type(b"\r")
        user.see(b"exited with 0\r\n")
        assert user.wait() == 0
        assert not user.raw


def test_tab_completes(arch: str) -> None:
    with person("debug", str(program(arch)), "word") as user:
        user.see(PROMPT)
        user.type(b"runq\t")
        user.see(b"eue")
        user.type(b"\r")
        user.see(b"running")
        user.see(PROMPT)
        user.type(b"break exit_gr\t")
        user.see(b"oup")
        user.type(b"\r")
        user.see(b"Breakpoint 1: exit_group")
        user.see(PROMPT)
        user.type(b"break *twi\t")
        user.see(b"ce")
        user.type(b"\r")
        user.see(b"Breakpoint 2: *0x")
        user.see(PROMPT)
        user.type(b"\x04")
        assert user.wait() == 0


def test_after_the_given_commands_the_user_is_asked() -> None:
    words = ["-ex", "break write", "-ex", "continue", "-ex", "print 'given'"]
    with person("debug", *words, str(program("x86_64")), "word") as user:
        user.see(b"enters write")
        user.see(b"given\r\n")
        user.see(PROMPT)
        user.type(b"\r")
        user.type(b"finish\r")
        user.see(b"returns from write")
        user.see(PROMPT)
        user.type(b"quit 2\r")
        assert user.wait() == 2


def went_back(user: Person, text: bytes) -> bool:
    """Press the arrow up; is the line there?  History is read after the prompt is shown."""
    user.type(b"\x1b[A")
    ready, _, _ = select.select([user.master], [], [], 0.3)
    if ready:
        user.screen += os.read(user.master, 65536)
    return text in user.screen


def test_history_is_kept(tmp_path: Path) -> None:
    for first in (True, False):
        with person("debug", str(program("x86_64")), "word") as user:
            user.see(PROMPT)
            if first:
                user.type(b"print 6 * 7")
            else:
                user.until(lambda user=user: went_back(user, b"6 * 7"))
            user.type(b"\r")
            user.see(b"42\r\n")
            user.see(PROMPT)
            user.type(b"quit\r")
            assert user.wait() == 0


@pytest.mark.parametrize("kind", ["a directory", "a device", "junk"])
def test_a_history_that_is_none(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "diorama" / "debug_history"
    place.parent.mkdir()
    if kind == "a directory":
        place.mkdir()
    elif kind == "a device":
        place.symlink_to("/dev/full")
    else:
        place.write_bytes(b"\xff\0+\n+junk\n")
    with person("debug", str(program("x86_64")), "word") as user:
        user.see(PROMPT)
        user.type(b"print 6 * 7\r")
        user.see(b"42\r\n")
        user.see(PROMPT)
        user.type(b"quit 3\r")
        assert user.wait() == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_the_prompt_ends_the_run(number: int) -> None:
    with person("debug", str(program("x86_64")), "word") as user:
        user.see(PROMPT)
        user.process.send_signal(number)
        assert user.wait() == 128 + number
        assert not user.raw


def test_ctrl_c_at_the_prompt_drops_the_line() -> None:
    with person("debug", str(program("x86_64")), "word") as user:
        user.see(PROMPT)
        user.type(b"quit 3\x03")
        user.see(PROMPT)
        user.see(PROMPT)
        user.type(b"quit 4\r")
        assert user.wait() == 4


def test_ctrl_z_at_the_prompt_suspends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a shell that can do something else meanwhile."""
    monkeypatch.setenv("PS1", "next> ")
    with person(program=("bash", "--norc", "-i")) as user:
        user.see(b"next> ")
        command = f"{sys.executable} -m diorama debug {program('x86_64')} word\r"
        user.type(command.encode())
        user.see(PROMPT)
        user.type(b"\x1a")
        user.see(b"Stopped")
        user.see(b"next> ")
        user.type(b"fg\r")
        user.see(PROMPT)
        user.type(b"quit 5\r")
        user.see(b"next> ")
        user.type(b"exit $?\r")
        assert user.wait() == 5


def test_sigint_without_a_terminal_stops_the_machine(arch: str) -> None:
    """Commands come from a pipe that stays open: the next one is read when the machine stands."""
    script = "echo go; while :; do :; done"
    process = started("debug", "--arch", arch, "busybox", "sh", "-c", script, stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"c\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"go\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(b"quit 6\n", PATIENCE)
    assert process.returncode == 6
    assert b"Interrupted, 2 " in said


def test_a_guests_shell_and_the_console_take_turns(arch: str) -> None:
    """Keys go to who has the terminal: a stop in the middle of a command of the guest's."""
    with person("debug", "--arch", arch, "busybox", "sh") as user:
        user.see(PROMPT)
        user.type(b'break openat if path == "/etc/hostname"\r')
        user.see(b"Breakpoint 1: ")
        user.see(PROMPT)
        user.type(b"c\r")
        user.see(b"/ # ")
        user.type(b"cat /etc/hostname\r")
        user.see(b"Breakpoint 1, 3 ")
        user.see(PROMPT)
        user.type(b"finish\r")
        user.see(b" = 3\r\n")
        user.see(PROMPT)
        user.type(b"detach\r")
        user.see(b"diorama\r\n")
        user.see(b"/ # ")
        user.type(b"echo go; while :; do :; done\r")
        user.see(b"done\r\n")
        user.see(b"go\r\n")
        user.type(b"\x03")
        user.see(b"/ # ")
        user.type(b"exit 9\r")
        assert user.wait() == 9, "detached, Ctrl-C is the guest's again"
        assert not user.raw
