"""Watchpoints of a bare processor."""

from __future__ import annotations

import pytest

from kernel.cpu.base import (
    T_ADDRESS,
    T_PC,
    TRAP_BREAKPOINT,
    TRAP_PAGE_FAULT,
    TRAP_STEP,
    TRAP_WATCHPOINT,
    WATCH_READ,
    WATCH_WRITE,
)
from tests.kernel.cpu.rig import CODE, DATA, Rig

pytestmark = pytest.mark.row("T2")

LOOP = {
    "x86_64": "mov ecx, 3; 2: inc rax; dec ecx; jnz 2b; syscall",
    "aarch64": "mov x1, 3; 2: add x0, x0, 1; subs x1, x1, 1; b.ne 2b; svc 0",
}

STORES = {
    "x86_64": "mov byte ptr [rdi + 7], 1; mov qword ptr [rdi + 8], 2; mov rax, [rdi + 8];"
    "mov byte ptr [rdi + 16], 3; syscall",
    "aarch64": "mov x0, 1; strb w0, [x1, 7]; mov x0, 2; str x0, [x1, 8]; ldr x2, [x1, 8];"
    "mov x0, 3; strb w0, [x1, 16]; svc 0",
}
AFTER_STORE = {"x86_64": 12, "aarch64": 16}
AFTER_LOAD = {"x86_64": 16, "aarch64": 20}
POINTER = {"x86_64": "rdi", "aarch64": "x1"}


def watch_rig(machine: Rig, access: int, at: int = 8, length: int = 8) -> int:
    machine.map(DATA)
    machine.code(STORES[machine.arch.name])
    machine.set(**{POINTER[machine.arch.name]: DATA})
    return machine.engine.insert_watch(machine.root, DATA + at, length, access)


def test_a_write_is_reported_after_the_instruction(machine: Rig) -> None:
    number = watch_rig(machine, WATCH_WRITE)
    assert machine.run() == TRAP_WATCHPOINT
    assert machine.regs.pc == machine.trap[T_PC] == CODE + AFTER_STORE[machine.arch.name]
    assert machine.trap[T_ADDRESS] == DATA + 8
    assert machine.engine.watch_hits == 1 << number
    assert machine.word(DATA + 8) == 2
    machine.expect_syscall()
    assert machine.peek(DATA + 16, 1) == b"\3"


def test_a_read_is_reported_and_a_write_is_not(machine: Rig) -> None:
    watch_rig(machine, WATCH_READ)
    assert machine.run() == TRAP_WATCHPOINT
    assert machine.regs.pc == CODE + AFTER_LOAD[machine.arch.name]
    machine.expect_syscall()


def test_either_access_is_reported(machine: Rig) -> None:
    watch_rig(machine, WATCH_READ | WATCH_WRITE)
    for after in (AFTER_STORE, AFTER_LOAD):
        assert machine.run() == TRAP_WATCHPOINT
        assert machine.regs.pc == CODE + after[machine.arch.name]
    machine.expect_syscall()


def test_one_byte_of_a_wide_store(machine: Rig) -> None:
    watch_rig(machine, WATCH_WRITE, 15, 1)
    assert machine.run() == TRAP_WATCHPOINT
    assert machine.trap[T_ADDRESS] == DATA + 15
    machine.expect_syscall()


def test_a_removed_watchpoint_is_silent(machine: Rig) -> None:
    number = watch_rig(machine, WATCH_WRITE)
    machine.engine.remove_watch(number)
    machine.expect_syscall()


def test_a_step_onto_a_watched_byte_reports_it(machine: Rig) -> None:
    watch_rig(machine, WATCH_WRITE)
    traps = []
    while machine.regs.pc - CODE < AFTER_STORE[machine.arch.name]:
        traps.append(machine.step())
    assert traps[-1] == TRAP_WATCHPOINT
    assert set(traps[:-1]) == {TRAP_STEP}


def test_a_watched_page_keeps_its_loops_right(machine: Rig) -> None:
    """A thousand stores beside a watched byte: none is lost, none is made twice."""
    text = {
        "x86_64": "2: lock add qword ptr [rdi], 1; dec rcx; jnz 2b; syscall",
        "aarch64": "2: ldxr x0, [x1]; add x0, x0, 1; stxr w3, x0, [x1]; cbnz w3, 2b;"
        "sub x2, x2, 1; cbnz x2, 2b; svc 0",
    }[machine.arch.name]
    machine.map(DATA)
    machine.code(text)
    machine.set(
        **{"x86_64": {"rdi": DATA, "rcx": 1000}, "aarch64": {"x1": DATA, "x2": 1000}}[
            machine.arch.name
        ]
    )
    machine.engine.insert_watch(machine.root, DATA + 64, 8, WATCH_WRITE | WATCH_READ)
    machine.expect_syscall()
    assert machine.word(DATA) == 1000


def test_a_store_across_pages(machine: Rig) -> None:
    machine.map(DATA, 2)
    machine.code(
        {"x86_64": "mov [rdi], rax; syscall", "aarch64": "str x0, [x1]; svc 0"}[machine.arch.name]
    )
    machine.set(**{POINTER[machine.arch.name]: DATA + 0xFFC})
    machine.engine.insert_watch(machine.root, DATA + 0x1000, 4, WATCH_WRITE)
    assert machine.run() == TRAP_WATCHPOINT
    assert machine.trap[T_ADDRESS] == DATA + 0x1000


def test_the_second_half_of_a_pair(machine: Rig) -> None:
    machine.map(DATA)
    text = {"x86_64": "movups [rdi], xmm0; syscall", "aarch64": "stp x0, x2, [x1]; svc 0"}
    machine.code(text[machine.arch.name])
    machine.set(**{POINTER[machine.arch.name]: DATA + 0x100})
    machine.regs.sp = DATA + 0x120
    at = {"x86_64": DATA + 0x108, "aarch64": DATA + 0x108}[machine.arch.name]
    machine.engine.insert_watch(machine.root, at, 1, WATCH_WRITE)
    assert machine.run() == TRAP_WATCHPOINT


def test_zeroing_a_block_is_a_write(arm64: Rig) -> None:
    arm64.map(DATA)
    arm64.code("dc zva, x1; svc 0")
    arm64.set(x1=DATA + 0x44)
    arm64.engine.insert_watch(arm64.root, DATA + 0x78, 8, WATCH_WRITE)
    assert arm64.run() == TRAP_WATCHPOINT
    arm64.expect_syscall()


def test_a_fault_beside_a_watched_page(machine: Rig) -> None:
    """A store over a page border whose second page is missing: a fault, then the watchpoint."""
    machine.map(DATA)
    machine.code(
        {"x86_64": "mov [rdi], rax; syscall", "aarch64": "str x0, [x1]; svc 0"}[machine.arch.name]
    )
    machine.set(**{POINTER[machine.arch.name]: DATA + 0xFFC})
    machine.engine.insert_watch(machine.root, DATA + 0xFFC, 4, WATCH_WRITE)
    assert machine.run() == TRAP_PAGE_FAULT
    assert machine.trap[T_ADDRESS] == DATA + 0x1000
    machine.map(DATA + 0x1000)
    assert machine.run() == TRAP_WATCHPOINT


def test_points_go_with_their_page_table(machine: Rig) -> None:
    machine.code(LOOP[machine.arch.name])
    other = machine.physical.take()
    machine.map(DATA, root=other)
    machine.engine.insert_breakpoint(other, CODE)
    machine.engine.insert_watch(other, DATA, 8, WATCH_WRITE)
    machine.ranges.free_tables(other)
    machine.expect_syscall()


def test_watching_a_string_instruction(x86: Rig) -> None:
    """``rep movsb`` over a watched byte stops right after that byte, and goes on."""
    x86.map(DATA)
    x86.code("rep movsb; syscall")
    x86.poke(DATA, bytes(range(1, 33)))
    x86.set(rsi=DATA, rdi=DATA + 0x100, rcx=32)
    x86.engine.insert_watch(x86.root, DATA + 0x110, 1, WATCH_WRITE)
    assert x86.run() == TRAP_WATCHPOINT
    assert x86.regs.get("rcx") == 15
    x86.expect_syscall()
    assert x86.peek(DATA + 0x100, 32) == bytes(range(1, 33))


def test_many_watchpoints_and_one_too_many(machine: Rig) -> None:
    machine.map(DATA)
    numbers = [
        machine.engine.insert_watch(machine.root, DATA + n, 1, WATCH_WRITE) for n in range(64)
    ]
    with pytest.raises(MemoryError):
        machine.engine.insert_watch(machine.root, DATA + 64, 1, WATCH_WRITE)
    machine.code(
        {"x86_64": "mov [rdi], rax; syscall", "aarch64": "str x0, [x1]; svc 0"}[machine.arch.name]
    )
    machine.set(**{POINTER[machine.arch.name]: DATA + 8})
    assert machine.run() == TRAP_WATCHPOINT
    assert machine.engine.watch_hits == sum(1 << numbers[n] for n in range(8, 16))
    for number in numbers:
        machine.engine.remove_watch(number)
    machine.regs.pc = CODE
    machine.expect_syscall()


def test_a_literal_beside_the_code(machine: Rig) -> None:
    """Watching a page does not hinder execution in it; a breakpoint may be there, too."""
    text = {
        "x86_64": "mov ecx, 3; 2: mov rax, [rip + 3f]; dec ecx; jnz 2b; syscall; 3: .quad 77",
        "aarch64": "mov x2, 3; 2: ldr x0, 3f; subs x2, x2, 1; b.ne 2b; svc 0; nop; 3: .quad 77",
    }[machine.arch.name]
    code = machine.code(text)
    load = CODE + {"x86_64": 5, "aarch64": 4}[machine.arch.name]
    size = {"x86_64": 7, "aarch64": 4}[machine.arch.name]
    machine.engine.insert_watch(machine.root, CODE + len(code) - 8, 8, WATCH_READ)
    machine.engine.insert_breakpoint(machine.root, load)
    for _ in range(3):
        assert machine.run() == TRAP_BREAKPOINT
        assert machine.step() == TRAP_WATCHPOINT
        assert machine.regs.pc == load + size
        assert machine.regs.result == 77
    machine.expect_syscall()
