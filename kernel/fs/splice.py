"""Moving bytes from and to pipes without a program in between: splice(2), tee(2), vmsplice(2).

Linux moves pages; here bytes are copied, which nobody can tell apart, except that a page given to
vmsplice(2) may be changed afterwards without the reader seeing it.
Linux: ``fs/splice.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EAGAIN, EPIPE, KernelError
from kernel.abi.files import O_NONBLOCK, SIGPIPE
from kernel.fs.pipe import Pipe, PipeFile
from kernel.mm.buffer import KernelBuffer
from kernel.wait import Blocking, Interrupted, Sleep

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.vfs.caller import Caller
    from kernel.vfs.openfile import OpenFile


def _wait_for_data(pipe: Pipe, nonblock: bool) -> Blocking[bool]:
    """Until there are bytes; False: there never will be, all writers are gone."""
    while not pipe.size:
        if not pipe.writers:
            return False
        if nonblock:
            raise EAGAIN("the pipe is empty")
        yield Sleep((pipe.queue,))
    return True


def _wait_for_room(pipe: Pipe, nonblock: bool) -> Blocking[int]:
    """Until something fits; how much."""
    while True:
        if not pipe.readers:
            raise EPIPE("nobody has the read end of %s open", pipe.queue.name, signal=SIGPIPE)
        room = pipe.capacity - pipe.size
        if room > 0:
            return room
        if nonblock:
            raise EAGAIN("the pipe is full")
        yield Sleep((pipe.queue,))


def _nonblock(file: OpenFile, nonblock: bool) -> bool:
    return nonblock or bool(file.flags & O_NONBLOCK)


def pipe_to_pipe(
    source: PipeFile, target: PipeFile, count: int, nonblock: bool, keep: bool
) -> Blocking[int]:
    """splice(2) between pipes; with ``keep`` tee(2).  Bytes and room must be there together."""
    pipe_in, pipe_out = source.pipe, target.pipe
    while True:
        if not (yield from _wait_for_data(pipe_in, _nonblock(source, nonblock))):
            return 0
        room = yield from _wait_for_room(pipe_out, _nonblock(target, nonblock))
        if pipe_in.size:  # another reader may have been faster
            break
    data = pipe_in.peek(min(count, room)) if keep else pipe_in.take(min(count, room))
    pipe_out.put(data)
    return len(data)


def pipe_to_file(
    caller: Caller, source: PipeFile, target: OpenFile, at: int | None, count: int, nonblock: bool
) -> Blocking[int]:
    """splice(2) out of a pipe; what the target does not take stays in the pipe."""
    pipe = source.pipe
    if not (yield from _wait_for_data(pipe, _nonblock(source, nonblock))):
        return 0
    data = pipe.take(count)
    moved = 0
    try:
        done = target.write(caller, KernelBuffer(data), at)
        moved = done if isinstance(done, int) else (yield from done)
    finally:
        if moved < len(data):
            pipe.put_back(data[moved:])
    return moved


def file_to_pipe(
    caller: Caller, source: OpenFile, at: int | None, target: PipeFile, count: int, nonblock: bool
) -> Blocking[int]:
    """splice(2) into a pipe: no more is read than fits."""
    room = yield from _wait_for_room(target.pipe, _nonblock(target, nonblock))
    buf = KernelBuffer.empty(min(count, room))
    got = source.read(caller, buf, at)
    if not isinstance(got, int):
        got = yield from got
    data = bytes(buf.filled())
    if data:
        yield from _wait_for_room(target.pipe, False)  # the source may have slept
        target.pipe.put(data)
    return got


def memory_to_pipe(target: PipeFile, buf: Buffer, nonblock: bool) -> Blocking[int]:
    """vmsplice(2) to a write end: as much as fits, all of it if waiting is allowed."""
    done = 0
    try:
        while buf.remaining:
            quick = _nonblock(target, nonblock)
            room = yield from _wait_for_room(target.pipe, quick)
            moved = target.pipe.write(buf, min(room, buf.remaining))
            done += moved
            if not moved:
                break
    except (KernelError, Interrupted):
        if not done:
            raise
    return done


def pipe_to_memory(source: PipeFile, buf: Buffer, nonblock: bool) -> Blocking[int]:
    """vmsplice(2) from a read end."""
    if not (yield from _wait_for_data(source.pipe, _nonblock(source, nonblock))):
        return 0
    return source.pipe.read(buf)
