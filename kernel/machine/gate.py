"""Signals on their way to a debugged program: reported, and perhaps changed, before delivery.

A signal is reported from within its delivery, the one place where it is known that and to whom it
will be delivered.  If the turn has to end there, the signal becomes pending again, already
answered.

Linux analogue: ``ptrace_signal``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.signals import SIGKILL
from kernel.machine.stops import Stop
from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_task

if TYPE_CHECKING:
    from kernel.machine.debugged import DebuggedTurns
    from kernel.task.task import Task


class TurnOver(Exception):
    """A signal was reported from within its delivery, and the turn ends there; it is kept."""


class Gate:
    """A kernel.task.system.SignalGate.  ``kept``: signals that were answered and wait again."""

    def __init__(self, turns: DebuggedTurns) -> None:
        self._turns = turns
        self.kept: dict[Task, tuple[SigInfo, Stop]] = {}

    def wants(self, signo: int) -> bool:
        """Is this signal to be seen although nobody would notice it, or would die of it at once?"""
        return signo != SIGKILL and signo in self._turns.debugger.catch_signals

    def signal(self, task: Task, info: SigInfo) -> SigInfo | None:
        """A signal is about to be delivered: what is to be delivered in its place, or None."""
        debugger = self._turns.debugger
        kept, stop = self.kept.get(task, (None, None))
        if kept is info:
            del self.kept[task]
        else:
            stop = None
        if stop is None and info.forced and debugger.catch_faults and info.signo != SIGKILL:
            stop = self._ask(task, info, "fault")
        if stop is None:
            return self._as_signal(task, info)
        chosen = self._answer(task, info, stop)
        if stop.reason == "signal" or chosen is None or task.dead or debugger.closed:
            return chosen
        return self._as_signal(task, chosen)

    def _as_signal(self, task: Task, info: SigInfo) -> SigInfo | None:
        """Report it as a signal, whatever it was before, if that is wanted."""
        if info.signo == SIGKILL or info.signo not in self._turns.debugger.catch_signals:
            return info
        return self._answer(task, info, self._ask(task, info, "signal"))

    def _ask(self, task: Task, info: SigInfo, reason: str) -> Stop:
        """Report it.  TurnOver: the turn ends with that."""
        stop = Stop(task, reason)
        stop.info, stop.signal = info, info.signo
        if reason == "fault":
            stop.address = info.address
        if not self._turns.report(stop) and not task.dead and not self._turns.debugger.closed:
            self._keep_signal(task, info, stop)
            raise TurnOver
        return stop

    def _keep_signal(self, task: Task, info: SigInfo, stop: Stop) -> None:
        """The turn ends before the signal is delivered: it will come again, already answered."""
        again = SigInfo(info.signo, info.code, info.payload, info.errno, reason=info.reason)
        again.forced, again.trap, again.error = info.forced, info.trap, info.error
        if stop.info is info:
            stop.info = again
        task.pending.add(again, task.cred.ruid)
        task.work = True
        self.kept[task] = (again, stop)

    def _answer(self, task: Task, info: SigInfo, stop: Stop) -> SigInfo | None:
        """What the debugger made of it.  See ptrace(2), "Signal injection and suppression"."""
        if not stop.signal:
            return None
        chosen = stop.info if stop.info is not None else info
        if stop.signal != chosen.signo:
            chosen = SigInfo.user(stop.signal, 0, 0)
        if chosen.signo != info.signo and task.blocked >> (chosen.signo - 1) & 1:
            send_to_task(task, chosen)
            return None
        return chosen
