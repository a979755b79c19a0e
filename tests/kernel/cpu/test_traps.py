"""Why run() returns: system calls, exceptions, slices, attention, idling."""

from __future__ import annotations

import signal
import threading

import pytest

from kernel.cpu.base import (
    EXCEPTION_ILLEGAL,
    EXCEPTION_PRIVILEGED,
    EXCEPTION_STUCK,
    T_BLOCKS_DONE,
    T_BLOCKS_LEFT,
    T_EXCEPTION,
    T_NUMBER,
    T_PC,
    T_SP,
    TRAP_ATTENTION,
    TRAP_EXCEPTION,
    TRAP_IDLE,
    TRAP_SLICE,
    TRAP_SYSCALL,
)
from tests.kernel.cpu.rig import CODE, DATA, Rig
from tests.support.counts import scaled

pytestmark = pytest.mark.row("K2")

CALL = {
    "x86_64": "mov eax, 39; mov edi, 1; mov esi, 2; mov edx, 3; mov r10d, 4; mov r8d, 5;"
    "mov r9d, 6; 2: syscall; jmp 2b",
    "aarch64": "mov x8, 172; mov x0, 1; mov x1, 2; mov x2, 3; mov x3, 4; mov x4, 5; mov x5, 6;"
    "2: svc 0; b 2b",
}
SYSCALL = {"x86_64": "syscall", "aarch64": "svc 0"}
SPIN = {"x86_64": "2: jmp 2b", "aarch64": "2: b 2b"}
COUNT = {
    "x86_64": "2: lock add qword ptr [rdi], 1; dec rcx; jnz 2b; syscall",
    "aarch64": "2: ldxr x0, [x1]; add x0, x0, 1; stxr w3, x0, [x1]; cbnz w3, 2b;"
    "sub x2, x2, 1; cbnz x2, 2b; svc 0",
}


def test_system_call_with_its_arguments(machine: Rig) -> None:
    code = machine.code(CALL[machine.arch.name])
    machine.regs.sp = 0x7000
    assert machine.expect_syscall() == [1, 2, 3, 4, 5, 6]
    assert machine.trap[T_NUMBER] == {"x86_64": 39, "aarch64": 172}[machine.arch.name]
    after = CODE + len(code) - (2 if machine.arch.name == "x86_64" else 4)
    assert machine.trap[T_PC] == machine.regs.pc == after
    assert machine.trap[T_SP] == 0x7000


def test_result_is_seen_by_the_program(machine: Rig) -> None:
    machine.code(CALL[machine.arch.name])
    machine.expect_syscall()
    machine.engine.set_result(machine.context, -2)
    assert machine.regs.result == 2**64 - 2
    assert machine.run(1) == TRAP_SLICE  # the jump back
    assert machine.regs.result == 2**64 - 2


def test_result_of_a_context_that_is_not_loaded(machine: Rig) -> None:
    machine.code(CALL[machine.arch.name])
    machine.expect_syscall()
    other = machine.engine.new_context()
    machine.engine.registers(other).pc = CODE
    machine.engine.run(other, machine.root, 10)
    machine.engine.set_result(machine.context, 77)
    machine.engine.set_result(other, 78)
    assert machine.regs.result == 77
    assert machine.engine.registers(other).result == 78


def test_syscall_leaves_return_address_and_flags_as_the_processor_does(x86: Rig) -> None:
    x86.code("stc; syscall")
    x86.expect_syscall()
    assert x86.regs.get("rcx") == CODE + 3
    assert x86.regs.get("r11") == x86.regs.get("eflags") == 0x203


def test_a_loop_without_system_calls_ends_with_its_slice(machine: Rig) -> None:
    machine.code(SPIN[machine.arch.name])
    before = machine.trap[T_BLOCKS_DONE]
    assert machine.run(5000) == TRAP_SLICE
    assert machine.trap[T_PC] == CODE
    assert machine.trap[T_BLOCKS_LEFT] == 0
    assert machine.trap[T_BLOCKS_DONE] - before == 5000


def test_a_budget_of_one_block_makes_progress(machine: Rig) -> None:
    machine.map(DATA)
    machine.code(COUNT[machine.arch.name])
    machine.set(**({"rdi": DATA, "rcx": 50} if machine.arch.name == "x86_64" else _arm_count(50)))
    for _ in range(1000):
        if machine.run(1) == TRAP_SYSCALL:
            break
    assert machine.word(DATA) == 50


def _arm_count(n: int) -> dict[str, int]:
    return {"x1": DATA, "x2": n}


def test_slices_are_deterministic(arch: str) -> None:
    seen = []
    for _ in range(2):
        machine = Rig(arch)
        machine.map(DATA)
        machine.code(COUNT[arch])
        machine.set(**({"rdi": DATA, "rcx": 9000} if arch == "x86_64" else _arm_count(9000)))
        stops = []
        while machine.run(777) != TRAP_SYSCALL:
            stops.append((machine.regs.general(), machine.word(DATA)))
        seen.append(stops)
        machine.engine.close()
    assert seen[0] == seen[1]
    assert len(seen[0]) > 5


def test_attention_before_a_run_ends_it_at_once(machine: Rig) -> None:
    machine.code(SPIN[machine.arch.name])
    machine.engine.request_attention()
    before = machine.trap[T_BLOCKS_DONE]
    assert machine.run(100) == TRAP_ATTENTION
    assert machine.trap[T_BLOCKS_DONE] == before
    assert machine.trap[T_BLOCKS_LEFT] == 100
    assert machine.run(100) == TRAP_SLICE


def test_attention_requests_are_all_seen(machine: Rig) -> None:
    """Each request of the ticker thread is seen; nothing is executed twice or lost."""
    machine.map(DATA)
    machine.code(COUNT[machine.arch.name])
    rounds = 1 << 40
    machine.set(
        **({"rdi": DATA, "rcx": rounds} if machine.arch.name == "x86_64" else _arm_count(rounds))
    )
    machine.engine.start_ticker(50)
    counter = "rcx" if machine.arch.name == "x86_64" else "x2"
    for _ in range(scaled(10_000)):
        assert machine.run(1 << 40) == TRAP_ATTENTION
        done = rounds - machine.regs.get(counter)
        assert machine.word(DATA) - done in (0, 1)
    machine.engine.stop_ticker()


def test_other_python_threads_run_while_the_guest_spins(machine: Rig) -> None:
    machine.code(SPIN[machine.arch.name])
    timer = threading.Timer(0.01, machine.engine.request_attention)
    timer.start()
    assert machine.run(1 << 40) == TRAP_ATTENTION
    timer.join()


@pytest.mark.parametrize(
    ("text", "number", "at"),
    [
        ("div rcx", 0, 0),
        ("int3", 3, 1),
        ("int 3", 3, 1),
        ("int 0x80", 128, 2),
        ("hlt", 13, 0),
        ("cli", 13, 0),
        ("mov rax, cr0", 13, 0),
        ("rdmsr", 13, 0),
        ("lgdt [rax]", 13, 0),
        ("invlpg [rax]", 13, 0),
        ("ud2", EXCEPTION_ILLEGAL, 0),
        (".byte 0xf1", EXCEPTION_ILLEGAL, 0),
        ("rdrand eax", EXCEPTION_ILLEGAL, 0),
        (".byte 0xf0, 0x0f, 0xba, 0xf7, 0x38", EXCEPTION_ILLEGAL, 0),  # lock btr edi, 56
        (".byte 0xf0, 0x0f, 0xb3, 0xd9", EXCEPTION_ILLEGAL, 0),  # lock btr ecx, ebx
        (".byte 0xf0, 0x48, 0x0f, 0xab, 0xd9", EXCEPTION_ILLEGAL, 0),  # lock bts rcx, rbx
        (".byte 0xf0, 0x01, 0xd8", EXCEPTION_ILLEGAL, 0),  # lock add eax, ebx
        ("in al, dx", EXCEPTION_PRIVILEGED, 0),
        ("out 0x80, al", EXCEPTION_PRIVILEGED, 0),
        ("rep insb", EXCEPTION_PRIVILEGED, 0),
        ("sysenter", EXCEPTION_PRIVILEGED, 0),
    ],
)
def test_x86_exceptions(x86: Rig, text: str, number: int, at: int) -> None:
    x86.map(DATA)
    x86.code("inc qword ptr [rdi]; " + text + "; inc qword ptr [rdi]")
    x86.set(rdi=DATA)
    pc = x86.expect_exception(number)
    assert pc == x86.regs.pc == CODE + 3 + at
    assert x86.word(DATA) == 1


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("udf 0", 1),
        ("brk 1", 7),
        ("hvc 0", 1),
        ("smc 0", 1),
        ("eret", 1),
        ("mrs x0, sctlr_el1", 1),
        ("mrs x0, ttbr0_el1", 1),
        ("msr sctlr_el1, x0", 1),
        ("msr daifset, 2", 1),
        ("tlbi vmalle1", 1),
        ("mov x1, 0x601; ldxr x0, [x1]", 4),
        ("ldadd x0, x1, [x2]", 1),
        (".inst 0x4ece2f29", 1),
        (".inst 0x4ef81b04", 1),
    ],
)
def test_arm64_exceptions(arm64: Rig, text: str, number: int) -> None:
    """The last rows: atomics the A72 lacks, and encodings that abort the `max` model's host."""
    arm64.map(0)
    arm64.code(text)
    pc = arm64.expect_exception(number)
    assert pc == arm64.regs.pc == CODE + 4 * text.count(";")


def test_exceptions_in_a_row_are_all_reported(x86: Rig) -> None:
    """Unicorn would call the second a double fault and drop the third."""
    for text, number in [("div rcx", 0), ("hlt", 13), ("div rcx", 0), ("hlt", 13)] * 3:
        x86.code(text)
        x86.expect_exception(number)
        assert x86.expect_exception(number) == CODE
    x86.code("mov eax, 1; syscall")
    x86.expect_syscall()


def test_clone_of_a_context_with_an_exception_is_not_tainted(x86: Rig) -> None:
    x86.code("div rcx")
    x86.expect_exception(0)
    child = x86.engine.clone_context(x86.context)
    x86.context = child
    x86.expect_exception(0)


def test_exceptions_in_a_row_on_arm64(arm64: Rig) -> None:
    for text, number in [("udf 0", 1), ("brk 1", 7), ("udf 0", 1)]:
        arm64.code(text)
        arm64.expect_exception(number)
        assert arm64.expect_exception(number) == CODE


def test_wfi_is_a_yield(arm64: Rig) -> None:
    arm64.code("wfi; svc 0")
    assert arm64.run() == TRAP_IDLE
    assert arm64.regs.pc == CODE + 4
    arm64.expect_syscall()


def test_single_step_flag(x86: Rig) -> None:
    x86.code("nop; nop; syscall")
    x86.set(eflags=0x302)
    assert x86.expect_exception(1) == CODE + 1
    assert x86.expect_exception(1) == CODE + 2


def test_user_time_grows(machine: Rig) -> None:
    machine.code(SPIN[machine.arch.name])
    machine.run(100_000)
    first = machine.engine.user_ns(machine.context)
    machine.run(100_000)
    assert machine.engine.user_ns(machine.context) > first > 0
    assert machine.engine.system_ns(machine.context) > 0


MIXTURE = {
    "x86_64": "mov ebx, 20; 1: lea rsi, [rdi + 0x100]; push rdi; add rdi, 0x201; mov ecx, 77;"
    "rep movsb; pop rdi; lock add qword ptr [rdi], rbx; call 3f; fild qword ptr [rdi];"
    "fistp qword ptr [rdi + 0x108]; std; push rdi; lea rdi, [rdi + 0x180]; mov ecx, 9;"
    "mov eax, ebx; rep stosw; cld; pop rdi; dec ebx; jnz 1b; syscall;"
    "3: inc byte ptr [rdi + rbx + 0x100]; ret",
    "aarch64": "mov x3, 20; 1: add x4, x1, 0x100; mov x5, 30; 2: ldrb w6, [x4], 1; add w6, w6, w3;"
    "strb w6, [x4, 0x100]; subs x5, x5, 1; b.ne 2b; ldxr x7, [x1]; add x7, x7, x3;"
    "stxr w8, x7, [x1]; bl 3f; stp x3, x4, [sp, -16]!; ldp x9, x10, [sp], 16; subs x3, x3, 1;"
    "b.ne 1b; svc 0; 3: scvtf d0, x7; str d0, [x1, 0x18]; ret",
}


def test_the_length_of_slices_changes_nothing(arch: str) -> None:
    """Stops are between instructions with exact state, wherever they fall."""
    outcomes = set()
    for blocks in (1, 2, 3, 7, 1_000_000):
        machine = Rig(arch)
        machine.map(DATA)
        machine.code(MIXTURE[arch])
        machine.set(**{"rdi" if arch == "x86_64" else "x1": DATA})
        machine.regs.sp = DATA + 0x1000
        slices = 0
        while (trap := machine.run(blocks)) == TRAP_SLICE:
            slices += 1
        assert trap == TRAP_SYSCALL
        assert slices > 10 or blocks > 7
        outcomes.add((machine.regs.general(), machine.regs.fp_image(), machine.peek(DATA, 4096)))
        machine.engine.close()
    assert len(outcomes) == 1


def test_a_host_signal_ends_guest_code(machine: Rig) -> None:
    """The C handler asks for attention, then Python's handler runs as always."""
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, frame: seen.append(number))
    try:
        machine.engine.watch_signal(signal.SIGUSR2)
        machine.code(SPIN[machine.arch.name])
        main = threading.main_thread().ident
        assert main is not None
        timer = threading.Timer(0.01, signal.pthread_kill, (main, signal.SIGUSR2))
        timer.start()
        assert machine.run(1 << 40) == TRAP_ATTENTION
        timer.join()
        assert seen == [signal.SIGUSR2]
    finally:
        machine.engine.close()
        signal.signal(signal.SIGUSR2, before)


def test_signals_are_not_watched_after_close(machine: Rig) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR2, lambda number, frame: seen.append(number))
    try:
        machine.engine.watch_signal(signal.SIGUSR2)
        machine.engine.close()
        signal.raise_signal(signal.SIGUSR2)
        assert seen == [signal.SIGUSR2]
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_the_ticker_stops(machine: Rig) -> None:
    machine.code(SPIN[machine.arch.name])
    machine.engine.start_ticker(100)
    assert machine.run(1 << 40) == TRAP_ATTENTION
    machine.engine.stop_ticker()
    machine.engine.stop_ticker()
    while machine.run(1000) == TRAP_ATTENTION:
        pass
    assert machine.run(1_000_000) == TRAP_SLICE


def test_running_a_freed_context_is_an_error_and_no_crash(machine: Rig) -> None:
    machine.code(SPIN[machine.arch.name])
    machine.engine.free_context(machine.context)
    assert machine.run() == TRAP_EXCEPTION
    assert machine.trap[T_EXCEPTION] == EXCEPTION_STUCK
