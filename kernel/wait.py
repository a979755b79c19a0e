"""Sleeping and waking: wait queues, deadlines, and what a blocking call yields.

Wait queues are the only way to sleep in this kernel.  A system call that has to wait returns a
generator; each ``yield Sleep(...)`` is one sleep:

    def _read_when_ready(pipe: Pipe, buffer: Buffer) -> Blocking[int]:
        while pipe.empty:                       # after every yield the condition is tested again
            yield Sleep((pipe.readable,))
        return pipe.take(buffer)

The value of the ``yield`` is True when a wake-up ended the sleep and False when the deadline
passed.  A signal, a stop, or a freeze throws ``Interrupted`` into the generator, which must then
finish without another ``yield``: with a result (what was done so far), or by raising one of the
ERESTART codes.  Not catching ``Interrupted`` means ERESTARTSYS, the commonest case.  Death closes
the generator (GeneratorExit); ``finally`` may not yield.  Nothing but wait-queue entries is held
across a ``yield``: no borrowed memory views, no half-changed state.

A sleeper that was woken is resumed normally even if a signal came meanwhile; only if it wants to
sleep again is it interrupted.  So a wake-up is never lost to a signal.

Who wants to hear of every wake-up without sleeping leaves a ``Watcher``: epoll does, so what it
costs to wait for a thousand descriptors is what the ready ones cost.

Linux analogue: ``wait_queue_head_t``, ``wait_queue_entry_t``, ``schedule_timeout``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import NamedTuple, Protocol, TypeVar

T = TypeVar("T")

FOREVER = None
ALL = 1 << 30


class Interrupted(Exception):
    """Thrown into a sleeping generator: a signal is pending (or the task is to be frozen)."""


class Sleeper(Protocol):
    """Whoever can sleep; a task."""

    def wake_up(self) -> None:
        """Become runnable.  Called once per sleep, by the first wake-up that matches."""


class Entry:
    """Something on one or more queues.  ``key`` is for futex wake-ups."""

    __slots__ = ("exclusive", "key", "queues")

    exclusive: bool
    key: int
    queues: tuple[WaitQueue, ...]

    def remove(self) -> None:
        """Leave every queue (deadline passed, interrupted, killed)."""
        for queue in self.queues:
            queue.waiters.pop(self, None)

    def wake(self, events: int = 0) -> bool:
        """The queue was woken; False if it was not for this entry."""
        raise NotImplementedError


class Waiter(Entry):
    """One sleep of one sleeper: its entries on one or more queues.

    Invariant: a waiter is on all of ``queues`` until it is woken or removed, then on none.
    """

    __slots__ = ("sleeper", "woken")

    def __init__(
        self, sleeper: Sleeper, queues: tuple[WaitQueue, ...], exclusive: bool = False, key: int = 0
    ) -> None:
        self.sleeper = sleeper
        self.queues = queues
        self.exclusive = exclusive
        self.key = key
        self.woken = False
        for queue in queues:
            queue.waiters[self] = None

    def wake(self, events: int = 0) -> bool:
        """Leave every queue and make the sleeper runnable."""
        self.remove()
        self.woken = True
        self.sleeper.wake_up()
        return True

    def __repr__(self) -> str:
        woken = " woken" if self.woken else ""
        return f"<Waiter of {self.sleeper!r} on {len(self.queues)} queues{woken}>"


class Watcher(Entry):
    """An entry that stays: ``notice(events)`` is called at every wake-up, until ``remove``.

    For those who watch without sleeping (epoll, signal-driven I/O).  ``notice`` must not sleep and
    must not take time; it returns False if the wake-up does not concern it, so that an exclusive
    one goes on to the next.  Linux: a ``wait_queue_entry`` with a function of its own.
    """

    __slots__ = ("notice",)

    def __init__(
        self, queue: WaitQueue, notice: Callable[[int], bool], exclusive: bool = False
    ) -> None:
        self.queues = (queue,)
        self.notice = notice
        self.exclusive = exclusive
        self.key = 0
        queue.waiters[self] = None

    def wake(self, events: int = 0) -> bool:
        """Tell; the entry stays."""
        return self.notice(events)

    def __repr__(self) -> str:
        return f"<Watcher of {[queue.name for queue in self.queues]}>"


class WaitQueue:
    """Who waits for one condition, first come first served.

    ``name`` says what the condition is, for people who look at a sleeping task.
    """

    __slots__ = ("name", "waiters")

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.waiters: dict[Entry, None] = {}

    def wake(self, exclusive: int = 1, events: int = 0) -> int:
        """Wake every ordinary waiter and at most ``exclusive`` exclusive ones; return how many.

        ``events`` tells watchers which poll(2) bits may have come true; 0: any.
        """
        if not self.waiters:
            return 0
        woken = 0
        for waiter in list(self.waiters):
            if waiter.exclusive:
                if exclusive <= 0:
                    continue
                exclusive -= waiter.wake(events)
            else:
                waiter.wake(events)
            woken += 1
        return woken

    def __repr__(self) -> str:
        return f"<WaitQueue {self.name} waiters={len(self.waiters)}>"


class Sleep(NamedTuple):
    """What a blocking call yields.

    ``queues``: any of them may end the sleep.  ``deadline``: absolute CLOCK_MONOTONIC ns, or None
    for ever.  ``exclusive``: a wake-up of the queue wakes only one such sleeper; when it is removed
    after being woken it must pass the wake on.  ``key``: matched by futex wake-ups.
    """

    queues: tuple[WaitQueue, ...]
    deadline: int | None = None
    exclusive: bool = False
    key: int = 0


Blocking = Generator[Sleep, bool, T]
"""The generator a blocking call returns; ``-> Size | Blocking[Size]`` in its signature."""


class HostPoller(Protocol):
    """The machine's selector, as host-backed files see it."""

    def watch(self, fd: int, events: int, queue: WaitQueue) -> None:
        """Wake ``queue`` once when host descriptor ``fd`` has one of ``events`` (poll(2) bits)."""

    def forget(self, fd: int) -> None:
        """Drop every watch on ``fd`` (it is about to be closed)."""
