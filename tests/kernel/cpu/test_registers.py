"""Register images: complete, round trip, and never a way out of user mode."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.cpu import sanitize
from kernel.cpu.base import (
    EXCEPTION_PRIVILEGED,
    T_EXCEPTION,
    TRAP_EXCEPTION,
    TRAP_PAGE_FAULT,
    TRAP_SYSCALL,
)
from tests.kernel.cpu.rig import CODE, DATA, Rig

pytestmark = pytest.mark.row("K2", "K12")

SYSCALL = {"x86_64": "syscall", "aarch64": "svc 0"}


def test_clean_context(machine: Rig) -> None:
    values = dict(zip(machine.arch.register_names, machine.regs.general(), strict=True))
    flags = {"eflags": 0x202}
    assert values == {name: flags.get(name, 0) for name in values}
    assert machine.regs.fp_image() == machine.arch.clean_fp_image


def test_x87_and_sse_start_as_linux_sets_them(x86: Rig) -> None:
    """Unicorn's reset values would give single-precision x87."""
    x86.map(DATA)
    x86.code("fnstcw [rdi]; stmxcsr [rdi + 8]; syscall")
    x86.set(rdi=DATA)
    x86.expect_syscall()
    assert x86.word(DATA) == 0x37F
    assert x86.word(DATA + 8) == 0x1F80


def test_x87_computes_in_extended_precision_after_a_reload_of_its_control_word(x86: Rig) -> None:
    x86.map(DATA)
    x86.code(
        "fnstcw [rdi]; fldcw [rdi]; fild qword ptr [rdi + 16]; fild qword ptr [rdi + 24]; fdivp;"
        "fstp tbyte ptr [rdi + 32]; syscall"
    )
    x86.poke(DATA + 16, (1).to_bytes(8, "little") + (3).to_bytes(8, "little"))
    x86.set(rdi=DATA)
    x86.expect_syscall()
    assert x86.peek(DATA + 32, 10).hex() == "abaaaaaaaaaaaaaafd3f"


def test_general_registers_round_trip(machine: Rig) -> None:
    names = machine.arch.register_names
    values = [0x1111 * (index + 1) for index in range(len(names))]
    for fixed, value in (("eflags", 0x246), ("pstate", 0x60000000)):
        if fixed in names:
            values[names.index(fixed)] = value
    machine.regs.set_general(tuple(values))
    assert machine.regs.general() == tuple(values)
    assert [machine.regs.get(name) for name in names] == values
    assert (machine.regs.pc, machine.regs.sp, machine.regs.tls) == tuple(
        machine.regs.get(name)
        for name in {
            "x86_64": ("rip", "rsp", "fs_base"),
            "aarch64": ("pc", "sp", "tpidr"),
        }[machine.arch.name]
    )


def test_registers_reach_the_program_and_come_back(machine: Rig) -> None:
    machine.code(SYSCALL[machine.arch.name])
    before = list(machine.regs.general())
    names = machine.arch.register_names
    for index, name in enumerate(names):
        if name not in ("rip", "pc", "eflags", "pstate"):
            before[index] = 0x0102030405060708 * (index % 7 + 1) & 0x7FFFFFFFFFFF
    machine.regs.set_general(tuple(before))
    machine.expect_syscall()
    after = dict(zip(names, machine.regs.general(), strict=True))
    changed = {"rip", "pc", "rcx", "r11"}
    assert {n: v for n, v in after.items() if n not in changed} == {
        n: v for n, v in zip(names, before, strict=True) if n not in changed
    }


def test_fp_image_is_what_fxsave_stores(x86: Rig) -> None:
    x86.map(DATA)
    x86.code(
        "fldpi; fld1; fldz; fstp st(0); mov eax, 0x3f800000; movd xmm3, eax; movaps xmm15, xmm3;"
        "fxsave [rdi]; syscall"
    )
    x86.set(rdi=DATA)
    x86.expect_syscall()
    stored, image = x86.peek(DATA, 512), x86.regs.fp_image()
    assert stored[:6] == image[:6]  # control, status, tags
    assert stored[24:416] == image[24:416]  # MXCSR, registers
    assert image[4] == 0b11000000


def test_fp_image_is_what_fxrstor_loads(x86: Rig) -> None:
    x86.map(DATA)
    image = bytearray(x86.regs.fp_image())
    image[2:4] = (3 << 11).to_bytes(2, "little")
    image[4] = 0b00011000
    for index in range(8):
        image[32 + 16 * index : 42 + 16 * index] = bytes([index + 1]) * 10
    for index in range(16):
        image[160 + 16 * index : 176 + 16 * index] = bytes([0x80 + index]) * 16
    x86.regs.set_fp_image(bytes(image))
    assert x86.regs.fp_image() == bytes(image)
    x86.code("fxsave [rdi]; syscall")
    x86.set(rdi=DATA)
    x86.expect_syscall()
    assert x86.peek(DATA, 512)[32:416] == bytes(image[32:416])
    assert x86.peek(DATA, 6) == bytes(image[:6])


def test_arm64_fp_image_round_trip(arm64: Rig) -> None:
    arm64.map(DATA)
    image = (1).to_bytes(4, "little") + (1 << 22).to_bytes(4, "little") + bytes(range(256)) * 2
    arm64.regs.set_fp_image(image)
    assert arm64.regs.fp_image() == image
    arm64.code("str q31, [x1]; mrs x0, fpcr; mrs x2, fpsr; svc 0")
    arm64.set(x1=DATA)
    arm64.expect_syscall()
    assert arm64.peek(DATA, 16) == image[-16:]
    assert (arm64.regs.get("x0"), arm64.regs.get("x2")) == (1 << 22, 1)


def test_contexts_are_independent(machine: Rig) -> None:
    name = machine.arch.name
    machine.code({"x86_64": "inc rdi; syscall", "aarch64": "add x0, x0, 1; svc 0"}[name])
    engine = machine.engine
    contexts = [engine.new_context() for _ in range(4)]
    last = {"x86_64": 400, "aarch64": 504}[name]  # the last vector register
    for index, context in enumerate(contexts):
        regs = engine.registers(context)
        regs.set("rdi" if name == "x86_64" else "x0", 100 * index)
        image = regs.fp_image()
        regs.set_fp_image(image[:last] + bytes([index]) * 16 + image[last + 16 :])
    for _ in range(3):
        for context in contexts:
            engine.registers(context).pc = CODE
            assert engine.run(context, machine.root, 100) == TRAP_SYSCALL
    first = [engine.registers(c).get("rdi" if name == "x86_64" else "x0") for c in contexts]
    assert first == [3, 103, 203, 303]
    assert [engine.registers(c).fp_image()[last + 15] for c in contexts] == [0, 1, 2, 3]


def test_clone_reset_and_free(machine: Rig) -> None:
    engine = machine.engine
    machine.regs.sp = 0x1234560
    child = engine.clone_context(machine.context)
    machine.regs.sp = 0x10
    assert engine.registers(child).sp == 0x1234560
    engine.reset_context(child)
    assert engine.registers(child).sp == 0
    grandchild = engine.clone_context(child)
    for context in (child, machine.context):  # loaded or not
        engine.free_context(context)
    assert engine.registers(grandchild).sp == 0


def test_clone_sees_a_pending_result(machine: Rig) -> None:
    machine.code(SYSCALL[machine.arch.name])
    machine.expect_syscall()
    machine.engine.set_result(machine.context, 55)
    child = machine.engine.clone_context(machine.context)
    assert machine.engine.registers(child).result == 55


def test_reset_drops_a_pending_result(machine: Rig) -> None:
    machine.code(SYSCALL[machine.arch.name])
    machine.expect_syscall()
    machine.engine.set_result(machine.context, 55)
    machine.engine.reset_context(machine.context)
    assert machine.regs.result == 0


# Attacks: images as a hostile sigreturn frame would bring them.

ALL_ONES = 2**64 - 1


def test_flags_cannot_raise_privilege(x86: Rig) -> None:
    x86.map(DATA)
    x86.set(eflags=ALL_ONES & ~(1 << 8))  # all but TF
    assert x86.regs.get("eflags") == 0x40ED7 & ~(1 << 8)
    for text in ("cli", "sti", "hlt"):
        x86.code(text)
        x86.set(eflags=ALL_ONES & ~(1 << 8))
        x86.expect_exception(13)
    x86.code("pushfq; pop rdi; syscall")
    x86.set(rsp=DATA + 0x800, eflags=0x3000)
    assert not x86.expect_syscall()[0] & 0x3000, "IOPL"


def test_pstate_cannot_leave_el0(arm64: Rig) -> None:
    for value in (0x3C5, 0x3C4, 0x3CD, 0x10, 0x1DF, ALL_ONES):
        arm64.set(pstate=value)
        assert not arm64.regs.get("pstate") & 0x0FFFFFFF
        arm64.code("mrs x0, sctlr_el1")
        arm64.expect_exception(1)


@pytest.mark.parametrize("pc", [1 << 47, 1 << 63, ALL_ONES, 0xFFFF800000000000, 0x8000000000000])
def test_program_counter_outside_user_space_faults(machine: Rig, pc: int) -> None:
    machine.regs.pc = pc
    assert machine.run() in (TRAP_PAGE_FAULT, TRAP_EXCEPTION)
    if machine.trap[T_EXCEPTION]:
        assert machine.trap[T_EXCEPTION] == 1  # misaligned on aarch64


def test_bases_are_canonical(x86: Rig) -> None:
    x86.set(fs_base=0x0000900000000000, gs_base=1 << 63)
    assert x86.regs.get("fs_base") == 0xFFFF900000000000
    assert x86.regs.get("gs_base") == 0
    x86.code("mov rax, fs:[0]")
    x86.expect_fault(0xFFFF900000000000, 0)


def test_reserved_bits_of_fp_control_are_dropped(machine: Rig) -> None:
    hostile = bytes([0xFF]) * machine.arch.fp_image_size
    machine.regs.set_fp_image(hostile)
    image = machine.regs.fp_image()
    if machine.arch.name == "x86_64":
        assert int.from_bytes(image[24:28], "little") == 0xFFFF
        machine.map(DATA)
        machine.code("fxsave [rdi]; fxrstor [rdi]; syscall")  # would be #GP with reserved bits
        machine.set(rdi=DATA)
        machine.expect_syscall()
    else:
        assert not int.from_bytes(image[4:8], "little") & ~sanitize.FPCR_MASK


def test_wrong_sizes_are_a_caller_error(machine: Rig) -> None:
    with pytest.raises(ValueError):
        machine.regs.set_general((1, 2, 3))
    with pytest.raises(ValueError):
        machine.regs.set_fp_image(b"short")


SEGMENT_ATTACKS = [
    "mov eax, 0x08; mov ss, eax",
    "mov eax, 0x2b; mov ds, eax",
    "mov eax, 0x10; mov es, eax",
    "push 0x08; push rdi; .byte 0x48, 0xcb",
    "push 0x33; push rdi; .byte 0x48, 0xcb",
    "call fword ptr [rdi + 0x100]",
    "push 0x10; push rsp; push 2; push 0x08; push rdi; iretq",
    "mov eax, 0x0c; lldt ax",
    "mov eax, 0x28; ltr ax",
    "int 0x20",
    "swapgs",
    "wrmsr",
    "mov cr3, rax",
    "mov dr7, rax",
    "clts",
    "sysretq",
    "lidt [rdi]",
]


@pytest.mark.parametrize("text", SEGMENT_ATTACKS)
def test_descriptor_tables_cannot_be_forged(x86: Rig, text: str) -> None:
    """The guest maps page 0, where an empty GDT or IDT would be, and fills it with kernel gates."""
    x86.map(0)
    x86.map(DATA)
    descriptors = [
        0x00AF9B000000FFFF,  # kernel code
        0x00CF93000000FFFF,  # kernel data
        0x0040EC0000080000 | (CODE & 0xFFFF),  # a call gate for everybody
    ]
    for offset in range(0, 4096 - 24, 24):
        x86.poke(offset, b"".join(d.to_bytes(8, "little") for d in descriptors))
    x86.poke(DATA + 0x100, bytes(8) + (0x10).to_bytes(2, "little"))
    x86.code(text + "; mov rax, cr0; syscall")
    x86.set(rdi=DATA, rsp=DATA + 0x800)
    trap = x86.run()
    assert trap in (TRAP_EXCEPTION, TRAP_PAGE_FAULT), x86.describe()
    x86.code("mov rax, cr0; syscall")
    x86.expect_exception(13)


@pytest.mark.parametrize("stop", ["syscall", "ud2", "mov rax, [0]"])
def test_flags_made_of_garbage_are_cleaned(x86: Rig, stop: str) -> None:
    """Unicorn's cmpxchg8b turns what `cmp` left into flags: here IOPL 3 and virtual-8086 mode."""
    x86.map(DATA)
    x86.code("cmp eax, 0x23000; cmpxchg8b [rdi]; " + stop + "; cli")
    x86.set(rdi=DATA)
    x86.run()
    assert not x86.regs.get("eflags") & 0xFFDBB028
    x86.code("cli")
    x86.expect_exception(13)


@pytest.mark.parametrize("text", ["iretd", "iretq", ".byte 0x66, 0xcf"])
def test_virtual_8086_mode_is_unreachable(x86: Rig, text: str) -> None:
    """Unicorn's iret believes the VM flag whoever asks; then 64-bit code would run as 16-bit."""
    x86.map(DATA)
    frame = (0x1234, 0x100, 0x23202, 0x800, 0x200, 0, 0, 0, 0)
    x86.poke(DATA + 0x800, b"".join(word.to_bytes(4, "little") for word in frame))
    for prefix in ("", "jmp 3f; 3: "):
        x86.code(prefix + text)
        x86.set(rsp=DATA + 0x800)
        x86.expect_exception(EXCEPTION_PRIVILEGED)
        assert x86.regs.sp == DATA + 0x800


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, ALL_ONES), min_size=20, max_size=20))
def test_any_x86_image_stays_user_mode(values: list[int]) -> None:
    x86 = SHARED["x86_64"]
    image = [*values]
    image[17] &= ~(1 << 8)  # no single step, for the sake of the check below
    x86.regs.set_general(tuple(image))
    x86.run(5)
    x86.code("mov rax, cr0")
    x86.set(eflags=0)
    x86.expect_exception(13)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, ALL_ONES), min_size=35, max_size=35))
def test_any_arm64_image_stays_user_mode(values: list[int]) -> None:
    arm64 = SHARED["aarch64"]
    arm64.regs.set_general(tuple(values))
    arm64.run(5)
    arm64.code("mrs x0, sctlr_el1")
    arm64.expect_exception(1)


SHARED = {name: Rig(name) for name in ("x86_64", "aarch64")}
"""Making a processor for each of hypothesis's examples would take most of the time."""
