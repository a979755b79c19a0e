"""Interval timers and the processor-time limit."""

from __future__ import annotations

import pytest

from kernel.abi.signals import SIGALRM, SIGKILL, SIGPROF, SIGVTALRM, SIGXCPU
from kernel.cred import RLIMIT_CPU
from kernel.task.exit import exit_process
from kernel.task.itimer import (
    ITIMER_PROF,
    ITIMER_REAL,
    ITIMER_VIRTUAL,
    TimerValue,
    account,
    get_timer,
    set_timer,
)
from tests.support.tasks import World

SECOND = 1_000_000_000


@pytest.fixture
def world() -> World:
    world = World()
    world.program.blocked = (1 << 64) - 1
    return world


def taken(world: World) -> list[int]:
    found = [n for n in range(1, 65) if world.program.group.pending.has(n)]
    world.program.group.pending.discard(-1)
    return found


def test_real_timer_once(world: World) -> None:
    group = world.program.group
    assert set_timer(world.kernel, group, ITIMER_REAL, TimerValue(100, 0)) == (0, 0)
    world.advance(40)
    assert get_timer(world.kernel, group, ITIMER_REAL) == (60, 0)
    world.advance(60)
    assert taken(world) == [SIGALRM]
    assert get_timer(world.kernel, group, ITIMER_REAL) == (0, 0)


def test_real_timer_repeats_and_skips_what_it_missed(world: World) -> None:
    group = world.program.group
    set_timer(world.kernel, group, ITIMER_REAL, TimerValue(100, 30))
    world.advance(195)
    assert taken(world) == [SIGALRM]
    assert get_timer(world.kernel, group, ITIMER_REAL) == (25, 30)
    assert set_timer(world.kernel, group, ITIMER_REAL, TimerValue(0, 0)) == (25, 30)
    world.advance(1000)
    assert taken(world) == []


def test_fork_gives_no_timers_and_death_takes_them(world: World) -> None:
    set_timer(world.kernel, world.program.group, ITIMER_REAL, TimerValue(100, 100))
    child = world.fork()
    assert get_timer(world.kernel, child.group, ITIMER_REAL) == (0, 0)
    exit_process(world.program, 0)
    assert world.kernel.timers.next_deadline() is None


@pytest.mark.parametrize(("which", "signo"), [(ITIMER_VIRTUAL, SIGVTALRM), (ITIMER_PROF, SIGPROF)])
def test_processor_time(world: World, which: int, signo: int) -> None:
    group, task = world.program.group, world.program
    set_timer(world.kernel, group, which, TimerValue(1000, 500))
    world.cpu_time(task, 900)
    account(world.kernel, group)
    assert taken(world) == []
    world.cpu_time(task, 100)
    account(world.kernel, group)
    assert taken(world) == [signo]
    assert get_timer(world.kernel, group, which) == (500, 500)


def test_system_time_counts_for_prof_only(world: World) -> None:
    group = world.program.group
    set_timer(world.kernel, group, ITIMER_PROF, TimerValue(1000, 0))
    set_timer(world.kernel, group, ITIMER_VIRTUAL, TimerValue(1000, 0))
    world.kernel_time(world.program, 1000)
    account(world.kernel, group)
    assert taken(world) == [SIGPROF]


def test_cpu_limit_warns_each_second_and_then_kills(world: World) -> None:
    group, task = world.program.group, world.program
    task.limits.values[RLIMIT_CPU] = (1, 3)
    seen = []
    for _ in range(6):
        world.cpu_time(task, SECOND // 2)
        account(world.kernel, group)
        seen.append(taken(world))
    assert seen == [[], [SIGXCPU], [], [SIGXCPU], [], [SIGKILL]]
