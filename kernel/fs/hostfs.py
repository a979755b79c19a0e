"""hostfs: a directory, or one file, of the host as a file system.

A volume shows the host's present state and writes through at once.  What the guest may reach is
what lies below the mounted directory, reached name by name (``hostcalls``).  The caller's own user
and group appear as the user the guest starts as, and back; everybody else appears as they are.

Host files are known by (device, inode number); the numbers the guest sees are given by first sight,
so that a trace does not depend on the host's.  Linux analogue: 9p, virtiofs, UML's hostfs.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import Final

from kernel.abi.errors import ENOENT, EROFS
from kernel.abi.files import S_IFMT, makedev
from kernel.fs.hostcalls import (
    HOST,
    O_PATH,
    Identity,
    check_step,
    identity,
    open_directory,
    step_stat,
)
from kernel.fs.hostcontent import HostContents
from kernel.vfs.inode import Inode, StatFs, SuperBlock

HOSTFS_MAGIC: Final = 0x00C0FFEE
"""HOSTFS_SUPER_MAGIC of Linux's own hostfs."""
DIRECTORIES_OPEN: Final = 16
"""Descriptors of directories kept from one walk to the next."""
_ROOT_NAME: Final = b"."


class HostInode(Inode):
    """What all files of a volume have: who they are on the host, and where they were last seen.

    ``parent`` and ``place``: the directory and the name that led here last.  A name is never
    trusted: whoever uses it compares identities first.
    """

    __slots__ = ("key", "parent", "place")

    sb: HostFs

    def __init__(self, sb: HostFs, status: os.stat_result, parent: HostInode | None, place: bytes):
        super().__init__(sb, status.st_mode)
        self.key = identity(status)
        self.ino = sb.number(self.key)
        self.parent = parent
        self.place = place
        self.apply(status)

    def apply(self, status: os.stat_result) -> None:
        """Take over what the host says."""
        sb = self.sb
        self.mode = status.st_mode
        self.uid = sb.uid if status.st_uid == sb.host_uid else status.st_uid
        self.gid = sb.gid if status.st_gid == sb.host_gid else status.st_gid
        self.nlink = status.st_nlink
        self.size = status.st_size
        self.blocks = status.st_blocks
        if status.st_rdev:
            self.rdev = makedev(os.major(status.st_rdev), os.minor(status.st_rdev))
        self.atime = status.st_atime_ns
        self.mtime = status.st_mtime_ns
        self.ctime = self.btime = status.st_ctime_ns

    def refresh(self) -> None:
        """Ask the host; a file whose name is gone keeps what was known last."""
        try:
            self.apply(self.host_stat())
        except ENOENT:
            return

    def host_stat(self) -> os.stat_result:
        """The host's present word on this very file.  Raises ENOENT if its name is gone."""
        parent = self.directory()
        with HOST:
            status = step_stat(parent, self.place)
        if identity(status) != self.key:
            raise ENOENT("%r is another file by now", self.place)
        return status

    def directory(self) -> int:
        """A descriptor of the directory this file was last seen in."""
        if self.parent is None:
            return self.sb.top
        return self.sb.descriptor(self.parent)


class HostFs(SuperBlock):
    """One volume.

    ``owner``: the guest's start user and group.  ``read_only`` refuses writing here too, not only
    at the mount.  Invariants: ``top`` is open until ``close``; ``_open`` holds at most
    DIRECTORIES_OPEN descriptors of directories, least recently used first.
    """

    __slots__ = (
        "_created", "_inodes", "_last_number", "_make", "_numbers", "_open", "contents",
        "gid", "host_gid", "host_uid", "read_only", "top", "uid",
    )  # fmt: skip

    volatile = True
    atime = False  # the host keeps access times itself
    root: HostInode

    def __init__(
        self,
        host: str | bytes,
        dev: int,
        now: Callable[[], int],
        contents: HostContents,
        make: Callable[[HostFs, os.stat_result, HostInode | None, bytes], HostInode],
        owner: tuple[int, int] = (0, 0),
        read_only: bool = False,
    ) -> None:
        super().__init__(b"hostfs", dev, now, HOSTFS_MAGIC)
        self.contents = contents
        self.uid, self.gid = owner
        self.host_uid, self.host_gid = os.geteuid(), os.getegid()
        self.read_only = read_only
        self._make = make
        self._inodes: dict[Identity, HostInode] = {}
        self._numbers: dict[Identity, int] = {}
        self._last_number = 0
        self._open: dict[HostInode, int] = {}
        self._created: HostInode | None = None
        self.source = os.fsencode(host)
        path = os.path.realpath(self.source)
        with HOST:
            status = os.stat(path)
            whole = S_ISDIR(status.st_mode)
            directory, name = (path, _ROOT_NAME) if whole else os.path.split(path)
            self.top = os.open(directory, O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.root = self.inode(status, None, name)

    def set_owner(self, uid: int, gid: int) -> None:
        """Only what is in the volume told who the guest's start user is (/etc/passwd)."""
        self.uid, self.gid = uid, gid
        for inode in list(self._inodes.values()):
            inode.refresh()

    # -- inodes ----------------------------------------------------------------------------------

    def number(self, key: Identity) -> int:
        """The guest's inode number of a host file."""
        number = self._numbers.get(key)
        if number is None:
            self._last_number += 1
            number = self._numbers[key] = self._last_number
        return number

    def inode(self, status: os.stat_result, parent: HostInode | None, name: bytes) -> HostInode:
        """The inode of a host file that was just seen as ``name`` in ``parent``."""
        key = identity(status)
        inode = self._inodes.get(key)
        if inode is None or (inode.mode ^ status.st_mode) & S_IFMT:
            inode = self._inodes[key] = self._make(self, status, parent, name)
        else:
            if inode.parent is not None:  # the top stays the top, even if seen below itself
                inode.parent, inode.place = parent, name
            inode.apply(status)
        return inode

    def forget(self, inode: HostInode) -> None:
        """A file is gone for good; its number on the host may come back as another one."""
        if self._inodes.get(inode.key) is inode:
            del self._inodes[inode.key]
        self._numbers.pop(inode.key, None)
        self.drop_descriptor(inode)

    def keep_created(self, inode: HostInode, fd: int) -> None:
        """A file was just created, open as ``fd``: the open that follows uses it, if one does."""
        self.settle_created(None)
        self.contents.get(inode.key).adopt(fd)
        self._created = inode

    def settle_created(self, opened: HostInode | None) -> None:
        """``opened`` was opened, or another file is created: nothing is kept any longer."""
        created, self._created = self._created, None
        if created is not None and created is not opened:
            self.contents.get(created.key).idle()

    # -- directories -----------------------------------------------------------------------------

    def descriptor(self, directory: HostInode) -> int:
        """A descriptor to walk on from; valid until the next but one is asked for."""
        if directory.parent is None:
            return self.top
        fd = self._open.pop(directory, -1)
        if fd < 0:
            fd = self._walk_down(directory)
            while len(self._open) >= DIRECTORIES_OPEN:
                oldest = next(iter(self._open))
                os.close(self._open.pop(oldest))
        self._open[directory] = fd
        return fd

    def _walk_down(self, directory: HostInode) -> int:
        """From the nearest open ancestor, step by step, comparing identities; the last is kept."""
        way = [directory]
        above = directory.parent
        while above is not None and above.parent is not None and above not in self._open:
            way.append(above)
            above = above.parent
        fd = self.top if above is None or above.parent is None else self._open[above]
        borrowed = True
        try:
            for inode in reversed(way):
                below = self._step(fd, inode)
                if not borrowed:
                    os.close(fd)
                fd, borrowed = below, False
        except BaseException:
            if not borrowed:
                os.close(fd)
            raise
        return fd

    def _step(self, fd: int, inode: HostInode) -> int:
        check_step(inode.place)
        with HOST:
            below = open_directory(fd, inode.place)
            if identity(os.fstat(below)) == inode.key:
                return below
            os.close(below)
        raise ENOENT("%r is another directory by now", inode.place)

    def drop_descriptor(self, inode: HostInode) -> None:
        """Do not keep a directory open that is being removed."""
        fd = self._open.pop(inode, -1)
        if fd >= 0:
            os.close(fd)

    def check_writable(self) -> None:
        """EROFS on a read-only volume."""
        if self.read_only:
            raise EROFS("the volume was mounted read-only (-v HOST:GUEST:ro)")

    # -- the file system -------------------------------------------------------------------------

    def statfs(self) -> StatFs:
        """The host's free space."""
        with HOST:
            host = os.statvfs(self.top)
        size = host.f_frsize or host.f_bsize
        return StatFs(
            HOSTFS_MAGIC, size, host.f_blocks, host.f_bfree, host.f_bavail,
            host.f_files, host.f_ffree, host.f_namemax,
        )  # fmt: skip

    def close(self) -> None:
        """Give every descriptor back.  Contents belong to the machine and are closed by it."""
        self.settle_created(None)
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()
        if self.top >= 0:
            os.close(self.top)
            self.top = -1


def kind_of(status: os.stat_result) -> str:
    """'directory', 'file', 'link', or 'special'."""
    mode = status.st_mode
    if S_ISDIR(mode):
        return "directory"
    if S_ISREG(mode):
        return "file"
    return "link" if S_ISLNK(mode) else "special"
