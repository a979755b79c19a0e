"""FIFOs: pipes with a name.  See fifo(7), mkfifo(3).

Opening waits for the other end: a reader for a writer, a writer for a reader.  With O_NONBLOCK a
reader does not wait and a writer gets ENXIO; O_RDWR never waits.  Linux: ``fifo_open``.
"""

from __future__ import annotations

from kernel.abi.errors import EINVAL, ENXIO
from kernel.abi.files import O_ACCMODE, O_NONBLOCK, O_RDONLY, O_WRONLY
from kernel.fs.pipe import Pipe, PipeFile
from kernel.vfs.dentry import Path
from kernel.vfs.inode import Inode
from kernel.vfs.openfile import OpenFile
from kernel.wait import Blocking, Interrupted, Sleep


class Fifo:
    """The pipe behind a FIFO's inode; there is one while somebody has the FIFO open."""

    __slots__ = ("pipe",)

    def __init__(self) -> None:
        self.pipe: Pipe | None = None

    def __repr__(self) -> str:
        return f"<Fifo {self.pipe or 'that nobody has open'}>"

    def open(self, inode: Inode, path: Path, flags: int) -> OpenFile | Blocking[OpenFile]:
        """Open one end, or with O_RDWR both."""
        mode = flags & O_ACCMODE
        if mode == O_ACCMODE:
            raise EINVAL("access mode 3 means nothing for %s", path)
        pipe = self.pipe
        if pipe is None or not (pipe.readers or pipe.writers):
            pipe = self.pipe = Pipe("fifo")
        if mode == O_WRONLY and flags & O_NONBLOCK and not pipe.readers:
            raise ENXIO("nobody has %s open for reading, and O_NONBLOCK is set", path)
        file = PipeFile(inode, path, flags, pipe)
        pipe.queue.wake()
        if mode == O_RDONLY and not pipe.writers:
            if not flags & O_NONBLOCK:
                return _wait_for_partner(file)
            file.writers_seen = pipe.opened_writers
        elif mode == O_WRONLY and not pipe.readers:
            return _wait_for_partner(file)
        return file


def _wait_for_partner(file: PipeFile) -> Blocking[OpenFile]:
    pipe = file.pipe
    before = _partners(file)
    try:
        while _partners(file) == before:
            yield Sleep((pipe.queue,))
    except (Interrupted, GeneratorExit) as ended:
        # A partner that came between the signal and now saw us and went on: it must not be lost.
        if isinstance(ended, GeneratorExit) or _partners(file) == before:
            file.hold()
            file.drop()
            raise
    return file


def _partners(file: PipeFile) -> int:
    """How many of the other kind have ever been opened; one that is gone again counts."""
    return file.pipe.opened_writers if file.readable else file.pipe.opened_readers
