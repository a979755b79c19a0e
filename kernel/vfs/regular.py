"""Open regular files: position, O_APPEND, limits, times; the inode moves the bytes.

A file system whose regular files have ``read_at`` and ``write_at`` needs no open file of its own.
See read(2), write(2).  Linux: ``generic_file_read_iter``, ``generic_write_checks``.
"""

from __future__ import annotations

from typing import Final

from kernel.abi.files import IN_ACCESS, IN_MODIFY, MS_NOATIME, MS_RDONLY, O_APPEND, O_NOATIME
from kernel.cred import RLIMIT_FSIZE
from kernel.mm.buffer import Buffer
from kernel.vfs.attributes import write_room
from kernel.vfs.caller import Caller
from kernel.vfs.dentry import Path
from kernel.vfs.inode import Inode
from kernel.vfs.notify import notify_file
from kernel.vfs.openfile import SeekableFile
from kernel.vfs.permissions import clear_setid

_DAY_NS: Final = 24 * 3600 * 1_000_000_000


class RegularInode(Inode):
    """An inode with contents."""

    __slots__ = ()

    def read_at(self, at: int, buf: Buffer) -> int:
        """Copy from offset ``at`` to the buffer, up to the end of the file."""
        raise NotImplementedError

    def write_at(self, at: int, buf: Buffer, count: int) -> int:
        """Copy ``count`` bytes from the buffer to offset ``at``; set size, mtime and ctime.

        Less if the buffer faults or the space ends midway; an error only if nothing was written.
        """
        raise NotImplementedError


class RegularFile(SeekableFile):
    """An open regular file."""

    __slots__ = ("_contents", "_keeps_atime")

    def __init__(self, inode: RegularInode, path: Path, flags: int) -> None:
        super().__init__(inode, path, flags)
        self._contents = inode
        self._keeps_atime = self._is_quiet()

    def _is_quiet(self) -> bool:
        quiet = self.path.mount.flags & (MS_NOATIME | MS_RDONLY)
        return bool(quiet or self.flags & O_NOATIME or not self.inode.sb.atime)

    def set_flags(self, caller: Caller, flags: int) -> None:
        super().set_flags(caller, flags)
        self._keeps_atime = self._is_quiet()

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int:
        if pos is None:
            count = self._contents.read_at(self.pos, buf)
            self.pos += count
        else:
            count = self._contents.read_at(pos, buf)
        if not self._keeps_atime:
            touch_atime(self.inode)
        if count and self.inode.sb.watched:
            notify_file(self.path.dentry, IN_ACCESS)
        return count

    def write(self, caller: Caller, buf: Buffer, pos: int | None) -> int:
        count = buf.remaining
        if not count:
            return 0
        inode = self._contents
        at = self.pos if pos is None else pos
        if self.flags & O_APPEND:  # for pwrite(2) as well, against POSIX; see its BUGS
            inode.refresh()
            at = inode.size
        if at + count > caller.limits.values[RLIMIT_FSIZE][0] or at + count >> 63:
            count = write_room(caller, at, count)
        if inode.mode & 0o6000:
            clear_setid(caller.cred, inode)
        written = inode.write_at(at, buf, count)
        if pos is None:
            self.pos = at + written
        if inode.sb.watched:
            notify_file(self.path.dentry, IN_MODIFY)
        return written


def touch_atime(inode: Inode) -> None:
    """Set the access time if it is older than the last change, or a day old (relatime)."""
    atime = inode.atime
    if atime <= inode.mtime or atime <= inode.ctime:
        inode.atime = inode.sb.now()
    else:
        now = inode.sb.now()
        if now - atime > _DAY_NS:
            inode.atime = now
