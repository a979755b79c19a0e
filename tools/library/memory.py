"""A process's memory from Python, as a debugger sees it: whatever the protections.

What is written to a private page is the process's own copy; no file changes.  See ptrace(2),
PTRACE_PEEKDATA and PTRACE_POKEDATA.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Final, Self

from kernel.abi.errors import KernelError
from kernel.abi.memory import (
    MAP_ANONYMOUS,
    MAP_FIXED_NOREPLACE,
    MAP_PRIVATE,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
)
from kernel.mm.peek import peek, poke
from tools.errors import DioramaError

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.task.task import Task

PAGE: Final = 4096
STRING_LIMIT: Final = 1 << 16
_SIZES: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
_RIGHTS: Final = {"r": PROT_READ, "w": PROT_WRITE, "x": PROT_EXEC}


def check_open(task: Task) -> None:
    """DioramaError: the machine was closed, so nothing of it is there."""
    if getattr(task.kernel.cpu, "closed", False):
        raise DioramaError("the machine is closed")


class Memory:
    """The memory of one task.  Addresses that are not mapped raise DioramaError.

    ``memory[address]`` is a byte, ``memory[address:end]`` are bytes, and both can be assigned.
    """

    def __init__(self, task: Task) -> None:
        self._task = task

    @property
    def _space(self) -> AddressSpace:
        check_open(self._task)
        space = self._task.mm
        if space is None:
            raise DioramaError(f"process {self._task.tgid} has ended: it has no memory any more")
        return space

    def read(self, address: int, size: int) -> bytes:
        """``size`` bytes."""
        data = peek(self._space, address, size)
        if len(data) < size:
            raise DioramaError(f"nothing is mapped at {address + len(data):#x}")
        return data

    def write(self, address: int, data: bytes) -> int:
        """Write bytes, also where the process itself may not; returns how many."""
        done = poke(self._space, address, bytes(data))
        if done < len(data):
            raise DioramaError(f"nothing is mapped at {address + done:#x}")
        return done

    def is_mapped(self, address: int, size: int = 1) -> bool:
        """Is there memory, all the way?"""
        return len(peek(self._space, address, size)) == size

    def read_string(self, address: int, limit: int = STRING_LIMIT) -> str:
        """The text up to the first NUL, or ``limit`` bytes of it."""
        found = bytearray()
        while len(found) < limit:
            step = min(PAGE - (address + len(found)) % PAGE, limit - len(found))
            text, end, _ = self.read(address + len(found), step).partition(b"\0")
            found += text
            if end:
                break
        return os.fsdecode(bytes(found))

    def write_string(self, address: int, text: str | bytes) -> int:
        """Write text and a NUL; returns how many bytes."""
        return self.write(address, os.fsencode(text) + b"\0")

    def read_int(self, address: int, size: int = 8, *, signed: bool = False) -> int:
        """A little-endian number of 1, 2, 4 or 8 bytes."""
        code = _SIZES[size]
        data = self.read(address, size)
        return int(struct.unpack(f"<{code.lower() if signed else code}", data)[0])

    def write_int(self, address: int, value: int, size: int = 8) -> int:
        """Write a number; what is too large is cut."""
        return self.write(address, (value & ((1 << 8 * size) - 1)).to_bytes(size, "little"))

    def search(self, pattern: bytes, start: int = 0, end: int | None = None) -> list[int]:
        """Where a pattern is in the pages that are there: the address of each place."""
        found = []
        for area in self._space.maps():
            low = max(area.start, start)
            high = area.end if end is None else min(area.end, end)
            if low >= high or not area.perms.startswith("r"):
                continue
            data = peek(self._space, low, high - low)
            at = data.find(pattern)
            while at >= 0:
                found.append(low + at)
                at = data.find(pattern, at + 1)
        return found

    def map(self, size: int, rights: str = "rw", address: int = 0) -> int:
        """New anonymous memory; returns where.  ``address``: exactly there, if it is free."""
        prot = sum(_RIGHTS[letter] for letter in rights if letter in _RIGHTS)
        flags = MAP_PRIVATE | MAP_ANONYMOUS | (MAP_FIXED_NOREPLACE if address else 0)
        try:
            return self._space.mmap(address, size, prot, flags)
        except KernelError as error:
            raise DioramaError(f"no {size} bytes at {address:#x}: {error.text}") from error

    def unmap(self, address: int, size: int) -> None:
        """Take pages away."""
        self._space.munmap(address, size)

    def protect(self, address: int, size: int, rights: str) -> None:
        """Change the rights of pages, 'rx' for instance."""
        prot = sum(_RIGHTS[letter] for letter in rights if letter in _RIGHTS)
        try:
            self._space.mprotect(address, size, prot)
        except KernelError as error:
            raise DioramaError(f"{address:#x}: {error.reason or error.text}") from error

    def __getitem__(self, where: int | slice) -> int | bytes:
        if isinstance(where, slice):
            return self.read(where.start, where.stop - where.start)
        return self.read(where, 1)[0]

    def __setitem__(self, where: int | slice, value: int | bytes) -> None:
        start = where.start if isinstance(where, slice) else where
        data = bytes([value]) if isinstance(value, int) else bytes(value)
        if isinstance(where, slice) and where.stop is not None and where.stop - start != len(data):
            raise DioramaError(f"{len(data)} bytes do not fill {where.stop - start}")
        self.write(start, data)

    def __repr__(self) -> str:
        mm = self._task.mm
        size = f"{mm.total_vm * 4} kB in {len(mm.vmas)} areas" if mm is not None else "gone"
        return f"<Memory of {self._task.tgid}: {size}>"


class Pointer(int):
    """An address in a process's memory: a number, and what lies there."""

    memory: Memory
    text: str

    def __new__(cls, address: int, memory: Memory, text: str = "") -> Self:
        made = super().__new__(cls, address)
        made.memory = memory
        made.text = text
        return made

    def read(self, size: int) -> bytes:
        """Bytes from here on."""
        return self.memory.read(self, size)

    def write(self, data: bytes) -> int:
        """Put bytes here; returns how many."""
        return self.memory.write(self, data)

    def string(self) -> str:
        """The text up to the first NUL."""
        return self.memory.read_string(self)

    def number(self, size: int = 8, *, signed: bool = False) -> int:
        """The little-endian number here."""
        return self.memory.read_int(self, size, signed=signed)

    def __repr__(self) -> str:
        return f"<Pointer {int(self):#x}>"
