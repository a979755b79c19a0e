"""Clocks: what never jumps and what may."""

from __future__ import annotations

import time

from kernel.clock import HostClock, ManualClock


def test_monotonic_time_starts_near_zero_and_grows() -> None:
    clock = HostClock()
    first = clock.monotonic()
    assert 0 < first < 10**9
    assert clock.monotonic() >= first
    assert clock.boottime() >= first


def test_realtime_is_the_hosts_until_set() -> None:
    clock = HostClock()
    assert abs(clock.realtime() - time.time_ns()) < 10**9
    clock.set_realtime(10**9)
    assert 10**9 <= clock.realtime() < 2 * 10**9


def test_setting_the_time_of_day_leaves_monotonic_time_alone() -> None:
    clock = ManualClock(now=5)
    clock.set_realtime(1000)
    assert (clock.monotonic(), clock.realtime()) == (5, 1000)
    clock.advance(7)
    assert (clock.monotonic(), clock.realtime()) == (12, 1007)
