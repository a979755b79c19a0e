"""What a debugger and the machine tell each other: stops, breakpoints, watchpoints.

Plain objects without behaviour; kernel.machine.debugger is what makes and uses them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel.mm.address_space import AddressSpace
    from kernel.task.siginfo import SigInfo
    from kernel.task.task import Task

REASONS: Final = (
    "start",
    "breakpoint",
    "watchpoint",
    "step",
    "enter",
    "return",
    "signal",
    "fault",
    "fork",
    "vfork",
    "clone",
    "vfork_done",
    "exec",
    "thread_exit",
    "exit",
    "pause",
)
"""What ``Stop.reason`` may be."""


class DebuggerBusy(Exception):
    """The machine has a debugger already; the message is one line for the user."""


class Everything:
    """A set that every number is in: ``debugger.catch_calls = ALL``."""

    def __contains__(self, number: object) -> bool:
        return True

    def __repr__(self) -> str:
        return "ALL"


ALL: Final = Everything()
NONE: Final[frozenset[int]] = frozenset()


class Breakpoint:
    """A breakpoint at an address of one address space; made by ``Debugger.break_at`` only.

    ``when``: called with the Stop that it would cause; no stop if the answer is false.
    ``hardware`` is what the front end asked for; both kinds work the same way.  ``hits`` counts
    the times it was met and ``when`` held.  ``live`` is false after ``remove`` and after the end
    of the space (exec, exit).
    """

    __slots__ = ("address", "hardware", "hits", "live", "mm", "when")

    def __init__(
        self,
        mm: AddressSpace,
        address: int,
        hardware: bool = False,
        when: Callable[[Stop], object] | None = None,
    ) -> None:
        self.mm = mm
        self.address = address
        self.hardware = hardware
        self.when = when
        self.hits = 0
        self.live = True

    def __repr__(self) -> str:
        return f"<Breakpoint {self.address:#x}{'' if self.live else ' (removed)'}>"


class Watchpoint:
    """``length`` bytes at an address of one address space; made by ``Debugger.watch`` only.

    ``access``: 'r', 'w' or 'a' (either).  ``old`` and ``new``: the bytes before and after the
    access of the last stop.  ``number`` is the processor's.  ``when``, ``hits`` and ``live`` as
    for Breakpoint.
    """

    __slots__ = (
        "access",
        "address",
        "hits",
        "length",
        "live",
        "mm",
        "new",
        "number",
        "old",
        "when",
    )

    def __init__(
        self,
        mm: AddressSpace,
        address: int,
        length: int,
        access: str,
        when: Callable[[Stop], object] | None = None,
    ) -> None:
        self.mm = mm
        self.address = address
        self.length = length
        self.access = access
        self.when = when
        self.number = -1
        self.old = b""
        self.new = b""
        self.hits = 0
        self.live = True

    def __repr__(self) -> str:
        where = f"{self.access} {self.address:#x}+{self.length}"
        return f"<Watchpoint {where}{'' if self.live else ' (removed)'}>"


class Stop:
    """Why the world stands still.  Plain and mutable: what may be assigned takes effect on return.

    ``reason`` is one of REASONS.  ``address``: the program counter, or the data address of a
    watchpoint or fault.  ``point``: the breakpoint or watchpoint.

    'enter': ``number`` and ``args`` (the six raw registers) may be assigned; ``result`` assigned
    replaces the call.  'return': ``result`` may be assigned; it is -errno for an error, and an
    ERESTART code if a signal came.  'signal': ``info`` is what is about to be delivered, and may be
    assigned; ``signal`` the number that will be (0 drops it; may be assigned).  'fault': the same,
    for a signal that the task's own instruction caused.  'fork', 'vfork', 'clone': ``other`` is the
    child, which has not run yet.  'exit': the last task of a process ended with wait(2) ``status``;
    'thread_exit': another one did.  After these two the task has no registers and no memory.
    """

    __slots__ = (
        "address", "args", "info", "number", "other", "point", "reason", "result", "signal",
        "status", "task",
    )  # fmt: skip

    def __init__(self, task: Task, reason: str, address: int = 0) -> None:
        self.task = task
        self.reason = reason
        self.address = address
        self.point: Breakpoint | Watchpoint | None = None
        self.number = -1
        self.args: tuple[int, ...] = ()
        self.result: int | None = None
        self.info: SigInfo | None = None
        self.signal = 0
        self.other: Task | None = None
        self.status = 0

    def __repr__(self) -> str:
        return f"<Stop {self.reason} of {self.task.tgid}/{self.task.tid} at {self.address:#x}>"
