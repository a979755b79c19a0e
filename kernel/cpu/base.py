"""What a processor is to the rest of the kernel: run a context until it traps.

The kernel sees user programs only through ``Cpu.run``: it lets one context execute in one address
space for a number of translated blocks and says why it stopped.  The details of the stop are words
of ``Cpu.trap``, one ``memoryview`` that lives as long as the processor; nothing is allocated per
trap.  ``kernel.cpu.engine`` implements this with Unicorn, ``kernel.cpu.fake`` with a script.

Linux analogue: ``arch/*/entry``, ``pt_regs`` and ``asm/tlbflush.h``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from kernel.arch.base import Arch, Registers
    from kernel.mm.ranges import RangeOps

# Why run() returned.
TRAP_SYSCALL: Final = 1
"""A system call: T_NUMBER and T_ARG0..5 are set; the program counter is behind the instruction."""
TRAP_PAGE_FAULT: Final = 2
"""A page without the right wanted: T_ADDRESS (of the page) and T_ACCESS; running again restarts."""
TRAP_EXCEPTION: Final = 3
"""The processor refused an instruction or hit a breakpoint: T_EXCEPTION."""
TRAP_SLICE: Final = 4
"""The budget of blocks is used up."""
TRAP_ATTENTION: Final = 5
"""Somebody set the attention word (ticker, host signal)."""
TRAP_IDLE: Final = 6
"""The program waits for an interrupt (aarch64 ``wfi``); the kernel treats it as a yield."""
TRAP_STEP: Final = 7
"""``step`` only: the instruction is done; T_PC."""
TRAP_BREAKPOINT: Final = 8
"""The program counter (T_PC) is at a breakpoint; the instruction there was not executed."""
TRAP_WATCHPOINT: Final = 9
"""The instruction before T_PC accessed watched bytes: T_ADDRESS, and ``watch_hits``."""

WATCH_READ: Final = 1
WATCH_WRITE: Final = 2

# Words of Cpu.trap.
T_NUMBER: Final = 0
T_ARG0: Final = 1
T_ARG1: Final = 2
T_ARG2: Final = 3
T_ARG3: Final = 4
T_ARG4: Final = 5
T_ARG5: Final = 6
T_PC: Final = 7
T_ADDRESS: Final = 8
T_ACCESS: Final = 9
T_EXCEPTION: Final = 10
T_BLOCKS_LEFT: Final = 11
T_SP: Final = 12
T_BLOCKS_DONE: Final = 13
"""Blocks translated code executed since the machine started, all contexts together."""
TRAP_WORDS: Final = 16

BLOCK_NS: Final = 10
"""Virtual time of one translated block; engine.h has the same, and the price of a trap."""

# T_ACCESS.
ACCESS_READ: Final = 0
ACCESS_WRITE: Final = 1
ACCESS_FETCH: Final = 2

# T_EXCEPTION beyond the processor's own numbers (x86 vectors; QEMU's EXCP_* on aarch64).
EXCEPTION_ILLEGAL: Final = 0x100
"""An instruction this processor does not have (x86 #UD; aarch64 undefined is number 1)."""
EXCEPTION_AVX: Final = 0x101
"""A VEX- or EVEX-encoded vector instruction: this processor has no AVX and says so."""
EXCEPTION_PRIVILEGED: Final = 0x102
"""An instruction for the kernel only that the emulator lets through (x86 in, out, sysenter)."""
EXCEPTION_STUCK: Final = 0x103
"""The emulator stopped without a reason: a bug of ours, never seen; T_NUMBER holds uc_err."""

# x86 vectors.
X86_DIVIDE: Final = 0
X86_DEBUG: Final = 1
X86_BREAKPOINT: Final = 3
X86_OVERFLOW: Final = 4
X86_INVALID_OPCODE: Final = 6
X86_SEGMENT: Final = 11
X86_STACK: Final = 12
X86_PROTECTION: Final = 13
X86_INT80: Final = 128

# aarch64 (QEMU's numbers as Unicorn reports them).
ARM64_UNDEFINED: Final = 1
ARM64_SVC: Final = 2
ARM64_PREFETCH_ABORT: Final = 3
ARM64_ALIGNMENT: Final = 4
ARM64_BREAKPOINT: Final = 7


class Cpu(Protocol):
    """One processor.  One context is loaded at a time; ``run`` swaps as needed.

    A context holds the registers of one task while it is not loaded.  It is an opaque object
    (``Any``: each kind of processor has its own), made, copied and freed here only.

    ``trap``: the words T_* of the last stop (format 'Q'); T_NUMBER and arguments stay valid until
    the next run.  ``ranges``: page-table range operations on the memory this processor walks.
    """

    @property
    def arch(self) -> Arch: ...
    @property
    def trap(self) -> memoryview: ...
    @property
    def ranges(self) -> RangeOps: ...

    def run(self, context: Any, root: int, blocks: int, /) -> int:
        """Run ``context`` in the address space with page table ``root``; return a TRAP_*.

        At most ``blocks`` (>= 1) translated blocks are executed.  Returns TRAP_ATTENTION at once,
        running nothing, if the attention word is set; the word is cleared by being reported.
        """

    def step(self, context: Any, root: int, blocks: int, /) -> int:
        """As ``run``, but one instruction at most: TRAP_STEP when it is done.

        An iteration of a repeated string instruction counts as one.  Breakpoints are not met.  A
        system call, fault or exception is reported as by ``run``.  The program cannot see it.
        """

    def insert_breakpoint(self, root: int, address: int) -> None:
        """Report TRAP_BREAKPOINT before the instruction at an address of the space is executed.

        Nobody can read it.  It goes with the page table.  Raises MemoryError if there is no room.
        """

    def remove_breakpoint(self, root: int, address: int) -> None:
        """Take it out; nothing if there is none."""

    def insert_watch(self, root: int, address: int, length: int, access: int) -> int:
        """Report TRAP_WATCHPOINT after an instruction that accessed the bytes.

        ``access``: WATCH_READ, WATCH_WRITE or both.  Returns a number for ``remove_watch`` and for
        the bits of ``watch_hits``; it goes with the page table.  Raises MemoryError when all are
        in use.
        """

    def remove_watch(self, number: int) -> None:
        """Take it out; nothing if there is none."""

    @property
    def watch_hits(self) -> int:
        """After TRAP_WATCHPOINT: a bit for each watchpoint that was met."""

    def new_context(self) -> Any:
        """Clean user registers: all zero, FPCW 0x37f, MXCSR 0x1f80, EL0 or CPL 3."""

    def clone_context(self, context: Any) -> Any:
        """A copy of the registers (fork)."""

    def reset_context(self, context: Any) -> None:
        """Make the registers clean again (execve)."""

    def free_context(self, context: Any) -> None:
        """Give back the host memory.  Freeing the loaded context is fine."""

    def set_result(self, context: Any, value: int, /) -> None:
        """Set the system-call result register (value taken modulo 2**64)."""

    def registers(self, context: Any) -> Registers:
        """All registers of the context, readable and writable, loaded or not."""

    def invalidate(self, root: int, address: int, pages: int) -> None:
        """Rights were lost in ``pages`` pages at ``address``; nothing if root is not loaded."""

    def invalidate_code(self, frame: int) -> None:
        """Drop every translation of code in ``frame`` (rewritten or reused)."""

    asked: bool
    """Has ``request_attention`` been called since the loop last ended a turn for it?"""

    def request_attention(self) -> None:
        """End the present or the next run with TRAP_ATTENTION; callable from a signal handler."""

    def start_ticker(self, interval_us: int) -> None:
        """Set the attention word every ``interval_us`` microseconds from a C thread."""

    def stop_ticker(self) -> None:
        """End the ticker thread."""

    def watch_signal(self, number: int) -> None:
        """Let host signal ``number`` end guest code; its present handler is called as before."""

    def unwatch_signals(self) -> None:
        """Give the host's signals back."""

    def system_ns(self, context: Any) -> int:
        """Nanoseconds the kernel has worked after traps of this context."""

    def stop_charging(self) -> None:
        """The kernel is about to wait: the time until the next run is nobody's system time."""

    def user_ns(self, context: Any) -> int:
        """Host nanoseconds this context has spent in user code."""

    def close(self) -> None:
        """Give everything back.  The processor cannot be used afterwards."""
