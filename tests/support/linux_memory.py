"""The host's own Linux as an oracle for memory calls: a worker that makes raw system calls.

Both sides work in the same arena of addresses.  A call is a name and plain numbers; the answer is
its result, errors as negative numbers.  ``OurMemory`` understands the same calls.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import tempfile
from multiprocessing.connection import Connection, Pipe
from typing import Any, Final

from kernel.abi.errors import KernelError
from kernel.abi.memory import MAP_ANONYMOUS
from kernel.mm.mapping import Source
from kernel.mm.vm_flags import VM_EXEC, VM_MAYSHARE, VM_READ, VM_WRITE
from tests.support.memory import PAGE, Memory

ARENA: Final = 0x100000000000
PAGES: Final = 48
END: Final = ARENA + PAGES * PAGE
FILE_SIZE: Final = 3 * PAGE + 1000
FILE: Final = bytes(97 + i // PAGE for i in range(FILE_SIZE))
NUMBERS: Final = {
    "mmap": 9, "mprotect": 10, "munmap": 11, "mremap": 25, "msync": 26, "mincore": 27,
    "madvise": 28, "mlock": 149, "munlock": 150, "mlock2": 325,
}  # fmt: skip
READ_WRITE, READ_ONLY, WRITE_ONLY, PATH_ONLY = 100, 101, 102, 103
"""Descriptors of the file, on both sides; any other number is none."""

Page = tuple[str, int]
"""Rights as in /proc/PID/maps, and the offset in the file (0 for anonymous memory)."""


class _Worker:
    """What the worker process does."""

    def __init__(self) -> None:
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.syscall.restype = ctypes.c_long
        self.vector = ctypes.create_string_buffer(1 << 16)
        self.pipe = os.pipe()
        with tempfile.NamedTemporaryFile() as file:
            file.write(FILE)
            file.flush()
            for fd, flags in (
                (READ_WRITE, os.O_RDWR), (READ_ONLY, os.O_RDONLY), (WRITE_ONLY, os.O_WRONLY),
                (PATH_ONLY, os.O_PATH),
            ):  # fmt: skip
                opened = os.open(file.name, flags)
                os.dup2(opened, fd)
                os.close(opened)

    def call(self, name: str, *args: int) -> int:
        """A raw system call."""
        if name == "read":
            return self.read(*args)
        if name == "write":
            return self.write(*args)
        words = [*args]
        if name == "mincore":
            words.append(ctypes.addressof(self.vector))
        return self.raw(NUMBERS[name], *words)

    def raw(self, number: int, *words: int) -> int:
        """The kernel's answer, an error as its negative number."""
        result: int = self.libc.syscall(number, *[ctypes.c_ulong(word) for word in words])
        return -ctypes.get_errno() if result == -1 else result

    def read(self, address: int) -> int:
        """A byte of memory: the kernel copies it, so a bad address is EFAULT and no signal."""
        moved = self.raw(1, self.pipe[1], address, 1)
        return os.read(self.pipe[0], 1)[0] if moved == 1 else moved

    def write(self, address: int, value: int) -> int:
        """Set a byte of memory."""
        os.write(self.pipe[1], bytes([value]))
        moved = self.raw(0, self.pipe[0], address, 1)
        if moved != 1:
            os.read(self.pipe[0], 1)
        return moved

    def pages(self) -> dict[int, Page]:
        """What is mapped in the arena, page by page."""
        found = {}
        with open("/proc/self/maps", encoding="ascii") as maps:
            for line in maps:
                span, perms, offset, _, inode, *_ = line.split()
                start, end = (int(edge, 16) for edge in span.split("-"))
                for address in range(max(start, ARENA), min(end, END), PAGE):
                    here = int(offset, 16) + address - start if inode != "0" else 0
                    found[address] = (perms, here if perms[3] == "p" or inode != "0" else 0)
        return found

    def in_one_area(self, address: int, length: int) -> bool:
        """Does one area contain the range?  Linux does not join all areas that look equal."""
        with open("/proc/self/maps", encoding="ascii") as maps:
            for line in maps:
                start, end = (int(edge, 16) for edge in line.split()[0].split("-"))
                if start <= address < end:
                    return address + length <= end
        return False

    def content(self) -> bytes:
        """The file."""
        return os.pread(READ_ONLY, 1 << 20, 0)


def _serve(pipe: Connection) -> None:
    worker = _Worker()
    while message := pipe.recv_bytes():
        name, args = pickle.loads(message)
        pipe.send_bytes(pickle.dumps(getattr(worker, name)(*args)))
    os._exit(0)


class LinuxMemory:
    """The worker, seen from the test."""

    def __init__(self) -> None:
        self._pipe, theirs = Pipe()
        self._pid = os.fork()
        if not self._pid:
            try:
                _serve(theirs)
            finally:
                os._exit(1)
        theirs.close()

    def _ask(self, name: str, *args: Any) -> Any:
        self._pipe.send_bytes(pickle.dumps((name, args)))
        return pickle.loads(self._pipe.recv_bytes())

    def call(self, name: str, *args: int) -> int:
        """See _Worker.call."""
        result: int = self._ask("call", name, *args)
        return result

    def pages(self) -> dict[int, Page]:
        """See _Worker.pages."""
        found: dict[int, Page] = self._ask("pages")
        return found

    def in_one_area(self, address: int, length: int) -> bool:
        """See _Worker.in_one_area."""
        return bool(self._ask("in_one_area", address, length))

    def content(self) -> bytes:
        """See _Worker.content."""
        content: bytes = self._ask("content")
        return content

    def close(self) -> None:
        """End the worker."""
        self._pipe.send_bytes(b"")
        os.waitpid(self._pid, 0)
        self._pipe.close()


class OurMemory:
    """The same calls on one of our address spaces."""

    def __init__(self) -> None:
        self.memory = Memory(4096)
        self.space = self.memory.space()
        self.space.allow_wx = True  # the host has no such policy
        self.pager = self.memory.pager(FILE)

    def call(self, name: str, *args: int) -> int:
        """One call."""
        try:
            return self._call(name, *args)
        except KernelError as error:
            return -error.errno

    def _call(self, name: str, *args: int) -> int:
        space = self.space
        if name == "mmap":
            address, length, prot, flags, fd, offset = args
            source = None if flags & MAP_ANONYMOUS else self._source(fd)
            return space.mmap_source(address, length, prot, flags, source, offset, True)
        if name == "mremap":
            old_address, old, new, flags, address = args
            return space.mremap(old_address, old, new, flags, address)
        if name in ("mlock", "mlock2"):
            space.mlock(args[0], args[1], len(args) > 2 and bool(args[2]), True)
            return 0
        if name == "mincore":
            space.mincore(*args)
            return 0
        if name == "read":
            return space.user.read_u8(args[0])
        if name == "write":
            space.user.write_u8(*args)
            return 1
        getattr(space, name)(*args)
        return 0

    def _source(self, fd: int) -> Source:
        return Source(self.pager, None, fd != WRITE_ONLY, fd != READ_ONLY)

    def pages(self) -> dict[int, Page]:
        """What is mapped in the arena, page by page."""
        found: dict[int, Page] = {}
        for area in self.space.vmas:
            letters = zip("rwx", (VM_READ, VM_WRITE, VM_EXEC), strict=True)
            perms = "".join(letter if area.flags & bit else "-" for letter, bit in letters)
            perms += "s" if area.flags & VM_MAYSHARE else "p"
            for address in range(max(area.start, ARENA), min(area.end, END), PAGE):
                offset = area.page_index(address) * PAGE if area.pager is not None else 0
                found[address] = (perms, offset)
        return found

    def content(self) -> bytes:
        """The file, with what was written through mappings."""
        content = bytearray(self.pager.content)
        for index, frame in self.pager.pages.items():
            part = content[index * PAGE : (index + 1) * PAGE]
            content[index * PAGE : (index + 1) * PAGE] = self.memory.frames.view(frame)[: len(part)]
        return bytes(content)
