"""A timer on a clock of its own: what timerfd_create(2) and timer_create(2) are built on.

``Timers`` counts in monotonic time.  An ``Alarm`` may also wait for a time of *day*; when somebody
sets the clock it is reckoned anew.  A periodic alarm fires once and then rests until ``forward``
says how many periods went by, so nobody is woken for periods nobody looks at.  (Linux does the
same: ``hrtimer_forward``.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.abi.clocks import CLOCK_REALTIME, CLOCK_REALTIME_ALARM
from kernel.clock.timers import FOREVER
from kernel.wait import Watcher

if TYPE_CHECKING:
    from kernel.clock.clock import Clock
    from kernel.clock.timers import Timer, Timers


class Alarm:
    """One timer.  ``fire`` is called when it is due, with the timer resting.

    Invariants: ``deadline`` is on the time of day if ``wall``, else monotonic; while the timer runs
    and ``wall`` is true, the alarm watches for a setting of the clock.
    """

    __slots__ = ("_clock", "_fire", "_timer", "_timers", "_watcher", "clock_id", "deadline",
                 "interval", "wall")  # fmt: skip

    def __init__(
        self, clock: Clock, timers: Timers, clock_id: int, fire: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._timers = timers
        self._fire = fire
        self._timer: Timer | None = None
        self._watcher: Watcher | None = None
        self.clock_id = clock_id
        self.deadline = 0
        self.interval = 0
        self.wall = False

    @property
    def running(self) -> bool:
        """Will it fire without being touched?"""
        return self._timer is not None

    def now(self) -> int:
        """What the clock of the deadline shows."""
        return self._clock.realtime() if self.wall else self._clock.monotonic()

    def set(self, value: int, interval: int, absolute: bool) -> None:
        """Arm it: ``value`` ns from now, or at that time.  A value of 0 disarms.

        A relative alarm does not care if somebody sets the clock.
        """
        self.cancel()
        self.interval = interval
        if not value:
            return
        self.wall = absolute and self.clock_id in (CLOCK_REALTIME, CLOCK_REALTIME_ALARM)
        self.deadline = min(value if absolute else self.now() + value, FOREVER)
        self._start()

    def cancel(self) -> None:
        """Do not fire."""
        if self._timer is not None:
            self._timers.cancel(self._timer)
            self._timer = None
        if self._watcher is not None:
            self._watcher.remove()
            self._watcher = None

    def left(self) -> int:
        """Nanoseconds until it fires, at least 1; 0 if it rests."""
        return max(self.deadline - self.now(), 1) if self._timer is not None else 0

    def check(self) -> None:
        """Fire at once if it is due: time has passed since the machine last looked."""
        if self._timer is not None and self.now() >= self.deadline:
            self._timers.cancel(self._timer)
            self._due()

    def forward(self) -> int:
        """Start the next period of an alarm that fired; how many periods are over."""
        late = self.now() - self.deadline
        periods = late // self.interval + 1 if late >= 0 else 0
        self.deadline += periods * self.interval
        self._start()
        return periods

    def _start(self) -> None:
        deadline = self.deadline
        if self.wall:
            deadline += self._clock.monotonic() - self._clock.realtime()
            self._watcher = Watcher(self._clock.was_set, self._was_set)
        self._timer = self._timers.add(max(deadline, 0), self._due)

    def _due(self) -> None:
        self._timer = None
        self.cancel()
        self._fire()

    def _was_set(self, events: int) -> bool:
        """Somebody set the time of day."""
        self.cancel()
        self._start()
        return True

    def __repr__(self) -> str:
        return f"<Alarm of clock {self.clock_id} at {self.deadline} every {self.interval}>"
