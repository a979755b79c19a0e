"""Rubbing out: VERASE, VWERASE and VKILL, and how the screen shows it.

See termios(3), ECHOE, ECHOK, ECHOKE, ECHOPRT; the rules are those of ``eraser`` in Linux's n_tty.c.
"""

from __future__ import annotations

from kernel.abi.ioctls import (
    ECHO,
    ECHOCTL,
    ECHOE,
    ECHOK,
    ECHOKE,
    ECHOPRT,
    VERASE,
    VKILL,
    VWERASE,
)
from kernel.views.terminal.input_queue import InputQueue
from kernel.views.terminal.output import TAB, WORD, OutputProcessor, is_control

_RUB: bytes = b"\b \b"


class Eraser:
    """Edits the tail of an input queue and says what to echo.

    ``erasing``: under ECHOPRT, a ``\\`` was printed and its closing ``/`` not yet.
    """

    __slots__ = ("erasing", "output", "queue")

    def __init__(self, queue: InputQueue, output: OutputProcessor) -> None:
        self.queue = queue
        self.output = output
        self.erasing = False

    def finish(self) -> bytes:
        """Close an open ECHOPRT group."""
        if not self.erasing:
            return b""
        self.erasing = False
        return self.output.process(b"/")

    def erase(self, key: int) -> bytes:
        """Erase by one of the three keys; returns the echo."""
        if self.queue.at_line_start():
            return b""
        settings = self.output.settings
        if key == settings.cc[VERASE]:
            return self._erase_characters(VERASE)
        if key == settings.cc[VWERASE]:
            return self._erase_characters(VWERASE)
        if not settings.lflag & ECHO:
            self._drop_line()
            return b""
        if settings.lflag & (ECHOK | ECHOKE | ECHOE) != ECHOK | ECHOKE | ECHOE:
            self._drop_line()
            shown = self.finish() + self.output.shown(settings.cc[VKILL])
            return shown + (self.output.process(b"\n") if settings.lflag & ECHOK else b"")
        return self._erase_characters(VKILL)

    def _drop_line(self) -> None:
        self.queue.drop_last(len(self.queue) - self.queue.complete)

    def _erase_characters(self, kind: int) -> bytes:
        lflag = self.output.settings.lflag
        echo = bytearray()
        seen_word = False
        while not self.queue.at_line_start():
            rubbed = self._last_character()
            if self.output.is_continuation(rubbed[0]):
                break
            if kind == VWERASE:
                if rubbed[0] in WORD:
                    seen_word = True
                elif seen_word:
                    break
            self.queue.drop_last(len(rubbed))
            if lflag & ECHO:
                echo += self._rub_out(rubbed, kind)
            if kind == VERASE:
                break
        if self.queue.at_line_start() and lflag & ECHO:
            echo += self.finish()
        return bytes(echo)

    def _last_character(self) -> bytes:
        """The last character of the line: one byte, or a whole UTF-8 sequence."""
        line = self.queue.edited
        start = len(line) - 1
        while start > 0 and self.output.is_continuation(line[start]):
            start -= 1
        return line[start:]

    def _rub_out(self, rubbed: bytes, kind: int) -> bytes:
        output, lflag = self.output, self.output.settings.lflag
        first = rubbed[0]
        if lflag & ECHOPRT:
            prefix = b"" if self.erasing else output.process(b"\\")
            self.erasing = True
            shown = prefix + output.shown(first)
            for inner in rubbed[1:]:  # Linux steps back for each, though it took no column
                shown += output.process(bytes((inner,)))
                output.move_back()
            return shown
        if kind == VERASE and not lflag & ECHOE:
            return output.shown(output.settings.cc[VERASE])
        if first == TAB:
            return output.erase_tab(*self._width_before())
        columns = 1
        if is_control(first):
            columns = 2 if lflag & ECHOCTL else 0
        return b"".join(output.process(_RUB) for _ in range(columns))

    def _width_before(self) -> tuple[int, bool]:
        """Columns since the line's start or the last tab; and whether it was a tab."""
        width = 0
        for char in reversed(self.queue.edited):
            if char == TAB:
                return width, True
            if is_control(char):
                width += 2 if self.output.settings.lflag & ECHOCTL else 0
            elif not self.output.is_continuation(char):
                width += 1
        return width, False

    def __repr__(self) -> str:
        return f"<Eraser erasing={self.erasing}>"
