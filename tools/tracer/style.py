"""How constants and flags look: by name, as numbers, or both (``-X``, ``--const-print-style``).

One choice holds for the whole run, as in strace, so it is kept here and not handed through every
printer.
"""

from __future__ import annotations

from typing import Final

STYLES: Final = ("abbrev", "raw", "verbose")
_DEFAULT: Final = "abbrev"
_chosen = [_DEFAULT]


def choose(style: str) -> None:
    """One of STYLES."""
    _chosen[0] = style


def chosen() -> str:
    """The one of STYLES that holds: a part of the key of whoever keeps texts."""
    return _chosen[0]


def named(number: str, text: str) -> str:
    """``text``, ``number``, or ``number /* text */``; a text that is no name stays as it is."""
    style = _chosen[0]
    if style == _DEFAULT or text == number:
        return text
    if style == "raw":
        return number
    name = text.partition(" /* ")[2].removesuffix(" */") if " /* " in text else text
    return f"{number} /* {name} */"


def plain() -> bool:
    """Are names shown alone, as ever?"""
    return _chosen[0] == _DEFAULT
