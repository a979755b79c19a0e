"""Signal frames: the bytes a handler and a C library's sigreturn expect, and the way back."""

from __future__ import annotations

import struct

import pytest

from kernel.abi.errors import EFAULT
from kernel.abi.signals import SA_RESTORER, SA_SIGINFO
from kernel.arch import ARCHES, get_arch
from kernel.arch.base import AltStack, Arch, SignalFrame
from tests.support.registers import PlainMemory, PlainRegisters

STACK = 0x7FFFFFFDE000
SIZE = 0x20000
SP = 0x7FFFFFFFD3A8 & -16
FLAGS = SA_SIGINFO | SA_RESTORER


def machine(name: str) -> tuple[Arch, PlainRegisters, PlainMemory]:
    arch = get_arch(name)
    regs = PlainRegisters(arch)
    regs.set_general(tuple(0x1000 + index for index in range(len(arch.register_names))))
    regs.sp, regs.pc, regs.tls = SP, 0x401234, 0x7000
    regs.set("eflags" if name == "x86_64" else "pstate", 0x80000000 if name != "x86_64" else 0x646)
    regs.set_fp_image(bytes(index & 0x7F for index in range(464)) + bytes(arch.fp_image_size - 464))
    return arch, regs, PlainMemory(STACK, SIZE)


def frame(**changes: object) -> SignalFrame:
    values: dict[str, object] = {
        "signo": 10,
        "handler": 0x405000,
        "restorer": 0x406000,
        "flags": FLAGS,
        "siginfo": bytes(range(128)),
        "old_mask": 0x8000000000000201,
    }
    return SignalFrame(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(ARCHES))
def test_there_and_back_changes_nothing(name: str) -> None:
    arch, regs, mem = machine(name)
    general, fp = regs.general(), regs.fp_image()
    alt = AltStack(0x1000, 0x80000000, 0x4000)
    arch.build_signal_frame(regs, mem, frame(altstack=alt))
    if name == "x86_64":
        regs.sp += 8  # the handler's ret
    restored = arch.restore_signal_frame(regs, mem)
    assert regs.general() == general
    assert regs.fp_image() == fp
    assert restored == (0x8000000000000201, alt)


@pytest.mark.parametrize("name", sorted(ARCHES))
def test_the_handlers_arguments(name: str) -> None:
    arch, regs, mem = machine(name)
    arch.build_signal_frame(regs, mem, frame())
    names = ("rdi", "rsi", "rdx") if name == "x86_64" else ("x0", "x1", "x2")
    signo, info, context = (regs.get(register) for register in names)
    assert signo == 10
    assert mem.read(info, 128) == bytes(range(128))
    assert mem.read(context, 16) == struct.pack("<QQ", 6 if name == "x86_64" else 0, 0)
    assert regs.pc == 0x405000


@pytest.mark.parametrize("name", sorted(ARCHES))
def test_a_stack_that_ends_is_efault_and_leaves_the_registers(name: str) -> None:
    arch, regs, mem = machine(name)
    regs.sp = STACK + 64
    before = regs.general()
    with pytest.raises(EFAULT):
        arch.build_signal_frame(regs, mem, frame())
    assert regs.general() == before


@pytest.mark.parametrize("name", sorted(ARCHES))
@pytest.mark.parametrize("sp", [0, 8, 1 << 47, (1 << 64) - 16])
def test_absurd_stack_pointers_are_efault(name: str, sp: int) -> None:
    arch, regs, mem = machine(name)
    regs.sp = sp
    with pytest.raises(EFAULT):
        arch.build_signal_frame(regs, mem, frame())
    with pytest.raises(EFAULT):
        arch.restore_signal_frame(regs, mem)


@pytest.mark.parametrize("name", sorted(ARCHES))
def test_the_alternate_stack_starts_at_its_top(name: str) -> None:
    arch, regs, mem = machine(name)
    alt = AltStack(STACK + 0x1000, 0, 0x8000)
    arch.build_signal_frame(regs, mem, frame(on_altstack=True, altstack=alt))
    assert alt.sp < regs.sp < alt.sp + alt.size
    assert alt.sp + alt.size - regs.sp <= arch.minsigstksz
    assert regs.sp % 16 == (8 if name == "x86_64" else 0)


def test_x86_layout_is_the_one_measured_on_linux() -> None:
    arch, regs, mem = machine("x86_64")
    arch.build_signal_frame(regs, mem, frame(trapno=14, error=6, fault_address=0x123))
    sp = regs.sp
    context = regs.get("rdx")
    assert context == sp + 8
    assert regs.get("rsi") - context == 304
    assert mem.read(sp, 8) == struct.pack("<Q", 0x406000)
    gregs = struct.unpack("<18Q4H5Q", mem.read(context + 40, 18 * 8 + 8 + 40))
    fpstate = gregs[26]
    assert fpstate % 64 == 0
    assert fpstate - sp == 456
    assert SP - 128 - (fpstate + 512) < 64
    assert gregs[15:18] == (SP, 0x401234, 0x646)
    assert gregs[18:22] == (0x33, 0, 0, 0x2B)
    assert gregs[22:26] == (6, 14, 0x8000000000000201, 0x123)
    assert mem.read(context + 296, 8) == struct.pack("<Q", 0x8000000000000201)
    assert mem.read(fpstate + 464, 48) == bytes(48)


def test_x86_handler_starts_with_a_clean_fpu_and_direction_flag() -> None:
    arch, regs, mem = machine("x86_64")
    arch.build_signal_frame(regs, mem, frame())
    assert regs.get("eflags") & 0x10500 == 0
    assert regs.fp_image() == arch.clean_fp_image
    assert regs.fp_image()[:2] == b"\x7f\x03"
    assert regs.fp_image()[24:28] == b"\x80\x1f\0\0"


def test_x86_without_restorer_is_efault() -> None:
    arch, regs, mem = machine("x86_64")
    with pytest.raises(EFAULT):
        arch.build_signal_frame(regs, mem, frame(flags=SA_SIGINFO))


def test_x86_null_fpstate_resets_the_fpu() -> None:
    arch, regs, mem = machine("x86_64")
    arch.build_signal_frame(regs, mem, frame())
    mem.write(regs.get("rdx") + 40 + 18 * 8 + 8 + 32, bytes(8))
    regs.set_fp_image(bytes(512))
    regs.sp += 8
    arch.restore_signal_frame(regs, mem)
    assert regs.fp_image() == arch.clean_fp_image


def test_aarch64_layout() -> None:
    arch, regs, mem = machine("aarch64")
    arch.build_signal_frame(regs, mem, frame(error=0x92000046, fault_address=0x123))
    sp = regs.sp
    assert sp % 16 == 0
    assert regs.get("x29") == SP - 16
    assert regs.get("x30") == 0x406000
    assert mem.read(SP - 16, 16) == struct.pack("<QQ", 0x1000 + 29, 0x1000 + 30)
    assert sp + 4688 == SP - 16
    sigcontext = struct.unpack("<34Q", mem.read(sp + 304, 272))
    assert sigcontext[0] == 0x123
    assert sigcontext[1] == 0x1000
    assert sigcontext[32:34] == (SP, 0x401234)
    assert mem.read(sp + 592, 8) == struct.pack("<II", 0x46508001, 528)
    assert mem.read(sp + 592 + 528, 16) == struct.pack("<IIQ", 0x45535201, 16, 0x92000046)
    assert mem.read(sp + 592 + 544, 8) == bytes(8)
    assert mem.read(sp + 128 + 40, 8) == struct.pack("<Q", 0x8000000000000201)


def test_aarch64_without_restorer_returns_to_the_trampoline() -> None:
    arch, regs, mem = machine("aarch64")
    arch.build_signal_frame(regs, mem, frame(flags=SA_SIGINFO, sigreturn=0x7000))
    assert regs.get("x30") == 0x7000
    mov, svc = struct.unpack("<II", arch.sigreturn_code)
    assert mov == 0xD2800000 | 139 << 5 | 8
    assert svc == 0xD4000001


def test_aarch64_without_siginfo_leaves_x1_and_x2() -> None:
    arch, regs, mem = machine("aarch64")
    arch.build_signal_frame(regs, mem, frame(flags=SA_RESTORER))
    assert (regs.get("x0"), regs.get("x1"), regs.get("x2")) == (10, 0x1001, 0x1002)


@pytest.mark.parametrize(
    ("offset", "words"),
    [
        (592, (0, 0)),  # no fpsimd_context
        (592, (0x46508001, 512)),
        (592, (0x46508001, 5000)),
        (592, (0x46508001, 0)),
        (592, (0x46508001, 529)),
        (592, (0x53564501, 528)),
        (592 + 528, (0x46508001, 528)),  # a second one
        (592 + 528, (0x45585401, 32)),
    ],
)
def test_aarch64_malformed_records_are_refused(offset: int, words: tuple[int, int]) -> None:
    arch, regs, mem = machine("aarch64")
    arch.build_signal_frame(regs, mem, frame())
    mem.write(regs.sp + offset, struct.pack("<II", *words))
    before = regs.general()
    with pytest.raises(EFAULT):
        arch.restore_signal_frame(regs, mem)
    assert regs.general() == before


def test_aarch64_misaligned_stack_pointer_is_refused() -> None:
    arch, regs, mem = machine("aarch64")
    arch.build_signal_frame(regs, mem, frame())
    regs.sp += 8
    with pytest.raises(EFAULT):
        arch.restore_signal_frame(regs, mem)


def test_restart_goes_back_over_the_system_call() -> None:
    arch, regs, _ = machine("x86_64")
    regs.result = -4
    arch.restart(regs, 35, (1, 2, 3, 4, 5, 6))
    assert (regs.pc, regs.get("rax")) == (0x401232, 35)
    arch, regs, _ = machine("aarch64")
    regs.result = -4
    arch.restart(regs, 101, (1, 2, 3, 4, 5, 6))
    assert (regs.pc, regs.get("x0"), regs.get("x8")) == (0x401230, 1, 101)
