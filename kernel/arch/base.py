"""The questions the kernel asks about a CPU: ``Arch``, and the registers of a task.

This room lies below memory and tasks, so it names what it needs of them as small protocols:
``Registers`` (implemented by kernel.cpu) and ``GuestMemory`` (implemented by kernel.mm.usercopy).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

PAGE_SIZE: Final = 4096
USER_TOP: Final = 0x7FFFFFFFF000
"""First address no mapping may reach: 2^47 minus the guard page Linux keeps, on both CPUs."""

ACCESS_READ: Final = 0
ACCESS_WRITE: Final = 1
ACCESS_FETCH: Final = 2

# Exception numbers beyond the processor's own; kernel.cpu.base documents them.
EXCEPTION_ILLEGAL: Final = 0x100
EXCEPTION_AVX: Final = 0x101
EXCEPTION_PRIVILEGED: Final = 0x102


class Registers(Protocol):
    """The registers of one task, whether they are in the CPU or saved.

    ``set_general`` and ``set_fp_image`` sanitize: a guest or a debugger can hand in anything, what
    is stored stays user mode (user-changeable flags, canonical PC and bases, masked MXCSR).
    """

    pc: int
    sp: int
    result: int
    """The register a system call returns its result in (rax, x0)."""
    tls: int
    """The thread pointer (fs base, tpidr_el0)."""

    def get(self, name: str, /) -> int:
        """One register by its name in ``Arch.register_names``."""

    def set(self, name: str, value: int, /) -> None:
        """Set one register; sanitized like ``set_general``."""

    def general(self) -> tuple[int, ...]:
        """All general registers, in the order of ``Arch.register_names``."""

    def set_general(self, values: tuple[int, ...], /) -> None:
        """Set them all; sanitizes."""

    def fp_image(self) -> bytes:
        """Floating point and vector registers: ``Arch.fp_image_size`` bytes.

        x86_64: the 512 bytes of FXSAVE.  aarch64: fpsr u32, fpcr u32, then V0..V31.
        """

    def set_fp_image(self, image: bytes, /) -> None:
        """Set them all; sanitizes."""


class GuestMemory(Protocol):
    """The two doors to a task's memory that signal frames need (kernel.mm.usercopy)."""

    def read(self, address: int, size: int, /) -> bytes:
        """Raises EFAULT."""

    def write(self, address: int, data: bytes, /) -> None:
        """Raises EFAULT."""


class StatFields(Protocol):
    """What stat(2) returns, before it gets a layout; times are ns since the epoch."""

    @property
    def dev(self) -> int: ...
    @property
    def ino(self) -> int: ...
    @property
    def mode(self) -> int: ...
    @property
    def nlink(self) -> int: ...
    @property
    def uid(self) -> int: ...
    @property
    def gid(self) -> int: ...
    @property
    def rdev(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def blksize(self) -> int: ...
    @property
    def blocks(self) -> int: ...
    @property
    def atime(self) -> int: ...
    @property
    def mtime(self) -> int: ...
    @property
    def ctime(self) -> int: ...


class AltStack(NamedTuple):
    """``stack_t`` of sigaltstack(2), in the order of its fields."""

    sp: int
    flags: int
    size: int


NO_ALTSTACK: Final = AltStack(0, 2, 0)
"""What sigaltstack(2) shows before any was set: SS_DISABLE."""


@dataclass(slots=True)
class SignalFrame:
    """Everything a CPU needs to know to push one signal frame.

    ``flags`` are the action's SA_ flags.  ``on_altstack``: start at the top of ``altstack`` and
    not below the interrupted stack pointer.  ``old_mask`` is what sigreturn puts back.  ``trapno``,
    ``error`` and ``fault_address`` describe the last CPU fault of the task (0 if none).
    ``sigreturn``: address of the trampoline that the loader mapped (``mm.vdso_sigreturn``), for
    CPUs on which an action may come without a restorer.
    """

    signo: int
    handler: int
    restorer: int
    flags: int
    siginfo: bytes
    old_mask: int
    altstack: AltStack = NO_ALTSTACK
    on_altstack: bool = False
    trapno: int = 0
    error: int = 0
    fault_address: int = 0
    sigreturn: int = 0


class Restored(NamedTuple):
    """What rt_sigreturn(2) found beside the registers: the blocked mask and the stack settings."""

    mask: int
    altstack: AltStack


class CpuFault(NamedTuple):
    """A CPU exception as a signal: number, si_code, si_addr, and what the frame shows of it."""

    signal: int
    code: int
    address: int
    trapno: int = 0
    error: int = 0
    fault_address: int = 0


class Arch:
    """One CPU.  Subclasses fill in the data and the CPU-specific functions; no instance state."""

    name: str
    elf_machine: int
    uname_machine: str
    audit_arch: int
    """AUDIT_ARCH_* of seccomp and ptrace."""
    syscall_insn_size: int
    code_alignment: int = 1
    """Instructions begin at multiples of this."""
    restart_syscall: int
    """The number of restart_syscall(2)."""
    syscall_number_register: str
    syscall_argument_registers: tuple[str, ...]
    register_names: tuple[str, ...]
    fp_image_size: int
    clean_fp_image: bytes
    platform: bytes
    """AT_PLATFORM."""
    hwcap: int
    hwcap2: int
    minsigstksz: int
    """AT_MINSIGSTKSZ: the least alternate stack a handler can run on."""
    sigreturn_code: bytes = b""
    """Code of the trampoline page, or empty where handlers bring their own restorer."""
    user_top: int = USER_TOP
    page_size: int = PAGE_SIZE
    stat_size: int
    semid_ds_padded: bool = False
    """Does ``struct semid64_ds`` have a spare word behind each time (x86_64)?"""
    epoll_event_packed: bool = False
    """Is ``struct epoll_event`` 12 bytes (x86_64) or 16 (all others)?"""

    def pack_stat(self, st: StatFields) -> bytes:
        """``struct stat`` as this CPU lays it out.  See stat(2)."""
        raise NotImplementedError

    def open_flags_in(self, flags: int) -> int:
        """Guest's O_ flags to the common (x86_64) values; see open(2)."""
        return flags

    def open_flags_out(self, flags: int) -> int:
        """Common O_ flags to the guest's values (fcntl F_GETFL, fdinfo)."""
        return flags

    def build_signal_frame(self, regs: Registers, mem: GuestMemory, frame: SignalFrame) -> None:
        """Push a signal frame and point the registers at the handler.  See sigreturn(2).

        Raises EFAULT, having changed no register, when the stack cannot hold the frame.
        """
        raise NotImplementedError

    def restore_signal_frame(self, regs: Registers, mem: GuestMemory) -> Restored:
        """Undo ``build_signal_frame``: registers from the frame the stack pointer shows.

        Raises EFAULT for a frame that cannot be read or is malformed; the caller forces SIGSEGV.
        """
        raise NotImplementedError

    def restart(self, regs: Registers, number: int, args: tuple[int, ...]) -> None:
        """Make the task execute its system-call instruction again, as call ``number``.

        ``args``: the raw arguments the interrupted call was entered with.
        """
        raise NotImplementedError

    def classify_exception(
        self, number: int, pc: int, regs: Registers, mem: GuestMemory
    ) -> CpuFault:
        """The signal for exception ``number``; moves ``regs.pc`` to where Linux would leave it."""
        raise NotImplementedError

    def page_fault(
        self, address: int, access: int, signal: int, code: int, present: bool
    ) -> CpuFault:
        """The signal for a memory access the address space refused with (signal, code).

        ``present``: the page is there with other rights; the hardware's error code tells.
        """
        raise NotImplementedError

    def cpuinfo(self, cpus: int) -> bytes:
        """/proc/cpuinfo for that many CPUs.  See proc(5)."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<Arch {self.name}>"
