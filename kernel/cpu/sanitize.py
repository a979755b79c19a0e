"""Register images from outside must stay user mode.

rt_sigreturn(2) takes registers from guest memory, a debugger sends what it likes.  Everything that
is stored through ``Registers`` passes here: what a user program could not have set by its own
instructions is dropped or corrected, silently, as Linux does (``FIX_EFLAGS``,
``valid_user_regs``).

A value is corrected and never refused; where Linux refuses (ptrace(2)) the caller checks first.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

MASK64: Final = (1 << 64) - 1

# x86_64
EFLAGS_USER: Final = 0x40DD5
"""CF PF AF ZF SF TF DF OF AC: the bits of Linux's FIX_EFLAGS but RF, which only debuggers need."""
EFLAGS_FIXED: Final = 0x202
"""IF, and the bit that is always one.  IOPL, NT, VM, VIF, VIP stay zero."""
MXCSR_MASK: Final = 0xFFFF
FPCW_MASK: Final = 0x1F3F
FPCW_FIXED: Final = 0x40

# aarch64
PSTATE_USER: Final = 0xF0000000
"""N Z C V.  Mode (EL0), interrupt masks, single step and the 32-bit state are the kernel's."""
FPCR_MASK: Final = 0x07C80000
"""AHP DN FZ RMode FZ16.  The trap-enable bits do not exist on the A72."""
FPSR_MASK: Final = 0xF800009F


def canonical(address: int) -> int:
    """Sign-extend from bit 47, as every x86_64 address must be."""
    address &= (1 << 48) - 1
    return address | 0xFFFF << 48 if address >> 47 else address


def eflags(value: int) -> int:
    """Only what ``popf`` may change at CPL 3."""
    return value & EFLAGS_USER | EFLAGS_FIXED


def pstate(value: int) -> int:
    """Only what ``msr nzcv`` may change at EL0."""
    return value & PSTATE_USER


SANITIZERS: Final[dict[str, dict[str, Callable[[int], int]]]] = {
    "x86_64": {"rip": canonical, "eflags": eflags, "fs_base": canonical, "gs_base": canonical},
    "aarch64": {"pstate": pstate},
}
"""Registers of each CPU that do not take every 64-bit value."""

_X86_CONTROL: Final = struct.Struct("<H22xI")  # FCW at 0, MXCSR at 24
_ARM64_CONTROL: Final = struct.Struct("<II")  # FPSR, FPCR


def x86_fp_image(image: bytes) -> bytes:
    """An FXSAVE image whose control words FXRSTOR would accept."""
    control, mxcsr = _X86_CONTROL.unpack_from(image)
    fixed = bytearray(image)
    struct.pack_into("<H", fixed, 0, control & FPCW_MASK | FPCW_FIXED)
    struct.pack_into("<I", fixed, 24, mxcsr & MXCSR_MASK)
    return bytes(fixed)


def arm64_fp_image(image: bytes) -> bytes:
    """FPSR and FPCR without reserved bits."""
    status, control = _ARM64_CONTROL.unpack_from(image)
    return _ARM64_CONTROL.pack(status & FPSR_MASK, control & FPCR_MASK) + image[8:]


FP_IMAGES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "x86_64": x86_fp_image,
    "aarch64": arm64_fp_image,
}
