"""Thread-local variables: ``qGetTLSAddr:THREAD,OFFSET,LINK_MAP``.

gdb knows a variable's offset in its module's block and asks where the block of a thread is.  For
the program itself that follows from its PT_TLS segment and the thread pointer, as the ABI lays it
down.  For a shared library the C library's own tables tell: glibc says by symbols meant for
debuggers where in ``struct link_map`` the number of a module stands (``qSymbol`` gets their
addresses from gdb), and the thread's vector of blocks is indexed with it.

See Drepper, "ELF Handling For Thread-Local Storage", variants I (aarch64) and II (x86_64).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from tools.gdb import words

if TYPE_CHECKING:
    from kernel.task.task import Task
    from tools.gdb.stub import Stub

MODULE_NUMBER: Final = b"_thread_db_link_map_l_tls_modid"
"""glibc's description of a field: its size in bits, how many, its offset (three u32)."""

_ESRCH: Final = 3
_EFAULT: Final = 14
_PAIR: Final = struct.Struct("<QQ")
_PROGRAM_HEADER: Final = struct.Struct("<IIQQQQQQ")
_LINK_MAP: Final = struct.Struct("<QQQQQ")  # l_addr, l_name, l_ld, l_next, l_prev
_FIELD: Final = struct.Struct("<III")
_PT_TLS: Final = 7
_AT_PHDR: Final = 3
_AT_PHNUM: Final = 5
_MOST_HEADERS: Final = 128
_MOST_MODULES: Final = 1 << 20


class Layout(NamedTuple):
    """Where a CPU's ABI puts the program's block and the vector, from the thread pointer.

    ``above``: bytes between the pointer and blocks above it; None: the block ends at the pointer.
    ``vector``: where the pointer to the vector stands.
    """

    above: int | None
    vector: int


LAYOUTS: Final = {"x86_64": Layout(None, 8), "aarch64": Layout(16, 0)}


def address(stub: Stub, packet: bytes) -> bytes:
    """The address of a thread's copy of a variable."""
    parts = packet.partition(b":")[2].split(b",")
    if len(parts) != 3:
        raise words.Malformed("qGetTLSAddr needs three parts")
    task = stub.find(words.thread_id(parts[0], stub.process))
    offset, link_map = words.number(parts[1]), words.number(parts[2])
    if task is None or task.mm is None:
        return words.error(_ESRCH)
    block = _own_block(stub, task) if _is_program(stub, task, link_map) else None
    if block is None and link_map:
        block = _library_block(stub, task, link_map)
    return words.error(_EFAULT) if block is None else b"%x" % (block + offset)


def symbol(stub: Stub, packet: bytes) -> bytes:
    """``qSymbol::``: gdb has new symbols and offers to look some up; ``qSymbol:VALUE:NAME``."""
    value, _, name = packet.partition(b":")[2].partition(b":")
    if not name:
        return b"qSymbol:" + words.tohex(MODULE_NUMBER)
    if value and words.unhex(name) == MODULE_NUMBER:
        stub.module_number = words.number(value)
    return words.OK


def _read(stub: Stub, task: Task, at: int, form: struct.Struct) -> tuple[int, ...] | None:
    data = stub.debugger.read(task.mm, at, form.size) if task.mm is not None else b""
    return form.unpack(data) if len(data) == form.size else None


def _pointer(stub: Stub, task: Task) -> int:
    return stub.machine.cpu.registers(task.context).tls


def _is_program(stub: Stub, task: Task, link_map: int) -> bool:
    """Static programs have no link map; in the list of modules the program is the first."""
    if not link_map:
        return True
    entry = _read(stub, task, link_map, _LINK_MAP)
    return entry is not None and entry[4] == 0


def _own_block(stub: Stub, task: Task) -> int | None:
    """The block of the program itself, from its PT_TLS."""
    assert task.mm is not None
    auxv = dict(_PAIR.iter_unpack(task.mm.auxv))
    at, count = auxv.get(_AT_PHDR, 0), min(auxv.get(_AT_PHNUM, 0), _MOST_HEADERS)
    for number in range(count):
        header = _read(stub, task, at + number * _PROGRAM_HEADER.size, _PROGRAM_HEADER)
        if header is not None and header[0] == _PT_TLS:
            start, size, align = header[3], header[6], max(header[7], 1)
            return _place(stub, task, start, size, align)
    return None


def _place(stub: Stub, task: Task, start: int, size: int, align: int) -> int:
    """As linkers compute it: the block keeps the segment's own alignment."""
    pointer = _pointer(stub, task)
    above = LAYOUTS[stub.machine.system.arch.name].above
    if above is None:
        return pointer - size - (-start - size) % align
    return pointer + above + (start - above) % align


def _library_block(stub: Stub, task: Task, link_map: int) -> int | None:
    """The block of a shared library; None: glibc's tables are not there, or it has none yet."""
    if not stub.module_number:
        return None
    field = _read(stub, task, stub.module_number, _FIELD)
    word = struct.Struct("<Q")
    layout = LAYOUTS[stub.machine.system.arch.name]
    vector = _read(stub, task, _pointer(stub, task) + layout.vector, word)
    if field is None or vector is None:
        return None
    number = _read(stub, task, link_map + field[2], word)
    if number is None or not 0 < number[0] < _MOST_MODULES:
        return None
    entry = _read(stub, task, vector[0] + 16 * number[0], word)
    if entry is None or entry[0] in (0, (1 << 64) - 1):  # not allocated: nobody has used it
        return None
    return entry[0]
