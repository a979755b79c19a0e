"""Virtual time: a clock that only work and waiting move.

The processor counts: so many ns for each translated block and each trap.  When every task sleeps,
the machine jumps to the next deadline, so ``sleep 3600`` ends at once.  Two runs that do the same
see the same times, to the nanosecond.
"""

from __future__ import annotations

from typing import Final, Protocol

from kernel.clock.clock import Publish
from kernel.wait import WaitQueue

EPOCH_NS: Final = 1_704_067_200 * 1_000_000_000
"""2024-01-01 00:00:00 UTC: when every machine with virtual time boots."""


class WorkCounter(Protocol):
    """Who counts the work: the processor."""

    def now(self) -> int:
        """Nanoseconds since boot."""

    def skip(self, ns: int) -> None:
        """Let time pass without work."""


class VirtualClock:
    """A ``kernel.clock.Clock`` over a ``WorkCounter``; the time of day starts at EPOCH_NS."""

    __slots__ = ("_counter", "_publish", "offset", "was_set")

    def __init__(self, counter: WorkCounter) -> None:
        self._counter = counter
        self.offset = EPOCH_NS
        self._publish: Publish | None = None
        self.was_set = WaitQueue("time of day set")

    def monotonic(self) -> int:
        """Work and idle jumps since boot."""
        return self._counter.now()

    def boottime(self) -> int:
        """The same."""
        return self._counter.now()

    def realtime(self) -> int:
        """Since 1970."""
        return self._counter.now() + self.offset

    def set_realtime(self, now: int) -> None:
        """For clock_settime(2)."""
        self.offset = now - self._counter.now()
        if self._publish is not None:
            self._publish(self.offset)
        self.was_set.wake()

    def skip(self, ns: int) -> None:
        """Everybody sleeps: jump."""
        self._counter.skip(ns)

    def publish_to(self, publish: Publish) -> None:
        """Tell ``publish`` the offset, now and whenever it is set (the vDSO)."""
        self._publish = publish
        publish(self.offset)

    def synchronize(self) -> None:
        """There is no other clock to follow."""

    def __repr__(self) -> str:
        return "<VirtualClock>"
