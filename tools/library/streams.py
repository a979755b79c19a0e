"""A program's stdin, stdout and stderr, when they are Python's.

stdin is given at once, fed while the program runs, or asked for when it reads; what is written is
kept, and passed on to whoever listens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EACCES, EAGAIN
from kernel.abi.files import (
    O_ACCMODE,
    O_NONBLOCK,
    O_RDONLY,
    POLLHUP,
    POLLIN,
    POLLRDNORM,
    S_IFREG,
)
from kernel.vfs.anonymous import AnonymousFile
from kernel.vfs.inode import Inode, SuperBlock
from kernel.vfs.openfile import OpenFile
from kernel.wait import Blocking, Sleep, WaitQueue
from tools.boot.capture import Captured, as_pipe

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.task.task import Task
    from kernel.vfs.caller import Caller
    from kernel.vfs.dentry import Path

Source = Callable[[int], bytes]
"""Asked for up to so many bytes; b'' is the end."""
Sink = Callable[[bytes], object]

ASK: Final = 1 << 16


class Stdin(OpenFile):
    """What a program reads from descriptor 0.

    ``pending`` has been given and not read; ``open``: more may come.  A reader of an empty stdin
    that is open sleeps, and so may end in a ``Deadlock`` if nobody else can run.
    """

    __slots__ = ("_source", "open", "pending")

    queue: WaitQueue

    def __init__(
        self, task: Task, data: bytes = b"", *, stays: bool = False, source: Source | None = None
    ) -> None:
        as_pipe(self, task, O_RDONLY)
        self.queue = WaitQueue("stdin of the library")
        self.pending = bytearray(data)
        self.open = stays or source is not None
        self._source = source

    def feed(self, data: bytes | str) -> None:
        """Give the program more to read, from its next read on."""
        self.pending += data.encode() if isinstance(data, str) else data
        self.queue.wake()

    def end(self) -> None:
        """Nothing more comes: the program reads the end of the file."""
        self.open = False
        self.queue.wake()

    def close(self) -> None:
        """The same, for who knows Popen's; and the kernel's own, once no descriptor is left."""
        self.end()
        if self.refs == 0:
            super().close()

    def _ask(self, count: int) -> None:
        if self._source is not None and not self.pending and self.open:
            data = self._source(min(count, ASK))
            self.pending += data
            self.open = bool(data)

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int | Blocking[int]:
        """As from a pipe."""
        self._ask(buf.remaining)
        if self.pending or not self.open or not buf.remaining:
            return self._take(buf)
        if self.flags & O_NONBLOCK:
            raise EAGAIN("nothing was fed")
        return self._read_when_fed(buf)

    def _take(self, buf: Buffer) -> int:
        moved = buf.put(bytes(self.pending[: buf.remaining]))
        del self.pending[:moved]
        return moved

    def _read_when_fed(self, buf: Buffer) -> Blocking[int]:
        while not self.pending and self.open:
            yield Sleep((self.queue,))
        return self._take(buf)

    def poll(self, caller: Caller, events: int) -> int:
        """Readable when something was given, or at the end."""
        self._ask(ASK)
        ready = events & (POLLIN | POLLRDNORM) if self.pending or not self.open else 0
        return ready | (0 if self.pending or self.open else POLLHUP)


class Output(Captured):
    """What a program writes to descriptor 1 or 2: kept, and told to ``listeners``."""

    __slots__ = ("listeners",)

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.listeners: list[Sink] = []

    def write(self, caller: Caller, buf: Buffer, pos: int | None) -> int:
        """Always takes everything."""
        start = len(self.data)
        moved = super().write(caller, buf, pos)
        for listener in self.listeners:
            listener(bytes(self.data[start:]))
        return moved


class StreamNode(Inode):
    """A file whose contents are a function's."""

    __slots__ = ("on_read", "on_write")

    def __init__(self, sb: SuperBlock, on_read: Source, on_write: Sink | None) -> None:
        super().__init__(sb, S_IFREG | (0o666 if on_write is not None else 0o444))
        self.on_read = on_read
        self.on_write = on_write

    def open(self, caller: Caller, path: Path, flags: int) -> OpenFile:
        """Everybody asks the same function."""
        if flags & O_ACCMODE != O_RDONLY and self.on_write is None:
            raise EACCES("nothing can be written here")
        return StreamFile(self, path, flags)

    def truncate(self, size: int) -> None:
        """O_TRUNC changes nothing: there is no contents to cut."""


class StreamFile(AnonymousFile):
    """An open StreamNode."""

    __slots__ = ("node",)

    def __init__(self, inode: StreamNode, path: Path, flags: int) -> None:
        super().__init__(inode, path, flags)
        self.node = inode

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int:
        """Ask the function, for as much as the program wants."""
        return buf.put(self.node.on_read(buf.remaining)[: buf.remaining])

    def write(self, caller: Caller, buf: Buffer, pos: int | None) -> int:
        """Tell the function."""
        data = buf.take(buf.remaining)
        if self.node.on_write is not None:
            self.node.on_write(data)
        return len(data)


def connect_streams(task: Task, stdin: Stdin) -> tuple[Output, Output]:
    """Give ``task`` its 0, 1 and 2; returns where 1 and 2 end up."""
    out, err = Output(task), Output(task)
    for fd, file in enumerate((stdin, out, err)):
        file.refs += 1
        task.fds.files[fd] = file
    return out, err
