"""The processor made of Unicorn: contexts, the run loop's Python side, invalidation.

The work is done in C (see the package's lecture).  ``Engine`` only passes words and handles, and on
the path of every trap it does no more than that: ``run`` is three stores and one call.

Linux analogue: ``switch_to``, ``flush_tlb_*``.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from kernel.cpu import cpuid, id_registers
from kernel.cpu.base import BLOCK_NS, T_BLOCKS_DONE, TRAP_WORDS
from kernel.cpu.library import (
    W_ATTENTION,
    W_BLOCKS,
    W_CODE_DROPS,
    W_CONTEXT,
    W_HITS,
    W_LOADED,
    W_MISSES,
    W_PAGE_FLUSHES,
    W_REBUILDS,
    W_RESULT,
    W_RESULT_SET,
    W_ROOT,
    W_SWITCHES,
    W_TIME_BASE,
    W_TIME_VIRTUAL,
    W_TLB_FLUSHES,
    WORDS,
    CpuUnavailable,
    memory_config,
    open_engine,
    open_unicorn,
    unicorn_functions,
)
from kernel.cpu.ranges import NativeRanges
from kernel.cpu.registers import EngineRegisters, RegisterFile
from kernel.cpu.sanitize import MASK64

if TYPE_CHECKING:
    from kernel.arch.base import Arch
    from kernel.mm.physical import PhysicalMemory

VIRTUAL_START_NS: Final = 1_000_000
"""Virtual time does not begin at 0: a deadline of 0 means "already over" to many programs."""
_UNICORN_ARCH: Final = {"x86_64": 4, "aarch64": 2}
DEFAULT_MODEL: Final = -1 & MASK64

MODELS: Final[dict[str, dict[str, tuple[int, dict[tuple[int, int], int]]]]] = {
    "x86_64": {"default": (DEFAULT_MODEL, {})},
    "aarch64": {
        "default": (2, id_registers.CORTEX_A72),
        "cortex-a72": (2, id_registers.CORTEX_A72),
        "max": (3, id_registers.MAX),
    },
}
"""Unicorn's number of each processor model, and its identification registers.

``max`` lets a guest abort the host process by unallocated half-precision encodings (an assertion in
Unicorn), so it is never the default.  x86's default model is Haswell without AVX.
"""


class EngineContext:
    """The saved registers of one task; the handle is the address of a C ``Context``."""

    __slots__ = ("handle",)

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __repr__(self) -> str:
        return "<EngineContext>"


def _bind_run(words: memoryview, function: Any, engine: ctypes.c_void_p) -> Any:
    """``Cpu.run`` as a closure: no attribute look-ups on the path of every trap."""

    def run(context: EngineContext, root: int, blocks: int, /) -> int:
        words[W_CONTEXT] = context.handle
        words[W_ROOT] = root
        words[W_BLOCKS] = blocks
        trap: int = function(engine)
        return trap

    return run


def _bind_set_result(words: memoryview, function: Any, engine: int) -> Any:
    """``Cpu.set_result``: two stores for the loaded context, a call for any other."""

    def set_result(context: EngineContext, value: int, /) -> None:
        if context.handle == words[W_LOADED]:
            words[W_RESULT] = value & MASK64
            words[W_RESULT_SET] = 1
        else:
            function(engine, context.handle, value & MASK64)

    return set_result


RAM_LIMIT: Final = 1 << 38
"""engine.h's: above it lie the addresses of devices."""


class Engine:
    """One Unicorn engine over one ``PhysicalMemory``: a kernel.cpu.base.Cpu.

    Invariants: ``trap`` and ``words`` are views of C memory that lives until ``close``; contexts
    must be freed before.
    """

    run: Callable[[EngineContext, int, int], int]
    step: Callable[[EngineContext, int, int], int]
    set_result: Callable[[EngineContext, int], None]

    def __init__(self, arch: Arch, physical: PhysicalMemory, model: str = "default") -> None:
        self.arch = arch
        self._physical = physical  # the C part holds addresses into it
        self._lib = open_engine()
        self._unicorn = open_unicorn()
        self._handle = self._create(model)
        block = (ctypes.c_uint64 * WORDS).from_address(self._handle)
        self.words = memoryview(block).cast("B").cast("Q")
        self.asked = False
        self.trap = self.words[:TRAP_WORDS]
        self._registers = RegisterFile(arch, self._lib, self._handle, self.words)
        self._cache: dict[int, EngineRegisters] = {}
        handle = ctypes.c_void_p(self._handle)
        self.run = _bind_run(self.words, self._lib.engine_run, handle)
        self.step = _bind_run(self.words, self._lib.engine_step, handle)
        self.set_result = _bind_set_result(self.words, self._lib.engine_set_result, self._handle)
        self.ranges = NativeRanges(self._lib, physical, self._handle)

    def _create(self, model: str) -> int:
        if self._physical.size > RAM_LIMIT:
            most = (RAM_LIMIT >> 30) - 1  # frame 0 counts, and nobody can use it
            raise CpuUnavailable(f"{most}g is the most memory that a machine can have")
        number, identification = MODELS[self.arch.name][model]
        self._cpuid = cpuid.table()  # C keeps its address
        ids = id_registers.table(identification)
        config = [
            _UNICORN_ARCH[self.arch.name],
            number,
            *memory_config(self._physical),
            self._cpuid.buffer_info()[0],
            len(cpuid.ROWS),
            ids.buffer_info()[0],
            *unicorn_functions(self._unicorn),
        ]
        stage = ctypes.c_int()
        block = (ctypes.c_uint64 * len(config))(*config)
        handle: int | None = self._lib.engine_create(block, ctypes.byref(stage))
        if not handle:
            raise CpuUnavailable(f"Unicorn does not behave as expected (self-test {stage.value})")
        return handle

    # -- contexts

    def _new(self, source: int | None) -> EngineContext:
        handle = self._lib.engine_new_context(self._handle, source)
        if not handle:
            raise MemoryError("no host memory for a context")
        return EngineContext(handle)

    def new_context(self) -> EngineContext:
        """See Cpu."""
        return self._new(None)

    def clone_context(self, context: EngineContext) -> EngineContext:
        """See Cpu."""
        return self._new(context.handle)

    def reset_context(self, context: EngineContext) -> None:
        """See Cpu."""
        self._lib.engine_reset_context(self._handle, context.handle)

    def free_context(self, context: EngineContext) -> None:
        """See Cpu."""
        self._cache.pop(context.handle, None)
        self._lib.engine_free_context(self._handle, context.handle)
        context.handle = 0

    def registers(self, context: EngineContext) -> EngineRegisters:
        """See Cpu."""
        handle = context.handle
        found = self._cache.get(handle)
        if found is None:
            found = self._cache[handle] = EngineRegisters(self._registers, handle)
        return found

    # -- invalidation (kernel.mm.tlb.Tlb)

    def invalidate(self, root: int, address: int, pages: int) -> None:
        """See Cpu."""
        self._lib.engine_invalidate(self._handle, root, address, pages)

    def invalidate_code(self, frame: int) -> None:
        """See Cpu."""
        self._lib.engine_invalidate_code(self._handle, frame)

    # -- breakpoints and watchpoints (debug.c)

    def insert_breakpoint(self, root: int, address: int) -> None:
        """See Cpu."""
        if self._lib.engine_insert_breakpoint(self._handle, root, address):
            raise MemoryError("breakpoints in too many pages")

    def remove_breakpoint(self, root: int, address: int) -> None:
        """See Cpu."""
        self._lib.engine_remove_breakpoint(self._handle, root, address)

    def insert_watch(self, root: int, address: int, length: int, access: int) -> int:
        """See Cpu."""
        number: int = self._lib.engine_insert_watch(self._handle, root, address, length, access)
        if number < 0:
            raise MemoryError("too many watchpoints")
        return number

    def remove_watch(self, number: int) -> None:
        """See Cpu."""
        self._lib.engine_remove_watch(self._handle, number)

    @property
    def watch_hits(self) -> int:
        """See Cpu."""
        return self.words[W_HITS]

    # -- attention, time

    def request_attention(self) -> None:
        """See Cpu."""
        self.asked = True
        self.words[W_ATTENTION] = 1

    def start_ticker(self, interval_us: int) -> None:
        """See Cpu."""
        if self._lib.engine_start_ticker(self._handle, interval_us):
            raise OSError("the ticker thread cannot be started")

    def stop_ticker(self) -> None:
        """See Cpu."""
        self._lib.engine_stop_ticker(self._handle)

    def watch_signal(self, number: int) -> None:
        """Let host signal ``number`` request attention before its Python handler is called.

        Install the Python handler first; it runs when ``run`` has returned.
        """
        error = self._lib.engine_watch_signal(self._handle, number)
        if error:
            raise OSError(error, f"host signal {number} cannot be watched")

    def unwatch_signals(self) -> None:
        """Give the host's signals back to the handlers that were there before."""
        self._lib.engine_unwatch_signals(self._handle)

    def set_time_origin(self, host_ns: int) -> None:
        """What rdtsc and CNTVCT count from: the host's monotonic time when the machine booted."""
        self.words[W_TIME_BASE] = host_ns

    def use_virtual_time(self) -> None:
        """From now on time is work: see kernel.clock.virtual."""
        self.words[W_TIME_VIRTUAL] = 1
        self.words[W_TIME_BASE] = VIRTUAL_START_NS

    def now(self) -> int:
        """Virtual ns since boot (kernel.clock.virtual.WorkCounter)."""
        return self.words[W_TIME_BASE] + self.words[T_BLOCKS_DONE] * BLOCK_NS

    def skip(self, ns: int) -> None:
        """Let virtual time pass without work."""
        self.words[W_TIME_BASE] += ns

    def user_ns(self, context: EngineContext) -> int:
        """See Cpu."""
        ns: int = self._lib.engine_user_ns(context.handle)
        return ns

    def system_ns(self, context: EngineContext) -> int:
        """Host nanoseconds the kernel has worked after traps of this context."""
        ns: int = self._lib.engine_system_ns(context.handle)
        return ns

    def stop_charging(self) -> None:
        """The kernel is about to wait: the time until the next run is nobody's system time."""
        self._lib.engine_stop_charging(self._handle)

    def counters(self) -> dict[str, int]:
        """What the processor did so far, for statistics and the inspector."""
        words = self.words
        return {
            "tlb_misses": words[W_MISSES],
            "tlb_flushes": words[W_TLB_FLUSHES],
            "page_flushes": words[W_PAGE_FLUSHES],
            "context_loads": words[W_SWITCHES],
            "code_invalidations": words[W_CODE_DROPS],
            "engines_replaced": words[W_REBUILDS],
        }

    @property
    def closed(self) -> bool:
        """Was ``close`` called?  Nothing may be asked of it any more."""
        return not self._handle

    def close(self) -> None:
        """See Cpu."""
        if not self._handle:
            return
        self._lib.engine_unwatch_signals(self._handle)
        self.trap.release()
        self.words.release()
        self.ranges.close()
        self._lib.engine_close(self._handle)
        self._handle = 0

    def __repr__(self) -> str:
        return f"<Engine {self.arch.name}>"
