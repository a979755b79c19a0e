"""Time: what o'clock it is, and what is to happen when.

Everything in the kernel counts in whole nanoseconds.  A ``Clock`` answers three questions: the
time since boot that never jumps (monotonic), the time of day (realtime), and the time since boot
that also counts sleep of the machine (boottime; ours never sleeps).  The machine chooses the
clock: the host's, or one that the tests move by hand.

``Timers`` holds what is due: deadlines are always monotonic, so setting the time of day can never
make a timer fire late.  The machine calls ``expire`` between traps and limits a task's turn to
``next_deadline``.  An ``Alarm`` is a timer with a period and a clock of its own, as timerfd and the
POSIX timers need it.

Linux analogue: ``kernel/time/timekeeping.c``, ``hrtimer.c``.
"""

from __future__ import annotations

from kernel.clock.clock import Clock, HostClock, ManualClock
from kernel.clock.timers import Timer, Timers
from kernel.clock.virtual import VirtualClock

__all__ = ["Clock", "HostClock", "ManualClock", "Timer", "Timers", "VirtualClock"]
