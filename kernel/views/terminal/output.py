"""The way out of a terminal: output processing (OPOST) and echo.

``OutputProcessor`` knows in which column the cursor stands, so that tabs can be expanded and
erased.  It turns what a program writes, and what is echoed, into the bytes that go to the screen.
The rules are those of Linux's n_tty.c (do_output_char, echo_char, eraser).
"""

from __future__ import annotations

from typing import Final

from kernel.abi.ioctls import (
    ECHOCTL,
    IUTF8,
    OCRNL,
    OLCUC,
    ONLCR,
    ONLRET,
    ONOCR,
    OPOST,
    TAB3,
    TABDLY,
)
from kernel.views.terminal.settings import Settings

NEWLINE: Final = 10
RETURN: Final = 13
TAB: Final = 9
BACKSPACE: Final = 8
_ECHO_ESCAPE: Final = 0xFF  # the escape of Linux's echo buffer: its echo is never changed
_CHANGES: Final = OLCUC | OCRNL | ONOCR | ONLRET


# The kernel's own character classes are those of Latin-1 (lib/ctype.c), UTF-8 or not.
_UPPER: Final = (*range(65, 91), *range(192, 215), *range(216, 223))
_LOWER: Final = (*range(97, 123), *range(223, 247), *range(248, 256))
TO_UPPER: Final = bytes(c - 32 if c in _LOWER else c for c in range(256))
TO_LOWER: Final = bytes(c + 32 if c in _UPPER else c for c in range(256))
WORD: Final = bytes((*range(48, 58), *sorted((*_UPPER, *_LOWER)), 95))
"""Letters, digits and the underscore: what VWERASE takes for a word."""


def is_control(char: int) -> bool:
    """Is it a control character (which ECHOCTL shows as ^X)?"""
    return char < 32 or char == 127


class OutputProcessor:
    """Column bookkeeping and translation of one terminal's output.

    Invariant: ``column`` is where the cursor is if the screen obeyed so far; ``canon_column`` is
    where the line under edit begins.
    """

    __slots__ = ("canon_column", "column", "settings")

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.column = 0
        self.canon_column = 0

    def process(self, data: bytes) -> bytes:
        """What to send for ``data``, by the c_oflag rules of termios(3)."""
        oflag = self.settings.oflag
        if not oflag & OPOST:
            return data
        if oflag & _CHANGES or oflag & TABDLY == TAB3:
            return b"".join([self._one(char) for char in data])
        self._advance(data)
        return data.replace(b"\n", b"\r\n") if oflag & ONLCR else data

    def _advance(self, data: bytes) -> None:
        """Move the column over plain output; only the text after the last line end counts."""
        start = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if start:
            newline = data[start - 1] == NEWLINE
            if not newline or self.settings.oflag & ONLCR:
                self.column = 0
            self.canon_column = self.column
        tail = data[start:]
        if tail.isascii() and tail.isalnum():
            self.column += len(tail)
            return
        for char in tail:
            self._step(char)

    def _step(self, char: int) -> None:
        if char == TAB:
            self.column += 8 - (self.column & 7)
        elif char == BACKSPACE:
            self.column = max(0, self.column - 1)
        elif not is_control(char) and not self.is_continuation(char):
            self.column += 1

    def _one(self, char: int) -> bytes:
        oflag = self.settings.oflag
        if char == NEWLINE:
            if oflag & ONLRET:
                self.column = 0
            self.canon_column = self.column
            if oflag & ONLCR:
                self.column = self.canon_column = 0
                return b"\r\n"
            return b"\n"
        if char == RETURN:
            return self._return(oflag)
        if char == TAB and oflag & TABDLY == TAB3:
            width = 8 - (self.column & 7)
            self.column += width
            return b" " * width
        self._step(char)
        return bytes((TO_UPPER[char] if oflag & OLCUC else char,))

    def _return(self, oflag: int) -> bytes:
        if oflag & ONOCR and self.column == 0:
            return b""
        if oflag & OCRNL:
            if oflag & ONLRET:
                self.column = self.canon_column = 0
            return b"\n"
        self.column = self.canon_column = 0
        return b"\r"

    def is_continuation(self, char: int) -> bool:
        """Is it an inner byte of a UTF-8 character (under IUTF8)?"""
        return bool(self.settings.iflag & IUTF8) and char & 0xC0 == 0x80

    def shown(self, char: int) -> bytes:
        """How an input character is echoed: control characters as ^X under ECHOCTL."""
        if self.settings.lflag & ECHOCTL and is_control(char) and char != TAB:
            self.column += 2
            return bytes((94, char ^ 0x40))
        if char == _ECHO_ESCAPE:
            self.column += 1
            return b"\xff"
        return self.process(bytes((char,)))

    def begin_line(self) -> None:
        """The first character of a line is about to be echoed here."""
        self.canon_column = self.column

    def move_back(self, columns: int = 1) -> None:
        """The cursor is counted further left; nothing is sent."""
        self.column = max(0, self.column - columns)

    def erase_tab(self, width_before: int, after_tab: bool) -> bytes:
        """Backspaces over a tab that had ``width_before`` columns before it."""
        if not after_tab:
            width_before += self.canon_column
        count = 8 - (width_before & 7)
        self.move_back(count)
        return b"\b" * count

    def __repr__(self) -> str:
        return f"<OutputProcessor column={self.column}>"
