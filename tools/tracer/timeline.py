"""``--timeline``: the run as Trace Event JSON, for Perfetto, chrome://tracing and speedscope.

Each task has two tracks, because spans on one track must not overlap: *user*, the stretches in
which its own code ran, and *system calls*, from entry to end, asleep or not.  Arrows go from who
woke to who was woken; signals and faults are instants; memory and run queue are counters.

The format is described in "Trace Event Format" by the Chromium project; times are microseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kernel.events import Observer
from tools.tracer.json_calls import ENCODE
from tools.tracer.show_signals import name as signal_text

if TYPE_CHECKING:
    from kernel.task.siginfo import SigInfo
    from kernel.task.task import Task
    from syscalls.table import SyscallTable
    from tools.tracer.filters import Filter
    from tools.tracer.lines import Sink


class Timeline(Observer["Task"]):
    """Writes spans as they end; ``close`` ends what is open and the document.

    ``_user``: since when a task has run its own code, if it does; ``_calls``: (name, since) of the
    call a task is in; ``_current``: the task on the CPU, if none sleeps there; ``_dying``: when and
    on which track the last span of a task ended that is on the CPU and dead.
    """

    def __init__(self, table: SyscallTable, sink: Sink, filters: Filter) -> None:
        self._table = table
        self._sink = sink
        self._filter = filters
        self._user: dict[int, int] = {}
        self._calls: dict[int, tuple[str, int]] = {}
        self._tasks: dict[int, Task] = {}
        self._named: dict[int, bytes] = {}
        self._arrows: dict[int, int] = {}
        self._arrow = 0
        self._current: Task | None = None
        self._dying: tuple[int, int] | None = None
        self._counters: tuple[int, int] = (-1, -1)
        self._clock: Callable[[], int] | None = None
        self._start = 0
        self._separator = '{"displayTimeUnit":"ns","traceEvents":[\n'

    # -- writing ---------------------------------------------------------------------------------

    def _now(self) -> int:
        """Nanoseconds since the beginning."""
        return self._clock() - self._start if self._clock is not None else 0

    def _event(self, **fields: Any) -> None:  # Any: what JSON can hold
        self._sink.write(self._separator + ENCODE(fields))
        self._separator = ",\n"

    def _track(self, task: Task, *, call: bool) -> dict[str, int]:
        self._know(task)
        return {"pid": task.tgid, "tid": 2 * task.tid + call}

    def _know(self, task: Task) -> None:
        """Name the tracks of a task the first time, and after exec."""
        if self._clock is None:
            self._clock = task.kernel.clock.monotonic
            self._start = self._clock()
        if self._named.get(task.tid) == task.comm:
            return
        self._named[task.tid] = task.comm
        self._tasks[task.tid] = task
        comm = task.comm.decode(errors="replace") or "task"
        process = {"name": f"{comm} {task.tgid}"}
        self._event(ph="M", name="process_name", pid=task.tgid, tid=0, args=process)
        for call, what in ((0, "user"), (1, "system calls")):
            tid = 2 * task.tid + call
            name = {"name": f"{comm} {task.tid}: {what}"}
            self._event(ph="M", name="thread_name", pid=task.tgid, tid=tid, args=name)
            order = {"sort_index": tid}
            self._event(ph="M", name="thread_sort_index", pid=task.tgid, tid=tid, args=order)

    def _span(self, task: Task, name: str, since: int, *, call: bool, **args: Any) -> None:
        more = {"args": args} if args else {}
        self._event(
            ph="X",
            name=name,
            cat="call" if call else "user",
            ts=since / 1000,
            dur=max(0, self._now() - since) / 1000,
            **self._track(task, call=call),
            **more,
        )

    def _instant(self, task: Task, name: str, category: str, **args: Any) -> None:
        where = self._track(task, call=False)
        ts = self._now() / 1000
        self._event(ph="i", s="t", name=name, cat=category, ts=ts, **where, args=args)

    def _count(self, task: Task) -> None:
        kernel = task.kernel
        found = (kernel.frames.used_count, kernel.scheduler.runnable)
        if found == self._counters:
            return
        self._counters = found
        ts = self._now() / 1000
        memory, queue = {"MiB": found[0] / 256}, {"tasks": found[1]}
        self._event(ph="C", name="memory", pid=0, tid=0, ts=ts, args=memory)
        self._event(ph="C", name="run queue", pid=0, tid=0, ts=ts, args=queue)

    # -- user code -------------------------------------------------------------------------------

    def _begin_user(self, task: Task) -> None:
        self._know(task)
        self._user.setdefault(task.tid, self._now())

    def _end_user(self, task: Task) -> None:
        since = self._user.pop(task.tid, None)
        if since is not None:
            self._span(task, "user", since, call=False)

    def switch(self, previous: Task | None, task: Task) -> None:
        """The one stops, the other goes on, in user code unless it is in a call."""
        self._know(task)
        if previous is not None:
            self._end_user(previous)
        self._current, self._dying = task, None
        if task.tid not in self._calls:
            self._begin_user(task)
        self._count(task)

    def asleep(self, task: Task) -> None:
        """It has left the CPU; who is woken now is not woken by it."""
        if task is self._current:
            self._current = None

    def resumed(self, task: Task) -> None:
        """And is back, at the end of an arrow if somebody woke it."""
        self._current = task
        arrow = self._arrows.pop(task.tid, None)
        if arrow is not None:
            where = self._track(task, call=task.tid in self._calls)
            ts = self._now() / 1000
            self._event(ph="f", bp="e", name="wake", cat="wake", id=arrow, ts=ts, **where)

    def woken(self, task: Task) -> None:
        """An arrow from the task that runs now, if one does; of a dying one from its last span."""
        waker = self._current
        if waker is None or waker is task or task.tid in self._arrows:
            return
        ts, track = self._now(), {"pid": waker.tgid}
        if not waker.dead and self._dying is None:
            track = self._track(waker, call=waker.tid in self._calls)
        elif self._dying is not None:
            ts, track["tid"] = self._dying
        else:
            return
        self._arrow += 1
        self._arrows[task.tid] = self._arrow
        self._event(ph="s", name="wake", cat="wake", id=self._arrow, ts=ts / 1000, **track)

    # -- calls -----------------------------------------------------------------------------------

    def syscall_enter(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """User code ends here."""
        self._end_user(task)
        self._know(task)
        self._current = task
        name = self._table.name(number) or f"syscall_{number:#x}"
        self._calls[task.tid] = (name, self._now())

    def syscall_exit(
        self, task: Task, number: int, args: tuple[int, ...], result: int, reason: str
    ) -> None:
        """User code goes on."""
        self._end_call(task, result=result)
        if not task.dead:
            self._begin_user(task)
        self._count(task)

    def no_return(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """The end of a task in a call."""
        self._end_call(task)

    def _end_call(self, task: Task, **args: Any) -> None:
        found = self._calls.pop(task.tid, None)
        if found is not None and self._filter.call(found[0]):
            self._span(task, found[0], found[1], call=True, **args)

    def task_end(self, task: Task, status: int) -> None:
        """Nothing of it is open any more."""
        if task is self._current:
            self._dying = self._now(), 2 * task.tid + (task.tid in self._calls)
        self._end_user(task)
        self._end_call(task)
        self._instant(task, "exit", "task", status=status)
        self._tasks.pop(task.tid, None)
        self._named.pop(task.tid, None)
        self._arrows.pop(task.tid, None)

    def renumbered(self, task: Task, old: int, new: int) -> None:
        """What was open under the old number ends under it."""
        for table in (self._user, self._calls, self._arrows):
            table.pop(old, None)
        self._named.pop(old, None)
        self._tasks.pop(old, None)

    # -- instants --------------------------------------------------------------------------------

    def signal(self, task: Task, info: object, action: str) -> None:
        """A signal is delivered."""
        signal: SigInfo = info  # type: ignore[assignment]
        if self._filter.signal(signal.signo):
            self._instant(task, signal_text(signal.signo), "signal", action=action)

    def fault(self, task: Task, address: int, access: int, kind: str) -> None:
        """A page fault, served or not."""
        self._instant(task, f"fault: {kind}", "fault", address=f"{address:#x}")

    def close(self) -> None:
        """End what is open, and the document."""
        for task in list(self._tasks.values()):
            self._end_user(task)
            self._end_call(task)
        if self._separator != ",\n":  # nothing happened: still a document
            self._sink.write(self._separator)
        self._sink.write("\n]}\n")
