"""The same program under the real strace and under our printers, byte for byte.

The program runs on the real kernel both times; ptrace(2) feeds our tracer the events that the
machine would.  What differs between two runs of a program (addresses, pids, times, random bytes) is
replaced first.
"""

from __future__ import annotations

import io
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from syscalls.table import SyscallTable
from tests.support import native_tracee, oracles
from tools.busybox import find_busybox
from tools.tracer.strace import Options, StraceTracer

COMMANDS = (
    ("true",),
    ("ls", "-la", "/etc"),
    ("sh", "-c", 'trap "echo hi" USR1; kill -USR1 $$; read x; kill -SEGV $$'),
    ("sh", "-c", 'exec 3</etc/passwd; read a <&3; ulimit -n; umask 027; cd /; echo "$a"; exit 3'),
    ("sh", "-c", "kill -TERM $$"),
    ("cat", "/etc/passwd", "/proc/none"),
    ("id",),
    ("stat", "/dev/null", "/etc", "/"),
    ("stat", "-f", "/proc"),
    ("hostname",),
    ("sleep", "0.01"),
    ("find", "/etc", "-name", "passwd", "-type", "f"),
    ("sort", "-k2", "/etc/passwd"),
    ("head", "-c", "100", "/dev/zero"),
    ("tail", "-n", "1", "/etc/passwd"),
    ("dd", "if=/dev/zero", "of=/dev/null", "bs=1k", "count=2", "skip=1"),
    ("readlink", "-f", "/proc/self/exe"),
    ("mknod", "/proc/none/x", "c", "1", "3"),
    ("chown", "1:2", "/proc/none"),
    ("ln", "-s", "a", "/proc/none/b"),
    ("mkdir", "-m", "1777", "/proc/none/d"),
    ("touch", "-d", "2020-01-02 03:04:05", "-c", "/proc/none"),
    ("truncate", "-s", "5", "-c", "/proc/none"),
    ("nproc",),
    ("renice", "-n", "0", "-p", "1"),
    ("ifconfig", "lo"),
)

pytestmark = pytest.mark.row("K10")
RANDOM = re.compile(r'getrandom\("[^"]*"')
ADDRESS = re.compile(r"0x[0-9a-f]{5,}( /\* \d+ vars \*/)?")
NUMBERS = re.compile(r"\b\d{4,}\b|(?<=procs=)\d+")
SPACES = re.compile(r" +=")


def normal(line: str) -> str:
    """A line without what differs between runs."""
    line = RANDOM.sub("getrandom(...", line)
    line = ADDRESS.sub("ADDRESS", line)
    line = NUMBERS.sub("NUMBER", line)
    return SPACES.sub(" =", line)


@pytest.fixture(scope="module")
def busybox() -> str:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        oracles.cannot_run("ptrace needs an x86_64 Linux host")
    return str(find_busybox("x86_64"))


def ours(busybox: str, command: tuple[str, ...]) -> list[str]:
    sink = io.StringIO()
    tracer = StraceTracer(
        SyscallTable("x86_64"), lambda tid: sink, Options(follow=False, to_file=True)
    )
    try:
        native_tracee.run(busybox, ["busybox", *command], tracer, tracer.follow)
    except PermissionError:
        oracles.cannot_run("ptrace is not permitted here")
    return sink.getvalue().splitlines()


def theirs(busybox: str, command: tuple[str, ...], output: Path) -> list[str]:
    strace = str(oracles.program("strace"))
    link = output.parent / "busybox"
    if not link.exists():
        link.symlink_to(busybox)
    words = [strace, "-E", "LC_ALL=C", "-o", str(output), str(link), *command]
    subprocess.run(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        timeout=90, check=False,
    )  # fmt: skip
    return output.read_text().splitlines()[1:]  # the first line is the execve we cannot see


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: "-".join(command)[:30])
def test_lines_equal_straces(busybox: str, command: tuple[str, ...], tmp_path: Path) -> None:
    expected = [normal(line) for line in theirs(busybox, command, tmp_path / "trace")]
    found = [normal(line) for line in ours(busybox, command)]
    assert found == expected
