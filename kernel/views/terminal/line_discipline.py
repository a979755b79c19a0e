"""N_TTY, the line discipline: from keys to lines, signals and echo.

A terminal is two streams with an editor between them.  What comes from the keyboard goes through
``receive``: some characters edit the line (VERASE, VKILL, VWERASE), some end it (newline, VEOF,
VEOL), some become signals (VINTR, VQUIT, VSUSP), some stop and start the output (VSTOP, VSTART);
the rest is queued.  What was received is echoed.  All of it follows the settings (termios(3)) and
the order of decisions in Linux's n_tty.c, which programs depend on.

This class knows no tasks and no devices: it calls ``host`` (a ``LineHost``) to send output and to
signal the foreground group.
"""

from __future__ import annotations

from typing import Final, Protocol

from kernel.abi.ioctls import (
    ECHO,
    ECHOCTL,
    ECHONL,
    EXTPROC,
    ICANON,
    ICRNL,
    IEXTEN,
    IGNCR,
    INLCR,
    ISIG,
    ISTRIP,
    IUCLC,
    IXANY,
    IXON,
    NOFLSH,
    PARMRK,
    VEOF,
    VEOL,
    VEOL2,
    VERASE,
    VINTR,
    VKILL,
    VLNEXT,
    VMIN,
    VQUIT,
    VREPRINT,
    VSTART,
    VSTOP,
    VSUSP,
    VTIME,
    VWERASE,
)
from kernel.abi.signals import SIGINT, SIGQUIT, SIGTSTP
from kernel.views.terminal.eraser import Eraser
from kernel.views.terminal.input_queue import CAPACITY, InputQueue
from kernel.views.terminal.output import NEWLINE, RETURN, TO_LOWER, OutputProcessor
from kernel.views.terminal.settings import Settings

_SIGNAL_CHARS: Final = ((VINTR, SIGINT), (VQUIT, SIGQUIT), (VSUSP, SIGTSTP))
_LINE_CHARS: Final = (VERASE, VKILL, VWERASE, VEOF, VEOL, VEOL2, VLNEXT, VREPRINT)
_RAW_LFLAGS: Final = ISIG | ICANON | ECHO | IEXTEN
_RAW_IFLAGS: Final = ISTRIP | IUCLC | IGNCR | ICRNL | INLCR | IXON | PARMRK


class LineHost(Protocol):
    """What the line discipline needs from its terminal."""

    def send(self, data: bytes) -> None:
        """Put processed bytes on the way to the screen."""

    def signal_foreground(self, signal: int) -> None:
        """Send a signal to the foreground process group."""

    def discard_output(self) -> None:
        """Throw away output that was not sent yet."""

    def flow(self, stopped: bool) -> None:
        """The output was stopped (^S) or may go on (^Q)."""


class LineDiscipline:
    """State of one terminal's editor.  Owner: its terminal; Linux's ``n_tty_data``.

    Invariants: in canonical mode the queue holds no unfinished character (after VLNEXT); while
    ``stopped`` nothing is sent, echo waits in ``held``.
    """

    __slots__ = ("_specials", "eraser", "held", "host", "lnext", "output", "queue", "settings",
                 "stopped")  # fmt: skip

    def __init__(self, host: LineHost, settings: Settings) -> None:
        self.host = host
        self.queue = InputQueue()
        self.output = OutputProcessor(settings)
        self.eraser = Eraser(self.queue, self.output)
        self.held = bytearray()
        self.lnext = False
        self.stopped = False
        self.settings = settings
        self._specials = self._special_characters()

    # -- settings ---------------------------------------------------------------------------------

    @property
    def canonical(self) -> bool:
        """Line by line (ICANON), or as bytes come?"""
        return self.settings.lflag & (ICANON | EXTPROC) == ICANON

    def change(self, settings: Settings) -> None:
        """Install new settings (TCSETS); a change of mode re-interprets what is queued."""
        was_canonical = self.canonical
        restart = self.stopped and self.settings.iflag & IXON and not settings.iflag & IXON
        self.settings = self.output.settings = settings
        self._specials = self._special_characters()
        if self.canonical != was_canonical:
            self.lnext = False
            self.eraser.erasing = False
            if self.canonical:
                self.queue.to_canonical()
            else:
                self.queue.to_raw()
        if restart:
            self.start()

    def _special_characters(self) -> frozenset[int]:
        """The characters that need a second look; all others are only echoed and queued."""
        settings, cc = self.settings, self.settings.cc
        found: list[int] = []
        if settings.lflag & ISIG:
            found += [cc[index] for index, _ in _SIGNAL_CHARS]
        if settings.lflag & ICANON:
            found += [NEWLINE, *(cc[index] for index in _LINE_CHARS)]
        if settings.iflag & IXON:
            found += [cc[VSTART], cc[VSTOP]]
        if settings.iflag & (IGNCR | ICRNL):
            found.append(RETURN)
        if settings.iflag & INLCR:
            found.append(NEWLINE)
        return frozenset(char for char in found if char)

    # -- input ------------------------------------------------------------------------------------

    def room(self) -> int:
        """How many received bytes fit now; an unfinished line takes (and drops) any number."""
        room = CAPACITY - 1 - len(self.queue)
        if room <= 0 and self.canonical and not self.queue.lines:
            return 1
        return max(0, room)

    def receive(self, data: bytes) -> int:
        """Characters from the keyboard; returns how many were taken (the rest finds no room)."""
        if self._is_raw():
            taken = data[: self.room()]
            self.queue.data += taken
            return len(taken)
        for index, char in enumerate(data):
            if self.room() <= 0:
                return index
            if len(self.queue) >= CAPACITY - 1:
                self.queue.drop_last(1)
            self._receive_one(char)
        return len(data)

    def _is_raw(self) -> bool:
        settings = self.settings
        return not (settings.lflag & _RAW_LFLAGS or settings.iflag & _RAW_IFLAGS or self.lnext)

    def _receive_one(self, char: int) -> None:
        iflag, lflag = self.settings.iflag, self.settings.lflag
        if iflag & ISTRIP:
            char &= 0x7F
        if iflag & IUCLC and lflag & IEXTEN:
            char = TO_LOWER[char]
        if self.lnext:
            self.lnext = False
            self._queue_and_echo(char)
        elif char in self._specials and not lflag & EXTPROC:
            self._special(char)
        else:
            self._restart_if_any()
            self._queue_and_echo(char)

    def _special(self, char: int) -> None:
        if self._flow_control(char) or self._signal_char(char):
            return
        self._restart_if_any()
        iflag = self.settings.iflag
        if char == RETURN:
            if iflag & IGNCR:
                return
            if iflag & ICRNL:
                char = NEWLINE
        elif char == NEWLINE and iflag & INLCR:
            char = RETURN
        if self.canonical and self._canonical_char(char):
            return
        if char == NEWLINE and self.settings.lflag & ECHO:
            self._echo(self.eraser.finish() + self.output.process(b"\n"))
            self.queue.put(char)
            return
        self._queue_and_echo(char)

    def _flow_control(self, char: int) -> bool:
        cc = self.settings.cc
        if not self.settings.iflag & IXON or char not in (cc[VSTART], cc[VSTOP]):
            return False
        if char == cc[VSTART]:
            self.start()
        else:
            self.stop()
        return True

    def _signal_char(self, char: int) -> bool:
        if not self.settings.lflag & ISIG:
            return False
        for index, signal in _SIGNAL_CHARS:
            if char == self.settings.cc[index]:
                self._signal(signal, char)
                return True
        return False

    def _signal(self, signal: int, char: int) -> None:
        if not self.settings.lflag & NOFLSH:
            self.held.clear()
            self.host.discard_output()
            self.flush_input()
        if self.settings.iflag & IXON:
            self.start()
        if self.settings.lflag & ECHO:
            self._echo(self.output.shown(char))
        self.host.signal_foreground(signal)

    def _canonical_char(self, char: int) -> bool:
        """Editing and line ends; False if the character is an ordinary one after all."""
        cc, lflag = self.settings.cc, self.settings.lflag
        extended = lflag & IEXTEN
        if char in (cc[VERASE], cc[VKILL]) or (char == cc[VWERASE] and extended):
            self._echo(self.eraser.erase(char))
        elif char == cc[VLNEXT] and extended:
            self.lnext = True
            if lflag & ECHO:
                self._echo(self.eraser.finish() + (b"^\b" if lflag & ECHOCTL else b""))
        elif char == cc[VREPRINT] and lflag & ECHO and extended:
            self._reprint(char)
        elif char == NEWLINE:
            if lflag & (ECHO | ECHONL):
                self._echo(self.output.process(b"\n"))
            self.queue.finish_line(char)
        elif char == cc[VEOF]:
            self.queue.finish_line(0, end_of_file=True)
        elif char == cc[VEOL] or (char == cc[VEOL2] and extended):
            self._echo_char(char)
            self.queue.finish_line(char)
        else:
            return False
        return True

    def _reprint(self, char: int) -> None:
        shown = [self.eraser.finish(), self.output.shown(char), self.output.process(b"\n")]
        shown += [self.output.shown(old) for old in self.queue.edited]
        self._echo(b"".join(shown))

    def _queue_and_echo(self, char: int) -> None:
        self._echo_char(char)
        if char == 0xFF and self.settings.iflag & PARMRK:
            self.queue.put(char)
        self.queue.put(char)

    # -- echo and flow ----------------------------------------------------------------------------

    def _echo_char(self, char: int) -> None:
        if not self.settings.lflag & ECHO:
            return
        prefix = self.eraser.finish()
        if self.queue.at_line_start():
            self.output.begin_line()
        self._echo(prefix + self.output.shown(char))

    def _echo(self, data: bytes) -> None:
        if not data:
            return
        if self.stopped:
            self.held += data[: max(0, CAPACITY - len(self.held))]
        else:
            self.host.send(data)

    def _restart_if_any(self) -> None:
        if self.stopped and self.settings.iflag & (IXON | IXANY) == IXON | IXANY:
            self.start()

    def stop(self) -> None:
        """Hold the output (^S, TCOOFF)."""
        if not self.stopped:
            self.stopped = True
            self.host.flow(True)

    def start(self) -> None:
        """Let the output go on (^Q, TCOON)."""
        if not self.stopped:
            return
        self.stopped = False
        if self.held:
            held = bytes(self.held)
            self.held.clear()
            self.host.send(held)
        self.host.flow(False)

    # -- reading ----------------------------------------------------------------------------------

    def flush_input(self) -> None:
        """Forget what was typed (TCIFLUSH)."""
        self.queue.clear()
        self.eraser.erasing = False
        self.lnext = False

    def ready(self, minimum: int = 1) -> bool:
        """Can a read get something (a line; or that many bytes in raw mode)?"""
        if self.canonical:
            return bool(self.queue.lines)
        return len(self.queue) >= minimum

    def poll_minimum(self) -> int:
        """How many raw bytes make the terminal readable for poll(2): MIN, if TIME is 0."""
        cc = self.settings.cc
        return cc[VMIN] if cc[VMIN] and not cc[VTIME] else 1

    def take(self, limit: int) -> bytes:
        """What one read gets now; call only if ``ready()``."""
        return self.queue.take_line(limit) if self.canonical else self.queue.take_raw(limit)

    def __repr__(self) -> str:
        return "<LineDiscipline>"
