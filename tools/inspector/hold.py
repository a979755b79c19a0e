"""The machine stands still while somebody looks: pause, step one system call, resume.

The loop has one thread, so standing still is not returning: the inspector serves its consumers from
inside the loop's own callback until one of them lets the machine go on.  Nothing of the guest's is
changed, and time goes on outside, as for a process that is stopped by a debugger.

A step lets the machine run until the next system call has ended that the consumer's filter shows
(of one task, if one is named), and holds it again behind that call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.events import Observer
from tools.tracer.filters import Filter

if TYPE_CHECKING:
    from kernel.machine.loop import Machine
    from kernel.task.task import Task

RUNNING = "running"
PAUSED = "paused"
STEPPING = "stepping"
WAITING = "waiting"
"""Held before the first instruction, until a consumer lets it go."""


class Hold:
    """``state``: one of the four.  ``tid``: the task at which the machine stands, None if unknown.

    ``wait`` sleeps until a consumer or a host signal has something, and serves it.  ``changed`` is
    called when the state is another one.
    """

    def __init__(
        self, machine: Machine, wait: Callable[[], None], changed: Callable[[], None]
    ) -> None:
        self._machine = machine
        self._wait = wait
        self._changed = changed
        self._stepper: Stepper | None = None
        self._inside = False
        self.state = RUNNING
        self.tid: int | None = None

    @property
    def held(self) -> bool:
        """Does the machine stand still, or is about to?"""
        return self.state in (PAUSED, WAITING)

    @property
    def waiting(self) -> bool:
        """Is it still before the first instruction?"""
        return self.state == WAITING

    def pause(self, task: Task | None = None, state: str = PAUSED) -> None:
        """Hold the machine from now on; ``serve`` does it."""
        self._drop_stepper()
        self.tid = task.tid if task is not None else None
        self._become(state)

    def resume(self) -> None:
        """Let it go."""
        self._drop_stepper()
        self._become(RUNNING)

    def step(self, tid: int | None, filters: Filter) -> None:
        """Let it go until the next call that ``filters`` shows, of ``tid``, has ended."""
        self._drop_stepper()
        table = self._machine.table
        self._stepper = Stepper(self, tid, lambda number: filters.call(table.name(number)))
        self._machine.attach(self._stepper)  # after the streams, so they have told of the call
        self._become(STEPPING)

    def _become(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self._changed()

    def _drop_stepper(self) -> None:
        if self._stepper is not None:
            self._machine.detach(self._stepper)
            self._stepper = None

    def arrived(self, task: Task) -> None:
        """The step is over: the machine stands still here."""
        self.pause(task)
        self.serve()

    def serve(self) -> None:
        """Stand still as long as that is wanted.  The end of the run is not held up."""
        if self._inside:
            return
        self._inside = True
        try:
            while self.held and not self._machine.stopping:
                self._wait()
        finally:
            self._inside = False


class Stepper(Observer["Task"]):
    """Holds the machine behind a call; ``tid`` None: of any task."""

    def __init__(self, hold: Hold, tid: int | None, shown: Callable[[int], bool]) -> None:
        self._hold = hold
        self._tid = tid
        self._shown = shown

    def _arrive(self, task: Task, number: int) -> None:
        if self._tid in (None, task.tid) and self._shown(number):
            self._hold.arrived(task)

    def syscall_exit(
        self, task: Task, number: int, args: tuple[int, ...], result: int, reason: str
    ) -> None:
        """The usual end of a step."""
        self._arrive(task, number)

    def no_return(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """exit has no other end."""
        self._arrive(task, number)

    def task_end(self, task: Task, status: int) -> None:
        """A task that was to be stepped and is gone."""
        if task.tid == self._tid:
            self._hold.arrived(task)
