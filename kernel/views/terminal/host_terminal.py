"""The real terminal that diorama was started on: made raw, read, written, and given back.

It is the only place that changes something of the caller's, so it is careful: the settings are
saved before the first change and restored on every way out (``release`` is safe to call at any
time and any number of times, the machine registers it with atexit and its signal handling).

Which descriptors: input from stdin if that is the terminal, else from stdout or stderr if they can
be read; output to the first of stdout, stderr, stdin that is the terminal.  Writing goes through a
descriptor of our own (the terminal opened again by name), because only there may we set O_NONBLOCK.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import struct
import termios
from typing import Any, Final

from kernel.fs.hosterrors import from_host
from kernel.views.terminal.settings import WindowSize

_LIMIT: Final = 256  # what a blocking terminal that poll(2) calls writable surely takes

PATIENCE_MS: Final = 2000


def line_end(fd: int) -> bytes:
    """How a line of our own ends on a descriptor: CR LF on a terminal that we have made raw."""
    try:
        raw = not termios.tcgetattr(fd)[1] & termios.OPOST
    except termios.error:
        return b"\n"
    return b"\r\n" if raw else b"\n"


class HostTerminal:
    """The caller's terminal.

    ``engaged``: it is raw now and ours.  ``whole``: stdin and stdout are both this terminal, so
    nobody else of our pipeline draws on it; otherwise its output processing is left as it is.
    """

    __slots__ = ("_own_output", "_saved", "engaged", "input_fd", "output_fd", "whole")

    def __init__(self, descriptors: tuple[int, ...] = (0, 1, 2)) -> None:
        found = [fd for fd in descriptors if _is_terminal(fd)]
        if not found:
            raise ValueError("no descriptor is a terminal")
        first, second = descriptors[0], descriptors[1]
        self.whole = first in found and second in found
        readable = [fd for fd in found if _mode(fd) in (os.O_RDONLY, os.O_RDWR)]
        writable = [fd for fd in found[1:] + found[:1] if _mode(fd) in (os.O_WRONLY, os.O_RDWR)]
        self.input_fd: int | None = readable[0] if readable else None
        self.output_fd: int | None = writable[0] if writable else None
        self._own_output: int | None = None
        self._saved: list[Any] | None = None
        self.engaged = False

    @staticmethod
    def present(descriptors: tuple[int, ...] = (0, 1, 2)) -> bool:
        """Is one of the descriptors a terminal?"""
        return any(_is_terminal(fd) for fd in descriptors)

    @property
    def control_fd(self) -> int:
        """A descriptor to ask about settings and size."""
        fd = self.input_fd if self.input_fd is not None else self.output_fd
        assert fd is not None
        return fd

    def engage(self) -> None:
        """Make it raw: keys come one by one, nothing is echoed, no signals are made of them."""
        if self.engaged or self.input_fd is None:
            return
        try:
            if self._saved is None:
                self._saved = termios.tcgetattr(self.input_fd)
            raw = list(self._saved)
            raw[0] &= ~(
                termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP
                | termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON
            )  # fmt: skip
            if self.whole:
                raw[1] &= ~termios.OPOST
            raw[3] &= ~(
                termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN
            )
            raw[6] = list(raw[6])
            raw[6][termios.VMIN], raw[6][termios.VTIME] = 1, 0
        except termios.error:
            return  # it has hung up; reading will tell
        self.engaged = _set(self.input_fd, raw)

    @property
    def in_foreground(self) -> bool:
        """May we use it without being stopped (SIGTTOU)?  Yes, too, if it controls nobody."""
        try:
            return os.tcgetpgrp(self.control_fd) == os.getpgrp()
        except OSError:
            return True

    def continued(self) -> None:
        """We were stopped from outside: the caller's shell has set the terminal its own way."""
        if not self.engaged:
            return
        self.engaged = False
        if self.in_foreground:
            self.engage()

    def release(self) -> None:
        """Give the terminal back as it was."""
        if not self.engaged or self._saved is None or self.input_fd is None:
            return
        self.engaged = False
        _set(self.input_fd, self._saved)
        self._saved = None  # whoever has it now may change it before we come back

    @property
    def host_processes_output(self) -> bool:
        """Does the host itself turn newlines into CR LF (then we must not)?"""
        return not (self.engaged and self.whole)

    def window(self) -> WindowSize:
        """The size of the caller's window."""
        try:
            packed = fcntl.ioctl(self.control_fd, termios.TIOCGWINSZ, b"\0" * 8)
        except OSError:
            return WindowSize()
        return WindowSize(*struct.unpack("4H", packed))

    def read(self, limit: int) -> bytes | None:
        """Keys, after poll(2) said there are some; b"" when it has hung up, None for none."""
        assert self.input_fd is not None
        try:
            return os.read(self.input_fd, limit)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def write(self, data: bytes | bytearray) -> int:
        """As much as goes without waiting."""
        if self.output_fd is None:
            return len(data)  # a terminal that is open for reading only shows nothing
        fd, limit = self._writer()
        try:
            return os.write(fd, data[:limit])
        except BlockingIOError:
            return 0
        except OSError as error:
            raise from_host(error) from None

    @property
    def write_fd(self) -> int:
        """What to poll for POLLOUT."""
        return self._writer()[0]

    def _writer(self) -> tuple[int, int]:
        assert self.output_fd is not None
        if self._own_output is None:
            try:
                name = os.ttyname(self.output_fd)
                flags = os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
                self._own_output = os.open(name, flags)
            except OSError:
                self._own_output = self.output_fd
        own = self._own_output
        return own, (_LIMIT if own == self.output_fd else 1 << 16)

    def write_all(self, data: bytes | bytearray) -> None:
        """Everything, waiting if need be: the last words before the end.

        A terminal that takes nothing for PATIENCE_MS (stopped, or nobody reads it) loses the rest.
        """
        if self.output_fd is None:
            return
        ready = select.poll()
        ready.register(self.output_fd, select.POLLOUT)
        try:
            while data and ready.poll(PATIENCE_MS):
                data = data[os.write(self.output_fd, data[:_LIMIT]) :]
        except OSError:
            return

    def close(self) -> None:
        """Restore, and close what we opened."""
        self.release()
        if self._own_output is not None and self._own_output != self.output_fd:
            os.close(self._own_output)
        self._own_output = None


def _set(fd: int, attributes: list[Any]) -> bool:
    """tcsetattr(3), again after an interruption; False if the terminal has hung up."""
    while True:
        try:
            termios.tcsetattr(fd, termios.TCSADRAIN, attributes)
            return True
        except termios.error as error:
            if error.args[0] != errno.EINTR:
                return False


def _is_terminal(fd: int) -> bool:
    try:
        return os.isatty(fd)
    except OSError:
        return False


def _mode(fd: int) -> int:
    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
