"""Interval timers: setitimer(2) and alarm(2).

ITIMER_REAL runs on the monotonic clock and sends SIGALRM; ITIMER_VIRTUAL and ITIMER_PROF run on
the processor time of the process and are looked at when a turn ends (``account``), as Linux does at
its ticks.  RLIMIT_CPU is watched in the same place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi.signals import SI_KERNEL, SIGALRM, SIGKILL, SIGPROF, SIGVTALRM, SIGXCPU
from kernel.cred import RLIM_INFINITY, RLIMIT_CPU
from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_group
from kernel.task.usage import cpu_times

if TYPE_CHECKING:
    from kernel.clock.timers import Timer
    from kernel.task.system import System
    from kernel.task.thread_group import ThreadGroup

ITIMER_REAL: Final = 0
ITIMER_VIRTUAL: Final = 1
ITIMER_PROF: Final = 2
_SIGNALS: Final = {ITIMER_REAL: SIGALRM, ITIMER_VIRTUAL: SIGVTALRM, ITIMER_PROF: SIGPROF}
_SECOND: Final = 1_000_000_000


class TimerValue(NamedTuple):
    """struct itimerval in ns: time to the next expiry (0: not armed), and the period."""

    value: int
    interval: int


class IntervalTimer:
    """One armed timer; ``deadline`` is on the clock that belongs to ``which``."""

    __slots__ = ("deadline", "interval", "timer", "which")

    def __init__(self, which: int, deadline: int, interval: int) -> None:
        self.which = which
        self.deadline = deadline
        self.interval = interval
        self.timer: Timer | None = None

    def __repr__(self) -> str:
        return f"<IntervalTimer {self.which} at {self.deadline} every {self.interval}>"


def get_timer(kernel: System, group: ThreadGroup, which: int) -> TimerValue:
    """See getitimer(2)."""
    armed = _find(group, which)
    if armed is None:
        return TimerValue(0, 0)
    left = armed.deadline - _now(kernel, group, which)
    return TimerValue(max(left, 1), armed.interval)


def set_timer(kernel: System, group: ThreadGroup, which: int, new: TimerValue) -> TimerValue:
    """Arm, or with a value of 0 disarm; returns what was there.  See setitimer(2)."""
    old = get_timer(kernel, group, which)
    _disarm(kernel, group, which)
    if new.value:
        armed = IntervalTimer(which, _now(kernel, group, which) + new.value, new.interval)
        if which == ITIMER_REAL:
            group.real_timer = armed
            _start(kernel, group, armed)
        else:
            group.cpu_timers.append(armed)
    return old


def _find(group: ThreadGroup, which: int) -> IntervalTimer | None:
    if which == ITIMER_REAL:
        return group.real_timer
    return next((timer for timer in group.cpu_timers if timer.which == which), None)


def _now(kernel: System, group: ThreadGroup, which: int) -> int:
    if which == ITIMER_REAL:
        return kernel.clock.monotonic()
    utime, stime = cpu_times(group)
    return utime if which == ITIMER_VIRTUAL else utime + stime


def _disarm(kernel: System, group: ThreadGroup, which: int) -> None:
    armed = _find(group, which)
    if armed is None:
        return
    if which == ITIMER_REAL:
        group.real_timer = None
        if armed.timer is not None:
            kernel.timers.cancel(armed.timer)
    else:
        group.cpu_timers.remove(armed)


def _start(kernel: System, group: ThreadGroup, armed: IntervalTimer) -> None:
    armed.timer = kernel.timers.add(armed.deadline, _expired, kernel, group, armed)


def _expired(kernel: System, group: ThreadGroup, armed: IntervalTimer) -> None:
    """SIGALRM; periods that were missed meanwhile are skipped, as Linux does."""
    send_to_group(group, SigInfo(SIGALRM, SI_KERNEL))
    if not armed.interval:
        group.real_timer = None
        return
    late = kernel.clock.monotonic() - armed.deadline
    armed.deadline += (max(late, 0) // armed.interval + 1) * armed.interval
    _start(kernel, group, armed)


def cancel_timers(kernel: System, group: ThreadGroup) -> None:
    """The process ends."""
    _disarm(kernel, group, ITIMER_REAL)
    group.cpu_timers.clear()


def account(kernel: System, group: ThreadGroup) -> None:
    """A turn of the process has ended: are its processor-time timers or limits due?"""
    soft, hard = group.limits.values[RLIMIT_CPU]
    if not group.cpu_timers and not group.cpu_alarms and soft == RLIM_INFINITY:
        return
    for alarm in list(group.cpu_alarms):
        alarm.check()
    utime, stime = cpu_times(group)
    for armed in list(group.cpu_timers):
        now = utime if armed.which == ITIMER_VIRTUAL else utime + stime
        if now >= armed.deadline:
            send_to_group(group, SigInfo(_SIGNALS[armed.which], SI_KERNEL))
            _rearm(group, armed, now)
    if soft != RLIM_INFINITY:
        _check_cpu_limit(group, utime + stime, soft, hard)


def _rearm(group: ThreadGroup, armed: IntervalTimer, now: int) -> None:
    if armed.interval:
        armed.deadline += ((now - armed.deadline) // armed.interval + 1) * armed.interval
    else:
        group.cpu_timers.remove(armed)


def _check_cpu_limit(group: ThreadGroup, used: int, soft: int, hard: int) -> None:
    """SIGXCPU at the soft limit and every second after it, SIGKILL at the hard one."""
    if hard != RLIM_INFINITY and used >= hard * _SECOND:
        why = _over_limit(used, "hard", hard)
        send_to_group(group, SigInfo(SIGKILL, SI_KERNEL, reason=why))
    elif used >= (soft + group.cpu_warnings) * _SECOND:
        group.cpu_warnings = used // _SECOND - soft + 1
        why = _over_limit(used, "soft", soft)
        if hard != RLIM_INFINITY:
            why += f"; at the hard one, {hard} s, comes SIGKILL"
        send_to_group(group, SigInfo(SIGXCPU, SI_KERNEL, reason=why))


def _over_limit(used: int, kind: str, limit: int) -> str:
    seconds = f"{used / _SECOND:.3f} s of processor time are used"
    return f"{seconds}, the {kind} limit (RLIMIT_CPU) is {limit} s"
