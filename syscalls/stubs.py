"""The source of a dispatch stub: registers in, handler called.

For ``openat`` on aarch64 this is what runs::

    def stub_openat(task, t):
        dirfd = t[1]
        if dirfd > 0x7FFFFFFF:
            dirfd = (dirfd & 0x7FFFFFFF) - (dirfd & 0x80000000)
        return handler(task, dirfd, t[2], swap_open_flags(t[3] & 0xFFFFFFFF), t[4] & 0xFFFF)

Decoding in straight-line source costs 20 to 40 ns per argument; a loop over decoders would cost ten
times that on every call.  A register that holds a 32-bit int may carry rubbish in its upper half,
so it is cut before use; the common case (small and positive) is one comparison.  The source is
registered with ``linecache``, so tracebacks and debuggers show it.

A call that may sleep and has descriptors among its arguments keeps their files while it does, if
the table is shared; that is a few more lines (see holding.py).
"""

from __future__ import annotations

import linecache
from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeAlias

from kernel.arch.base import Arch
from kernel.arch.registry import get_arch
from syscalls.declare import Cutter, Declaration
from syscalls.holding import hold_descriptors
from syscalls.kinds import OPEN_FLAGS, S32, S64, U16, U32, U64

Entry: TypeAlias = Callable[[Any, "memoryview[int]"], Any]
"""entry(task, trap) -> int or generator.  Any: the table serves any task type (tests use fakes)."""

INLINE = {U64: "{r}", U32: "{r} & 0xffffffff", U16: "{r} & 0xffff"}
SIGNED = {
    S32: "if {n} > 0x7fffffff:\n        {n} = ({n} & 0x7fffffff) - ({n} & 0x80000000)",
    S64: "if {n} > 0x7fffffffffffffff:\n        {n} -= 0x10000000000000000",
}


def stub_source(declaration: Declaration, arch: str) -> str:
    """Python source of the stub of one call on one CPU."""
    lines = [
        f"def stub_{declaration.name}(task, t):",
        f'    """{declaration.man} on {arch}, generated from its declaration."""',
    ]
    arguments = ["task"]
    registers = declaration.registers(arch)
    for (name, kind), register in zip(declaration.parameters, registers, strict=True):
        word = f"t[{register + 1}]"
        if kind.decode in SIGNED:
            lines.append(f"    {name} = {word}")
            lines.append("    " + SIGNED[kind.decode].format(n=name))
            arguments.append(name)
        elif kind.show == "fd":
            lines.append(f"    {name} = {_inline(kind.decode, arch).format(r=word)}")
            arguments.append(name)
        else:
            arguments.append(_inline(kind.decode, arch).format(r=word))
    call = f"handler({', '.join(arguments)})"
    files = [name for name, kind in declaration.parameters if kind.show == "fd"]
    if declaration.may_block and files:
        lines += [
            f"    result = {call}",
            "    if result.__class__ is int or task.fds.users == 1:",
            "        return result",
            f"    return hold_descriptors(task, result, {', '.join(files)})",
        ]
    else:
        lines.append(f"    return {call}")
    return "\n".join(lines) + "\n"


def _inline(decode: str, arch: str) -> str:
    if decode == OPEN_FLAGS:
        cut = INLINE[U32]
        common = type(get_arch(arch)).open_flags_in is Arch.open_flags_in
        return cut if common else f"open_flags_in({cut})"
    return INLINE[decode]


def compile_stub(declaration: Declaration, arch: str) -> Entry:
    """Compile the stub and make its source visible to tracebacks."""
    source = stub_source(declaration, arch)
    filename = f"<syscall {declaration.name} {arch}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {
        "handler": declaration.handler,
        "hold_descriptors": hold_descriptors,
        "open_flags_in": get_arch(arch).open_flags_in,
    }
    exec(compile(source, filename, "exec"), namespace)
    entry: Entry = namespace[f"stub_{declaration.name}"]
    return entry


def decode_arguments(declaration: Declaration, arch: str, raw: tuple[int, ...]) -> tuple[int, ...]:
    """What the stub would pass to the handler, as values: for the tracer and the library."""
    words = declaration.words.get(arch)
    if words is None:
        registers = declaration.registers(arch)
        pairs = zip(declaration.parameters, registers, strict=True)
        words = tuple((_cutter(kind.decode, arch), register) for (_, kind), register in pairs)
        declaration.words[arch] = words
    return tuple([cut(raw[r]) if cut is not None else raw[r] for cut, r in words])


def _cutter(decode: str, arch: str) -> Cutter | None:
    """What cuts one argument out of its register; None if it is the whole register."""
    return partial(_open_flags, arch) if decode == OPEN_FLAGS else _CUTTERS[decode]


def _s32(word: int) -> int:
    return (word & 0x7FFFFFFF) - (word & 0x80000000)


def _s64(word: int) -> int:
    return word - (word >> 63 << 64)


def _u32(word: int) -> int:
    return word & 0xFFFFFFFF


def _u16(word: int) -> int:
    return word & 0xFFFF


def _open_flags(arch: str, word: int) -> int:
    return get_arch(arch).open_flags_in(word & 0xFFFFFFFF)


_CUTTERS: Final[dict[str, Cutter | None]] = {
    U64: None,
    S64: _s64,
    U32: _u32,
    S32: _s32,
    U16: _u16,
}
