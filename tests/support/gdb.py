"""The real gdb against ``diorama run -g``: start both, give gdb a script, keep what each said."""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from tests.support.command import started
from tests.support.oracles import program
from userland import build

SECONDS = 90.0
FLAGS = ("-O0", "-g", "-std=gnu11", "-Wall", "-Wextra", "-fno-sanitize=all", "-static")
SOURCE = Path(__file__).with_name("debuggee.c")
WAITING = re.compile(rb"waiting for gdb: target remote (\S+)")
SETTINGS = (
    "set pagination off",
    "set confirm off",
    "set width 0",
    "set style enabled off",
    "set debuginfod enabled off",
    "set print address off",
    "set remotetimeout 60",
)


def debuggee(arch: str) -> Path:
    """The program gdb is tried on, with debugging information, not optimized."""
    return build.compile_program("debuggee", arch, [SOURCE], FLAGS)


def line_of(text: str) -> int:
    """The number of the one line of the debuggee's source that has ``text`` in it."""
    lines = SOURCE.read_text().splitlines()
    (number,) = [at for at, line in enumerate(lines, 1) if text in line]
    return number


@dataclass
class Debugged:
    """What became of a session: gdb's output, and the program's with its exit status."""

    gdb: str
    status: int
    stdout: str
    stderr: str

    def line(self, pattern: str) -> re.Match[str]:
        """The first match of a pattern in a line of gdb's output."""
        match = re.search(pattern, self.gdb, re.MULTILINE)
        assert match, f"{pattern!r} is not in\n{self.gdb}"
        return match

    def lines(self, *patterns: str) -> None:
        """Matches of all of these, in this order."""
        rest = self.gdb
        for pattern in patterns:
            match = re.search(pattern, rest, re.MULTILINE)
            assert match, f"{pattern!r} is not in what follows\n{rest}\n=== of\n{self.gdb}"
            rest = rest[match.end() :]


class Running:
    """``diorama run -g`` that waits for gdb or runs.  ``target``: what gdb connects to."""

    def __init__(self, *words: str, **options: Any) -> None:  # Any: those of subprocess.Popen
        self.process = started(*words, **options)
        self.stderr = b""
        self.target = self.wait_for(WAITING)[1].decode()

    def wait_for(self, pattern: re.Pattern[bytes]) -> re.Match[bytes]:
        """Until diorama's stderr has it."""
        assert self.process.stderr is not None
        limit = time.monotonic() + SECONDS
        while not (match := pattern.search(self.stderr)):
            ready = select.select([self.process.stderr], [], [], max(0, limit - time.monotonic()))
            data = os.read(self.process.stderr.fileno(), 65536) if ready[0] else b""
            assert data, f"{pattern.pattern!r} did not come: {self.stderr!r}"
            self.stderr += data
        return match

    def wait_for_output(self, text: bytes) -> None:
        """Until the program has written that."""
        assert self.process.stdout is not None
        seen = b""
        while text not in seen:
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, seen
            seen += data

    def finish(self, gdb: str = "") -> Debugged:
        """Wait for the end of the run."""
        try:
            out, err = self.process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            pytest.fail(f"diorama did not end\n{gdb}\n{(self.stderr + err).decode()}\n{out!r}")
        return Debugged(gdb, self.process.returncode, out.decode(), (self.stderr + err).decode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def gdb(*commands: str, symbols: Path | None = None) -> str:
    """Run gdb with commands; both of its streams."""
    words = [str(program("gdb-multiarch")), "-nx", "-q", "-batch"]
    for command in (*SETTINGS, *commands):
        words += ["-ex", command]
    if symbols is not None:
        words.append(str(symbols))
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS,
        check=False,
        env={**os.environ, "LC_ALL": "C", "HOME": "/nonexistent"},
    )
    return done.stdout.decode("utf-8", "replace")


def debug(
    arch: str,
    args: Sequence[str],
    *commands: str,
    where: str = "0",
    options: Sequence[str] = (),
    executable: Path | None = None,
    inside: str | None = None,
    remote: str = "remote",
    symbols: bool = True,
    **popen: Any,  # Any: those of subprocess.Popen
) -> Debugged:
    """Debug the debuggee, or another program, with ``args``: gdb connects and runs ``commands``.

    ``inside``: the program's name, where it is in a volume or in a root.
    """
    guest = executable or debuggee(arch)
    with Running(
        "run", "-q", "-g", where, *options, inside or str(guest), *args, **popen
    ) as running:
        said = gdb(
            f"target {remote} {running.target}", *commands, symbols=guest if symbols else None
        )
        return running.finish(said)
