"""Process groups and sessions as objects.  What may be done with them is in jobs.py.

See credentials(7), "Process group ID and session ID", and setsid(2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kernel.task.thread_group import ThreadGroup


class Terminal(Protocol):
    """A terminal as job control sees it; kernel.views.terminal has the real ones.

    ``session``: whose controlling terminal it is.  ``foreground``: the group that may read and
    gets the signals of the keyboard.  Both are changed only by kernel.task.jobs.
    """

    session: Session | None
    foreground: ProcessGroup | None
    device: int


class ProcessGroup:
    """A job: processes that get terminal signals together.

    Invariants: ``members`` is not empty while the group lives; all of its members are in
    ``session``; ``session.groups`` has it under its number.
    """

    __slots__ = ("members", "pgid", "session")

    def __init__(self, pgid: int, session: Session) -> None:
        self.pgid = pgid
        self.session = session
        self.members: dict[int, ThreadGroup] = {}

    def __repr__(self) -> str:
        return f"<ProcessGroup {self.pgid} members={list(self.members)}>"


class Session:
    """All jobs of one login.  ``terminal`` is its controlling terminal or None."""

    __slots__ = ("groups", "leader", "sid", "terminal")

    def __init__(self, sid: int) -> None:
        self.sid = sid
        self.leader: ThreadGroup | None = None
        self.groups: dict[int, ProcessGroup] = {}
        self.terminal: Terminal | None = None

    def __repr__(self) -> str:
        return f"<Session {self.sid} groups={list(self.groups)}>"
