"""timerfd_create(2), timerfd_settime(2), timerfd_gettime(2).  See kernel.views.timerfd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.clocks import (
    CLOCK_BOOTTIME,
    CLOCK_BOOTTIME_ALARM,
    CLOCK_MONOTONIC,
    CLOCK_REALTIME,
    CLOCK_REALTIME_ALARM,
    NSEC_PER_SEC,
    TFD_CLOEXEC,
    TFD_NONBLOCK,
    TFD_TIMER_ABSTIME,
    TFD_TIMER_CANCEL_ON_SET,
)
from kernel.abi.errors import EINVAL, EPERM
from kernel.abi.structs import ITIMERSPEC
from kernel.cred import CAP_WAKE_ALARM, RLIMIT_NOFILE
from kernel.views.timerfd import as_timer, make_timerfd
from syscalls.declare import syscall

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.kinds import (
        ClockId,
        Fd,
        ItimerspecOutPtr,
        ItimerspecPtr,
        NewFd,
        TimerfdFlags,
        TimerfdSetFlags,
        Zero,
    )

ALARMS: Final = (CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM)
CLOCKS: Final = (CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, *ALARMS)


def read_itimerspec(task: Task, address: int) -> tuple[int, int]:
    """(interval, value) in ns; EINVAL for what is no time."""
    interval_s, interval_ns, value_s, value_ns = task.mem.unpack(ITIMERSPEC, address)
    for seconds, nanoseconds in ((interval_s, interval_ns), (value_s, value_ns)):
        if seconds < 0 or not 0 <= nanoseconds < NSEC_PER_SEC:
            raise EINVAL("%d s %d ns is no time", seconds, nanoseconds)
    return interval_s * NSEC_PER_SEC + interval_ns, value_s * NSEC_PER_SEC + value_ns


def write_itimerspec(task: Task, address: int, left: int, interval: int) -> None:
    """The time left and the period, in ns."""
    values = (*divmod(interval, NSEC_PER_SEC), *divmod(left, NSEC_PER_SEC))
    task.mem.pack(ITIMERSPEC, address, *values)


@syscall("timerfd_create(2)")
def timerfd_create(task: Task, clockid: ClockId, flags: TimerfdFlags) -> NewFd:
    """A timer behind a descriptor.  See timerfd_create(2), ERRORS."""
    if flags & ~(TFD_CLOEXEC | TFD_NONBLOCK) or clockid not in CLOCKS:
        raise EINVAL("clock %d has no timers, or flags %#x have unknown bits", clockid, flags)
    if clockid in ALARMS and not task.cred.capable(CAP_WAKE_ALARM):
        raise EPERM("waking the machine needs CAP_WAKE_ALARM")
    file = make_timerfd(task, clockid, bool(flags & TFD_NONBLOCK))
    return task.fds.install(file, bool(flags & TFD_CLOEXEC), 0, task.limits.soft(RLIMIT_NOFILE))


@syscall("timerfd_create(2)")
def timerfd_settime(
    task: Task, fd: Fd, flags: TimerfdSetFlags, new_value: ItimerspecPtr,
    old_value: ItimerspecOutPtr,
) -> Zero:  # fmt: skip
    """Arm or disarm it.  See timerfd_settime(2), ERRORS."""
    interval, value = read_itimerspec(task, new_value)
    if flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET):
        raise EINVAL(
            "flags %#x: only the bits %#x are known",
            flags,
            TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
        )
    timer = as_timer(task.fds.get(fd))
    if timer.alarm.clock_id in ALARMS and not task.cred.capable(CAP_WAKE_ALARM):
        raise EPERM("waking the machine needs CAP_WAKE_ALARM")
    old = timer.set_time(task, value, interval, flags)
    if old_value:
        write_itimerspec(task, old_value, *old)
    return 0


@syscall("timerfd_create(2)")
def timerfd_gettime(task: Task, fd: Fd, curr_value: ItimerspecOutPtr) -> Zero:
    """What is left.  See timerfd_gettime(2)."""
    write_itimerspec(task, curr_value, *as_timer(task.fds.get(fd)).get_time())
    return 0
