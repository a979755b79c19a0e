"""Process numbers.  One name space for tasks, process groups and sessions, as in Linux.

A number is free again only when nothing is called by it: no task, no process group, no session.
"""

from __future__ import annotations

from typing import Final

from kernel.abi.errors import EAGAIN

PID_MAX: Final = 32768
RESERVED: Final = 300  # after the first round low numbers are left to early processes, as in Linux


class Pids:
    """Cyclic allocation with a count of what each number names (Linux: ``struct pid``)."""

    __slots__ = ("_last", "_names", "maximum")

    def __init__(self, maximum: int = PID_MAX) -> None:
        self.maximum = maximum
        self._last = 0
        self._names: dict[int, int] = {}

    def allocate(self) -> int:
        """The next free number, counted once."""
        if len(self._names) >= self.maximum - 1:
            raise EAGAIN("all process numbers below %d are in use (pid_max)", self.maximum)
        pid = self._last + 1
        while pid in self._names or pid >= self.maximum:
            pid = pid + 1 if pid < self.maximum else RESERVED
            if pid == self._last:
                raise EAGAIN("all process numbers below %d are in use (pid_max)", self.maximum)
        self._last = pid
        self._names[pid] = 1
        return pid

    def hold(self, pid: int) -> None:
        """One more thing is called by this number."""
        self._names[pid] = self._names.get(pid, 0) + 1

    def release(self, pid: int) -> None:
        """One thing less; with the last one the number is free."""
        left = self._names[pid] - 1
        if left:
            self._names[pid] = left
        else:
            del self._names[pid]

    @property
    def last(self) -> int:
        """The number given out last (/proc/loadavg)."""
        return self._last

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<Pids last={self.last}>"
