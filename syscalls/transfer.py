"""Copies inside the kernel: sendfile(2), copy_file_range(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EBADF, EINVAL, EISDIR, EOVERFLOW, ESPIPE, EXDEV
from kernel.abi.files import (
    MAX_OFFSET,
    O_APPEND,
    S_IFDIR,
    S_IFMT,
    S_IFREG,
)
from kernel.abi.limits import MAX_RW_COUNT
from kernel.vfs.copying import copy_through
from kernel.vfs.openfile import OpenFile
from syscalls.declare import syscall
from syscalls.kinds import Fd, OffsetInOutPtr, Size, UInt

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.wait import Blocking


def _ends(task: Task, fd_in: int, fd_out: int) -> tuple[OpenFile, OpenFile]:
    source = task.fds.get(fd_in)
    if not source.readable:
        raise EBADF("descriptor %d (%s) is not open for reading", fd_in, source.path)
    target = task.fds.get(fd_out)
    if not target.writable:
        raise EBADF("descriptor %d (%s) is not open for writing", fd_out, target.path)
    return source, target


def _read_offset(task: Task, address: int, file: OpenFile) -> int | None:
    """The offset a pointer gives; None for the file's own position."""
    if not address:
        return None
    offset = task.mem.read_s64(address)
    if not file.seekable:
        raise ESPIPE("an offset for %s, which has no position", file.path)
    if offset < 0:
        raise EINVAL("the offset is %d", offset)
    return offset


def _finish(
    task: Task, copying: Blocking[int], addresses: tuple[tuple[int, int | None], ...]
) -> Blocking[int]:
    """Write the offsets back when it is known how much was copied."""
    count = yield from copying
    for address, offset in addresses:
        if offset is not None:
            task.mem.write_u64(address, offset + count)
    return count


@syscall("sendfile(2)")
def sendfile(
    task: Task, out_fd: Fd, in_fd: Fd, offset: OffsetInOutPtr, count: Size
) -> Size | Blocking[Size]:
    """Copy from a file to any descriptor.  See sendfile(2), ERRORS."""
    source, target = _ends(task, in_fd, out_fd)
    start = _read_offset(task, offset, source)
    if count >> 63:
        raise EINVAL("the size is %d", count - (1 << 64))
    if not source.seekable:
        raise EINVAL(
            "sendfile reads from a position; the source %s is a stream, which has none", source.path
        )
    if target.flags & O_APPEND:
        raise EINVAL("the target %s is O_APPEND", target.path)
    copying = copy_through(task, source, start, target, None, min(count, MAX_RW_COUNT))
    return _finish(task, copying, ((offset, start),))


@syscall("copy_file_range(2)")
def copy_file_range(
    task: Task, fd_in: Fd, off_in: OffsetInOutPtr, fd_out: Fd, off_out: OffsetInOutPtr, len_: Size,
    flags: UInt,
) -> Size | Blocking[Size]:  # fmt: skip
    """Copy between two regular files.  See copy_file_range(2), ERRORS."""
    source, target = _ends(task, fd_in, fd_out)
    if flags:
        raise EINVAL("flags are %#x and must be 0", flags)
    for file in (source, target):
        kind = file.inode.mode & S_IFMT
        if kind != S_IFREG:
            error = EISDIR if kind == S_IFDIR else EINVAL
            raise error("%s is %s, not a regular file", file.path, file.inode.kind)
    if target.flags & O_APPEND:
        raise EBADF("the target %s is O_APPEND", target.path)
    at_in, at_out = _read_offset(task, off_in, source), _read_offset(task, off_out, target)
    start = source.pos if at_in is None else at_in
    end = target.pos if at_out is None else at_out
    if max(start, end) + len_ > MAX_OFFSET:
        raise EOVERFLOW("the range of %d bytes ends past 2^63 - 1", len_)
    source.inode.refresh()
    length = min(len_, MAX_RW_COUNT, max(source.inode.size - start, 0))
    if source.inode is target.inode and start < end + length and end < start + length:
        raise EINVAL("[%d, +%d) and [%d, +%d) of one file overlap", start, length, end, length)
    if source.inode.sb.fstype != target.inode.sb.fstype:
        raise EXDEV("the source is on %s, the target on %s", source.path.mount, target.path.mount)
    copying = copy_through(task, source, at_in, target, at_out, length)
    return _finish(task, copying, ((off_in, at_in), (off_out, at_out)))
