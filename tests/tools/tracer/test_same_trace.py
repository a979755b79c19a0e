"""The same shell script on the real kernel under strace and here under ``diorama trace``.

Two kernels, two tracers, one text per process: what may differ (addresses, pids, times, the host's
name, where the file is) is replaced, and nothing else is.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import tempfile
from difflib import unified_diff
from pathlib import Path

import pytest

from tests.support import oracles
from tests.support.guest import run_cli
from tools.busybox import find_busybox

pytestmark = pytest.mark.row("K10")

SCRIPTS = (
    "(exit 3); echo $?; read x; umask 027; cd /; kill -TERM $$",
    'trap "echo t" INT; kill -INT $$; cat </no/such/file; exit 5',
    "echo hi >/dev/null; sleep 0.01; kill -KILL $$",
    "sh -c 'kill -SEGV $$'; cd /etc; pwd >/dev/null; exec true",
    "set -e; echo a >/tmp/.diorama-same; rm /tmp/.diorama-same; false; echo never",
    "exec 5>&1 6<&0; test -r / && test -d /dev; exec 5>&-; kill -STOP 99999; :",
)
"""Nothing here depends on who is faster: a child is waited for before anything else happens."""
RULES = (
    (re.compile(r'getrandom\("[^"]*"'), "getrandom(RANDOM"),
    (re.compile(r'readlink\("/proc/self/exe".*'), "readlink(EXE"),
    (re.compile(r'execve\("[^"]*busybox", \["[^"]*"'), 'execve("BUSYBOX", ["BUSYBOX"'),
    (re.compile(r'nodename="\w+"'), 'nodename="HOST"'),
    (re.compile(r"0x[0-9a-f]{4,}( /\* \d+ vars \*/)?"), "ADDRESS"),
    (re.compile(r"tv_n?sec=\d+, tv_nsec=\d+"), "TIME"),
    (re.compile(r"(si_[us]time)=\d+"), r"\1=TIME"),
    (re.compile(r"si_pid=\d+"), "si_pid=PID"),
    (re.compile(r"kill\(\d+,"), "kill(PID,"),
    (re.compile(r"^((set_tid_address|get\w*pid|clone|wait4|rt_sigreturn)\(.*= )\d+$"), r"\1PID"),
    (re.compile(r"st_size=\d+|time\(.*|getcwd\(.*|stat\(\".*"), "SIZE"),
    (re.compile(r"makedev\([^)]*\)"), "DEVICE"),
    (re.compile(r" +="), " ="),
)  # fmt: skip


def normal(text: str) -> list[str]:
    """The lines of a trace without what may differ."""
    lines = []
    for line in text.splitlines():
        for pattern, replacement in RULES:
            line = pattern.sub(replacement, line)
        lines.append(line)
    return [line for line in lines if not _SCHEDULING.search(line)]


_SCHEDULING = re.compile(r"SIGCHLD \{|rt_sigreturn|wait4.*ERESTARTSYS")
"""Whether a child ends before or after its parent waits is nobody's promise."""


def traces(stem: Path) -> list[list[str]]:
    """One list of lines per process, in the order of pids."""
    files = sorted(stem.parent.glob(f"{stem.name}.*"), key=lambda path: int(path.suffix[1:]))
    return [normal(path.read_text()) for path in files]


@pytest.fixture(scope="module")
def busybox() -> str:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        oracles.cannot_run("strace needs a Linux host of the same CPU")
    return str(find_busybox("x86_64"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_two_traces_are_equal(busybox: str, script: str, tmp_path: Path) -> None:
    strace = str(oracles.program("strace"))
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
    with tempfile.TemporaryFile() as empty, tempfile.TemporaryFile() as output:
        subprocess.run(
            [strace, "-ff", "-o", str(outside), busybox, "sh", "-c", script],
            stdin=empty, stdout=output, stderr=output,
            env=environment, cwd="/", timeout=90, check=False,
        )  # fmt: skip
    run_cli("trace", "-ff", "-o", str(inside), busybox, "sh", "-c", script)
    expected = traces(outside)
    if not expected or not expected[0]:
        oracles.cannot_run("strace is not permitted here")
    found = traces(inside)
    differences = [
        line
        for number, (theirs, ours) in enumerate(zip(expected, found, strict=False))
        for line in unified_diff(theirs, ours, f"strace {number}", "diorama", lineterm="", n=1)
    ]
    assert not differences, "\n".join(differences)
    assert len(found) == len(expected)
