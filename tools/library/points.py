"""Breakpoints, watchpoints, stops and steps: the machine stands still and Python looks around.

``Machine.run`` returns a ``Stop`` when a point is met that nobody has answered; the machine goes on
at the next ``run``.  A point with a hook never stops: the hook is called while the world stands
still, and the program goes on with whatever the hook has changed.

The work is done by the machine's one debugger (kernel.machine.debugger), which is attached while
there is anything to stop for: without points a machine runs at full speed.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import TYPE_CHECKING, Any, Final, Self, cast

from kernel.abi.errors import KernelError
from kernel.machine.debugger import ALL, Breakpoint, Debugger, DebuggerBusy, Watchpoint
from kernel.machine.debugger import Stop as KernelStop
from tools.errors import DioramaError
from tools.library.memory import check_open
from tools.library.stops import Stop

if TYPE_CHECKING:
    from kernel.task.task import Task
    from tools.library.base import MachineBase
    from tools.library.process import Process, Thread

Condition = Callable[["Stop"], object]
Answer = Callable[["Stop"], object]

EVENTS: Final = ("signal", "fault", "fork", "exec", "exit", "thread", "call")
"""What ``Machine.stop_on`` knows."""
_OF: Final = {
    "enter": "call", "return": "call", "signal": "signal", "fault": "fault", "fork": "fork",
    "vfork": "fork", "vfork_done": "fork", "clone": "thread", "thread_exit": "thread",
    "exec": "exec", "exit": "exit",
}  # fmt: skip


class Point:
    """A breakpoint, a watchpoint, or an event to stop for, until ``remove``."""

    def __init__(
        self, points: Points, what: str, condition: Condition | None, answer: Answer | None
    ) -> None:
        self.what = what
        self.hits = 0
        """How often it was met and the condition held."""
        self.active = True
        self.kernel: Breakpoint | Watchpoint | None = None
        self.event = ""
        self.numbers: object = None
        self._points = points
        self._condition = condition
        self._answer = answer

    def wants(self, stop: Stop) -> bool:
        """Is the condition met?"""
        return self._condition is None or bool(self._condition(stop))

    def meet(self, stop: Stop) -> bool:
        """It was met; is the machine to stand still?"""
        self.hits += 1
        if self._answer is None:
            return True
        self._answer(stop)
        return False

    def remove(self) -> None:
        """Stop there no more; once is enough."""
        if self.active:
            self.active = False
            self._points.drop(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()

    def __repr__(self) -> str:
        return f"<Point {self.what}, met {self.hits} times{'' if self.active else ', removed'}>"


class Points:
    """All points of one machine, and the debugger behind them, while it is needed."""

    def __init__(self, machine: MachineBase) -> None:
        self._machine = machine
        self._debugger: Debugger | None = None
        self._points: list[Point] = []
        self._stepping: Task | None = None
        self._pausing = False
        self.stop: Stop | None = None
        """What the machine stands still for, until it runs again."""

    # -- making and dropping ---------------------------------------------------------------------

    def debugger(self) -> Debugger:
        """Attached now.  DioramaError: somebody else is."""
        if self._debugger is None:
            check_open(self._machine.system.init)
            try:
                self._debugger = Debugger(self._machine.kernel, self._stopped)
            except DebuggerBusy:
                raise DioramaError("another debugger is attached to this machine") from None
        return self._debugger

    def break_at(
        self, process: Process, address: int, condition: Condition | None, answer: Answer | None
    ) -> Point:
        """At an instruction."""
        space = process.task.mm
        if space is None:
            raise DioramaError(f"process {process.pid} has ended")
        point = Point(self, f"at {address:#x} of {process.pid}", condition, answer)
        try:
            point.kernel = self.debugger().break_at(space, address)
        except KernelError as error:
            self._close_if_idle()
            raise DioramaError(f"no breakpoint at {address:#x}: {error.reason}") from error
        self._points.append(point)
        return point

    def watch(
        self, process: Process, address: int, length: int, access: str,
        condition: Condition | None, answer: Answer | None,
    ) -> Point:  # fmt: skip
        """At an access to memory."""
        space = process.task.mm
        if space is None:
            raise DioramaError(f"process {process.pid} has ended")
        what = f"{access} {address:#x}+{length} of {process.pid}"
        point = Point(self, what, condition, answer)
        try:
            point.kernel = self.debugger().watch(space, address, length, access)
        except KernelError as error:
            self._close_if_idle()
            raise DioramaError(f"no watchpoint at {address:#x}: {error.reason}") from error
        self._points.append(point)
        return point

    def on_event(
        self, event: str, numbers: object, condition: Condition | None, answer: Answer | None
    ) -> Point:
        """At an event; ``numbers``: of calls or signals, None for all."""
        if event not in EVENTS:
            raise DioramaError(f"{event!r}: want one of {', '.join(EVENTS)}")
        self.debugger()
        point = Point(self, event, condition, answer)
        point.event, point.numbers = event, numbers
        self._points.append(point)
        self._set_catches()
        return point

    def drop(self, point: Point) -> None:
        """No more."""
        self._points = [other for other in self._points if other is not point]
        if self._debugger is not None:
            if point.kernel is not None:
                self._debugger.remove(point.kernel)
            self._set_catches()
        self._close_if_idle()

    def _set_catches(self) -> None:
        debugger = self.debugger()
        kinds = {point.event for point in self._points}
        debugger.catch_calls = self._numbers("call")
        debugger.catch_signals = self._numbers("signal")
        debugger.catch_faults = "fault" in kinds
        debugger.catch_forks = "fork" in kinds
        debugger.catch_execs = "exec" in kinds
        debugger.catch_exits = "exit" in kinds
        debugger.catch_threads = "thread" in kinds

    def _numbers(self, event: str) -> Container[int]:
        """Those that some point asks for."""
        wanted = [point.numbers for point in self._points if point.event == event]
        if not all(isinstance(numbers, dict | list) for numbers in wanted):
            return ALL
        lists = cast("list[Iterable[int]]", wanted)
        return frozenset(number for numbers in lists for number in numbers)

    def _close_if_idle(self) -> None:
        """Full speed again, unless the machine stands still or is to stop."""
        busy = self._points or self.stop is not None or self._stepping or self._pausing
        if self._debugger is not None and not busy:
            debugger, self._debugger = self._debugger, None
            debugger.close()

    # -- stopping --------------------------------------------------------------------------------

    def _stopped(self, stop: KernelStop) -> None:
        """The debugger's report, within the loop."""
        process = self._machine.process_of(stop.task)
        if stop.reason == "start":
            return
        try:
            shown = self._find(process, stop)
        except Exception as error:  # noqa: BLE001  # a condition's or an answer's: its owner's
            self._machine.failed(error)
            shown = Stop(process, stop, None)
        if shown is not None:
            self.stop = shown
            self.debugger().leave()
        elif self._debugger is not None:
            self._debugger.overlook()

    def _find(self, process: Process, stop: KernelStop) -> Stop | None:
        """Whom the stop is for; None: nobody, or somebody has answered."""
        if stop.reason == "step" and self._stepping is stop.task:
            return Stop(process, stop, None)
        if stop.reason == "pause":
            return Stop(process, stop, None)
        found = None
        for point in list(self._points):
            if not self._is_for(point, stop):
                continue
            shown = Stop(process, stop, point)
            if point.wants(shown) and point.meet(shown):
                found = found or shown
        return found

    @staticmethod
    def _is_for(point: Point, stop: KernelStop) -> bool:
        if stop.point is not None:
            own = point.kernel
            return (
                own is not None
                and own.mm is stop.point.mm
                and (
                    own is stop.point
                    or (isinstance(own, Breakpoint) and own.address == stop.point.address)
                )
            )
        if point.event != _OF.get(stop.reason):
            return False
        number = stop.number if point.event == "call" else stop.signal
        return point.numbers is None or number in point.numbers  # type: ignore[operator]

    # -- going on --------------------------------------------------------------------------------

    def enter(self) -> None:
        """The machine is about to run."""
        self.stop = None
        if self._debugger is not None:
            self._debugger.enter()

    @property
    def leaving(self) -> bool:
        """Is the machine to stand still?"""
        return self._debugger is not None and self._debugger.leaving

    def step(self, thread: Thread, run: Callable[[], Any], alone: bool) -> None:
        """One instruction of one task."""
        debugger = self.debugger()
        task = thread.task
        others = [
            other
            for other in self._machine.system.tasks.values()
            if other is not task and other.context is not None and not other.dead
        ]
        held = [other for other in others if alone]
        for other in held:
            debugger.hold(other)
        self._stepping = task
        try:
            debugger.step(task)
            run()
        finally:
            self._stepping = None
            for other in held:
                debugger.release(other)

    def pause(self) -> None:
        """Stop as soon as possible."""
        self._pausing = True
        self.debugger().pause()

    def settle(self, thread: Thread) -> None:
        """Bring a sleeping call back to its start."""
        self.debugger().settle(thread.task)
        self._close_if_idle()

    def left(self) -> None:
        """The machine has left its loop."""
        self._pausing = False
        self._close_if_idle()

    def close(self) -> None:
        """The machine is given up."""
        if self._debugger is not None:
            self._debugger.close()
            self._debugger = None
