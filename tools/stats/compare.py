"""``diorama stats --compare A.json B.json``: what changed from one run to another.

Times are shown and never called a change: they differ from run to run.  A file of an older version
lacks some of the numbers; what only one of the files has is not compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from tools.errors import DioramaError

FORMAT: Final = "diorama-stats"
VERSION: Final = 1
NS_PER_SECOND: Final = 1_000_000_000
FIELDS: Final = ("calls", "errors", "nanoseconds")
OTHERS: Final = ("faults", "switches", "frames")


class Counted(NamedTuple):
    """A row of a file; all zero where the other file alone has the call."""

    calls: int = 0
    errors: int = 0
    nanoseconds: int = 0
    bytes: int = 0
    errnos: Mapping[str, int] = {}

    @property
    def counts(self) -> tuple[object, ...]:
        """What makes two rows different: everything but time."""
        return self.calls, self.errors, self.bytes, dict(self.errnos)


class Counts(NamedTuple):
    """A file: rows by name, the total among them; the other numbers by group and name."""

    rows: dict[str, Counted]
    others: dict[str, dict[str, int]]


def load(path: str) -> Counts:
    """The content of a file that ``--stats=FILE.json`` wrote."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        if document.get("format", FORMAT) != FORMAT:
            raise ValueError("another format")
        newer = document.get("version", VERSION) > VERSION
        rows = [*document["syscalls"], document["total"]]
        counts = Counts({str(row["name"]): _counted(row) for row in rows}, _others(document))
    except OSError as error:
        raise DioramaError(f"{path}: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise DioramaError(f"{path}: not a table that --stats=FILE.json wrote") from None
    if newer:
        raise DioramaError(f"{path}: written by a newer diorama, version {document['version']}")
    return counts


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("not a count")
    return value


def _counted(row: dict[str, Any]) -> Counted:  # Any: what JSON can hold
    errnos = {str(name): _number(count) for name, count in row.get("errnos", {}).items()}
    calls, errors, nanoseconds = (_number(row[field]) for field in FIELDS)
    return Counted(calls, errors, nanoseconds, _number(row.get("bytes", 0)), errnos)


def _others(document: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Groups of numbers, those inside a group's group among them."""
    found: dict[str, dict[str, int]] = {}
    for group in OTHERS:
        flat: dict[str, int] = {}
        for name, value in document.get(group, {}).items():
            inner = value.items() if isinstance(value, dict) else ()
            flat.update({f"{name}.{key}": _number(count) for key, count in inner})
            if not isinstance(value, dict):
                flat[str(name)] = _number(value)
        found[group] = flat
    return found


# -- the table -----------------------------------------------------------------------------------


def compare(before: str, after: str) -> str:
    """The table: calls whose number, errors or bytes differ, the total, then everything else."""
    return "\n".join(_lines(load(before), load(after))) + "\n"


def _lines(old: Counts, new: Counts) -> Iterator[str]:
    yield from _calls(old.rows, new.rows)
    for group in OTHERS:
        if old.others[group] and new.others[group]:
            yield from _group(group, old.others[group], new.others[group])


def _calls(old: dict[str, Counted], new: dict[str, Counted]) -> Iterator[str]:
    head = f"{'calls':>9} {'->':>9} {'errors':>7} {'->':>7} {'seconds':>10} {'->':>10}"
    yield f"{head} {'change':>9}  syscall"
    rule = " ".join("-" * width for width in (9, 9, 7, 7, 10, 10, 9)) + "  " + "-" * 16
    yield rule
    names = [name for name in {**old, **new} if name != "total"]
    changed = [name for name in names if _row(old, name).counts != _row(new, name).counts]
    changed.sort(key=lambda name: (-abs(_change(old, new, name)), name))
    for name in changed:
        yield _line(old, new, name)
        yield from _details(_row(old, name), _row(new, name))
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


def _details(a: Counted, b: Counted) -> Iterator[str]:
    """Below a call: which errors, and how many bytes."""
    for error in sorted({**a.errnos, **b.errnos}):
        counts = a.errnos.get(error, 0), b.errnos.get(error, 0)
        if counts[0] != counts[1]:
            yield f"{'':>20}{counts[0]:>7} {counts[1]:>7} {'':>21} {'':>9}    {error}"
    if a.bytes != b.bytes:
        yield f"{a.bytes:>9} {b.bytes:>9} {'':>37} {'':>9}    bytes"


def _group(name: str, old: dict[str, int], new: dict[str, int]) -> Iterator[str]:
    """Faults, switches, frames: what differs."""
    changed = [key for key in {**old, **new} if old.get(key, 0) != new.get(key, 0)]
    if changed:
        yield ""
        yield f"{'before':>9} {'after':>9} {'change':>9}  {name}"
    for key in changed:
        a, b = old.get(key, 0), new.get(key, 0)
        yield f"{a:>9} {b:>9} {b - a:>+9}  {key}"
