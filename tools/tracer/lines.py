"""Lines and columns: who printed what where, and what must be said when another task interrupts.

One stream can carry several tasks.  A call is printed when it is entered and finished when it
returns; if another task prints in between, the line ends in `` <unfinished ...>`` and is taken up
later with ``<... read resumed>``.  After strace's ``printleader`` and ``line_ended``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

RESULT_COLUMN = 40
NS = 1_000_000_000


class Sink(Protocol):
    """Where text goes."""

    def write(self, text: str, /) -> object:
        """Take some text."""


@dataclass(slots=True)
class Prefix:
    """What stands before a line: pid, and one of strace's time stamps ('', t, tt, ttt, r)."""

    pid_always: bool = False  # -f -o: the bare number
    pid_if_many: bool = False  # on the terminal: [pid N] from the second task on
    stamp: str = ""


class Lines:
    """One output stream.

    Invariants: ``printing`` is the task whose line is not ended, or None; ``column`` is how far
    that line has come.
    """

    __slots__ = (
        "_column",
        "_last_stamp",
        "_now",
        "_prefix",
        "_sink",
        "_where",
        "printing",
        "tasks",
    )

    def __init__(
        self,
        sink: Sink,
        prefix: Prefix,
        now: Callable[[], int],
        where: Callable[[int], str] = lambda tid: "",
    ) -> None:
        self._where = where
        self._sink = sink
        self._prefix = prefix
        self._now = now
        self._last_stamp: int | None = None
        self._column = 0
        self.printing: int | None = None
        self.tasks = 0

    def begin(self, tid: int) -> None:
        """Start a line of a task; an open line is left unfinished."""
        self.interrupt()
        self.printing = tid
        if self._prefix.pid_always:
            self.write(f"{tid:<5} ")
        elif self._prefix.pid_if_many and self.tasks > 1:
            self.write(f"[pid {tid:5}] ")
        if self._prefix.stamp:
            self.write(self._stamp())
        self.write(self._where(tid))

    def interrupt(self) -> None:
        """Somebody else prints now."""
        if self.printing is not None and self._column:
            self._put(" <unfinished ...>\n")
        self._column = 0
        self.printing = None

    def detach(self) -> None:
        """No more lines will come."""
        if self.printing is not None and self._column:
            self._put(" <detached ...>\n")
        self._column = 0
        self.printing = None

    def resume(self, tid: int, name: str) -> None:
        """Make the open line that of this task's call."""
        if self.printing != tid:
            self.begin(tid)
            self.write(f"<... {name} resumed>")

    def write(self, text: str) -> None:
        """Add to the open line."""
        self._put(text)
        self._column += len(text)

    def result(self, text: str) -> None:
        """Close the parenthesis, go to the result's column, end the line."""
        self.write(") ")
        if self._column < RESULT_COLUMN:
            self.write(" " * (RESULT_COLUMN - self._column))
        self._put(f"= {text}\n")
        self._column = 0
        self.printing = None

    def line(self, tid: int, text: str) -> None:
        """A whole line of a task."""
        self.begin(tid)
        self._put(text + "\n")
        self._column = 0
        self.printing = None

    def wait(self, tid: int, text: str) -> None:
        """What a task's call waits for: below its line, which is left unfinished."""
        if self.printing == tid:
            self.interrupt()
            self.note(text)
        else:
            self.line(tid, text)

    def note(self, text: str) -> None:
        """A line that belongs to no task; an open line goes on behind it, as strace's does."""
        self._put(text + "\n")

    def _put(self, text: str) -> None:
        self._sink.write(text)

    def _stamp(self) -> str:
        now = self._now()
        seconds, micro = now // NS, now % NS // 1000
        if self._prefix.stamp == "r":
            since = 0 if self._last_stamp is None else now - self._last_stamp
            self._last_stamp = now
            return f"{since // NS:6d}.{since % NS // 1000:06d} "
        if self._prefix.stamp == "ttt":
            return f"{seconds}.{micro:06d} "
        clock = time.strftime("%H:%M:%S", time.localtime(seconds))
        return f"{clock}.{micro:06d} " if self._prefix.stamp == "tt" else f"{clock} "


def explained(text: str) -> str:
    """A line of ``--explain``: it begins as no line of strace does."""
    return f"    \\ {text}"
