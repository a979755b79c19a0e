"""The exact address of a memory fault, from the instruction that caused it.

Unicorn reports faults by page.  A signal's ``si_addr`` wants the byte, so when (and only when) a
signal is made, the instruction at the program counter is decoded and the address of its memory
operand computed from the registers, which are unchanged at a fault.  capstone is imported at the
first use: it takes 30 ms, and most programs never fault so.

An access that begins below the page and reaches into it faults at the page's first byte; that is
also the answer where the operand cannot be told.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from kernel.cpu.base import ACCESS_FETCH

if TYPE_CHECKING:
    from kernel.arch.base import Arch, Registers

PAGE: Final = 4096
MASK64: Final = (1 << 64) - 1
MASK32: Final = (1 << 32) - 1
TAG_MASK: Final = (1 << 56) - 1

CS_OP_MEM: Final = (3, 0x80)
"""capstone's number of memory operands, before and since version 6."""

_STACK_PUSHES: Final = ("push", "call", "enter")
_STACK_POPS: Final = ("pop", "ret", "iret")


def exact_fault_address(
    arch: Arch, registers: Registers, code: bytes, page: int, access: int
) -> int:
    """The address in ``page`` that the instruction ``code`` at ``registers.pc`` wanted.

    ``code``: what can be read at the program counter, 16 bytes are enough.
    """
    pc = registers.pc
    if access == ACCESS_FETCH:
        return pc if pc & -PAGE == page else page
    instruction = next(_disassembler(arch.name).disasm(code, pc, 1), None)
    if instruction is None:
        return page
    operands = _x86_operands if arch.name == "x86_64" else _arm64_operands
    candidates = operands(instruction, registers)
    return next((address for address in candidates if address & -PAGE == page), page)


@cache
def _disassembler(arch: str) -> Any:
    capstone = importlib.import_module("capstone")
    if arch == "x86_64":
        decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    else:
        decoder = capstone.Cs(_arm64_constant(capstone), capstone.CS_MODE_ARM)
    decoder.detail = True
    return decoder


def _arm64_constant(capstone: Any) -> int:
    """CS_ARCH_ARM64 was renamed in capstone 6."""
    value: int = getattr(capstone, "CS_ARCH_ARM64", None) or capstone.CS_ARCH_AARCH64
    return value


def _x86_register(instruction: Any, number: int, registers: Registers) -> int:
    """Value of a base or index register; 32-bit names come with an address-size prefix."""
    if not number:
        return 0
    name: str = instruction.reg_name(number)
    if name in ("rip", "eip"):
        return int(instruction.address + instruction.size)
    if name.startswith("e"):
        return registers.get("r" + name[1:]) & MASK32
    if name.endswith("d"):
        return registers.get(name[:-1]) & MASK32
    return registers.get(name)


def _x86_operands(instruction: Any, registers: Registers) -> Iterator[int]:
    for operand in instruction.operands:
        if operand.type not in CS_OP_MEM:
            continue
        memory = operand.mem
        address = _x86_register(instruction, memory.base, registers) + memory.disp
        address += _x86_register(instruction, memory.index, registers) * memory.scale
        if memory.segment:
            segment = instruction.reg_name(memory.segment)
            if segment in ("fs", "gs"):
                address += registers.get(segment + "_base")
        yield address & MASK64
    mnemonic = instruction.mnemonic
    if mnemonic.startswith(_STACK_PUSHES):
        yield registers.sp - (2 if instruction.prefix[2] == 0x66 else 8) & MASK64
    elif mnemonic.startswith(_STACK_POPS):
        yield registers.sp
    elif mnemonic == "leave":
        yield registers.get("rbp")


def _arm64_register(instruction: Any, number: int, registers: Registers) -> int:
    name: str = instruction.reg_name(number)
    aliases = {"fp": "x29", "lr": "x30", "ip0": "x16", "ip1": "x17"}
    name = aliases.get(name, name)
    if name in ("xzr", "wzr"):
        return 0
    if name.startswith("w"):
        return registers.get("x" + name[1:]) & MASK32
    return registers.get(name)


def _arm64_operands(instruction: Any, registers: Registers) -> Iterator[int]:
    if instruction.mnemonic == "dc":  # dc zva, xN clears the whole aligned block
        line = 64
        yield _arm64_register(instruction, instruction.operands[-1].reg, registers) & -line
        return
    for operand in instruction.operands:
        if operand.type not in CS_OP_MEM:
            continue
        memory = operand.mem
        address = _arm64_register(instruction, memory.base, registers)
        if memory.index:
            address += _arm64_index(instruction, operand, registers)
        yield address + memory.disp & TAG_MASK


def _arm64_index(instruction: Any, operand: Any, registers: Registers) -> int:
    """An index register with its extension and shift."""
    number = operand.mem.index
    value = _arm64_register(instruction, number, registers)
    if instruction.op_str.count("sxtw") and value >> 31 & 1:
        value -= 1 << 32
    return int(value << operand.shift.value)
