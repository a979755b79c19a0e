"""Streams without a host: what a program reads is given, what it writes is kept.

The library and the tests use them for descriptors 0, 1 and 2; nothing reaches the host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.files import O_RDONLY, O_WRONLY, S_IFIFO
from kernel.vfs.anonymous import hidden_mount, hidden_path
from kernel.vfs.inode import Inode
from kernel.vfs.openfile import OpenFile

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.task.task import Task
    from kernel.vfs.caller import Caller

CHUNK = 1 << 16


class Given(OpenFile):
    """A stream to read: the given bytes, then the end."""

    __slots__ = ("_rest",)

    def __init__(self, task: Task, data: bytes) -> None:
        as_pipe(self, task, O_RDONLY)
        self._rest = data

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int:
        """As a pipe whose writer has written everything and closed it."""
        moved = buf.put(self._rest[: buf.remaining])
        self._rest = self._rest[moved:]
        return moved


class Captured(OpenFile):
    """A stream to write: ``data`` is everything written so far."""

    __slots__ = ("data",)

    def __init__(self, task: Task) -> None:
        as_pipe(self, task, O_WRONLY)
        self.data = bytearray()

    def write(self, caller: Caller, buf: Buffer, pos: int | None) -> int:
        """Always takes everything."""
        moved = 0
        while buf.remaining:
            piece = buf.take(CHUNK)
            if not piece:
                break
            self.data += piece
            moved += len(piece)
        return moved


def as_pipe(file: OpenFile, task: Task, flags: int) -> None:
    """What fstat(2) and /proc/PID/fd show: a pipe."""
    mount = hidden_mount(task, b"pipefs")
    inode = Inode(mount.sb, S_IFIFO | 0o600)
    OpenFile.__init__(file, inode, hidden_path(mount, b"pipe:[%d]" % inode.ino, inode), flags)


def connect_captured(task: Task, stdin: bytes) -> tuple[Captured, Captured]:
    """Give ``task`` its 0, 1 and 2; returns where 1 and 2 end up."""
    out, err = Captured(task), Captured(task)
    for fd, file in enumerate((Given(task, stdin), out, err)):
        file.refs += 1
        task.fds.files[fd] = file
    return out, err
