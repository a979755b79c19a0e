"""Running guests in-process: boot a machine, give it descriptors 0, 1 and 2, keep what comes out.

The machine passes the caller's own descriptors through to the guest, so the caller here is a test
whose 0, 1 and 2 are files for the time of the run.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from tools.boot import Session, boot
from tools.cli import main
from tools.config import RunConfig
from tools.stats.values import collect

TIMEOUT = 60.0


@dataclass(slots=True)
class GuestResult:
    """What a run left behind.  ``session`` is there when it ran through ``run_guest``."""

    status: int
    stdout: bytes
    stderr: bytes
    log: list[str] = field(default_factory=list)
    session: Session | None = None

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.stdout.decode("utf-8", "surrogateescape")

    @property
    def calls(self) -> dict[str, int]:
        """How often each system call was made."""
        assert self.session is not None
        return {row.name: row.calls for row in collect(self.session.machine).rows}

    @property
    def bugs(self) -> list[str]:
        """Exceptions of ours that no handler may let escape."""
        assert self.session is not None
        return self.session.machine.bugs


@contextmanager
def descriptors(stdin: bytes | BinaryIO) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Make 0, 1 and 2 files for a while; yields those behind 1 and 2."""
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        source: Any = stdin  # Any: either bytes to put into a file, or something with a fileno
        if isinstance(stdin, bytes):
            given.write(stdin)
            given.seek(0)
            source = given
        sys.stdout.flush()
        sys.stderr.flush()
        saved = [os.dup(fd) for fd in (0, 1, 2)]
        try:
            for fd, file in enumerate((source, out, err)):
                os.dup2(file.fileno(), fd)
            yield out, err
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for fd, copy in enumerate(saved):
                os.dup2(copy, fd)
                os.close(copy)


def _content(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


def run_guest(
    program: str | Path,
    *args: str | bytes,
    arch: str | None = None,
    stdin: bytes | BinaryIO = b"",
    **options: Any,  # Any: the fields of RunConfig, which checks them
) -> GuestResult:
    """Boot a machine, run ``program`` to its end, and return what it did."""
    options.setdefault("timeout", TIMEOUT)
    config = RunConfig(program=str(program), args=_encoded(args), arch=arch, **options)
    log: list[str] = []
    with descriptors(stdin) as (out, err):
        session = boot(config, log.append)
        status = session.run()
        result = GuestResult(status, _content(out), _content(err), log, session)
    assert not result.bugs, "\n".join(result.bugs)
    return result


def shell(script: str, arch: str, **options: Any) -> GuestResult:
    """Run a script in BusyBox's shell."""
    return run_guest("busybox", "sh", "-c", script, arch=arch, **options)


def run_cli(*words: str, stdin: bytes | BinaryIO = b"") -> GuestResult:
    """The command line in-process."""
    with descriptors(stdin) as (out, err):
        # The streams that Python made at start-up may be pytest's; ours must reach 1 and 2.
        streams = sys.stdout, sys.stderr
        sys.stdout = open(1, "w", closefd=False, encoding="utf-8")
        sys.stderr = open(2, "w", 1, closefd=False, encoding="utf-8")  # by line, as always
        try:
            status = main(words)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            sys.stdout, sys.stderr = streams
        return GuestResult(status, _content(out), _content(err))


def _encoded(args: Sequence[str | bytes]) -> tuple[bytes, ...]:
    return tuple(os.fsencode(arg) for arg in args)
