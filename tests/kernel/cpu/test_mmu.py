"""The TLB: it grows, it is emptied no more than needed, and it hides the kernel's own addresses."""

from __future__ import annotations

import pytest

from kernel.cpu.base import ACCESS_FETCH, ACCESS_READ, ACCESS_WRITE
from tests.kernel.cpu.rig import CODE, DATA, Rig

pytestmark = pytest.mark.row("K2", "K12")

WALK_PAGES = {
    # registers: pages, rounds; reads a word of each page, round after round
    "x86_64": "2: mov rax, rdi; mov rcx, rsi; 1: add r8, [rax]; add rax, 4096; dec rcx; jnz 1b;"
    "dec rdx; jnz 2b; syscall",
    "aarch64": "2: mov x3, x0; mov x4, x1; 1: ldr x5, [x3]; add x3, x3, 1, lsl 12;"
    "subs x4, x4, 1; b.ne 1b; subs x2, x2, 1; b.ne 2b; svc 0",
}
ARGUMENTS = {"x86_64": ("rdi", "rsi", "rdx"), "aarch64": ("x0", "x1", "x2")}
SCRATCH_PAGE = 0xFFFF900000000000
STUB_PAGE = 0xFFFF900000100000
LOAD = {"x86_64": "mov rax, [rdi]; syscall", "aarch64": "ldr x0, [x1]; svc 0"}
STORE = {"x86_64": "mov [rdi], rax; syscall", "aarch64": "str x0, [x1]; svc 0"}
JUMP = {"x86_64": "jmp rdi", "aarch64": "br x1"}
POINTER = {"x86_64": "rdi", "aarch64": "x1"}


@pytest.mark.parametrize("pages", [500, 3000])
def test_tlb_grows_with_the_working_set(machine: Rig, pages: int) -> None:
    machine.map(DATA, pages)
    machine.code(WALK_PAGES[machine.arch.name])
    machine.set(**dict(zip(ARGUMENTS[machine.arch.name], (DATA, pages, 200), strict=True)))
    machine.expect_syscall()
    counters = machine.engine.counters()
    assert counters["tlb_misses"] < 8 * pages, "a TLB that does not grow misses 200 times a page"
    assert counters["tlb_flushes"] < 10


def test_threads_of_one_space_switch_without_a_flush(machine: Rig) -> None:
    machine.code({"x86_64": "2: syscall; jmp 2b", "aarch64": "2: svc 0; b 2b"}[machine.arch.name])
    other = machine.engine.clone_context(machine.context)
    machine.run()
    before = machine.engine.counters()
    for _ in range(10):
        machine.engine.run(other, machine.root, 100)
        machine.engine.run(machine.context, machine.root, 100)
    after = machine.engine.counters()
    assert after["tlb_flushes"] == before["tlb_flushes"]
    assert after["tlb_misses"] == before["tlb_misses"]


def test_few_pages_are_flushed_singly_and_many_at_once(machine: Rig) -> None:
    machine.code({"x86_64": "2: syscall; jmp 2b", "aarch64": "2: svc 0; b 2b"}[machine.arch.name])
    machine.run()
    before = machine.engine.counters()
    machine.engine.invalidate(machine.root, DATA, 30)
    machine.run()
    singly = machine.engine.counters()
    assert singly["page_flushes"] - before["page_flushes"] == 30
    assert singly["tlb_flushes"] == before["tlb_flushes"]
    machine.engine.invalidate(machine.root, DATA, 33)
    machine.run()
    at_once = machine.engine.counters()
    assert at_once["page_flushes"] == singly["page_flushes"]
    assert at_once["tlb_flushes"] == singly["tlb_flushes"] + 1


def kernel_addresses() -> list[int]:
    scratch = [SCRATCH_PAGE + page * 4096 for page in range(16)]
    return [*scratch, STUB_PAGE, STUB_PAGE + 0x400]


@pytest.mark.parametrize(
    ("program", "access"),
    [(LOAD, ACCESS_READ), (STORE, ACCESS_WRITE), (JUMP, ACCESS_FETCH)],
    ids=["load", "store", "jump"],
)
def test_kernel_addresses_are_unreachable(
    machine: Rig, program: dict[str, str], access: int
) -> None:
    """Even right after the kernel used them: their TLB entries are gone before user code runs."""
    name = machine.arch.name
    machine.code(program[name])
    machine.map(DATA)
    for address in kernel_addresses():
        machine.engine.invalidate_code(machine.frame(CODE))
        machine.engine.invalidate(machine.root, DATA, 1)
        machine.set(**{POINTER[name]: address})
        machine.regs.pc = CODE
        machine.expect_fault(address & ~0xFFF, access)


def test_kernel_addresses_are_unreachable_after_start(machine: Rig) -> None:
    name = machine.arch.name
    machine.code(LOAD[name])
    machine.set(**{POINTER[name]: STUB_PAGE})
    machine.expect_fault(STUB_PAGE, ACCESS_READ)


@pytest.mark.parametrize(
    "address", [1 << 47, 1 << 63, 0xFFFF800000000000, 2**64 - 4096, 0x0100000000000000 - 4096]
)
def test_addresses_outside_user_space_fault(machine: Rig, address: int) -> None:
    name = machine.arch.name
    if name == "aarch64" and address == 1 << 63:
        address |= 1 << 48  # the top byte alone is a tag there
    machine.map(0)  # what a truncated address would reach
    for program, access in ((LOAD, ACCESS_READ), (STORE, ACCESS_WRITE)):
        machine.code(program[name])
        machine.set(**{POINTER[name]: address})
        machine.expect_fault(address, access)


def test_the_last_page_of_user_space_works(machine: Rig) -> None:
    name = machine.arch.name
    last = (1 << 47) - 4096
    machine.map(last)
    machine.poke(last + 4088, b"\x2a")
    machine.code(LOAD[name])
    machine.set(**{POINTER[name]: last + 4088})
    machine.expect_syscall()
    assert machine.regs.get("rax" if name == "x86_64" else "x0") == 42


def test_without_an_address_space_everything_faults(machine: Rig) -> None:
    machine.regs.pc = CODE
    machine.root = 0
    machine.expect_fault(CODE, ACCESS_FETCH)
