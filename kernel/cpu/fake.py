"""A processor that executes a script instead of instructions, for tests of the kernel.

    cpu = FakeCpu(get_arch("x86_64"), PythonRanges(physical))
    context = cpu.new_context()
    cpu.script(context, syscall(SYS_getpid), page_fault(0x1000, ACCESS_WRITE), slice_end())
    cpu.run(context, root, 1000)        # TRAP_SYSCALL, then TRAP_PAGE_FAULT, ...

A step may also be a function of the processor, called with the context when its turn comes, which
returns a step: so a "program" can look at results and registers.  When a context's script is used
up, ``run`` returns TRAP_SLICE for ever.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from kernel.cpu.base import (
    ACCESS_READ,
    T_ACCESS,
    T_ADDRESS,
    T_ARG0,
    T_BLOCKS_DONE,
    T_BLOCKS_LEFT,
    T_EXCEPTION,
    T_NUMBER,
    T_PC,
    T_SP,
    TRAP_ATTENTION,
    TRAP_BREAKPOINT,
    TRAP_EXCEPTION,
    TRAP_PAGE_FAULT,
    TRAP_SLICE,
    TRAP_STEP,
    TRAP_SYSCALL,
    TRAP_WORDS,
)
from kernel.cpu.sanitize import FP_IMAGES, MASK64, SANITIZERS

if TYPE_CHECKING:
    from kernel.arch.base import Arch
    from kernel.mm.ranges import RangeOps

_ROLES = {
    "x86_64": ("rip", "rsp", "rax", "fs_base"),
    "aarch64": ("pc", "sp", "x0", "tpidr"),
}


class Step(NamedTuple):
    """One trap to come: its kind and the trap words it sets."""

    kind: int
    words: tuple[tuple[int, int], ...] = ()


def syscall(number: int, *args: int) -> Step:
    """A system call with up to six arguments (negative ones are taken modulo 2**64)."""
    numbered = enumerate(args + (0,) * (6 - len(args)), T_ARG0)
    words = [(index, value & MASK64) for index, value in numbered]
    return Step(TRAP_SYSCALL, ((T_NUMBER, number), *words))


def page_fault(address: int, access: int = ACCESS_READ) -> Step:
    """A fault on the page of ``address``."""
    return Step(TRAP_PAGE_FAULT, ((T_ADDRESS, address & ~0xFFF), (T_ACCESS, access)))


def exception(number: int) -> Step:
    """A processor exception."""
    return Step(TRAP_EXCEPTION, ((T_EXCEPTION, number),))


def breakpoint_met(address: int) -> Step:
    """The program counter is at a breakpoint."""
    return Step(TRAP_BREAKPOINT, ((T_PC, address),))


def stepped(pc: int) -> Step:
    """One instruction was executed; the next is at ``pc``."""
    return Step(TRAP_STEP, ((T_PC, pc),))


def slice_end() -> Step:
    """The time slice is used up."""
    return Step(TRAP_SLICE)


class FakeRegisters:
    """Registers as a dictionary; sanitizes as the real ones do."""

    __slots__ = ("_arch", "_fp", "values")

    def __init__(self, arch: Arch) -> None:
        self._arch = arch
        self.values = dict.fromkeys(arch.register_names, 0)
        self._fp = arch.clean_fp_image
        if "eflags" in self.values:
            self.values["eflags"] = 0x202

    def copy(self) -> FakeRegisters:
        """An independent copy."""
        twin = FakeRegisters(self._arch)
        twin.values = dict(self.values)
        twin._fp = self._fp
        return twin

    def get(self, name: str, /) -> int:
        """One register by name."""
        return self.values[name]

    def set(self, name: str, value: int, /) -> None:
        """Set one register by name; sanitized."""
        sanitize = SANITIZERS[self._arch.name].get(name)
        value &= MASK64
        self.values[name] = sanitize(value) if sanitize else value

    def general(self) -> tuple[int, ...]:
        """All general registers."""
        return tuple(self.values.values())

    def set_general(self, values: tuple[int, ...], /) -> None:
        """Set all general registers; sanitized."""
        for name, value in zip(self._arch.register_names, values, strict=True):
            self.set(name, value)

    def fp_image(self) -> bytes:
        """Floating-point and vector registers."""
        return self._fp

    def set_fp_image(self, image: bytes, /) -> None:
        """Set them all; sanitized."""
        self._fp = FP_IMAGES[self._arch.name](image)

    @property
    def pc(self) -> int:
        """The program counter."""
        return self.values[_ROLES[self._arch.name][0]]

    @pc.setter
    def pc(self, value: int) -> None:
        self.set(_ROLES[self._arch.name][0], value)

    @property
    def sp(self) -> int:
        """The stack pointer."""
        return self.values[_ROLES[self._arch.name][1]]

    @sp.setter
    def sp(self, value: int) -> None:
        self.set(_ROLES[self._arch.name][1], value)

    @property
    def result(self) -> int:
        """The register of system-call results."""
        return self.values[_ROLES[self._arch.name][2]]

    @result.setter
    def result(self, value: int) -> None:
        self.set(_ROLES[self._arch.name][2], value)

    @property
    def tls(self) -> int:
        """The thread pointer."""
        return self.values[_ROLES[self._arch.name][3]]

    @tls.setter
    def tls(self, value: int) -> None:
        self.set(_ROLES[self._arch.name][3], value)


class FakeContext:
    """Registers and what is still to happen."""

    __slots__ = ("registers", "steps", "system_ns", "user_ns")

    def __init__(self, registers: FakeRegisters) -> None:
        self.registers = registers
        self.steps: deque[Step | Callable[[FakeContext], Step]] = deque()
        self.user_ns = 0
        self.system_ns = 0


class FakeCpu:
    """A kernel.cpu.base.Cpu with scripted traps.

    ``runs`` lists (context, root) of each run, ``invalidations`` and ``code_invalidations`` what
    the memory room reported, for tests to look at; ``breakpoints`` and ``watches`` are what the
    debugger put in: the script says when they are met.
    """

    BLOCKS_PER_STEP = 10
    NS_PER_STEP = 1000

    def __init__(self, arch: Arch, ranges: RangeOps) -> None:
        self.arch = arch
        self.ranges = ranges
        self.trap = memoryview(bytearray(TRAP_WORDS * 8)).cast("Q")
        self.runs: list[tuple[FakeContext, int]] = []
        self.invalidations: list[tuple[int, int, int]] = []
        self.code_invalidations: list[int] = []
        self.breakpoints: set[tuple[int, int]] = set()
        self.watches: dict[int, tuple[int, int, int, int]] = {}
        self.watch_hits = 0
        self.attention = self.asked = False
        self.ticking = 0
        self.closed = False

    def script(self, context: FakeContext, *steps: Step | Callable[[FakeContext], Step]) -> None:
        """Append to what will happen when ``context`` runs."""
        context.steps.extend(steps)

    def run(self, context: FakeContext, root: int, blocks: int, /) -> int:
        """See Cpu."""
        trap = self.trap
        trap[T_BLOCKS_LEFT] = blocks
        if self.attention:
            self.attention = False
            return TRAP_ATTENTION
        self.runs.append((context, root))
        step = context.steps.popleft() if context.steps else slice_end()
        if not isinstance(step, Step):
            step = step(context)
        for index, value in step.words:
            trap[index] = value
        used = blocks if step.kind == TRAP_SLICE else min(self.BLOCKS_PER_STEP, blocks)
        trap[T_BLOCKS_LEFT] = blocks - used
        trap[T_BLOCKS_DONE] += used
        if step.kind in (TRAP_STEP, TRAP_BREAKPOINT):
            context.registers.pc = trap[T_PC]
        trap[T_PC] = context.registers.pc
        trap[T_SP] = context.registers.sp
        context.user_ns += self.NS_PER_STEP
        return step.kind

    def step(self, context: FakeContext, root: int, blocks: int, /) -> int:
        """See Cpu.  The next step of the script, whatever it is; TRAP_STEP when there is none."""
        if self.attention or context.steps:
            return self.run(context, root, blocks)
        self.trap[T_PC] = context.registers.pc
        self.trap[T_BLOCKS_LEFT] = blocks
        return TRAP_STEP

    def insert_breakpoint(self, root: int, address: int) -> None:
        """See Cpu."""
        self.breakpoints.add((root, address))

    def remove_breakpoint(self, root: int, address: int) -> None:
        """See Cpu."""
        self.breakpoints.discard((root, address))

    def insert_watch(self, root: int, address: int, length: int, access: int) -> int:
        """See Cpu."""
        number = next(n for n in range(64) if n not in self.watches)
        self.watches[number] = (root, address, length, access)
        return number

    def remove_watch(self, number: int) -> None:
        """See Cpu."""
        self.watches.pop(number, None)

    def new_context(self) -> FakeContext:
        """See Cpu."""
        return FakeContext(FakeRegisters(self.arch))

    def clone_context(self, context: FakeContext) -> FakeContext:
        """See Cpu.  The copy has no script."""
        return FakeContext(context.registers.copy())

    def reset_context(self, context: FakeContext) -> None:
        """See Cpu.  The script stays: it is what the new program will do."""
        context.registers.values = FakeRegisters(self.arch).values
        context.registers.set_fp_image(self.arch.clean_fp_image)

    def free_context(self, context: FakeContext) -> None:
        """See Cpu."""
        context.steps.clear()

    def set_result(self, context: FakeContext, value: int, /) -> None:
        """See Cpu."""
        context.registers.result = value

    def registers(self, context: FakeContext) -> FakeRegisters:
        """See Cpu."""
        return context.registers

    def invalidate(self, root: int, address: int, pages: int) -> None:
        """See Cpu."""
        self.invalidations.append((root, address, pages))

    def invalidate_code(self, frame: int) -> None:
        """See Cpu."""
        self.code_invalidations.append(frame)

    def request_attention(self) -> None:
        """See Cpu."""
        self.attention = self.asked = True

    def start_ticker(self, interval_us: int) -> None:
        """See Cpu.  Nothing ticks: tests ask for attention themselves."""
        self.ticking = interval_us

    def stop_ticker(self) -> None:
        """See Cpu."""
        self.ticking = 0

    def watch_signal(self, number: int) -> None:
        """See Cpu.  No signal can find it in guest code."""

    def unwatch_signals(self) -> None:
        """See Cpu."""

    def system_ns(self, context: FakeContext) -> int:
        """See Cpu."""
        return context.system_ns

    def stop_charging(self) -> None:
        """See Cpu.  Nothing is measured."""

    def user_ns(self, context: FakeContext) -> int:
        """See Cpu."""
        return context.user_ns

    def close(self) -> None:
        """See Cpu."""
        self.closed = True
