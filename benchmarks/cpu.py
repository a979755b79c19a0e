"""What the processor costs: traps, TLB misses, faults, switches.

    python -m benchmarks.cpu

A bare engine with a bare Python loop around it, no kernel: the floor under every other measurement.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.budgets import Row, measure, show
from kernel.arch import get_arch
from kernel.cpu.base import T_ADDRESS, T_NUMBER, TRAP_SYSCALL
from kernel.cpu.engine import Engine, EngineContext
from kernel.mm.physical import PhysicalMemory
from kernel.mm.ranges import PTE_EXEC, PTE_READ, PTE_WRITE

CODE = 0x400000
DATA = 0x10000000
PAGES = 2048
RW = PTE_READ | PTE_WRITE

GETPID = {
    "x86_64": "b827000000 0f05 ebf7",  # mov eax, 39; syscall; jmp back
    "aarch64": "881580d2 010000d4 feffff17",  # mov x8, 172; svc 0; b back
}
TOUCH = {
    # one store to each page from rdi / x1 on, rcx / x2 pages, then a system call
    "x86_64": "488907 4881c700100000 48ffc9 75f1 0f05",
    "aarch64": "200000f9 21044091 420400f1 a1ffff54 010000d4",
}
TOUCH_REGISTERS = {"x86_64": ("rdi", "rcx"), "aarch64": ("x1", "x2")}


class Bare:
    """An engine, an address space with one page of code, a context."""

    def __init__(self, arch: str) -> None:
        self.arch = arch
        self.physical = PhysicalMemory(64 << 20)
        self.engine = Engine(get_arch(arch), self.physical)
        self.ranges = self.engine.ranges
        self.root = self.space()
        self.context = self.engine.new_context()
        self.regs = self.engine.registers(self.context)

    def space(self) -> int:
        """A new address space."""
        return self.physical.take()

    def load(self, code: str, root: int = 0) -> None:
        """Put code at CODE."""
        root = root or self.root
        self.ranges.map_zero(root, CODE >> 12, 1, PTE_READ | PTE_EXEC)
        frame = self.ranges.walk(root, CODE >> 12) >> 12
        data = bytes.fromhex(code)
        self.physical.bytes[frame << 12 : (frame << 12) + len(data)] = data
        self.regs.pc = CODE

    def touch(self, pages: int) -> None:
        """Prepare a run that stores to ``pages`` pages."""
        address, count = TOUCH_REGISTERS[self.arch]
        self.regs.set(address, DATA)
        self.regs.set(count, pages)
        self.regs.pc = CODE


def trap(arch: str) -> Row:
    """getpid in a loop, dispatched through a table as the machine does."""
    bare = Bare(arch)
    bare.load(GETPID[arch])
    run, set_result, words = bare.engine.run, bare.engine.set_result, bare.engine.trap
    context, root = bare.context, bare.root
    table = dict.fromkeys((39, 172), _getpid)

    def work(n: int) -> None:
        for _ in range(n):
            if run(context, root, 100_000) == TRAP_SYSCALL:
                set_result(context, table[words[T_NUMBER]](context, words))

    row = Row(f"trap and back, getpid ({arch})", measure(work, 50_000), 2.5)
    bare.engine.close()
    return row


def _getpid(context: EngineContext, words: memoryview) -> int:
    return 2


def miss(arch: str) -> Row:
    """A store to each of 2048 pages with an empty TLB, less the same with a full one."""
    bare = Bare(arch)
    bare.load(TOUCH[arch])
    bare.ranges.map_zero(bare.root, DATA >> 12, PAGES, RW)
    engine = bare.engine

    def sweep(rounds: int, flush: bool) -> None:
        for _ in range(rounds):
            bare.touch(PAGES)
            if flush:
                engine.invalidate(bare.root, DATA, PAGES)
            assert engine.run(bare.context, bare.root, 1 << 30) == TRAP_SYSCALL

    sweep(20, True)  # let the TLB grow
    warm = measure(lambda n: sweep(n, False), 50)
    cold = measure(lambda n: sweep(n, True), 50)
    engine.close()
    return Row(f"TLB miss served ({arch})", (cold - warm) / PAGES, 0.2)


def fault(arch: str) -> Row:
    """A page fault answered with one fresh page: trap, map, restart."""
    bare = Bare(arch)
    bare.load(TOUCH[arch])
    engine, ranges, words = bare.engine, bare.ranges, bare.engine.trap
    context, root = bare.context, bare.root

    def work(n: int) -> None:
        ranges.unmap(root, DATA >> 12, PAGES)
        engine.invalidate(root, DATA, PAGES)
        bare.touch(n)
        while engine.run(context, root, 1 << 30) != TRAP_SYSCALL:
            ranges.map_zero(root, words[T_ADDRESS] >> 12, 1, RW)

    row = Row(f"page fault, mechanism only ({arch})", measure(work, PAGES), 8)
    engine.close()
    return row


def switch(arch: str) -> Row:
    """Two tasks in two address spaces take turns, each with a working set of one page."""
    bare = Bare(arch)
    bare.load(GETPID[arch])
    other_root = bare.space()
    frame = bare.ranges.walk(bare.root, CODE >> 12) >> 12
    bare.ranges.map_frames(other_root, CODE >> 12, [frame], PTE_READ | PTE_EXEC)
    other = bare.engine.clone_context(bare.context)
    run, one, one_root = bare.engine.run, bare.context, bare.root

    def work(n: int) -> None:
        for _ in range(n // 2):
            run(one, one_root, 1000)
            run(other, other_root, 1000)

    row = Row(f"switch between two address spaces ({arch})", measure(work, 20_000), 8)
    bare.engine.close()
    return row


def invalidation(arch: str) -> Iterator[Row]:
    """One page lost, one code page rewritten: each with the trap after it."""
    bare = Bare(arch)
    bare.load(GETPID[arch])
    engine, context, root = bare.engine, bare.context, bare.root
    frame = bare.ranges.walk(root, CODE >> 12) >> 12

    def pages(n: int) -> None:
        for _ in range(n):
            engine.invalidate(root, DATA, 1)
            engine.run(context, root, 1000)

    def code(n: int) -> None:
        for _ in range(n):
            engine.invalidate_code(frame)
            engine.run(context, root, 1000)

    yield Row(f"one page invalidated, and a trap ({arch})", measure(pages, 10_000), 5)
    yield Row(f"one code page invalidated, and a trap ({arch})", measure(code, 2_000), 20)
    engine.close()


def ranges(arch: str) -> Iterator[Row]:
    """Mechanism of fork and unmap over 64 MiB."""
    bare = Bare(arch)
    child = bare.space()
    count = 8192
    bare.ranges.map_zero(bare.root, DATA >> 12, count, RW)

    def fork(n: int) -> None:
        for _ in range(n):
            bare.ranges.fork(bare.root, child, DATA >> 12, count)
            bare.ranges.unmap(child, DATA >> 12, count)

    yield Row("fork and unmap of 32 MiB, mechanism only", measure(fork, 20), 400)
    bare.engine.close()


def rows() -> Iterator[Row]:
    """All of them, on both CPUs."""
    for arch in ("x86_64", "aarch64"):
        yield trap(arch)
        yield miss(arch)
        yield fault(arch)
        yield switch(arch)
        yield from invalidation(arch)
    yield from ranges("x86_64")


if __name__ == "__main__":
    show(rows())
