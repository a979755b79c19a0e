"""Who watches a run: the tracer and the statistics, as the configuration asks."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from tools.boot.stdio import is_terminal
from tools.config import StatsOptions, TraceOptions
from tools.errors import DioramaError

if TYPE_CHECKING:
    from kernel.machine.loop import Machine
    from kernel.task.task import Task
    from syscalls.table import SyscallTable
    from tools.config import RunConfig
    from tools.pcap.capture import Capture
    from tools.stats.plot import Plot
    from tools.stats.watching import RunCounts
    from tools.tracer.output import Output
    from tools.tracer.setup import Tracing


class Watchers:
    """Attached before the first instruction; ``finish`` writes what they have to say."""

    def __init__(
        self,
        config: RunConfig,
        machine: Machine,
        say: Callable[[str], None] = lambda line: None,
        leaving: Callable[[], bool] = lambda: False,
    ) -> None:
        self._machine = machine
        self._say = say
        self._leaving = leaving
        self._stats = config.stats
        self._counts: RunCounts | None = None
        self._plot: Plot | None = None
        self._stats_file: Output | None = None
        self._options = config.trace
        self._tracing: Tracing | None = None
        self._begun = False
        self._capture: Capture | None = None
        if config.trace is not None:
            self._attach(config.trace)
        if config.stats is not None:
            self._count(config.stats)
        if config.pcap is not None:
            self._listen(config.pcap)

    def _count(self, options: StatsOptions) -> None:
        """Statistics, and the samples for their picture."""
        from tools.stats.watching import RunCounts  # only runs with statistics need it

        table = cast("SyscallTable", self._machine.table)
        if options.plot is not None:
            from tools.stats.plot import Plot

            self._plot = Plot(options.plot, table)
            self._prepare(self._plot.output)
        if options.output is not None:
            from tools.tracer.output import of_file

            self._stats_file = of_file(options.output, append=False)
            self._prepare(self._stats_file)
        self._counts = RunCounts(table)
        self._machine.attach(self._counts)
        if self._plot is not None:
            self._machine.attach(self._plot.samples)

    def _prepare(self, output: Output) -> None:
        """An output that cannot be written is found before the run, and truncated by it."""
        output.check()
        output.say, output.leaving = self._say, self._leaving

    def _listen(self, path: str) -> None:
        """Capture what sockets say."""
        from kernel.net.network import network_of  # only runs with a capture need it
        from tools.pcap.capture import Capture

        system = self._machine.system
        self._capture = capture = Capture(path, system.clock)
        network = network_of(system)
        network.watch(capture)
        self._prepare(capture.output)
        capture.output.broken = partial(network.unwatch, capture)

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
        for output in self._tracing.outputs:
            output.say, output.leaving = self._say, self._leaving
            output.broken = partial(self._lost, self._tracing, output)
        if self._tracing.tampering is not None:
            self._tracing.tampering.install(self._machine)

    def _lost(self, tracing: Tracing, output: Output) -> None:
        """What an output cannot take need not be made: the program goes on as if unwatched."""
        for observer in tracing.wrote(output):
            self._machine.detach(observer)

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
            try:
                if self._stats is not None:
                    self._finish_stats(self._stats)
            finally:
                if self._capture is not None:
                    self._capture.output.close()

    def _finish_stats(self, options: StatsOptions) -> None:
        from tools.stats.formats import render  # only runs with statistics need it
        from tools.stats.values import collect

        assert self._counts is not None
        stats = collect(self._machine, self._counts)
        text = render(stats, options.output, by_process=options.by_process, details=options.details)
        try:
            if self._stats_file is None:
                _print_last(text)
            else:
                self._stats_file.write(text)
                self._stats_file.close()
        finally:
            if self._plot is not None:
                self._plot.write()


def sorted_tasks(machine: Machine) -> list[Task]:
    """The tasks with user code that exist already, for a tracer that comes late."""
    tasks = machine.system.tasks
    return [tasks[tid] for tid in sorted(tasks) if tasks[tid].context is not None]


def _print_last(text: str) -> None:
    """The table.  DioramaError: there is no room for it; nobody to read it is no error."""
    try:
        _print(text)
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EBADF):
            raise DioramaError(f"stderr: {error.strerror}") from None


def _print(text: str) -> None:
    """On stderr; in colours where that is a terminal."""
    if not is_terminal(2):
        os.write(2, text.encode("utf-8", "surrogateescape"))
        return
    from rich.console import Console  # only a terminal needs it

    from tools.stats.table import coloured

    Console(stderr=True, highlight=False, soft_wrap=True).print(coloured(text), end="")
