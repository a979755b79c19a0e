"""Traces from Python: events to iterate over while the machine runs, strace's text, counts."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from tools.errors import DioramaError
from tools.tracer.filters import Filter, FilterError
from tools.tracer.json_lines import JsonTracer
from tools.tracer.strace import Options, StraceTracer
from tools.tracer.view import Detail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO, Self

    from kernel.events import Observer
    from kernel.machine.loop import Machine as Kernel
    from kernel.task.task import Task
    from syscalls.table import SyscallTable
    from tools.library.process import Process


class Event(dict[str, Any]):  # Any: what JSON can hold
    """One event of a trace, as docs/tracing.md lists them: ``event["name"]`` or ``event.name``."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"a {self['event']} has no {name!r}") from None

    def argument(self, name: str) -> Any:
        """What a call was given, as text; the number where there is none."""
        for argument in self.get("arguments", ()):
            if argument["name"] == name:
                return argument["value"] if argument["text"] is None else argument["text"]
        raise AttributeError(f"{self.get('name')} has no argument {name!r}")

    def __str__(self) -> str:
        if self["event"] != "call":
            return f"{self['tid']} {self['event']} {self.get('text') or self.get('signal') or ''}"
        text = self["text"]
        shown = f"{self['name']}({text['entry'] or ''}{text['exit']}) = {text['result']}"
        return f"{self['tid']} {shown}"


class Trace:
    """The events of a machine, kept until they are taken.

    Iterating runs the machine as far as it has to, up to the end of every spawned program; what
    came before is not lost.  In a ``with`` statement, or with ``close``, tracing ends.
    """

    def __init__(
        self, kernel: Kernel, calls: str, process: Process | None, run: Callable[[Trace], bool]
    ) -> None:
        self.events: deque[Event] = deque()
        """What happened and was not taken yet."""
        self._kernel = kernel
        self._run = run
        self._process = process
        options = Options(follow=process is None)
        self._observer = _EventTracer(table_of(kernel), self, options, make_filter(kernel, calls))
        _follow(kernel, self._observer, process)
        self._open = True

    def write(self, line: str) -> None:
        """The sink of a tracer that writes text: this one does not."""
        raise NotImplementedError

    def take(self, event: dict[str, Any]) -> None:
        """One more."""
        if event["event"] != "start":
            self.events.append(Event(event))
            self._kernel.cpu.request_attention()

    def follow(self, task: Task) -> None:
        """Trace a new program, too, unless only one is meant."""
        if self._process is None and self._open:
            self._observer.follow(task)

    def close(self) -> None:
        """No more events; what is there can still be taken."""
        if self._open:
            self._open = False
            self._kernel.detach(self._observer)

    def __iter__(self) -> Iterator[Event]:
        while self.events or (self._open and self._run(self)):
            while self.events:
                yield self.events.popleft()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Trace with {len(self.events)} events to take>"


class _EventTracer(JsonTracer):
    """The tracer behind ``--json``, with events instead of lines."""

    def __init__(
        self, table: SyscallTable, trace: Trace, options: Options, filters: Filter
    ) -> None:
        self._trace = trace
        super().__init__(table, trace, options, filters)

    def _write(self, event: dict[str, Any]) -> None:
        self._trace.take(event)

    def _write_text(self, event: str) -> None:
        self._trace.take(json.loads(event))


class TextTrace:
    """strace's lines, written to a stream until ``close``."""

    def __init__(
        self, kernel: Kernel, stream: IO[str], calls: str, process: Process | None, limit: int
    ) -> None:
        self._kernel = kernel
        self._process = process
        self._observer = StraceTracer(
            table_of(kernel),
            lambda tid: stream,
            Options(follow=process is None, to_file=True, detail=Detail(string_limit=limit)),
            make_filter(kernel, calls),
        )
        _follow(kernel, self._observer, process)

    def follow(self, task: Task) -> None:
        """Trace a new program, too, unless only one is meant."""
        if self._process is None:
            self._observer.follow(task)

    def close(self) -> None:
        """End tracing; a line that was begun is finished."""
        self._observer.detach()
        self._kernel.detach(self._observer)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def make_filter(kernel: Kernel, calls: str) -> Filter:
    """From strace's ``-e`` grammar: ``%file``, ``trace=open,close``, ``status=failed``."""
    try:
        return Filter.parse([calls], table_of(kernel).numbers)
    except FilterError as error:
        raise DioramaError(f"{calls}: {error}") from None


def table_of(kernel: Kernel) -> SyscallTable:
    """The machine's table, which is the usual one."""
    return cast("SyscallTable", kernel.table)


def _follow(kernel: Kernel, observer: StraceTracer | JsonTracer, process: Process | None) -> None:
    tasks: list[Task] = [
        task
        for task in kernel.system.tasks.values()
        if task.context is not None and not task.dead
        and (process is None or task.tgid == process.pid)
    ]  # fmt: skip
    for task in tasks:
        observer.follow(task)
    attached: Observer[Task] = observer
    kernel.attach(attached)
