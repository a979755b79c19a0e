"""Signals that were sent and not taken yet.  See signal(7), "Real-time signals".

Standard signals merge: one that is pending is pending once, with the first sender's information.
Real-time signals queue, each with its own, in order; the lowest number goes first.
Linux analogue: ``struct sigpending``.
"""

from __future__ import annotations

from kernel.abi.signals import SIGRTMIN, SYNCHRONOUS
from kernel.task.siginfo import SigInfo


class PendingSet:
    """One set of pending signals: of a task, or of its whole group.

    Invariant: a signal in ``queue`` has its bit in ``bits``.  A bit without a queue entry is a
    signal whose information was lost to RLIMIT_SIGPENDING.
    """

    __slots__ = ("bits", "queue")

    def __init__(self) -> None:
        self.bits = 0
        self.queue: list[SigInfo] = []

    def has(self, signo: int) -> bool:
        """Is this signal pending here?"""
        return bool(self.bits >> (signo - 1) & 1)

    def add(self, info: SigInfo) -> bool:
        """Make it pending; False if it merged with one that already is."""
        if info.signo < SIGRTMIN and self.has(info.signo):
            return False
        self.queue.append(info)
        self.bits |= 1 << (info.signo - 1)
        return True

    def add_bit(self, signo: int) -> None:
        """Make it pending without information: the queue limit is reached."""
        self.bits |= 1 << (signo - 1)

    def take(self, blocked: int) -> SigInfo | None:
        """Remove and return the next signal that is not blocked: faults first, then by number."""
        ready = self.bits & ~blocked
        if not ready:
            return None
        first = ready & SYNCHRONOUS or ready
        return self.take_signal((first & -first).bit_length())

    def take_signal(self, signo: int) -> SigInfo:
        """Remove and return one instance of a pending signal."""
        places = [index for index, info in enumerate(self.queue) if info.signo == signo]
        if len(places) <= 1:
            self.bits &= ~(1 << (signo - 1))
        if not places:
            return SigInfo.user(signo, 0, 0)
        return self.queue.pop(places[0])

    def discard(self, mask: int) -> int:
        """Drop all signals of a mask; return how many entries went."""
        if not self.bits & mask:
            return 0
        before = len(self.queue)
        self.queue = [info for info in self.queue if not mask >> (info.signo - 1) & 1]
        self.bits &= ~mask
        return before - len(self.queue)
