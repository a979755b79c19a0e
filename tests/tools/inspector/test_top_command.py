"""``diorama top`` as its users meet it: on a real terminal, and with every mistake."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command import diorama
from tests.support.inspector import machine
from tests.support.ptys import person
from tools.inspector import place
from tools.inspector.guest import DIORAMA, PYTHON_PATH, Guest
from tools.inspector.link import LinkError, greet

pytestmark = pytest.mark.guest

HELD = 90.0
LEFT = b"\x1b[?1049l"
"""What a terminal gets last: back to the screen it had before."""


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + HELD
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return [int(word) for t in tasks for word in (t / "children").read_text().split()]
    except OSError:
        return []


def gone(pid: int) -> bool:
    """Has a process ended?"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("top", "busybox"), 125, "needs a terminal"),
        (("top",), 125, "PROGRAM is missing"),
        (("top", "--nonsense", "busybox"), 125, "unknown option --nonsense"),
        (("top", "--inspect", "busybox"), 125, "unknown option --inspect"),
        (("top", "--memory", "1", "busybox"), 125, "too little"),
        (("top", "--attach", "busybox"), 125, "takes no program"),
        (("top", "--attach", "--memory", "64m"), 125, "takes no program"),
        (("top", "--web", "0", "busybox"), 125, "no port"),
        (("top", "--web", "http", "busybox"), 125, "--web"),
        (("run", "--inspect-wait=x", "busybox"), 125, "takes no value"),
    ],
)
def test_mistakes_have_one_line(words: tuple[str, ...], status: int, says: str) -> None:
    done = diorama(*words)
    assert (done.returncode, done.stdout) == (status, b"")
    assert done.stderr.startswith(b"diorama: ")
    assert done.stderr.count(b"\n") == 1
    assert says in done.stderr.decode()


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("top", "/no/such/program"), 127, b"/no/such/program"),
        (("top", "/etc"), 126, b"/etc"),
        (("top", "--attach=/no/such/socket"), 125, b"No such file"),
        (("top", "--attach=999999"), 125, b"no diorama with process id 999999"),
        (("top", "--attach"), 125, b"no machine runs with --inspect"),
    ],
)
def test_mistakes_on_a_terminal_leave_it_alone(
    words: tuple[str, ...], status: int, says: bytes, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(work))
    with person(*words) as user:
        before = user.settings
        shown = user.see(b"\r\n")
        assert shown.startswith(b"diorama: ")
        assert says in shown
        assert b"\x1b" not in shown
        assert user.wait() == status
        assert user.settings == before


def test_on_a_real_terminal(arch: str) -> None:
    """Type, look, leave: the terminal is as it was, and nobody is left behind."""
    with person("top", "-q", "--arch", arch, "busybox", "sh") as user:
        before = user.settings
        user.see(b"/ # ")
        user.type(b"echo $((6*7))\r")
        user.see(b"42")
        others = children_of(user.process.pid)
        assert others
        user.type(b"\x1d")
        user.see(b"quit")  # in the footer: the keys are ours
        user.type(b"q")
        user.see(LEFT)
        assert user.wait() == 129  # the shell's terminal is gone
        assert user.settings == before
        assert all(gone(pid) for pid in others)


def test_a_view_that_was_stopped_and_continued_leaves_the_terminal_alone() -> None:
    """SIGSTOP cannot be noticed, and Textual took its own settings for the terminal's."""
    with person("top", "-q", "busybox", "sh") as user:
        before = user.settings
        user.see(b"/ # ")
        user.process.send_signal(signal.SIGSTOP)
        user.process.send_signal(signal.SIGCONT)
        user.see(b"\x1b[?1049h")  # it takes the terminal again
        user.see(b"running")
        user.process.send_signal(signal.SIGTERM)
        user.see(LEFT)
        user.wait()
        assert user.settings == before


def test_the_guests_status_is_ours(arch: str) -> None:
    with person("top", "-q", "--arch", arch, "busybox", "sh", "-c", "exit 5") as user:
        user.see(b"with status 5")
        user.see(b"quit")  # nobody is there to type for: the keys are ours
        user.type(b"q")
        user.see(LEFT)
        assert user.wait() == 5


@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGTERM, signal.SIGKILL])
def test_a_view_that_goes_away_takes_its_machine_along(
    how: signal.Signals, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(work))
    with person("top", "-q", "busybox", "sleep", "1000") as user:
        user.see(b"clock_nanosleep")
        others = children_of(user.process.pid)
        assert others
        user.process.send_signal(how)
        user.process.wait(HELD)
        until(lambda: all(gone(pid) for pid in others))
        assert list(work.iterdir()) == []


@pytest.mark.parametrize("how", ["SIGHUP", "SIGTERM", "SIGINT", "SIGQUIT"])
def test_a_signal_ends_the_view_as_it_ends_other_programs(how: str) -> None:
    """SIGTERM gave the guest's 129 and SIGINT 0; SIGQUIT left the terminal as it was."""
    with person("top", "-q", "busybox", "sleep", "1000") as user:
        before = user.settings
        user.see(b"clock_nanosleep")
        user.process.send_signal(signal.Signals[how])
        user.see(LEFT)
        assert user.wait() == 128 + signal.Signals[how]
        assert user.settings == before


@pytest.mark.parametrize("first", [None, signal.SIGTERM])
def test_a_terminal_that_is_no_more_ends_the_view(first: signal.Signals | None) -> None:
    """Textual's way out writes to the terminal; it waited for ever when nobody took that."""
    with person("top", "-q", "busybox", "sleep", "1000") as user:
        user.see(b"clock_nanosleep")
        others = children_of(user.process.pid)
        if first is not None:
            user.process.send_signal(first)
        for fd in (user.master, user.slave):
            os.close(fd)
        user.master = user.slave = -1
        user.process.wait(HELD)
        until(lambda: all(gone(pid) for pid in others))


def test_a_killed_web_server_leaves_no_view() -> None:
    """Its views read and wrote pipes that nobody had any more, and one went on drawing for ever."""
    view = [*DIORAMA, "top", "-q", "busybox", "sleep", "1000"]
    server = (
        "import subprocess, sys, time\n"
        f"view = subprocess.Popen({view!r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "view.stdout.read(1 << 14)\n"  # it draws
        "print(view.pid, flush=True)\n"
        "time.sleep(1000)\n"
    )
    driver = "textual.drivers.web_driver:WebDriver"
    environment = {**os.environ, **PYTHON_PATH, "TEXTUAL_DRIVER": driver}
    with subprocess.Popen(
        [sys.executable, "-c", server], stdout=subprocess.PIPE, env=environment
    ) as running:
        assert running.stdout is not None
        pid = int(running.stdout.readline())
        others = children_of(pid)
        assert others
        running.kill()
        until(lambda: gone(pid) and all(gone(other) for other in others))


def test_attach_finds_the_machine_by_itself(
    arch: str, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the runtime directory; its terminal is mirrored with its past; it goes on after us."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(work))
    with person("run", "-q", "--arch", arch, "--inspect", "busybox", "sh") as guest:
        guest.see(b"--attach=")
        guest.prompt()
        guest.type(b"echo se''en before\r")
        guest.see(b"seen before")
        assert [path.stem for path in place.running()] == [str(guest.process.pid)]
        mode = (work / "diorama").stat().st_mode & 0o777
        assert mode == 0o700
        for wanted in ("--attach", f"--attach={guest.process.pid}"):
            with person("top", wanted) as user:
                user.see(b"seen before")
                guest.type(b"echo mir''ror\r")
                user.see(b"mirror")
                user.type(b"q")
                user.see(LEFT)
                assert user.wait() == 0
        guest.type(b"exit 4\r")
        assert guest.wait() == 4
    assert place.running() == []


def test_several_machines_must_be_told_apart(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(work))
    home = place.make_directory()
    with (
        machine(home / "1.sock", "busybox", "true") as one,
        machine(home / "2.sock", "busybox", "true") as two,
    ):
        one.attach()
        two.attach()
        with person("top", "--attach") as user:
            user.see(b"--attach=PID with one of 1, 2\r\n")
            assert user.wait() == 125
        one.process.kill()
        one.process.wait()
        assert [path.stem for path in place.running()] == ["2"]
        assert not (home / "1.sock").exists()


def test_the_time_limit_holds_while_nobody_comes(work: Path) -> None:
    """As with -g; it counted only once somebody had looked in."""
    limit = ("--timeout", "0.2")
    done = diorama("run", f"--inspect={work / 'in'}", "--inspect-wait", *limit, "busybox", "true")
    assert done.returncode == 124
    assert done.stdout == b""


def test_a_directory_that_others_may_write_to_is_not_used(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(work))
    (work / "diorama").mkdir()
    os.chmod(work / "diorama", 0o777)
    done = diorama("run", "--inspect", "busybox", "true")
    assert done.returncode == 125
    assert b"not a directory of yours alone" in done.stderr


@pytest.mark.parametrize(
    ("greeting", "says"),
    [
        (b"", "closed"),
        (b"SSH-2.0-OpenSSH\n", "does not answer"),
        (b'{"hello":"somebody"}\n', "no machine's socket"),
        (b'{"hello":"diorama-inspector","version":99}\n', "version 99"),
        (b'{"hello":"diorama-inspector","version":1,"error":"full"}\n', "full"),
    ],
)
def test_sockets_of_others(greeting: bytes, says: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(greeting)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(LinkError, match=says):
            greet(ours)


def test_a_machine_that_cannot_be_made_says_why() -> None:
    guest = Guest(["--", "/no/such/program"])
    assert guest.connect() is None
    assert b"/no/such/program" in guest.said
    assert guest.end() == 127


def test_textual_is_not_loaded_by_those_who_do_not_look(work: Path) -> None:
    """``run`` starts as quickly as before; --inspect loads no printers until somebody comes."""
    script = """if True:
        import sys
        from tools.cli import main
        assert main(sys.argv[1:]) == 0
        heavy = {"textual", "pyte", "rich", "asyncio", "tools.inspector.consumer",
                 "tools.tracer.strace", "kernel.machine.describe"}
        print(sorted(heavy & set(sys.modules)))"""
    for option in ([], [f"--inspect={work}/here"]):
        done = subprocess.run(
            [sys.executable, "-c", script, "run", "-q", *option, "busybox", "true"],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[3],
            timeout=HELD,
        )
        assert done.stdout == "[]\n", done.stderr
