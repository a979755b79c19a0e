"""A person at a terminal, as a test: start diorama on a pseudoterminal, type, look, wait."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0


DIORAMA = (sys.executable, "-m", "diorama")


class Person:
    """Sits at ``master``; diorama, or another ``program``, runs on the slave side.

    ``settings``: the terminal's, as tcgetattr(3) shows them; ``screen``: all output so far that no
    ``see`` has consumed.
    """

    def __init__(
        self,
        words: tuple[str, ...],
        streams: tuple[Any, Any, Any],
        program: tuple[str, ...] = DIORAMA,
    ) -> None:
        self.master, self.slave = os.openpty()
        self.resize(24, 80)
        self.screen = b""
        given = [self.slave if stream is None else stream for stream in streams]
        terminal = next(n for n, stream in enumerate(streams) if stream is None)
        self.process = subprocess.Popen(
            [*program, *words],
            stdin=given[0], stdout=given[1], stderr=given[2], cwd=ROOT, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(terminal, termios.TIOCSCTTY, 0),
        )  # fmt: skip

    @property
    def settings(self) -> list[Any]:
        """How the terminal is set now."""
        return termios.tcgetattr(self.slave)

    @property
    def raw(self) -> bool:
        """Does the terminal pass keys on as they are?"""
        return not self.settings[3] & termios.ICANON

    def resize(self, rows: int, columns: int) -> None:
        """Make the window another size."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self.master, keys)

    def see(self, text: bytes) -> bytes:
        """Wait until ``text`` is on the screen; returns everything up to it."""
        limit = time.monotonic() + PATIENCE
        while text not in self.screen:
            ready, _, _ = select.select([self.master], [], [], max(0.0, limit - time.monotonic()))
            assert ready, f"no {text!r}; the end is {self.screen[-4000:]!r}"
            self.screen += os.read(self.master, 65536)
        before, found, self.screen = self.screen.partition(text)
        return before + found

    def prompt(self) -> bytes:
        """Wait for the shell's prompt (and its question where the cursor is)."""
        return self.see(b"/ # \x1b[6n")

    def until(self, condition: Any) -> None:
        """Wait until a condition holds."""
        limit = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < limit, "it never became true"
            time.sleep(0.01)

    def wait(self) -> int:
        """The exit status of diorama."""
        return self.process.wait(PATIENCE)

    def leave(self) -> None:
        """Whatever happened, leave nothing behind."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        for fd in (self.master, self.slave):
            try:
                os.close(fd)
            except OSError:
                pass


@contextmanager
def person(
    *words: str,
    streams: tuple[Any, Any, Any] = (None, None, None),
    program: tuple[str, ...] = DIORAMA,
) -> Iterator[Person]:
    """``diorama WORDS`` on a terminal; a stream that is not None is no terminal."""
    made = Person(words, streams, program)
    try:
        yield made
    finally:
        made.leave()
