"""From an x86_64 exception to a signal.

The engine reports a vector and a program counter, but not always as the hardware would: software
interrupts (``int N``) arrive as vector N with the program counter behind the instruction, although
the interrupt table of a 64-bit kernel opens only vectors 3 and 4 to user code and answers all
others with #GP *at* the instruction.  ``int 0x80`` is among these: there are no 32-bit calls here,
as in a kernel built without IA32 emulation.  No error code is reported either; where Linux shows
one to the handler it follows from the vector.

Linux analogue: ``arch/x86/kernel/traps.c``, ``arch/x86/mm/fault.c``.
"""

from __future__ import annotations

from typing import Final

from kernel.abi.errors import EFAULT
from kernel.abi.signals import (
    FPE_INTDIV,
    ILL_ILLOPN,
    SI_KERNEL,
    SIGFPE,
    SIGILL,
    SIGSEGV,
    SIGTRAP,
    TRAP_BRKPT,
    TRAP_TRACE,
)
from kernel.arch.base import (
    ACCESS_FETCH,
    ACCESS_WRITE,
    EXCEPTION_AVX,
    EXCEPTION_ILLEGAL,
    EXCEPTION_PRIVILEGED,
    USER_TOP,
    CpuFault,
    GuestMemory,
    Registers,
)

TRAP_DE: Final = 0
TRAP_DB: Final = 1
TRAP_BP: Final = 3
TRAP_OF: Final = 4
TRAP_UD: Final = 6
TRAP_GP: Final = 13
TRAP_PF: Final = 14

PF_PROTECTION: Final = 1
PF_WRITE: Final = 2
PF_USER: Final = 4
PF_FETCH: Final = 16

_CANONICAL_LOW: Final = 1 << 47
_CANONICAL_HIGH: Final = (1 << 64) - (1 << 47)

_PREFIXES: Final = frozenset(b"\x26\x2e\x36\x3e\x64\x65\x66\x67\xf0\xf2\xf3") | frozenset(
    range(0x40, 0x50)
)


def classify(number: int, pc: int, regs: Registers, mem: GuestMemory) -> CpuFault:
    """The signal of exception ``number`` reported at ``pc``."""
    if number in (EXCEPTION_ILLEGAL, EXCEPTION_AVX, TRAP_UD):
        return _undefined(pc, regs, mem)
    if number == TRAP_BP:
        return CpuFault(SIGTRAP, SI_KERNEL, 0, TRAP_BP)
    if number == EXCEPTION_PRIVILEGED:
        return _protection(0)
    if _is_software_interrupt(number, pc, mem):
        return _software_interrupt(number, pc, regs)
    if number == TRAP_DE:
        return CpuFault(SIGFPE, FPE_INTDIV, pc, TRAP_DE)
    if number == TRAP_DB:
        return CpuFault(SIGTRAP, TRAP_TRACE, pc, TRAP_DB)
    return _protection(0)


def _protection(error: int) -> CpuFault:
    """#GP: Linux knows no address and says so with SI_KERNEL."""
    return CpuFault(SIGSEGV, SI_KERNEL, 0, TRAP_GP, error)


def _undefined(pc: int, regs: Registers, mem: GuestMemory) -> CpuFault:
    if _peek(mem, pc, 1) == b"\xf1":  # icebp is a debug trap, which the engine does not know
        regs.pc = pc + 1
        return CpuFault(SIGTRAP, TRAP_BRKPT, pc + 1, TRAP_DB)
    return CpuFault(SIGILL, ILL_ILLOPN, pc, TRAP_UD)


def _is_software_interrupt(number: int, pc: int, mem: GuestMemory) -> bool:
    """Did ``int number`` end just before pc?  A real #DE is told apart by its divide at pc."""
    if _peek(mem, pc - 2, 2) != bytes((0xCD, number & 0xFF)):
        return False
    return number != TRAP_DE or not _is_divide(_peek(mem, pc, 15))


def _is_divide(code: bytes) -> bool:
    """Is this a ``div`` or ``idiv``: opcode F6 or F7 with extension 6 or 7, after prefixes?"""
    index = 0
    while index < len(code) and code[index] in _PREFIXES:
        index += 1
    return (
        index + 1 < len(code) and code[index] in (0xF6, 0xF7) and code[index + 1] >> 3 & 7 in (6, 7)
    )


def _software_interrupt(number: int, pc: int, regs: Registers) -> CpuFault:
    if number == TRAP_OF:
        return CpuFault(SIGSEGV, SI_KERNEL, 0, TRAP_OF)
    regs.pc = pc - 2
    return _protection(number << 3 | 2)  # error code: selector index, in the interrupt table


def _peek(mem: GuestMemory, address: int, size: int) -> bytes:
    """Up to ``size`` bytes of code; fewer where the mapping ends."""
    while size:
        try:
            return mem.read(address, size)
        except EFAULT:
            size -= 1
    return b""


def page_fault(address: int, access: int, signal: int, code: int, present: bool) -> CpuFault:
    """A refused memory access: #PF, or #GP where the address is not canonical."""
    if _CANONICAL_LOW <= address < _CANONICAL_HIGH:
        return _protection(0)
    error = PF_USER
    # Addresses of the kernel look mapped and forbidden, so that nobody learns which exist.
    if address >= USER_TOP or present:
        error |= PF_PROTECTION
    if access == ACCESS_WRITE:
        error |= PF_WRITE
    elif access == ACCESS_FETCH:
        error |= PF_FETCH
    return CpuFault(signal, code, address, TRAP_PF, error, address)
