"""``x/16xw``, ``x/s``, ``x/3i``: how gdb spells what memory is to be shown as.

``/`` and how many, a letter for the form (``x d u c a s i``), one for the size of a unit (``b`` 1,
``h`` 2, ``w`` 4, ``g`` 8 bytes), in any order.  As in gdb, 4 bytes and ``x`` where nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tools.console.command import CommandError

SPELLED: Final = re.compile(r"/(\d*)([a-z]*)")
FORMS: Final = "xduacsi"
SIZES: Final = {"b": 1, "h": 2, "w": 4, "g": 8}
MOST: Final = 4096
LINE: Final = 16
LONGEST_STRING: Final = 4096


@dataclass(frozen=True, slots=True)
class Format:
    """``count`` units of ``size`` bytes each, in a form that a letter names."""

    count: int
    form: str
    size: int


def parse(text: str) -> Format:
    """What stands behind ``x``, with its slash.  CommandError: it is no format."""
    match = SPELLED.fullmatch(text)
    letters = match[2] if match is not None else "?"
    forms = [letter for letter in letters if letter in FORMS]
    sizes = [letter for letter in letters if letter in SIZES]
    if match is None or len(forms) > 1 or len(sizes) > 1 or len(forms + sizes) < len(letters):
        raise CommandError(
            f"{text} is no format: a number, one of {' '.join(FORMS)}, one of {' '.join(SIZES)}"
        )
    count = int(match[1] or "1")
    if not 0 < count <= MOST:
        raise CommandError(f"{text}: want 1 to {MOST} of them")
    form = forms[0] if forms else "x"
    usual = {"c": 1, "s": 1, "a": 8}.get(form, 4)
    return Format(count, form, usual if form == "a" or not sizes else SIZES[sizes[0]])


def units(start: int, data: bytes, form: Format, named: Callable[[int], str]) -> str:
    """Numbers, characters or addresses, as many in a line as make 16 bytes."""
    each = 1 if form.form == "a" else LINE // form.size if form.size > 1 else LINE // 2
    cells = [
        _unit(data[at : at + form.size], form.form, named)
        for at in range(0, len(data) - form.size + 1, form.size)
    ]
    width = max(len(cell) for cell in cells)
    return "\n".join(
        f"{start + at * form.size:#x}:  "
        + "  ".join(cell.rjust(width) for cell in cells[at : at + each])
        for at in range(0, len(cells), each)
    )


def _unit(data: bytes, form: str, named: Callable[[int], str]) -> str:
    value = int.from_bytes(data, "little", signed=form in "dc")
    if form == "a":
        return named(value)
    if form == "c":
        return f"{value} {chr(data[0])!r}" if data[0] < 0x80 else f"{value} '\\x{data[0]:02x}'"
    return f"0x{value:0{2 * len(data)}x}" if form == "x" else str(value)


def string(start: int, data: bytes) -> tuple[str, int]:
    """A text up to its NUL, in a line; and how many bytes it took."""
    text, found, _ = data.partition(b"\0")
    shown = repr(text.decode("utf-8", "backslashreplace"))[1:-1].replace('"', '\\"')
    return f'{start:#x}:  "{shown}"{"" if found else "..."}', len(text) + len(found)
