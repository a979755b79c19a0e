"""Random calls of the process families on shared state: no exception but errnos, and no leak."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

import syscalls
from kernel.abi.errors import KernelError
from kernel.task import sleep
from kernel.task.init import kill_all
from syscalls.declare import DECLARATIONS, Declaration
from tests.support.tasks import World

if TYPE_CHECKING:
    from kernel.task.task import Task

FAMILIES = ("process", "signals", "identity", "limits", "jobs", "futex", "sched")
NOT_ALONE = ("execve", "execveat", "rt_sigreturn")  # need files, or a frame
STEPS = 250
BITS = {"s32": 32, "u32": 32, "s64": 64, "u64": 64, "u16": 16}
syscalls.load_families()
CALLS = [
    declaration
    for name, declaration in sorted(DECLARATIONS.items())
    if declaration.family in FAMILIES and name not in NOT_ALONE
]


def argument(world: World, rnd: random.Random, decode: str) -> int:
    """A value that often means something: small numbers, signals, good and bad addresses."""
    data = world.data
    addresses = [data, data, data + 8, data + 0xFFFD, 16, 1 << 47, -8]
    numbers = [*range(6), 8, 9, 17, 18, 19, 20, 35, 64, 65, -1, rnd.randrange(1 << 32)]
    value: int = rnd.choice(numbers + addresses)
    bits = BITS[decode]
    value %= 1 << bits
    return value - (1 << bits) if decode[0] == "s" and value >> (bits - 1) else value


def call(world: World, task: Task, declaration: Declaration, args: list[int]) -> None:
    """As the machine does it; a task that can still run goes to the end of the queue."""
    task.call = (0, 1, 2, 3, 4, 5, 6)
    try:
        result = declaration.handler(task, *args)
        if not isinstance(result, int) and sleep.begin(task, result) is None:
            return
    except KernelError as error:
        sleep.failed(task, error)
    if not task.dead:
        world.kernel.scheduler.enqueue(task)


def let_run(world: World, turns: int) -> None:
    for _ in range(turns):
        task = world.step()
        if task is not None and task.state == "R" and task.generator is None:
            world.kernel.scheduler.enqueue(task)


def end(world: World) -> None:
    """Everybody dies; nothing is left of them."""
    kernel = world.kernel
    kill_all(kernel)
    world.run_all()
    assert list(kernel.groups) == list(kernel.tasks) == [1]
    assert len(kernel.pids) == 1
    assert not kernel.user_signals
    assert not kernel.futexes.buckets
    assert kernel.timers.next_deadline() is None
    assert sum(kernel.user_processes.values()) == 1
    assert kernel.frames.used_count == 0


@pytest.mark.row("X7")
@pytest.mark.parametrize("seed", range(12))
def test_nothing_escapes_and_nothing_is_left(seed: int) -> None:
    rnd = random.Random(seed)
    world = World(rnd.choice(["x86_64", "aarch64"]), user=rnd.choice([0, 1000]))
    kernel = world.kernel
    for _ in range(STEPS):
        able = [t for t in kernel.tasks.values() if t.state == "R" and t.generator is None]
        if not able:
            break
        task, declaration = rnd.choice(able), rnd.choice(CALLS)
        if declaration.name.startswith("exit") and rnd.random() < 0.7:
            continue
        kernel.scheduler.remove(task)
        kinds = [parameter.kind.decode for parameter in declaration.parameters]
        call(world, task, declaration, [argument(world, rnd, decode) for decode in kinds])
        let_run(world, rnd.randrange(3))
        if rnd.random() < 0.1:
            world.clock.advance(1_000_000_000)
            kernel.timers.expire(world.clock.monotonic())
    end(world)
