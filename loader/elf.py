"""Reading the headers of an ELF64 file.

``parse`` returns an ``ElfImage``, plain data that is all of the file the kernel ever looks at, or
raises ENOEXEC with the reason in words; ``diorama run`` prints it.  Checks come before use: nothing
here trusts a number of the file.

Stricter than Linux in three places, where Linux starts a program that is bound to crash: contents
beyond the end of the file (Linux: SIGBUS later), segments that overlap, and an ISA note that asks
for more than the processor has (Linux leaves that to the C library).  See elf(5).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from kernel.abi.errors import ENOEXEC
from kernel.arch.base import PAGE_SIZE, USER_TOP, Arch
from loader.notes import missing_isa

ELF_MAGIC: Final = b"\x7fELF"
EHDR_SIZE: Final = 64
PHDR_SIZE: Final = 56
MAX_PHDR_BYTES: Final = 65536
PATH_MAX: Final = 4096
MMAP_MIN_ADDR: Final = 65536

ELFCLASS64: Final = 2
ELFDATA2LSB: Final = 1
ET_EXEC: Final = 2
ET_DYN: Final = 3

PT_LOAD: Final = 1
PT_INTERP: Final = 3
PT_GNU_PROPERTY: Final = 0x6474E553
PT_GNU_STACK: Final = 0x6474E551
PF_X: Final = 1
PF_W: Final = 2
PF_R: Final = 4

_EHDR: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_PHDR: Final = struct.Struct("<IIQQQQQQ")

_TYPES: Final = {0: "no type", 1: "a relocatable object file", 4: "a core dump"}
_MACHINES: Final = {
    3: "32-bit x86",
    8: "MIPS",
    20: "PowerPC",
    21: "64-bit PowerPC",
    22: "S/390",
    40: "32-bit ARM",
    62: "x86_64",
    183: "aarch64",
    243: "RISC-V",
    258: "LoongArch",
}

Reader = Callable[[int, int], bytes]
"""read(offset, size) -> up to size bytes of the file."""


class Segment(NamedTuple):
    """One PT_LOAD."""

    vaddr: int
    memsz: int
    offset: int
    filesz: int
    flags: int

    @property
    def end(self) -> int:
        """First address behind it."""
        return self.vaddr + self.memsz


@dataclass(frozen=True, slots=True)
class ElfImage:
    """What exec needs of an ELF file.

    Invariants: ``segments`` is not empty, sorted, free of overlap (pages shared by two segments are
    allowed), and lies in the user half; file contents lie within the file; offset and address of
    each are congruent modulo the page size.
    """

    entry: int
    position_independent: bool
    segments: tuple[Segment, ...]
    alignment: int
    phdr_address: int
    phdr_count: int
    interpreter: bytes | None
    executable_stack: bool

    @property
    def low(self) -> int:
        """First page of the image."""
        return self.segments[0].vaddr & -PAGE_SIZE

    @property
    def high(self) -> int:
        """End of the image, to the page."""
        return (self.segments[-1].end + PAGE_SIZE - 1) & -PAGE_SIZE

    @property
    def wants_write_and_execute(self) -> bool:
        """Does the file itself ask for memory that is both?  Then W^X is off for this program."""
        wx = PF_W | PF_X
        return self.executable_stack or any(s.flags & wx == wx for s in self.segments)


class _Header(NamedTuple):
    type: int
    machine: int
    entry: int
    phoff: int
    phnum: int


class _ProgramHeader(NamedTuple):
    type: int
    flags: int
    offset: int
    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    align: int


def machine_of(head: bytes) -> int | None:
    """``e_machine`` of a 64-bit little-endian ELF, else None: which CPU a file is for."""
    if len(head) < EHDR_SIZE or head[:4] != ELF_MAGIC:
        return None
    if head[4] != ELFCLASS64 or head[5] != ELFDATA2LSB:
        return None
    return int.from_bytes(head[18:20], "little")


def parse(read: Reader, size: int, arch: Arch) -> ElfImage:
    """Parse the file of ``size`` bytes behind ``read`` for this CPU; raises ENOEXEC."""
    header = _header(read(0, EHDR_SIZE), arch)
    headers = _program_headers(read, size, header)
    segments = _segments([p for p in headers if p.type == PT_LOAD], size)
    if header.type == ET_EXEC and segments[0].vaddr < MMAP_MIN_ADDR:
        raise ENOEXEC("a segment at %#x, below the lowest address allowed", segments[0].vaddr)
    _refuse_newer_isa(read, size, headers, arch)
    return ElfImage(
        entry=header.entry,
        position_independent=header.type == ET_DYN,
        segments=segments,
        alignment=_alignment(headers),
        phdr_address=_phdr_address(header.phoff, segments),
        phdr_count=header.phnum,
        interpreter=_interpreter(read, size, headers),
        executable_stack=_executable_stack(headers),
    )


def _header(data: bytes, arch: Arch) -> _Header:
    if data[:4] != ELF_MAGIC:
        raise ENOEXEC("neither an ELF file nor a #! script")
    if len(data) > 4 and data[4] == 1:
        raise ENOEXEC("a 32-bit program; only 64-bit programs are supported")
    if len(data) < EHDR_SIZE:
        raise ENOEXEC("truncated: the ELF header is incomplete")
    ident, kind, machine, _, entry, phoff, _, _, _, phentsize, phnum, *_ = _EHDR.unpack(data)
    if ident[4] != ELFCLASS64:
        raise ENOEXEC("ELF class %s does not exist", ident[4])
    if ident[5] != ELFDATA2LSB:
        raise ENOEXEC("a big-endian program; both CPUs here are little-endian")
    if machine != arch.elf_machine:
        name = _MACHINES.get(machine, f"CPU number {machine}")
        raise ENOEXEC("a program for %s, and this machine is %s", name, arch.name)
    if kind not in (ET_EXEC, ET_DYN):
        raise ENOEXEC("%s, not a program", _TYPES.get(kind, f"ELF type {kind}"))
    if phentsize != PHDR_SIZE:
        raise ENOEXEC("program headers of %s bytes instead of %s", phentsize, PHDR_SIZE)
    if phnum == 0 or phnum * PHDR_SIZE > MAX_PHDR_BYTES:
        raise ENOEXEC("%s program headers", phnum)
    return _Header(kind, machine, entry, phoff, phnum)


def _program_headers(read: Reader, size: int, header: _Header) -> list[_ProgramHeader]:
    length = header.phnum * PHDR_SIZE
    if header.phoff + length > size:
        raise ENOEXEC("truncated: the program headers lie beyond the end of the file")
    table = read(header.phoff, length)
    if len(table) < length:
        raise ENOEXEC("truncated: the program headers cannot be read")
    return [_ProgramHeader(*fields) for fields in _PHDR.iter_unpack(table)]


def _segments(loads: Iterable[_ProgramHeader], size: int) -> tuple[Segment, ...]:
    segments = sorted(_segment(load, size) for load in loads if load.memsz)
    if not segments:
        raise ENOEXEC("no loadable segment")
    for below, above in pairwise(segments):
        if below.end > above.vaddr:
            raise ENOEXEC("overlapping segments at %#x and %#x", below.vaddr, above.vaddr)
    return tuple(segments)


def _segment(load: _ProgramHeader, size: int) -> Segment:
    where = f"segment at {load.vaddr:#x}"
    if load.filesz > load.memsz:
        raise ENOEXEC("%s: more bytes in the file than in memory", where)
    if load.vaddr + load.memsz > USER_TOP - PAGE_SIZE:
        raise ENOEXEC("%s: not in the user half of the address space", where)
    if load.filesz and load.offset + load.filesz > size:
        raise ENOEXEC("truncated: %s goes beyond the end of the file", where)
    if load.filesz and (load.offset - load.vaddr) % PAGE_SIZE:
        raise ENOEXEC("%s: address and file offset disagree within a page", where)
    return Segment(load.vaddr, load.memsz, load.offset, load.filesz, load.flags)


def _alignment(headers: Iterable[_ProgramHeader]) -> int:
    """The largest power of two a segment asks for: the base must be a multiple of it."""
    wanted = [p.align for p in headers if p.type == PT_LOAD and p.align.bit_count() == 1]
    return max([PAGE_SIZE, *(align for align in wanted if align <= 1 << 30)])


def _phdr_address(phoff: int, segments: Iterable[Segment]) -> int:
    """Where the program headers are in memory; 0 if no segment contains them."""
    for segment in segments:
        if segment.offset <= phoff < segment.offset + segment.filesz:
            return phoff - segment.offset + segment.vaddr
    return 0


def _interpreter(read: Reader, size: int, headers: Iterable[_ProgramHeader]) -> bytes | None:
    for p in headers:
        if p.type != PT_INTERP:
            continue
        if not 2 <= p.filesz <= PATH_MAX or p.offset + p.filesz > size:
            raise ENOEXEC("the path of its interpreter is not in the file")
        path = read(p.offset, p.filesz)
        if len(path) < p.filesz or path[-1]:
            raise ENOEXEC("the path of its interpreter does not end")
        return path.split(b"\0", 1)[0]
    return None


def _executable_stack(headers: Iterable[_ProgramHeader]) -> bool:
    """PT_GNU_STACK with X; without the header 64-bit programs get a stack that is data."""
    return any(p.type == PT_GNU_STACK and p.flags & PF_X for p in headers)


def _refuse_newer_isa(
    read: Reader, size: int, headers: Iterable[_ProgramHeader], arch: Arch
) -> None:
    for p in headers:
        if p.type != PT_GNU_PROPERTY:
            continue
        if p.filesz > MAX_PHDR_BYTES or p.offset + p.filesz > size:
            raise ENOEXEC("truncated: its property note lies beyond the end of the file")
        missing = missing_isa(read(p.offset, p.filesz), arch)
        if missing:
            raise ENOEXEC("built for %s, which this processor does not have", missing)
