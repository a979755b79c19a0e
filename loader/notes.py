"""GNU property notes: what a program says it needs of the processor.

The linker writes one note of type NT_GNU_PROPERTY_TYPE_0 with an array of properties; for x86_64
``-march=x86-64-v3`` with ``-z x86-64-v3`` sets GNU_PROPERTY_X86_ISA_1_NEEDED.  Malformed notes are
ignored, as Linux ignores them.  See the x86-64 psABI, "Program Property".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from kernel.arch.base import Arch

NT_GNU_PROPERTY_TYPE_0: Final = 5
GNU_PROPERTY_X86_ISA_1_NEEDED: Final = 0xC0008002
X86_64_MACHINE: Final = 62

_LEVELS: Final = ((8, "x86-64-v4 (AVX-512)"), (4, "x86-64-v3 (AVX2)"))

_NOTE: Final = struct.Struct("<III")
_PROPERTY: Final = struct.Struct("<II")


def _aligned(offset: int, alignment: int) -> int:
    return (offset + alignment - 1) & -alignment


def properties(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Each (type, data) in a PT_GNU_PROPERTY segment; stops at the first malformed one."""
    offset = 0
    while offset + _NOTE.size <= len(data):
        namesz, descsz, kind = _NOTE.unpack_from(data, offset)
        name_at = offset + _NOTE.size
        desc_at = _aligned(name_at + namesz, 8)
        if desc_at + descsz > len(data):
            return
        if kind == NT_GNU_PROPERTY_TYPE_0 and data[name_at : name_at + namesz] == b"GNU\0":
            yield from _properties_of(data[desc_at : desc_at + descsz])
        offset = _aligned(desc_at + descsz, 8)


def _properties_of(desc: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _PROPERTY.size <= len(desc):
        kind, size = _PROPERTY.unpack_from(desc, offset)
        start = offset + _PROPERTY.size
        if start + size > len(desc):
            return
        yield kind, desc[start : start + size]
        offset = _aligned(start + size, 8)


def missing_isa(data: bytes, arch: Arch) -> str:
    """The instruction set level the notes need and this CPU lacks, or ''."""
    if arch.elf_machine != X86_64_MACHINE:
        return ""
    for kind, value in properties(data):
        if kind == GNU_PROPERTY_X86_ISA_1_NEEDED and len(value) == 4:
            needed = int.from_bytes(value, "little")
            for bit, name in _LEVELS:
                if needed & bit:
                    return name
    return ""
