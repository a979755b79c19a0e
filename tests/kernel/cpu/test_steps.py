"""Single steps of a bare processor, and that the program cannot see them."""

from __future__ import annotations

import pytest

from kernel.cpu.base import (
    ACCESS_READ,
    T_ACCESS,
    T_ADDRESS,
    T_EXCEPTION,
    T_PC,
    TRAP_ATTENTION,
    TRAP_EXCEPTION,
    TRAP_PAGE_FAULT,
    TRAP_STEP,
    TRAP_SYSCALL,
)
from tests.kernel.cpu.rig import CODE, DATA, Rig

pytestmark = pytest.mark.row("T2")

TF = 1 << 8


def steps(rig: Rig, count: int) -> list[int]:
    """Program counters after each of ``count`` steps, relative to CODE."""
    seen = []
    for _ in range(count):
        assert rig.step() == TRAP_STEP, rig.describe()
        assert rig.trap[T_PC] == rig.regs.pc
        seen.append(rig.regs.pc - CODE)
    return seen


BRANCHES = {
    "x86_64": "mov ecx, 2; 2: dec ecx; jnz 2b; nop; jmp 3f; nop; 3: call 4f; 4: pop rax; syscall",
    "aarch64": "mov x1, 2; 2: subs x1, x1, 1; b.ne 2b; nop; b 3f; nop; 3: bl 4f; 4: mov x0, x30;"
    "svc 0",
}
BRANCHES_PCS = {
    "x86_64": [5, 7, 5, 7, 9, 10, 13, 18, 19],
    "aarch64": [4, 8, 4, 8, 12, 16, 24, 28, 32],
}


def test_steps_are_single_instructions(machine: Rig) -> None:
    machine.map(DATA)
    machine.code(BRANCHES[machine.arch.name])
    machine.regs.sp = DATA + 0x800
    expected = BRANCHES_PCS[machine.arch.name]
    assert steps(machine, len(expected)) == expected
    assert machine.step() == TRAP_SYSCALL


def test_running_goes_on_after_steps(machine: Rig) -> None:
    machine.map(DATA)
    machine.code(BRANCHES[machine.arch.name])
    machine.regs.sp = DATA + 0x800
    steps(machine, 3)
    machine.expect_syscall()


SELF = {"x86_64": "2: jmp 2b", "aarch64": "2: b 2b"}


def test_step_of_a_jump_to_itself_is_one_step(machine: Rig) -> None:
    machine.code(SELF[machine.arch.name])
    assert steps(machine, 3) == [0, 0, 0]


FAULTING = {"x86_64": "mov rax, [rdi]; nop", "aarch64": "ldr x0, [x1]; nop"}


def test_a_fault_in_a_step_is_reported_and_the_step_made_again(machine: Rig) -> None:
    machine.code(FAULTING[machine.arch.name])
    machine.set(**{"x86_64": {"rdi": DATA}, "aarch64": {"x1": DATA}}[machine.arch.name])
    assert machine.step() == TRAP_PAGE_FAULT
    assert (machine.trap[T_ADDRESS], machine.trap[T_ACCESS]) == (DATA, ACCESS_READ)
    assert machine.regs.pc == CODE
    machine.map(DATA)
    assert machine.step() == TRAP_STEP
    assert machine.regs.pc > CODE


UNDEFINED = {"x86_64": "ud2", "aarch64": "udf 0"}


def test_an_undefined_instruction_is_no_finished_step(machine: Rig) -> None:
    machine.code(UNDEFINED[machine.arch.name])
    assert machine.step() == TRAP_EXCEPTION
    assert machine.regs.pc == CODE


def test_identification_and_time_registers_are_one_step(arm64: Rig) -> None:
    arm64.code("mrs x0, midr_el1; mrs x1, cntvct_el0; mrs x2, nzcv; msr nzcv, x2; nop")
    assert steps(arm64, 5) == [4, 8, 12, 16, 20]
    assert arm64.regs.get("x0") != 0


def test_answered_instructions_are_one_step(x86: Rig) -> None:
    x86.code("cpuid; rdtsc; rdtscp; nop")
    assert steps(x86, 4) == [2, 4, 7, 8]


def test_exclusives_can_be_stepped_through(arm64: Rig) -> None:
    arm64.map(DATA)
    arm64.code("ldxr x0, [x1]; add x0, x0, 1; stxr w3, x0, [x1]; nop")
    arm64.set(x1=DATA)
    steps(arm64, 4)
    assert arm64.word(DATA) == 1
    assert arm64.regs.get("x3") == 0


def test_an_iteration_of_a_string_instruction_is_a_step(x86: Rig) -> None:
    x86.map(DATA)
    x86.code("rep stosb; nop")
    x86.set(rdi=DATA, rcx=3, rax=7)
    assert steps(x86, 3)[:2] == [0, 0]
    assert x86.regs.get("rcx") == 0
    assert x86.peek(DATA, 4) == b"\7\7\7\0"


def test_no_step_without_budget_or_with_attention(machine: Rig) -> None:
    machine.code(SELF[machine.arch.name])
    machine.engine.request_attention()
    assert machine.step() == TRAP_ATTENTION
    assert machine.step(1) == TRAP_STEP


# -- what the program can see of it


def test_pushed_flags_do_not_show_the_step(x86: Rig) -> None:
    x86.map(DATA)
    x86.code("pushfq; pop rax; pushf; pop bx; syscall")
    x86.regs.sp = DATA + 0x800
    steps(x86, 4)
    assert not x86.regs.get("rax") & (TF | 1 << 16)
    assert not x86.regs.get("rbx") & TF
    assert x86.step() == TRAP_SYSCALL
    assert not x86.regs.get("r11") & TF
    assert not x86.regs.get("eflags") & TF


def test_the_programs_own_trap_flag_survives(x86: Rig) -> None:
    x86.map(DATA)
    x86.code("pushfq; or qword ptr [rsp], 256; popfq; nop; nop")
    x86.regs.sp = DATA + 0x800
    steps(x86, 3)
    assert x86.regs.get("eflags") & TF
    assert x86.run() == TRAP_EXCEPTION  # after the first nop, as on a real one
    assert x86.trap[T_EXCEPTION] == 1


def test_a_popped_clear_trap_flag_stays_clear(x86: Rig) -> None:
    x86.map(DATA)
    x86.code("pushfq; popfq; nop; syscall")
    x86.regs.sp = DATA + 0x800
    steps(x86, 3)
    assert not x86.regs.get("eflags") & TF
    x86.expect_syscall()
