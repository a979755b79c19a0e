"""A caller with its real ids in place of its file-system ids, as access(2) checks.

Linux: ``access_override_creds``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.cred import Credentials, Limits
from kernel.vfs.caller import Caller
from kernel.vfs.fdtable import FdTable
from kernel.vfs.fscontext import FsContext

if TYPE_CHECKING:
    from kernel.mm.usercopy import UserMemory


class RealUser:
    """The same caller, other credentials."""

    __slots__ = ("_caller", "cred")

    def __init__(self, caller: Caller, cred: Credentials) -> None:
        self._caller = caller
        self.cred = cred

    @property
    def tid(self) -> int:
        """As the caller's."""
        return self._caller.tid

    @property
    def tgid(self) -> int:
        """As the caller's."""
        return self._caller.tgid

    @property
    def fs(self) -> FsContext:
        """As the caller's."""
        return self._caller.fs

    @property
    def fds(self) -> FdTable:
        """As the caller's."""
        return self._caller.fds

    @property
    def limits(self) -> Limits:
        """As the caller's."""
        return self._caller.limits

    @property
    def mem(self) -> UserMemory:
        """As the caller's."""
        return self._caller.mem


def as_real_user(caller: Caller) -> Caller:
    """``caller``, judged by its real uid and gid.

    Root by real uid has its permitted capabilities, everybody else none.
    """
    cred = caller.cred
    effective = cred.permitted if cred.ruid == 0 else 0
    if (cred.ruid, cred.rgid, effective) == (cred.fsuid, cred.fsgid, cred.effective):
        return caller
    changed = cred.changed(fsuid=cred.ruid, fsgid=cred.rgid, effective=effective)
    return RealUser(caller, changed)
