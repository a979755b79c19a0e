"""A call that sleeps keeps its files open, although another thread may close their descriptors.

Only tasks that share their descriptor table need it: in the others nobody can close anything while
the only task sleeps.  Linux: ``fdget``, which takes a reference in the same case.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.vfs.openfile import OpenFile
    from kernel.wait import Blocking


def hold_descriptors(task: Task, sleeping: Blocking[Any], *fds: int) -> Blocking[Any]:
    """Go through a call's sleeps with a reference to what its descriptors are now."""
    files = task.fds.files
    return hold_files(sleeping, [files[fd] for fd in fds if fd in files])


def hold_files(sleeping: Blocking[Any], files: Iterable[OpenFile]) -> Blocking[Any]:
    """As ``hold_descriptors``.  Any: the result is the call's own."""
    held = list(files)
    for file in held:
        file.hold()
    try:
        return (yield from sleeping)
    finally:
        for file in held:
            file.drop()
