"""On whose behalf an operation runs: what the file layer needs to know about a task.

A task satisfies ``Caller`` by having these attributes; tests use a plain object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kernel.cred import Credentials, Limits

if TYPE_CHECKING:
    from kernel.mm.usercopy import UserMemory
    from kernel.vfs.fdtable import FdTable
    from kernel.vfs.fscontext import FsContext


class Caller(Protocol):
    """Who asks.  Linux analogue: ``current`` with its ``fs``, ``files``, ``cred`` and ``mm``."""

    @property
    def tid(self) -> int:
        """Thread id."""

    @property
    def tgid(self) -> int:
        """Process id: the owner record locks report (F_GETLK)."""

    @property
    def fs(self) -> FsContext:
        """Root, working directory, umask."""

    @property
    def fds(self) -> FdTable:
        """The descriptor table."""

    @property
    def cred(self) -> Credentials:
        """Who the caller is, for permission checks."""

    @property
    def limits(self) -> Limits:
        """RLIMIT_NOFILE, RLIMIT_FSIZE."""

    @property
    def mem(self) -> UserMemory:
        """Guest memory, for ioctls that take a pointer."""
