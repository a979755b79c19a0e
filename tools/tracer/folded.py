"""``--folded``: user stacks, counted; what flame graphs are drawn from.

A line is ``comm;main;...;inner COUNT``: what flamegraph.pl, inferno and speedscope read.  A stack
is taken at each system call, whose name is then the innermost frame, or at the end of each slice
of user code: then the counts say where time goes.  Slices are some milliseconds; under
``--deterministic`` they are so many translated blocks, and the same in every run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.events import Observer
from tools.tracer.stacks import Stacks, folded

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.table import SyscallTable
    from tools.tracer.filters import Filter
    from tools.tracer.lines import Sink


class Folded(Observer["Task"]):
    """Counts stacks and writes them when it is closed.  ``slices``: not at calls but at slices."""

    def __init__(
        self,
        table: SyscallTable,
        sink: Sink,
        filters: Filter,
        *,
        follow: bool = True,
        slices: bool = False,
    ) -> None:
        self._table = table
        self._sink = sink
        self._filter = filters
        self._follow = follow
        self._slices = slices
        self._root: int | None = None
        self._stacks = Stacks()
        self._counts: dict[str, int] = {}

    def syscall_enter(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """One more for this stack."""
        if self._slices:
            return
        name = self._table.name(number)
        if self._filter.call(name):
            self._count(task, name or f"syscall_{number:#x}")

    def slice_end(self, task: Task) -> None:
        """A sample."""
        if self._slices:
            self._count(task)

    def _count(self, task: Task, *inner: str) -> None:
        if self._root is None:
            self._root = task.tgid
        if not self._follow and task.tgid != self._root:
            return
        comm = folded(task.comm.decode(errors="replace"))
        frames = [frame.label for frame in reversed(self._stacks.of(task))]
        line = ";".join([comm, *frames, *inner])
        self._counts[line] = self._counts.get(line, 0) + 1

    def close(self) -> None:
        """Write the lines, in alphabetical order."""
        for line in sorted(self._counts):
            self._sink.write(f"{line} {self._counts[line]}\n")
