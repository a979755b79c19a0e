"""Alarms: relative, absolute, periodic, and when the time of day is set."""

from __future__ import annotations

from kernel.abi.clocks import CLOCK_MONOTONIC, CLOCK_REALTIME
from kernel.clock import ManualClock, Timers
from kernel.clock.alarm import Alarm


class World:
    """A clock moved by hand and an alarm that counts."""

    def __init__(self, clock_id: int) -> None:
        self.clock = ManualClock()
        self.timers = Timers()
        self.fired = 0
        self.alarm = Alarm(self.clock, self.timers, clock_id, self._fire)

    def _fire(self) -> None:
        self.fired += 1

    def advance(self, ns: int) -> None:
        self.clock.advance(ns)
        self.timers.expire(self.clock.monotonic())


def test_it_fires_once_and_rests() -> None:
    world = World(CLOCK_MONOTONIC)
    world.alarm.set(100, 10, absolute=False)
    assert world.alarm.left() == 100
    world.advance(99)
    assert (world.fired, world.alarm.left()) == (0, 1)
    world.advance(26)
    assert (world.fired, world.alarm.left()) == (1, 0)
    assert world.alarm.forward() == 3  # at 100, 110 and 120
    assert world.alarm.left() == 5


def test_cancelled_it_does_not_fire() -> None:
    world = World(CLOCK_MONOTONIC)
    world.alarm.set(100, 0, absolute=False)
    world.alarm.set(0, 0, absolute=False)
    world.advance(200)
    assert (world.fired, world.alarm.running) == (0, False)


def test_a_time_of_day_comes_sooner_when_the_clock_is_set() -> None:
    world = World(CLOCK_REALTIME)
    now = world.clock.realtime()
    world.alarm.set(now + 1000, 0, absolute=True)
    world.clock.set_realtime(now + 900)
    assert world.alarm.left() == 100
    world.advance(100)
    assert world.fired == 1
    assert not world.clock.was_set.waiters


def test_a_relative_alarm_does_not_care() -> None:
    world = World(CLOCK_REALTIME)
    world.alarm.set(1000, 0, absolute=False)
    world.clock.set_realtime(world.clock.realtime() + 5000)
    world.advance(999)
    assert world.fired == 0
    world.advance(1)
    assert world.fired == 1


def test_check_fires_what_is_due_before_the_machine_looks() -> None:
    world = World(CLOCK_MONOTONIC)
    world.alarm.set(1, 0, absolute=True)
    world.alarm.check()
    assert world.fired == 1
    world.advance(1)
    assert world.fired == 1
