"""An ELF file opened for looking at: where its bytes are, and what its symbols are called."""

from __future__ import annotations

import io
import struct
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple

from elftools.common.exceptions import ELFError
from elftools.construct import ConstructError
from elftools.elf.elffile import ELFFile

from tools.elfview import golang
from tools.errors import DioramaError

SHF_EXECINSTR = 4
PF_X = 1
_NAMED = ("STT_FUNC", "STT_GNU_IFUNC", "STT_OBJECT", "STT_NOTYPE")
BROKEN = (
    ELFError,
    ConstructError,
    struct.error,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    AssertionError,
    OverflowError,
    OSError,
    RecursionError,
)
"""What pyelftools may raise when the numbers of a file lead nowhere."""


class Region(NamedTuple):
    """A piece of code: its name (of the section, or 'segment'), where it is, and its bytes."""

    name: str
    address: int
    data: bytes


class Function(NamedTuple):
    """A symbol of type FUNC."""

    address: int
    size: int
    name: str


@contextmanager
def named_errors(name: str) -> Iterator[None]:
    """A file that contradicts itself is one line for the user, whatever broke inside."""
    try:
        yield
    except BROKEN as error:
        detail = str(error).split("\n")[0] or type(error).__name__
        raise DioramaError(f"{name}: a damaged or truncated ELF file: {detail}") from None


class Image:
    """One file.  ``elf`` is pyelftools' object; ``data`` the bytes as they are on disk."""

    def __init__(self, data: bytes, name: str) -> None:
        self.name = name
        self.data = data
        if data[:4] != b"\x7fELF":
            raise DioramaError(f"{name}: not an ELF file")
        with named_errors(name):
            self.elf: Any = ELFFile(io.BytesIO(data))  # Any: pyelftools has no types

    @property
    def machine(self) -> str:
        """``x86_64``, ``aarch64``, or the name ELF gives another CPU."""
        name = str(self.elf.header["e_machine"])
        known = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64"}
        return known.get(name, name.removeprefix("EM_"))

    @property
    def bits(self) -> int:
        """32 or 64."""
        return int(self.elf.elfclass)

    @cached_property
    def segments(self) -> list[Any]:
        """The program headers."""
        return list(self.elf.iter_segments())

    @cached_property
    def loads(self) -> list[tuple[int, int, int]]:
        """What is loaded: its first place in the file, its end, the address less the place."""
        return [
            (s["p_offset"], s["p_offset"] + s["p_filesz"], s["p_vaddr"] - s["p_offset"])
            for s in self.segments
            if s["p_type"] == "PT_LOAD"
        ]

    @cached_property
    def sections(self) -> list[Any]:
        """The section headers; none in a file without a table."""
        return list(self.elf.iter_sections())

    def section(self, name: str) -> Any | None:
        """A section by name."""
        return next((s for s in self.sections if s.name == name), None)

    def read(self, address: int, size: int) -> bytes:
        """Bytes by virtual address, as many as the file has there."""
        for segment in self.segments:
            start = address - segment["p_vaddr"]
            if segment["p_type"] == "PT_LOAD" and 0 <= start < segment["p_filesz"]:
                offset = segment["p_offset"] + start
                return self.data[offset : offset + min(size, segment["p_filesz"] - start)]
        return b""

    @cached_property
    def code(self) -> list[Region]:
        """Executable sections; executable segments where there are no sections."""
        found = [
            Region(s.name, s["sh_addr"], self._slice(s["sh_offset"], s["sh_size"]))
            for s in self.sections
            if s["sh_flags"] & SHF_EXECINSTR and s["sh_type"] == "SHT_PROGBITS"
        ]
        return found or [
            Region("segment", s["p_vaddr"], self._slice(s["p_offset"], s["p_filesz"]))
            for s in self.segments
            if s["p_type"] == "PT_LOAD" and s["p_flags"] & PF_X
        ]

    def _slice(self, offset: int, size: int) -> bytes:
        return self.data[offset : offset + size]

    @cached_property
    def functions(self) -> list[Function]:
        """The named functions, by address."""
        found: dict[int, Function] = {}
        for section in self.sections:
            if section["sh_type"] not in ("SHT_SYMTAB", "SHT_DYNSYM"):
                continue
            for symbol in section.iter_symbols():
                if symbol["st_info"]["type"] in ("STT_FUNC", "STT_GNU_IFUNC") and symbol.name:
                    address = symbol["st_value"]
                    if address and symbol["st_shndx"] != "SHN_UNDEF":
                        new = Function(address, symbol["st_size"], symbol.name)
                        found.setdefault(address, new)
        if not found:  # a stripped Go program has them all the same
            found = {at: Function(at, size, name) for at, size, name in golang.functions(self)}
        return [found[address] for address in sorted(found)]

    @cached_property
    def named(self) -> dict[str, tuple[int, int]]:
        """The address and size of functions and variables; of several of one name the first."""
        found: dict[str, tuple[int, int]] = {}
        for section in self.sections:
            if section["sh_type"] not in ("SHT_SYMTAB", "SHT_DYNSYM"):
                continue
            for symbol in section.iter_symbols():
                kind = symbol["st_info"]["type"]
                if symbol["st_value"] and symbol["st_shndx"] != "SHN_UNDEF" and kind in _NAMED:
                    found.setdefault(symbol.name, (symbol["st_value"], symbol["st_size"]))
        return found

    @cached_property
    def symbol_names(self) -> frozenset[str]:
        """Every symbol's name, defined or not."""
        return frozenset(
            symbol.name
            for section in self.sections
            if section["sh_type"] in ("SHT_SYMTAB", "SHT_DYNSYM")
            for symbol in section.iter_symbols()
        )

    @cached_property
    def _starts(self) -> list[int]:
        return [function.address for function in self.functions]

    def where(self, address: int) -> str:
        """``name+0x12`` for an address in a function, '' elsewhere."""
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return ""
        function = self.functions[index]
        offset = address - function.address
        if offset and offset >= function.size:
            return ""
        return f"{function.name}+{offset:#x}" if offset else function.name
