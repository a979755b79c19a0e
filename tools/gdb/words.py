"""What packets are made of: hexadecimal numbers, thread numbers, lists.

``Malformed`` is raised for what is none of it, and caught in one place, where the packet is
answered with an error.
"""

from __future__ import annotations

from typing import Final, NamedTuple

OK: Final = b"OK"
UNSUPPORTED: Final = b""
"""The answer to what is not known: gdb then does without."""
ALL: Final = -1
"""In a thread number: every process, or every thread of it."""
ANY: Final = 0

_DIGITS: Final = frozenset(b"0123456789abcdefABCDEF")


class Malformed(ValueError):
    """A packet that does not follow the protocol."""


class ThreadId(NamedTuple):
    """``pPID.TID``; either may be ALL or ANY."""

    pid: int
    tid: int


def number(text: bytes) -> int:
    """A hexadecimal number without a sign."""
    if not text or len(text) > 32 or not _DIGITS.issuperset(text):
        raise Malformed(f"{text!r} is no number")
    return int(text, 16)


def numbers(text: bytes, count: int) -> tuple[int, ...]:
    """``count`` numbers between commas."""
    parts = text.split(b",")
    if len(parts) != count:
        raise Malformed(f"{count} numbers expected in {text!r}")
    return tuple(number(part) for part in parts)


def unhex(text: bytes) -> bytes:
    """Bytes from pairs of digits."""
    try:
        return bytes.fromhex(text.decode("ascii"))
    except ValueError:
        raise Malformed("no pairs of hexadecimal digits") from None


def tohex(data: bytes) -> bytes:
    """Bytes as pairs of digits."""
    return data.hex().encode()


def error(errno: int) -> bytes:
    """``E NN``."""
    return b"E%02x" % (errno & 0xFF)


def _part(text: bytes) -> int:
    return ALL if text == b"-1" else number(text)


def thread_id(text: bytes, process: int) -> ThreadId:
    """``pPID.TID``, ``pPID`` or ``TID``; ``process`` is the one meant where none is named."""
    if not text.startswith(b"p"):
        return ThreadId(process if text != b"-1" else ALL, _part(text))
    pid, dot, tid = text[1:].partition(b".")
    return ThreadId(_part(pid), _part(tid) if dot else ALL)


def show_thread(pid: int, tid: int, multiprocess: bool) -> bytes:
    """A thread number as gdb wants it."""
    return b"p%x.%x" % (pid, tid) if multiprocess else b"%x" % tid
