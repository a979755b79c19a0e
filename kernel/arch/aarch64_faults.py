"""From an aarch64 exception to a signal.

The engine reports QEMU's exception numbers and leaves the syndrome register alone, so ESR is put
together here from what is known: class, write bit, and a fault status of table level 3, the level
our page tables end at.

Linux analogue: ``arch/arm64/kernel/traps.c``, ``debug-monitors.c``, ``arch/arm64/mm/fault.c``.
"""

from __future__ import annotations

from typing import Final

from kernel.abi.errors import EFAULT
from kernel.abi.signals import (
    BUS_ADRALN,
    ILL_ILLOPC,
    SIGBUS,
    SIGILL,
    SIGTRAP,
    TRAP_BRKPT,
)
from kernel.arch.base import ACCESS_FETCH, ACCESS_WRITE, CpuFault, GuestMemory, Registers

EXCP_UNDEFINED: Final = 1
EXCP_ALIGNMENT: Final = 4
EXCP_BREAKPOINT: Final = 7

EC_INSTRUCTION_ABORT: Final = 0x20
EC_PC_ALIGNMENT: Final = 0x22
EC_DATA_ABORT: Final = 0x24
ESR_IL: Final = 1 << 25
ESR_WNR: Final = 1 << 6
FSC_TRANSLATION_L3: Final = 0x07
FSC_PERMISSION_L3: Final = 0x0F
FSC_ALIGNMENT: Final = 0x21

_SP: Final = 31


def _esr(exception_class: int, status: int) -> int:
    return exception_class << 26 | ESR_IL | status


def classify(number: int, pc: int, regs: Registers, mem: GuestMemory) -> CpuFault:
    """The signal of exception ``number``; the program counter stays at the instruction."""
    if number == EXCP_BREAKPOINT:
        return CpuFault(SIGTRAP, TRAP_BRKPT, pc)
    if number == EXCP_ALIGNMENT:
        address = _base_register(pc, regs, mem)
        return CpuFault(SIGBUS, BUS_ADRALN, address, 0, _esr(EC_DATA_ABORT, FSC_ALIGNMENT), address)
    if pc & 3:
        return _misaligned_pc(pc)
    return CpuFault(SIGILL, ILL_ILLOPC, pc)


def _misaligned_pc(pc: int) -> CpuFault:
    return CpuFault(SIGBUS, BUS_ADRALN, pc, 0, _esr(EC_PC_ALIGNMENT, 0))


def _base_register(pc: int, regs: Registers, mem: GuestMemory) -> int:
    """The address of an exclusive or atomic access: these have a base register and no offset."""
    try:
        word = int.from_bytes(mem.read(pc, 4), "little")
    except EFAULT:
        return 0
    base = word >> 5 & 31
    return regs.sp if base == _SP else regs.get(f"x{base}")


def page_fault(address: int, access: int, signal: int, code: int, present: bool) -> CpuFault:
    """A refused memory access: data or instruction abort.

    A program counter that is not a multiple of 4 comes first: it is looked at before the page is.
    """
    if access == ACCESS_FETCH and address & 3:
        return _misaligned_pc(address)
    status = FSC_PERMISSION_L3 if present else FSC_TRANSLATION_L3
    if access == ACCESS_FETCH:
        esr = _esr(EC_INSTRUCTION_ABORT, status)
    else:
        esr = _esr(EC_DATA_ABORT, status | (ESR_WNR if access == ACCESS_WRITE else 0))
    return CpuFault(signal, code, address, 0, esr, address)
