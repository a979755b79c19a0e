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

    Invariants: a signal in ``queue`` has its bit in ``bits`` (a bit without an entry is a signal
    whose information was lost to RLIMIT_SIGPENDING); ``charges`` counts, by real user, the entries
    of all queues of the system.
    """

    __slots__ = ("bits", "charges", "queue")

    def __init__(self, charges: dict[int, int]) -> None:
        self.bits = 0
        self.queue: list[tuple[SigInfo, int]] = []  # (signal, user charged)
        self.charges = charges

    def has(self, signo: int) -> bool:
        """Is this signal pending here?"""
        return bool(self.bits >> (signo - 1) & 1)

    def add(self, info: SigInfo, user: int) -> bool:
        """Make it pending on a user's account; False if it merged with one that already is."""
        if info.signo < SIGRTMIN and self.has(info.signo):
            return False
        self.queue.append((info, user))
        self.charges[user] = self.charges.get(user, 0) + 1
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
        """Remove and return the oldest instance of a pending signal."""
        places = [i for i, (info, _) in enumerate(self.queue) if info.signo == signo]
        if len(places) <= 1:
            self.bits &= ~(1 << (signo - 1))
        if not places:
            return SigInfo.user(signo, 0, 0)
        info, user = self.queue.pop(places[0])
        self._uncharge(user)
        info.taken()
        return info

    def holds(self, info: SigInfo) -> bool:
        """Is this very signal pending here?"""
        return any(queued is info for queued, _ in self.queue)

    def remove(self, info: SigInfo) -> None:
        """Withdraw a signal (of a timer that is set anew)."""
        for place, (queued, user) in enumerate(self.queue):
            if queued is info:
                del self.queue[place]
                self._uncharge(user)
                if not any(other.signo == info.signo for other, _ in self.queue):
                    self.bits &= ~(1 << (info.signo - 1))
                return

    def discard(self, mask: int) -> None:
        """Drop all signals of a mask (SIGCONT against stops, ignored signals, death)."""
        if not self.bits & mask:
            return
        self.bits &= ~mask
        kept = []
        for entry in self.queue:
            if mask >> (entry[0].signo - 1) & 1:
                self._uncharge(entry[1])
            else:
                kept.append(entry)
        self.queue = kept

    def _uncharge(self, user: int) -> None:
        left = self.charges[user] - 1
        if left:
            self.charges[user] = left
        else:
            del self.charges[user]

    def check_invariants(self) -> None:
        """For tests."""
        for info, _ in self.queue:
            assert self.has(info.signo)
        standard = [info.signo for info, _ in self.queue if info.signo < SIGRTMIN]
        assert len(standard) == len(set(standard)), "a standard signal is queued twice"

    def __repr__(self) -> str:
        return f"<PendingSet bits={self.bits:#x} queued={len(self.queue)}>"
