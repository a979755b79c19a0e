"""Tables for people: columns aligned, numbers to the right, nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

LONGEST_CELL: Final = 60


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Lines of a table; a column of numbers is aligned to the right.  Any: shown by ``cell``."""
    body = [[cell(value) for value in row] for row in rows]
    numeric = [_is_numeric(row[i] for row in body) for i in range(len(headers))]
    widths = [max([len(headers[i]), *(len(row[i]) for row in body)]) for i in range(len(headers))]
    lines = []
    for row in [list(headers), *body]:
        cells = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def cell(value: Any) -> str:  # Any: whatever a description holds
    """One value: bytes as text, None as nothing, what is long cut."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if isinstance(value, (tuple, list)):
        value = " ".join(cell(item) for item in value) or "-"
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))
    return text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 3] + "..."


def _is_numeric(texts: Iterable[str]) -> bool:
    found = [text for text in texts if text not in ("", "-")]
    return bool(found) and all(text.lstrip("-").replace(".", "", 1).isdigit() for text in found)


def hex_dump(address: int, data: bytes) -> str:
    """Sixteen bytes a line, with their address and as text."""
    lines = []
    for start in range(0, len(data), 16):
        piece = data[start : start + 16]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in piece)
        pairs = piece.hex(" ").ljust(47)
        lines.append(f"{address + start:#018x}  {pairs[:23]}  {pairs[24:]}  {text}")
    return "\n".join(lines)
