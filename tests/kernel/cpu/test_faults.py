"""Page faults: reported exactly, restarted exactly, and rights as the page table says."""

from __future__ import annotations

import pytest

from kernel.cpu.base import (
    ACCESS_FETCH,
    ACCESS_READ,
    ACCESS_WRITE,
    TRAP_PAGE_FAULT,
    TRAP_SYSCALL,
)
from kernel.cpu.decode import exact_fault_address
from kernel.mm.ranges import (
    PTE_ACCESSED,
    PTE_COW,
    PTE_DIRTY,
    PTE_EXEC,
    PTE_PRESENT,
)
from tests.kernel.cpu.rig import CODE, DATA, RW, RWX, RX, R, Rig

pytestmark = pytest.mark.row("K2")

HOLE = DATA + 0x1000
"""The page behind DATA, where tests leave a hole."""
LOAD = {"x86_64": "mov rax, [rdi]; syscall", "aarch64": "ldr x0, [x1]; svc 0"}
STORE = {"x86_64": "mov [rdi], rax; syscall", "aarch64": "str x0, [x1]; svc 0"}
POINTER = {"x86_64": "rdi", "aarch64": "x1"}
VALUE = {"x86_64": "rax", "aarch64": "x0"}


@pytest.mark.parametrize(
    ("text", "registers", "access"),
    [
        ("push rax", {"rsp": HOLE + 8, "rax": 5}, ACCESS_WRITE),
        ("pop rax", {"rsp": HOLE}, ACCESS_READ),
        ("call 1f; 1:", {"rsp": HOLE + 8}, ACCESS_WRITE),
        ("ret", {"rsp": HOLE}, ACCESS_READ),
        ("mov [rdi], rax", {"rdi": HOLE - 4, "rax": 2**64 - 1}, ACCESS_WRITE),
        ("mov rax, [rdi]", {"rdi": HOLE - 4}, ACCESS_READ),
        ("add [rdi], rax", {"rdi": HOLE, "rax": 3}, ACCESS_READ),
        ("lock xadd [rdi], rax", {"rdi": HOLE, "rax": 3}, ACCESS_READ),
        ("lock cmpxchg16b [rdi]", {"rdi": HOLE}, ACCESS_READ),
        ("xchg [rdi], rax", {"rdi": HOLE, "rax": 3}, ACCESS_READ),
        ("movups [rdi], xmm0", {"rdi": HOLE - 8}, ACCESS_WRITE),
        ("pop qword ptr [rdi]", {"rdi": HOLE, "rsp": DATA}, ACCESS_WRITE),
        ("fxsave [rdi]", {"rdi": HOLE}, ACCESS_WRITE),
        ("enter 16, 0", {"rsp": HOLE + 8}, ACCESS_WRITE),
        ("stosq", {"rdi": HOLE, "rax": 3}, ACCESS_WRITE),
    ],
)
def test_x86_fault_leaves_everything_and_restarts(
    x86: Rig, text: str, registers: dict[str, int], access: int
) -> None:
    x86.map(DATA)
    x86.code(text + "; syscall")
    x86.set(**registers)
    before = x86.regs.general()
    x86.expect_fault(HOLE, access)
    assert x86.regs.general() == before
    assert x86.peek(DATA, 4096) == bytes(4096)
    x86.map(HOLE)
    if text == "ret":
        x86.expect_fault(0, ACCESS_FETCH)
    else:
        x86.expect_syscall()


def test_x86_push_and_call_have_their_effect_once(x86: Rig) -> None:
    x86.map(HOLE)
    x86.code("push rax; call 1f; 1: syscall")
    x86.set(rsp=HOLE + 8, rax=0x1234)
    x86.expect_fault(DATA, ACCESS_WRITE)  # the call's; the push is done
    assert (x86.regs.pc, x86.regs.sp) == (CODE + 1, HOLE)
    x86.map(DATA)
    x86.expect_syscall()
    assert x86.word(HOLE) == 0x1234
    assert x86.word(HOLE - 8) == CODE + 6
    assert x86.regs.sp == HOLE - 8


def test_x86_string_copy_goes_on_where_it_stopped(x86: Rig) -> None:
    x86.map(DATA)
    x86.map(0x700000)
    x86.poke(0x700000, bytes(range(200)))
    x86.code("rep movsb; syscall")
    x86.set(rsi=0x700000, rdi=HOLE - 100, rcx=200)
    x86.expect_fault(HOLE, ACCESS_WRITE)
    assert (x86.regs.get("rcx"), x86.regs.get("rdi"), x86.regs.pc) == (100, HOLE, CODE)
    x86.map(HOLE)
    x86.expect_syscall()
    assert x86.peek(HOLE - 100, 100) + x86.peek(HOLE, 100) == bytes(range(200))


@pytest.mark.parametrize(
    ("text", "registers", "access"),
    [
        ("ldr x0, [x1], 16", {"x1": HOLE}, ACCESS_READ),
        ("str x0, [x1, 16]!", {"x1": HOLE - 16}, ACCESS_WRITE),
        ("ldp x0, x2, [x1], 16", {"x1": HOLE - 8}, ACCESS_READ),
        ("stp x0, x2, [x1, -16]!", {"x1": HOLE + 8}, ACCESS_WRITE),
        ("ldp x0, x1, [x0]", {"x0": HOLE - 8}, ACCESS_READ),
        ("ldr x0, [x1]", {"x1": HOLE - 4}, ACCESS_READ),
        ("str x0, [x1]", {"x1": HOLE - 4, "x0": 2**64 - 1}, ACCESS_WRITE),
        ("ld1 {v0.16b-v3.16b}, [x1], 64", {"x1": HOLE - 32}, ACCESS_READ),
        ("ldxr x0, [x1]", {"x1": HOLE}, ACCESS_READ),
        ("dc zva, x1", {"x1": HOLE}, ACCESS_WRITE),
    ],
)
def test_arm64_fault_leaves_everything_and_restarts(
    arm64: Rig, text: str, registers: dict[str, int], access: int
) -> None:
    arm64.map(DATA)
    arm64.code(text + "; svc 0")
    arm64.set(**registers)
    before = arm64.regs.general()
    arm64.expect_fault(HOLE, access)
    assert arm64.regs.general() == before
    assert arm64.peek(DATA, 4088) == bytes(4088)
    arm64.map(HOLE)
    arm64.expect_syscall()


def test_jump_into_a_hole(machine: Rig) -> None:
    machine.code({"x86_64": "jmp rdi", "aarch64": "br x1"}[machine.arch.name])
    machine.set(**{POINTER[machine.arch.name]: HOLE + 0x124})
    machine.expect_fault(HOLE, ACCESS_FETCH)
    assert machine.regs.pc == HOLE + 0x124
    assert exact_fault_address(machine.arch, machine.regs, b"", HOLE, ACCESS_FETCH) == HOLE + 0x124


def test_jump_to_zero_is_a_fault_like_any_other(machine: Rig) -> None:
    machine.code({"x86_64": "jmp rdi", "aarch64": "br x1"}[machine.arch.name])
    machine.expect_fault(0, ACCESS_FETCH)


def test_x86_instruction_across_a_missing_page(x86: Rig) -> None:
    x86.map(CODE, 1, RX)
    x86.code("mov eax, 0x11223344; syscall", at=CODE + 0xFFC)
    x86.expect_fault(CODE + 0x1000, ACCESS_FETCH)
    assert x86.regs.pc == CODE + 0xFFC
    x86.map(CODE + 0x1000, 1, RX)
    x86.poke(CODE + 0x1000, bytes.fromhex("11 0f05"))
    x86.expect_syscall()
    assert x86.regs.get("rax") == 0x11223344


def test_data_is_not_executable(machine: Rig) -> None:
    machine.code({"x86_64": "syscall", "aarch64": "svc 0"}[machine.arch.name], DATA, RW)
    machine.expect_fault(DATA, ACCESS_FETCH)


def test_data_that_was_read_is_still_not_executable(machine: Rig) -> None:
    """A data fill must not hand out X, and the refusal must not depend on what is cached."""
    machine.map(DATA)
    machine.code(LOAD[machine.arch.name])
    machine.set(**{POINTER[machine.arch.name]: DATA})
    machine.expect_syscall()
    machine.regs.pc = DATA
    machine.expect_fault(DATA, ACCESS_FETCH)


def test_text_is_not_writable(machine: Rig) -> None:
    machine.code(STORE[machine.arch.name])
    machine.set(**{POINTER[machine.arch.name]: CODE})
    machine.expect_fault(CODE, ACCESS_WRITE)


def test_no_rights_no_access(machine: Rig) -> None:
    machine.map(DATA, 1, 0)
    machine.code(LOAD[machine.arch.name])
    machine.set(**{POINTER[machine.arch.name]: DATA})
    machine.expect_fault(DATA, ACCESS_READ)


def test_gaining_a_right_needs_no_invalidation(machine: Rig) -> None:
    machine.map(DATA, 1, R)
    machine.code(LOAD[machine.arch.name])
    machine.set(**{POINTER[machine.arch.name]: DATA})
    machine.expect_syscall()
    machine.code(STORE[machine.arch.name])
    machine.set(**{VALUE[machine.arch.name]: 42})
    machine.expect_fault(DATA, ACCESS_WRITE)
    machine.ranges.protect(machine.root, DATA >> 12, 1, RW)
    machine.expect_syscall()
    assert machine.word(DATA) == 42


def test_accessed_and_dirty_are_exact(machine: Rig) -> None:
    machine.map(DATA)
    assert not machine.entry(DATA) & (PTE_ACCESSED | PTE_DIRTY)
    machine.code(LOAD[machine.arch.name])
    machine.set(**{POINTER[machine.arch.name]: DATA})
    machine.expect_syscall()
    assert machine.entry(DATA) & (PTE_ACCESSED | PTE_DIRTY) == PTE_ACCESSED
    machine.code(STORE[machine.arch.name])
    machine.expect_syscall()
    assert machine.entry(DATA) & PTE_DIRTY
    # cleared by the kernel, and invalidated: the next store sets it again
    assert machine.ranges.dirty(machine.root, DATA >> 12, 1, True) == [DATA >> 12]
    machine.engine.invalidate(machine.root, DATA, 1)
    machine.regs.pc = CODE
    machine.expect_syscall()
    assert machine.entry(DATA) & PTE_DIRTY


def test_copy_on_write_fault_of_the_guest(machine: Rig) -> None:
    machine.map(DATA)
    machine.poke(DATA, (7).to_bytes(8, "little"))
    machine.set_entry(DATA, machine.entry(DATA) | PTE_COW)
    shared = machine.frame(DATA)
    name = machine.arch.name
    machine.code(LOAD[name])
    machine.set(**{POINTER[name]: DATA})
    machine.expect_syscall()
    machine.code(STORE[name])
    machine.set(**{VALUE[name]: 9})
    machine.expect_fault(DATA, ACCESS_WRITE)
    copy = machine.physical.take()
    machine.set_entry(DATA, copy << 12 | RW | PTE_PRESENT)
    machine.expect_syscall()
    assert machine.word(DATA) == 9
    assert machine.physical.words[shared << 9] == 7
    machine.code(LOAD[name])
    machine.set(**{VALUE[name]: 0})
    machine.expect_syscall()
    assert machine.regs.get(VALUE[name]) == 9


@pytest.mark.parametrize("pages", [1, 31, 40])
def test_a_copy_made_by_the_kernel_is_seen_after_invalidation(machine: Rig, pages: int) -> None:
    name = machine.arch.name
    machine.map(DATA, pages)
    machine.code(LOAD[name])
    machine.set(**{POINTER[name]: DATA})
    machine.expect_syscall()
    copy = machine.physical.take()
    machine.physical.words[copy << 9] = 5
    machine.set_entry(DATA, copy << 12 | RW | PTE_PRESENT)
    machine.engine.invalidate(machine.root, DATA, pages)
    machine.regs.pc = CODE
    machine.expect_syscall()
    assert machine.regs.get(VALUE[name]) == 5


def test_lost_rights_are_gone_after_invalidation(machine: Rig) -> None:
    name = machine.arch.name
    machine.map(DATA)
    machine.code(STORE[name])
    machine.set(**{POINTER[name]: DATA})
    machine.expect_syscall()
    machine.ranges.protect(machine.root, DATA >> 12, 1, R)
    machine.engine.invalidate(machine.root, DATA, 1)
    machine.regs.pc = CODE
    machine.expect_fault(DATA, ACCESS_WRITE)
    machine.ranges.unmap(machine.root, DATA >> 12, 1)
    machine.engine.invalidate(machine.root, DATA, 1)
    machine.code(LOAD[name])
    machine.expect_fault(DATA, ACCESS_READ)


def test_lost_execute_right_is_gone(machine: Rig) -> None:
    machine.code({"x86_64": "2: syscall; jmp 2b", "aarch64": "2: svc 0; b 2b"}[machine.arch.name])
    machine.expect_syscall()
    machine.ranges.protect(machine.root, CODE >> 12, 1, R)
    machine.engine.invalidate(machine.root, CODE, 1)
    machine.expect_fault(CODE, ACCESS_FETCH)
    machine.ranges.protect(machine.root, CODE >> 12, 1, RX)
    machine.expect_syscall()


def test_invalidation_of_another_space_does_nothing(machine: Rig) -> None:
    machine.code(LOAD[machine.arch.name])
    machine.map(DATA)
    machine.set(**{POINTER[machine.arch.name]: DATA})
    machine.expect_syscall()
    flushed = machine.engine.counters()
    machine.engine.invalidate(machine.root + 1, DATA, 1)
    machine.regs.pc = CODE
    machine.expect_syscall()
    assert machine.engine.counters() == flushed


def test_a_new_space_with_the_root_frame_of_a_dead_one(machine: Rig) -> None:
    name = machine.arch.name
    machine.map(DATA)
    machine.poke(DATA, b"old")
    machine.code(LOAD[name])
    machine.set(**{POINTER[name]: DATA})
    machine.expect_syscall()
    machine.ranges.unmap(machine.root, 0, 1 << 35)
    machine.physical.control[3] += 1  # the root counts as a table
    machine.ranges.free_tables(machine.root)
    machine.engine.invalidate_code(1)
    assert machine.physical.take() == machine.root
    machine.ranges.stale.clear()
    machine.code(LOAD[name])
    machine.expect_fault(DATA, ACCESS_READ)


def test_spaces_are_separate(machine: Rig) -> None:
    name = machine.arch.name
    machine.code(LOAD[name])
    machine.map(DATA)
    other = machine.physical.take()
    machine.ranges.map_frames(other, CODE >> 12, [machine.frame(CODE)], RX)
    machine.map(DATA, 1, RW, other)
    machine.poke(DATA, b"\x01")
    frame = machine.entry(DATA, other) >> 12
    machine.physical.bytes[frame << 12] = 2
    for _ in range(3):
        for root, value in ((machine.root, 1), (other, 2)):
            machine.regs.pc = CODE
            machine.set(**{POINTER[name]: DATA})
            assert machine.engine.run(machine.context, root, 100) == TRAP_SYSCALL
            assert machine.regs.get(VALUE[name]) == value


def test_arm64_tags_are_ignored_for_data(arm64: Rig) -> None:
    arm64.map(DATA)
    arm64.poke(DATA, b"\x07")
    arm64.code(LOAD["aarch64"])
    arm64.set(x1=DATA | 0x5A << 56)
    arm64.expect_syscall()
    assert arm64.regs.result == 7
    # entries under a tag go away too
    arm64.ranges.unmap(arm64.root, DATA >> 12, 1)
    arm64.engine.invalidate(arm64.root, DATA, 1)
    arm64.regs.pc = CODE
    arm64.expect_fault(DATA, ACCESS_READ)


def test_rwx_page_runs_and_is_written(machine: Rig) -> None:
    machine.code(STORE[machine.arch.name], CODE, RWX)
    machine.set(**{POINTER[machine.arch.name]: CODE + 0x800, VALUE[machine.arch.name]: 3})
    machine.expect_syscall()
    assert machine.word(CODE + 0x800) == 3
    assert machine.entry(CODE) & PTE_EXEC


X86_ADDRESSES = [
    ("mov rax, [rdi + rsi*4 + 0x10]", {"rdi": DATA, "rsi": 3}, DATA + 0x1C),
    ("mov eax, fs:[0x10]", {"fs_base": DATA}, DATA + 0x10),
    ("mov eax, [edi + 4]", {"rdi": DATA | 1 << 40}, DATA + 4),
    ("push rax", {"rsp": DATA + 0x108}, DATA + 0x100),
    ("ret", {"rsp": DATA + 8}, DATA + 8),
    ("leave", {"rbp": DATA + 0x20}, DATA + 0x20),
    ("rep stosb", {"rdi": DATA + 5, "rcx": 9}, DATA + 5),
    ("mov [rdi], rax", {"rdi": DATA - 4}, DATA),
]
ARM64_ADDRESSES = [
    ("ldr x0, [x1, 16]!", {"x1": DATA}, DATA + 16),
    ("ldr x0, [x1], 16", {"x1": DATA + 8}, DATA + 8),
    ("ldr x0, [x1, w2, sxtw 3]", {"x1": DATA + 0x800, "x2": 0xFFFFFFFF}, DATA + 0x7F8),
    ("stp x0, x1, [sp, -16]!", {"sp": DATA + 0x110}, DATA + 0x100),
    ("dc zva, x3", {"x3": DATA + 0x123}, DATA + 0x100),
    ("ldxr x0, [x3]", {"x3": DATA + 0x120}, DATA + 0x120),
    ("ldr x0, [x1]", {"x1": DATA - 4}, DATA),
]


@pytest.mark.parametrize(
    ("arch", "text", "registers", "address"),
    [("x86_64", *row) for row in X86_ADDRESSES] + [("aarch64", *row) for row in ARM64_ADDRESSES],
)
def test_exact_address(arch: str, text: str, registers: dict[str, int], address: int) -> None:
    machine = Rig(arch)
    machine.map(DATA - 0x1000)
    code = machine.code(text)
    machine.set(**registers)
    assert machine.run() == TRAP_PAGE_FAULT
    page, access = machine.trap[8], machine.trap[9]
    assert page == DATA
    assert exact_fault_address(machine.arch, machine.regs, code, page, access) == address
    machine.engine.close()
