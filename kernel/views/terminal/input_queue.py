"""What was typed and not read yet: complete lines, then the line under edit.

In canonical mode a read gets at most one line, and only complete ones; in raw mode everything is
readable.  Changing the mode changes what the same bytes mean, as in Linux's n_tty.c.
"""

from __future__ import annotations

from collections import deque
from typing import Final

CAPACITY: Final = 4096
"""Linux's N_TTY_BUF_SIZE."""


class InputQueue:
    """Bytes and line ends.

    Invariants: ``lines`` holds (length, ended by end-of-file mark) of the complete lines at the
    front of ``data``; ``complete`` is the sum of the lengths; a mark is stored as a zero byte.
    """

    __slots__ = ("complete", "data", "lines")

    def __init__(self) -> None:
        self.data = bytearray()
        self.lines: deque[tuple[int, bool]] = deque()
        self.complete = 0

    def __len__(self) -> int:
        return len(self.data)

    @property
    def edited(self) -> bytes:
        """The line under edit."""
        return bytes(self.data[self.complete :])

    def at_line_start(self) -> bool:
        """Is the line under edit empty?"""
        return len(self.data) == self.complete

    def put(self, char: int) -> None:
        """Append a character to the line under edit."""
        self.data.append(char)

    def drop_last(self, count: int) -> None:
        """Erase the last ``count`` characters of the line under edit."""
        del self.data[len(self.data) - count :]

    def finish_line(self, char: int, *, end_of_file: bool = False) -> None:
        """End the line under edit with ``char`` (a zero byte for an end-of-file mark)."""
        self.data.append(char)
        self._mark(end_of_file)

    def _mark(self, end_of_file: bool) -> None:
        self.lines.append((len(self.data) - self.complete, end_of_file))
        self.complete = len(self.data)

    def take_line(self, limit: int) -> bytes:
        """At most ``limit`` bytes of the first line; its end-of-file mark goes with its last byte.

        ``limit`` must be positive.  An empty answer is an end of file.
        """
        length, mark = self.lines.popleft()
        visible = length - 1 if mark else length
        if limit < visible:
            taken = bytes(self.data[:limit])
            self.lines.appendleft((length - limit, mark))
            used = limit
        else:
            taken = bytes(self.data[:visible])
            used = length
        del self.data[:used]
        self.complete -= used
        return taken

    def take_raw(self, limit: int) -> bytes:
        """At most ``limit`` bytes, lines or not (raw mode)."""
        taken = bytes(self.data[:limit])
        del self.data[:limit]
        return taken

    def to_raw(self) -> None:
        """Canonical mode ends: line ends mean nothing any more."""
        self.lines.clear()
        self.complete = 0

    def to_canonical(self) -> None:
        """Canonical mode begins: what is here counts as one complete line."""
        self.to_raw()
        if self.data:
            self._mark(end_of_file=False)

    def clear(self) -> None:
        """Forget everything (TCFLSH, a signal character)."""
        self.data.clear()
        self.to_raw()

    def readable(self, canonical: bool) -> int:
        """How many bytes a read could get: what FIONREAD answers."""
        if not canonical:
            return len(self.data)
        return self.complete - sum(1 for _, mark in self.lines if mark)

    def check_invariants(self) -> None:
        """For tests."""
        assert self.complete == sum(length for length, _ in self.lines)
        assert self.complete <= len(self.data)

    def __repr__(self) -> str:
        return f"<InputQueue {len(self)} bytes>"
