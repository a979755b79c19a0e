"""POSIX timers: timer_create(2) and its family.

A timer belongs to a process.  It has at most one signal pending; while that is not taken the timer
rests, and when it is taken the periods that went by are its overrun count (timer_getoverrun(2)).
Fork does not pass timers on, execve(2) deletes them.

Linux analogue: ``kernel/time/posix-timers.c``, ``posix-cpu-timers.c``.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi.clocks import SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD_ID
from kernel.abi.errors import EAGAIN, EINVAL
from kernel.abi.signals import SI_TIMER, SIGALRM
from kernel.clock.alarm import Alarm
from kernel.clock.clockids import CpuClock
from kernel.cred import RLIMIT_SIGPENDING
from kernel.task.cputime import read_cpu_clock
from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_group, send_to_task

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel.task.pending import PendingSet
    from kernel.task.task import Task
    from kernel.task.thread_group import ThreadGroup

_TIMER: Final = struct.Struct("<iiQ")  # si_timerid, si_overrun, si_value
OVERRUN_MAX: Final = (1 << 31) - 1


class Event(NamedTuple):
    """struct sigevent: how to tell."""

    notify: int
    signo: int
    value: int
    tid: int


class CpuAlarm:
    """As ``Alarm``, on the processor time of a process or a thread.

    It is looked at when a turn of the process ends (``check``), as Linux does at its ticks.
    Invariant: a running one is in ``group.cpu_alarms``.
    """

    __slots__ = ("_clock", "_fire", "_task", "deadline", "interval", "running")

    def __init__(self, task: Task, clock: CpuClock, fire: Callable[[], None]) -> None:
        self._task = task
        pid = clock.pid or (task.tid if clock.per_thread else task.tgid)
        self._clock = clock._replace(pid=pid)
        self._fire = fire
        self.deadline = 0
        self.interval = 0
        self.running = False

    def now(self) -> int:
        """Processor time used; a thread that has ended uses no more."""
        try:
            return read_cpu_clock(self._task, self._clock)
        except EINVAL:
            return 0

    def set(self, value: int, interval: int, absolute: bool) -> None:
        """See ``Alarm.set``."""
        self.cancel()
        self.interval = interval
        if value:
            self.deadline = value if absolute else self.now() + value
            self._start()

    def cancel(self) -> None:
        """Do not fire."""
        if self.running:
            self.running = False
            self._task.group.cpu_alarms.remove(self)

    def left(self) -> int:
        """Nanoseconds until it fires, at least 1; 0 if it rests."""
        return max(self.deadline - self.now(), 1) if self.running else 0

    def forward(self) -> int:
        """Start the next period; how many are over."""
        late = self.now() - self.deadline
        periods = late // self.interval + 1 if late >= 0 else 0
        self.deadline += periods * self.interval
        self._start()
        return periods

    def _start(self) -> None:
        self.running = True
        self._task.group.cpu_alarms.append(self)

    def check(self) -> None:
        """Fire if it is due."""
        if self.running and self.now() >= self.deadline:
            self.cancel()
            self._fire()

    def __repr__(self) -> str:
        return f"<CpuAlarm at {self.deadline} every {self.interval}>"


class TimerSignal(SigInfo):
    """The signal of a timer; taking it starts the timer's next period."""

    __slots__ = ("timer",)

    def __init__(self, timer: PosixTimer) -> None:
        super().__init__(timer.event.signo, SI_TIMER)
        self.timer = timer
        self.show(0)

    def show(self, overrun: int) -> None:
        """Fill in the union."""
        timer = self.timer
        self.payload = _TIMER.pack(timer.number, overrun, timer.event.value)

    def taken(self) -> None:
        self.timer.signal_taken(self)


class PosixTimer:
    """One timer.  ``signal``: the one that is pending, if any."""

    __slots__ = ("alarm", "clock_id", "event", "group", "number", "overrun", "signal")

    def __init__(
        self, task: Task, number: int, clock_id: int, cpu: CpuClock | None, event: Event
    ) -> None:
        self.group = task.group
        self.number = number
        self.clock_id = clock_id
        self.event = event
        self.overrun = 0
        self.signal: TimerSignal | None = None
        kernel = task.kernel
        self.alarm: Alarm | CpuAlarm = (
            Alarm(kernel.clock, kernel.timers, clock_id, self._fire)
            if cpu is None
            else CpuAlarm(task, cpu, self._fire)
        )

    def _fire(self) -> None:
        """Send the signal.  One that nobody would see does not stop a periodic timer."""
        if self.event.notify != SIGEV_NONE and self._send():
            return
        if self.alarm.interval:
            self.alarm.forward()

    def _send(self) -> bool:
        info = self.signal = TimerSignal(self)
        try:
            if self.event.notify == SIGEV_THREAD_ID:
                task = self.group.tasks.get(self.event.tid)
                if task is not None:
                    send_to_task(task, info)
            else:
                send_to_group(self.group, info)
        except EAGAIN:
            pass  # the user's queue is full: this expiration is lost
        if any(pending.holds(info) for pending in _pending_sets(self.group)):
            return True
        self.signal = None
        return False

    def signal_taken(self, info: TimerSignal) -> None:
        """The signal is being delivered: count what was missed and go on."""
        self.signal = None
        missed = self.alarm.forward() - 1 if self.alarm.interval else 0
        self.overrun = min(max(missed, 0), OVERRUN_MAX)
        info.show(self.overrun)

    def get(self) -> tuple[int, int]:
        """timer_gettime(2): what is left, and the period, in ns."""
        alarm = self.alarm
        if isinstance(alarm, Alarm):
            alarm.check()
        if self.signal is not None and alarm.interval and not alarm.running:
            late = alarm.now() - alarm.deadline
            return alarm.interval - max(late, 0) % alarm.interval, alarm.interval
        return alarm.left(), alarm.interval

    def set(self, value: int, interval: int, absolute: bool) -> tuple[int, int]:
        """timer_settime(2); returns what was there.  A signal of the old setting is withdrawn."""
        old = self.get()
        self._withdraw()
        self.overrun = 0
        self.alarm.set(value, interval, absolute)
        return old

    def _withdraw(self) -> None:
        info, self.signal = self.signal, None
        if info is not None:
            for pending in _pending_sets(self.group):
                pending.remove(info)

    def delete(self) -> None:
        """timer_delete(2)."""
        self.alarm.cancel()
        self._withdraw()

    def __repr__(self) -> str:
        return f"<PosixTimer {self.number} of {self.group.pid}, clock {self.clock_id}>"


def _pending_sets(group: ThreadGroup) -> list[PendingSet]:
    return [group.pending, *(task.pending for task in group.tasks.values())]


def create_timer(
    task: Task, clock_id: int, cpu: CpuClock | None, event: Event | None
) -> PosixTimer:
    """See timer_create(2).  Without ``event``: SIGALRM with the timer's number."""
    group = task.group
    if len(group.posix_timers) >= task.limits.soft(RLIMIT_SIGPENDING):
        raise EAGAIN(
            "%d timers keep a signal each, and RLIMIT_SIGPENDING is %d",
            len(group.posix_timers), task.limits.soft(RLIMIT_SIGPENDING),
        )  # fmt: skip
    number = group.next_timer
    group.next_timer += 1
    if event is None:
        event = Event(SIGEV_SIGNAL, SIGALRM, number, 0)
    timer = group.posix_timers[number] = PosixTimer(task, number, clock_id, cpu, event)
    return timer


def find_timer(group: ThreadGroup, number: int) -> PosixTimer:
    """EINVAL if there is none of that number."""
    timer = group.posix_timers.get(number)
    if timer is None:
        raise EINVAL("there is no timer %d", number)
    return timer


def delete_timer(group: ThreadGroup, number: int) -> None:
    """See timer_delete(2)."""
    find_timer(group, number).delete()
    del group.posix_timers[number]


def delete_timers(group: ThreadGroup) -> None:
    """execve(2), or the end of the process."""
    for number in list(group.posix_timers):
        delete_timer(group, number)
