"""The machine from Python: mount, spawn, run, look.

Hooks are in ``hooking``, breakpoints in ``stopping``.  Everything behind it can be reached:
``machine.system`` is the kernel's own object, ``process.task`` the task.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import IO, TYPE_CHECKING, Final, Self

from kernel.machine import describe
from kernel.machine.snapshot import TaskSnapshot, take_snapshot
from kernel.task.exit import exit_task
from tools.boot.files import mount_volume
from tools.boot.program import Program
from tools.config import Volume
from tools.errors import DioramaError, ProgramNotFound
from tools.library.guest_files import GuestFiles
from tools.library.hooking import Hooking
from tools.library.interrupts import Interrupts
from tools.library.memory import check_open
from tools.library.stopping import Stopping
from tools.library.streams import Stdin, connect_streams
from tools.library.tracing import TextTrace, Trace, table_of
from tools.notebook.views import ProcessTree, WaitGraphView
from tools.stats.values import Stats, collect
from tools.stats.watching import RunCounts

if TYPE_CHECKING:
    from kernel.machine.describe.files import PipeView
    from kernel.task.task import Task
    from tools.boot.session import Session
    from tools.library.process import Process
    from tools.library.stops import Stop
    from tools.library.streams import Source

_SECOND: Final = 1_000_000_000
NOT_FOUND: Final = 127 << 8
"""How a process ends that never had a program, as in a shell."""


class _Open:
    """stdin that stays open: ``process.stdin.feed(...)`` gives the program something to read."""

    def __repr__(self) -> str:
        return "diorama.OPEN"


OPEN: Final = _Open()


class Machine(Hooking, Stopping):
    """A booted machine; ``boot`` makes one."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._traces: list[Trace | TextTrace] = []
        self._counting: RunCounts | None = None
        self._running = self._closed = False
        self._files = GuestFiles(session.hardware, session.system.init)
        session.system.on_reap = self._reaped

    # -- files -----------------------------------------------------------------------------------

    def mount(self, host: str, guest: str, *, read_only: bool = False) -> None:
        """Show a host directory or file at ``guest``; its writes are the host's."""
        if not os.path.exists(host):
            raise DioramaError(f"volume {host}: no such file or directory")
        volume = Volume(host, os.fsencode(guest), read_only)
        mount_volume(self._session.hardware, self.system.init, volume, (0, 0))

    def read_file(self, path: str) -> bytes:
        """All of a file of the guest's.  DioramaError with the guest's error in words."""
        return self._files.read(path)

    def write_file(self, path: str, data: bytes | str, mode: int = 0o644) -> None:
        """Make or replace a file of the guest's; directories on the way are made."""
        self._files.write(path, data.encode() if isinstance(data, str) else data, mode)

    def list_directory(self, path: str) -> list[str]:
        """The names in a directory of the guest's, sorted."""
        return self._files.names(path)

    def exists(self, path: str) -> bool:
        """Does a path of the guest's lead somewhere?"""
        return self._files.exists(path)

    def remove_file(self, path: str) -> None:
        """Remove a file of the guest's."""
        self._files.remove(path)

    def provide(
        self,
        path: str,
        contents: bytes | str | Callable[[], bytes],
        on_write: Callable[[bytes], object] | None = None,
    ) -> None:
        """A file whose contents are Python's: fixed, or made by a function at each first read.

        ``on_write`` gets what a program writes to it; without it nobody can.  It hides what was at
        ``path``, which is made if nothing is there.
        """
        if isinstance(contents, str):
            contents = contents.encode()
        made = self.guarded(contents) if callable(contents) else contents
        written = self.guarded(on_write) if on_write is not None else None

        def show(task: Task) -> bytes:
            return made() if callable(made) else made

        def store(task: Task, data: bytes) -> None:
            if written is not None:
                written(data)

        self._files.provide(path, show, store if on_write is not None else None)

    def provide_stream(
        self,
        path: str,
        on_read: Callable[[int], bytes],
        on_write: Callable[[bytes], object] | None = None,
    ) -> None:
        """A device that is Python's: ``on_read(size)`` is asked at every read; b'' is the end."""
        written = self.guarded(on_write) if on_write is not None else None
        self._files.provide_stream(path, self.guarded(on_read), written)

    # -- programs --------------------------------------------------------------------------------

    def spawn(
        self,
        program: str,
        *args: str,
        stdin: bytes | str | Source | _Open = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> Process:
        """Start a program of the guest's; it runs at the next ``run``.

        A name without a slash is looked for on PATH.  Its stdout and stderr are kept.  ``stdin``:
        all there is to read; or ``OPEN``, to be fed later; or a function that is asked for up to so
        many bytes and says b'' at the end.  ``env``: beside PATH, HOME and what ``boot`` was given.
        """
        check_open(self._session.system.init)
        task = self._session.new_process()
        process = self.process_of(task)
        try:
            if callable(stdin):
                stdin = self.guarded(stdin)
            process.stdin = _stdin(task, stdin)
            process._streams = connect_streams(task, process.stdin)
            for trace in self._traces:
                trace.follow(task)
            what = Program(None, os.fsencode(program), os.fsencode(program), self.arch)
            if cwd is not None:
                self._files.change_directory(task, cwd)
            words = tuple(os.fsencode(arg) for arg in args)
            self._session.load(task, what, words, encoded(env or {}))
        except BaseException as error:  # what never began would keep the machine waiting
            exit_task(task, NOT_FOUND)
            del self._known[process.pid]
            if isinstance(error, ProgramNotFound) and "/" in program and os.path.exists(program):
                raise ProgramNotFound(f"{error}; the host's are there after mount()") from None
            raise
        self._spawned[process.pid] = process
        return process

    def processes(self) -> ProcessTree:
        """The process tree; in a notebook, drawn as one."""
        return ProcessTree(describe.tasks(self.system, self.kernel.table))

    # -- running ---------------------------------------------------------------------------------

    def run(
        self, until: Callable[[], bool] | None = None, *, seconds: float | None = None
    ) -> Stop | None:
        """Run until every spawned program has ended, ``until()`` says so, or something stops it.

        Returns the ``Stop`` of a breakpoint and the like; the next ``run`` goes on from there.
        ``until`` is asked whenever a turn of a task has ended.  ``seconds``: return after so much
        of the guest's time in any case.  ``diorama.Deadlock``: all tasks wait for
        each other.  What a hook raised is raised here, once the task's turn is over, and so is
        KeyboardInterrupt; the machine can go on.
        """
        limit = None
        if seconds is not None:
            limit = self.system.clock.monotonic() + int(seconds * _SECOND)
        timer = None
        if limit is not None:
            timer = self.system.timers.add(limit, self.kernel.cpu.request_attention)

        def done() -> bool:
            return (
                self._raised is not None
                or interrupts.came
                or self._points.leaving
                or (until is not None and until())
                or (limit is not None and self.system.clock.monotonic() >= limit)
                or all(process.status is not None for process in self._spawned.values())
            )

        check_open(self._session.system.init)
        if self._running:
            raise DioramaError("the machine runs already: a hook cannot run it")
        self._points.enter()
        self._running = True
        interrupts = Interrupts(self._session.hardware)
        try:
            with interrupts:
                self.kernel.run(done)
        finally:
            self._running = False
            if timer is not None:
                self.system.timers.cancel(timer)
            self._points.left()
        raised, self._raised = self._raised, None
        if raised is not None:
            raise raised
        if interrupts.came:
            raise KeyboardInterrupt
        return self._points.stop

    # -- looking ---------------------------------------------------------------------------------

    def snapshot(self) -> list[TaskSnapshot]:
        """Every task with its state, its system call, what it waits for, and its program counter.

        ``str`` of one is the line that SIGQUIT prints.
        """
        return take_snapshot(self.kernel)

    def wait_graph(self) -> WaitGraphView:
        """Who waits for whom; in a notebook, drawn, with circles shown."""
        return WaitGraphView(describe.wait_graph(self.kernel))

    def pipes(self) -> tuple[PipeView, ...]:
        """Every pipe with who is at which end; ``describe`` has the same for everything else."""
        return describe.pipes(self.system)

    def statistics(self) -> Stats:
        """Calls, errors, faults, frames, switches so far, as ``diorama stats`` shows them.

        Times, bytes and processes are counted from the first time this is asked on.
        """
        if self._counting is None:
            self._counting = RunCounts(table_of(self.kernel))
            self.kernel.attach(self._counting)
        return collect(self.kernel, self._counting)

    def counts(self) -> dict[str, int]:
        """How often each system call was made so far, by name."""
        table = self.kernel.table
        return {
            table.name(number) or str(number): calls
            for number, calls in enumerate(self.kernel.counts.calls)
            if calls
        }

    def trace(self, calls: str = "all", *, process: Process | None = None) -> Trace:
        """Events to iterate over; the machine runs while you do.

        ``calls`` is strace's ``-e`` grammar: names, ``%file``, ``/regex``, ``status=failed``.
        """
        trace = Trace(self.kernel, calls, process, self._run_for)
        self._traces.append(trace)
        return trace

    def strace(
        self,
        stream: IO[str],
        calls: str = "all",
        *,
        process: Process | None = None,
        string_limit: int = 32,
    ) -> TextTrace:
        """Write strace's lines to ``stream`` until ``close`` of what is returned."""
        trace = TextTrace(self.kernel, stream, calls, process, string_limit)
        self._traces.append(trace)
        return trace

    def _run_for(self, trace: Trace) -> bool:
        """Run until there is an event; false if none will come."""
        self.run(lambda: bool(trace.events))
        return bool(trace.events)

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Give the host's memory back; a ``with`` statement does it by itself."""
        if not self._closed:
            self._closed = True
            self._points.close()
            self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _reaped(self, pid: int, status: int) -> None:
        process = self._spawned.get(pid)
        if process is not None:
            process.ended(status)
            self.kernel.cpu.request_attention()

    def __repr__(self) -> str:
        system = self._session.system
        living = sum(1 for group in system.groups.values() if group.tasks)
        shown = "closed" if self._closed else f"{living} process{'es' * (living != 1)}"
        return f"<Machine {system.arch.name}, {shown}>"

    def _repr_html_(self) -> str:
        return self.processes()._repr_html_()


def encoded(environment: Mapping[str, str]) -> dict[bytes, bytes]:
    """An environment as the guest has it."""
    return {os.fsencode(name): os.fsencode(value) for name, value in environment.items()}


def _stdin(task: Task, stdin: bytes | str | Source | _Open) -> Stdin:
    if isinstance(stdin, _Open):
        return Stdin(task, stays=True)
    if isinstance(stdin, bytes | str):
        return Stdin(task, stdin.encode() if isinstance(stdin, str) else stdin)
    return Stdin(task, source=stdin)
