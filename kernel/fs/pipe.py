"""Pipes: a queue of bytes with a read end and a write end.  See pipe(2), pipe(7).

Used by pipe(2) and by FIFOs (``fifo.py``).  A write of at most PIPE_BUF bytes is atomic: it waits
until all of it fits.  Bytes are counted, not pages: a pipe of 64 KiB holds 65536 bytes even if
they come one by one.  Linux: fs/pipe.c.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from kernel.abi.errors import EAGAIN, EBADF, EBUSY, EINVAL, ENOTTY, EPERM, EPIPE
from kernel.abi.files import (
    FIONREAD,
    O_ACCMODE,
    O_DIRECT,
    O_NONBLOCK,
    O_RDONLY,
    O_WRONLY,
    PIPE_BUF,
    PIPEFS_MAGIC,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLRDNORM,
    POLLWRNORM,
    S_IFIFO,
    SIGPIPE,
)
from kernel.cred import CAP_SYS_RESOURCE
from kernel.mm.buffer import Buffer
from kernel.vfs.anonymous import hidden_mount, hidden_path
from kernel.vfs.caller import Caller
from kernel.vfs.dentry import Path
from kernel.vfs.inode import Inode, SuperBlock
from kernel.vfs.openfile import OpenFile
from kernel.wait import Blocking, Interrupted, Sleep, WaitQueue

DEFAULT_CAPACITY: Final = 65536
MAX_CAPACITY: Final = 1 << 20
"""/proc/sys/fs/pipe-max-size."""
_PAGE: Final = 4096
_DATA: Final = POLLIN | POLLRDNORM
_ROOM: Final = POLLOUT | POLLWRNORM


class Packet(bytes):
    """What one write with O_DIRECT put in: a read takes all of it or loses the rest."""

    __slots__ = ()


class Pipe:
    """The queue between the ends.

    Invariants: ``size`` is the number of bytes in ``chunks`` from ``head`` of the first on, and at
    most ``capacity``, unless bytes were put back; no chunk is empty.  ``queue`` is woken when bytes
    come or go and when an end closes.  ``opened_readers`` and ``opened_writers`` only grow: they
    tell an open(2) of a FIFO that its partner came, even if it is gone again.
    """

    __slots__ = (
        "capacity", "chunks", "head", "opened_readers", "opened_writers", "queue", "readers",
        "size", "writers",
    )  # fmt: skip

    def __init__(self, name: str = "pipe") -> None:
        self.chunks: deque[bytes] = deque()
        self.head = 0
        self.size = 0
        self.capacity = DEFAULT_CAPACITY
        self.readers = self.writers = 0
        self.opened_readers = self.opened_writers = 0
        self.queue = WaitQueue(name)

    def read(self, buf: Buffer) -> int:
        """Move bytes to the buffer; nothing is lost if it faults.  The pipe is not empty."""
        chunks, want = self.chunks, buf.remaining
        first = chunks[0]
        if type(first) is Packet:
            count = buf.put(first[:want])
            chunks.popleft()
            self.size -= len(first)
        else:
            if len(chunks) == 1 and not self.head:
                data = first if len(first) <= want else memoryview(first)[:want]
            else:
                data = self._gather(want)
            count = buf.put(data)
            self._consume(count)
        if self.queue.waiters:
            self.queue.wake(1, _ROOM)
        return count

    def _gather(self, want: int) -> bytes:
        parts: list[bytes] = []
        skip = self.head
        for chunk in self.chunks:
            if want <= 0 or type(chunk) is Packet:
                break
            part = chunk[skip : skip + want]
            skip = 0
            parts.append(part)
            want -= len(part)
        return b"".join(parts)

    def _consume(self, count: int) -> None:
        self.size -= count
        chunks = self.chunks
        count += self.head
        while count:
            length = len(chunks[0])
            if count < length:
                break
            chunks.popleft()
            count -= length
        self.head = count

    def peek(self, count: int) -> bytes:
        """Up to ``count`` of the next bytes, which stay (tee(2)).  The pipe is not empty."""
        first = self.chunks[0]
        return first[:count] if type(first) is Packet else bytes(self._gather(count))

    def take(self, count: int) -> bytes:
        """Up to ``count`` of the next bytes, which go (splice(2)).  The pipe is not empty."""
        data = self.peek(count)
        self._consume(len(data))
        if self.queue.waiters:
            self.queue.wake(1, _ROOM)
        return data

    def put_back(self, data: bytes) -> None:
        """What was taken and nobody wanted comes first again, even if the pipe was filled since."""
        if self.head:
            self.chunks[0] = self.chunks[0][self.head :]
            self.head = 0
        if data:
            self.chunks.appendleft(data)
            self.size += len(data)
            if self.queue.waiters:
                self.queue.wake(1, _DATA)

    def put(self, data: bytes) -> None:
        """Add bytes; they fit."""
        self.chunks.append(data)
        self.size += len(data)
        if self.queue.waiters:
            self.queue.wake(1, _DATA)

    def write(self, buf: Buffer, count: int) -> int:
        """Move up to ``count`` bytes from the buffer; they fit."""
        data = buf.take(count)
        if data:
            self.chunks.append(data)
            self.size += len(data)
            if self.queue.waiters:
                self.queue.wake(1, _DATA)
        return len(data)

    def write_packet(self, buf: Buffer, count: int) -> int:
        """As ``write``, as one packet."""
        count = self.write(buf, min(count, PIPE_BUF))
        if count:
            self.chunks[-1] = Packet(self.chunks[-1])
        return count

    def resize(self, caller: Caller, wanted: int) -> int:
        """F_SETPIPE_SZ; see fcntl(2)."""
        if wanted > 1 << 31:
            raise EINVAL("%d bytes are more than a pipe can have", wanted)
        pages = max(-(-wanted // _PAGE), 1)
        capacity = _PAGE << (pages - 1).bit_length()
        if capacity > self.capacity and capacity > MAX_CAPACITY:
            if not caller.cred.capable(CAP_SYS_RESOURCE):
                raise EPERM("%d bytes are above pipe-max-size, %d", capacity, MAX_CAPACITY)
        if capacity < self.size:
            raise EBUSY("%d bytes are in the pipe, more than %d", self.size, capacity)
        self.capacity = capacity
        self.queue.wake()
        return capacity

    def check_invariants(self) -> None:
        """For tests."""
        assert self.size == sum(map(len, self.chunks)) - self.head <= self.capacity
        assert all(self.chunks)
        assert self.head == 0 or self.head < len(self.chunks[0])

    def __repr__(self) -> str:
        ends = f"{self.readers} readers, {self.writers} writers"
        return f"<Pipe {self.size} of {self.capacity} bytes, {ends}>"


class PipeFile(OpenFile):
    """One end (or, of a FIFO opened O_RDWR, both).

    ``writers_seen``: POLLHUP is only for a reader that had a writer (fifo(7)).
    """

    __slots__ = ("pipe", "writers_seen")

    def __init__(self, inode: Inode, path: Path, flags: int, pipe: Pipe) -> None:
        super().__init__(inode, path, flags)
        self.pipe = pipe
        self.queue = pipe.queue
        self.writers_seen = -1
        if self.readable:
            pipe.readers += 1
            pipe.opened_readers += 1
        if self.writable:
            pipe.writers += 1
            pipe.opened_writers += 1

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int | Blocking[int]:
        pipe = self.pipe
        if not buf.remaining:
            return 0
        if pipe.size:
            return pipe.read(buf)
        if not pipe.writers:
            return 0
        if self.flags & O_NONBLOCK:
            raise EAGAIN("the pipe is empty")
        return self._read_when_ready(buf)

    def _read_when_ready(self, buf: Buffer) -> Blocking[int]:
        pipe = self.pipe
        while not pipe.size:
            if not pipe.writers:
                return 0
            yield Sleep((pipe.queue,))
        return pipe.read(buf)

    def write(self, caller: Caller, buf: Buffer, pos: int | None) -> int | Blocking[int]:
        pipe = self.pipe
        if not pipe.readers:
            raise EPIPE("nobody has the read end of %s open", self.path, signal=SIGPIPE)
        count = buf.remaining
        room = pipe.capacity - pipe.size
        if count <= room and not self.flags & O_DIRECT:
            return pipe.write(buf, count)
        if self.flags & O_NONBLOCK:
            return self._write_now(buf, room)
        return self._write_all(buf)

    def _write_now(self, buf: Buffer, room: int) -> int:
        """O_NONBLOCK: all or nothing up to PIPE_BUF, else what fits."""
        count = buf.remaining
        if room <= 0 or (count > room and count <= PIPE_BUF):
            raise EAGAIN("%d bytes do not fit: %d are free in the pipe", count, room)
        if not self.flags & O_DIRECT:
            return self.pipe.write(buf, min(room, count))
        done = 0
        while room >= min(count - done, PIPE_BUF) and done < count:
            moved = self.pipe.write_packet(buf, count - done)
            if not moved:
                break
            done += moved
            room -= moved
        return done

    def _write_all(self, buf: Buffer) -> Blocking[int]:
        pipe, done = self.pipe, 0
        atomic = buf.remaining <= PIPE_BUF
        while buf.remaining:
            if not pipe.readers:
                if done:
                    return done
                raise EPIPE("nobody has the read end of %s open", self.path, signal=SIGPIPE)
            moved = self._write_some(buf, atomic)
            if moved is not None:
                if not moved:
                    return done  # the rest of the buffer faults
                done += moved
                continue
            try:
                yield Sleep((pipe.queue,))
            except Interrupted:
                if done:
                    return done
                raise
        return done

    def _write_some(self, buf: Buffer, atomic: bool) -> int | None:
        """Bytes written; None if there is no room."""
        pipe = self.pipe
        room, left = pipe.capacity - pipe.size, buf.remaining
        if self.flags & O_DIRECT:
            return pipe.write_packet(buf, left) if room >= min(left, PIPE_BUF) else None
        if room <= 0 or (atomic and room < left):
            return None
        return pipe.write(buf, min(room, left))

    def poll(self, caller: Caller, events: int) -> int:
        pipe, ready = self.pipe, 0
        if self.readable:
            if pipe.size:
                ready |= events & _DATA
            if not pipe.writers and self.writers_seen != pipe.opened_writers:
                ready |= POLLHUP
        if self.writable:
            if pipe.capacity - pipe.size >= PIPE_BUF:
                ready |= events & _ROOM
            if not pipe.readers:
                ready |= POLLERR
        return ready

    def ioctl(self, caller: Caller, cmd: int, arg: int) -> int:
        """FIONREAD: how many bytes are in the pipe; nothing else (ENOTTY)."""
        if cmd != FIONREAD:
            raise ENOTTY("%s is a pipe and does not know request %#x", self.path, cmd)
        caller.mem.write_u32(arg, self.pipe.size)
        return 0

    def release(self) -> None:
        pipe = self.pipe
        if self.readable:
            pipe.readers -= 1
        if self.writable:
            pipe.writers -= 1
        pipe.queue.wake()

    def describe(self) -> dict[str, object]:
        pipe = self.pipe
        return super().describe() | {
            "bytes": pipe.size, "capacity": pipe.capacity,
            "readers": pipe.readers, "writers": pipe.writers,
        }  # fmt: skip


class PipeInode(Inode):
    """The inode of pipe(2).  Opened again (/dev/stdin, /proc/PID/fd/N), it never waits."""

    __slots__ = ("pipe",)

    def __init__(self, sb: SuperBlock, uid: int, gid: int) -> None:
        super().__init__(sb, S_IFIFO | 0o600, uid, gid)
        self.pipe = Pipe(f"pipe:[{self.ino}]")

    def open(self, caller: Caller, path: Path, flags: int) -> OpenFile:
        if flags & O_ACCMODE == O_ACCMODE:
            raise EINVAL("access mode 3 means nothing for %s", path)
        file = PipeFile(self, path, flags, self.pipe)
        self.pipe.queue.wake()
        return file


def make_pipe(caller: Caller, flags: int) -> tuple[OpenFile, OpenFile]:
    """pipe2(2): the read end and the write end.  ``flags``: O_NONBLOCK, O_DIRECT."""
    mount = hidden_mount(caller, b"pipefs", PIPEFS_MAGIC)
    inode = PipeInode(mount.sb, caller.cred.fsuid, caller.cred.fsgid)
    path = hidden_path(mount, b"pipe:[%d]" % inode.ino, inode)
    pipe = inode.pipe
    return (
        PipeFile(inode, path, O_RDONLY | flags & O_NONBLOCK, pipe),
        PipeFile(inode, path, O_WRONLY | flags & (O_NONBLOCK | O_DIRECT), pipe),
    )


def pipe_of(file: OpenFile) -> Pipe:
    """F_SETPIPE_SZ and F_GETPIPE_SZ are for pipes only (EBADF)."""
    if not isinstance(file, PipeFile):
        raise EBADF("%s is not a pipe", file.path)
    return file.pipe
