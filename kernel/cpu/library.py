"""Opening the two shared libraries: libunicorn and our own engine.

libunicorn is taken from the installed ``unicorn`` package without importing it: the package's
Python side costs 60 ms at start and is not needed.  The engine is not linked against it; it gets
the addresses of the functions it calls.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from kernel.mm.physical import PhysicalMemory

ENGINE_ABI: Final = 2
UNICORN_VERSION: Final = (2, 1)
UNICORN_PATCH: Final = 4

# Indices into Engine.words beyond Cpu.trap; engine.h has the same list.
W_CONTEXT: Final = 16
W_ROOT: Final = 17
W_BLOCKS: Final = 18
W_RESULT: Final = 19
W_RESULT_SET: Final = 20
W_LOADED: Final = 21
W_TIME_VIRTUAL: Final = 22
W_TIME_BASE: Final = 23
W_ATTENTION: Final = 24
W_MISSES: Final = 32
W_TLB_FLUSHES: Final = 33
W_PAGE_FLUSHES: Final = 34
W_SWITCHES: Final = 35
W_CODE_DROPS: Final = 36
W_ROOT_LOADED: Final = 37
W_REBUILDS: Final = 38
W_EXIT_CHECKS: Final = 39
"""1: Unicorn looks for a stop request after every memory access; programs run slower."""
W_HITS: Final = 40
"""Bits of the watchpoints that the last instruction met."""
W_REGISTERS: Final = 64
WORDS: Final = 256

UNICORN_FUNCTIONS: Final = (
    "uc_open",
    "uc_close",
    "uc_ctl",
    "uc_emu_start",
    "uc_emu_stop",
    "uc_hook_add",
    "uc_mem_map_ptr",
    "uc_reg_read",
    "uc_reg_write",
    "uc_reg_read_batch",
    "uc_hook_del",
    "uc_context_alloc",
    "uc_context_free",
    "uc_context_save",
    "uc_context_restore",
    "uc_context_size",
)
"""In the order of ``Unicorn`` in engine.h."""


class CpuUnavailable(Exception):
    """The processor cannot be made on this host; the message is one line for the user."""


def _unicorn_path() -> Path:
    spec = importlib.util.find_spec("unicorn")
    if spec is None or not spec.submodule_search_locations:
        raise CpuUnavailable("the Python package `unicorn` is not installed (pip install unicorn)")
    names = ("libunicorn.2.dylib",) if sys.platform == "darwin" else ("libunicorn.so.2",)
    for place in spec.submodule_search_locations:
        for name in names:
            path = Path(place, "lib", name)
            if path.exists():
                return path
    raise CpuUnavailable("the `unicorn` package has no library for this host")


def open_unicorn() -> ctypes.CDLL:
    """libunicorn of the installed package; its version is checked."""
    library = ctypes.CDLL(str(_unicorn_path()))
    version = library.uc_version(None, None)
    found = (version >> 24 & 0xFF, version >> 16 & 0xFF, version >> 8 & 0xFF)
    if found[:2] != UNICORN_VERSION or found[2] < UNICORN_PATCH:
        text = ".".join(map(str, found))
        raise CpuUnavailable(f"unicorn ~=2.1.4 is needed, {text} is installed")
    return library


def engine_path() -> Path:
    """Where the build puts our library."""
    return Path(__file__).with_name("_engine.so")


_SIGNATURES: Final[dict[str, tuple[object, tuple[object, ...]]]] = {
    "engine_abi": (ctypes.c_int, ()),
    "engine_create": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_void_p)),
    "engine_close": (None, (ctypes.c_void_p,)),
    "engine_run": (ctypes.c_int, (ctypes.c_void_p,)),
    "engine_step": (ctypes.c_int, (ctypes.c_void_p,)),
    "engine_insert_breakpoint": (
        ctypes.c_int,
        (ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64),
    ),
    "engine_remove_breakpoint": (None, (ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64)),
    "engine_insert_watch": (
        ctypes.c_int,
        (ctypes.c_void_p, *[ctypes.c_uint64] * 3, ctypes.c_uint32),
    ),
    "engine_remove_watch": (None, (ctypes.c_void_p, ctypes.c_int)),
    "engine_new_context": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_void_p)),
    "engine_reset_context": (None, (ctypes.c_void_p, ctypes.c_void_p)),
    "engine_free_context": (None, (ctypes.c_void_p, ctypes.c_void_p)),
    "engine_set_result": (None, (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64)),
    "engine_user_ns": (ctypes.c_uint64, (ctypes.c_void_p,)),
    "engine_system_ns": (ctypes.c_uint64, (ctypes.c_void_p,)),
    "engine_stop_charging": (None, (ctypes.c_void_p,)),
    "engine_invalidate": (
        None,
        (ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64),
    ),
    "engine_invalidate_code": (None, (ctypes.c_void_p, ctypes.c_uint64)),
    "engine_read_register": (ctypes.c_uint64, (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)),
    "engine_write_register": (
        None,
        (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_uint64),
    ),
    "engine_read_registers": (
        None,
        (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int),
    ),
    "engine_write_registers": (
        None,
        (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int),
    ),
    "engine_read_fp": (None, (ctypes.c_void_p, ctypes.c_void_p)),
    "engine_write_fp": (None, (ctypes.c_void_p, ctypes.c_void_p)),
    "engine_request_attention": (None, (ctypes.c_void_p,)),
    "engine_start_ticker": (ctypes.c_int, (ctypes.c_void_p, ctypes.c_uint64)),
    "engine_stop_ticker": (None, (ctypes.c_void_p,)),
    "engine_watch_signal": (ctypes.c_int, (ctypes.c_void_p, ctypes.c_int)),
    "engine_unwatch_signals": (None, (ctypes.c_void_p,)),
    "x86_decode_bytes": (ctypes.c_int, (ctypes.c_char_p, ctypes.c_uint64, ctypes.c_void_p)),
    "ranges_create": (ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_void_p)),
    "ranges_free": (None, (ctypes.c_void_p,)),
    "ranges_set_entry": (ctypes.c_int, (ctypes.c_void_p, *[ctypes.c_uint64] * 3)),
    "ranges_map_zero": (ctypes.c_int64, (ctypes.c_void_p, *[ctypes.c_uint64] * 4)),
    "ranges_map_frames": (
        ctypes.c_int64,
        (ctypes.c_void_p, *[ctypes.c_uint64] * 2, ctypes.c_void_p, *[ctypes.c_uint64] * 2),
    ),
    "ranges_unmap": (ctypes.c_int64, (ctypes.c_void_p, *[ctypes.c_uint64] * 3)),
    "ranges_protect": (ctypes.c_int64, (ctypes.c_void_p, *[ctypes.c_uint64] * 4)),
    "ranges_fork": (ctypes.c_int64, (ctypes.c_void_p, *[ctypes.c_uint64] * 4)),
    "ranges_move": (ctypes.c_int64, (ctypes.c_void_p, *[ctypes.c_uint64] * 4)),
    "ranges_dirty": (
        ctypes.c_int64,
        (ctypes.c_void_p, *[ctypes.c_uint64] * 3, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint64),
    ),
    "ranges_present": (ctypes.c_int64, (ctypes.c_void_p, *[ctypes.c_uint64] * 3)),
    "ranges_free_tables": (None, (ctypes.c_void_p, ctypes.c_uint64)),
    "ranges_take_stale": (ctypes.c_int64, (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64)),
}

RELEASES_GIL: Final = ("engine_run", "engine_step", "engine_stop_ticker", "engine_close")
"""Called so that other Python threads can go on; all others are too short to be worth it."""


def open_engine() -> Any:
    """Our library with its C signatures; ``Any`` because ctypes functions have no static type."""
    path = engine_path()
    if not path.exists():
        raise CpuUnavailable(
            "the C part is not built: run `python -m build_backend.compile` or reinstall"
        )
    short, long = ctypes.PyDLL(str(path)), ctypes.CDLL(str(path))
    functions = SimpleNamespace()
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(long if name in RELEASES_GIL else short, name)
        function.restype = result
        function.argtypes = arguments
        setattr(functions, name, function)
    if functions.engine_abi() != ENGINE_ABI:
        raise CpuUnavailable(
            "the C part is out of date: run `python -m build_backend.compile` or reinstall"
        )
    return functions


def address_of(buffer: Any) -> int:
    """Where a writable buffer's memory is; the caller keeps the buffer alive."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def memory_config(physical: PhysicalMemory) -> list[int]:
    """The fields of engine.h's ``Memory``."""
    return [
        address_of(physical.ram),
        physical.size,
        address_of(physical.counts_map),
        address_of(physical.flags_map),
        address_of(physical.free_map),
        address_of(physical.control_map),
    ]


def unicorn_functions(library: ctypes.CDLL) -> list[int]:
    """Addresses of what engine.h's ``Unicorn`` lists."""
    return [
        ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
        for name in UNICORN_FUNCTIONS
    ]
