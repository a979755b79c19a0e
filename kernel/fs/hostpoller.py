"""Waiting for the host: one poll(2) over every host descriptor somebody waits for.

The machine owns one ``HostSelector``.  Files backed by host descriptors ask it to ``watch`` one;
when nobody can run, the machine calls ``wait``, which sleeps in poll(2) and wakes the queues whose
descriptors are ready.  A watch is for one event, so what no guest waits for is never looked at.

Host signals arrive through a wake-up pipe (``signal.set_wakeup_fd``), because Python's handlers
must not raise in the middle of the kernel: ``signals`` collects their numbers.

Who looks at the machine from outside (a debugger, the inspector) is *served*: its descriptor stays
registered and calls a function.  It wakes no guest, so it does not count as ``watching``: a machine
in which everybody waits for ever is deadlocked whoever looks on.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from typing import Final

from kernel.wait import WaitQueue

_ALWAYS: Final = select.POLLERR | select.POLLHUP | select.POLLNVAL
_MILLISECOND: Final = 1_000_000
_LONGEST: Final = 1 << 30


class HostSelector:
    """A ``kernel.wait.HostPoller``.

    Invariants: ``_watches[fd]`` is not empty, and exactly these descriptors, those of ``_served``
    and the wake-up pipe are registered with the poll object, each with all the events anybody waits
    for.  No descriptor is in both.
    """

    __slots__ = ("_poll", "_read_end", "_served", "_signals", "_watches", "_write_end")

    def __init__(self) -> None:
        self._poll = select.poll()
        self._watches: dict[int, dict[WaitQueue, int]] = {}
        self._served: dict[int, Callable[[int], None]] = {}
        self._read_end, self._write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        os.set_blocking(self._write_end, False)
        self._poll.register(self._read_end, select.POLLIN)
        self._signals = bytearray()

    @property
    def wakeup_fd(self) -> int:
        """For ``signal.set_wakeup_fd``: a byte written here ends ``wait``."""
        return self._write_end

    def take_signals(self) -> bytes:
        """The host signals that arrived since the last call, in order."""
        taken = bytes(self._signals)
        self._signals.clear()
        return taken

    def watch(self, fd: int, events: int, queue: WaitQueue) -> None:
        """Wake ``queue`` once when ``fd`` has one of ``events``, or an error, or hung up."""
        queues = self._watches.setdefault(fd, {})
        wanted = queues.get(queue, 0)
        if wanted & events == events and wanted:
            return
        queues[queue] = wanted | events
        self._register(fd, queues)

    def _register(self, fd: int, queues: dict[WaitQueue, int]) -> None:
        events = 0
        for wanted in queues.values():
            events |= wanted
        self._poll.register(fd, events)

    def forget(self, fd: int) -> None:
        """Drop every watch on ``fd``: it is about to be closed."""
        if self._watches.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def serve(self, fd: int, events: int, action: Callable[[int], None]) -> None:
        """Call ``action(ready events)`` whenever ``fd`` has one of them, until ``unserve``.

        Calling it again changes the events.  For those outside who look at the machine.
        """
        self._served[fd] = action
        self._poll.register(fd, events)

    def unserve(self, fd: int) -> None:
        """No more calls for ``fd``, which is about to be closed."""
        if self._served.pop(fd, None) is not None:
            self._poll.unregister(fd)

    @property
    def watching(self) -> bool:
        """Does anybody wait for the host?"""
        return bool(self._watches)

    def wait(self, timeout_ns: int | None) -> None:
        """Sleep until a descriptor is ready, a signal arrives, or the time is over; wake queues.

        0 only looks.  The time is kept to the nanosecond as far as the host can: poll(2) counts
        milliseconds, the rest is slept after it.
        """
        if timeout_ns is None:
            self._dispatch(self._poll.poll())
            return
        whole, rest = divmod(max(0, timeout_ns), _MILLISECOND)
        if whole > _LONGEST:  # poll(2) counts in an int; the machine asks again
            whole, rest = _LONGEST, 0
        ready = self._poll.poll(whole)
        if not ready and rest:
            time.sleep(rest / 1e9)
            ready = self._poll.poll(0)
        self._dispatch(ready)

    def _dispatch(self, ready: list[tuple[int, int]]) -> None:
        for fd, events in ready:
            if fd == self._read_end:
                self._drain()
            elif fd in self._served:
                self._served[fd](events)
            else:
                self._wake(fd, events)

    def _wake(self, fd: int, events: int) -> None:
        queues = self._watches.get(fd)
        if queues is None:
            return
        for queue, wanted in list(queues.items()):
            if events & (wanted | _ALWAYS):
                del queues[queue]
                queue.wake()
        if self._watches.get(fd) is not queues:
            return  # a wake-up closed it
        if queues:
            self._register(fd, queues)
        else:
            self.forget(fd)

    def _drain(self) -> None:
        try:
            while data := os.read(self._read_end, 4096):
                self._signals += data
        except BlockingIOError:
            return

    def close(self) -> None:
        """Give the pipe back; the machine is gone."""
        os.close(self._read_end)
        os.close(self._write_end)
        self._watches.clear()

    def check_invariants(self) -> None:
        """For tests."""
        assert all(self._watches.values()), "an empty set of watches"
        assert not self._watches.keys() & self._served.keys(), "watched and served"

    def __repr__(self) -> str:
        return "<HostSelector>"
