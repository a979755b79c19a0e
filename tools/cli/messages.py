"""What diorama itself says: on stderr, in UTF-8 whatever the locale, each message one line."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TextIO

from tools.errors import DioramaError


def use_utf8() -> None:
    """Make our own output UTF-8; file names that are no UTF-8 go out as the bytes they are."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")


def one_line(text: str) -> str:
    """The text with line breaks and other control characters made visible."""
    return "".join(c if _shows(c) else repr(c)[1:-1] for c in text)


def _shows(character: str) -> bool:
    """Whether it can go out as it is; surrogates stand for bytes that are no UTF-8."""
    return character.isprintable() or "\udc80" <= character <= "\udcff"


def say(text: str, stream: TextIO | None = None) -> None:
    """Print one message line; a stderr that is closed or full is not worth a failure."""
    stream = stream or sys.stderr
    if stream is None:  # closed by the caller; print() would take stdout, which is the guest's
        return
    with suppress(OSError, ValueError):
        print(f"diorama: {one_line(text)}", file=stream, flush=True)


def show(text: str) -> int:
    """Print what was asked for (help, a table) on stdout; returns 0.

    DioramaError: stdout is closed, or full.  BrokenPipeError: nobody reads it any more.
    """
    if sys.stdout is None:  # the caller closed descriptor 1
        raise DioramaError("stdout is closed")
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Python flushes again at its end
        raise DioramaError(f"stdout: {error.strerror}") from None
    return 0


def settle() -> None:
    """Drop what a full or closed stderr did not take: Python would try again and exit with 120."""
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def complain(error: DioramaError) -> int:
    """Say why a run cannot take place; returns the exit status for it."""
    say(str(error))
    return error.status
