"""The process tree in the order it is shown: threads behind their leader, children behind both.

The inspector, the console and notebooks each draw it their own way.  A guest may fork as deep as it
likes, so nothing here calls itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

DEEPEST: Final = 16
"""Where there is little room, what lies deeper is not indented any further."""


class Branch(NamedTuple):
    """One task's place: how deep below a task without parent, and is it the last on its level?"""

    tid: int
    depth: int
    last: bool


def branches(tasks: Iterable[tuple[int, int, int]]) -> list[Branch]:
    """Every task once, in the order of the tree; ``tasks`` are (tid, pid, ppid).

    On one level the order is that of ``tasks``, threads first.  A parent that is not among the
    tasks counts as none.
    """
    known = list(tasks)
    leaders = {tid for tid, pid, _ in known if tid == pid}
    below: dict[int, list[int]] = {}
    for thread in (True, False):
        for tid, pid, ppid in known:
            if (tid != pid) == thread:
                above = pid if thread else ppid
                below.setdefault(above if above in leaders else 0, []).append(tid)
    found: list[Branch] = []
    waiting = _level(below.get(0, []), 0)
    while waiting:
        branch = waiting.pop()
        found.append(branch)
        if branch.tid in leaders:
            waiting += _level(below.get(branch.tid, []), branch.depth + 1)
    return found


def _level(tids: list[int], depth: int) -> list[Branch]:
    """The last one first, as a stack wants them."""
    return [Branch(tid, depth, tid == tids[-1]) for tid in reversed(tids)]
