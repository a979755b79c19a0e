"""What diorama itself says: on stderr, in UTF-8 whatever the locale, each message one line."""

from __future__ import annotations

import io
import sys
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
    try:
        print(f"diorama: {one_line(text)}", file=stream or sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        pass


def complain(error: DioramaError) -> int:
    """Say why a run cannot take place; returns the exit status for it."""
    say(str(error))
    return error.status
