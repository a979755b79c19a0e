"""The caller's 0, 1 and 2 through the real command line."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.command import diorama, shell, started

pytestmark = pytest.mark.guest

SIGPIPE_STATUS = 128 + signal.SIGPIPE


def test_a_loop_over_a_file_sees_every_line(arch: str, tmp_path: Path) -> None:
    """`while read l; do diorama run busybox true; done < list`."""
    (tmp_path / "list").write_text("one\ntwo\nthree\n")
    script = 'while read l; do echo "$l"; diorama run --arch "$1" busybox true; done < list'
    assert shell(script, arch, cwd=tmp_path).stdout == b"one\ntwo\nthree\n"


def test_a_loop_over_a_pipe_sees_every_line(arch: str, tmp_path: Path) -> None:
    script = """printf 'one\\ntwo\\nthree\\n' |
        while read l; do echo "$l"; diorama run --arch "$1" busybox true; done"""
    assert shell(script, arch, cwd=tmp_path).stdout == b"one\ntwo\nthree\n"


def test_the_next_command_reads_on(arch: str, tmp_path: Path) -> None:
    """`(diorama run busybox head -c 3; cat) < file`: the offset is shared."""
    (tmp_path / "file").write_text("abcdef")
    script = '(diorama run --arch "$1" busybox head -c 3; echo; cat) < file'
    assert shell(script, arch, cwd=tmp_path).stdout == b"abc\ndef"


def test_appending_goes_behind_what_the_caller_wrote(arch: str, tmp_path: Path) -> None:
    script = '(echo one; diorama run --arch "$1" busybox echo two; echo three) > out; cat out'
    assert shell(script, arch, cwd=tmp_path).stdout == b"one\ntwo\nthree\n"


def test_a_reader_that_leaves_is_sigpipe(arch: str) -> None:
    process = started("run", "--arch", arch, "busybox", "yes", stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    assert process.stdout.read(4) == b"y\ny\n"
    process.stdout.close()
    assert process.wait(90) == SIGPIPE_STATUS


def test_a_reader_that_leaves_is_epipe_where_the_signal_is_ignored(arch: str) -> None:
    script = "trap '' PIPE; yes; echo $? >&2"
    process = started("run", "--arch", arch, "busybox", "sh", "-c", script)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(4)
    process.stdout.close()
    assert process.stderr.read() == b"yes: (null): Broken pipe\n1\n"  # BusyBox's own words
    assert process.wait(90) == 0
    process.stderr.close()


def test_a_reader_that_never_reads_stops_nothing_else(arch: str) -> None:
    """The writer sleeps; another task goes on, and the time limit ends the run."""
    script = "yes & while ! grep -q 'S (sleeping)' /proc/$!/status; do :; done; echo on >&2; wait"
    words = ("run", "--arch", arch, "--timeout", "50", "busybox", "sh", "-c", script)
    with started(*words) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.readline() == b"on\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(90) == 128 + signal.SIGTERM


def test_a_closed_stdin_is_closed_inside(arch: str, tmp_path: Path) -> None:
    script = 'diorama run --arch "$1" busybox sh -c "cat; ls /proc/self/fd" <&-'
    done = shell(script, arch, cwd=tmp_path)
    assert done.stdout == b"0\n1\n2\n"  # ls's own descriptor has become 0
    assert done.stderr == b"cat: read error: Bad file descriptor\n"


def test_a_closed_stdout_is_closed_inside(arch: str, tmp_path: Path) -> None:
    done = shell('diorama run --arch "$1" busybox echo hi >&-', arch, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == b"echo: write error: Bad file descriptor\n"


def test_a_closed_stderr_is_closed_inside(arch: str, tmp_path: Path) -> None:
    script = 'diorama run --arch "$1" --trace busybox sh -c "echo lost >&2; echo kept" 2>&-'
    done = shell(script, arch, cwd=tmp_path)
    assert (done.stdout, done.stderr) == (b"kept\n", b"")
    done = shell("diorama run no-such-program 2>&-", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (127, b"")


def test_both_ways_into_one_file(arch: str, tmp_path: Path) -> None:
    script = (
        'diorama run --arch "$1" busybox sh -c "echo 1; echo 2 >&2; echo 3" > out 2>&1; cat out'
    )
    assert shell(script, arch, cwd=tmp_path).stdout == b"1\n2\n3\n"


@pytest.mark.parametrize("words", [("syscalls",), ("--help",), ("run", "--help"), ("--version",)])
def test_our_own_output_may_have_no_room(words: tuple[str, ...], tmp_path: Path) -> None:
    text = " ".join(words)
    full = shell(f"diorama {text} > /dev/full", cwd=tmp_path)
    assert (full.returncode, full.stderr) == (125, b"diorama: stdout: No space left on device\n")
    closed = shell(f"diorama {text} >&-", cwd=tmp_path)
    assert (closed.returncode, closed.stderr) == (125, b"diorama: stdout is closed\n")
    assert shell(f"diorama {text} | true", cwd=tmp_path).stderr == b""


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("run no-such-program", 127),
        ("run busybox sh -c 'exit 3'", 3),
        ("stats busybox sh -c 'exit 4'", 125),
        ("trace busybox true", 125),
    ],
)
def test_the_status_with_a_full_stderr(text: str, status: int, tmp_path: Path) -> None:
    """125 where what was asked for is lost.  It was 120, of Python's own last attempt to write."""
    assert shell(f"diorama {text} 2> /dev/full", cwd=tmp_path).returncode == status


def test_a_full_disk_under_a_trace_does_not_reach_the_guest(arch: str) -> None:
    words = ("--arch", arch, "busybox", "find", "/")
    expected = diorama("run", *words)
    traced = diorama("trace", "-o", "/dev/full", *words)
    assert traced.stderr == b"diorama: /dev/full: No space left on device\n"
    assert traced.returncode == 125
    assert traced.stdout == expected.stdout
    counted = diorama("run", "--stats=/dev/full", "--arch", arch, "busybox", "true")
    assert counted.stderr == b"diorama: /dev/full: No space left on device\n"
    assert counted.returncode == 125


def test_a_trace_whose_reader_leaves_does_not_reach_the_guest(arch: str, tmp_path: Path) -> None:
    script = 'exec 3>&1; diorama trace --arch "$1" busybox echo hi 2>&1 >&3 3>&- | true'
    assert shell(script, arch, cwd=tmp_path).stdout == b"hi\n"
