"""What a consumer can ask for, and the answers: descriptions of kernel objects, and control."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from kernel.machine import describe
from tools.inspector.protocol import Message
from tools.inspector.stream import DEFAULT_KINDS, DEFAULT_RATE, KINDS, Subscription
from tools.tracer.filters import Filter, FilterError

if TYPE_CHECKING:
    from kernel.machine.describe.plain import Source
    from kernel.machine.loop import Machine
    from kernel.task.task import Task
    from syscalls.table import SyscallTable

LONGEST_LIST: Final = 64


class RequestError(ValueError):
    """A request that cannot be answered; the text is one line for people."""


def parse_subscription(request: Message, table: SyscallTable) -> Subscription:
    """``subscribe``: events, filter, rate, paths."""
    kinds = _words(request, "events", DEFAULT_KINDS)
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise RequestError(f"no events are called {unknown[0]!r}; there are {', '.join(KINDS)}")
    rate = request.get("rate", DEFAULT_RATE)
    if not isinstance(rate, int) or rate < 0:
        raise RequestError("rate is a number of events a second, 0 for all")
    paths = bool(request.get("paths", False))
    return Subscription(frozenset(kinds), parse_filter(request, table), rate, paths)


def parse_filter(request: Message, table: SyscallTable) -> Filter:
    """``filter``: the values of strace's ``-e``."""
    names = [name for name in table.names if name is not None]
    try:
        return Filter.parse(_words(request, "filter", ()), names)
    except FilterError as error:
        raise RequestError(str(error)) from None


def _words(request: Message, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    value = request.get(key, default)
    if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
        raise RequestError(f"{key} is a list of strings")
    if len(value) > LONGEST_LIST:
        raise RequestError(f"{key} has more than {LONGEST_LIST} entries")
    return tuple(value)


def number_in(request: Message, key: str) -> int | None:
    """A number that may be left out."""
    value = request.get(key)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise RequestError(f"{key} is a number")
    return value


class Asked:
    """One ``show``: the machine, and the task and address it is about."""

    def __init__(self, machine: Machine, request: Message) -> None:
        self.machine = machine
        self.system = machine.system
        self.tid = number_in(request, "tid")
        self.address = number_in(request, "address")

    @property
    def task(self) -> Task:
        """The task that ``tid`` names."""
        if self.tid is None:
            raise RequestError("tid is missing")
        task = self.system.tasks.get(self.tid)
        if task is None:
            raise RequestError(f"there is no task {self.tid}")
        return task


def _page_walk(asked: Asked) -> Any:
    if asked.address is None:
        raise RequestError("address is missing")
    if asked.task.mm is None:
        raise RequestError(f"task {asked.tid} has no address space")
    return describe.page_walk(asked.task, asked.address)


def _memory_map(asked: Asked) -> Any:
    return describe.memory_map(asked.task) if asked.task.mm is not None else ()


SHOWS: Final[dict[str, Callable[[Asked], Any]]] = {  # Any: descriptions, made plain below
    "tasks": lambda asked: describe.tasks(asked.system, asked.machine.table),
    "descriptors": lambda asked: describe.descriptors(asked.task),
    "memory_map": _memory_map,
    "page_walk": _page_walk,
    "signals": lambda asked: describe.signals(asked.task),
    "run_queue": lambda asked: describe.run_queue(asked.system),
    "waits": lambda asked: describe.wait_graph(asked.machine),
    "wait_queues": lambda asked: describe.wait_queues(asked.machine),
    "futexes": lambda asked: describe.futexes(asked.system),
    "mounts": lambda asked: describe.mounts(asked.system),
    "pipes": lambda asked: describe.pipes(asked.system),
    "sockets": lambda asked: describe.sockets(asked.system),
    "memory": lambda asked: describe.memory(asked.system),
}


def show(machine: Machine, request: Message) -> Message:
    """``show``: descriptions by name; one that cannot be had of this task is null."""
    what = _words(request, "what", ())
    unknown = [name for name in what if name not in SHOWS]
    if unknown or not what:
        wrong = f"nothing is called {unknown[0]!r}" if unknown else "what is missing"
        raise RequestError(f"{wrong}; there are {', '.join(SHOWS)}")
    asked = Asked(machine, request)
    return {name: describe.plain(SHOWS[name](asked)) for name in what}


def source(request: Message) -> Message:
    """``source``: the lines that implement a class or function of the kernel's."""
    name = request.get("of")
    if not isinstance(name, str) or not name.startswith(("kernel.", "syscalls.", "loader.")):
        raise RequestError("of is the dotted name of a class or function of the kernel's")
    try:
        found = describe.source(name)
    except LookupError as error:
        raise RequestError(str(error.args[0])) from None
    return _lines(found, request)


def _lines(found: Source, request: Message) -> Message:
    """``text``: the lines; with ``whole``, those of the whole module, for what stands around."""
    shown = {**describe.plain(found), "text": found.text()}
    if request.get("whole"):
        shown["whole"] = found.whole()
    return shown


def handler(request: Message, table: SyscallTable) -> Message:
    """``handler``: the lines that implement a system call."""
    number = table.numbers.get(str(request.get("of")))
    declaration = table.declaration(number) if number is not None else None
    if declaration is None:
        raise RequestError(f"no system call {request.get('of')!r} is implemented")
    return _lines(describe.source(declaration.handler), request)
