"""Descriptions as JSON, and the lines of code behind an object.

A description is a NamedTuple of plain values.  Its field ``implemented_by`` is the dotted name of
the kernel class that it describes, so that whoever gets it as JSON, in another process, can still
ask ``source`` for the lines that implement it.
"""

from __future__ import annotations

import importlib
import inspect
from functools import cache
from typing import Any, NamedTuple


class Source(NamedTuple):
    """Where a class or function is written: ``file`` on the host, lines ``first`` to ``last``."""

    module: str
    name: str
    file: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.module}:{self.first}"

    def text(self) -> str:
        """The lines themselves."""
        return "\n".join(_lines(self.file)[self.first - 1 : self.last])

    def whole(self) -> str:
        """All lines of the file, for what stands around."""
        return "\n".join(_lines(self.file))


def plain(value: Any) -> Any:
    """``value`` in what JSON has: descriptions become objects, tuples lists, bytes text.

    Bytes are file names and the like: UTF-8, with surrogates for what is not.
    """
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: plain(getattr(value, name)) for name in value._fields}
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def dotted(kind: type) -> str:
    """The name by which ``source`` finds a class again."""
    return f"{kind.__module__}.{kind.__qualname__}"


def source(thing: object) -> Source:
    """The lines of the class of a kernel object, of what a description describes, or of a name.

    ``thing`` may be an object, a class, a function, a description, or a dotted name.  LookupError
    if there are no lines: a builtin, an unknown name.
    """
    if isinstance(thing, tuple) and hasattr(thing, "implemented_by"):
        thing = thing.implemented_by
    if isinstance(thing, str):
        return _named(thing)
    if not isinstance(thing, type) and not inspect.isroutine(thing):
        thing = type(thing)
    return _named(f"{thing.__module__}.{thing.__qualname__}")


@cache
def _named(name: str) -> Source:
    found: Any = None
    parts = name.split(".")
    for split in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:split]))
            for part in parts[split:]:
                found = getattr(found, part)
        except (ImportError, AttributeError):
            continue
        break
    else:
        raise LookupError(f"{name}: no such class, function or module")
    try:
        lines, first = inspect.getsourcelines(found)
        file = inspect.getsourcefile(found) or ""
    except (OSError, TypeError):
        raise LookupError(f"{name}: has no lines of Python") from None
    first = max(first, 1)  # 0 for a whole module
    inner = ".".join(parts[split:] or parts[-1:])
    return Source(".".join(parts[:split]), inner, file, first, first + len(lines) - 1)


@cache
def _lines(file: str) -> list[str]:
    with open(file, encoding="utf-8") as text:
        return text.read().splitlines()
