"""Where restart_syscall(2) goes on: calls whose timeout was relative when they began.

A call that was interrupted with ERESTART_RESTARTBLOCK left (name, plain arguments, absolute
deadline); entering it again with its raw arguments would wait the whole time once more.  A family
says how its call goes on::

    @restarts("nanosleep")
    def _go_on(task: Task, args: tuple[int, ...], deadline: int | None) -> Blocking[int]:

and raises the same block again if it is interrupted again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.wait import Blocking

GoOn: TypeAlias = "Callable[[Task, tuple[int, ...], int | None], int | Blocking[int]]"

RESTARTS: dict[str, GoOn] = {}
"""By the name in the restart block; filled by importing the families."""


def restarts(name: str) -> Callable[[GoOn], GoOn]:
    """Declare how an interrupted call goes on."""

    def file_function(function: GoOn) -> GoOn:
        if name in RESTARTS:
            raise ValueError(f"{name} is declared twice")
        RESTARTS[name] = function
        return function

    return file_function
