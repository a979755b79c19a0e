"""O_ASYNC: the owner is told each time a file becomes ready, until it is switched off or closed."""

from __future__ import annotations

from kernel.abi.files import POLLHUP, POLLIN, POLLRDNORM
from kernel.fs.pipe import make_pipe
from kernel.vfs.async_io import set_async
from kernel.vfs.openfile import OpenFile
from tests.support.files import FileWorld


def test_told_at_every_wake_up_until_switched_off() -> None:
    caller = FileWorld(ram=1 << 20).root
    read, write = make_pipe(caller, 0)
    write.hold()
    told: list[int] = []

    def send(file: OpenFile, ready: int) -> None:
        assert file is read
        told.append(ready)

    set_async(caller, read, True, send)
    caller.write(write, b"x")
    caller.write(write, b"y")
    assert told == [POLLIN | POLLRDNORM] * 2
    caller.read(read)  # wakes the queue, but nothing is ready now
    assert len(told) == 2
    set_async(caller, read, False, send)
    caller.write(write, b"z")
    assert len(told) == 2


def test_closing_the_file_ends_it() -> None:
    caller = FileWorld(ram=1 << 20).root
    read, write = make_pipe(caller, 0)
    for end in (read, write):
        end.hold()
    told: list[int] = []
    set_async(caller, read, True, lambda file, ready: told.append(ready))
    write.drop()
    assert told == [POLLHUP]
    queue = read.queue
    read.drop()
    assert queue is not None
    assert not queue.waiters
