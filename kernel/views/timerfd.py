"""Timers that are read: timerfd_create(2).  Linux: ``fs/timerfd.c``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.clocks import (
    CLOCK_REALTIME,
    CLOCK_REALTIME_ALARM,
    NSEC_PER_SEC,
    TFD_TIMER_ABSTIME,
    TFD_TIMER_CANCEL_ON_SET,
)
from kernel.abi.errors import EAGAIN, ECANCELED, EINVAL
from kernel.abi.files import O_NONBLOCK, O_RDWR, POLLIN, POLLRDNORM
from kernel.clock.alarm import Alarm
from kernel.vfs.anonymous import AnonymousFile, hidden_mount, hidden_path
from kernel.vfs.inode import Inode
from kernel.vfs.openfile import OpenFile
from kernel.wait import Blocking, Sleep, WaitQueue, Watcher

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.task.task import Task
    from kernel.vfs.caller import Caller
    from kernel.vfs.dentry import Path

_WORD: Final = 8
_READABLE: Final = POLLIN | POLLRDNORM


class TimerFile(AnonymousFile):
    """A timer behind a descriptor; reading takes the number of expirations.

    ``ticks``: expirations not read yet.  ``expired``: it fired, and a period is to be started again
    when somebody looks.  ``was_set``: the time of day was set meanwhile, for who wants to know
    (TFD_TIMER_CANCEL_ON_SET).
    """

    __slots__ = ("alarm", "expired", "settime_flags", "ticks", "was_set", "watcher")

    queue: WaitQueue

    def __init__(self, inode: Inode, path: Path, flags: int, task: Task, clock_id: int) -> None:
        super().__init__(inode, path, flags)
        kernel = task.kernel
        self.alarm = Alarm(kernel.clock, kernel.timers, clock_id, self._fire)
        self.queue = WaitQueue("timerfd")
        self.ticks = 0
        self.expired = False
        self.was_set = False
        self.settime_flags = 0
        self.watcher: Watcher | None = None

    def _fire(self) -> None:
        self.expired = True
        self.ticks += 1
        self.queue.wake(1, _READABLE)

    def _clock_was_set(self, events: int) -> bool:
        self.was_set = True
        self.ticks += 1
        self.queue.wake(1, _READABLE)
        return True

    def _take_cancellation(self) -> bool:
        found, self.was_set = self.was_set, False
        return found

    # -- the calls -------------------------------------------------------------------------------

    def get_time(self) -> tuple[int, int]:
        """timerfd_gettime(2): what is left of the time, and the period, in ns."""
        self.alarm.check()
        self._next_period()
        return self.alarm.left(), self.alarm.interval

    def _next_period(self) -> None:
        if self.expired and self.alarm.interval:
            self.expired = False
            self.ticks += self.alarm.forward() - 1

    def set_time(self, task: Task, value: int, interval: int, flags: int) -> tuple[int, int]:
        """timerfd_settime(2); returns what it was set to."""
        old = self.get_time()
        cancelled = self._take_cancellation()
        self._watch_clock(task, flags)
        self.settime_flags = flags
        self.expired = False
        self.ticks = 0
        self.alarm.set(value, interval, bool(flags & TFD_TIMER_ABSTIME))
        if cancelled and self.watcher is not None:
            raise ECANCELED("the time of day was set")
        return old

    def _watch_clock(self, task: Task, flags: int) -> None:
        wanted = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET
        wall = self.alarm.clock_id in (CLOCK_REALTIME, CLOCK_REALTIME_ALARM)
        if self.watcher is not None:
            self.watcher.remove()
            self.watcher = None
        if wall and flags & wanted == wanted:
            self.watcher = Watcher(task.kernel.clock.was_set, self._clock_was_set)

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int | Blocking[int]:
        if buf.remaining < _WORD:
            raise EINVAL("a timerfd is read by 8 bytes, the buffer has %d", buf.remaining)
        self.alarm.check()
        if self.ticks:
            return self._take(buf)
        if self.flags & O_NONBLOCK:
            raise EAGAIN("the timer has not expired")
        return self._take_later(buf)

    def _take_later(self, buf: Buffer) -> Blocking[int]:
        while not self.ticks:
            yield Sleep((self.queue,))
        return self._take(buf)

    def _take(self, buf: Buffer) -> int:
        """When the clock was set, the program must look anew: nothing is counted or restarted."""
        if self._take_cancellation():
            self.ticks = 0
            self.expired = False
            raise ECANCELED("the time of day was set")
        self._next_period()
        ticks, self.ticks = self.ticks, 0
        self.expired = False
        return buf.put(ticks.to_bytes(_WORD, "little"))

    def poll(self, caller: Caller, events: int) -> int:
        self.alarm.check()
        return events & _READABLE if self.ticks else 0

    def release(self) -> None:
        self.alarm.cancel()
        if self.watcher is not None:
            self.watcher.remove()

    def info_lines(self) -> str:
        value, interval = (divmod(ns, NSEC_PER_SEC) for ns in self.get_time())
        return (
            f"clockid: {self.alarm.clock_id}\nticks: {self.ticks}\n"
            f"settime flags: 0{self.settime_flags:o}\n"
            f"it_value: ({value[0]}, {value[1]})\nit_interval: ({interval[0]}, {interval[1]})\n"
        )

    def describe(self) -> dict[str, object]:
        return super().describe() | {
            "clockid": self.alarm.clock_id,
            "ticks": self.ticks,
            "settime flags": f"0{self.settime_flags:o}",
            "it_value": self.alarm.left(),
            "it_interval": self.alarm.interval,
        }


def make_timerfd(task: Task, clock_id: int, nonblock: bool) -> OpenFile:
    """See timerfd_create(2)."""
    mount = hidden_mount(task, b"anon_inodefs")
    inode = Inode(mount.sb, 0o600, task.cred.fsuid, task.cred.fsgid)
    path = hidden_path(mount, b"anon_inode:[timerfd]", inode)
    return TimerFile(inode, path, O_RDWR | (O_NONBLOCK if nonblock else 0), task, clock_id)


def as_timer(file: OpenFile) -> TimerFile:
    """EINVAL unless it is a timer."""
    if not isinstance(file, TimerFile):
        raise EINVAL("%s is no timer descriptor", file.path)
    return file
