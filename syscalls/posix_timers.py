"""timer_create(2), timer_settime(2), timer_getoverrun(2), timer_delete(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.clocks import (
    CLOCK_BOOTTIME,
    CLOCK_BOOTTIME_ALARM,
    CLOCK_MONOTONIC,
    CLOCK_REALTIME,
    CLOCK_REALTIME_ALARM,
    SIGEV_NONE,
    SIGEV_SIGNAL,
    SIGEV_THREAD,
    SIGEV_THREAD_ID,
    TIMER_ABSTIME,
)
from kernel.abi.errors import EFAULT, EINVAL, EOPNOTSUPP, EPERM
from kernel.abi.signals import NSIG
from kernel.abi.structs import SIGEVENT
from kernel.clock.clockids import WALL_CLOCKS, CpuClock, parse_cpu_clock
from kernel.cred import CAP_WAKE_ALARM
from kernel.task.cputime import check_cpu_clock
from kernel.task.posix_timer import Event, create_timer, delete_timer, find_timer
from syscalls.declare import syscall
from syscalls.timerfd import read_itimerspec, write_itimerspec

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.kinds import (
        ClockId,
        ItimerspecOutPtr,
        ItimerspecPtr,
        SigeventPtr,
        TimerFlags,
        TimerId,
        TimerIdOutPtr,
        Zero,
    )

ALARMS: Final = (CLOCK_REALTIME_ALARM, CLOCK_BOOTTIME_ALARM)
CLOCKS: Final = (CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, *ALARMS)


def _cpu_clock(task: Task, clock_id: int) -> CpuClock | None:
    """None for a wall clock.  EINVAL: no clock; EOPNOTSUPP: one without timers."""
    cpu = parse_cpu_clock(clock_id)
    if cpu is not None:
        check_cpu_clock(task, cpu)
        return cpu
    if clock_id in WALL_CLOCKS and clock_id not in CLOCKS:
        raise EOPNOTSUPP("clock %s has no timers", clock_id)
    if clock_id not in CLOCKS:
        raise EINVAL("there is no clock %s", clock_id)
    if clock_id in ALARMS and not task.cred.capable(CAP_WAKE_ALARM):
        raise EPERM("waking the machine needs CAP_WAKE_ALARM")
    return None


def _event(task: Task, address: int) -> Event:
    """EINVAL as good_sigevent()."""
    value, signo, notify, tid = task.mem.unpack(SIGEVENT, address)
    if notify not in (SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_SIGNAL | SIGEV_THREAD_ID):
        raise EINVAL("notification %d is none of SIGEV_*", notify)
    if notify == SIGEV_THREAD_ID and tid not in task.group.tasks:
        raise EINVAL("task %d is no thread of this process", tid)
    if notify != SIGEV_NONE and not 0 < signo <= NSIG:
        raise EINVAL("there is no signal %s", signo)
    return Event(notify, signo, value, tid)


@syscall(
    "timer_create(2)",
    partial="CLOCK_TAI is EINVAL; a timer on another process's time is seen when the caller runs",
)
def timer_create(task: Task, clockid: ClockId, sevp: SigeventPtr, timerid: TimerIdOutPtr) -> Zero:
    """A timer that sends a signal.  See timer_create(2), ERRORS."""
    event = _event(task, sevp) if sevp else None
    timer = create_timer(task, clockid, _cpu_clock(task, clockid), event)
    try:
        task.mem.write_u32(timerid, timer.number)
    except EFAULT:
        delete_timer(task.group, timer.number)
        raise
    return 0


@syscall("timer_settime(2)")
def timer_settime(
    task: Task, timerid: TimerId, flags: TimerFlags, new_value: ItimerspecPtr,
    old_value: ItimerspecOutPtr,
) -> Zero:  # fmt: skip
    """Arm or disarm it.  See timer_settime(2), ERRORS."""
    if not new_value:
        raise EINVAL("the pointer to the value is NULL")
    interval, value = read_itimerspec(task, new_value)
    timer = find_timer(task.group, timerid)
    old = timer.set(value, interval, bool(flags & TIMER_ABSTIME))
    if old_value:
        write_itimerspec(task, old_value, *old)
    return 0


@syscall("timer_settime(2)")
def timer_gettime(task: Task, timerid: TimerId, curr_value: ItimerspecOutPtr) -> Zero:
    """What is left.  See timer_gettime(2)."""
    write_itimerspec(task, curr_value, *find_timer(task.group, timerid).get())
    return 0


@syscall("timer_getoverrun(2)")
def timer_getoverrun(task: Task, timerid: TimerId) -> int:
    """How many periods went by unseen before the last signal.  See timer_getoverrun(2)."""
    return find_timer(task.group, timerid).overrun


@syscall("timer_delete(2)", name="timer_delete")
def timer_delete(task: Task, timerid: TimerId) -> Zero:
    """See timer_delete(2)."""
    delete_timer(task.group, timerid)
    return 0
