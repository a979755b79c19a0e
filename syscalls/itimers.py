"""Interval timers: alarm(2), getitimer(2), setitimer(2).  The timers are in kernel.task.itimer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.clocks import (
    ITIMER_PROF,
    ITIMER_REAL,
    NSEC_PER_SEC,
    NSEC_PER_USEC,
    USEC_PER_SEC,
)
from kernel.abi.errors import EINVAL
from kernel.abi.structs import ITIMERVAL
from kernel.task.itimer import TimerValue, get_timer, set_timer
from syscalls.declare import syscall

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.kinds import ItimervalOutPtr, ItimervalPtr, ItimerWhich, Seconds, UInt, Zero


@syscall("alarm(2)", arch="x86_64")
def alarm(task: Task, seconds: UInt) -> Seconds:
    """SIGALRM once, see alarm(2); returns what an earlier one had left, rounded, never 0."""
    new = TimerValue(seconds * NSEC_PER_SEC, 0)
    left = set_timer(task.kernel, task.group, ITIMER_REAL, new).value
    return max((left + NSEC_PER_SEC // 2) // NSEC_PER_SEC, 1) if left else 0


@syscall("getitimer(2)")
def getitimer(task: Task, which: ItimerWhich, curr_value: ItimervalOutPtr) -> Zero:
    """What is left of an interval timer.  See getitimer(2)."""
    _check_which(which)
    _write(task, curr_value, get_timer(task.kernel, task.group, which))
    return 0


@syscall("setitimer(2)")
def setitimer(
    task: Task, which: ItimerWhich, new_value: ItimervalPtr, old_value: ItimervalOutPtr
) -> Zero:
    """Arm an interval timer; without a value Linux disarms it.  See setitimer(2)."""
    new = TimerValue(0, 0)
    if new_value:
        interval_s, interval_us, value_s, value_us = task.mem.unpack(ITIMERVAL, new_value)
        new = TimerValue(_from_timeval(value_s, value_us), _from_timeval(interval_s, interval_us))
    _check_which(which)
    old = set_timer(task.kernel, task.group, which, new)
    if old_value:
        _write(task, old_value, old)
    return 0


def _check_which(which: int) -> None:
    if not ITIMER_REAL <= which <= ITIMER_PROF:
        raise EINVAL("there is no interval timer %s", which)


def _from_timeval(seconds: int, microseconds: int) -> int:
    if seconds < 0 or not 0 <= microseconds < USEC_PER_SEC:
        raise EINVAL("%d s %d us is no time", seconds, microseconds)
    return seconds * NSEC_PER_SEC + microseconds * NSEC_PER_USEC


def _write(task: Task, address: int, timer: TimerValue) -> None:
    """An armed timer never shows 0, which would mean that it is off."""
    value = max(timer.value, NSEC_PER_USEC) if timer.value else 0
    fields = (*divmod(timer.interval, NSEC_PER_SEC), *divmod(value, NSEC_PER_SEC))
    seconds_and_us = (fields[0], fields[1] // 1000, fields[2], fields[3] // 1000)
    task.mem.pack(ITIMERVAL, address, *seconds_and_us)
