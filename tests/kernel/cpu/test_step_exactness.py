"""Steps, breakpoints and watchpoints against an oracle: random programs under Unicorn's own hooks.

A bare Unicorn with a code hook says which instructions are executed, with memory hooks what they
access.  Our processor must pass the same places when it is stepped, stop at exactly those
breakpoints and after exactly those accesses, and end with the same registers and memory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import unicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from unicorn import arm64_const as arm
from unicorn import x86_const as x86

from kernel.cpu.base import (
    T_PC,
    TRAP_BREAKPOINT,
    TRAP_STEP,
    TRAP_SYSCALL,
    TRAP_WATCHPOINT,
    WATCH_READ,
    WATCH_WRITE,
)
from tests.kernel.cpu.assemble import assembled
from tests.kernel.cpu.rig import CODE, DATA, Rig, rig

pytestmark = pytest.mark.row("T2")

STACK = DATA + 0x800
FRAGMENTS = {
    "x86_64": (
        "inc rax",
        "add rax, rbx",
        "imul rbx, rax, 3",
        "push rax; pop rdx",
        "pushfq; popfq",
        "mov [rdi + 8], rax",
        "mov rsi, [rdi + 8]",
        "add qword ptr [rdi + 16], rax",
        "lock xadd [rdi + 24], rax",
        "mov byte ptr [rdi + 3], al",
        "test al, 1; jz 2f; inc rdx; 2: nop",
        "mov ecx, 3; 2: dec ecx; jnz 2b",
        "call 2f; jmp 3f; 2: inc rsi; ret; 3: nop",
        "push rdi; mov ecx, 5; add rdi, 40; rep stosb; pop rdi",
        "movq xmm0, rax; paddq xmm0, xmm0; movq rbx, xmm0",
        "movups [rdi + 32], xmm0",
        "cmovnz rax, rbx; setc dl",
        "xor eax, [rdi]",
    ),
    "aarch64": (
        "add x0, x0, 1",
        "add x0, x0, x2",
        "mul x2, x0, x0",
        "str x0, [x1, 8]",
        "ldr x3, [x1, 8]",
        "strb w0, [x1, 3]",
        "ldr x4, [x1, 16]!; str x0, [x1], -16",
        "stp x0, x2, [x1, 32]",
        "ldp x2, x5, [x1, 24]",
        "cmp x0, 3; b.lt 2f; add x4, x4, 1; 2: nop",
        "mov x5, 3; 2: subs x5, x5, 1; b.ne 2b",
        "tbz x0, 0, 2f; eor x2, x2, x0; 2: nop",
        "cbz x2, 2f; add x0, x0, x2; 2: nop",
        "bl 2f; b 3f; 2: add x6, x6, 1; ret; 3: nop",
        "2: ldxr x7, [x1]; add x7, x7, 1; stxr w8, x7, [x1]; cbnz w8, 2b",
        "stp x0, x2, [sp, -16]!; ldp x2, x0, [sp], 16",
        "fmov d0, x0; fadd d0, d0, d0; fmov x2, d0",
        "csel x0, x2, x3, ne",
    ),
}
BEGIN = {"x86_64": "cmp rax, 5", "aarch64": "cmp x0, 5"}
"""The two begin with other flags."""
END = {"x86_64": "syscall", "aarch64": "svc 0"}
START = {
    "x86_64": {"rdi": DATA, "rax": 5, "rbx": 7},
    "aarch64": {"x1": DATA, "x0": 5, "x2": 7},
}
COMPARED = {
    "x86_64": ("rax", "rbx", "rdx", "rsi", "rdi", "rsp"),
    "aarch64": (*(f"x{n}" for n in range(9)), "sp"),
}


class Known(NamedTuple):
    """What the oracle saw: program counters, accesses per instruction, and the end."""

    pcs: list[int]
    accesses: list[list[tuple[int, int, int]]]
    registers: dict[str, int]
    memory: bytes


def oracle(arch: str, code: bytes) -> Known:
    """The program under a bare Unicorn, from CODE to its system call."""
    intel = arch == "x86_64"
    library: Any = unicorn  # its types do not say what it exports
    modes = (library.UC_ARCH_X86, library.UC_MODE_64)
    uc = library.Uc(*(modes if intel else (library.UC_ARCH_ARM64, library.UC_MODE_ARM)))
    if not intel:
        uc.ctl_set_cpu_model(arm.UC_CPU_ARM64_A72)
    uc.mem_map(CODE, 0x1000)
    uc.mem_map(DATA, 0x1000)
    uc.mem_write(CODE, code)
    names = x86 if intel else arm
    prefix = "UC_X86_REG_" if intel else "UC_ARM64_REG_"

    def number(name: str) -> int:
        return int(getattr(names, prefix + name.upper()))

    if not intel:
        uc.reg_write(arm.UC_ARM64_REG_CPACR_EL1, 3 << 20)
    for name, value in START[arch].items():
        uc.reg_write(number(name), value)
    uc.reg_write(number("rsp" if intel else "sp"), STACK)
    pcs: list[int] = []
    accesses: list[list[tuple[int, int, int]]] = []

    def on_code(_: Any, address: int, size: int, data: Any) -> None:
        pcs.append(address)
        accesses.append([])

    def on_memory(_: Any, kind: int, address: int, size: int, value: int, data: Any) -> None:
        write = kind == library.UC_MEM_WRITE
        accesses[-1].append((WATCH_WRITE if write else WATCH_READ, address, size))

    uc.hook_add(library.UC_HOOK_CODE, on_code)
    uc.hook_add(library.UC_HOOK_MEM_READ | library.UC_HOOK_MEM_WRITE, on_memory)
    end = CODE + len(code) - len(assembled(arch, END[arch]))
    uc.emu_start(CODE, end)
    for at in [i for i, pc in enumerate(pcs) if i and pc == pcs[i - 1] and not accesses[i]]:
        pcs[at] = 0  # it looks at a string instruction once more, when nothing is left to do
    accesses = [seen for pc, seen in zip(pcs, accesses, strict=True) if pc]
    pcs = [pc for pc in pcs if pc]
    registers = {name: uc.reg_read(number(name)) for name in COMPARED[arch]}
    return Known(pcs, accesses, registers, bytes(uc.mem_read(DATA, 0x400)))


def load(machine: Rig, code: bytes) -> None:
    """The same program on our processor."""
    machine.map(CODE, 1, 0xA)
    machine.map(DATA)
    machine.poke(CODE, code)
    machine.regs.pc = CODE
    machine.regs.sp = STACK
    machine.set(**START[machine.arch.name])


def check_end(machine: Rig, known: Known) -> None:
    """Registers and memory are the oracle's."""
    assert {name: machine.regs.get(name) for name in known.registers} == known.registers
    assert machine.peek(DATA, 0x400) == known.memory


def programs(arch: str) -> st.SearchStrategy[bytes]:
    """Some fragments in a row."""
    begin, end = assembled(arch, BEGIN[arch]), assembled(arch, END[arch])
    one = st.sampled_from([assembled(arch, text) for text in FRAGMENTS[arch]])
    return st.lists(one, min_size=1, max_size=12).map(lambda parts: begin + b"".join(parts) + end)


CODES = st.one_of(*(st.tuples(st.just(arch), programs(arch)) for arch in FRAGMENTS))


@settings(deadline=None, max_examples=80)
@given(CODES)
def test_steps_pass_the_same_places(program: tuple[str, bytes]) -> None:
    arch, code = program
    known = oracle(arch, code)
    with rig(arch) as machine:
        load(machine, code)
        seen = []
        while True:
            seen.append(machine.regs.pc)
            trap = machine.step()
            if trap == TRAP_SYSCALL:
                break
            assert trap == TRAP_STEP
            assert machine.trap[T_PC] == machine.regs.pc
        assert seen[:-1] == known.pcs
        check_end(machine, known)


@settings(deadline=None, max_examples=60)
@given(CODES, st.data())
def test_breakpoints_are_met_exactly(program: tuple[str, bytes], data: st.DataObject) -> None:
    arch, code = program
    known = oracle(arch, code)
    chosen = data.draw(st.sets(st.sampled_from(known.pcs), max_size=4), label="breakpoints")
    with rig(arch) as machine:
        load(machine, code)
        for address in sorted(chosen):
            machine.engine.insert_breakpoint(machine.root, address)
        met = []
        while machine.run() == TRAP_BREAKPOINT:
            met.append(machine.regs.pc)
            assert machine.step() == TRAP_STEP
            while machine.regs.pc in chosen:  # a step may end at the next one
                met.append(machine.regs.pc)
                assert machine.step() == TRAP_STEP
        assert met == [pc for pc in known.pcs if pc in chosen]
        check_end(machine, known)


@settings(deadline=None, max_examples=60)
@given(CODES, st.integers(0, 80), st.integers(1, 12), st.sampled_from((1, 2, 3)))
def test_watchpoints_stop_after_exactly_the_accesses(
    program: tuple[str, bytes], offset: int, length: int, kinds: int
) -> None:
    arch, code = program
    known = oracle(arch, code)
    low = DATA + offset
    with rig(arch) as machine:
        load(machine, code)
        number = machine.engine.insert_watch(machine.root, low, length, kinds)
        expected = [
            index
            for index, accesses in enumerate(known.accesses)
            if any(
                kind & kinds and address < low + length and low < address + size
                for kind, address, size in accesses
            )
        ]
        after = [*known.pcs[1:], CODE + len(code) - len(assembled(arch, END[arch]))]
        met = []
        while (trap := machine.run()) == TRAP_WATCHPOINT:
            assert machine.engine.watch_hits == 1 << number
            met.append(machine.regs.pc)
        assert trap == TRAP_SYSCALL
        assert met == [after[index] for index in expected]
        check_end(machine, known)
