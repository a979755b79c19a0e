"""aarch64: registers, struct stat, what programs are told about the processor.

The processor is Unicorn's Cortex-A72: ARMv8.0 with the crypto and CRC32 extensions, no LSE.  (The
richer model aborts the host on some encodings.)  See the AArch64 procedure call standard and the
kernel's Documentation/arch/arm64/elf_hwcaps.rst.
"""

from __future__ import annotations

import struct
from typing import Final

from kernel.arch import aarch64_faults, aarch64_frame
from kernel.arch.base import (
    Arch,
    CpuFault,
    GuestMemory,
    Registers,
    Restored,
    SignalFrame,
    StatFields,
)

NS: Final = 1_000_000_000
_STAT: Final = struct.Struct("<QQIIIIQQqi4xq6q8x")

_CPUINFO: Final = """\
processor\t: {index}
BogoMIPS\t: 125.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3

"""

HWCAP_FP: Final = 1 << 0
HWCAP_ASIMD: Final = 1 << 1
HWCAP_EVTSTRM: Final = 1 << 2
HWCAP_AES: Final = 1 << 3
HWCAP_PMULL: Final = 1 << 4
HWCAP_SHA1: Final = 1 << 5
HWCAP_SHA2: Final = 1 << 6
HWCAP_CRC32: Final = 1 << 7
HWCAP_CPUID: Final = 1 << 11

# Four open(2) flags have other bits than on x86_64: (here, common).
_OPEN_FLAGS: Final = (
    (0o40000, 0o200000),  # O_DIRECTORY
    (0o100000, 0o400000),  # O_NOFOLLOW
    (0o200000, 0o40000),  # O_DIRECT
    (0o400000, 0o100000),  # O_LARGEFILE
)
_MOVED: Final = 0o740000
_IN: Final = tuple(
    sum(common for here, common in _OPEN_FLAGS if bits << 14 & here) for bits in range(16)
)
_OUT: Final = tuple(
    sum(here for here, common in _OPEN_FLAGS if bits << 14 & common) for bits in range(16)
)


class _AArch64(Arch):
    name = "aarch64"
    elf_machine = 183
    uname_machine = "aarch64"
    audit_arch = 0xC00000B7
    syscall_insn_size = 4
    code_alignment = 4
    restart_syscall = 128
    syscall_number_register = "x8"
    syscall_argument_registers = ("x0", "x1", "x2", "x3", "x4", "x5")
    register_names = (*(f"x{n}" for n in range(31)), "sp", "pc", "pstate", "tpidr")
    fp_image_size = 8 + 512
    clean_fp_image = bytes(8 + 512)
    platform = b"aarch64"
    hwcap = (
        HWCAP_FP
        | HWCAP_ASIMD
        | HWCAP_EVTSTRM
        | HWCAP_AES
        | HWCAP_PMULL
        | HWCAP_SHA1
        | HWCAP_SHA2
        | HWCAP_CRC32
        | HWCAP_CPUID
    )
    hwcap2 = 0
    minsigstksz = 4720  # the frame, the frame record and their alignment
    sigreturn_code = bytes.fromhex("681180d2 010000d4")  # mov x8, #139; svc #0
    stat_size = 128

    def pack_stat(self, st: StatFields) -> bytes:
        """``struct stat`` of 128 bytes, the layout of all newer CPUs."""
        atime, mtime, ctime = st.atime, st.mtime, st.ctime
        return _STAT.pack(
            st.dev, st.ino, st.mode, st.nlink, st.uid, st.gid,
            st.rdev, 0, st.size, st.blksize, st.blocks,
            atime // NS, atime % NS, mtime // NS, mtime % NS, ctime // NS, ctime % NS,
        )  # fmt: skip

    def open_flags_in(self, flags: int) -> int:
        """O_DIRECTORY, O_NOFOLLOW, O_DIRECT and O_LARGEFILE move to the common bits."""
        return flags & ~_MOVED | _IN[flags >> 14 & 15]

    def open_flags_out(self, flags: int) -> int:
        """The way back."""
        return flags & ~_MOVED | _OUT[flags >> 14 & 15]

    def build_signal_frame(self, regs: Registers, mem: GuestMemory, frame: SignalFrame) -> None:
        """Push ``struct rt_sigframe`` and a frame record; see aarch64_frame."""
        aarch64_frame.build(regs, mem, frame)

    def restore_signal_frame(self, regs: Registers, mem: GuestMemory) -> Restored:
        """Read ``struct rt_sigframe`` back; see aarch64_frame."""
        return aarch64_frame.restore(regs, mem)

    def restart(self, regs: Registers, number: int, args: tuple[int, ...]) -> None:
        """Back over ``svc``, the number in x8; x0 was overwritten by the result."""
        regs.pc -= self.syscall_insn_size
        regs.set("x0", args[0])
        regs.set("x8", number)

    def classify_exception(
        self, number: int, pc: int, regs: Registers, mem: GuestMemory
    ) -> CpuFault:
        """See aarch64_faults."""
        return aarch64_faults.classify(number, pc, regs, mem)

    def page_fault(
        self, address: int, access: int, signal: int, code: int, present: bool
    ) -> CpuFault:
        """See aarch64_faults."""
        return aarch64_faults.page_fault(address, access, signal, code, present)

    def cpuinfo(self, cpus: int) -> bytes:
        """One paragraph per CPU."""
        return "".join(_CPUINFO.format(index=index) for index in range(cpus)).encode()


AARCH64: Final = _AArch64()
