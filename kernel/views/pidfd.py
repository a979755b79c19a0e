"""Descriptors for processes: pidfd_open(2), and clone(2) with CLONE_PIDFD.

A number can be used again by another process; a pidfd cannot.  Linux: ``kernel/pid.c``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EBADF, ESRCH
from kernel.abi.files import O_NONBLOCK, O_RDWR, POLLHUP, POLLIN, POLLRDNORM
from kernel.vfs.anonymous import hidden_mount, hidden_path
from kernel.vfs.inode import Inode
from kernel.vfs.openfile import OpenFile

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.task.thread_group import ThreadGroup
    from kernel.vfs.caller import Caller


class PidFile(OpenFile):
    """One process.  Readable when it is dead; hung up when somebody has waited for it.

    Invariant: between the making and the first system call on it, ``show`` names the process.
    """

    __slots__ = ("group",)

    group: ThreadGroup

    def show(self, group: ThreadGroup) -> None:
        """Which process it stands for; once."""
        self.group = group
        self.queue = group.ended

    def living(self) -> ThreadGroup:
        """The process; ESRCH when it has been waited for."""
        if self.group.reaped:
            raise ESRCH("process %d has ended and was waited for", self.group.pid)
        return self.group

    def poll(self, caller: Caller, events: int) -> int:
        if not self.group.zombie:
            return 0
        ready = events & (POLLIN | POLLRDNORM)
        return ready | POLLHUP if self.group.reaped else ready

    def info_lines(self) -> str:
        pid = -1 if self.group.reaped else self.group.pid
        return f"Pid:\t{pid}\nNSpid:\t{pid}\n"

    def describe(self) -> dict[str, object]:
        return super().describe() | {"Pid": -1 if self.group.reaped else self.group.pid}


def make_pidfd(task: Task, group: ThreadGroup | None, flags: int) -> PidFile:
    """A descriptor for ``group``, or for a process that is about to be made (None)."""
    mount = hidden_mount(task, b"anon_inodefs")
    inode = Inode(mount.sb, 0o600, task.cred.fsuid, task.cred.fsgid)
    path = hidden_path(mount, b"anon_inode:[pidfd]", inode)
    file = PidFile(inode, path, O_RDWR | flags & O_NONBLOCK)
    if group is not None:
        file.show(group)
    return file


def as_pidfd(file: OpenFile) -> PidFile:
    """EBADF unless it is a pidfd."""
    if not isinstance(file, PidFile):
        raise EBADF("%s is no pidfd", file.path)
    return file
