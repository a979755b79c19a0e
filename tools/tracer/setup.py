"""From the options of a run to its observers: what ``diorama trace`` and ``--trace`` attach."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from kernel.machine.explain import Explainer
from kernel.views.terminal.host_terminal import line_end
from tools.errors import DioramaError
from tools.tracer.dump import DescriptorSet, parse_dumps
from tools.tracer.filters import Filter, FilterError
from tools.tracer.folded import Folded
from tools.tracer.inject import Injection, Marks, Tampering, parse_injection
from tools.tracer.json_lines import JsonTracer
from tools.tracer.raw import RawTracer
from tools.tracer.stacks import Stacks
from tools.tracer.strace import Options, StraceTracer
from tools.tracer.summary import Shape, Summary
from tools.tracer.timeline import Timeline
from tools.tracer.view import Detail

if TYPE_CHECKING:
    from kernel.events import Observer
    from kernel.task.task import Task
    from syscalls.table import SyscallTable
    from tools.config import TraceOptions


class Output:
    """Where a trace goes on the host: a file, or stderr.

    What a guest sees must not depend on who watches, so a write that fails here raises nothing: the
    first failure is kept, the rest of the trace is lost, and ``close`` says so.
    """

    __slots__ = ("_failure", "_file", "_name", "_partial", "_terminal")

    def __init__(
        self, file: IO[str] | None, name: str = "", failure: OSError | None = None
    ) -> None:
        self._file = file  # None: stderr is closed, or the file could not be made
        self._name = name  # '' for stderr, which stays open
        self._failure = failure
        self._partial = False
        self._terminal = file is not None and not name and file.isatty()

    def write(self, text: str) -> None:
        """Take some text."""
        if self._file is None or self._failure is not None:
            return
        if self._terminal:  # raw while a guest has it
            text = text.replace("\n", line_end(2).decode())
        try:
            self._file.write(text)
        except OSError as error:
            self._failure = error
        self._partial = not text.endswith("\n")

    def close(self) -> None:
        """End the last line.  DioramaError: not everything could be written."""
        if self._partial:
            self.write(" <unfinished ...>\n")
        try:
            if self._file is not None:
                self._file.close() if self._name else self._file.flush()
        except OSError as error:
            self._failure = self._failure or error
        self.check()

    def check(self) -> None:
        """DioramaError if something went wrong; a reader that has gone away is no mistake."""
        if self._failure is not None and not isinstance(self._failure, BrokenPipeError):
            name = self._name or "stderr"
            raise DioramaError(f"{name}: {self._failure.strerror}") from None


@dataclass(slots=True)
class Tracing:
    """The observers of one run and what they write to; ``finish`` ends it."""

    observers: list[Observer[Task]] = field(default_factory=list)
    summary: Summary | None = None
    output: Output = field(default_factory=lambda: Output(sys.stderr))
    files: list[Output] = field(default_factory=list)
    tampering: Tampering | None = None
    explainer: Explainer | None = None
    again: bool = False
    closers: list[Callable[[], None]] = field(default_factory=list)

    def finish(self) -> None:
        """Print the summary, if there is one, and close the files.  DioramaError: see Output."""
        for observer in self.observers:
            if isinstance(observer, StraceTracer):
                observer.detach()
        if self.summary is not None:
            self.output.write(self.summary.table_text())
        for close in self.closers:
            close()
        for output in [*self.files, self.output]:
            output.close()


def set_up(
    options: TraceOptions,
    table: SyscallTable,
    tasks: Iterable[Task] = (),
    *,
    again: bool = False,
) -> Tracing:
    """Make the tracer that the options describe.  DioramaError: a bad set, an unwritable file.

    ``tasks``: those that exist already and have begun to run; they are shown from now on.
    ``again``: not for the first time in this run, so files are continued.
    """
    names = [name for name in table.names if name is not None]
    try:
        filters = Filter.parse(options.expressions, names)
        dumps = parse_dumps(options.expressions)
    except FilterError as error:
        raise DioramaError(str(error)) from None
    if options.paths:
        filters.paths = frozenset(os.fsencode(path) for path in options.paths)
    tracing = Tracing(again=again)
    if options.explain and options.format == "raw":
        raise DioramaError("--explain: raw lines have no place for words; leave --trace-format")
    if options.explain:
        tracing.explainer = Explainer(table)
        tracing.observers.append(tracing.explainer)
    marks = Marks()
    injections = _injections(options, names)
    if injections:
        tracing.tampering = Tampering(injections, table, marks, follow=options.follow)
        tracing.observers.append(tracing.tampering)
        for task in tasks:
            tracing.tampering.adopt(task)
    if options.output is not None and not options.separate_files:
        tracing.output = _create(options.output, again=again)
        tracing.output.check()
    if options.summary:
        shape = Shape(options.sort_by, options.columns, wall_clock=options.wall_clock)
        tracing.summary = Summary(table, filters, shape, follow=options.follow)
        tracing.observers.append(tracing.summary)
    if options.text:
        tracing.observers.append(_printer(options, table, filters, dumps, tracing, marks))
    _add_files(options, table, filters, tracing, marks)
    for printer in tracing.observers:
        if isinstance(printer, StraceTracer | JsonTracer):
            for task in tasks:
                if task.comm:
                    printer.follow(task)
    return tracing


def _injections(options: TraceOptions, names: Iterable[str]) -> list[Injection]:
    """``--inject`` and ``-e fault``, parsed."""
    try:
        return [
            parse_injection(text.removeprefix("fault="), names, fault=text.startswith("fault="))
            for text in options.injections
        ]
    except FilterError as error:
        raise DioramaError(str(error)) from None


def _add_files(
    options: TraceOptions, table: SyscallTable, filters: Filter, tracing: Tracing, marks: Marks
) -> None:
    """``--json``, ``--timeline``, ``--folded``: each with a file of its own."""
    if options.json is not None:
        sink = _extra_output(options.json, tracing)
        stacks = _stacks(options)
        shown = Options(follow=options.follow, detail=_detail(options))
        tracing.observers.append(
            JsonTracer(
                table,
                sink,
                shown,
                filters,
                stacks=stacks,
                marks=marks,
                explainer=tracing.explainer,
            )
        )
    if options.timeline is not None:
        # One document is one file; what --timeline wrote before stays.
        path = f"{options.timeline}.{time.time_ns()}" if tracing.again else options.timeline
        timeline = Timeline(table, _extra_output(path, tracing), filters)
        tracing.observers.append(timeline)
        tracing.closers.append(timeline.close)
    if options.folded is not None:
        sink = _extra_output(options.folded, tracing)
        slices = options.folded_at == "slices"
        folded = Folded(table, sink, filters, follow=options.follow, slices=slices)
        tracing.observers.append(folded)
        tracing.closers.append(folded.close)


def _extra_output(path: str, tracing: Tracing) -> Output:
    """A file that must be writable, or, for ``-``, stdout."""
    if path == "-":
        output = Output(sys.stdout, failure=None if sys.stdout else OSError(9, "stdout is closed"))
    else:
        output = _create(path, again=tracing.again)
    output.check()
    tracing.files.append(output)
    return output


def _detail(options: TraceOptions) -> Detail:
    return Detail(
        options.string_limit,
        options.descriptors,
        options.verbose,
        options.hexadecimal,
        options.names,
    )


def _stacks(options: TraceOptions) -> Stacks | None:
    return Stacks() if options.stacks else None


def _printer(
    options: TraceOptions,
    table: SyscallTable,
    filters: Filter,
    dumps: tuple[DescriptorSet, DescriptorSet],
    tracing: Tracing,
    marks: Marks,
) -> Observer[Task]:
    if options.format == "raw":
        return RawTracer(table, tracing.output, filters, follow=options.follow)

    def open_sink(tid: int) -> Output:
        if options.separate_files and options.output is not None:
            tracing.files.append(_create(f"{options.output}.{tid}", again=tracing.again))
            return tracing.files[-1]
        return tracing.output

    shown = Options(
        follow=options.follow,
        separate=options.separate_files and options.output is not None,
        to_file=options.output is not None,
        detail=_detail(options),
        call_numbers=options.call_numbers,
        counters=options.counters,
        reads=dumps[0],
        writes=dumps[1],
        durations=options.durations,
        stamp=options.timestamp,
    )
    stacks = _stacks(options)
    return StraceTracer(
        table,
        open_sink,
        shown,
        filters,
        stacks=stacks,
        marks=marks,
        explainer=tracing.explainer,
    )


def _create(path: str, *, again: bool) -> Output:
    """Truncated when tracing begins; when it begins again, what is there stays."""
    try:
        return Output(
            open(path, "a" if again else "w", encoding="utf-8", errors="surrogateescape"), path
        )
    except OSError as error:
        return Output(None, path, error)
