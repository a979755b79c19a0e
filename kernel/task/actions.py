"""What a process wants done with each signal.  See sigaction(2).

Linux analogue: ``struct sighand_struct``.
"""

from __future__ import annotations

from typing import NamedTuple

from kernel.abi.signals import (
    IGNORED_BY_DEFAULT,
    KERNEL_ONLY,
    NSIG,
    SIG_DFL,
    SIG_IGN,
)


class Action(NamedTuple):
    """struct sigaction as the kernel keeps it; immutable, so that copies of tables share it."""

    handler: int = SIG_DFL
    flags: int = 0
    restorer: int = 0
    mask: int = 0


DEFAULT = Action()


class SignalActions:
    """The table of 64 actions; shared by tasks with CLONE_SIGHAND, copied by fork.

    ``users``: how many tasks share it (execve makes a private one first).
    """

    __slots__ = ("table", "users")

    def __init__(self, table: list[Action] | None = None) -> None:
        self.table = table or [DEFAULT] * (NSIG + 1)
        self.users = 1

    def get(self, signo: int) -> Action:
        """The action of a signal."""
        return self.table[signo]

    def set(self, signo: int, action: Action) -> None:
        """Change an action; the mask never holds SIGKILL and SIGSTOP."""
        self.table[signo] = action._replace(mask=action.mask & ~KERNEL_ONLY)

    def reset(self, signo: int) -> None:
        """Back to SIG_DFL (SA_RESETHAND, a forced signal); flags and mask stay."""
        self.table[signo] = self.table[signo]._replace(handler=SIG_DFL)

    def ignores(self, signo: int) -> bool:
        """Would this signal be thrown away: SIG_IGN, or a default that does nothing?"""
        handler = self.table[signo].handler
        return handler == SIG_IGN or (
            handler == SIG_DFL and bool(IGNORED_BY_DEFAULT >> (signo - 1) & 1)
        )

    def share(self) -> SignalActions:
        """One more task uses this table (CLONE_SIGHAND)."""
        self.users += 1
        return self

    def copy(self) -> SignalActions:
        """For fork."""
        return SignalActions(list(self.table))

    def after_exec(self) -> SignalActions:
        """For execve: handlers become SIG_DFL, SIG_IGN stays (execve(2))."""
        kept = [Action(SIG_IGN) if action.handler == SIG_IGN else DEFAULT for action in self.table]
        return SignalActions(kept)

    def mask_of(self, handler: int) -> int:
        """The mask of signals with this handler value (SigIgn in /proc/PID/status)."""
        return sum(1 << (n - 1) for n in range(1, NSIG + 1) if self.table[n].handler == handler)

    def caught(self) -> int:
        """The mask of signals with a handler (SigCgt in /proc/PID/status)."""
        return sum(1 << (n - 1) for n in range(1, NSIG + 1) if self.table[n].handler > SIG_IGN)

    def __repr__(self) -> str:
        return f"<SignalActions caught={self.caught():#x} users={self.users}>"
