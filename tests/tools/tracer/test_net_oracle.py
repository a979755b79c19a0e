"""Calls about sockets under the real strace and under our printers; see ``test_native_oracle``."""

from __future__ import annotations

import io
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from syscalls.table import SyscallTable
from tests.support import native_tracee, oracles
from tests.support.guest import run_cli
from tests.tools.tracer.test_native_oracle import normal
from tools.tracer.strace import Options, StraceTracer
from userland import build

pytestmark = pytest.mark.row("K10")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What strace writes about the program."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        oracles.cannot_run("ptrace needs an x86_64 Linux host")
    output = tmp_path_factory.mktemp("strace") / "trace"
    words = [str(oracles.program("strace")), "-o", str(output)]
    subprocess.run(
        [*words, str(build.build("net_calls", "x86_64"))], stdin=subprocess.DEVNULL, timeout=90,
        capture_output=True, check=False,
    )  # fmt: skip
    return [normal(line) for line in output.read_text().splitlines()[1:]]


def test_lines_equal_straces(expected: list[str]) -> None:
    """The real kernel's answers, printed by us."""
    sink = io.StringIO()
    tracer = StraceTracer(
        SyscallTable("x86_64"), lambda tid: sink, Options(follow=False, to_file=True)
    )
    program = str(build.build("net_calls", "x86_64"))
    try:
        native_tracee.run(program, [program], tracer, tracer.follow)
    except PermissionError:
        oracles.cannot_run("ptrace is not permitted here")
    assert [normal(line) for line in sink.getvalue().splitlines()] == expected


@pytest.mark.guest
def test_our_kernel_answers_as_linux_does(expected: list[str], tmp_path: Path) -> None:
    """The same lines from the machine: every result, error, address and option."""
    output = tmp_path / "trace"
    result = run_cli("trace", "-o", str(output), str(build.build("net_calls", "x86_64")))
    assert (result.status, result.text) == (0, "ok\n")
    found = [normal(line) for line in output.read_text().splitlines()]
    begin = next(i for i, line in enumerate(found) if line.startswith("socketpair"))
    linux = next(i for i, line in enumerate(expected) if line.startswith("socketpair"))
    different = [
        pair
        for pair in zip(found[begin:], expected[linux:], strict=True)
        if pair[0] != pair[1] and "pid=" not in pair[0] and "SO_RCVTIMEO" not in pair[0]
    ]
    assert different == []
