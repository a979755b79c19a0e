"""What o'clock it is, and sleeping.

See clock_gettime(2), clock_getres(2), clock_nanosleep(2), nanosleep(2), gettimeofday(2), time(2),
times(2), adjtimex(2).  Interval timers are in ``syscalls.itimers``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.clocks import (
    CLOCK_MONOTONIC,
    CLOCK_REALTIME,
    NSEC_PER_SEC,
    NSEC_PER_USEC,
    TIME_ERROR,
    TIMER_ABSTIME,
    USEC_PER_SEC,
    USER_HZ,
)
from kernel.abi.errors import (
    EINVAL,
    EOPNOTSUPP,
    EPERM,
    ERESTART_RESTARTBLOCK,
    ERESTARTNOHAND,
)
from kernel.abi.structs import TIMESPEC, TIMEVAL, TIMEX, TIMEZONE, TMS
from kernel.clock.clockids import (
    SLEEPABLE,
    WALL_CLOCKS,
    parse_cpu_clock,
    resolution,
)
from kernel.clock.timers import FOREVER
from kernel.cred import CAP_SYS_TIME
from kernel.task.cputime import check_cpu_clock, read_cpu_clock
from kernel.task.usage import cpu_times
from kernel.wait import Interrupted, Sleep
from syscalls.declare import syscall
from syscalls.restarts import restarts

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.wait import Blocking
    from syscalls.kinds import (
        ClockId,
        Seconds,
        TimeOutPtr,
        TimerFlags,
        TimespecOutPtr,
        TimespecPtr,
        TimespecRemainPtr,
        TimevalOutPtr,
        TimevalPtr,
        TimexPtr,
        TimezoneOutPtr,
        TimezonePtr,
        TmsPtr,
        Zero,
    )

NS_PER_TICK: Final = NSEC_PER_SEC // USER_HZ
STA_UNSYNC: Final = 0x40


def _read(task: Task, clock_id: int) -> int:
    """Any clock, in ns; EINVAL if there is none of that number."""
    wall = WALL_CLOCKS.get(clock_id)
    if wall is not None:
        return wall(task.kernel.clock)
    cpu_clock = parse_cpu_clock(clock_id)
    if cpu_clock is None:
        raise EINVAL("there is no clock %s", clock_id)
    return read_cpu_clock(task, cpu_clock)


def _check_timespec(seconds: int, nanoseconds: int) -> None:
    if seconds < 0 or not 0 <= nanoseconds < NSEC_PER_SEC:
        raise EINVAL("%d s %d ns is no time", seconds, nanoseconds)


# --- reading -------------------------------------------------------------------------------------


@syscall("clock_gettime(2)")
def clock_gettime(task: Task, clockid: ClockId, tp: TimespecOutPtr) -> Zero:
    """Read a clock.  See clock_gettime(2)."""
    task.mem.pack(TIMESPEC, tp, *divmod(_read(task, clockid), NSEC_PER_SEC))
    return 0


@syscall("clock_getres(2)")
def clock_getres(task: Task, clockid: ClockId, res: TimespecOutPtr) -> Zero:
    """How fine a clock is: 1 ns, and 4 ms for the coarse ones.  See clock_getres(2)."""
    cpu_clock = parse_cpu_clock(clockid)
    if cpu_clock is not None:
        check_cpu_clock(task, cpu_clock)
    elif clockid not in WALL_CLOCKS:
        raise EINVAL("there is no clock %s", clockid)
    if res:
        task.mem.pack(TIMESPEC, res, 0, resolution(clockid))
    return 0


@syscall("gettimeofday(2)")
def gettimeofday(task: Task, tv: TimevalOutPtr, tz: TimezoneOutPtr) -> Zero:
    """Time of day in microseconds; the kernel's time zone is UTC.  See gettimeofday(2)."""
    if tv:
        seconds, rest = divmod(task.kernel.clock.realtime(), NSEC_PER_SEC)
        task.mem.pack(TIMEVAL, tv, seconds, rest // NSEC_PER_USEC)
    if tz:
        task.mem.pack(TIMEZONE, tz, 0, 0)
    return 0


@syscall("time(2)", arch="x86_64")
def time(task: Task, tloc: TimeOutPtr) -> Seconds:
    """Seconds since 1970.  See time(2)."""
    now = task.kernel.clock.realtime() // NSEC_PER_SEC
    if tloc:
        task.mem.write_u64(tloc, now)
    return now


@syscall("times(2)")
def times(task: Task, buf: TmsPtr) -> int:
    """Processor time of the process and its children; returns ticks since boot.  See times(2)."""
    if buf:
        children = task.group.child_usage
        used = (*cpu_times(task.group), children.utime, children.stime)
        task.mem.pack(TMS, buf, *(ns // NS_PER_TICK for ns in used))
    return task.kernel.clock.monotonic() // NS_PER_TICK


# --- setting -------------------------------------------------------------------------------------


def _set_time_of_day(task: Task, seconds: int, nanoseconds: int) -> None:
    """The order of checks is do_sys_settimeofday64's."""
    _check_timespec(seconds, nanoseconds)
    if not task.cred.capable(CAP_SYS_TIME):
        raise EPERM("setting the time needs CAP_SYS_TIME, which uid %d has not", task.cred.euid)
    clock = task.kernel.clock
    now = seconds * NSEC_PER_SEC + nanoseconds
    if now > FOREVER or now < clock.monotonic():
        raise EINVAL("beyond what a clock can show, or before the machine was started")
    clock.set_realtime(now)


@syscall("clock_settime(2)")
def clock_settime(task: Task, clockid: ClockId, tp: TimespecPtr) -> Zero:
    """Set the time of day of this machine; the host's stays.  See clock_settime(2)."""
    if clockid != CLOCK_REALTIME:
        cpu_clock = parse_cpu_clock(clockid)
        if cpu_clock is not None and clockid < 0:
            check_cpu_clock(task, cpu_clock)
            raise EPERM("processor time cannot be set")
        raise EINVAL("clock %s cannot be set", clockid)
    _set_time_of_day(task, *task.mem.unpack(TIMESPEC, tp))
    return 0


@syscall("settimeofday(2)", partial="the obsolete time zone cannot be set (EINVAL)")
def settimeofday(task: Task, tv: TimevalPtr, tz: TimezonePtr) -> Zero:
    """Set the time of day in microseconds.  See settimeofday(2)."""
    value = task.mem.unpack(TIMEVAL, tv) if tv else None
    if value is not None and not 0 <= value[1] <= USEC_PER_SEC:
        raise EINVAL("the time has %d microseconds", value[1])
    if tz:
        task.mem.unpack(TIMEZONE, tz)
        if not task.cred.capable(CAP_SYS_TIME):
            raise EPERM("setting the time zone needs CAP_SYS_TIME")
        raise EINVAL("this kernel keeps no time zone")
    if value is not None:
        _set_time_of_day(task, value[0], value[1] * NSEC_PER_USEC)
    elif not task.cred.capable(CAP_SYS_TIME):
        raise EPERM("settimeofday needs CAP_SYS_TIME, even to set nothing")
    return 0


@syscall("adjtimex(2)", partial="only reads; an adjustment is EOPNOTSUPP")
def adjtimex(task: Task, buf: TimexPtr) -> int:
    """The state of a clock that nobody steers: TIME_ERROR, not synchronized.  See adjtimex(2)."""
    modes = task.mem.unpack(TIMEX, buf)[0]
    if modes:
        if not task.cred.capable(CAP_SYS_TIME):
            raise EPERM("adjusting the clock needs CAP_SYS_TIME")
        raise EOPNOTSUPP("the clock of this machine is the host's")
    seconds, rest = divmod(task.kernel.clock.realtime(), NSEC_PER_SEC)
    microseconds = rest // NSEC_PER_USEC
    unknown_error = 16_000_000
    task.mem.pack(
        TIMEX,
        buf,
        *(0, 0, 0, unknown_error, unknown_error, STA_UNSYNC),
        *(2, 1, 32_768_000, seconds, microseconds, 10_000, 0, 0),
        *(0, 0, 0, 0, 0, 0, 0),
    )
    return TIME_ERROR


@syscall("clock_adjtime(2)", partial="only reads; an adjustment is EOPNOTSUPP")
def clock_adjtime(task: Task, clockid: ClockId, buf: TimexPtr) -> int:
    """adjtimex for one clock; only the time of day can be steered.  See clock_adjtime(2)."""
    if clockid in WALL_CLOCKS and clockid != CLOCK_REALTIME:
        raise EOPNOTSUPP("clock %s cannot be adjusted", clockid)
    if clockid != CLOCK_REALTIME:
        raise EINVAL("there is no clock %s to adjust", clockid)
    return adjtimex(task, buf)


# --- sleeping ------------------------------------------------------------------------------------


@syscall("nanosleep(2)")
def nanosleep(task: Task, duration: TimespecPtr, rem: TimespecRemainPtr) -> Zero | Blocking[Zero]:
    """Sleep for a while; an interrupted sleep says what was left.  See nanosleep(2)."""
    seconds, nanoseconds = task.mem.unpack(TIMESPEC, duration)
    _check_timespec(seconds, nanoseconds)
    return _sleep_for(task, CLOCK_MONOTONIC, seconds * NSEC_PER_SEC + nanoseconds, rem)


@syscall("clock_nanosleep(2)")
def clock_nanosleep(
    task: Task, clockid: ClockId, flags: TimerFlags, t: TimespecPtr, remain: TimespecRemainPtr
) -> Zero | Blocking[Zero]:
    """Sleep for a while or until a time, on a chosen clock.  See clock_nanosleep(2)."""
    _check_sleepable(task, clockid)
    seconds, nanoseconds = task.mem.unpack(TIMESPEC, t)
    _check_timespec(seconds, nanoseconds)
    ns = seconds * NSEC_PER_SEC + nanoseconds
    if flags & TIMER_ABSTIME:
        return _sleep_until(task, clockid, ns)
    return _sleep_for(task, clockid, ns, remain)


def _check_sleepable(task: Task, clock_id: int) -> None:
    cpu_clock = parse_cpu_clock(clock_id)
    if cpu_clock is None:
        if clock_id in SLEEPABLE:
            return
        if clock_id in WALL_CLOCKS:
            raise EOPNOTSUPP("nobody can sleep on clock %s", clock_id)
        raise EINVAL("there is no clock %s", clock_id)
    if cpu_clock.per_thread and cpu_clock.pid in (0, task.tid):
        raise EINVAL("a thread that sleeps uses no processor time")
    check_cpu_clock(task, cpu_clock)


def _sleep_for(task: Task, clock_id: int, ns: int, rem: int) -> Zero | Blocking[Zero]:
    """A relative sleep.  One on CLOCK_REALTIME does not care if somebody sets the clock."""
    if clock_id == CLOCK_REALTIME:
        clock_id = CLOCK_MONOTONIC
    return _relative(task, clock_id, min(_read(task, clock_id) + ns, FOREVER), rem)


def _relative(task: Task, clock_id: int, target: int, rem: int) -> Blocking[Zero]:
    try:
        yield from _until(task, clock_id, target)
    except Interrupted:
        left = target - _read(task, clock_id)
        if left <= 0:
            return 0
        if rem:
            task.mem.pack(TIMESPEC, rem, *divmod(left, NSEC_PER_SEC))
        block = ("nanosleep", (clock_id, rem), target)
        raise ERESTART_RESTARTBLOCK(block, "the sleep was interrupted") from None
    return 0


@restarts("nanosleep")
def _go_on_sleeping(
    task: Task, args: tuple[int, ...], deadline: int | None
) -> Zero | Blocking[Zero]:
    assert deadline is not None
    clock_id, rem = args
    return _relative(task, clock_id, deadline, rem)


def _sleep_until(task: Task, clock_id: int, target: int) -> Blocking[Zero]:
    try:
        yield from _until(task, clock_id, target)
    except Interrupted:
        raise ERESTARTNOHAND("the sleep was interrupted") from None
    return 0


def _until(task: Task, clock_id: int, target: int) -> Blocking[None]:
    """Sleep until a clock shows ``target``.

    No clock runs faster than monotonic time unless it is set, and with one processor that is true
    of processor time too: sleeping as long as is missing can be too short, never too long.
    """
    clock = task.kernel.clock
    queues = (clock.was_set,) if clock_id == CLOCK_REALTIME else ()
    while (left := target - _read(task, clock_id)) > 0:
        yield Sleep(queues, min(clock.monotonic() + left, FOREVER))
