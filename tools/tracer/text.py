"""How values look in a trace: quoted strings, numbers, lists, times.  After strace(1)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from typing import Final

DEFAULT_STRING_LIMIT: Final = 32
_SIMPLE: Final = {
    0x22: '\\"',
    0x5C: "\\\\",
    0x0C: "\\f",
    0x0A: "\\n",
    0x0D: "\\r",
    0x09: "\\t",
    0x0B: "\\v",
}
_OTHERS: Final = [n for n in range(256) if n not in _SIMPLE and not 0x20 <= n < 0x7F]
_ESCAPES: Final = [_SIMPLE.get(n) or (f"\\{n:o}" if n in _OTHERS else chr(n)) for n in range(256)]
_HEX_ESCAPES: Final = {**_SIMPLE, **{n: f"\\x{n:02x}" for n in _OTHERS}}
_DIGITS: Final = b"01234567"
_LONG_OCTAL: Final = re.compile(b"[" + re.escape(bytes(_OTHERS)) + b"](?=[" + _DIGITS + b"])")
"""A byte whose octal escape the digit behind it would make longer."""


def quote(
    data: bytes, *, cut: bool = False, force_hex: bool = False, hex_bytes: bool = False
) -> str:
    """A C string literal; ``cut`` says that more bytes follow, which is shown by ``...``."""
    if force_hex:
        body = "".join(f"\\x{byte:02x}" for byte in data)
    elif data.isascii() and (text := data.decode("ascii")).isprintable():
        body = text.replace("\\", "\\\\").replace('"', '\\"')  # mostly
    else:
        body = _escaped(data, hex_bytes=hex_bytes)
    return f'"{body}"...' if cut else f'"{body}"'


def _escaped(data: bytes, *, hex_bytes: bool) -> str:
    """C escapes; octal ones as short as the next character allows."""
    if hex_bytes:
        return data.decode("latin-1").translate(_HEX_ESCAPES)
    parts = [_ESCAPES[byte] for byte in data]
    if len(data.translate(None, _DIGITS)) < len(data):
        for found in _LONG_OCTAL.finditer(data):
            parts[found.start()] = f"\\{data[found.start()]:03o}"
    return "".join(parts)


def address(value: int) -> str:
    """A pointer: NULL or hexadecimal."""
    return f"{value:#x}" if value else "NULL"


def hexadecimal(value: int) -> str:
    """Hexadecimal as C's %#x has it: 0 without a prefix."""
    return f"{value:#x}" if value else "0"


def mode_bits(value: int) -> str:
    """Permission bits as C's %#03o: 0644, 000."""
    return f"0{value:o}" if value >= 0o10 else f"{value:03o}"


def fields(pairs: Iterable[tuple[str, str]], *, more: bool = False) -> str:
    """A structure: ``{name=text, ...}``."""
    inner = ", ".join([f"{name}={text}" for name, text in pairs])
    return "{" + inner + (", ...}" if more else "}")


def sequence(items: Iterable[str]) -> str:
    """An array: ``[a, b]``."""
    return "[" + ", ".join(items) + "]"


def calendar(seconds: int, nanoseconds: int | None = None) -> str:
    """A point in time as strace's comment shows it, in UTC, the guest's time zone."""
    try:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    except (ValueError, OverflowError, OSError):
        return ""
    fraction = f".{nanoseconds:09d}" if nanoseconds else ""
    return f"{text}{fraction}+0000"
