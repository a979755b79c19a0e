"""ELF files made by hand, for tests that need one thing right or wrong about them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

PT_LOAD, PT_INTERP, PT_NOTE = 1, 3, 4
PT_GNU_PROPERTY, PT_GNU_STACK = 0x6474E553, 0x6474E551
R, W, X = 4, 2, 1
MACHINES = {"x86_64": 62, "aarch64": 183}


@dataclass
class Header:
    """One program header; ``data`` is put at ``offset`` unless the offset is beyond it anyway."""

    type: int
    flags: int = R
    offset: int = 0
    vaddr: int = 0
    data: bytes = b""
    filesz: int | None = None
    memsz: int | None = None
    align: int = 4096

    def pack(self) -> bytes:
        filesz = len(self.data) if self.filesz is None else self.filesz
        memsz = filesz if self.memsz is None else self.memsz
        return struct.pack(
            "<IIQQQQQQ",
            *(
                self.type,
                self.flags,
                self.offset,
                self.vaddr,
                self.vaddr,
                filesz,
                memsz,
                self.align,
            ),
        )


@dataclass
class ElfFile:
    """``bytes(elf)`` is the file."""

    machine: int = 62
    type: int = 2
    entry: int = 0x401000
    headers: list[Header] = field(default_factory=list)
    ident: bytes = b"\x7fELF\x02\x01\x01" + bytes(9)
    phoff: int = 64
    phentsize: int = 56
    phnum: int | None = None

    def __bytes__(self) -> bytes:
        phnum = len(self.headers) if self.phnum is None else self.phnum
        image = bytearray(
            struct.pack(
                "<16sHHIQQQIHHHHHH",
                *(self.ident, self.type, self.machine, 1, self.entry, self.phoff, 0, 0, 64),
                *(self.phentsize, phnum, 64, 0, 0),
            )
        )
        image += b"".join(header.pack() for header in self.headers)
        for header in self.headers:
            if header.data:
                image += bytes(max(0, header.offset - len(image)))
                image[header.offset : header.offset + len(header.data)] = header.data
        return bytes(image)


def plain(arch: str = "x86_64", **changes: object) -> ElfFile:
    """A static program: headers and text at 0x400000, data with BSS behind it."""
    elf = ElfFile(machine=MACHINES[arch])
    elf.headers = [
        Header(PT_LOAD, R, 0, 0x400000, filesz=64 + 4 * 56),
        Header(PT_LOAD, R | X, 0x1000, 0x401000, b"\x90" * 100),
        Header(PT_LOAD, R | W, 0x1100, 0x402100, b"data" * 8, memsz=0x3000),
        Header(PT_GNU_STACK, R | W, align=16),
    ]
    for name, value in changes.items():
        setattr(elf, name, value)
    return elf


def property_note(kind: int, value: int) -> bytes:
    """A PT_GNU_PROPERTY segment with one property."""
    return struct.pack("<III4sIII4x", 4, 16, 5, b"GNU\0", kind, 4, value)
