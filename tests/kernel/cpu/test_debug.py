"""Single steps, breakpoints and watchpoints of a bare processor."""

from __future__ import annotations

import pytest

from kernel.cpu.base import (
    ACCESS_READ,
    T_ACCESS,
    T_ADDRESS,
    T_EXCEPTION,
    T_PC,
    TRAP_ATTENTION,
    TRAP_BREAKPOINT,
    TRAP_EXCEPTION,
    TRAP_PAGE_FAULT,
    TRAP_SLICE,
    TRAP_STEP,
    TRAP_SYSCALL,
    TRAP_WATCHPOINT,
    WATCH_READ,
    WATCH_WRITE,
)
from tests.kernel.cpu.rig import CODE, DATA, RW, RWX, RX, Rig

pytestmark = pytest.mark.row("T2")

TF = 1 << 8


def step(rig: Rig, blocks: int = 1000) -> int:
    """One instruction."""
    return rig.engine.step(rig.context, rig.root, blocks)


def steps(rig: Rig, count: int) -> list[int]:
    """Program counters after each of ``count`` steps, relative to CODE."""
    seen = []
    for _ in range(count):
        assert step(rig) == TRAP_STEP, rig.describe()
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
    assert step(machine) == TRAP_SYSCALL


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
    assert step(machine) == TRAP_PAGE_FAULT
    assert (machine.trap[T_ADDRESS], machine.trap[T_ACCESS]) == (DATA, ACCESS_READ)
    assert machine.regs.pc == CODE
    machine.map(DATA)
    assert step(machine) == TRAP_STEP
    assert machine.regs.pc > CODE


UNDEFINED = {"x86_64": "ud2", "aarch64": "udf 0"}


def test_an_undefined_instruction_is_no_finished_step(machine: Rig) -> None:
    machine.code(UNDEFINED[machine.arch.name])
    assert step(machine) == TRAP_EXCEPTION
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
    assert step(machine) == TRAP_ATTENTION
    assert step(machine, 1) == TRAP_STEP


# -- what the program can see of it


def test_pushed_flags_do_not_show_the_step(x86: Rig) -> None:
    x86.map(DATA)
    x86.code("pushfq; pop rax; pushf; pop bx; syscall")
    x86.regs.sp = DATA + 0x800
    steps(x86, 4)
    assert not x86.regs.get("rax") & (TF | 1 << 16)
    assert not x86.regs.get("rbx") & TF
    assert step(x86) == TRAP_SYSCALL
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


# -- breakpoints

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
        assert step(machine) == TRAP_STEP
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
        assert step(machine) == TRAP_STEP
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
    assert step(machine) == TRAP_EXCEPTION
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
    assert step(machine) == TRAP_STEP
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


# -- watchpoints

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
        traps.append(step(machine))
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
