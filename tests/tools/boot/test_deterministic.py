"""Two runs of the same are the same, byte for byte, whatever the host does meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.oracles import cannot_run
from tools.fetch import npm_directory, wheel_directory
from userland import build

SCRIPT = """\
date; sleep 3600; date
for i in 1 2 3; do (sleep $i; echo done $i; cat /proc/uptime) & done; wait
seq 1 500 | sort -r | head -n 2
head -c 8 /dev/urandom | od -x
ls -la /tmp; ps; cat /proc/self/stat; times
i=0; while [ $i -lt 500 ]; do i=$((i + 1)); done; cat /proc/uptime
"""


def traced(arch: str, trace: Path, hash_seed: str) -> bytes:
    """Output of one run; the trace, with times, goes to a file."""
    done = subprocess.run(
        [sys.executable, "-m", "diorama", "trace", "-f", "-ttt", "-T", "-o", str(trace),
         "--deterministic", "--arch", arch, "busybox", "sh"],
        input=SCRIPT.encode(),
        capture_output=True,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.guest
@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_two_runs_give_the_same_trace(arch: str, tmp_path: Path) -> None:
    begun = time.monotonic()
    first = traced(arch, tmp_path / "a", "1")
    second = traced(arch, tmp_path / "b", "2")
    assert time.monotonic() - begun < 3600  # nobody slept for an hour
    assert first == second
    assert b"Mon Jan  1 00:00:00 UTC 2024\nMon Jan  1 01:00:00 UTC 2024\ndone 1\n3601." in first
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def twice(program: Path, tmp_path: Path, *args: str) -> None:
    """Run a program with threads twice; the traces, with times, must be equal."""
    traces = []
    for seed in ("1", "2"):
        trace = tmp_path / f"trace{seed}"
        done = subprocess.run(
            [sys.executable, "-m", "diorama", "trace", "-f", "-ttt", "-T", "-o", str(trace),
             "--deterministic", "--volume", f"{tmp_path}:/work", "--workdir", "/work",
             str(program), *args],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
            timeout=120,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        traces.append((done.stdout, trace.read_bytes()))
        trace.unlink()
    assert traces[0] == traces[1]


@pytest.mark.guest
@pytest.mark.row("T3")
@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_go_is_deterministic(arch: str, tmp_path: Path) -> None:
    place = npm_directory("esbuild", arch)
    if place is None:
        cannot_run("esbuild is not fetched (make fetch)")
    (tmp_path / "a.js").write_text("import {b} from './b.js'; console.log(b + 1);\n")
    (tmp_path / "b.js").write_text("export const b = 41;\n")
    program = place / "package" / "bin" / "esbuild"
    twice(program, tmp_path, "a.js", "--bundle", "--minify", "--log-level=error")


@pytest.mark.guest
@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_rust_with_its_own_threads_is_deterministic(arch: str, tmp_path: Path) -> None:
    place = wheel_directory("ruff", arch)
    if place is None:
        cannot_run("ruff is not fetched (make fetch)")
    (program,) = place.glob("*.data/scripts/ruff")
    for number in range(20):
        (tmp_path / f"m{number}.py").write_text(f"A = {number}\n")
    twice(program, tmp_path, "check", "--isolated", "--no-cache", ".")


@pytest.mark.guest
@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
@pytest.mark.parametrize("name", ["threads_sync", "threads_locks", "net_tcp"])
def test_threads_and_sockets_are_deterministic(arch: str, name: str, tmp_path: Path) -> None:
    twice(build.build(name, arch), tmp_path)


COMPETING = """\
echo begun
for i in 1 2 3 4; do (j=0; while [ $j -lt 3000 ]; do j=$((j+1)); done; echo $i) & done; wait
ps
"""


@pytest.mark.guest
@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
@pytest.mark.parametrize("number", [signal.SIGCONT, signal.SIGWINCH])
def test_signals_that_are_not_the_guests_change_no_schedule(
    number: int, arch: str, tmp_path: Path
) -> None:
    """A run that was stopped and continued, for one.  Nor do they end a turn in between."""
    outputs = []
    slices = tmp_path / "slices"
    for disturbed in (False, True):
        with subprocess.Popen(
            [sys.executable, "-m", "diorama", "run", "-q", "--deterministic", "--arch", arch,
             "--folded", str(slices), "--folded-at", "slices", "busybox", "sh", "-c", COMPETING],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ) as run:  # fmt: skip
            assert run.stdout is not None
            output = run.stdout.readline()
            while disturbed and run.poll() is None:
                run.send_signal(number)
                time.sleep(0.003)
            outputs.append((output + run.stdout.read(), run.wait(), slices.read_bytes()))
    assert outputs[0] == outputs[1]
    assert outputs[0][1] == 0


@pytest.mark.guest
@pytest.mark.parametrize("options", [(), ("--deterministic",)])
def test_a_host_signal_ends_a_guest_that_makes_no_calls(options: tuple[str, ...]) -> None:
    command = [
        sys.executable, "-m", "diorama", "run", *options, "busybox", "sh", "-c",
        "echo ready; while :; do :; done",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"ready\n"
        run.send_signal(signal.SIGTERM)
        assert run.wait(timeout=60) == 128 + signal.SIGTERM
