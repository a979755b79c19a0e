"""Copying from one open file to another without user memory.  Linux: fs/splice.c."""

from __future__ import annotations

from typing import Final

from kernel.abi.errors import KernelError
from kernel.mm.buffer import KernelBuffer
from kernel.vfs.caller import Caller
from kernel.vfs.openfile import OpenFile
from kernel.wait import Blocking, Interrupted

CHUNK: Final = 65536


def copy_through(
    caller: Caller, source: OpenFile, at_in: int | None, target: OpenFile, at_out: int | None,
    count: int, once: bool = False,
) -> Blocking[int]:  # fmt: skip
    """Copy up to ``count`` bytes; offsets of None are the files' own positions.

    Ends at the end of the source, when a side takes or gives less, or with what was copied when an
    error or a signal comes later.  ``once``: one chunk is enough (splice(2)).  A source with a
    position is read only as far as the target took; from a pipe, bytes that the target refused are
    lost with the error, as they would be in a program that reads and writes.
    """
    done = 0
    try:
        while done < count:
            buf = KernelBuffer.empty(min(count - done, CHUNK))
            start = source.pos if at_in is None else at_in + done
            seekable = source.seekable
            got = source.read(caller, buf, start if seekable else None)
            if not isinstance(got, int):
                got = yield from got
            if not got:
                break
            out = KernelBuffer(buf.filled())
            moved = target.write(caller, out, None if at_out is None else at_out + done)
            if not isinstance(moved, int):
                moved = yield from moved
            done += moved
            if seekable and at_in is None:
                source.pos = start + moved
            if moved < got or once:
                break
    except (KernelError, Interrupted):
        if not done:
            raise
    return done
