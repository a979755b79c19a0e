"""From the options of a run to its observers: what ``diorama trace`` and ``--trace`` attach."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from tools.errors import DioramaError
from tools.tracer.filters import Filter, FilterError
from tools.tracer.raw import RawTracer
from tools.tracer.strace import Options, StraceTracer
from tools.tracer.summary import Summary
from tools.tracer.view import Detail

if TYPE_CHECKING:
    from kernel.events import Observer
    from kernel.task.task import Task
    from syscalls.table import SyscallTable
    from tools.config import TraceOptions


@dataclass(slots=True)
class Tracing:
    """The observers of one run and the files they write; ``finish`` ends it."""

    observers: list[Observer[Task]] = field(default_factory=list)
    summary: Summary | None = None
    output: IO[str] | None = None
    files: list[IO[str]] = field(default_factory=list)

    def finish(self) -> None:
        """Print the summary, if there is one, and close the files."""
        if self.summary is not None:
            (self.output or sys.stderr).write(self.summary.table_text())
        for file in self.files:
            file.close()


def set_up(options: TraceOptions, table: SyscallTable, tasks: Iterable[Task] = ()) -> Tracing:
    """Make the tracer that the options describe.  DioramaError: a bad set, an unwritable file.

    ``tasks``: those that exist already and have begun to run; they are shown from now on.
    """
    names = [name for name in table.names if name is not None]
    try:
        filters = Filter.parse(options.expressions, names)
    except FilterError as error:
        raise DioramaError(str(error)) from None
    tracing = Tracing()
    if options.output is not None and not options.separate_files:
        tracing.output = _create(tracing, options.output)
    if options.summary:
        tracing.summary = Summary(table, filters, follow=options.follow)
        tracing.observers.append(tracing.summary)
    if not options.summary_only:
        printer = _printer(options, table, filters, tracing)
        tracing.observers.append(printer)
        if isinstance(printer, StraceTracer):
            for task in tasks:
                if task.comm:
                    printer.follow(task)
    return tracing


def _printer(
    options: TraceOptions, table: SyscallTable, filters: Filter, tracing: Tracing
) -> Observer[Task]:
    if options.format == "raw":
        return RawTracer(table, tracing.output or sys.stderr, filters, follow=options.follow)

    def open_sink(tid: int) -> IO[str]:
        if options.separate_files and options.output is not None:
            return _create(tracing, f"{options.output}.{tid}")
        return tracing.output or sys.stderr

    shown = Options(
        follow=options.follow,
        separate=options.separate_files and options.output is not None,
        to_file=options.output is not None,
        detail=Detail(options.string_limit, options.descriptors),
        durations=options.durations,
        stamp=options.timestamp,
    )
    return StraceTracer(table, open_sink, shown, filters)


def _create(tracing: Tracing, path: str) -> IO[str]:
    try:
        file = open(path, "w", encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise DioramaError(f"{path}: {error.strerror}") from None
    tracing.files.append(file)
    return file
