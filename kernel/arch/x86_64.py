"""x86_64: registers, struct stat, what programs are told about the processor.

The processor is Unicorn's default model, a Haswell without AVX; feature words below are what its
CPUID leaf 1 says (a test compares).  See the System V ABI, AMD64 supplement.
"""

from __future__ import annotations

import struct
from typing import Final

from kernel.arch import x86_64_faults, x86_64_frame
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
_STAT: Final = struct.Struct("<QQQIIIIQqqq6q24x")

_CPUINFO: Final = """\
processor\t: {index}
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 60
model name\t: Intel Core Processor (Haswell)
stepping\t: 4
microcode\t: 0x1
cpu MHz\t\t: 1000.000
cache size\t: 4096 KB
physical id\t: 0
siblings\t: {cpus}
core id\t\t: {index}
cpu cores\t: {cpus}
apicid\t\t: {index}
initial apicid\t: {index}
fpu\t\t: yes
fpu_exception\t: yes
cpuid level\t: 13
wp\t\t: yes
flags\t\t: {flags}
bugs\t\t:
bogomips\t: 2000.00
clflush size\t: 64
cache_alignment\t: 64
address sizes\t: 40 bits physical, 48 bits virtual
power management:

"""

_FLAGS: Final = (
    "fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 "
    "syscall nx rdtscp lm rep_good nopl cpuid pni pclmulqdq ssse3 cx16 sse4_1 sse4_2 movbe popcnt "
    "aes xsave hypervisor lahf_lm abm fsgsbase bmi1 smep bmi2 erms xsaveopt"
)


class _X86_64(Arch):  # noqa: N801 - the CPU's own name
    name = "x86_64"
    elf_machine = 62
    uname_machine = "x86_64"
    audit_arch = 0xC000003E
    syscall_insn_size = 2
    restart_syscall = 219
    syscall_number_register = "rax"
    syscall_argument_registers = ("rdi", "rsi", "rdx", "r10", "r8", "r9")
    register_names = (
        *("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"),
        *("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"),
        *("rip", "eflags", "fs_base", "gs_base"),
    )
    fp_image_size = 512
    clean_fp_image = x86_64_frame.CLEAN_FXSAVE
    platform = b"x86_64"
    hwcap = 0x078BFBFD
    hwcap2 = 2  # HWCAP2_FSGSBASE
    minsigstksz = 1040  # frame 440, FXSAVE image 512, the padding of both, to 16
    stat_size = 144
    epoll_event_packed = True
    semid_ds_padded = True

    def pack_stat(self, st: StatFields) -> bytes:
        """``struct stat`` of 144 bytes: nlink before mode, 8 bytes wide."""
        atime, mtime, ctime = st.atime, st.mtime, st.ctime
        return _STAT.pack(
            st.dev, st.ino, st.nlink, st.mode, st.uid, st.gid, 0,
            st.rdev, st.size, st.blksize, st.blocks,
            atime // NS, atime % NS, mtime // NS, mtime % NS, ctime // NS, ctime % NS,
        )  # fmt: skip

    def build_signal_frame(self, regs: Registers, mem: GuestMemory, frame: SignalFrame) -> None:
        """Push ``struct rt_sigframe``; see x86_64_frame."""
        x86_64_frame.build(regs, mem, frame)

    def restore_signal_frame(self, regs: Registers, mem: GuestMemory) -> Restored:
        """Read ``struct rt_sigframe`` back; see x86_64_frame."""
        return x86_64_frame.restore(regs, mem)

    def restart(self, regs: Registers, number: int, args: tuple[int, ...]) -> None:
        """Back over ``syscall``, the number in rax; the arguments were never overwritten."""
        regs.pc -= self.syscall_insn_size
        regs.set("rax", number)

    def classify_exception(
        self, number: int, pc: int, regs: Registers, mem: GuestMemory
    ) -> CpuFault:
        """See x86_64_faults."""
        return x86_64_faults.classify(number, pc, regs, mem)

    def page_fault(
        self, address: int, access: int, signal: int, code: int, present: bool
    ) -> CpuFault:
        """See x86_64_faults."""
        return x86_64_faults.page_fault(address, access, signal, code, present)

    def cpuinfo(self, cpus: int) -> bytes:
        """One paragraph per CPU."""
        return "".join(
            _CPUINFO.format(index=index, cpus=cpus, flags=_FLAGS) for index in range(cpus)
        ).encode()


X86_64: Final = _X86_64()
