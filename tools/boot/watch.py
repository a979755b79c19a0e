"""Who watches a run: the tracer and the statistics, as the configuration asks."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from tools.config import TraceOptions
from tools.errors import DioramaError

if TYPE_CHECKING:
    from kernel.machine.loop import Machine
    from kernel.task.task import Task
    from syscalls.table import SyscallTable
    from tools.config import RunConfig
    from tools.stats_processes import ProcessCounts
    from tools.tracer.setup import Tracing


class Watchers:
    """Attached before the first instruction; ``finish`` writes what they have to say."""

    def __init__(self, config: RunConfig, machine: Machine) -> None:
        self._machine = machine
        self._stats_to: str | None = None
        self._wants_stats = config.stats is not None
        self._by_process = config.stats is not None and config.stats.by_process
        self._processes: ProcessCounts | None = None
        self._options = config.trace
        self._tracing: Tracing | None = None
        self._begun = False
        if config.trace is not None:
            self._attach(config.trace)
        if config.stats is not None:
            self._stats_to = config.stats.output
            _check_writable(self._stats_to)
            # That somebody observes also makes the machine keep time per call.
            from tools.stats_processes import ProcessCounts  # only runs with statistics need it

            self._processes = ProcessCounts()
            machine.attach(self._processes)

    def toggle_trace(self) -> None:
        """SIGUSR1 to diorama: tracing on or off; calls in progress are taken up as resumed."""
        if self._tracing is not None:
            self._detach()
        else:
            self._attach(self._options or TraceOptions())

    def _attach(self, options: TraceOptions) -> None:
        # Only runs that trace need the printers.
        from tools.tracer.setup import set_up

        table = cast("SyscallTable", self._machine.table)  # boot made it
        tasks = sorted_tasks(self._machine)
        self._tracing = set_up(options, table, tasks, again=self._begun)
        self._begun = True
        for observer in self._tracing.observers:
            self._machine.attach(observer)
        if self._tracing.tampering is not None:
            self._tracing.tampering.install(self._machine)

    def _detach(self) -> None:
        if self._tracing is not None:
            for observer in self._tracing.observers:
                self._machine.detach(observer)
            if self._tracing.tampering is not None:
                self._tracing.tampering.active = False
            self._tracing.finish()
            self._tracing = None

    def finish(self) -> None:
        """The run is over: statistics, the rest of the trace.  DioramaError: no room for them."""
        try:
            self._detach()
        finally:
            if self._wants_stats:
                from tools.stats import collect, render  # only runs with statistics need it

                table = cast("SyscallTable", self._machine.table)
                assert self._processes is not None
                stats = collect(self._machine, self._processes.rows(table))
                text = render(stats, self._stats_to, by_process=self._by_process)
                _write(text, self._stats_to)


def sorted_tasks(machine: Machine) -> list[Task]:
    """The tasks with user code that exist already, for a tracer that comes late."""
    tasks = machine.system.tasks
    return [tasks[tid] for tid in sorted(tasks) if tasks[tid].context is not None]


def _check_writable(path: str | None) -> None:
    """An output that cannot be written is found before the run, and truncated by it."""
    if path is None:
        return
    try:
        with open(path, "w", encoding="utf-8"):
            pass
    except OSError as error:
        raise DioramaError(f"{path}: {error.strerror}") from None


def _write(text: str, path: str | None) -> None:
    if path is None:
        with suppress(OSError):  # a stderr without a reader
            os.write(2, text.encode("utf-8", "surrogateescape"))
        return
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise DioramaError(f"{path}: {error.strerror}") from None
