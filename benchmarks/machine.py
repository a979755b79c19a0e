"""What whole operations cost on a machine: against the budgets of the design (section 8), and
beside qemu-user, which hands each call to the host.

Each operation is done by a guest program (userland/bench/calls.c) in a process of its own; the cost
is the CPU time of that process, less that of doing it no times.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.budgets import REPETITIONS, Row
from userland.build import C_FLAGS, HERE, compile_program


class Operation(NamedTuple):
    """One row: its name in calls.c, how often, what it is, µs allowed, parts of one operation."""

    name: str
    times: int
    path: str
    budget: float
    parts: int = 1


NO_BUDGET = 0.0

OPERATIONS = (
    Operation("getpid", 50_000, "trap and back, getpid", 2.5),
    Operation("faults", 1_000, "page fault, 16 neighbours, a page (with mmap)", 2.4, 16),
    Operation("one_page", 10_000, "mmap + munmap of one page", 10),
    Operation("unmap_beside_big", 10_000, "the same with 64 MiB resident", 15),
    Operation("fork", 500, "fork + exit + wait", 1000),
    Operation("big_fork", 200, "fork + exit + wait with 64 MiB dirty", 2000),
    Operation("exec", 200, "fork + exec + wait, warm", 3000),
    Operation("transfer", 3_000, "read or write of 64 KiB", 30, 2),
    Operation("pipe", 10_000, "switch between two tasks (pipe, with its calls)", 8, 2),
    Operation("futex", 20_000, "futex round trip between two threads", 25),
    Operation("condition", 10_000, "condition-variable round trip", NO_BUDGET),
    Operation("thread", 2_000, "thread create and join", NO_BUDGET),
    Operation("socketpair", 10_000, "socketpair round trip", NO_BUDGET),
    Operation("tcp", 10_000, "TCP round trip on loopback", NO_BUDGET),
    Operation("epoll", 20_000, "epoll over 64 descriptors, one ready", NO_BUDGET),
    Operation("signal", 10_000, "signal sent, handled, returned from", NO_BUDGET),
    Operation("clock", 200_000, "clock_gettime", NO_BUDGET),
)


def cpu_seconds(command: list[str]) -> float:
    """User and system time of a finished child process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cost(prefix: list[str], program: str, operation: Operation) -> float | None:
    """CPU microseconds of one operation under a command prefix; None if it fails there."""
    command = [*prefix, program, operation.name]
    try:
        empty = min(cpu_seconds([*command, "0"]) for _ in range(2))
        many = [cpu_seconds([*command, str(operation.times)]) - empty for _ in range(REPETITIONS)]
    except subprocess.CalledProcessError:
        return None
    return statistics.median(many) / operation.times / operation.parts * 1e6


def qemu(arch: str) -> list[str] | None:
    """qemu-user for a CPU, if the host has it."""
    found = shutil.which(f"qemu-{arch}") or shutil.which(f"qemu-{arch}-static")
    return [found] if found else None


def rows() -> Iterator[Row]:
    """Every operation on both CPUs, then the start of a whole process."""
    run = [sys.executable, "-m", "diorama", "run"]
    for arch in ("x86_64", "aarch64"):
        source = HERE / "bench" / "calls.c"
        program = str(compile_program("bench-calls", arch, [source], C_FLAGS))
        other = qemu(arch)
        for operation in OPERATIONS:
            ours = cost(run, program, operation)
            theirs = cost(other, program, operation) if other else None
            name = f"{arch}: {operation.path}"
            yield Row(name, ours if ours is not None else float("nan"), operation.budget, theirs)
    whole = statistics.median(cpu_seconds([*run, "busybox", "true"]) for _ in range(REPETITIONS))
    yield Row("whole process: diorama run busybox true", whole * 1e6, 200_000)
