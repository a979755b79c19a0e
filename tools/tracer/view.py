"""One system call as the printers see it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import TYPE_CHECKING, Any

from kernel.abi.errors import KernelError
from tools.tracer.text import DEFAULT_STRING_LIMIT, quote

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.declare import Declaration

PAGE = 4096
_TEXT = frozenset(range(0x20, 0x7F)) | frozenset(range(0x09, 0x0E))


class Hexadecimal(IntEnum):
    """Which bytes of strings are in hexadecimal: ``-x``, ``-xx``, ``--strings-in-hex``."""

    NEVER = 0
    NON_ASCII = 1
    """A string with a byte that is no text, as a whole."""
    ALL = 2
    NON_ASCII_CHARS = 3
    """Only such a byte, where it would be octal."""


@dataclass(slots=True)
class Detail:
    """How much is shown: ``-s``, ``-y`` and ``-yy``, ``-v``, ``-x``, ``-xx``, ``-N``.

    ``descriptors``: what is said behind one (``-e decode-fds=``); ``comms``: the name behind a pid
    (``-Y``); ``structures``: what pointers lead to (``-e verbose=``); ``raw``: arguments as numbers
    (``-e raw=``).
    """

    string_limit: int = DEFAULT_STRING_LIMIT
    descriptors: frozenset[str] = frozenset()
    verbose: bool = False
    hexadecimal: int = Hexadecimal.NEVER
    names: bool = False
    comms: bool = False
    structures: bool = True
    raw: bool = False

    def quote(self, data: bytes, *, cut: bool = False, force_hex: bool = False) -> str:
        """A C string: in hexadecimal as a whole where ``-x`` finds a byte that is no text."""
        how = self.hexadecimal
        if not how:
            return quote(data, cut=cut, force_hex=force_hex)
        if how == Hexadecimal.ALL or (how == Hexadecimal.NON_ASCII and not _TEXT.issuperset(data)):
            force_hex = True
        return quote(data, cut=cut, force_hex=force_hex, hex_bytes=True)


@dataclass(slots=True)
class Call:
    """A call in progress or just ended.

    ``values``: decoded arguments in the order of the declaration; ``result`` is None on entry.
    ``notes``: what printers put behind the result, such as ``left {...}``.
    ``memo``: printers keep here on entry what they need on exit (a value the kernel overwrites).
    """

    task: Task
    name: str
    declaration: Declaration | None
    values: tuple[int, ...]
    detail: Detail
    result: int | None = None
    notes: str = ""
    memo: Any = None  # Any: private to the printer that set it
    shown: dict[int, str] | None = None  # texts by argument, kept for who wants them one by one

    @property
    def failed(self) -> bool:
        """Did it end with an error (or one of the restart codes)?"""
        return self.result is not None and -4096 < self.result < 0

    def value(self, index: int) -> int:
        """An argument, 0 if the call has fewer."""
        return self.values[index] if index < len(self.values) else 0

    def read(self, address: int, size: int) -> bytes | None:
        """Guest bytes, or None where the program itself could not read them."""
        if not address:
            return None
        try:
            return self.task.mem.read(address, size)
        except KernelError:
            return None

    def unpack(self, layout: Struct, address: int) -> tuple[Any, ...] | None:
        """A structure, or None."""
        data = self.read(address, layout.size)
        return None if data is None else layout.unpack(data)

    def read_string(self, address: int, limit: int) -> tuple[bytes, bool] | None:
        """A NUL-terminated string of at most ``limit`` bytes, and whether it was cut."""
        found = b""
        while len(found) <= limit:
            room = min(PAGE - (address + len(found)) % PAGE, limit + 1 - len(found))
            piece = self.read(address + len(found), room)
            if piece is None:
                return None
            end = piece.find(0)
            if end >= 0:
                return found + piece[:end], False
            found += piece
        return found[:limit], True
