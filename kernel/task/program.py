"""A program that is being started: what execve hands to binary formats.

Linux analogue: ``struct linux_binprm``.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from kernel.abi.errors import EACCES, EIO, ETXTBSY, Count
from kernel.abi.files import AT_FDCWD, MAY_EXEC, O_RDONLY, S_IFMT, S_IFREG
from kernel.mm.buffer import KernelBuffer
from kernel.vfs.permissions import check
from kernel.vfs.walk import FOLLOW, walk

if TYPE_CHECKING:
    from kernel.cred import Credentials
    from kernel.mm.address_space import AddressSpace
    from kernel.task.task import Task
    from kernel.vfs.dentry import Path
    from kernel.vfs.openfile import OpenFile

MS_NOEXEC = 8


@dataclass(slots=True)
class Program:
    """What a binary format gets.

    ``path``: the name execve was given, for AT_EXECFN; ``interp``: the name of ``file`` itself,
    which differs when a script's interpreter is run.  ``head``: the first 256 bytes of ``file``.
    ``space``: a new, empty address space to fill; if loading fails it is thrown away and the caller
    lives on.  ``cred`` is who the program will be, ``secure`` AT_SECURE.  ``secret``: the caller
    may run one of the files but not read it, so nobody may look into the process (``would_dump``).
    """

    task: Task
    path: bytes
    interp: bytes
    argv: tuple[bytes, ...]
    envp: tuple[bytes, ...]
    file: OpenFile
    head: bytes
    space: AddressSpace
    cred: Credentials
    secure: bool = False
    secret: bool = False

    def open_interpreter(self, path: bytes) -> OpenFile:
        """Open what PT_INTERP names, with the checks of execve; the caller holds a reference."""
        return open_program(self.task, AT_FDCWD, path)

    def read(self, file: OpenFile, offset: int, size: int) -> bytes:
        """Bytes of a file at an offset; fewer at its end."""
        return read_at(self.task, file, offset, size)


class Image(NamedTuple):
    """A loaded program: where it begins to run, and its stack pointer."""

    entry: int
    sp: int


class Interpreter(NamedTuple):
    """Not a program itself: run ``path`` with these arguments instead (``#!``)."""

    path: bytes
    argv: tuple[bytes, ...]


class BinaryFormat(Protocol):
    """One kind of executable file; ``System.formats`` has them in the order they are asked."""

    name: str

    def load(self, program: Program) -> Image | Interpreter:
        """Fill ``program.space``, or name an interpreter.  ENOEXEC: not one of mine."""


def open_program(task: Task, dirfd: int, path: bytes, follow: int = FOLLOW) -> OpenFile:
    """Open a file to execute it: regular, on a mount without noexec, and with an x bit."""
    return open_place(task, walk(task, dirfd, path, follow))


def open_place(task: Task, place: Path) -> OpenFile:
    """As ``open_program``, for a place that has been found; the caller gets a reference."""
    inode = place.dentry.inode
    inode.refresh()
    if inode.mode & S_IFMT != S_IFREG:
        raise EACCES("%s is %s, which is not executed", place, inode.kind)
    if place.mount.flags & MS_NOEXEC:
        raise EACCES("%s is on a mount that is noexec: %s", place, place.mount)
    check(task.cred, inode, MAY_EXEC, place)
    if inode.writers > 0:
        raise ETXTBSY("%s is open for writing (%s)", place, Count(inode.writers, "file", "files"))
    file = inode.open(task, place, O_RDONLY)
    if isinstance(file, Generator):
        raise EIO("opening a regular file has to wait")
    file.hold()
    return file


def read_at(task: Task, file: OpenFile, offset: int, size: int) -> bytes:
    """Bytes of a regular file at an offset; fewer at its end."""
    storage = bytearray(size)
    buffer = KernelBuffer(storage)
    while buffer.remaining:
        count = file.read(task, buffer, offset + buffer.done)
        if not isinstance(count, int):
            raise EIO("reading a regular file has to wait")
        if not count:
            break
    return bytes(storage[: buffer.done])
