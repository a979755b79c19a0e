"""Open directories: getdents(2), lseek(2) on a directory.

The list of names is taken when reading begins, at position 0, and kept: what is added or removed
meanwhile may or may not be shown, as POSIX has it, but nothing is shown twice or left out.  The
position is an index into that list.
"""

from __future__ import annotations

from kernel.abi.errors import EINVAL, EISDIR, ENOENT
from kernel.abi.files import DT_DIR, MAX_OFFSET, SEEK_CUR, SEEK_SET
from kernel.mm.buffer import Buffer
from kernel.vfs.caller import Caller
from kernel.vfs.dentry import Path
from kernel.vfs.inode import DirEntry, Inode
from kernel.vfs.openfile import OpenFile


class DirectoryFile(OpenFile):
    """An open directory of any file system: the inode lists the names."""

    __slots__ = ("_names",)

    def __init__(self, inode: Inode, path: Path, flags: int) -> None:
        super().__init__(inode, path, flags)
        self._names: list[DirEntry] | None = None

    @property
    def seekable(self) -> bool:
        """Yes, though reading is EISDIR before that matters."""
        return True

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int:
        raise EISDIR("%s is a directory, which getdents64 reads", self.path)

    def seek(self, caller: Caller, offset: int, whence: int) -> int:
        """Only SEEK_SET and SEEK_CUR, as in Linux's dcache_dir_lseek."""
        if whence not in (SEEK_SET, SEEK_CUR):
            raise EINVAL("whence is %s: directories know SEEK_SET and SEEK_CUR", whence)
        new = offset + self.pos if whence == SEEK_CUR else offset
        if not 0 <= new <= MAX_OFFSET:
            raise EINVAL("the new position would be %s", new)
        self.pos = new
        return new

    def listing(self, caller: Caller) -> list[DirEntry]:
        """'.', '..' and the names; taken anew at position 0."""
        if self._names is None or self.pos == 0:
            if self.path.dentry.unlinked:
                raise ENOENT("%s was removed", self.path)
            self._names = [
                DirEntry(b".", self.inode.ino, DT_DIR),
                DirEntry(b"..", self._parent_ino(), DT_DIR),
                *self.inode.entries(caller),
            ]
        return self._names

    def _parent_ino(self) -> int:
        mount, dentry = self.path.mount, self.path.dentry
        while dentry is mount.root and mount.parent is not None:
            mount, dentry = mount.parent, mount.mountpoint
        return dentry.parent.inode.ino

    def fsync(self, caller: Caller, data_only: bool) -> None:
        self.inode.fsync(data_only)
