"""The signal frame of x86_64.

On the stack, from high to low addresses: the red zone the interrupted function may use (128
bytes), the FXSAVE image (aligned to 64), and ``struct rt_sigframe``, placed so that the handler
starts like a called function (stack pointer 8 below a multiple of 16):

    0    pretcode: return address of the handler = sa_restorer
    8    ucontext: flags, link, uc_stack (24), sigcontext (256), uc_sigmask (8)
    312  siginfo (128)

``sw_reserved``, the last 48 bytes of the FXSAVE image, would announce an XSAVE area by its magic
number; we save none, so they are zero and uc_flags lacks UC_FP_XSTATE.

Linux analogue: ``arch/x86/kernel/signal_64.c``, ``asm/sigframe.h``, ``asm/sigcontext.h``.
"""

from __future__ import annotations

import struct
from typing import Final

from kernel.abi.errors import EFAULT
from kernel.abi.signals import SA_RESTORER, SA_SIGINFO
from kernel.arch.base import USER_TOP, AltStack, GuestMemory, Registers, Restored, SignalFrame

RED_ZONE: Final = 128
FXSAVE_SIZE: Final = 512
FRAME_SIZE: Final = 440
UCONTEXT_OFFSET: Final = 8
SIGINFO_OFFSET: Final = 312

UC_FP_XSTATE: Final = 1
UC_SIGCONTEXT_SS: Final = 2
UC_STRICT_RESTORE_SS: Final = 4

# Places in Registers.general().
RAX: Final = 0
RDX: Final = 3
RSI: Final = 4
RDI: Final = 5
RSP: Final = 7
RIP: Final = 16
EFLAGS: Final = 17

USER_CS: Final = 0x33
USER_SS: Final = 0x2B

EFLAGS_TF: Final = 1 << 8
EFLAGS_DF: Final = 1 << 10
EFLAGS_RF: Final = 1 << 16

# FCW 0x37f, MXCSR 0x1f80, MXCSR_MASK 0xffff: the state every program starts with.
CLEAN_FXSAVE: Final = struct.pack("<H22xII480x", 0x37F, 0x1F80, 0xFFFF)

_HEAD: Final = struct.Struct("<QQQQIIQ")  # pretcode, uc_flags, uc_link, ss_sp, ss_flags, pad, size
_GREGS: Final = struct.Struct("<18Q4H5Q64x")  # r8..eflags, cs gs fs ss, err trapno mask cr2 fpstate
_MASK: Final = struct.Struct("<Q")


def _place(regs: Registers, frame: SignalFrame) -> tuple[int, int]:
    """Addresses of the FXSAVE image and of the frame."""
    top = frame.altstack.sp + frame.altstack.size if frame.on_altstack else regs.sp - RED_ZONE
    fpstate = (top - FXSAVE_SIZE) & ~63
    return fpstate, ((fpstate - FRAME_SIZE) & ~15) - 8


def _picture(values: tuple[int, ...], frame: SignalFrame, fpstate: int) -> bytes:
    """The frame's bytes; ``values`` are the interrupted registers in ``register_names`` order."""
    rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, *r8_to_r15, rip, eflags, _fs, _gs = values
    alt = frame.altstack
    return (
        _HEAD.pack(
            *(frame.restorer, UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS, 0),
            *(alt.sp, alt.flags, 0, alt.size),
        )
        + _GREGS.pack(
            *r8_to_r15,
            *(rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags),
            *(USER_CS, 0, 0, USER_SS),
            *(frame.error, frame.trapno, frame.old_mask, frame.fault_address, fpstate),
        )
        + _MASK.pack(frame.old_mask)
    )


def build(regs: Registers, mem: GuestMemory, frame: SignalFrame) -> None:
    """Push the frame and start the handler: handler(signo, &siginfo, &ucontext), clean FPU."""
    if not frame.flags & SA_RESTORER:
        raise EFAULT("x86_64 needs SA_RESTORER: there is no other way back from a handler")
    fpstate, sp = _place(regs, frame)
    if sp <= 0 or fpstate + FXSAVE_SIZE > USER_TOP:
        raise EFAULT("signal frame at %#x is outside the user half", sp)
    values = regs.general()
    picture = _picture(values, frame, fpstate)
    if frame.flags & SA_SIGINFO:
        picture += frame.siginfo
    mem.write(fpstate, _saved_fp(regs))
    mem.write(sp, picture)
    _enter_handler(regs, values, frame, sp)


def _saved_fp(regs: Registers) -> bytes:
    """The FXSAVE image with an empty sw_reserved."""
    return regs.fp_image()[: FXSAVE_SIZE - 48] + bytes(48)


def _enter_handler(regs: Registers, values: tuple[int, ...], frame: SignalFrame, sp: int) -> None:
    registers = list(values)
    registers[RAX] = 0  # for a handler declared without a prototype: no vector arguments
    registers[RDI] = frame.signo
    registers[RSI] = sp + SIGINFO_OFFSET
    registers[RDX] = sp + UCONTEXT_OFFSET
    registers[RSP] = sp
    registers[RIP] = frame.handler
    registers[EFLAGS] &= ~(EFLAGS_DF | EFLAGS_RF | EFLAGS_TF)
    regs.set_general(tuple(registers))
    regs.set_fp_image(CLEAN_FXSAVE)


def restore(regs: Registers, mem: GuestMemory) -> Restored:
    """Registers from the frame; the handler's ``ret`` popped pretcode, so it lies 8 below sp."""
    data = mem.read(regs.sp - 8, SIGINFO_OFFSET)
    _, _, _, alt_sp, alt_flags, _, alt_size = _HEAD.unpack_from(data)
    gregs = _GREGS.unpack_from(data, _HEAD.size)
    (mask,) = _MASK.unpack_from(data, _HEAD.size + _GREGS.size)
    rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags = gregs[8:18]
    fpstate = gregs[26]
    # A null pointer means "the FPU was not used": the registers are reset.
    image = mem.read(fpstate, FXSAVE_SIZE) if fpstate else CLEAN_FXSAVE
    bases = (regs.get("fs_base"), regs.get("gs_base"))
    regs.set_general((rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, *gregs[:8], rip, eflags, *bases))
    regs.set_fp_image(image)
    return Restored(mask, AltStack(alt_sp, alt_flags & 0xFFFFFFFF, alt_size))
