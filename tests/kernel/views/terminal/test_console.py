"""The console: diorama on a real (pseudo)terminal, used by a person."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import termios

import pytest

from tests.support.ptys import ROOT, Person, person

pytestmark = pytest.mark.guest


def shell(person: Person, line: bytes) -> bytes:
    """Type a line at the shell; returns what it printed."""
    person.type(line + b"\r")
    return person.prompt()


@pytest.mark.row("K8")
def test_a_shell_with_job_control(arch: str) -> None:
    with person("shell", "-q", "--arch", arch) as user:
        before = user.settings
        user.prompt()
        assert user.raw
        assert b"\r\nhello\r\n/dev/console\r\n24 80\r\n" in shell(
            user, b"echo helo\x7flo; tty; stty size"
        )
        user.type(b"sh -c \"trap 'echo co''nt' CONT; echo o''n; while :; do sleep 1; done\"\r")
        user.see(b"on\r\n")
        user.type(b"\x1a")
        assert b"Stopped" in user.prompt()
        assert b"trap" in shell(user, b"jobs")
        user.type(b"fg\r")
        user.see(b"cont\r\n")
        user.type(b"\x03")
        user.prompt()
        shell(user, b"cat &")
        assert b"Stopped (tty input)" in shell(user, b"")
        shell(user, b"kill -9 %1")
        shell(user, b"")
        user.type(b"exit 3\r")
        assert user.wait() == 3
        assert user.settings == before


@pytest.mark.row("K8")
def test_vi_edits_a_file(arch: str) -> None:
    with person("shell", "-q", "--arch", arch) as user:
        user.prompt()
        user.type(b"vi /tmp/f\r")
        user.see(b"/tmp/f")
        user.type(b"ihello world")
        user.see(b"hello world")
        user.type(b"\x1b")
        user.see(b"[Modified]")
        user.type(b"yyp")
        user.see(b"Put 1 lines")
        user.type(b":wq\r")
        user.prompt()
        assert b"hello world\r\nhello world\r\n" in shell(user, b"cat /tmp/f")


def test_the_window_size_follows_the_hosts() -> None:
    with person("shell", "-q") as user:
        user.prompt()
        shell(user, b"trap 'echo changed' WINCH")
        user.resize(30, 100)
        user.process.send_signal(signal.SIGWINCH)
        assert b"30 100" in shell(user, b"stty size")


def test_ctrl_c_ends_a_program_that_reads_nothing() -> None:
    with person("run", "-q", "busybox", "sh", "-c", "echo go; while :; do :; done") as user:
        before = user.settings
        user.see(b"go")
        user.type(b"\x03")
        assert user.wait() == 128 + signal.SIGINT
        assert user.settings == before or not user.raw


def test_three_times_ctrl_backslash_leaves_in_any_case() -> None:
    stubborn = "trap '' INT QUIT TSTP; echo go; while :; do :; done"
    with person("run", "-q", "busybox", "sh", "-c", stubborn) as user:
        user.see(b"go")
        user.type(b"\x1c\x1c\x1c")
        assert user.wait() == 128 + signal.SIGQUIT
        assert not user.raw


def test_ctrl_z_without_a_shell_suspends_diorama() -> None:
    with person("run", "-q", "busybox", "sh", "-c", "echo go; exec sleep 100") as user:
        user.see(b"go")
        user.type(b"\x1a")
        _, status = os.waitpid(user.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert not user.raw
        user.process.send_signal(signal.SIGCONT)
        user.until(lambda: user.raw)
        user.type(b"\x03")
        assert user.wait() == 128 + signal.SIGINT


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_killed_diorama_gives_the_terminal_back(number: signal.Signals) -> None:
    with person("run", "-q", "busybox", "sh", "-c", "echo go; sleep 100") as user:
        before = user.settings
        user.see(b"go")
        assert user.raw
        user.process.send_signal(number)
        assert user.wait() == 128 + number
        assert not user.raw
        assert user.settings[3] | before[3] == user.settings[3]


def test_input_is_the_terminal_and_output_a_pipe() -> None:
    with person(
        "run", "-q", "busybox", "cat", streams=(None, subprocess.PIPE, subprocess.DEVNULL)
    ) as user:
        user.until(lambda: user.raw)  # the guest reads: now the terminal is in use
        user.type(b"hel\x7flo\r\x04")
        assert user.process.stdout is not None
        assert user.process.stdout.read() == b"helo\n"
        assert user.wait() == 0
        assert not user.raw


def test_input_is_a_pipe_and_the_keys_come_from_dev_tty() -> None:
    script = "cat; echo go; read x < /dev/tty; echo got $x"
    with person(
        "run", "-q", "busybox", "sh", "-c", script, streams=(subprocess.PIPE, None, None)
    ) as user:
        assert user.process.stdin is not None
        user.process.stdin.write(b"piped\n")
        user.process.stdin.close()
        assert b"piped\r\n" in user.see(b"go\r\n")
        user.type(b"abc\r")
        user.see(b"got abc\r\n")
        assert user.wait() == 0


def test_a_terminal_that_only_gets_output_is_left_alone() -> None:
    with person(
        "run", "-q", "busybox", "sh", "-c", "echo out; sleep 100",
        streams=(subprocess.DEVNULL, None, None),
    ) as user:  # fmt: skip
        user.see(b"out\r\n")
        assert not user.raw
        user.process.send_signal(signal.SIGINT)
        assert user.wait() == 128 + signal.SIGINT


def test_sigint_without_a_terminal_goes_to_the_foreground_group() -> None:
    command = [sys.executable, "-m", "diorama", "run", "-q", "busybox", "sh", "-c"]
    script = "trap 'echo caught; exit 9' INT; echo go; while :; do sleep 1; done"
    done = subprocess.Popen(
        [*command, script], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    with done:
        assert done.stdout is not None
        assert done.stdout.readline() == b"go\n"
        done.send_signal(signal.SIGINT)
        assert done.stdout.read() == b"caught\n"
        assert done.wait() == 9


def test_a_stopped_and_continued_diorama_takes_the_terminal_again() -> None:
    with person("run", "-q", "busybox", "sh", "-c", "echo go; exec sleep 100") as user:
        before = user.settings
        user.see(b"go")
        user.process.send_signal(signal.SIGSTOP)
        os.waitpid(user.process.pid, os.WUNTRACED)
        termios.tcsetattr(user.slave, termios.TCSANOW, before)
        cooked = user.settings
        cooked[3] |= termios.ICANON | termios.ISIG | termios.ECHO
        termios.tcsetattr(user.slave, termios.TCSANOW, cooked)
        user.process.send_signal(signal.SIGCONT)
        user.until(lambda: user.raw)
        user.type(b"\x03")
        assert user.wait() == 128 + signal.SIGINT


def test_a_background_job_writes_freely() -> None:
    with person("shell", "-q") as user:
        user.prompt()
        assert b"\r\nhi\r\n" in shell(user, b"echo hi & wait")


@pytest.mark.parametrize("words", [("trace", "-f"), ("run", "-q", "--trace=raw")])
def test_traces_lines_begin_at_the_left(words: tuple[str, ...]) -> None:
    """The terminal is raw meanwhile: it wants its carriage returns from us."""
    with person(*words, "busybox", "sh", "-c", "echo one | cat; :") as user:
        shown = user.see(b"exit_group(")
        shown += user.see(b"exit_group(")
        assert user.wait() == 0
    assert shown.count(b"\n") > 20
    assert shown.count(b"\n") == shown.count(b"\r\n")


@pytest.mark.parametrize(
    ("streams", "seen"),
    [
        ((None, subprocess.PIPE, subprocess.DEVNULL), [b"TERM=vt99"]),
        ((subprocess.DEVNULL, subprocess.PIPE, None), []),
    ],
)
def test_the_terminals_name_is_known_where_there_is_one(
    streams: tuple[int | None, int | None, int | None],
    seen: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TERM comes with a terminal on stdin or stdout; stderr is no screen."""
    monkeypatch.setenv("TERM", "vt99")
    with person("run", "-q", "busybox", "env", streams=streams) as user:
        assert user.process.stdout is not None
        lines = user.process.stdout.read().splitlines()
        assert user.wait() == 0
    assert [line for line in lines if line.startswith(b"TERM")] == seen
