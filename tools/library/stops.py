"""A stop: why the machine stands still, who stopped, and what may be changed before it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi.signals import signal_name
from kernel.machine.debugger import Stop as KernelStop
from kernel.machine.debugger import Watchpoint
from tools.boot.session import exit_code
from tools.errors import DioramaError
from tools.library.calls import Call
from tools.library.process import signal_number
from tools.library.tracing import table_of

if TYPE_CHECKING:
    from tools.library.memory import Memory
    from tools.library.points import Point
    from tools.library.process import Process, Thread
    from tools.library.registers import Registers


class Convention(NamedTuple):
    """How C passes arguments in registers, and where the return address is (None: on the stack)."""

    arguments: tuple[str, ...]
    result: str
    link: str | None


CONVENTIONS: Final = {
    "x86_64": Convention(("rdi", "rsi", "rdx", "rcx", "r8", "r9"), "rax", None),
    "aarch64": Convention(tuple(f"x{n}" for n in range(8)), "x0", "x30"),
}


class Stop:
    """Why the machine stands still, and who stopped.

    ``reason``: 'breakpoint', 'watchpoint', 'step', 'enter' and 'return' (of a system call),
    'signal', 'fault', 'fork', 'vfork', 'clone', 'vfork_done', 'exec', 'exit', 'thread_exit' or
    'pause'.  ``address``: the program counter, or the data's address.  ``point``: what was met.
    """

    def __init__(self, process: Process, stop: KernelStop, point: Point | None) -> None:
        self.process = process
        self.point = point
        self.kernel = stop
        """The debugger's own object; what may be assigned there may be assigned here."""

    @property
    def reason(self) -> str:
        """See the class."""
        return self.kernel.reason

    @property
    def address(self) -> int:
        """The program counter, or the data address of a watchpoint or fault."""
        return self.kernel.address

    @property
    def thread(self) -> Thread:
        """Who stopped."""
        return self.process.thread(self.kernel.task)

    @property
    def registers(self) -> Registers:
        """Its registers, to read and to change."""
        return self.thread.registers

    @property
    def memory(self) -> Memory:
        """Its memory, to read and to change."""
        return self.process.memory

    @property
    def symbol(self) -> str:
        """Where that is: ``main+0x10``, or the bare address."""
        return self.process.machine.symbols.named(self.kernel.task, self.address)

    @property
    def signal(self) -> str | None:
        """At 'signal' and 'fault': what will be delivered.  Assign a name, a number, None."""
        return signal_name(self.kernel.signal) if self.kernel.signal else None

    @signal.setter
    def signal(self, value: int | str | None) -> None:
        self.kernel.signal = 0 if value is None else signal_number(value)

    @property
    def call(self) -> Call:
        """At 'enter' and 'return': the call, as a hook gets it; what is assigned counts."""
        if self.reason not in ("enter", "return"):
            raise DioramaError(f"a stop for {self.reason!r} is not at a system call")
        phase = "exit" if self.reason == "return" else "enter"
        table = table_of(self.process.machine.kernel)
        return Call(self.process, self.kernel.task, table, self.kernel, phase)

    def argument(self, index: int) -> int:
        """At the first instruction of a C function: its argument, counted from 0, as a number."""
        return self.registers[self._argument_register(index)]

    def set_argument(self, index: int, value: int) -> None:
        """Change it."""
        self.registers[self._argument_register(index)] = value

    def _argument_register(self, index: int) -> str:
        names = CONVENTIONS[self.process.machine.arch].arguments
        if not 0 <= index < len(names):
            raise DioramaError(f"argument {index} is not in a register: there are {len(names)}")
        return names[index]

    def return_from(self, value: int) -> None:
        """At the first instruction of a C function: do not run it, let it return ``value``."""
        registers, convention = self.registers, CONVENTIONS[self.process.machine.arch]
        if convention.link is not None:
            registers.pc = registers[convention.link]
        else:
            registers.pc = self.memory.read_int(registers.sp)
            registers.sp += 8
        registers[convention.result] = value

    @property
    def child(self) -> Process | None:
        """At 'fork', 'vfork' and 'clone': whose task is new."""
        other = self.kernel.other
        return self.process.machine.process(other.tgid) if other is not None else None

    @property
    def status(self) -> int:
        """At 'exit': the exit status, as a shell shows it."""
        return exit_code(self.kernel.status)

    @property
    def old(self) -> bytes:
        """At 'watchpoint': the bytes before the access."""
        found = self.kernel.point
        return found.old if isinstance(found, Watchpoint) else b""

    @property
    def new(self) -> bytes:
        """At 'watchpoint': the bytes after the access."""
        found = self.kernel.point
        return found.new if isinstance(found, Watchpoint) else b""

    def __repr__(self) -> str:
        return f"<Stop {self.reason} of {self.process.pid} at {self.address:#x}>"
