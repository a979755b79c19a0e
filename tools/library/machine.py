"""The machine from Python: boot, mount, spawn, run, hook, look.

Everything behind it can be reached: ``machine.system`` is the kernel's own object, ``process.task``
the task.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import IO, TYPE_CHECKING, Any, Final, Self, TypeVar, overload

from kernel.abi.signals import signal_name
from kernel.events import SERVED_FAULTS
from kernel.machine import describe
from kernel.machine.snapshot import TaskSnapshot, take_snapshot
from tools.boot.files import mount_volume
from tools.boot.hardware import assemble
from tools.boot.program import Program, host_arch
from tools.boot.session import Session
from tools.busybox import find_busybox
from tools.config import DEFAULT_HOSTNAME, RunConfig, Volume
from tools.errors import DioramaError
from tools.library import events, hooks
from tools.library.calls import Call
from tools.library.events import EventHooks
from tools.library.guest_files import GuestFiles
from tools.library.hooks import CallHook, CallHooks, Hook, numbers_of
from tools.library.process import Process, signal_number
from tools.library.streams import Stdin, connect_streams
from tools.library.tracing import TextTrace, Trace, table_of
from tools.notebook.views import ProcessTree, WaitGraphView

if TYPE_CHECKING:
    from kernel.machine.describe.files import PipeView
    from kernel.machine.loop import Machine as Kernel
    from kernel.task.system import System
    from kernel.task.task import Task
    from tools.library.streams import Source

H = TypeVar("H", bound=CallHook)
_UNITS: Final = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SECOND: Final = 1_000_000_000


class _Open:
    """stdin that stays open: ``process.stdin.feed(...)`` gives the program something to read."""

    def __repr__(self) -> str:
        return "diorama.OPEN"


OPEN: Final = _Open()


def boot(
    arch: str | None = None,
    *,
    memory: str | int = "256m",
    hostname: str = "diorama",
    busybox: bool = True,
    rootfs: str | None = None,
    network: str = "loopback",
    seed: int | None = None,
    deterministic: bool = False,
    environment: Mapping[str, str] | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> Machine:
    """A machine with the usual root in memory and, unless told otherwise, BusyBox in /bin.

    ``memory`` is a number of bytes or a string with a unit (b, k, m, g).  ``rootfs``: a directory
    or an archive in place of the usual root, without BusyBox.  ``network``: 'loopback', 'none' or
    'host'.  ``seed`` makes every random byte the guest sees repeatable; ``deterministic`` makes
    time so, too.  ``log`` gets the kernel's own messages, a line each.  DioramaError.
    """
    name = arch or host_arch()
    if rootfs is not None and not os.path.exists(rootfs):
        raise DioramaError(f"rootfs {rootfs}: no such file or directory")
    config = RunConfig(
        arch=name,
        memory=_size(memory),
        hostname=os.fsencode(hostname) if hostname else DEFAULT_HOSTNAME,
        environment=_encoded(environment or {}),
        rootfs=rootfs,
        network=network,
        seed=0 if deterministic and seed is None else seed,
        deterministic=deterministic,
    )
    hardware = assemble(
        name,
        config.memory,
        hostname=config.hostname,
        seed=config.seed,
        log=log,
        quiet=False,
        allow_wx=False,
        deterministic=deterministic,
    )
    session = Session(config, hardware, with_terminal=False)
    session.prepare()
    if busybox and rootfs is None:
        session.show_busybox(str(find_busybox(name)))
    return Machine(session)


def _encoded(environment: Mapping[str, str]) -> dict[bytes, bytes]:
    return {os.fsencode(name): os.fsencode(value) for name, value in environment.items()}


def _size(text: str | int) -> int:
    if isinstance(text, int):
        return text
    unit = text[-1:].lower()
    if unit in _UNITS and text[:-1].isdigit():
        return int(text[:-1]) * _UNITS[unit]
    raise DioramaError(f"memory {text!r}: want a number with b, k, m or g behind it")


class Machine:
    """A booted machine."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._spawned: dict[int, Process] = {}
        self._known: dict[int, Process] = {}
        self._raised: Exception | None = None
        self._traces: list[Trace | TextTrace] = []
        self._calls = CallHooks(table_of(self.kernel), self._process_of, self._failed)
        self._events = EventHooks(self._process_of, self._failed)
        self._files = GuestFiles(session.hardware, session.system.init)
        session.system.on_reap = self._reaped

    @property
    def system(self) -> System:
        """The kernel's own object: tasks, scheduler, mounts, clock."""
        return self._session.system

    @property
    def kernel(self) -> Kernel:
        """The loop: ``kernel.machine.loop.Machine``, which observers are attached to."""
        return self._session.machine

    @property
    def arch(self) -> str:
        """The name of its CPU."""
        return self.system.arch.name

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

        ``on_write`` gets what a program writes to it; without it nobody can.
        """
        if isinstance(contents, str):
            contents = contents.encode()
        made = contents

        def show(task: Task) -> bytes:
            return made() if callable(made) else made

        def store(task: Task, data: bytes) -> None:
            if on_write is not None:
                on_write(data)

        self._files.provide(path, show, store if on_write is not None else None)

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

        A name without a slash is looked for in /bin.  Its stdout and stderr are kept.  ``stdin``:
        all there is to read; or ``OPEN``, to be fed later; or a function that is asked for up to so
        many bytes and says b'' at the end.  ``env``: beside PATH, HOME and what ``boot`` was given.
        """
        path = program if "/" in program else f"/bin/{program}"
        task = self._session.new_process()
        process = self._process_of(task)
        process.stdin = _stdin(task, stdin)
        process._streams = connect_streams(task, process.stdin)
        if cwd is not None:
            self._files.change_directory(task, cwd)
        for trace in self._traces:
            trace.follow(task)
        what = Program(None, os.fsencode(path), os.fsencode(program), self.arch)
        extra = _encoded(env or {})
        self._session.load(task, what, tuple(os.fsencode(arg) for arg in args), extra)
        self._spawned[process.pid] = process
        return process

    def process(self, pid: int) -> Process:
        """A process of the guest's by its number, spawned from here or not.  DioramaError."""
        known = self._known.get(pid)
        if known is not None:
            return known
        group = self.system.groups.get(pid)
        if group is None:
            raise DioramaError(f"there is no process {pid}")
        return self._process_of(group.leader)

    def processes(self) -> ProcessTree:
        """The process tree; in a notebook, drawn as one."""
        return ProcessTree(describe.tasks(self.system, self.kernel.table))

    def _process_of(self, task: Task) -> Process:
        group = task.group
        process = self._known.get(group.pid)
        if process is None or process._group is not group:
            process = self._known[group.pid] = Process(self, group)
        return process

    # -- running ---------------------------------------------------------------------------------

    def run(self, until: Callable[[], bool] | None = None, *, seconds: float | None = None) -> None:
        """Run until every spawned program has ended, or ``until()`` says so.

        ``until`` is asked whenever a turn of a task has ended.  ``seconds``: return after so much
        of the guest's time in any case.  ``kernel.machine.deadlock.Deadlock``: all tasks wait for
        each other.  What a hook raised is raised here, once the task's turn is over; the machine
        can go on.
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
                or (until is not None and until())
                or (limit is not None and self.system.clock.monotonic() >= limit)
                or all(process.status is not None for process in self._spawned.values())
            )

        try:
            self.kernel.run(done)
        finally:
            if timer is not None:
                self.system.timers.cancel(timer)
        raised, self._raised = self._raised, None
        if raised is not None:
            raise raised

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

    # -- hooks on calls --------------------------------------------------------------------------

    @overload
    def on_enter(self, calls: str, hook: CallHook, *, process: Process | None = ...) -> Hook: ...

    @overload
    def on_enter(
        self, calls: str, hook: None = ..., *, process: Process | None = ...
    ) -> Callable[[CallHook], Hook]: ...

    def on_enter(
        self, calls: str, hook: CallHook | None = None, *, process: Process | None = None
    ) -> Hook | Callable[[CallHook], Hook]:
        """Call ``hook(call)`` before calls; it may change their arguments, or give them a result.

        ``calls`` in strace's words: names joined by commas, ``%file``, ``/regex``, ``!name``,
        ``all``.  Without ``hook`` this is a decorator.  The Hook that comes back has ``remove()``.
        """
        return self._on_calls(hooks.ENTER, calls, hook, process)

    @overload
    def on_call(self, calls: str, hook: CallHook, *, process: Process | None = ...) -> Hook: ...

    @overload
    def on_call(
        self, calls: str, hook: None = ..., *, process: Process | None = ...
    ) -> Callable[[CallHook], Hook]: ...

    def on_call(
        self, calls: str, hook: CallHook | None = None, *, process: Process | None = None
    ) -> Hook | Callable[[CallHook], Hook]:
        """Call ``hook(call)`` in place of calls: its result is theirs.

        It returns a number, an error ('EACCES'), or None to let the kernel do it after all.
        """
        return self._on_calls(hooks.CALL, calls, hook, process)

    @overload
    def on_exit(self, calls: str, hook: CallHook, *, process: Process | None = ...) -> Hook: ...

    @overload
    def on_exit(
        self, calls: str, hook: None = ..., *, process: Process | None = ...
    ) -> Callable[[CallHook], Hook]: ...

    def on_exit(
        self, calls: str, hook: CallHook | None = None, *, process: Process | None = None
    ) -> Hook | Callable[[CallHook], Hook]:
        """Call ``hook(call)`` when calls have a result, which it may change, by ``call.result`` or
        by what it returns.
        """
        return self._on_calls(hooks.EXIT, calls, hook, process)

    def on(self, calls: str, hook: CallHook) -> Hook:
        """``on_call`` by its short name."""
        return self.on_call(calls, hook)

    def _on_calls(
        self, point: str, calls: str, function: CallHook | None, process: Process | None
    ) -> Hook | Callable[[CallHook], Hook]:
        numbers = numbers_of(table_of(self.kernel), calls)

        def add(wanted: CallHook) -> Hook:
            hook = Hook(wanted, f"{point} of {calls}", self._remove_call_hook)
            if not len(self._calls):
                self.kernel.add_door(self._calls)
            self._calls.add(hook, point, numbers, process.pid if process is not None else None)
            return hook

        return add if function is None else add(function)

    def _remove_call_hook(self, hook: Hook) -> None:
        self._calls.remove(hook)
        if not len(self._calls):
            self.kernel.remove_door(self._calls)

    # -- hooks on events -------------------------------------------------------------------------

    def on_signal(self, hook: Callable[[events.SignalEvent], object], *signals: int | str) -> Hook:
        """Call ``hook(event)`` when a signal is delivered: any, or one of ``signals``."""
        names = [signal_name(signal_number(signal)) for signal in signals]
        return self._on_event(events.SIGNAL, hook, lambda e: not names or e.signal in names)

    def on_fault(
        self, hook: Callable[[events.FaultEvent], object], *, served: bool = False
    ) -> Hook:
        """Call ``hook(event)`` at faults that end in a signal; ``served``: at all others, too."""
        return self._on_event(
            events.FAULT, hook, lambda event: served or event.kind not in SERVED_FAULTS
        )

    def on_fork(self, hook: Callable[[events.ForkEvent], object]) -> Hook:
        """Call ``hook(event)`` for every new process and thread."""
        return self._on_event(events.FORK, hook, lambda event: True)

    def on_exec(self, hook: Callable[[events.ExecEvent], object]) -> Hook:
        """Call ``hook(event)`` when a process runs another program."""
        return self._on_event(events.EXEC, hook, lambda event: True)

    def on_end(self, hook: Callable[[events.EndEvent], object]) -> Hook:
        """Call ``hook(event)`` when a task is dead."""
        return self._on_event(events.END, hook, lambda event: True)

    def _on_event(
        self, kind: str, function: Callable[[Any], object], wanted: Callable[[Any], bool]
    ) -> Hook:
        hook = Hook(function, kind, self._remove_event_hook)
        if not len(self._events):
            self.kernel.attach(self._events)
        self._events.add(hook, kind, wanted)
        return hook

    def _remove_event_hook(self, hook: Hook) -> None:
        self._events.remove(hook)
        if not len(self._events):
            self.kernel.detach(self._events)

    # -- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Give the host's memory back; a ``with`` statement does it by itself."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _failed(self, error: Exception) -> None:
        """A hook raised: the first is raised again by ``run``."""
        self._raised = self._raised or error
        self.kernel.cpu.request_attention()

    def _reaped(self, pid: int, status: int) -> None:
        process = self._spawned.get(pid)
        if process is not None:
            process.ended(status)
            self.kernel.cpu.request_attention()

    def __repr__(self) -> str:
        living = sum(1 for group in self.system.groups.values() if group.tasks)
        return f"<Machine {self.arch}, {living} processes>"

    def _repr_html_(self) -> str:
        return self.processes()._repr_html_()


def _stdin(task: Task, stdin: bytes | str | Source | _Open) -> Stdin:
    if isinstance(stdin, _Open):
        return Stdin(task, stays=True)
    if isinstance(stdin, bytes | str):
        return Stdin(task, stdin.encode() if isinstance(stdin, str) else stdin)
    return Stdin(task, source=stdin)


__all__ = ["OPEN", "Call", "Machine", "boot"]
