"""A machine of our own: ``diorama run --inspect`` in another process, on a pseudoterminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from tools.scratch import scratch

_CHUNK: Final = 1 << 16
PATIENCE_SECONDS: Final = 60.0
"""How long a machine may take until its socket is there; a busy host is slow."""
GRACE_SECONDS: Final = 3.0
_ATTACH_LINE: Final = b"diorama: inspector:"
DIORAMA: Final = (sys.executable, "-P", "-m", "diorama")
"""Ourselves in another process; ``-P``: whatever lies in the current directory."""
PYTHON_PATH: Final = {
    "PYTHONPATH": os.pathsep.join(
        filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")))
    )
}
"""For a checkout that is not installed."""


class Guest:
    """``words`` are those of ``diorama run`` from the options on.

    ``master``: our end of the terminal, None once it is closed.  ``status``: None while it runs.
    ``over``: it has told that its program has ended.
    """

    def __init__(self, words: Sequence[str], rows: int = 24, columns: int = 80) -> None:
        self.said = b""
        self.over = False
        self._directory = ExitStack()
        self.path = str(self._directory.enter_context(scratch("top")) / "machine")
        master, slave = pty.openpty()
        self.master: int | None = master
        self.resize(rows, columns)
        command = [*DIORAMA, "run", f"--inspect={self.path}"]
        environment = {**os.environ, **PYTHON_PATH, "TERM": "xterm-256color"}
        for name in [name for name in environment if name.startswith("TEXTUAL")]:
            del environment[name]
        try:
            self._process = subprocess.Popen(
                [*command, "--inspect-wait", *words],
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env=environment,
                start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            )
        finally:
            os.close(slave)

    def connect(self) -> socket.socket | None:
        """Wait for its socket; None if it ended before.  Then ``said`` has its words."""
        limit = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < limit:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(self.path)
                self._directory.close()  # nobody else comes this way
                return connection
            except OSError:
                connection.close()
            if self._process.poll() is not None:
                break
            time.sleep(0.005)
        self.said = self._drain(0)
        return None

    def first_words(self) -> bytes:
        """What it has said so far, without the line that tells people how to attach."""
        lines = self._drain(0).splitlines(keepends=True)
        return b"".join(line for line in lines if not line.startswith(_ATTACH_LINE))

    def _drain(self, seconds: float) -> bytes:
        """What it says before it has begun."""
        found = b""
        while self.master is not None and select.select([self.master], [], [], seconds)[0]:
            data = self.read()
            if not data:
                break
            found += data
        return found

    @property
    def status(self) -> int | None:
        """What diorama exited with."""
        found = self._process.poll()
        return 128 - found if found is not None and found < 0 else found

    def read(self) -> bytes:
        """What its terminal shows; b"" once it has hung up."""
        if self.master is None:
            return b""
        try:
            return os.read(self.master, _CHUNK)
        except OSError:  # EIO: the last one on the other side has closed it
            return b""

    def type(self, keys: bytes) -> None:
        """Press keys; those for which a full terminal has no room are lost, as on a real one."""
        if self.master is not None and select.select([], [self.master], [], 0)[1]:
            with suppress(OSError):
                os.write(self.master, keys)

    def resize(self, rows: int, columns: int) -> None:
        """Its window has another size (SIGWINCH)."""
        if self.master is not None:
            with suppress(OSError):
                size = struct.pack("4H", rows, columns, 0, 0)
                fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)

    def hang_up(self) -> None:
        """Nobody looks at its terminal any more."""
        if self.master is not None:
            os.close(self.master)
            self.master = None

    def end(self) -> int:
        """End it, if it has not ended; returns its exit status.

        It is ended as every program whose terminal goes away, by SIGHUP.
        """
        limit = time.monotonic() + GRACE_SECONDS
        while self.over and self._process.poll() is None and time.monotonic() < limit:
            self._drain(0.01)  # its last words, which it would wait for
        self.hang_up()
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._directory.close()
        status = self.status
        return 0 if status is None else status
