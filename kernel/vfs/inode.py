"""Inodes and super blocks: what a file system implements.

A file system is a ``SuperBlock`` and a few subclasses of ``Inode``.  The base class answers every
operation with the error Linux gives for a file that cannot do it, so a subclass overrides only
what it can do.  The operations in kernel.vfs have checked permissions, read-only mounts, name
lengths and existing names before they call an inode; an inode only does the work.

Names are ``bytes``; times are ns since the epoch; ``mode`` contains the file type.
See inode(7), stat(2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi.errors import (
    EACCES,
    EINVAL,
    EIO,
    EISDIR,
    ENODEV,
    ENOTDIR,
    ENXIO,
    EOPNOTSUPP,
    EPERM,
    ETXTBSY,
    Count,
)
from kernel.abi.files import (
    S_IFBLK,
    S_IFCHR,
    S_IFDIR,
    S_IFIFO,
    S_IFLNK,
    S_IFMT,
    S_IFREG,
    S_IFSOCK,
    TMPFS_MAGIC,
)
from kernel.wait import Blocking

if TYPE_CHECKING:
    from kernel.mm.pager import Pager
    from kernel.vfs.caller import Caller
    from kernel.vfs.dentry import Path
    from kernel.vfs.locks import LockTable
    from kernel.vfs.notify import Mark
    from kernel.vfs.openfile import OpenFile

BLOCK_SIZE = 4096
_KINDS: Final = {
    S_IFDIR: "a directory", S_IFREG: "a regular file", S_IFLNK: "a symbolic link",
    S_IFIFO: "a FIFO", S_IFSOCK: "a socket", S_IFCHR: "a character device",
    S_IFBLK: "a block device",
}  # fmt: skip


class StatFs(NamedTuple):
    """What statfs(2) tells about a file system; sizes in blocks of ``bsize``."""

    type: int
    bsize: int
    blocks: int
    bfree: int
    bavail: int
    files: int
    ffree: int
    namelen: int = 255


class DirEntry(NamedTuple):
    """One entry of a directory, as getdents64(2) shows it."""

    name: bytes
    ino: int
    type: int  # DT_*: mode >> 12


class SuperBlock:
    """One instance of a file system: its device number, its inode numbers, its clock.

    ``volatile``: names may change behind our back (host directories, /proc), so the walk asks
    the inode on each lookup instead of trusting the dentry.  ``watched``: who wants to know what
    happens to which inode (kernel.vfs.notify); mostly empty.  Linux: ``struct super_block``.
    """

    __slots__ = ("dev", "fstype", "magic", "moves", "next_ino", "now", "options", "root", "source",
                 "watched")  # fmt: skip

    volatile = False
    blksize = BLOCK_SIZE  # st_blksize: how much to read at once
    atime = True  # does reading update access times (memory file systems: yes, /proc: no)

    def __init__(
        self, fstype: bytes, dev: int, now: Callable[[], int], magic: int = TMPFS_MAGIC
    ) -> None:
        self.fstype = fstype
        self.dev = dev
        self.now = now
        self.magic = magic
        self.next_ino = 1
        self.source = fstype
        self.options = b""
        self.watched: dict[Inode, list[Mark]] = {}
        self.moves = 0  # renames somebody may have been told of
        self.root: Inode

    def new_ino(self) -> int:
        """Numbers are never reused, so that a trace can tell files apart."""
        ino = self.next_ino
        self.next_ino = ino + 1
        return ino

    def statfs(self) -> StatFs:
        """Free space; a file system without storage says 0 everywhere, as Linux does."""
        return StatFs(self.magic, BLOCK_SIZE, 0, 0, 0, 0, 0)

    def sync(self) -> None:
        """Write everything back; nothing to do for what lives in memory."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.fstype.decode('latin-1')} dev={self.dev:#x}>"


class Inode:
    """One file.  Subclasses: regular files, directories, symbolic links, devices, FIFOs.

    The scalar fields are plain attributes, read without a call by stat(2); a file system whose
    truth is elsewhere (the host) overrides ``refresh``, which is called before they are shown.

    ``writers`` counts open descriptions that may write; negative: that many running programs deny
    it (ETXTBSY).  ``opens`` counts open descriptions; when it and ``nlink`` are 0 the inode is
    evicted.  ``locks`` is made at the first lock.  Linux: ``struct inode``.
    """

    __slots__ = (
        "atime", "blocks", "btime", "ctime", "exec_cache", "gid", "ino", "linkable", "locks",
        "mode", "mtime", "nlink", "opens", "rdev", "sb", "size", "uid", "writers",
    )  # fmt: skip

    def __init__(self, sb: SuperBlock, mode: int, uid: int = 0, gid: int = 0) -> None:
        self.sb = sb
        self.ino = sb.new_ino()
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.nlink = 1
        self.rdev = 0
        self.size = 0
        self.blocks = 0  # of 512 bytes
        self.atime = self.mtime = self.ctime = self.btime = sb.now()
        self.opens = 0
        self.linkable = False  # made by O_TMPFILE without O_EXCL: linkat(2) may name it
        self.writers = 0
        self.locks: LockTable | None = None
        self.exec_cache: object | None = None  # the parsed ELF; whoever changes the file drops it

    @property
    def blksize(self) -> int:
        """How much to read at once (st_blksize)."""
        return self.sb.blksize

    @property
    def kind(self) -> str:
        """Its type in words: 'a directory', 'a regular file'."""
        return _KINDS.get(self.mode & S_IFMT, "a file without a type")

    @property
    def dev(self) -> int:
        """The device number of the file system."""
        return self.sb.dev

    @property
    def sealed(self) -> bool:
        """Must no new shared mapping write (memfd seals; mmap(2), EPERM)?"""
        return False

    def refresh(self) -> None:
        """Bring the scalar fields up to date.  Nothing to do where they are the truth."""

    # -- names in a directory ------------------------------------------------------------------

    def lookup(self, name: bytes) -> Inode | None:
        """The inode called ``name`` in this directory, or None.  Never '.', '..' or ''."""
        raise ENOTDIR("'%s' is looked up in %s", name, self.kind)

    def entries(self, caller: Caller) -> list[DirEntry]:
        """All names except '.' and '..', in a stable order."""
        raise ENOTDIR("the file is %s and lists no names", self.kind)

    def create(self, name: bytes, mode: int, uid: int, gid: int) -> Inode:
        """Make a regular file."""
        raise EACCES("only the kernel makes files in a file system of type %s", self.sb.fstype)

    def mkdir(self, name: bytes, mode: int, uid: int, gid: int) -> Inode:
        """Make a directory."""
        raise EPERM("the file system %s cannot create directories", self.sb.fstype)

    def mknod(self, name: bytes, mode: int, rdev: int, uid: int, gid: int) -> Inode:
        """Make a device node, FIFO or socket."""
        raise EPERM("the file system %s cannot create special files", self.sb.fstype)

    def symlink(self, name: bytes, target: bytes, uid: int, gid: int) -> Inode:
        """Make a symbolic link."""
        raise EPERM("the file system %s cannot create symbolic links", self.sb.fstype)

    def link(self, name: bytes, inode: Inode) -> None:
        """Give ``inode`` (of the same file system) another name here."""
        raise EPERM("the file system %s cannot create hard links", self.sb.fstype)

    def tmpfile(self, mode: int, uid: int, gid: int) -> Inode:
        """Make a regular file without a name (O_TMPFILE)."""
        raise EOPNOTSUPP("the file system %s has no unnamed files", self.sb.fstype)

    def unlink(self, name: bytes, inode: Inode) -> None:
        """Remove a name that is not a directory."""
        raise EPERM("the file system %s cannot remove files", self.sb.fstype)

    def rmdir(self, name: bytes, inode: Inode) -> None:
        """Remove an empty directory (ENOTEMPTY)."""
        raise EPERM("the file system %s cannot remove directories", self.sb.fstype)

    def rename(
        self, name: bytes, inode: Inode, to: Inode, new_name: bytes, target: Inode | None,
        exchange: bool,
    ) -> None:  # fmt: skip
        """Move ``inode`` from ``name`` here to ``new_name`` in directory ``to``, atomically.

        ``target`` is what has that name now: replaced (ENOTEMPTY if it is a full directory), or
        swapped with ``exchange``.
        """
        raise EPERM("the file system %s cannot rename", self.sb.fstype)

    # -- links ---------------------------------------------------------------------------------

    def readlink(self, caller: Caller) -> bytes:
        """The text of a symbolic link."""
        raise EINVAL("the file is %s, not a symbolic link", self.kind)

    def follow(self, caller: Caller) -> Path | None:
        """Where a magic link (/proc/PID/fd/N, cwd, exe, root) leads; None for ordinary links."""
        return None

    # -- attributes: permissions are checked, set ctime yourself ---------------------------------

    def set_mode(self, mode: int) -> None:
        """chmod: ``mode`` is the new 07777 part."""
        self.mode = (self.mode & S_IFMT) | mode
        self.ctime = self.sb.now()

    def set_owner(self, uid: int, gid: int, mode: int) -> None:
        """chown: final values; ``mode`` is the new 07777 part (set-id bits may have gone)."""
        self.uid = uid
        self.gid = gid
        self.mode = (self.mode & S_IFMT) | mode
        self.ctime = self.sb.now()

    def set_times(self, atime: int | None, mtime: int | None) -> None:
        """utimensat: None leaves a time alone."""
        if atime is not None:
            self.atime = atime
        if mtime is not None:
            self.mtime = mtime
        self.ctime = self.sb.now()

    def truncate(self, size: int) -> None:
        """Set the size of a regular file."""
        if self.mode & S_IFMT == S_IFDIR:
            raise EISDIR("a directory has no size to set")
        raise EINVAL("the file is %s, which has no size to set", self.kind)

    def fallocate(self, mode: int, offset: int, length: int) -> None:
        """Reserve or punch; see fallocate(2)."""
        if self.mode & S_IFMT == S_IFDIR:
            raise EISDIR("a directory has no blocks to reserve")
        raise ENODEV("the file is %s, which has no blocks to reserve", self.kind)

    # -- extended attributes -------------------------------------------------------------------

    def get_xattr(self, name: bytes) -> bytes:
        """One attribute (ENODATA)."""
        raise EOPNOTSUPP("the file system %s has no extended attributes", self.sb.fstype)

    def set_xattr(self, name: bytes, value: bytes, flags: int) -> None:
        """Set one; XATTR_CREATE (EEXIST), XATTR_REPLACE (ENODATA)."""
        raise EOPNOTSUPP("the file system %s has no extended attributes", self.sb.fstype)

    def remove_xattr(self, name: bytes) -> None:
        """Remove one (ENODATA)."""
        raise EOPNOTSUPP("the file system %s has no extended attributes", self.sb.fstype)

    def list_xattr(self) -> list[bytes]:
        """All names."""
        return []

    # -- contents --------------------------------------------------------------------------------

    def open(self, caller: Caller, path: Path, flags: int) -> OpenFile | Blocking[OpenFile]:
        """A new open file for this inode.  Permissions are checked; O_TRUNC is done by the vfs."""
        raise ENXIO("the file is %s, with nothing behind it to open", self.kind)

    def pager(self) -> Pager | None:
        """Who supplies the pages of a mapping; None: mmap is ENODEV."""
        return None

    def fsync(self, data_only: bool) -> None:
        """Write back to storage; memory has none."""

    def evict(self) -> None:
        """The last name and the last open file are gone: give the storage back."""

    def describe(self) -> dict[str, object]:
        """Plain data for the inspector."""
        return {"ino": self.ino, "mode": oct(self.mode), "size": self.size, "nlink": self.nlink}

    # -- the programs that run from it -----------------------------------------------------------

    def deny_write(self) -> None:
        """A program starts to run from this file.  ETXTBSY if it is open for writing (execve)."""
        if self.writers > 0:
            raise ETXTBSY("the file is open for writing (%s)", Count(self.writers, "file", "files"))
        self.writers -= 1

    def allow_write(self) -> None:
        """That program is gone."""
        if self.writers >= 0:
            raise EIO("allow_write without deny_write")
        self.writers += 1

    def __repr__(self) -> str:
        facts = f"mode={self.mode:o} size={self.size} nlink={self.nlink}"
        return f"<{type(self).__name__} {self.ino} {facts}>"
