"""alarm, getitimer and setitimer."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from kernel.abi.errors import EFAULT, EINVAL
from kernel.abi.signals import SIGALRM, sigbit
from syscalls import itimers as handlers
from tests.support.tasks import World

itimers: Any = handlers  # Any: tests pass plain ints where handlers want kinds of arguments
SECOND = 1_000_000_000
REAL, VIRTUAL, PROF = range(3)
BAD = 0x10


@pytest.fixture
def world() -> World:
    world = World()
    world.program.blocked = sigbit(SIGALRM)  # so that it stays pending and can be seen
    return world


def put(world: World, *fields: int) -> int:
    world.program.mem.write(world.data, struct.pack("<4q", *fields))
    return world.data


def get(world: World, which: int) -> tuple[int, ...]:
    assert itimers.getitimer(world.program, which, world.data + 64) == 0
    return struct.unpack("<4q", world.program.mem.read(world.data + 64, 32))


def pending(world: World) -> bool:
    return bool(world.program.group.pending.bits & sigbit(SIGALRM))


def test_an_alarm_rings_once(world: World) -> None:
    assert itimers.alarm(world.program, 3) == 0
    world.advance(3 * SECOND - 1)
    assert not pending(world)
    world.advance(1)
    assert pending(world)
    assert get(world, REAL) == (0, 0, 0, 0)


@pytest.mark.parametrize(("passed_ms", "left"), [(0, 5), (400, 5), (600, 4), (4900, 1)])
def test_alarm_rounds_what_is_left(world: World, passed_ms: int, left: int) -> None:
    itimers.alarm(world.program, 5)
    world.advance(passed_ms * 1_000_000)
    assert itimers.alarm(world.program, 0) == left
    world.advance(10 * SECOND)
    assert not pending(world)


def test_an_interval_timer_shows_what_is_left_and_repeats(world: World) -> None:
    assert itimers.setitimer(world.program, REAL, put(world, 2, 0, 1, 500_000), 0) == 0
    world.advance(SECOND)
    assert get(world, REAL) == (2, 0, 0, 500_000)
    world.advance(SECOND // 2)
    assert pending(world)
    assert get(world, REAL) == (2, 0, 2, 0)


def test_setting_returns_the_old_value(world: World) -> None:
    itimers.setitimer(world.program, PROF, put(world, 0, 0, 7, 1), 0)
    assert itimers.setitimer(world.program, PROF, 0, world.data + 64) == 0
    assert struct.unpack("<4q", world.program.mem.read(world.data + 64, 32)) == (0, 0, 7, 1)
    assert get(world, PROF) == (0, 0, 0, 0)


def test_an_armed_timer_never_shows_zero(world: World) -> None:
    itimers.setitimer(world.program, REAL, put(world, 0, 0, 1, 0), 0)
    world.clock.advance(2 * SECOND)  # due, and not looked at yet
    assert get(world, REAL) == (0, 0, 0, 1)


@pytest.mark.parametrize("fields", [(0, 0, -1, 0), (0, 0, 0, 1_000_000), (0, -1, 1, 0)])
def test_no_time_is_einval(world: World, fields: tuple[int, ...]) -> None:
    with pytest.raises(EINVAL):
        itimers.setitimer(world.program, REAL, put(world, *fields), 0)


@pytest.mark.parametrize("which", [-1, 3, 100])
def test_there_are_three_timers(world: World, which: int) -> None:
    with pytest.raises(EINVAL):
        itimers.getitimer(world.program, which, BAD)
    with pytest.raises(EINVAL):
        itimers.setitimer(world.program, which, put(world, 0, 0, 1, 0), 0)
    with pytest.raises(EFAULT):
        itimers.setitimer(world.program, which, BAD, 0)


def test_bad_pointers(world: World) -> None:
    with pytest.raises(EFAULT):
        itimers.getitimer(world.program, REAL, BAD)
    with pytest.raises(EFAULT):
        itimers.setitimer(world.program, REAL, put(world, 0, 0, 1, 0), BAD)
