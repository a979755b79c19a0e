"""The signal frame of aarch64.

On the stack, from high to low addresses: a frame record (x29, x30), so that debuggers can walk
through the handler to the interrupted function, and below it ``struct rt_sigframe``, 16-aligned:

    0    siginfo (128)
    128  ucontext: flags, link, uc_stack (24), uc_sigmask (8), 120 unused bytes
    304  sigcontext: fault_address, x0..x30, sp, pc, pstate
    592  records (magic, size, data): fpsimd_context, esr_context after a fault, a null record

Linux analogue: ``arch/arm64/kernel/signal.c``, ``asm/sigcontext.h``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from kernel.abi.errors import EFAULT
from kernel.abi.signals import SA_RESTORER, SA_SIGINFO
from kernel.arch.base import USER_TOP, AltStack, GuestMemory, Registers, Restored, SignalFrame

FRAME_SIZE: Final = 4688
RECORD_SIZE: Final = 16
UCONTEXT_OFFSET: Final = 128
SIGCONTEXT_OFFSET: Final = 304
RESERVED_OFFSET: Final = 592
RESERVED_SIZE: Final = 4096

FPSIMD_MAGIC: Final = 0x46508001
FPSIMD_SIZE: Final = 528
ESR_MAGIC: Final = 0x45535201
ESR_SIZE: Final = 16

PSTATE_BTYPE: Final = 3 << 10
PSTATE_TCO: Final = 1 << 25

_UCONTEXT: Final = struct.Struct("<QQQIIQQ120x8x")
_SIGCONTEXT: Final = struct.Struct("<Q31QQQQ8x")
_RECORD: Final = struct.Struct("<II")
_FRAME_RECORD: Final = struct.Struct("<QQ")


def _records(regs: Registers, frame: SignalFrame) -> bytes:
    """fpsimd_context, esr_context if the last fault left a syndrome, and the null record."""
    data = _RECORD.pack(FPSIMD_MAGIC, FPSIMD_SIZE) + regs.fp_image()
    if frame.error:
        data += struct.pack("<IIQ", ESR_MAGIC, ESR_SIZE, frame.error)
    return data + bytes(_RECORD.size)


def _picture(values: tuple[int, ...], regs: Registers, frame: SignalFrame) -> bytes:
    *x0_to_x30, sp, pc, pstate, _tpidr = values
    alt = frame.altstack
    info = frame.siginfo if frame.flags & SA_SIGINFO else bytes(UCONTEXT_OFFSET)
    return (
        info
        + _UCONTEXT.pack(*(0, 0, alt.sp, alt.flags, 0, alt.size, frame.old_mask))
        + _SIGCONTEXT.pack(frame.fault_address, *x0_to_x30, sp, pc, pstate)
        + _records(regs, frame)
    )


def build(regs: Registers, mem: GuestMemory, frame: SignalFrame) -> None:
    """Push the frame and start the handler: handler(signo, &siginfo, &ucontext)."""
    top = frame.altstack.sp + frame.altstack.size if frame.on_altstack else regs.sp
    record = (top - RECORD_SIZE) & ~15
    sp = record - FRAME_SIZE
    if sp <= 0 or record + RECORD_SIZE > USER_TOP:
        raise EFAULT("signal frame at %#x is outside the user half", sp)
    values = regs.general()
    mem.write(record, _FRAME_RECORD.pack(values[29], values[30]))
    mem.write(sp, _picture(values, regs, frame))
    _enter_handler(regs, values, frame, sp, record)


def _enter_handler(
    regs: Registers, values: tuple[int, ...], frame: SignalFrame, sp: int, record: int
) -> None:
    registers = list(values)
    registers[0] = frame.signo
    if frame.flags & SA_SIGINFO:
        registers[1] = sp
        registers[2] = sp + UCONTEXT_OFFSET
    registers[29] = record
    registers[30] = frame.restorer if frame.flags & SA_RESTORER else frame.sigreturn
    registers[31] = sp
    registers[32] = frame.handler
    registers[33] &= ~(PSTATE_BTYPE | PSTATE_TCO)
    regs.set_general(tuple(registers))


def restore(regs: Registers, mem: GuestMemory) -> Restored:
    """Registers from the frame at sp; a frame without its fpsimd_context is refused."""
    if regs.sp & 15:
        raise EFAULT("rt_sigreturn: the stack pointer is not 16-aligned")
    data = mem.read(regs.sp, FRAME_SIZE)
    _, _, alt_sp, alt_flags, _, alt_size, mask = _UCONTEXT.unpack_from(data, UCONTEXT_OFFSET)
    _fault, *general = _SIGCONTEXT.unpack_from(data, SIGCONTEXT_OFFSET)
    image = _find_fpsimd(data[RESERVED_OFFSET:])
    regs.set_general((*general, regs.tls))
    regs.set_fp_image(image)
    return Restored(mask, AltStack(alt_sp, alt_flags & 0xFFFFFFFF, alt_size))


def _find_fpsimd(reserved: bytes) -> bytes:
    image = None
    for magic, record in _walk(reserved):
        if magic == FPSIMD_MAGIC:
            if len(record) != FPSIMD_SIZE or image is not None:
                raise EFAULT("rt_sigreturn: malformed fpsimd_context")
            image = record[_RECORD.size :]
        elif magic != ESR_MAGIC:
            raise EFAULT("rt_sigreturn: unknown record %#x", magic)
    if image is None:
        raise EFAULT("rt_sigreturn: no fpsimd_context in the frame")
    return image


def _walk(reserved: bytes) -> Iterator[tuple[int, bytes]]:
    """Each (magic, whole record) up to the null record."""
    offset = 0
    while True:
        if len(reserved) - offset < _RECORD.size:
            raise EFAULT("rt_sigreturn: records run over the end of the frame")
        magic, size = _RECORD.unpack_from(reserved, offset)
        if magic == 0 and size == 0:
            return
        if size < _RECORD.size or size & 15 or offset + size > len(reserved):
            raise EFAULT("rt_sigreturn: record %#x has size %s", magic, size)
        yield magic, reserved[offset : offset + size]
        offset += size
