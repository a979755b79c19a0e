"""``diorama stats --compare A.json B.json``: what changed from one run to another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from tools.errors import DioramaError

NS_PER_SECOND: Final = 1_000_000_000
FIELDS: Final = ("calls", "errors", "nanoseconds")


class Counted(NamedTuple):
    """A row of a file; all zero where the other file alone has the call."""

    calls: int = 0
    errors: int = 0
    nanoseconds: int = 0


def load(path: str) -> dict[str, Counted]:
    """The rows of a file that ``--stats=FILE.json`` wrote, the total among them."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        rows = [*document["syscalls"], document["total"]]
        return {str(row["name"]): _counted(row) for row in rows}
    except OSError as error:
        raise DioramaError(f"{path}: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, RecursionError):
        raise DioramaError(f"{path}: not a table that --stats=FILE.json wrote") from None


def _counted(row: dict[str, Any]) -> Counted:  # Any: what JSON can hold
    values = [row[field] for field in FIELDS]
    if any(value.__class__ is not int or value < 0 for value in values):
        raise ValueError("not a count")
    return Counted(*values)


def compare(before: str, after: str) -> str:
    """The table: calls whose number or errors differ, then the total.  Time is for information."""
    return "\n".join(_lines(load(before), load(after))) + "\n"


def _lines(old: dict[str, Counted], new: dict[str, Counted]) -> Iterator[str]:
    head = f"{'calls':>9} {'->':>9} {'errors':>7} {'->':>7} {'seconds':>10} {'->':>10}"
    yield f"{head} {'change':>9}  syscall"
    rule = " ".join("-" * width for width in (9, 9, 7, 7, 10, 10, 9)) + "  " + "-" * 16
    yield rule
    names = [name for name in {**old, **new} if name != "total"]
    changed = [name for name in names if _row(old, name)[:2] != _row(new, name)[:2]]
    changed.sort(key=lambda name: (-abs(_change(old, new, name)), name))
    for name in changed:
        yield _line(old, new, name)
    if not changed:
        yield "no call was made more or less often, and none failed more or less often"
    yield rule
    yield _line(old, new, "total")


def _row(rows: dict[str, Counted], name: str) -> Counted:
    return rows.get(name, Counted())


def _change(old: dict[str, Counted], new: dict[str, Counted], name: str) -> int:
    return _row(new, name).calls - _row(old, name).calls


def _line(old: dict[str, Counted], new: dict[str, Counted], name: str) -> str:
    a, b = _row(old, name), _row(new, name)
    seconds = [row.nanoseconds / NS_PER_SECOND for row in (a, b)]
    return (
        f"{a.calls:>9} {b.calls:>9} {a.errors:>7} {b.errors:>7} "
        f"{seconds[0]:>10.6f} {seconds[1]:>10.6f} {b.calls - a.calls:>+9}  {name}"
    )
