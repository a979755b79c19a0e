"""The system calls at which a session stops: their text, from entry to return, and their reasons.

What was shown where a call was entered is kept until it returns: the kernel may have overwritten
what its arguments pointed to (execve replaces all of it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.machine.explain import Explainer
from tools.console import stops
from tools.tracer.lines import explained

if TYPE_CHECKING:
    from kernel.machine.loop import Machine
    from kernel.machine.stops import Stop
    from kernel.task.task import Task
    from syscalls.table import SyscallTable
    from tools.tracer.view import Call


class Calls:
    """``_entered``: calls between entry and return, by tid; ``_replaced``: results of our own."""

    def __init__(self, machine: Machine, table: SyscallTable) -> None:
        self._machine = machine
        self._table = table
        self._entered: dict[int, Call] = {}
        self._replaced: dict[int, None] = {}
        self._explainer = Explainer(table)
        machine.attach(self._explainer)

    def close(self) -> None:
        """Nobody asks any more."""
        self._machine.detach(self._explainer)

    def at(self, stop: Stop) -> Call | None:
        """The call that is entered or left at a stop."""
        if stop.reason == "enter":
            self._replaced.pop(stop.task.tid, None)
            call = self._entered[stop.task.tid] = stops.call_of(stop, self._table)
            return call
        if stop.reason != "return":
            return None
        kept = self._entered.pop(stop.task.tid, None)
        call = kept if kept is not None else stops.call_of(stop, self._table)
        call.result = stop.result
        return call

    def changed(self, stop: Stop) -> str:
        """The user has changed it: how it looks now."""
        call = stops.call_of(stop, self._table)
        if stop.reason == "enter":
            self._entered[stop.task.tid] = call
        call.result = stop.result
        if stop.result is None:
            return f"now {stops.entering(call)}"
        self._replaced[stop.task.tid] = None
        return f"now {stops.returning(call)}"

    def why(self, stop: Stop, call: Call) -> str:
        """Below a call that failed, as ``trace --explain`` has it; our own results need none."""
        ours = self._replaced.pop(stop.task.tid, 0) is None
        if not call.failed or ours or stop.reason != "return":
            return ""
        result, reason = call.result or 0, stop.task.error_reason
        why = self._explainer.why(stop.task, stop.number, stop.args, result, reason)
        return explained(why) if why else ""

    def where(self, task: Task) -> str:
        """The call a task sleeps in, and what it waits for; '' if it does not sleep."""
        if task.generator is None or task.call is None:
            return ""
        wait = self._explainer.wait(task)
        name = self._table.name(task.call[0]) or str(task.call[0])
        return f", asleep in {name}" + (f": {wait}" if wait else "")
