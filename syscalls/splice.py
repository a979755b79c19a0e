"""splice(2), tee(2), vmsplice(2).  The mechanism is in kernel.fs.splice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EBADF, EINVAL, ESPIPE
from kernel.abi.files import (
    O_APPEND,
    SPLICE_F_GIFT,
    SPLICE_F_MORE,
    SPLICE_F_MOVE,
    SPLICE_F_NONBLOCK,
)
from kernel.abi.limits import MAX_RW_COUNT
from kernel.fs.pipe import PipeFile
from kernel.fs.splice import (
    file_to_pipe,
    memory_to_pipe,
    pipe_to_file,
    pipe_to_memory,
    pipe_to_pipe,
)
from syscalls.declare import syscall
from syscalls.kinds import Fd, IovecPtr, LongCount, OffsetInOutPtr, Size, SpliceFlags

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.vfs.openfile import OpenFile
    from kernel.wait import Blocking

_FLAGS: Final = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT


def _ends(task: Task, fd_in: int, fd_out: int) -> tuple[OpenFile, OpenFile]:
    source, target = task.fds.get(fd_in), task.fds.get(fd_out)
    if not source.readable:
        raise EBADF("descriptor %d (%s) is not open for reading", fd_in, source.path)
    if not target.writable:
        raise EBADF("descriptor %d (%s) is not open for writing", fd_out, target.path)
    return source, target


def _check_flags(flags: int) -> bool:
    """EINVAL for unknown ones; is SPLICE_F_NONBLOCK among them?"""
    if flags & ~_FLAGS:
        raise EINVAL("flags %#x: only the bits %#x are known", flags, _FLAGS)
    return bool(flags & SPLICE_F_NONBLOCK)


def _offset(task: Task, address: int, file: OpenFile) -> int | None:
    """Where in a file; a pipe has no place (ESPIPE), other streams neither (EINVAL)."""
    if not address:
        return None
    if isinstance(file, PipeFile):
        raise ESPIPE("an offset for %s, which has no position", file.path)
    if not file.seekable:
        raise EINVAL("an offset for %s, which has no position", file.path)
    offset = task.mem.read_s64(address)
    if offset < 0:
        raise EINVAL("the offset is %d", offset)
    return offset


@syscall("splice(2)")
def splice(
    task: Task, fd_in: Fd, off_in: OffsetInOutPtr, fd_out: Fd, off_out: OffsetInOutPtr, len_: Size,
    flags: SpliceFlags,
) -> Size | Blocking[Size]:  # fmt: skip
    """Move bytes between a pipe and another descriptor.  See splice(2), ERRORS."""
    if not len_:
        return 0
    nonblock = _check_flags(flags)
    source, target = _ends(task, fd_in, fd_out)
    at_in, at_out = _offset(task, off_in, source), _offset(task, off_out, target)
    count = min(len_, MAX_RW_COUNT)
    if isinstance(source, PipeFile):
        if isinstance(target, PipeFile):
            if source.pipe is target.pipe:
                raise EINVAL("both ends are %s", source.path)
            return pipe_to_pipe(source, target, count, nonblock, keep=False)
        if target.flags & O_APPEND:
            raise EINVAL("the target %s is O_APPEND", target.path)
        return _out(task, source, target, (off_out, at_out), count, nonblock)
    if not isinstance(target, PipeFile):
        raise EINVAL("neither %s nor %s is a pipe", source.path, target.path)
    return _in(task, source, target, (off_in, at_in), count, nonblock)


def _out(
    task: Task, source: PipeFile, target: OpenFile, where: tuple[int, int | None], count: int,
    nonblock: bool,
) -> Blocking[int]:  # fmt: skip
    address, offset = where
    moved = yield from pipe_to_file(task, source, target, offset, count, nonblock)
    if offset is not None:
        task.mem.write_u64(address, offset + moved)
    return moved


def _in(
    task: Task, source: OpenFile, target: PipeFile, where: tuple[int, int | None], count: int,
    nonblock: bool,
) -> Blocking[int]:  # fmt: skip
    address, offset = where
    moved = yield from file_to_pipe(task, source, offset, target, count, nonblock)
    if offset is not None:
        task.mem.write_u64(address, offset + moved)
    return moved


@syscall("tee(2)")
def tee(task: Task, fd_in: Fd, fd_out: Fd, len_: Size, flags: SpliceFlags) -> Size | Blocking[Size]:
    """Copy bytes from pipe to pipe; they stay in the first.  See tee(2), ERRORS."""
    nonblock = _check_flags(flags)
    if not len_:
        return 0
    source, target = _ends(task, fd_in, fd_out)
    if not isinstance(source, PipeFile) or not isinstance(target, PipeFile):
        raise EINVAL("%s and %s are not both pipes", source.path, target.path)
    if source.pipe is target.pipe:
        raise EINVAL("both ends are %s", source.path)
    return pipe_to_pipe(source, target, min(len_, MAX_RW_COUNT), nonblock, keep=True)


@syscall("vmsplice(2)", partial="pages are copied: changing them afterwards is not seen")
def vmsplice(
    task: Task, fd: Fd, iov: IovecPtr, nr_segs: LongCount, flags: SpliceFlags
) -> Size | Blocking[Size]:
    """Move memory into a pipe, or a pipe's bytes into memory.  See vmsplice(2), ERRORS."""
    nonblock = _check_flags(flags)
    file = task.fds.get(fd)
    if not isinstance(file, PipeFile):
        raise EBADF("descriptor %d (%s) is not a pipe", fd, file.path)
    buf = task.mem.buffer_iov(task.mem.read_iovec(iov, nr_segs))
    if not buf.remaining:
        return 0
    if file.writable:
        return memory_to_pipe(file, buf, nonblock)
    return pipe_to_memory(file, buf, nonblock)
