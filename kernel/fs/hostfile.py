"""Regular files of a volume, and how a volume is made.

The contents are a ``HostContent``, shared by all names and volumes that lead to the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.abi.errors import EINVAL, ENOENT, ENXIO, EOPNOTSUPP
from kernel.abi.files import O_ACCMODE, O_RDONLY, O_WRONLY, SEEK_DATA, SEEK_HOLE
from kernel.fs.hostcalls import HOST, identity, open_entry, step_stat
from kernel.fs.hostcontent import HostContent, HostContents
from kernel.fs.hostfs import HostFs, HostInode, kind_of
from kernel.fs.hostnodes import HostDirectory, HostLink, HostNode, HostSpecial
from kernel.vfs.caller import Caller
from kernel.vfs.dentry import Path
from kernel.vfs.regular import RegularFile, RegularInode

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.mm.pager import Pager


class HostFile(HostNode, RegularInode):
    """A regular file of the host."""

    __slots__ = ("_content",)

    def __init__(
        self, sb: HostFs, status: os.stat_result, parent: HostInode | None, place: bytes
    ) -> None:
        super().__init__(sb, status, parent, place)
        self._content: HostContent | None = None

    @property
    def content(self) -> HostContent:
        """Its contents; most files that are seen are never opened."""
        content = self._content
        if content is None:
            content = self._content = self.sb.contents.get(self.key)
        return content

    # -- opening ---------------------------------------------------------------------------------

    def opener(self, flags: int) -> int:
        """Open it on the host by its name, if that still is this very file."""
        if flags != os.O_RDONLY:
            self.sb.check_writable()
        parent = self.directory()
        with HOST:
            fd = open_entry(parent, self.place, flags)
            status = os.fstat(fd)
            if identity(status) == self.key:
                return fd
            os.close(fd)
        raise ENOENT("%r is another file by now", self.place)

    def open(self, caller: Caller, path: Path, flags: int) -> HostOpenFile:
        """The host's present contents, as the flags allow."""
        if self.parent is None:
            self._follow_replacement()
        mode = flags & O_ACCMODE
        read, write = mode != O_WRONLY, mode != O_RDONLY
        if write:
            self.sb.check_writable()
        self.content.acquire(self.opener, read, write)
        self.sb.settle_created(self)
        self.content.pages.validate()
        self.refresh()
        return HostOpenFile(self, path, flags)

    def _follow_replacement(self) -> None:
        """A volume that is one file means its name: editors replace a file when they save it."""
        if self.content.fd >= 0:
            return
        try:
            with HOST:
                status = step_stat(self.sb.top, self.place)
        except ENOENT:
            return
        if identity(status) != self.key and kind_of(status) == "file":
            self.sb.contents.forget(self.key)
            self.key = identity(status)
            self._content = None
            self.exec_cache = None
        self.apply(status)

    def refresh(self) -> None:
        """By an open descriptor if there is one: the name may be gone."""
        fd = self._content.fd if self._content is not None else -1
        if fd < 0:
            if self.parent is None:
                self._follow_replacement()
            else:
                super().refresh()
            return
        with HOST:
            self.apply(os.fstat(fd))

    # -- contents --------------------------------------------------------------------------------

    def read_at(self, at: int, buf: Buffer) -> int:
        """From the host, and from mapped pages first."""
        return self.content.read(at, buf)

    def write_at(self, at: int, buf: Buffer, count: int) -> int:
        """To the host at once, and to mapped pages."""
        self.exec_cache = None
        moved = self.content.write(at, buf, count)
        self.size = max(self.size, at + moved)
        self.mtime = self.ctime = self.sb.now()
        return moved

    def truncate(self, size: int) -> None:
        """ftruncate(2), also for truncate(2) by name."""
        self.sb.check_writable()
        self.exec_cache = None
        self.content.acquire(self.opener, False, True)
        try:
            self.content.truncate(size)
            self.refresh()
        finally:
            self.content.release(False, True)

    def fallocate(self, mode: int, offset: int, length: int) -> None:
        """Reserve space; holes are not punched on the host."""
        self.sb.check_writable()
        if mode or not hasattr(os, "posix_fallocate"):
            raise EOPNOTSUPP("fallocate mode %#x on a volume", mode)
        self.content.acquire(self.opener, False, True)
        try:
            with HOST:
                os.posix_fallocate(self.content.write_fd, offset, length)
            self.content.pages.wrote()
            self.refresh()
        finally:
            self.content.release(False, True)

    def pager(self) -> Pager:
        """The cache, after a look whether the host changed the file."""
        self.content.pages.validate()
        return self.content.pages

    def fsync(self, data_only: bool) -> None:
        """Mapped pages to the host, the host's to its disk."""
        self.content.sync(data_only)

    def evict(self) -> None:
        """The last name and the last open file are gone."""
        self.sb.contents.forget(self.key)
        self.sb.forget(self)


class HostOpenFile(RegularFile):
    """An open file of a volume: keeps the host's descriptor open, and knows the host's holes."""

    __slots__ = ("_content",)

    def __init__(self, inode: HostFile, path: Path, flags: int) -> None:
        super().__init__(inode, path, flags)
        self._content: HostContent = inode.content

    def seek_data(self, offset: int, whence: int) -> int:
        """SEEK_DATA, SEEK_HOLE as the host has them; ENXIO past the end.  See lseek(2)."""
        if whence not in (SEEK_DATA, SEEK_HOLE):
            raise EINVAL("whence %s", whence)
        if offset < 0:
            raise ENXIO("negative offset")
        with HOST:
            return os.lseek(self._content.fd, offset, whence)

    def release(self) -> None:
        """The last descriptor and mapping are gone: what they wrote is on the host."""
        self._content.release(self.readable, self.writable)


def _make(sb: HostFs, status: os.stat_result, parent: HostInode | None, name: bytes) -> HostInode:
    kinds: dict[str, Callable[..., HostInode]] = {
        "directory": HostDirectory,
        "file": HostFile,
        "link": HostLink,
        "special": HostSpecial,
    }
    return kinds[kind_of(status)](sb, status, parent, name)


def make_hostfs(
    host: str | bytes,
    dev: int,
    now: Callable[[], int],
    contents: HostContents,
    owner: tuple[int, int] = (0, 0),
    read_only: bool = False,
) -> HostFs:
    """A volume: ``host`` is a directory or one file; ``owner`` the guest's start user.

    Raises ENOENT and what else the host says.
    """
    return HostFs(host, dev, now, contents, _make, owner, read_only)
