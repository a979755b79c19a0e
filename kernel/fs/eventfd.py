"""eventfd(2): a counter behind a descriptor."""

from __future__ import annotations

from typing import Final

from kernel.abi.errors import EAGAIN, EINVAL
from kernel.abi.files import (
    O_NONBLOCK,
    O_RDWR,
    POLLIN,
    POLLOUT,
    POLLRDNORM,
    POLLWRNORM,
)
from kernel.mm.buffer import Buffer
from kernel.vfs.anonymous import AnonymousFile, hidden_mount, hidden_path
from kernel.vfs.caller import Caller
from kernel.vfs.dentry import Path
from kernel.vfs.inode import Inode
from kernel.vfs.openfile import OpenFile
from kernel.wait import Blocking, Sleep, WaitQueue

MAXIMUM: Final = (1 << 64) - 2
"""The largest value; a write that would pass it waits."""
_WORD: Final = 8


class EventFile(AnonymousFile):
    """The counter.  Reading takes all of it (or 1 with EFD_SEMAPHORE) and waits while it is 0."""

    __slots__ = ("count", "semaphore")

    queue: WaitQueue

    def __init__(self, inode: Inode, path: Path, flags: int, count: int, semaphore: bool) -> None:
        super().__init__(inode, path, flags)
        self.count = count
        self.semaphore = semaphore
        self.queue = WaitQueue("eventfd")

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int | Blocking[int]:
        if buf.remaining < _WORD:
            raise EINVAL("an eventfd is read by 8 bytes, and the buffer has %d", buf.remaining)
        if self.count:
            return self._take(buf)
        if self.flags & O_NONBLOCK:
            raise EAGAIN("the counter of the eventfd is 0")
        return self._take_later(buf)

    def _take_later(self, buf: Buffer) -> Blocking[int]:
        while not self.count:
            yield Sleep((self.queue,))
        return self._take(buf)

    def _take(self, buf: Buffer) -> int:
        value = 1 if self.semaphore else self.count
        buf.put(value.to_bytes(_WORD, "little"))
        self.count -= value
        self.queue.wake(1, POLLOUT | POLLWRNORM)
        return _WORD

    def write(self, caller: Caller, buf: Buffer, pos: int | None) -> int | Blocking[int]:
        if buf.remaining < _WORD:
            raise EINVAL("an eventfd is written by 8 bytes, not %d", buf.remaining)
        value = int.from_bytes(buf.take(_WORD), "little")
        if value > MAXIMUM:
            raise EINVAL("2^64 - 1 cannot be added")
        if self.count + value <= MAXIMUM:
            return self._add(value)
        if self.flags & O_NONBLOCK:
            raise EAGAIN("the counter would overflow")
        return self._add_later(value)

    def _add_later(self, value: int) -> Blocking[int]:
        while self.count + value > MAXIMUM:
            yield Sleep((self.queue,))
        return self._add(value)

    def _add(self, value: int) -> int:
        self.count += value
        self.queue.wake(1, POLLIN | POLLRDNORM)
        return _WORD

    def poll(self, caller: Caller, events: int) -> int:
        ready = 0
        if self.count:
            ready |= POLLIN | POLLRDNORM
        if self.count < MAXIMUM:
            ready |= POLLOUT | POLLWRNORM
        return ready & events

    def info_lines(self) -> str:
        return f"eventfd-count: {self.count:16x}\neventfd-semaphore: {self.semaphore:d}\n"

    def describe(self) -> dict[str, object]:
        return super().describe() | {"eventfd-count": self.count}


def make_eventfd(caller: Caller, count: int, nonblock: bool, semaphore: bool) -> OpenFile:
    """See eventfd(2)."""
    mount = hidden_mount(caller, b"anon_inodefs")
    inode = Inode(mount.sb, 0o600, caller.cred.fsuid, caller.cred.fsgid)
    path = hidden_path(mount, b"anon_inode:[eventfd]", inode)
    return EventFile(inode, path, O_RDWR | (O_NONBLOCK if nonblock else 0), count, semaphore)
