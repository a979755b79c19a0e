"""timerfd when somebody sets the time of day.  The rest is in userland/c/timerfds.c."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kernel.abi.clocks import (
    CLOCK_REALTIME,
    TFD_TIMER_ABSTIME,
    TFD_TIMER_CANCEL_ON_SET,
)
from kernel.abi.errors import EAGAIN, ECANCELED
from kernel.abi.files import POLLIN
from kernel.clock import ManualClock, Timers
from kernel.views.timerfd import TimerFile, make_timerfd
from tests.support.files import FakeCaller, FileWorld

SECOND = 1_000_000_000


@pytest.fixture
def caller() -> FakeCaller:
    made = FileWorld(ram=1 << 20).root
    kernel: Any = SimpleNamespace(clock=ManualClock(), timers=Timers())
    made.kernel = kernel
    return made


def timer(caller: FakeCaller) -> TimerFile:
    task: Any = caller
    file = make_timerfd(task, CLOCK_REALTIME, nonblock=True)
    assert isinstance(file, TimerFile)
    return file


def set_time(caller: FakeCaller, file: TimerFile, value: int, flags: int) -> None:
    task: Any = caller
    file.set_time(task, value, 0, flags)


def advance(caller: FakeCaller, ns: int) -> None:
    kernel: Any = caller.kernel
    kernel.clock.advance(ns)
    kernel.timers.expire(kernel.clock.monotonic())


def step(caller: FakeCaller, ns: int) -> int:
    """Set the clock forward; the time of day then."""
    kernel: Any = caller.kernel
    now = int(kernel.clock.realtime()) + ns
    kernel.clock.set_realtime(now)
    return now


def test_a_time_of_day_follows_the_clock(caller: FakeCaller) -> None:
    file = timer(caller)
    set_time(caller, file, step(caller, 0) + 10 * SECOND, TFD_TIMER_ABSTIME)
    step(caller, 9 * SECOND)
    with pytest.raises(EAGAIN):
        caller.read(file, 8)
    advance(caller, SECOND)
    assert caller.read(file, 8) == (1).to_bytes(8, "little")


def test_who_asked_for_it_is_told_once(caller: FakeCaller) -> None:
    file = timer(caller)
    both = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET
    set_time(caller, file, step(caller, 0) + 10 * SECOND, both)
    assert not file.poll(caller, POLLIN)
    step(caller, SECOND)
    assert file.poll(caller, POLLIN)
    with pytest.raises(ECANCELED):
        caller.read(file, 8)
    with pytest.raises(EAGAIN):
        caller.read(file, 8)


def test_setting_it_again_tells_too(caller: FakeCaller) -> None:
    file = timer(caller)
    both = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET
    now = step(caller, 0)
    set_time(caller, file, now + 10 * SECOND, both)
    now = step(caller, SECOND)
    with pytest.raises(ECANCELED):
        set_time(caller, file, now + SECOND, both)
    advance(caller, SECOND)
    assert caller.read(file, 8) == (1).to_bytes(8, "little")


def test_a_relative_timer_does_not_care(caller: FakeCaller) -> None:
    file = timer(caller)
    set_time(caller, file, 5 * SECOND, TFD_TIMER_CANCEL_ON_SET)
    step(caller, 100 * SECOND)
    with pytest.raises(EAGAIN):
        caller.read(file, 8)
    advance(caller, 5 * SECOND)
    assert caller.read(file, 8) == (1).to_bytes(8, "little")


def test_closed_it_leaves_nothing_behind(caller: FakeCaller) -> None:
    file = timer(caller)
    both = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET
    set_time(caller, file, step(caller, 0) + 10 * SECOND, both)
    file.hold()
    file.drop()
    kernel: Any = caller.kernel
    assert not kernel.clock.was_set.waiters
    assert not len(kernel.timers)
