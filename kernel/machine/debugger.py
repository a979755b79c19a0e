"""The debugger's core: stops, breakpoints, watchpoints, single steps.

All-stop and synchronous.  The machine has one thread; when something is to be reported the loop
calls ``on_stop(stop)`` at a point where the kernel's state is consistent, and the world stands
still until that returns.  A front end (gdb's protocol, the console, the library) serves its user
inside ``on_stop``: it reads and changes registers (``machine.cpu.registers(task.context)``) and
memory (``Debugger.read``, ``write``), sets breakpoints, asks for a step of the task that stopped,
and returns to let everybody go on.

A guest cannot tell that it is debugged: breakpoints are in no page it can read, a step leaves no
trap flag behind, and nothing of this is in its address space.

Linux analogue: ptrace(2), ``hw_breakpoint``, ``uprobes``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from kernel.machine.loop import Machine
    from kernel.mm.address_space import AddressSpace
    from kernel.task.siginfo import SigInfo
    from kernel.task.task import Task

REASONS: Final = (
    "start",
    "breakpoint",
    "watchpoint",
    "step",
    "enter",
    "return",
    "signal",
    "fault",
    "fork",
    "vfork",
    "clone",
    "vfork_done",
    "exec",
    "thread_exit",
    "exit",
    "pause",
)
"""What ``Stop.reason`` may be."""


class DebuggerBusy(Exception):
    """The machine has a debugger already; the message is one line for the user."""


class Everything:
    """A set that every number is in: ``debugger.catch_calls = ALL``."""

    def __contains__(self, number: object) -> bool:
        return True

    def __repr__(self) -> str:
        return "ALL"


ALL: Final = Everything()
NONE: Final[frozenset[int]] = frozenset()


class Breakpoint:
    """A breakpoint at an address of one address space; made by ``Debugger.break_at`` only.

    ``hardware`` is what the front end asked for; both kinds work the same way.  ``hits`` counts
    the times it was met.  ``live`` is false after ``remove``, exec, or the end of the space.
    """

    __slots__ = ("address", "hardware", "hits", "live", "mm")

    def __init__(self, mm: AddressSpace, address: int, hardware: bool) -> None:
        self.mm = mm
        self.address = address
        self.hardware = hardware
        self.hits = 0
        self.live = True

    def __repr__(self) -> str:
        return f"<Breakpoint {self.address:#x}{'' if self.live else ' (removed)'}>"


class Watchpoint:
    """``length`` bytes at an address of one address space; made by ``Debugger.watch`` only.

    ``access``: 'r', 'w' or 'a' (either).  ``old`` and ``new``: the bytes before and after the
    access of the last stop.
    """

    __slots__ = ("access", "address", "hits", "length", "live", "mm", "new", "old")

    def __init__(self, mm: AddressSpace, address: int, length: int, access: str) -> None:
        self.mm = mm
        self.address = address
        self.length = length
        self.access = access
        self.old = b""
        self.new = b""
        self.hits = 0
        self.live = True

    def __repr__(self) -> str:
        return f"<Watchpoint {self.access} {self.address:#x}+{self.length}>"


class Stop:
    """Why the world stands still.  Plain and mutable: what may be assigned takes effect on return.

    ``reason`` is one of REASONS.  ``address``: the program counter, or the data address of a
    watchpoint or fault.  ``point``: the breakpoint or watchpoint.

    'enter': ``number`` and ``args`` (the six raw registers) may be assigned; ``result`` assigned
    replaces the call.  'return': ``result`` may be assigned.  'signal': ``info`` is what is about
    to be delivered, ``signal`` the number that will be (0 drops it; may be assigned).  'fault':
    the same, before the signal is sent to the task.  'fork', 'vfork', 'clone': ``other`` is the
    child, which has not run yet.  'exit': the last task of a process ended with wait(2) ``status``;
    'thread_exit': another one did.
    """

    __slots__ = (
        "address", "args", "info", "number", "other", "point", "reason", "result", "signal",
        "status", "task",
    )  # fmt: skip

    def __init__(self, task: Task, reason: str, address: int = 0) -> None:
        self.task = task
        self.reason = reason
        self.address = address
        self.point: Breakpoint | Watchpoint | None = None
        self.number = -1
        self.args: tuple[int, ...] = ()
        self.result: int | None = None
        self.info: SigInfo | None = None
        self.signal = 0
        self.other: Task | None = None
        self.status = 0

    def __repr__(self) -> str:
        return f"<Stop {self.reason} of {self.task.tgid}/{self.task.tid} at {self.address:#x}>"


class Debugger:
    """The one debugger of a machine.

    ``catch_calls`` and ``catch_signals``: numbers that stop, a set or ALL.  A signal is reported
    before it is delivered to the task, whatever its action; SIGKILL is not.
    ``catch_faults``: processor exceptions and refused accesses, before they become a signal.
    ``catch_forks``, ``catch_execs``, ``catch_exits``, ``catch_threads``: fork and vfork; execve;
    the end of processes; the start and end of further threads.
    """

    def __init__(self, machine: Machine, on_stop: Callable[[Stop], None]) -> None:
        """Attach.  The first task to run is reported with 'start'.

        Raises DebuggerBusy if the machine has a debugger.
        """
        self.machine = machine
        self.on_stop = on_stop
        self.catch_calls: Container[int] = NONE
        self.catch_signals: Container[int] = NONE
        self.catch_faults = False
        self.catch_forks = False
        self.catch_execs = False
        self.catch_exits = False
        self.catch_threads = False

    def close(self) -> None:
        """Take everything out; held tasks go on; the machine is back on its fast path."""
        raise NotImplementedError

    def break_at(self, mm: AddressSpace, address: int, *, hardware: bool = False) -> Breakpoint:
        """Stop before the instruction at an address is executed by any task of this space.

        Several breakpoints may be at one address.  Raises EFAULT if nothing is mapped there.
        """
        raise NotImplementedError

    def watch(self, mm: AddressSpace, address: int, length: int, access: str) -> Watchpoint:
        """Stop after an instruction that accessed the bytes: 'r' read, 'w' wrote, 'a' either.

        Raises EFAULT if nothing is mapped there, EINVAL for another access or a bad length.
        """
        raise NotImplementedError

    def remove(self, point: Breakpoint | Watchpoint) -> None:
        """Take a point out; one that is gone already is left alone."""
        raise NotImplementedError

    def step(self, task: Task) -> None:
        """Stop with 'step' after one instruction of this task, one system call or one signal.

        Other tasks run meanwhile, unless held.  Another reason to stop ends the request.
        """
        raise NotImplementedError

    def hold(self, task: Task) -> None:
        """Do not run this task until ``release`` (gdb's scheduler-locking)."""
        raise NotImplementedError

    def release(self, task: Task) -> None:
        """Let a held task run again."""
        raise NotImplementedError

    def pause(self) -> None:
        """Stop with 'pause' as soon as possible; callable from a signal handler."""
        raise NotImplementedError

    def read(self, mm: AddressSpace, address: int, length: int) -> bytes:
        """Bytes of a space as ptrace(2) PEEKDATA: whatever the protections, without breakpoints.

        Fewer bytes if what follows is not mapped.
        """
        raise NotImplementedError

    def write(self, mm: AddressSpace, address: int, data: bytes) -> int:
        """Write as POKEDATA: read-only private pages too, never their file; the count done."""
        raise NotImplementedError

    def settle(self, task: Task) -> None:
        """Bring a task that sleeps in a call back to the call's start, to change its registers.

        The call is made again when the task runs, if its program counter was left where it is.
        """
        raise NotImplementedError
