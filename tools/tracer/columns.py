"""The columns of ``strace -c``: their names, and what ``-S`` and ``-U`` accept."""

from __future__ import annotations

from typing import Final

# column: (title, width); the names are those of strace(1), -U.
COLUMNS: Final = {
    "time-percent": ("% time", 6),
    "total-time": ("seconds", 11),
    "avg-time": ("usecs/call", 11),
    "calls": ("calls", 9),
    "errors": ("errors", 9),
    "name": ("syscall", 16),
    "min-time": ("shortest", 8),
    "max-time": ("longest", 8),
}
DEFAULT_COLUMNS: Final = ("time-percent", "total-time", "avg-time", "calls", "errors", "name")
_ALIASES: Final = {
    "time": "time-percent",
    "time_percent": "time-percent",
    "time-total": "total-time",
    "time_total": "total-time",
    "shortest": "min-time",
    "time-min": "min-time",
    "time_min": "min-time",
    "longest": "max-time",
    "time-max": "max-time",
    "time_max": "max-time",
    "time-avg": "avg-time",
    "time_avg": "avg-time",
    "count": "calls",
    "error": "errors",
    "syscall": "name",
    "syscall-name": "name",
}


def _column(name: str) -> str | None:
    full = _ALIASES.get(name, name)
    return full if full in COLUMNS else None


def sort_key(text: str) -> str:
    """A column's name for ``-S``, or 'nothing'.  ValueError if there is none like that."""
    if text in ("none", "nothing"):
        return "nothing"
    found = _column(text)
    if found is None:
        raise ValueError(f"invalid sortby {text!r}: want one of {', '.join(COLUMNS)}, none")
    return found


def column_names(text: str) -> list[str]:
    """The columns of ``-U``, each once.  ValueError for a name that is none, or comes twice."""
    found: list[str] = []
    for word in text.split(","):
        column = _column(word)
        if column is None:
            raise ValueError(f"unknown column name {word!r}: want some of {', '.join(COLUMNS)}")
        if column in found:
            raise ValueError(f"column {word!r} is there twice")
        found.append(column)
    return found
