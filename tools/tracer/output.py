"""Where a trace goes on the host: a file, a command, or one of our own streams.

Every piece is handed to the host at once, so that a crash of ours, or SIGKILL, loses nothing that
was recorded.  What a guest sees must not depend on who watches: a write that fails raises nothing.
The first failure is kept, the rest of the trace is lost, ``broken`` is told so that nobody goes on
printing for nothing, and ``close`` says so.

A reader that does not read makes the machine wait, as strace's does, but not for ever: after
PATIENCE_MS one line says so, and a signal to leave ends the wait.
"""

from __future__ import annotations

import os
import select
import stat
import subprocess
from collections.abc import Callable
from typing import Final

from kernel.views.terminal.host_terminal import line_end
from tools.errors import DioramaError

PATIENCE_MS: Final = 2000
STEP_MS: Final = 50
READERS: Final = (stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR)
"""Kinds of files with somebody at the other end."""


def _nobody_leaves() -> bool:
    return False


class Output:
    """One destination.  ``name`` is '' for stderr."""

    __slots__ = (
        "_buffer",
        "_command",
        "_failure",
        "_fd",
        "_partial",
        "_ready",
        "_terminal",
        "_warned",
        "broken",
        "leaving",
        "name",
        "own",
        "say",
    )  # fmt: skip

    def __init__(
        self,
        fd: int | None,
        name: str = "",
        failure: OSError | None = None,
        *,
        own: bool = True,
        command: subprocess.Popen[bytes] | None = None,
    ) -> None:
        self.name = name
        self.own = own  # we opened it, and close it
        self.broken: Callable[[], None] | None = None
        self.leaving: Callable[[], bool] = _nobody_leaves
        self.say: Callable[[str], None] | None = None
        self._fd = fd
        self._command = command
        self._failure = failure
        self._partial = self._warned = False
        kind = _kind(fd)
        self._terminal = fd is not None and kind == stat.S_IFCHR and os.isatty(fd)
        self._ready: select.poll | None = None
        if fd is not None and kind in READERS:
            self._ready = select.poll()
            self._ready.register(fd, select.POLLOUT)

    @property
    def failed(self) -> bool:
        """Is the rest lost?"""
        return self._failure is not None or self._fd is None

    def write(self, text: str) -> None:
        """Take some text."""
        if self._fd is None or self._failure is not None:
            return
        if self._terminal:  # raw while a guest has it
            text = text.replace("\n", line_end(2).decode())
        data = text.encode("utf-8", "surrogateescape")
        self._partial = data[-1:] != b"\n"
        self.put(data)

    def put(self, data: bytes) -> None:
        """Take bytes as they are: a capture's."""
        if self._fd is None or self._failure is not None:
            return
        try:
            if self._ready is None:
                done = os.write(self._fd, data)
                while done < len(data):
                    done += os.write(self._fd, data[done:])
            else:
                self._to_reader(self._fd, memoryview(data))
        except OSError as error:
            self._fail(error)

    def _to_reader(self, fd: int, data: memoryview) -> None:
        """Never more than the reader has room for: a pipe that is ready takes PIPE_BUF bytes."""
        while data:
            if not self._wait():
                raise InterruptedError
            try:
                data = data[os.write(fd, data[: select.PIPE_BUF]) :]
            except BlockingIOError:  # somebody else made it so, and was quicker
                continue

    def _wait(self) -> bool:
        """Until the reader has room; False when diorama is to leave."""
        assert self._ready is not None
        waited = 0
        while not self._ready.poll(STEP_MS):
            waited += STEP_MS
            if self.leaving():
                return False
            if waited >= PATIENCE_MS and not self._warned:
                self._warned = True
                if self.say is not None and self.name:
                    self.say(f"{self.name}: its reader does not read; the program waits")
        return True

    def _fail(self, error: OSError) -> None:
        self._failure = error
        if self.broken is not None:
            self.broken()

    def close(self) -> None:
        """End the last line.  DioramaError: not everything could be written."""
        if self._partial:
            self.write(" <unfinished ...>\n")
        if self._fd is not None and self.own:
            try:
                os.close(self._fd)
            except OSError as error:
                self._failure = self._failure or error
            self._fd = None
        if self._command is not None:
            self._command.wait()
        self.check()

    def check(self) -> None:
        """DioramaError if something went wrong.  A reader that has gone is only told of."""
        failure, self._failure = self._failure, None
        if failure is None:
            return
        if not isinstance(failure, BrokenPipeError | InterruptedError):
            raise DioramaError(f"{self.name or 'stderr'}: {failure.strerror}") from None
        if self.name and self.say is not None:
            why = "has gone" if isinstance(failure, BrokenPipeError) else "does not read"
            self.say(f"{self.name}: its reader {why}; the rest of the trace is lost")


def _kind(fd: int | None) -> int:
    try:
        return stat.S_IFMT(os.fstat(fd).st_mode) if fd is not None else 0
    except OSError:
        return 0


def of_stream(fd: int, name: str) -> Output:
    """One of our own streams, which stays open; a closed one is written to no more."""
    try:
        os.fstat(fd)
    except OSError:
        failure = OSError(9, f"{name} is closed") if name else None
        return Output(None, name, failure, own=False)
    return Output(fd, name, own=False)


def of_file(path: str, *, append: bool) -> Output:
    """A file of the host; ``append`` keeps what it has."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_APPEND if append else os.O_TRUNC)
    try:
        return Output(os.open(path, flags, 0o666), path)
    except (OSError, ValueError) as error:
        failure = error if isinstance(error, OSError) else OSError(22, str(error))
        return Output(None, path, failure)


def of_command(line: str) -> Output:
    """The standard input of a shell command (``-o '|command'``)."""
    try:
        command = subprocess.Popen(["/bin/sh", "-c", line], stdin=subprocess.PIPE)
    except OSError as error:
        return Output(None, f"|{line}", error)
    assert command.stdin is not None
    fd = os.dup(command.stdin.fileno())
    command.stdin.close()
    return Output(fd, f"|{line}", command=command)
