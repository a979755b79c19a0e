"""Threads and futexes in numbers, and what is left of processes that are killed at any moment."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

import diorama
from kernel.abi.signals import SIGKILL
from kernel.task.scheduler import Scheduler
from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_group
from tests.support.counts import scaled
from tests.support.guest import run_guest
from tests.support.oracles import native_prefix
from userland import build

pytestmark = [pytest.mark.guest, pytest.mark.slow]

ROUND_TRIPS = 100_000
PROCESSES = 500
AT_ONCE = 10


@pytest.mark.row("X3", "X4")
def test_threads_and_round_trips(arch: str) -> None:
    """100 000 round trips and 1 000 threads and more in `make stress`."""
    rounds = scaled(ROUND_TRIPS)
    result = run_guest(build.build("threads_stress", arch), str(rounds), arch=arch, timeout=300.0)
    assert (result.status, result.text) == (0, "ok\n")


@pytest.mark.row("X3", "X4")
@pytest.mark.parametrize("name", ["threads_life", "threads_locks", "threads_sync", "threads_misc"])
def test_any_schedule_will_do(name: str, arch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns of a few blocks, their length by chance: threads meet at places they seldom meet."""
    source = random.Random(name)
    lengths = (1, 2, 3, 5, 10, 30, 100, 1000)
    monkeypatch.setattr(Scheduler, "quantum", lambda self, task, blocks: source.choice(lengths))
    result = run_guest(build.build(name, arch), arch=arch)
    assert (result.status, result.text) == (0, "ok\n")


@pytest.mark.native
def test_busy_passes_outside(arch: str, tmp_path: Path) -> None:
    command = [*native_prefix(arch), str(build.build("busy", arch)), "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "ok\n")


@pytest.mark.row("X3", "X4", "K2")
def test_killed_at_any_moment_everything_comes_back(arch: str) -> None:
    """kill -9 of busy processes with threads, children, pipes, locks and shared memory."""
    source = random.Random(17)
    program = build.build("busy", arch)
    with diorama.boot(arch, memory="512m") as machine:
        machine.mount(str(program), "/bin/busy")
        system = machine.system

        def used() -> tuple[object, ...]:
            frames = system.frames
            return (
                frames.used_count - len(system.page_cache), frames.committed, [*system.tasks],
                [*system.groups], len(system.pids), len(system.timers), system.user_processes,
                system.user_signals, system.scheduler.runnable,
                sum(len(bucket.waiters) for bucket in system.futexes.buckets.values()),
                [*system.futexes.locks],
            )  # fmt: skip

        def run_for(switches: int) -> None:
            until = system.counters.switches + switches
            machine.run(lambda: system.counters.switches >= until)

        def kill_some(count: int) -> None:
            running = [machine.spawn("busy", "0") for _ in range(count)]
            for process in running:
                run_for(source.randrange(400))
                send_to_group(process.task.group, SigInfo(SIGKILL))
            machine.run()
            machine.run(lambda: len(system.tasks) == 1)  # children that were left behind
            assert [process.status for process in running] == [128 + SIGKILL] * count

        kill_some(1)
        before = used()
        for _ in range(scaled(PROCESSES) // AT_ONCE):
            kill_some(AT_ONCE)
        assert used() == before
        assert system.counters.forks > 2 * scaled(PROCESSES)  # they were busy
