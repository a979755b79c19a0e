"""Signal-driven I/O: O_ASYNC.  See fcntl(2), "Managing signals"; open(2), O_ASYNC.

A file with O_ASYNC keeps a watcher on its queue.  When the queue is woken and the file is
ready, the file's owner (F_SETOWN) gets a signal.  Tasks are above this room, so whoever switches
O_ASYNC on brings the function that sends.  Linux: ``fasync_helper``, ``kill_fasync``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kernel.abi.files import POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM
from kernel.vfs.caller import Caller
from kernel.vfs.openfile import OpenFile
from kernel.wait import WaitQueue, Watcher

INPUT: Final = POLLIN | POLLRDNORM
OUTPUT: Final = POLLOUT | POLLWRNORM
_ALL: Final = INPUT | OUTPUT | POLLPRI | POLLERR | POLLHUP

Send = Callable[[OpenFile, int], None]
"""send(file, ready): tell the owner of ``file`` that these poll bits hold."""


class AsyncNotice:
    """The watcher of one file; it stays on the file's queue until ``cancel``."""

    __slots__ = ("_caller", "_file", "_send", "_watcher")

    def __init__(self, caller: Caller, file: OpenFile, queue: WaitQueue, send: Send) -> None:
        self._caller = caller
        self._file = file
        self._send = send
        self._watcher = Watcher(queue, self._notice)

    def _notice(self, events: int) -> bool:
        """The queue was woken: tell, if the file is ready."""
        ready = self._file.poll(self._caller, _ALL)
        if ready:
            self._send(self._file, ready)
        return True

    def cancel(self) -> None:
        """O_ASYNC was switched off, or the file closed."""
        self._watcher.remove()

    def __repr__(self) -> str:
        return f"<AsyncNotice of {self._file!r}>"


def set_async(caller: Caller, file: OpenFile, on: bool, send: Send) -> None:
    """Follow a change of O_ASYNC.  A file that is always ready has nothing to tell."""
    notice = file.async_notice
    if not on:
        if notice is not None:
            notice.cancel()
            file.async_notice = None
    elif notice is None and file.queue is not None:
        file.async_notice = AsyncNotice(caller, file, file.queue, send)
