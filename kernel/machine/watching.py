"""How a debugger hears of what happens inside system calls.

As an observer it is told of forks, execs and deaths, and puts a Stop aside for each that is to be
reported, since a call is no place to stand still.  As a door it changes a call as the debugger said
when it was reported, and keeps its result for the second report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.events import Observer
from kernel.machine.dispatch import Door, Passage
from kernel.machine.stops import ALL, NONE, Stop

if TYPE_CHECKING:
    from collections.abc import Container

    from kernel.machine.debugged import DebuggedTurns
    from kernel.task.task import Task

_WORD: Final = (1 << 64) - 1


class Watching(Observer["Task"], Door):
    """What the kernel tells: forks, execs, deaths; and calls on their way, which may be changed."""

    def __init__(self, turns: DebuggedTurns) -> None:
        self._turns = turns

    @property
    def numbers(self) -> Container[int]:  # type: ignore[override]  # Door has a plain attribute
        """All calls while any is caught or between its two reports: a call that was reported may
        have got another number, and what was assigned counts although no more are to be reported.
        """
        caught = self._turns.debugger.catch_calls is not NONE or self._turns.entered
        return ALL if caught else NONE

    def enter(self, task: Task, passage: Passage) -> None:
        """The call was reported; what the debugger assigned is put into its passage."""
        stop = self._turns.entered.get(task)
        if stop is None:
            return
        passage.number, passage.result = stop.number, stop.result
        passage.args = tuple(word & _WORD for word in stop.args)

    def leave(self, task: Task, passage: Passage) -> None:
        """It has a result: to be reported when it is in the registers."""
        if task in self._turns.entered:
            self._turns.left[task] = passage

    def task_start(self, task: Task, parent: Task | None) -> None:
        """A fork, or a thread."""
        if parent is None:
            return
        debugger = self._turns.debugger
        thread = task.group is parent.group
        if debugger.catch_threads if thread else debugger.catch_forks:
            stop = Stop(parent, "clone" if thread else "fork")
            stop.other = task
            self._turns.waiting.append(stop)

    def exec(self, task: Task, path: bytes, argv: tuple[bytes, ...]) -> None:
        """A new program."""
        self._turns.spaces_changed = True
        if self._turns.debugger.catch_execs:
            self._turns.waiting.append(Stop(task, "exec"))

    def task_end(self, task: Task, status: int) -> None:
        """A task is about to be dead."""
        turns = self._turns
        turns.spaces_changed = True
        turns.dying.append(task)
        last = len(task.group.tasks) == 1
        if turns.debugger.catch_exits if last else turns.debugger.catch_threads:
            stop = Stop(task, "exit" if last else "thread_exit")
            stop.status = status
            turns.waiting.append(stop)
