"""Breakpoints of a bare processor: met exactly, seen by nobody."""

from __future__ import annotations

import pytest

from kernel.cpu.base import (
    T_EXCEPTION,
    T_PC,
    TRAP_BREAKPOINT,
    TRAP_EXCEPTION,
    TRAP_PAGE_FAULT,
    TRAP_SLICE,
    TRAP_STEP,
    TRAP_SYSCALL,
)
from tests.kernel.cpu.assemble import assembled
from tests.kernel.cpu.rig import CODE, DATA, RW, RWX, RX, Rig

pytestmark = pytest.mark.row("T2")

SELF = {"x86_64": "2: jmp 2b", "aarch64": "2: b 2b"}
POINTER = {"x86_64": "rdi", "aarch64": "x1"}

LOOP = {
    "x86_64": "mov ecx, 3; 2: inc rax; dec ecx; jnz 2b; syscall",
    "aarch64": "mov x1, 3; 2: add x0, x0, 1; subs x1, x1, 1; b.ne 2b; svc 0",
}
BODY = {"x86_64": 5, "aarch64": 4}


def test_a_breakpoint_is_met_before_its_instruction(machine: Rig) -> None:
    machine.code(LOOP[machine.arch.name])
    body = CODE + BODY[machine.arch.name]
    machine.engine.insert_breakpoint(machine.root, body)
    for round_ in range(3):
        assert machine.run() == TRAP_BREAKPOINT
        assert machine.trap[T_PC] == machine.regs.pc == body
        assert machine.regs.result == round_
        assert machine.step() == TRAP_STEP
    machine.expect_syscall()


def test_a_breakpoint_in_code_that_ran_before(machine: Rig) -> None:
    machine.code(LOOP[machine.arch.name])
    machine.expect_syscall()
    body = CODE + BODY[machine.arch.name]
    machine.engine.insert_breakpoint(machine.root, body)
    machine.regs.pc = CODE
    assert machine.run() == TRAP_BREAKPOINT
    machine.engine.remove_breakpoint(machine.root, body)
    machine.expect_syscall()
    machine.regs.pc = CODE
    machine.expect_syscall()


def test_a_breakpoint_cannot_be_read(machine: Rig) -> None:
    """By the kernel, in the page; by the program, whatever else it does there."""
    text = {
        "x86_64": "mov ecx, 3; 2: mov rax, [rip + 2b]; dec ecx; jnz 2b; syscall",
        "aarch64": "mov x1, 3; adr x3, 2f; 2: ldr x2, [x3]; subs x1, x1, 1; b.ne 2b; svc 0",
    }[machine.arch.name]
    code = machine.code(text)
    body = {"x86_64": 5, "aarch64": 8}[machine.arch.name]
    machine.engine.insert_breakpoint(machine.root, CODE + body)
    for _ in range(3):
        assert machine.run() == TRAP_BREAKPOINT
        assert machine.step() == TRAP_STEP
        value = machine.regs.get({"x86_64": "rax", "aarch64": "x2"}[machine.arch.name])
        assert value.to_bytes(8, "little") == code[body : body + 8]
    assert machine.peek(CODE, len(code)) == code
    machine.expect_syscall()


def test_another_space_does_not_see_it(machine: Rig) -> None:
    """The same frame at the same address in two page tables: one of them has a breakpoint."""
    machine.code(LOOP[machine.arch.name])
    other = machine.physical.take()
    frame = machine.frame(CODE)
    assert machine.ranges.map_frames(other, CODE >> 12, [frame], RX) == 1
    machine.engine.insert_breakpoint(machine.root, CODE)
    twin = machine.engine.new_context()
    machine.engine.registers(twin).pc = CODE
    for _ in range(3):
        assert machine.engine.run(twin, other, 1000) == TRAP_SYSCALL
        machine.engine.registers(twin).pc = CODE
        assert machine.run() == TRAP_BREAKPOINT


def test_the_programs_own_breakpoint_stays_its_own(machine: Rig) -> None:
    machine.code({"x86_64": "int3; nop", "aarch64": "brk 0; nop"}[machine.arch.name])
    number = {"x86_64": 3, "aarch64": 7}[machine.arch.name]
    machine.engine.insert_breakpoint(machine.root, CODE + 4)
    machine.expect_exception(number)
    machine.engine.insert_breakpoint(machine.root, CODE)
    machine.regs.pc = CODE
    assert machine.run() == TRAP_BREAKPOINT
    assert machine.step() == TRAP_EXCEPTION
    assert machine.trap[T_EXCEPTION] == number


def test_code_written_under_a_breakpoint_is_seen(machine: Rig) -> None:
    """The program changes the instructions after a breakpoint in its own page, and runs them."""
    text, at = {
        "x86_64": ("mov byte ptr [rip + 3f + 1], 9; 2: nop; 3: mov eax, 1; syscall", 7),
        "aarch64": ("adr x1, 3f; str w2, [x1]; isb; 2: nop; 3: mov x0, 1; svc 0", 12),
    }[machine.arch.name]
    machine.code(text, flags=RWX)
    if machine.arch.name == "aarch64":
        machine.set(x2=0xD2800120)  # mov x0, 9
    machine.engine.insert_breakpoint(machine.root, CODE + at)
    assert machine.run() == TRAP_BREAKPOINT
    assert machine.step() == TRAP_STEP
    machine.expect_syscall()
    assert machine.regs.result == 9
    machine.regs.pc = CODE
    machine.poke(CODE, machine.peek(CODE, 4))
    assert machine.run() == TRAP_BREAKPOINT


def test_code_written_by_the_kernel_is_seen(machine: Rig) -> None:
    machine.code(
        {"x86_64": "mov eax, 1; syscall", "aarch64": "mov x0, 1; svc 0"}[machine.arch.name]
    )
    machine.engine.insert_breakpoint(machine.root, CODE + 0x100)
    machine.expect_syscall()
    machine.code(
        {"x86_64": "mov eax, 9; syscall", "aarch64": "mov x0, 9; svc 0"}[machine.arch.name]
    )
    machine.expect_syscall()
    assert machine.regs.result == 9


def test_a_page_that_goes_takes_the_fetch_along(machine: Rig) -> None:
    machine.code(LOOP[machine.arch.name])
    body = CODE + BODY[machine.arch.name]
    machine.engine.insert_breakpoint(machine.root, body)
    assert machine.run() == TRAP_BREAKPOINT
    frame = machine.frame(CODE)
    machine.ranges.protect(machine.root, CODE >> 12, 1, RW)
    machine.engine.invalidate(machine.root, CODE, 1)
    assert machine.run() == TRAP_PAGE_FAULT
    assert machine.frame(CODE) == frame


def test_a_page_that_is_copied_keeps_its_breakpoint(machine: Rig) -> None:
    """A copy-on-write break: another frame, with other code, at the same address."""
    first, second = (
        {"x86_64": f"mov eax, {n}; nop; syscall", "aarch64": f"mov x0, {n}; nop; svc 0"}
        for n in (1, 9)
    )
    machine.code(first[machine.arch.name])
    behind = (
        CODE
        + len(assembled(machine.arch.name, first[machine.arch.name]))
        - (3 if machine.arch.name == "x86_64" else 8)
    )
    machine.engine.insert_breakpoint(machine.root, behind)
    assert machine.run() == TRAP_BREAKPOINT
    copy = machine.physical.take()
    code = assembled(machine.arch.name, second[machine.arch.name])
    machine.physical.bytes[copy << 12 : (copy << 12) + len(code)] = code
    machine.set_entry(CODE, copy << 12 | machine.entry(CODE) & 0xFFF)
    machine.engine.invalidate(machine.root, CODE, 1)
    machine.regs.pc = CODE
    assert machine.run() == TRAP_BREAKPOINT
    assert (machine.regs.pc, machine.regs.result) == (behind, 9)
    assert machine.step() == TRAP_STEP
    machine.expect_syscall()


def test_attention_and_slices_come_as_always(machine: Rig) -> None:
    machine.code(SELF[machine.arch.name])
    machine.engine.insert_breakpoint(machine.root, CODE + 0x10)
    assert machine.run(100) == TRAP_SLICE


def test_the_last_point_puts_the_processor_back(machine: Rig) -> None:
    machine.code(LOOP[machine.arch.name])
    machine.engine.insert_breakpoint(machine.root, CODE)
    machine.engine.insert_breakpoint(machine.root, CODE)
    machine.engine.remove_breakpoint(machine.root, CODE)
    machine.engine.remove_breakpoint(machine.root, CODE)
    machine.engine.remove_breakpoint(machine.root, CODE + 8)
    machine.expect_syscall()


def test_code_entered_in_two_ways(x86: Rig) -> None:
    """``mov eax, 0x90c3c0ff`` holds ``inc eax; ret`` one byte on, where the breakpoint is."""
    x86.map(DATA)
    x86.code("2: mov eax, 0x90c3c0ff; call 2b + 1; syscall")
    inner = CODE + 1
    x86.regs.sp = DATA + 0x800
    x86.engine.insert_breakpoint(x86.root, inner)
    for _ in range(3):
        x86.regs.pc = CODE
        assert x86.run() == TRAP_BREAKPOINT
        assert x86.regs.pc == inner
        assert x86.regs.get("rax") == 0x90C3C0FF  # the outer instruction was executed whole
        assert x86.step() == TRAP_STEP
        assert x86.regs.get("rax") == 0x90C3C100
        x86.expect_syscall()


def test_the_outer_way_alone(x86: Rig) -> None:
    x86.code("2: mov eax, 0x90c3c0ff; dec ecx; jnz 2b; syscall")
    x86.set(rcx=5)
    x86.engine.insert_breakpoint(x86.root, CODE + 1)
    x86.expect_syscall()
    assert x86.regs.get("rax") == 0x90C3C0FF


def test_a_forbidden_instruction_with_a_breakpoint_inside(x86: Rig) -> None:
    """It is refused, for ever: once it was neither executed nor reported."""
    x86.code("nop; vaddps xmm0, xmm1, xmm2; syscall")
    x86.engine.insert_breakpoint(x86.root, CODE + 3)
    for _ in range(2):
        assert x86.run(1000) == TRAP_EXCEPTION
        assert x86.trap[T_PC] == CODE + 1
        assert x86.step() == TRAP_EXCEPTION


def test_an_instruction_over_a_page_border(x86: Rig) -> None:
    """Breakpoints at it, and behind it in the second page; both pages have shadows."""
    x86.map(CODE, 2, RX)
    code = x86.code("mov rax, 0x1122334455667788; inc rax; syscall")
    start = CODE + 0xFFB
    x86.poke(start, code[:5])
    x86.poke(CODE + 0x1000, code[5:])
    for frame in (x86.frame(CODE), x86.frame(CODE + 0x1000)):
        x86.engine.invalidate_code(frame)
    x86.engine.insert_breakpoint(x86.root, start)
    x86.engine.insert_breakpoint(x86.root, start + 10)
    for _ in range(2):
        x86.regs.pc = start
        assert x86.run() == TRAP_BREAKPOINT
        assert x86.regs.pc == start
        assert x86.step() == TRAP_STEP
        assert x86.regs.pc == start + 10
        assert x86.run() == TRAP_BREAKPOINT
        assert x86.step() == TRAP_STEP
        x86.expect_syscall()
        assert x86.regs.get("rax") == 0x1122334455667789


def test_many_pages(machine: Rig) -> None:
    """A breakpoint in each of 40 pages, met in order, then removed in another."""
    nops = {"x86_64": b"\x90", "aarch64": b"\x1f\x20\x03\xd5"}[machine.arch.name]
    pages = 40
    machine.map(CODE, pages, RX)
    for page in range(pages):
        machine.poke(CODE + page * 4096, nops * (4096 // len(nops)))
    machine.regs.pc = CODE
    points = [CODE + page * 4096 + 8 * page for page in range(pages)]
    for point in points:
        machine.engine.insert_breakpoint(machine.root, point)
    for point in points:
        assert machine.run() == TRAP_BREAKPOINT
        assert machine.regs.pc == point
        assert machine.step() == TRAP_STEP
    for point in reversed(points):
        machine.engine.remove_breakpoint(machine.root, point)
    machine.regs.pc = CODE
    assert machine.run() == TRAP_PAGE_FAULT


def test_memory_shared_with_a_space_that_writes_it(machine: Rig) -> None:
    """Another process writes code through its own mapping while nobody tells the kernel."""
    text = {"x86_64": "mov eax, 1; syscall", "aarch64": "mov x0, 1; svc 0"}
    machine.code(text[machine.arch.name], flags=RWX)
    machine.engine.insert_breakpoint(machine.root, CODE + 0x100)
    machine.expect_syscall()
    other = machine.physical.take()
    assert machine.ranges.map_frames(other, DATA >> 12, [machine.frame(CODE)], RW) == 1
    machine.map(CODE + 0x10000, 1, RX, root=other)
    store = {"x86_64": "mov byte ptr [rdi + 1], 9; syscall", "aarch64": "str w2, [x1]; svc 0"}
    frame = machine.ranges.walk(other, (CODE + 0x10000) >> 12) >> 12
    code = assembled(machine.arch.name, store[machine.arch.name])
    machine.physical.bytes[frame << 12 : (frame << 12) + len(code)] = code
    writer = machine.engine.new_context()
    registers = machine.engine.registers(writer)
    registers.pc = CODE + 0x10000
    registers.set(POINTER[machine.arch.name], DATA)
    if machine.arch.name == "aarch64":
        registers.set("x2", 0xD2800120)  # mov x0, 9
    assert machine.engine.run(writer, other, 1000) == TRAP_SYSCALL
    machine.regs.pc = CODE
    machine.expect_syscall()
    assert machine.regs.result == 9


def test_an_abort_of_the_emulator_keeps_breakpoints(x86: Rig) -> None:
    """The engine is made anew (guard.c); the shadows are mapped into the new one."""
    x86.code("lock btr rax, 1; nop")
    x86.engine.insert_breakpoint(x86.root, CODE + 8)
    assert x86.run() == TRAP_EXCEPTION
    x86.code("nop; nop; nop; nop; nop; nop; nop; nop; nop; syscall")
    assert x86.run() == TRAP_BREAKPOINT
    assert x86.step() == TRAP_STEP
    x86.expect_syscall()


def test_avx_behind_a_breakpoint_is_still_refused(x86: Rig) -> None:
    x86.code("nop; nop; vaddps xmm0, xmm1, xmm2; syscall")
    x86.engine.insert_breakpoint(x86.root, CODE + 1)
    assert x86.run() == TRAP_BREAKPOINT
    assert x86.step() == TRAP_STEP
    assert x86.run() == TRAP_EXCEPTION
    assert x86.trap[T_PC] == CODE + 2
