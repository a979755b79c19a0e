"""Moving bytes: read(2), write(2), readv(2), pread(2), lseek(2) and their relatives.

Order of errors as in Linux: the descriptor and its access mode (EBADF), the size (EINVAL), the
buffer's range (EFAULT); then the file decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EBADF, EINVAL, EOPNOTSUPP, ESPIPE
from kernel.abi.files import (
    RWF_APPEND,
    RWF_DSYNC,
    RWF_HIPRI,
    RWF_NOWAIT,
    RWF_SYNC,
    SEEK_HOLE,
)
from kernel.abi.limits import MAX_RW_COUNT
from kernel.vfs.openfile import OpenFile
from syscalls.declare import syscall
from syscalls.kinds import (
    Fd,
    InBuf,
    IovecPtr,
    LongCount,
    Offset,
    OutBuf,
    OutIovecPtr,
    Position,
    RwFlags,
    Size,
    Unused,
    Whence,
)

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.task.task import Task
    from kernel.wait import Blocking

_KNOWN_RWF: Final = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND


@syscall("read(2)")
def read(task: Task, fd: Fd, buf: OutBuf, count: Size) -> Size | Blocking[Size]:
    """Read from a descriptor.  See read(2), ERRORS."""
    file = task.fds.get(fd)
    if not file.readable:
        raise EBADF("descriptor %d (%s) is not open for reading", fd, file.path)
    if count > MAX_RW_COUNT:
        count = _limited(count)
    return file.read(task, task.mem.buffer(buf, count), None)


@syscall("write(2)")
def write(task: Task, fd: Fd, buf: InBuf, count: Size) -> Size | Blocking[Size]:
    """Write to a descriptor.  See write(2), ERRORS."""
    file = task.fds.get(fd)
    if not file.writable:
        raise EBADF("descriptor %d (%s) is not open for writing", fd, file.path)
    if count > MAX_RW_COUNT:
        count = _limited(count)
    return file.write(task, task.mem.buffer(buf, count), None)


def _limited(count: int) -> int:
    """One call moves at most MAX_RW_COUNT bytes; a negative ssize_t is EINVAL."""
    if count >> 63:
        raise EINVAL("the size is %d", count - (1 << 64))
    return MAX_RW_COUNT


def _readable(task: Task, fd: int) -> OpenFile:
    file = task.fds.get(fd)
    if not file.readable:
        raise EBADF("descriptor %d (%s) is not open for reading", fd, file.path)
    return file


def _writable(task: Task, fd: int) -> OpenFile:
    file = task.fds.get(fd)
    if not file.writable:
        raise EBADF("descriptor %d (%s) is not open for writing", fd, file.path)
    return file


def _check_offset(file: OpenFile, offset: int) -> None:
    if not file.seekable:
        raise ESPIPE("%s is a stream, which has no position", file.path)
    if offset < 0:
        raise EINVAL("the offset is %d", offset)


@syscall("pread(2)")
def pread64(task: Task, fd: Fd, buf: OutBuf, count: Size, offset: Offset) -> Size | Blocking[Size]:
    """Read at an offset; the position stays.  See pread(2)."""
    if offset < 0:
        raise EINVAL("the offset is %d", offset)
    file = task.fds.get(fd)
    _check_offset(file, offset)
    file = _readable(task, fd)
    return file.read(task, task.mem.buffer(buf, _size(count)), offset)


@syscall("pwrite(2)")
def pwrite64(task: Task, fd: Fd, buf: InBuf, count: Size, offset: Offset) -> Size | Blocking[Size]:
    """Write at an offset; the position stays.  See pwrite(2)."""
    if offset < 0:
        raise EINVAL("the offset is %d", offset)
    file = task.fds.get(fd)
    _check_offset(file, offset)
    file = _writable(task, fd)
    return file.write(task, task.mem.buffer(buf, _size(count)), offset)


def _size(count: int) -> int:
    return count if count <= MAX_RW_COUNT else _limited(count)


def _vector(task: Task, iov: int, count: int) -> Buffer:
    """The whole iovec array, copied in once, as one buffer; EINVAL past 1024 entries."""
    return task.mem.buffer_iov(task.mem.read_iovec(iov, count))


@syscall("readv(2)")
def readv(task: Task, fd: Fd, iov: OutIovecPtr, iovcnt: LongCount) -> Size | Blocking[Size]:
    """Read into several buffers.  See readv(2)."""
    file = _readable(task, fd)
    return file.read(task, _vector(task, iov, iovcnt), None)


@syscall("writev(2)")
def writev(task: Task, fd: Fd, iov: IovecPtr, iovcnt: LongCount) -> Size | Blocking[Size]:
    """Write from several buffers, as one contiguous write.  See writev(2)."""
    file = _writable(task, fd)
    return file.write(task, _vector(task, iov, iovcnt), None)


@syscall("preadv(2)")
def preadv(
    task: Task, fd: Fd, iov: OutIovecPtr, iovcnt: LongCount, offset: Offset, high: Unused
) -> Size | Blocking[Size]:
    """readv at an offset.  See preadv(2).  ``high`` is for 32-bit CPUs only."""
    if offset < 0:
        raise EINVAL("the offset is %d", offset)
    file = task.fds.get(fd)
    _check_offset(file, offset)
    return _readable(task, fd).read(task, _vector(task, iov, iovcnt), offset)


@syscall("pwritev(2)")
def pwritev(
    task: Task, fd: Fd, iov: IovecPtr, iovcnt: LongCount, offset: Offset, high: Unused
) -> Size | Blocking[Size]:
    """writev at an offset.  See pwritev(2)."""
    if offset < 0:
        raise EINVAL("the offset is %d", offset)
    file = task.fds.get(fd)
    _check_offset(file, offset)
    return _writable(task, fd).write(task, _vector(task, iov, iovcnt), offset)


def _check_rwf(flags: int) -> None:
    if flags & ~_KNOWN_RWF:
        raise EOPNOTSUPP("RWF flags %#x: only the bits %#x are known", flags, _KNOWN_RWF)
    if flags & RWF_NOWAIT:
        raise EOPNOTSUPP("RWF_NOWAIT (8): no file here can promise not to wait")


@syscall("preadv2(2)")
def preadv2(
    task: Task, fd: Fd, iov: OutIovecPtr, iovcnt: LongCount, offset: Offset, high: Unused,
    flags: RwFlags,
) -> Size | Blocking[Size]:  # fmt: skip
    """preadv with flags; an offset of -1 means the position.  See preadv2(2)."""
    file = task.fds.get(fd)
    if offset != -1:
        _check_offset(file, offset)
    file = _readable(task, fd)
    buf = _vector(task, iov, iovcnt)
    _check_rwf(flags & ~RWF_APPEND)
    return file.read(task, buf, None if offset == -1 else offset)


@syscall("pwritev2(2)")
def pwritev2(
    task: Task, fd: Fd, iov: IovecPtr, iovcnt: LongCount, offset: Offset, high: Unused,
    flags: RwFlags,
) -> Size | Blocking[Size]:  # fmt: skip
    """pwritev with flags; an offset of -1 means the position.  See pwritev2(2)."""
    file = task.fds.get(fd)
    if offset != -1:
        _check_offset(file, offset)
    file = _writable(task, fd)
    buf = _vector(task, iov, iovcnt)
    _check_rwf(flags)
    at: int | None = None if offset == -1 else offset
    if flags & RWF_APPEND and file.seekable:
        file.inode.refresh()
        if offset == -1:
            file.pos = file.inode.size
        else:
            at = file.inode.size
    written = file.write(task, buf, at)
    if flags & (RWF_DSYNC | RWF_SYNC) and file.seekable:
        file.fsync(task, bool(flags & RWF_DSYNC))
    return written


@syscall("lseek(2)")
def lseek(task: Task, fd: Fd, offset: Offset, whence: Whence) -> Position:
    """Move the position of an open file.  See lseek(2)."""
    file = task.fds.get(fd)
    if whence > SEEK_HOLE:
        raise EINVAL("whence is %d, which means nothing", whence)
    return file.seek(task, offset, whence)
