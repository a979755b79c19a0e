"""From the options of a run to its observers: what ``diorama trace`` and ``--trace`` attach."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kernel.machine.explain import Explainer
from tools.errors import DioramaError
from tools.tracer import style
from tools.tracer.dump import parse_dumps
from tools.tracer.filters import DescriptorSet, Filter, FilterError
from tools.tracer.folded import Folded
from tools.tracer.inject import Injection, Marks, Tampering, parse_injection
from tools.tracer.json_lines import JsonTracer
from tools.tracer.output import Output, of_command, of_file, of_stream
from tools.tracer.qualifiers import Looks
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


@dataclass(slots=True)
class Tracing:
    """The observers of one run and what they write to; ``finish`` ends it."""

    observers: list[Observer[Task]] = field(default_factory=list)
    summary: Summary | None = None
    output: Output = field(default_factory=lambda: of_stream(2, ""))
    files: list[Output] = field(default_factory=list)
    tampering: Tampering | None = None
    explainer: Explainer | None = None
    again: bool = False
    closers: list[Callable[[], None]] = field(default_factory=list)
    writers: list[tuple[Output, Observer[Task]]] = field(default_factory=list)

    def add(self, sink: Output, observer: Observer[Task]) -> None:
        """An observer that writes to ``sink``."""
        self.observers.append(observer)
        self.writers.append((sink, observer))

    def finish(self) -> None:
        """Print the summary, if there is one, and close the files.  DioramaError: see Output."""
        for observer in self.observers:
            if isinstance(observer, StraceTracer):
                observer.detach()
        if self.summary is not None:
            self.output.write(self.summary.table_text())
        for close in self.closers:
            close()
        failure: DioramaError | None = None
        for output in self.outputs:
            try:
                output.close()
            except DioramaError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    @property
    def outputs(self) -> list[Output]:
        """Everything that is written to."""
        return [*self.files, self.output]

    def wrote(self, output: Output) -> list[Observer[Task]]:
        """The observers that write to one output and to nothing else."""
        return [observer for sink, observer in self.writers if sink is output]


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
        looks = Looks.parse(options.expressions, names, _detail(options))
    except FilterError as error:
        raise DioramaError(str(error)) from None
    if options.paths:
        filters.paths = frozenset(os.fsencode(path) for path in options.paths)
    style.choose(options.const_style)
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
        tracing.output = _create(options, again=again)
        tracing.output.check()
    if options.summary:
        shape = Shape(
            options.sort_by, options.columns, options.overhead, wall_clock=options.wall_clock
        )
        tracing.summary = Summary(table, filters, shape, follow=options.follow)
        tracing.observers.append(tracing.summary)
    if options.text:
        tracing.add(tracing.output, _printer(options, table, filters, looks, dumps, tracing, marks))
    _add_files(options, table, filters, looks, tracing, marks)
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
    options: TraceOptions,
    table: SyscallTable,
    filters: Filter,
    looks: Looks,
    tracing: Tracing,
    marks: Marks,
) -> None:
    """``--json``, ``--timeline``, ``--folded``: each with a file of its own."""
    if options.json is not None:
        sink = _extra_output(options.json, tracing)
        stacks = _stacks(options) if options.stacks else None
        shown = Options(follow=options.follow, looks=looks)
        tracing.add(
            sink,
            JsonTracer(
                table,
                sink,
                shown,
                filters,
                stacks=stacks,
                marks=marks,
                explainer=tracing.explainer,
            ),
        )
    if options.timeline is not None:
        # One document is one file; what --timeline wrote before stays.
        path = f"{options.timeline}.{time.time_ns()}" if tracing.again else options.timeline
        timeline = Timeline(table, _extra_output(path, tracing), filters)
        tracing.add(tracing.files[-1], timeline)
        tracing.closers.append(timeline.close)
    if options.folded is not None:
        sink = _extra_output(options.folded, tracing)
        slices = options.folded_at == "slices"
        folded = Folded(table, sink, filters, follow=options.follow, slices=slices)
        tracing.add(sink, folded)
        tracing.closers.append(folded.close)


def _extra_output(path: str, tracing: Tracing) -> Output:
    """A file that must be writable, or, for ``-``, stdout."""
    if path == "-":
        output = of_stream(1, "stdout")
    else:
        output = of_file(path, append=tracing.again)
    output.check()
    tracing.files.append(output)
    return output


def _detail(options: TraceOptions) -> Detail:
    return Detail(
        string_limit=options.string_limit,
        hexadecimal=options.hexadecimal,
        names=options.names,
    )


def _stacks(options: TraceOptions) -> Stacks:
    return Stacks(options.stack_depth)


def _printer(
    options: TraceOptions,
    table: SyscallTable,
    filters: Filter,
    looks: Looks,
    dumps: tuple[DescriptorSet, DescriptorSet],
    tracing: Tracing,
    marks: Marks,
) -> Observer[Task]:
    if options.format == "raw":
        return RawTracer(table, tracing.output, filters, follow=options.follow)

    def open_sink(tid: int) -> Output:
        if options.separate_files and options.output is not None:
            append = tracing.again or options.append
            tracing.files.append(of_file(f"{options.output}.{tid}", append=append))
            return tracing.files[-1]
        return tracing.output

    shown = Options(
        follow=options.follow,
        separate=options.separate_files and options.output is not None,
        to_file=options.output is not None,
        looks=looks,
        call_numbers=options.call_numbers,
        counters=options.counters,
        reads=dumps[0],
        writes=dumps[1],
        durations=options.durations,
        absolute=options.absolute,
        relative=options.relative,
        column=options.column,
        detach_on_exec=options.detach_on_exec,
        always_pid=options.always_pid,
    )
    stacks = _stacks(options) if options.stacks else None
    return StraceTracer(
        table,
        open_sink,
        shown,
        filters,
        stacks=stacks,
        marks=marks,
        explainer=tracing.explainer,
    )


def _create(options: TraceOptions, *, again: bool) -> Output:
    """Truncated when tracing begins; when it begins again, what is there stays."""
    assert options.output is not None
    if options.output[:1] in ("|", "!"):
        return of_command(options.output[1:])
    return of_file(options.output, append=again or options.append)
