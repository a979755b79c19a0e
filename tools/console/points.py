"""Where the console stops: what ``break``, ``catch`` and ``watch`` make.

Every point has a number, counts its hits, and may have a predicate.  ``Points`` holds them and says
which one a stop of the debugger's is for; a stop that is for none is not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kernel.machine.debugger import ALL, NONE
from tools.predicates import CallValues, Predicate, RegisterValues, task_value

if TYPE_CHECKING:
    from collections.abc import Container

    from kernel.machine.debugger import Breakpoint, Debugger, Stop, Watchpoint
    from syscalls.table import SyscallTable

EVENTS = ("signal", "fault", "fork", "exec", "exit", "thread")
"""What ``catch`` knows."""
REASONS = {
    "signal": ("signal",),
    "fault": ("fault",),
    "fork": ("fork", "vfork", "clone"),
    "exec": ("exec",),
    "exit": ("exit",),
    "thread": ("clone", "thread_exit"),
}


@dataclass(slots=True)
class Point:
    """One place to stop.  ``text``: what the user asked for; ``predicate``: under what condition.

    ``failure``: why the predicate could not be evaluated at the stop that is shown now; ``passes``:
    how many times more it is to be passed without stopping.
    """

    number: int
    text: str
    predicate: Predicate | None = None
    hits: int = field(default=0, init=False)
    failure: str = field(default="", init=False)
    passes: int = field(default=0, init=False)

    title = "Point"
    kind = "point"

    def meant(self, stop: Stop) -> bool:
        """Is the stop at this point, whatever the predicate says?"""
        raise NotImplementedError

    def values(self, stop: Stop, table: SyscallTable) -> Callable[[str], Any]:
        """What the predicate's names mean."""
        return RegisterValues(stop.task)

    def matches(self, stop: Stop, table: SyscallTable) -> bool:
        """Is the stop to be shown?  A predicate that raises is a reason, too."""
        if not self.meant(stop):
            return False
        self.failure = ""
        if self.predicate is not None:
            try:
                if not self.predicate(self.values(stop, table)):
                    return False
            except Exception as error:  # noqa: BLE001  # whatever the user's expression does
                self.failure = f"{type(error).__name__}: {error}"
        self.hits += 1
        if self.passes and not self.failure:
            self.passes -= 1
            return False
        return True

    @property
    def live(self) -> bool:
        """Can it still be met?"""
        return True


@dataclass(slots=True)
class CallPoint(Point):
    """``break CALL``: before these system calls."""

    numbers: frozenset[int] = frozenset()

    title = "Breakpoint"
    kind = "call"

    def meant(self, stop: Stop) -> bool:
        """A call of the set is entered."""
        return stop.reason == "enter" and stop.number in self.numbers

    def values(self, stop: Stop, table: SyscallTable) -> CallValues:
        """The decoded arguments."""
        return call_values(stop, table)


@dataclass(slots=True)
class AddressPoint(Point):
    """``break *ADDRESS``."""

    point: Breakpoint | None = None

    title = "Breakpoint"
    kind = "address"

    def meant(self, stop: Stop) -> bool:
        """The instruction there is about to be executed."""
        return stop.reason == "breakpoint" and _same(stop, self.point)

    @property
    def live(self) -> bool:
        """Until its address space is gone."""
        return self.point is not None and self.point.live


@dataclass(slots=True)
class WatchPoint(Point):
    """``watch ADDRESS [LEN]``."""

    point: Watchpoint | None = None

    title = "Watchpoint"
    kind = "watch"

    def meant(self, stop: Stop) -> bool:
        """The bytes were accessed."""
        return stop.reason == "watchpoint" and stop.point is self.point

    @property
    def live(self) -> bool:
        """Until its address space is gone."""
        return self.point is not None and self.point.live


@dataclass(slots=True)
class EventPoint(Point):
    """``catch EVENT``."""

    event: str = ""
    signals: frozenset[int] | None = None

    title = "Catchpoint"
    kind = "catch"

    def meant(self, stop: Stop) -> bool:
        """The event has happened."""
        if stop.reason not in REASONS[self.event]:
            return False
        if stop.reason == "clone":
            thread = stop.other is not None and stop.other.tgid == stop.task.tgid
            return thread == (self.event == "thread")
        return self.signals is None or stop.signal in self.signals

    def values(self, stop: Stop, table: SyscallTable) -> Callable[[str], Any]:
        """The task, and the signal's number."""
        return lambda name: stop.signal if name == "signal" else task_value(stop.task, name)


def _same(stop: Stop, point: Breakpoint | None) -> bool:
    """Several breakpoints may be at one address; the stop names one of them."""
    if point is None or not point.live:
        return False
    return stop.point is point or (stop.address == point.address and stop.task.mm is point.mm)


def call_values(stop: Stop, table: SyscallTable) -> CallValues:
    """The decoded arguments of a call that is entered or has returned."""
    name = table.name(stop.number) or f"syscall_{stop.number:#x}"
    values = table.decode(stop.number, stop.args)
    return CallValues(stop.task, name, table.declaration(stop.number), values)


class Points:
    """All points, by number."""

    def __init__(self, table: SyscallTable) -> None:
        self._table = table
        self._points: dict[int, Point] = {}
        self._last = 0

    def __iter__(self) -> Iterator[Point]:
        return iter(self._points.values())

    def next_number(self) -> int:
        """The number of the point that is made next."""
        return self._last + 1

    def add(self, point: Point) -> Point:
        """Keep a new one."""
        self._last = point.number
        self._points[point.number] = point
        return point

    def get(self, number: int) -> Point | None:
        """By number."""
        return self._points.get(number)

    def remove(self, point: Point, debugger: Debugger) -> None:
        """Take it out."""
        if isinstance(point, AddressPoint | WatchPoint) and point.point is not None:
            debugger.remove(point.point)
        del self._points[point.number]

    def met(self, stop: Stop) -> list[Point]:
        """Those the stop is for; each counts it."""
        return [point for point in list(self) if point.matches(stop, self._table)]

    def arm(self, debugger: Debugger) -> None:
        """Have the debugger report what the points ask for, and nothing else."""
        calls = [point.numbers for point in self if isinstance(point, CallPoint)]
        debugger.catch_calls = frozenset().union(*calls) if calls else NONE
        events = [point for point in self if isinstance(point, EventPoint)]
        debugger.catch_signals = _signals([p for p in events if p.event == "signal"])
        named = {point.event for point in events}
        debugger.catch_faults = "fault" in named
        debugger.catch_forks = "fork" in named
        debugger.catch_execs = "exec" in named
        debugger.catch_threads = "thread" in named
        debugger.catch_exits = True


def _signals(points: list[EventPoint]) -> Container[int]:
    if any(point.signals is None for point in points):
        return ALL
    return frozenset().union(*(point.signals or frozenset() for point in points))
