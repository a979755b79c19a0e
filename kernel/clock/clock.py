"""The clocks of one machine, behind one protocol.  See clock_gettime(2)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

from kernel.wait import WaitQueue

NS_PER_SEC: Final = 1_000_000_000
COARSE_NS: Final = 4_000_000
"""Tick of the COARSE clocks: 250 Hz, the usual configuration."""


class Clock(Protocol):
    """What o'clock it is, in ns.

    ``was_set`` is woken when the time of day jumps: whoever sleeps until a time of day looks again.
    """

    @property
    def was_set(self) -> WaitQueue: ...

    def monotonic(self) -> int:
        """Since boot; never jumps, never goes back."""

    def realtime(self) -> int:
        """Since 1970-01-01 00:00 UTC."""

    def boottime(self) -> int:
        """Since boot, time asleep included."""

    def set_realtime(self, now: int) -> None:
        """Make ``now`` the time of day of this machine.  The host's clock is never touched."""

    def synchronize(self) -> None:
        """Follow the host's time of day, where that is followed; called by the loop."""


Publish = Callable[[int], None]


def _nobody(offset: int) -> None:
    """Nobody wants to know the offset."""


class HostClock:
    """The host's time; monotonic time starts at 0 when the machine boots, as on a real one.

    Setting the time of day moves an offset that only this machine sees.  ``boot`` is the host's
    monotonic time at boot, ``offset`` what added to monotonic time gives the time of day: the vDSO
    computes with the same two numbers, so that its answers and the system calls' never disagree.
    """

    __slots__ = ("_publish", "_set_by", "boot", "offset", "was_set")

    def __init__(self) -> None:
        self.was_set = WaitQueue("time of day set")
        # The first reading is not 0: a deadline of 0 means "already over" to many programs.
        self.boot = time.monotonic_ns() - 1_000_000
        self._set_by = 0  # what clock_settime added
        self._publish: Publish = _nobody
        self.offset = 0
        self.synchronize()

    def monotonic(self) -> int:
        """Host CLOCK_MONOTONIC since this machine booted."""
        return time.monotonic_ns() - self.boot

    def boottime(self) -> int:
        """The same: a machine that is not running does not notice."""
        return time.monotonic_ns() - self.boot

    def realtime(self) -> int:
        """Host time of day, plus what the guest's clock_settime added."""
        return time.monotonic_ns() - self.boot + self.offset

    def set_realtime(self, now: int) -> None:
        """For clock_settime(2)."""
        self._set_by = now - time.time_ns()
        self.synchronize()
        self.was_set.wake()

    def synchronize(self) -> None:
        """Follow the host's time of day, which may have been set or slewed."""
        self.offset = time.time_ns() + self._set_by - (time.monotonic_ns() - self.boot)
        self._publish(self.offset)

    def publish_to(self, publish: Publish) -> None:
        """Tell ``publish`` the offset, now and whenever it changes (the vDSO)."""
        self._publish = publish
        publish(self.offset)

    def __repr__(self) -> str:
        return "<HostClock>"


class ManualClock:
    """A clock that stands still until ``advance``: for tests of anything that waits."""

    __slots__ = ("_epoch", "now", "was_set")

    def __init__(self, now: int = NS_PER_SEC, epoch: int = 1_700_000_000 * NS_PER_SEC) -> None:
        self.was_set = WaitQueue("time of day set")
        self.now = now
        self._epoch = epoch

    def monotonic(self) -> int:
        """What ``advance`` made it."""
        return self.now

    def boottime(self) -> int:
        """Equal to monotonic."""
        return self.now

    def realtime(self) -> int:
        """The epoch plus monotonic."""
        return self._epoch + self.now

    def set_realtime(self, now: int) -> None:
        """Move the epoch."""
        self._epoch = now - self.now
        self.was_set.wake()

    def synchronize(self) -> None:
        """Nothing is followed."""

    def advance(self, ns: int) -> None:
        """Let time pass."""
        self.now += ns
