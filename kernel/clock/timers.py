"""What is due when: a heap of deadlines with callbacks.

Cancelling only marks a timer; it leaves the heap when it comes to the top, or when more than half
of the heap is cancelled, so a program that sets and clears timeouts for ever does not fill memory.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final

_SWEEP_AT_LEAST: Final = 64
FOREVER: Final = (1 << 63) - 1
"""KTIME_MAX: a deadline there or later never comes.  That is 292 years after boot."""


class Timer:
    """One deadline; made by ``Timers.add``.  ``callback`` is None once fired or cancelled.

    ``args`` go with it: what is to be done is a function and values, never a closure, so that
    timers can be looked at and kept.

    A ``watchdog`` only ends a run that takes too long; nobody waits for it.
    """

    __slots__ = ("args", "callback", "deadline", "seq", "watchdog")

    def __init__(
        self, deadline: int, seq: int, callback: Callable[..., None], args: tuple[object, ...] = ()
    ) -> None:
        self.deadline = deadline
        self.seq = seq
        self.callback: Callable[..., None] | None = callback
        self.args = args
        self.watchdog = False

    @property
    def active(self) -> bool:
        """Will it still fire?"""
        return self.callback is not None

    def __lt__(self, other: Timer) -> bool:
        if self.deadline != other.deadline:
            return self.deadline < other.deadline
        return self.seq < other.seq

    def __repr__(self) -> str:
        return f"<Timer at {self.deadline}{'' if self.active else ' off'}>"


class Timers:
    """All timers of a machine.  Equal deadlines fire in the order they were added.

    Invariant: ``_cancelled`` is the number of heap entries whose callback is None.
    Linux analogue: ``struct hrtimer_cpu_base``.
    """

    __slots__ = ("_cancelled", "_heap", "_seq")

    def __init__(self) -> None:
        self._heap: list[Timer] = []
        self._seq = 0
        self._cancelled = 0

    def add(self, deadline: int, callback: Callable[..., None], *args: object) -> Timer:
        """Call ``callback(*args)`` once, at the first ``expire`` at or after ``deadline``, in ns of
        the monotonic clock.
        """
        self._seq += 1
        timer = Timer(deadline, self._seq, callback, args)
        heapq.heappush(self._heap, timer)
        return timer

    def cancel(self, timer: Timer) -> bool:
        """Do not fire; False if it has fired or was cancelled before."""
        if timer.callback is None:
            return False
        timer.callback = None
        self._cancelled += 1
        if self._cancelled > _SWEEP_AT_LEAST and self._cancelled * 2 > len(self._heap):
            self._sweep()
        return True

    def _sweep(self) -> None:
        self._heap = [timer for timer in self._heap if timer.callback is not None]
        heapq.heapify(self._heap)
        self._cancelled = 0

    @property
    def barren(self) -> bool:
        """Will nothing but watchdogs ever fire?"""
        return all(timer.callback is None or timer.watchdog for timer in self._heap)

    def next_deadline(self) -> int | None:
        """When the next timer is due, or None if there is none, or none that ever will be."""
        heap = self._heap
        while heap:
            if heap[0].callback is not None:
                return heap[0].deadline if heap[0].deadline < FOREVER else None
            heapq.heappop(heap)
            self._cancelled -= 1
        return None

    def expire(self, now: int) -> int:
        """Fire everything due at ``now``; return how many fired.

        A callback may add and cancel timers.  One it adds that is already due fires at the next
        ``expire``, so that a timer of period 0 cannot keep the kernel here.
        """
        last = self._seq
        fired = 0
        held: list[Timer] = []
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            timer = heapq.heappop(self._heap)
            if timer.seq > last:
                held.append(timer)
                continue
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback(*timer.args)
                fired += 1
        for timer in held:
            heapq.heappush(self._heap, timer)
            self._cancelled += timer.callback is None
        return fired

    def __len__(self) -> int:
        """How many will still fire."""
        return len(self._heap) - self._cancelled

    def check_invariants(self) -> None:
        """For tests."""
        assert self._cancelled == sum(timer.callback is None for timer in self._heap)
        assert all(
            not self._heap[child] < self._heap[(child - 1) // 2]
            for child in range(1, len(self._heap))
        )

    def __repr__(self) -> str:
        return f"<Timers {len(self)} active>"
