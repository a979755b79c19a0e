"""A bare processor with memory and one address space: no kernel, the test is the kernel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kernel.arch import get_arch
from kernel.cpu.base import (
    T_ACCESS,
    T_ADDRESS,
    T_ARG0,
    T_EXCEPTION,
    T_PC,
    TRAP_EXCEPTION,
    TRAP_PAGE_FAULT,
    TRAP_SYSCALL,
)
from kernel.cpu.engine import Engine
from kernel.mm.physical import PhysicalMemory
from kernel.mm.ranges import PTE_EXEC, PTE_READ, PTE_WRITE
from tests.kernel.cpu.assemble import assembled

CODE = 0x400000
DATA = 0x600000
R = PTE_READ
RW = PTE_READ | PTE_WRITE
RX = PTE_READ | PTE_EXEC
RWX = RW | PTE_EXEC

RESULT = {"x86_64": "rax", "aarch64": "x0"}


class Rig:
    """One engine, one address space, one context; more of each on request."""

    def __init__(self, arch: str, megabytes: int = 16, model: str = "default") -> None:
        self.arch = get_arch(arch)
        self.physical = PhysicalMemory(megabytes << 20)
        self.engine = Engine(self.arch, self.physical, model)
        self.ranges = self.engine.ranges
        self.trap = self.engine.trap
        self.root = self.physical.take()
        self.context = self.engine.new_context()
        self.regs = self.engine.registers(self.context)

    def map(self, address: int, pages: int = 1, flags: int = RW, root: int = 0) -> None:
        """Fresh zero pages."""
        mapped = self.ranges.map_zero(root or self.root, address >> 12, pages, flags)
        assert mapped == pages

    def alias(self, address: int, of: int, flags: int) -> None:
        """Map the frame of page ``of`` a second time."""
        frame = self.entry(of) >> 12
        assert self.ranges.map_frames(self.root, address >> 12, [frame], flags) == 1

    def entry(self, address: int, root: int = 0) -> int:
        """The page-table entry."""
        return self.ranges.walk(root or self.root, address >> 12)

    def set_entry(self, address: int, entry: int) -> None:
        """Overwrite a page-table entry."""
        self.ranges.set_entry(self.root, address >> 12, entry)

    def frame(self, address: int) -> int:
        """The frame behind a page."""
        return self.entry(address) >> 12

    def poke(self, address: int, data: bytes) -> None:
        """Write to memory behind the processor's back (within a page)."""
        start = self.frame(address) << 12 | address & 4095
        self.physical.bytes[start : start + len(data)] = data

    def peek(self, address: int, size: int = 8) -> bytes:
        """Read memory (within a page)."""
        start = self.frame(address) << 12 | address & 4095
        return bytes(self.physical.bytes[start : start + size])

    def word(self, address: int) -> int:
        """Read a u64."""
        return int.from_bytes(self.peek(address), "little")

    def code(self, text: str, at: int = CODE, flags: int = RX) -> bytes:
        """Assemble ``text`` to ``at`` and point the program counter there."""
        if not self.entry(at):
            self.map(at, 1, flags)
        code = assembled(self.arch.name, text)
        self.poke(at, code)
        self.engine.invalidate_code(self.frame(at))
        self.regs.pc = at
        return code

    def set(self, **values: int) -> None:
        """Set registers by name."""
        for name, value in values.items():
            self.regs.set(name, value)

    def run(self, blocks: int = 1_000_000) -> int:
        """Run the context until it traps."""
        return self.engine.run(self.context, self.root, blocks)

    def step(self, blocks: int = 1000) -> int:
        """Let the context execute one instruction."""
        return self.engine.step(self.context, self.root, blocks)

    def expect_syscall(self) -> list[int]:
        """Run to a system call; its six arguments."""
        assert self.run() == TRAP_SYSCALL, self.describe()
        return self.trap[T_ARG0 : T_ARG0 + 6].tolist()

    def expect_fault(self, page: int, access: int) -> None:
        """Run to this page fault."""
        assert self.run() == TRAP_PAGE_FAULT, self.describe()
        assert (hex(self.trap[T_ADDRESS]), self.trap[T_ACCESS]) == (hex(page), access)

    def expect_exception(self, number: int) -> int:
        """Run to this exception; the program counter reported."""
        assert self.run() == TRAP_EXCEPTION, self.describe()
        assert self.trap[T_EXCEPTION] == number
        return self.trap[T_PC]

    def describe(self) -> str:
        """The trap words, for a failed assertion."""
        names = ("number", "a0", "a1", "a2", "a3", "a4", "a5", "pc", "address", "access", "exc")
        return " ".join(f"{name}={value:#x}" for name, value in zip(names, self.trap, strict=False))


@contextmanager
def rig(arch: str, megabytes: int = 16, model: str = "default") -> Iterator[Rig]:
    """A Rig that is closed at the end."""
    made = Rig(arch, megabytes, model)
    try:
        yield made
    finally:
        made.engine.close()
