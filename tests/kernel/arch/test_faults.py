"""CPU exceptions as signals; the expected rows were seen on Linux 6.18 with a program that traps.

aarch64's are from its sources: qemu-user answers ILL_ILLOPN where the kernel says ILL_ILLOPC.
"""

from __future__ import annotations

import pytest

from kernel.abi.signals import SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP
from kernel.arch import get_arch
from kernel.arch.base import CpuFault
from kernel.cpu import base as cpu
from tests.support.registers import PlainMemory, PlainRegisters

CODE = 0x401000
TOP = (1 << 47) - 1


def classify(arch_name: str, number: int, code: bytes, at: int = 0) -> tuple[CpuFault, int]:
    """The fault reported at ``CODE + at``, and how far Linux would leave pc from ``CODE``."""
    arch = get_arch(arch_name)
    regs = PlainRegisters(arch)
    regs.pc = CODE + at
    mem = PlainMemory(CODE - 64, 64 + len(code))
    mem.write(CODE, code)
    fault = arch.classify_exception(number, regs.pc, regs, mem)
    return fault, regs.pc - CODE


@pytest.mark.parametrize(
    ("number", "code", "at", "expected", "pc"),
    [
        (0, b"\xf7\xf1", 0, CpuFault(SIGFPE, 1, CODE, 0), 0),
        (1, b"\x90\x90", 1, CpuFault(SIGTRAP, 2, CODE + 1, 1), 1),
        (3, b"\xcc", 1, CpuFault(SIGTRAP, 0x80, 0, 3), 1),
        (3, b"\xcd\x03", 2, CpuFault(SIGTRAP, 0x80, 0, 3), 2),
        (4, b"\xcd\x04", 2, CpuFault(SIGSEGV, 0x80, 0, 4), 2),
        (0, b"\xcd\x00", 2, CpuFault(SIGSEGV, 0x80, 0, 13, 2), 0),
        (1, b"\xcd\x01", 2, CpuFault(SIGSEGV, 0x80, 0, 13, 0xA), 0),
        (13, b"\xcd\x0d", 2, CpuFault(SIGSEGV, 0x80, 0, 13, 0x6A), 0),
        (0x81, b"\xcd\x81", 2, CpuFault(SIGSEGV, 0x80, 0, 13, 0x40A), 0),
        (0x80, b"\xcd\x80", 2, CpuFault(SIGSEGV, 0x80, 0, 13, 0x402), 0),
        (cpu.EXCEPTION_ILLEGAL, b"\xf1", 0, CpuFault(SIGTRAP, 1, CODE + 1, 1), 1),
        (13, b"\xf4", 0, CpuFault(SIGSEGV, 0x80, 0, 13), 0),
        (cpu.EXCEPTION_ILLEGAL, b"\x0f\x0b", 0, CpuFault(SIGILL, 2, CODE, 6), 0),
        (cpu.EXCEPTION_AVX, b"\xc5\xf8\x58\xc0", 0, CpuFault(SIGILL, 2, CODE, 6), 0),
        (cpu.EXCEPTION_PRIVILEGED, b"\xec", 0, CpuFault(SIGSEGV, 0x80, 0, 13), 0),
        # A real divide error just behind bytes that look like ``int 0``.
        (0, b"\xcd\x00\x48\xf7\xf1", 2, CpuFault(SIGFPE, 1, CODE + 2, 0), 2),
    ],
)
def test_x86_exceptions(number: int, code: bytes, at: int, expected: CpuFault, pc: int) -> None:
    assert classify("x86_64", number, code, at) == (expected, pc)


@pytest.mark.parametrize(
    ("number", "code", "expected"),
    [
        (cpu.ARM64_UNDEFINED, b"\0\0\0\0", CpuFault(SIGILL, 1, CODE)),
        (cpu.ARM64_BREAKPOINT, b"\xe0\0\x20\xd4", CpuFault(SIGTRAP, 1, CODE)),
    ],
)
def test_aarch64_exceptions(number: int, code: bytes, expected: CpuFault) -> None:
    assert classify("aarch64", number, code) == (expected, 0)


def test_aarch64_misaligned_pc() -> None:
    fault, pc = classify("aarch64", cpu.ARM64_UNDEFINED, b"\0\0\0\0", 2)
    assert fault[:3] == (SIGBUS, 1, CODE + 2)
    assert fault.error >> 26 == 0x22
    assert pc == 2


def test_aarch64_alignment_names_the_base_register() -> None:
    arch = get_arch("aarch64")
    regs = PlainRegisters(arch, x9=0x12345, sp=0x777)
    mem = PlainMemory(CODE, 8)
    mem.write(CODE, (0xC85F7C00 | 9 << 5 | 1).to_bytes(4, "little"))  # ldxr x1, [x9]
    mem.write(CODE + 4, (0xC85F7C00 | 31 << 5 | 1).to_bytes(4, "little"))  # ldxr x1, [sp]
    fault = arch.classify_exception(cpu.ARM64_ALIGNMENT, CODE, regs, mem)
    assert (fault.signal, fault.code, fault.address) == (SIGBUS, 1, 0x12345)
    assert fault.error == 0x92000021
    assert arch.classify_exception(cpu.ARM64_ALIGNMENT, CODE + 4, regs, mem).address == 0x777
    assert arch.classify_exception(cpu.ARM64_ALIGNMENT, CODE + 8, regs, mem).address == 0


@pytest.mark.parametrize(
    ("address", "access", "verdict", "present", "expected"),
    [
        (0x123, 0, (SIGSEGV, 1), False, CpuFault(SIGSEGV, 1, 0x123, 14, 4, 0x123)),
        (0x123, 1, (SIGSEGV, 1), False, CpuFault(SIGSEGV, 1, 0x123, 14, 6, 0x123)),
        (0, 2, (SIGSEGV, 1), False, CpuFault(SIGSEGV, 1, 0, 14, 0x14, 0)),
        (0x5000, 1, (SIGSEGV, 2), True, CpuFault(SIGSEGV, 2, 0x5000, 14, 7, 0x5000)),
        (0x5000, 2, (SIGSEGV, 2), True, CpuFault(SIGSEGV, 2, 0x5000, 14, 0x15, 0x5000)),
        (0x5000, 0, (SIGSEGV, 2), False, CpuFault(SIGSEGV, 2, 0x5000, 14, 4, 0x5000)),
        (0x5000, 1, (SIGSEGV, 2), False, CpuFault(SIGSEGV, 2, 0x5000, 14, 6, 0x5000)),
        (0x5000, 0, (SIGBUS, 2), False, CpuFault(SIGBUS, 2, 0x5000, 14, 4, 0x5000)),
        (1 << 47, 0, (SIGSEGV, 1), False, CpuFault(SIGSEGV, 0x80, 0, 13)),
        (
            (1 << 47) - 1,
            0,
            (SIGSEGV, 1),
            False,
            CpuFault(SIGSEGV, 1, (1 << 47) - 1, 14, 5, (1 << 47) - 1),
        ),
        (
            0xFFFF800000000123,
            1,
            (SIGSEGV, 1),
            False,
            CpuFault(SIGSEGV, 1, 0xFFFF800000000123, 14, 7, 0xFFFF800000000123),
        ),
    ],
)
def test_x86_page_faults(
    address: int, access: int, verdict: tuple[int, int], present: bool, expected: CpuFault
) -> None:
    assert get_arch("x86_64").page_fault(address, access, *verdict, present) == expected


@pytest.mark.parametrize(
    ("access", "code", "esr"),
    [(0, 1, 0x92000007), (1, 1, 0x92000047), (1, 2, 0x9200004F), (2, 2, 0x8200000F)],
)
def test_aarch64_page_faults(access: int, code: int, esr: int) -> None:
    fault = get_arch("aarch64").page_fault(0x5000, access, SIGSEGV, code, code == 2)
    assert fault == CpuFault(SIGSEGV, code, 0x5000, 0, esr, 0x5000)


def test_aarch64_misaligned_pc_comes_before_the_missing_page() -> None:
    fault = get_arch("aarch64").page_fault(0x400001, 2, SIGSEGV, 1, False)
    assert fault[:3] == (SIGBUS, 1, 0x400001)
