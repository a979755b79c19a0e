"""Processes and their threads from Python."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from kernel.abi.signals import NSIG
from kernel.machine import describe
from kernel.machine.snapshot import task_snapshot
from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_group, send_to_task
from kernel.vfs.dentry import display_path
from tools.boot.session import exit_code
from tools.errors import DioramaError
from tools.library.memory import Memory, check_open
from tools.library.registers import Registers
from tools.notebook.views import DescriptorTable, MemoryMap, PageWalkView
from tools.tracer.filters import FilterError, parse_signals
from tools.tracer.stacks import Stacks

if TYPE_CHECKING:
    from kernel.machine.describe.processes import Signals
    from kernel.machine.snapshot import TaskSnapshot
    from kernel.task.task import Task
    from kernel.task.thread_group import ThreadGroup
    from kernel.vfs.openfile import OpenFile
    from tools.library.machine import Machine
    from tools.library.streams import Output, Sink, Stdin
    from tools.tracer.stacks import Frame


class OpenDescriptor(NamedTuple):
    """One line of a descriptor table."""

    fd: int
    path: str
    file: OpenFile

    def __str__(self) -> str:
        return f"{self.fd} -> {self.path}"


class Thread:
    """One task of a process: a flow of execution with registers of its own.

    ``task`` is the kernel's own object.
    """

    def __init__(self, process: Process, task: Task) -> None:
        self.process = process
        self.task = task

    @property
    def tid(self) -> int:
        """Its number: what gettid(2) returns."""
        return self.task.tid

    @property
    def name(self) -> str:
        """Its name: /proc/PID/comm."""
        return os.fsdecode(self.task.comm)

    @property
    def state(self) -> str:
        """A letter of ps(1): R runs or wants to, S and D sleep, T is stopped, Z and X are dead."""
        return self.task.state

    @property
    def registers(self) -> Registers:
        """Its registers, to read and to change."""
        return Registers(self.task)

    @property
    def snapshot(self) -> TaskSnapshot:
        """Its system call, what it waits for, and its program counter."""
        return task_snapshot(self.process.machine.kernel, self.task)

    @property
    def signals(self) -> Signals:
        """What is pending and blocked, and what is done with each signal."""
        return describe.signals(self.task)

    def stack(self) -> list[Frame]:
        """Its user stack, innermost first: addresses with their file and function."""
        return Stacks().of(self.task)

    def kill(self, signal: int | str) -> None:
        """Send it a signal of its own, as tgkill(2) does."""
        send_to_task(self.task, SigInfo.thread(signal_number(signal), 0, 0))

    def __repr__(self) -> str:
        return f"<Thread {self.tid} {self.name} {self.state}>"


class Process:
    """A program of the machine: its pid, its streams, and, while it lives, its insides.

    ``stdin`` is what feeds it, for processes that were spawned from Python; None for others.
    """

    def __init__(self, machine: Machine, group: ThreadGroup) -> None:
        self.machine = machine
        self.pid = group.pid
        self.stdin: Stdin | None = None
        self._group = group
        self._status: int | None = None
        self._streams: tuple[Output, Output] | None = None

    # -- what it is ------------------------------------------------------------------------------

    @property
    def task(self) -> Task:
        """The kernel's own object: the task with the process's number."""
        check_open(self._group.leader)
        return self._group.leader

    @property
    def status(self) -> int | None:
        """The exit status as a shell shows it (128+n for signal n); None while it lives."""
        if self._status is not None or self._group.tasks:
            return self._status
        return exit_code(self._group.status)

    def ended(self, status: int) -> None:
        """The machine's own: it was waited for, with a wait(2) status."""
        self._status = exit_code(status)

    @property
    def name(self) -> str:
        """Its name: /proc/PID/comm."""
        return os.fsdecode(self.task.comm)

    @property
    def parent(self) -> Process | None:
        """Who made it; None for init."""
        parent = self._group.parent
        return self.machine.process(parent.pid) if parent is not None else None

    @property
    def children(self) -> list[Process]:
        """Its children, zombies included, by pid."""
        return [self.machine.process(pid) for pid in sorted(self._group.children)]

    def tasks(self) -> list[Thread]:
        """Its living tasks, by tid."""
        return [self.thread(task) for _, task in sorted(self._group.tasks.items())]

    def thread(self, task: Task) -> Thread:
        """One of them, by the kernel's object."""
        return Thread(self, task)

    # -- streams ---------------------------------------------------------------------------------

    @property
    def stdout(self) -> str:
        """Everything written to descriptor 1 so far."""
        return self.stdout_bytes.decode(errors="replace")

    @property
    def stderr(self) -> str:
        """Everything written to descriptor 2 so far."""
        return bytes(self._streams[1].data).decode(errors="replace") if self._streams else ""

    @property
    def stdout_bytes(self) -> bytes:
        """Everything written to descriptor 1 so far, as bytes."""
        return bytes(self._streams[0].data) if self._streams else b""

    def on_output(self, listener: Sink, *, stderr: bool = False) -> None:
        """Call ``listener(data)`` with all it writes to descriptor 1 (or 2) from now on."""
        if self._streams is None:
            raise DioramaError(f"process {self.pid} was not spawned from Python")
        self._streams[1 if stderr else 0].listeners.append(self.machine.guarded(listener))

    # -- insides ---------------------------------------------------------------------------------

    @property
    def memory(self) -> Memory:
        """Its memory, to read and to change."""
        return Memory(self.task)

    @property
    def registers(self) -> Registers:
        """The registers of its first task."""
        return Registers(self.task)

    def patch(self, address: int, data: bytes) -> bytes:
        """Change code or data in place; returns what was there, to put it back."""
        before = self.memory.read(address, len(data))
        self.memory.write(address, data)
        return before

    def symbol(self, name: str) -> int:
        """The address of a function or variable by its name in its files.  DioramaError."""
        address = self.machine.symbols.address(self.task, name)
        if address is None:
            raise DioramaError(f"process {self.pid} has no symbol {name!r} in its files")
        return address

    def files(self) -> DescriptorTable:
        """The open descriptors, by number; in a notebook, drawn with what is shared."""
        shown = [
            OpenDescriptor(fd, os.fsdecode(display_path(file.path)), file)
            for fd, file in self.task.fds.items()
        ]
        return DescriptorTable(shown, describe.descriptors(self.task), self.pid)

    def maps(self) -> MemoryMap:
        """The areas of the address space, as in /proc/PID/maps; empty once it has ended."""
        mm = self.task.mm
        lines = mm.maps() if mm is not None else []
        return MemoryMap(lines, describe.memory_map(self.task), self.pid)

    def page_walk(self, address: int) -> PageWalkView:
        """What the four page tables say of an address."""
        return PageWalkView(describe.page_walk(self.task, address))

    # -- acting ----------------------------------------------------------------------------------

    def kill(self, signal: int | str = "SIGTERM") -> None:
        """Send it a signal, as kill(2) does; it is taken when the machine runs."""
        check_open(self._group.leader)
        send_to_group(self._group, SigInfo.user(signal_number(signal), 0, 0))

    def wait(self) -> int:
        """Run the machine until this process has ended; returns its status.

        Stops at breakpoints are handled by their hooks only.
        """
        while (status := self.status) is None:
            self.machine.run(lambda: self.status is not None)
        return status

    def on_enter(self, calls: str, hook: Callable[..., Any] | None = None) -> Any:
        """As ``Machine.on_enter``, for this process only."""
        return self.machine.on_enter(calls, hook, process=self)

    def on_call(self, calls: str, hook: Callable[..., Any] | None = None) -> Any:
        """As ``Machine.on_call``, for this process only."""
        return self.machine.on_call(calls, hook, process=self)

    def on_exit(self, calls: str, hook: Callable[..., Any] | None = None) -> Any:
        """As ``Machine.on_exit``, for this process only."""
        return self.machine.on_exit(calls, hook, process=self)

    def __repr__(self) -> str:
        name = os.fsdecode(self._group.leader.comm)
        return f"<Process {self.pid} {name} status={self.status}>"


def signal_number(signal: int | str) -> int:
    """From 15, 'SIGTERM' or 'TERM'.  DioramaError."""
    if isinstance(signal, int):
        if not 0 < signal <= NSIG:
            raise DioramaError(f"there is no signal {signal}")
        return signal
    try:
        (number,) = parse_signals(signal)
    except (FilterError, ValueError):  # several, or none
        raise DioramaError(f"there is no signal {signal!r}") from None
    return number
