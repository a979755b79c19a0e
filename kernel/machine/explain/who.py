"""Naming processes for people: ``7 (cat)``, and who holds an open file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kernel.task.system import System
    from kernel.vfs.fdtable import FdTable
    from kernel.vfs.openfile import OpenFile

MOST: Final = 4
"""So many processes are named; of the others only the number is said."""


def text(name: bytes) -> str:
    """A guest's name; what is no UTF-8 is escaped, and so is what would break the line."""
    return one_line(name.decode("utf-8", "backslashreplace"))


def one_line(words: str) -> str:
    """Words with names of the guest's in them, which may have any byte but NUL and a slash."""
    if words.isprintable():
        return words
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in words)


def who(system: System, pid: int) -> str:
    """``7 (cat)``: a task by its number, with its name if it is there."""
    task = system.tasks.get(pid)
    return str(pid) if task is None else f"{pid} ({text(task.comm)})"


def everybody(system: System, pids: Iterable[int]) -> str:
    """``7 (cat), 8 (sh)``; '' for nobody."""
    found = list(dict.fromkeys(pids))
    named = ", ".join(who(system, pid) for pid in found[:MOST])
    return f"{named} and {len(found) - MOST} more" if len(found) > MOST else named


def holders(system: System, wanted: Callable[[OpenFile], bool]) -> list[int]:
    """The processes that have an open file like that among their descriptors, by pid."""
    pids: dict[int, None] = {}
    tables: dict[FdTable, bool] = {}
    for tid in sorted(system.tasks):
        task = system.tasks[tid]
        if task.dead or task.context is None:
            continue
        known = tables.get(task.fds)
        if known is None:
            known = tables[task.fds] = any(map(wanted, task.fds.files.values()))
        if known:
            pids[task.tgid] = None
    return list(pids)
