"""tmpfs: files in guest memory.  See tmpfs(5).

Contents are frames (``pages.py``), counted against the mount's size; names are a dict per
directory.  Linux: mm/shmem.c, fs/libfs.c.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from kernel.abi.errors import (
    EEXIST,
    EINVAL,
    ENODATA,
    ENOSPC,
    ENOTEMPTY,
    ENXIO,
    EOPNOTSUPP,
    Count,
)
from kernel.abi.files import (
    FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_PUNCH_HOLE,
    FALLOC_FL_ZERO_RANGE,
    S_IFDIR,
    S_IFIFO,
    S_IFLNK,
    S_IFMT,
    S_IFREG,
    S_IFSOCK,
    SEEK_DATA,
    SEEK_HOLE,
    TMPFS_MAGIC,
    XATTR_CREATE,
    XATTR_LIST_MAX,
    XATTR_REPLACE,
    XATTR_SIZE_MAX,
)
from kernel.fs.fifo import Fifo
from kernel.fs.pages import FilePages, SpaceBudget
from kernel.mm.buffer import Buffer
from kernel.mm.frames import Frames
from kernel.mm.pager import Pager
from kernel.vfs.caller import Caller
from kernel.vfs.dentry import Path
from kernel.vfs.directory import DirectoryFile
from kernel.vfs.inode import BLOCK_SIZE, DirEntry, Inode, StatFs, SuperBlock
from kernel.vfs.mount import MountTable
from kernel.vfs.openfile import OpenFile
from kernel.vfs.regular import RegularFile, RegularInode, touch_atime
from kernel.wait import Blocking

DIRENT_SIZE: Final = 20
"""What one name adds to the size of a directory (BOGO_DIRENT_SIZE)."""
XATTR_ROOM: Final = XATTR_SIZE_MAX + XATTR_LIST_MAX
"""All attributes of one file together."""


class Tmpfs(SuperBlock):
    """One instance.  ``size`` in bytes (0: no limit), default half of RAM; so many inodes too."""

    __slots__ = ("budget", "frames", "inode_limit", "inodes")

    def __init__(
        self, frames: Frames, dev: int, now: Callable[[], int], size: int | None = None,
        mode: int = 0o1777, uid: int = 0, gid: int = 0, inodes: int | None = None,
        fstype: bytes = b"tmpfs",
    ) -> None:  # fmt: skip
        super().__init__(fstype, dev, now, TMPFS_MAGIC)
        self.frames = frames
        half = frames.total // 2
        self.budget = SpaceBudget(half if size is None else -(-size // BLOCK_SIZE))
        self.inode_limit = half if inodes is None else inodes
        self.inodes = 0
        self.root: Inode = TmpfsDirectory(self, S_IFDIR | mode, uid, gid)

    def statfs(self) -> StatFs:
        """All zero without a limit, as Linux says it."""
        limit, used = self.budget.limit, self.budget.used
        free = min(limit - used, self.frames.free_count) if limit else 0
        return StatFs(
            TMPFS_MAGIC, BLOCK_SIZE, limit, free, free, self.inode_limit,
            self.inode_limit - self.inodes if self.inode_limit else 0,
        )  # fmt: skip


def shared_pages(mounts: MountTable | None) -> int:
    """Pages of tmpfs files over all mounts: Shmem in /proc/meminfo."""
    seen = mounts.mounts if mounts is not None else ()
    return sum({m.sb.dev: m.sb.budget.used for m in seen if isinstance(m.sb, Tmpfs)}.values())


class _TmpfsInode(Inode):
    """What all inodes of tmpfs have: extended attributes, a place in the count.

    Invariant: ``xattr_pages`` of the budget pay for ``xattrs``, which lie outside of guest memory.
    """

    __slots__ = ("evicted", "xattr_pages", "xattrs")

    sb: Tmpfs

    def __init__(self, sb: Tmpfs, mode: int, uid: int, gid: int) -> None:
        if sb.inode_limit and sb.inodes >= sb.inode_limit:
            raise ENOSPC("file system of %s inodes is full", sb.inode_limit)
        super().__init__(sb, mode, uid, gid)
        sb.inodes += 1
        self.evicted = False
        self.xattrs: dict[bytes, bytes] | None = None
        self.xattr_pages = 0

    def evict(self) -> None:
        if not self.evicted:  # a removed directory can be opened again through '.'
            self.evicted = True
            self.sb.inodes -= 1
            self.sb.budget.take(-self.xattr_pages)

    def get_xattr(self, name: bytes) -> bytes:
        value = (self.xattrs or {}).get(name)
        if value is None:
            raise ENODATA("no attribute %r", name)
        return value

    def set_xattr(self, name: bytes, value: bytes, flags: int) -> None:
        xattrs = self.xattrs if self.xattrs is not None else {}
        if flags & XATTR_CREATE and name in xattrs:
            raise EEXIST("attribute %r exists", name)
        if flags & XATTR_REPLACE and name not in xattrs:
            raise ENODATA("no attribute %r", name)
        self._keep_xattrs({**xattrs, name: value})

    def remove_xattr(self, name: bytes) -> None:
        self.get_xattr(name)
        self._keep_xattrs({n: v for n, v in (self.xattrs or {}).items() if n != name})

    def _keep_xattrs(self, xattrs: dict[bytes, bytes]) -> None:
        size = sum(len(name) + len(value) for name, value in xattrs.items())
        if size > XATTR_ROOM:
            raise ENOSPC("extended attributes of %s bytes", size)
        pages = -(-size // BLOCK_SIZE)
        self.sb.budget.take(pages - self.xattr_pages)
        self.xattrs, self.xattr_pages = xattrs, pages
        self.ctime = self.sb.now()

    def list_xattr(self) -> list[bytes]:
        return sorted(self.xattrs or ())


class TmpfsFile(_TmpfsInode, RegularInode):
    """A regular file."""

    __slots__ = ("contents",)

    def __init__(self, sb: Tmpfs, mode: int, uid: int, gid: int) -> None:
        super().__init__(sb, mode, uid, gid)
        self.contents = FilePages(sb.frames, sb.budget, self)

    def read_at(self, at: int, buf: Buffer) -> int:
        return self.contents.read(at, buf)

    def write_at(self, at: int, buf: Buffer, count: int) -> int:
        self.exec_cache = None
        return self.contents.write(at, buf, count)

    def truncate(self, size: int) -> None:
        self.exec_cache = None
        self.contents.truncate(size)

    def fallocate(self, mode: int, offset: int, length: int) -> None:
        """Reserve, punch or zero; collapsing and inserting is for file systems with extents."""
        end = offset + length
        if mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE):
            raise EOPNOTSUPP("fallocate mode %#x", mode)
        if mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE):
            self.exec_cache = None
            self.contents.punch(offset, end)
        if not mode & FALLOC_FL_PUNCH_HOLE:
            self.contents.allocate(offset, end)
            if not mode & FALLOC_FL_KEEP_SIZE and end > self.size:
                self.size = end
        self.mtime = self.ctime = self.sb.now()

    def open(self, caller: Caller, path: Path, flags: int) -> OpenFile:
        return TmpfsOpenFile(self, path, flags)

    def pager(self) -> Pager:
        return self.contents

    def evict(self) -> None:
        self.contents.clear()
        super().evict()


class TmpfsOpenFile(RegularFile):
    """An open tmpfs file: a regular file that knows its holes."""

    __slots__ = ()

    def seek_data(self, offset: int, whence: int) -> int:
        """SEEK_DATA, SEEK_HOLE; ENXIO at or past the end.  See lseek(2)."""
        if whence not in (SEEK_DATA, SEEK_HOLE):
            raise EINVAL("whence %s", whence)
        inode = self.inode
        if offset < 0 or offset >= inode.size:
            raise ENXIO("offset %d is not in the file, which has %d bytes", offset, self.inode.size)
        assert isinstance(inode, TmpfsFile)
        if whence == SEEK_HOLE:
            return inode.contents.next_hole(offset)
        found = inode.contents.next_data(offset)
        if found is None or found >= inode.size:
            raise ENXIO("there is no data from offset %d on", offset)
        return found


class TmpfsLink(_TmpfsInode):
    """A symbolic link."""

    __slots__ = ("target",)

    def __init__(self, sb: Tmpfs, target: bytes, uid: int, gid: int) -> None:
        super().__init__(sb, S_IFLNK | 0o777, uid, gid)
        self.target = target
        self.size = len(target)

    def readlink(self, caller: Caller) -> bytes:
        if self.sb.atime:
            touch_atime(self)
        return self.target


class TmpfsFifo(_TmpfsInode):
    """A FIFO; see fifo(7)."""

    __slots__ = ("fifo",)

    def __init__(self, sb: Tmpfs, mode: int, uid: int, gid: int) -> None:
        super().__init__(sb, mode, uid, gid)
        self.fifo = Fifo()

    def open(self, caller: Caller, path: Path, flags: int) -> OpenFile | Blocking[OpenFile]:
        return self.fifo.open(self, path, flags)


class TmpfsDevice(_TmpfsInode):
    """A device node, or the name of a socket."""

    __slots__ = ()

    def open(self, caller: Caller, path: Path, flags: int) -> OpenFile | Blocking[OpenFile]:
        if self.mode & S_IFMT == S_IFSOCK:
            raise ENXIO("%s is a socket, which is not opened but connected to", path)
        return caller.fs.mounts.devices.open(caller, self, path, flags)


class TmpfsDirectory(_TmpfsInode):
    """A directory.

    Invariants: ``nlink`` is 2 and one per subdirectory; ``size`` follows the number of names.
    """

    __slots__ = ("names",)

    def __init__(self, sb: Tmpfs, mode: int, uid: int, gid: int) -> None:
        super().__init__(sb, mode, uid, gid)
        self.names: dict[bytes, Inode] = {}
        self.nlink = 2
        self.size = 2 * DIRENT_SIZE

    def lookup(self, name: bytes) -> Inode | None:
        return self.names.get(name)

    def entries(self, caller: Caller) -> list[DirEntry]:
        return [DirEntry(name, i.ino, i.mode >> 12) for name, i in self.names.items()]

    def open(self, caller: Caller, path: Path, flags: int) -> OpenFile:
        return DirectoryFile(self, path, flags)

    def _add(self, name: bytes, inode: Inode) -> Inode:
        self.names[name] = inode
        self.size += DIRENT_SIZE
        self.mtime = self.ctime = self.sb.now()
        return inode

    def _remove(self, name: bytes) -> None:
        del self.names[name]
        self.size -= DIRENT_SIZE
        self.mtime = self.ctime = self.sb.now()

    def create(self, name: bytes, mode: int, uid: int, gid: int) -> Inode:
        return self._add(name, TmpfsFile(self.sb, mode, uid, gid))

    def tmpfile(self, mode: int, uid: int, gid: int) -> Inode:
        inode = TmpfsFile(self.sb, mode, uid, gid)
        inode.nlink = 0
        return inode

    def mkdir(self, name: bytes, mode: int, uid: int, gid: int) -> Inode:
        inode = self._add(name, TmpfsDirectory(self.sb, mode, uid, gid))
        self.nlink += 1
        return inode

    def mknod(self, name: bytes, mode: int, rdev: int, uid: int, gid: int) -> Inode:
        if mode & S_IFMT == S_IFREG:
            return self.create(name, mode, uid, gid)
        kind = TmpfsFifo if mode & S_IFMT == S_IFIFO else TmpfsDevice
        inode = kind(self.sb, mode, uid, gid)
        inode.rdev = rdev
        return self._add(name, inode)

    def symlink(self, name: bytes, target: bytes, uid: int, gid: int) -> Inode:
        return self._add(name, TmpfsLink(self.sb, target, uid, gid))

    def link(self, name: bytes, inode: Inode) -> None:
        inode.nlink += 1
        inode.linkable = False
        inode.ctime = self.sb.now()
        self._add(name, inode)

    def unlink(self, name: bytes, inode: Inode) -> None:
        self._remove(name)
        inode.nlink -= 1
        inode.ctime = self.ctime

    def rmdir(self, name: bytes, inode: Inode) -> None:
        assert isinstance(inode, TmpfsDirectory)
        if inode.names:
            first = next(iter(inode.names))
            count = Count(len(inode.names), "entry", "entries")
            raise ENOTEMPTY("the directory '%s' has %s, the first is '%s'", name, count, first)
        self._remove(name)
        self.nlink -= 1
        inode.nlink = 0
        inode.ctime = self.ctime

    def rename(
        self, name: bytes, inode: Inode, to: Inode, new_name: bytes, target: Inode | None,
        exchange: bool,
    ) -> None:  # fmt: skip
        assert isinstance(to, TmpfsDirectory)
        if exchange:
            assert target is not None
            self.names[name], to.names[new_name] = target, inode
            self._moved_directory(target, to, self)
            self.mtime = self.ctime = to.mtime = to.ctime = target.ctime = self.sb.now()
        else:
            if isinstance(target, TmpfsDirectory):
                to.rmdir(new_name, target)
            elif target is not None:
                to.unlink(new_name, target)
            self._remove(name)
            to._add(new_name, inode)
        self._moved_directory(inode, self, to)
        inode.ctime = self.sb.now()

    @staticmethod
    def _moved_directory(inode: Inode, old: TmpfsDirectory, new: TmpfsDirectory) -> None:
        if inode.mode & S_IFMT == S_IFDIR:  # its '..' counts in another directory now
            old.nlink -= 1
            new.nlink += 1


def parse_size(text: bytes, total: int) -> int:
    """``size=``: bytes, with k, m or g, or percent of RAM; see tmpfs(5).  EINVAL."""
    factor = _UNITS.get(text[-1:].lower())
    digits = text[:-1] if factor is not None or text[-1:] == b"%" else text
    if not digits.isdigit():
        raise EINVAL("size %r", text)
    if text[-1:] == b"%":
        return int(digits) * total // 100
    return int(digits) * (factor or 1)


_UNITS: Final = {b"k": 1 << 10, b"m": 1 << 20, b"g": 1 << 30}


def tmpfs_factory(
    mounts: MountTable, frames: Frames, now: Callable[[], int]
) -> Callable[[bytes], SuperBlock]:
    """For ``MountTable.filesystems[b"tmpfs"]``: an instance from mount options."""
    return partial(_from_options, mounts, frames, now)


def _from_options(
    mounts: MountTable, frames: Frames, now: Callable[[], int], options: bytes
) -> SuperBlock:
    size: int | None = None
    mode, uid, gid, inodes = 0o1777, 0, 0, None
    for option in options.split(b",") if options else ():
        key, _, value = option.partition(b"=")
        if key == b"size":
            size = parse_size(value, frames.total * BLOCK_SIZE)
        elif key == b"nr_blocks":
            size = parse_size(value, 0) * BLOCK_SIZE
        elif key == b"nr_inodes":
            inodes = parse_size(value, 0)
        elif key == b"mode" and value and not value.strip(b"01234567"):
            mode = int(value, 8) & 0o7777
        elif key in (b"uid", b"gid") and value.isdigit():
            uid, gid = (int(value), gid) if key == b"uid" else (uid, int(value))
        else:
            raise EINVAL("mount option %r", option)
    sb = Tmpfs(frames, mounts.new_dev(), now, size, mode, uid, gid, inodes)
    sb.options = options
    return sb
