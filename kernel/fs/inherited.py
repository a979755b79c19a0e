"""Which of the caller's descriptors there are, and a file of the guest for each.

A descriptor that the caller closed is closed in the guest too; ``hold_closed`` keeps its number
from being taken by something of ours.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Final

from kernel.abi.files import S_IFCHR, S_IFIFO, S_IFMT, S_IFSOCK, makedev
from kernel.fs.hostio import HostInode, HostStream, host_flags
from kernel.vfs.dentry import Dentry, Path

if TYPE_CHECKING:
    from kernel.vfs.mount import Mount
    from kernel.wait import HostPoller

_KINDS: Final = {S_IFIFO: b"pipe", S_IFSOCK: b"socket"}
_NULL_DEVICE: Final = makedev(1, 3)


def hold_closed(descriptors: tuple[int, ...] = (0, 1, 2)) -> None:
    """Keep the numbers that the caller closed from being taken by files of our own.

    The placeholder is an O_PATH descriptor: it can be neither read nor written, so to everybody
    here it is as good as closed.  Call it before anything is opened.
    """
    for fd in descriptors:
        if not is_open(fd):
            held = os.open("/", getattr(os, "O_PATH", os.O_RDONLY))
            if held != fd:  # a lower number that is not ours to hold was free
                os.dup2(held, fd)
                os.close(held)


def is_open(fd: int) -> bool:
    """Is there something behind a host descriptor (a placeholder is nothing)?"""
    try:
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    except OSError:
        return False
    return not flags & getattr(os, "O_PATH", 0)


class HostStreams:
    """Makes the files for inherited descriptors; one inode per host file.

    ``mount`` is an anonymous mount for them (``MountTable.anonymous_mount``).
    """

    __slots__ = ("_inodes", "_mount", "_owner", "_poller")

    def __init__(self, mount: Mount, poller: HostPoller, owner: tuple[int, int] = (0, 0)) -> None:
        self._mount = mount
        self._poller = poller
        self._owner = owner
        self._inodes: dict[tuple[int, int], HostInode] = {}

    def open(self, fd: int) -> HostStream | None:
        """The file for a host descriptor; None if it is closed on the host."""
        if not is_open(fd):
            return None
        found = os.fstat(fd)
        key = (found.st_dev, found.st_ino)
        inode = self._inodes.get(key)
        if inode is None or host_flags(inode.fd) != host_flags(fd):
            inode = HostInode(self._mount.sb, fd, self._poller, self._owner)
            self._inodes[key] = inode
        name = b"%s:[%d]" % (_KINDS.get(inode.mode & S_IFMT, b"host"), inode.ino)
        if inode.mode & S_IFMT == S_IFCHR and inode.rdev == _NULL_DEVICE:
            name = b"/dev/null"
        path = Path(self._mount, Dentry(name, None, inode))
        return HostStream(inode, path, host_flags(fd))
