"""What /proc is made of: directories, text files, links; nothing is stored.

A text file is a function that makes its text when it is read; a writable one has a function that
takes what was written.  Inodes are made when somebody looks a name up and kept by their directory,
so that a name has one inode as long as what it shows exists.  Linux: fs/proc/generic.c.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from kernel.abi.errors import EACCES, EINVAL, ENOENT
from kernel.abi.files import (
    O_ACCMODE,
    O_RDONLY,
    PROC_SUPER_MAGIC,
    S_IFDIR,
    S_IFLNK,
    S_IFMT,
    S_IFREG,
)
from kernel.vfs.directory import DirectoryFile
from kernel.vfs.inode import BLOCK_SIZE, DirEntry, Inode, SuperBlock
from kernel.vfs.openfile import OpenFile, ShowFile

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.task.system import System
    from kernel.task.task import Task
    from kernel.vfs.caller import Caller
    from kernel.vfs.dentry import Path

Show = Callable[["Task"], bytes]
"""Makes the text of a file for the task that reads it."""

Store = Callable[["Task", bytes], None]
"""Takes what a task wrote."""

MAX_WRITE = 4096
PROC_BLOCK_SIZE = 1024


class ViewSuperBlock(SuperBlock):
    """A file system that only shows; names may come and go, reading leaves no access times."""

    __slots__ = ("blksize", "kernel")

    volatile = True
    atime = False

    def __init__(
        self, kernel: System, fstype: bytes, dev: int, magic: int = PROC_SUPER_MAGIC
    ) -> None:
        super().__init__(fstype, dev, kernel.clock.realtime, magic)
        self.kernel = kernel
        self.blksize = PROC_BLOCK_SIZE if magic == PROC_SUPER_MAGIC else BLOCK_SIZE


class TextNode(Inode):
    """A file whose text is made by ``show``; ``store`` takes what is written, if anything may be.

    ``secret``: called at open with the task that opens; raises if it must not look.
    """

    __slots__ = ("secret", "show", "store")

    def __init__(
        self, sb: SuperBlock, show: Show, store: Store | None = None, mode: int = 0,
        secret: Callable[[Task], None] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(sb, S_IFREG | (mode or (0o644 if store else 0o444)))
        self.show = show
        self.store = store
        self.secret = secret

    def open(self, caller: Caller, path: Path, flags: int) -> OpenFile:
        """Text is made at the first read, not now."""
        if self.secret is not None:
            self.secret(cast("Task", caller))
        if flags & O_ACCMODE != O_RDONLY and self.store is None:
            raise EACCES("%s cannot be written to", path)
        return TextFile(self, path, flags)

    def truncate(self, size: int) -> None:
        """O_TRUNC (a shell's ``>``) changes nothing: there is no contents to cut."""


class TextFile(ShowFile):
    """An open text file."""

    __slots__ = ("node",)

    def __init__(self, inode: TextNode, path: Path, flags: int) -> None:
        super().__init__(inode, path, flags)
        self.node = inode

    def show(self, caller: Caller) -> bytes:
        """Made for whoever reads, not for whoever opened."""
        return self.node.show(cast("Task", caller))

    def write(self, caller: Caller, buf: Buffer, pos: int | None) -> int:
        """One write is one value."""
        if self.node.store is None:
            raise EINVAL("%s cannot be written to", self.path)
        data = buf.take(min(buf.remaining, MAX_WRITE))
        self.node.store(cast("Task", caller), data)
        if pos is None:
            self.pos += len(data)
        return len(data)


class LinkNode(Inode):
    """A symbolic link whose text is made when it is read."""

    __slots__ = ("target",)

    def __init__(self, sb: SuperBlock, target: Show) -> None:
        super().__init__(sb, S_IFLNK | 0o777)
        self.target = target

    def readlink(self, caller: Caller) -> bytes:
        """Made for whoever reads it: /proc/self."""
        return self.target(cast("Task", caller))


Factory = Callable[[SuperBlock], Inode]
"""Makes the inode behind a name."""


class NamesGiven(Inode):
    """A directory of /proc: a name that is not there cannot be made, because it does not exist.

    Linux's lookup there fails with ENOENT before any call can try; sysfs says EACCES or EPERM.
    """

    __slots__ = ()

    def create(self, name: bytes, mode: int, uid: int, gid: int) -> Inode:
        """ENOENT."""
        raise ENOENT("only the kernel makes files in /proc")

    def mkdir(self, name: bytes, mode: int, uid: int, gid: int) -> Inode:
        """ENOENT."""
        raise ENOENT("only the kernel makes files in /proc")

    def mknod(self, name: bytes, mode: int, rdev: int, uid: int, gid: int) -> Inode:
        """ENOENT."""
        raise ENOENT("only the kernel makes files in /proc")

    def symlink(self, name: bytes, target: bytes, uid: int, gid: int) -> Inode:
        """ENOENT."""
        raise ENOENT("only the kernel makes files in /proc")


class DirNode(Inode):
    """A directory with a fixed list of names; each inode is made at its first lookup."""

    __slots__ = ("_made", "names")

    def __init__(self, sb: SuperBlock, names: dict[bytes, Factory], mode: int = 0o555) -> None:
        super().__init__(sb, S_IFDIR | mode)
        self.names = names
        self._made: dict[bytes, Inode] = {}

    def child(self, name: bytes) -> Inode | None:
        """The inode of that name, made if need be."""
        made = self._made.get(name)
        if made is None:
            factory = self.names.get(name)
            if factory is None:
                return None
            made = self._made[name] = factory(self.sb)
        return made

    def refresh(self) -> None:
        """A link from each directory below, as everywhere."""
        made = [self.child(name) for name in self.names]
        self.nlink = 2 + sum(1 for inode in made if inode is not None and is_directory(inode))

    def lookup(self, name: bytes) -> Inode | None:
        """A fixed name."""
        return self.child(name)

    def entries(self, caller: Caller) -> list[DirEntry]:
        """The fixed names, in their order."""
        return [entry_of(name, self.child(name)) for name in self.names]

    def open(self, caller: Caller, path: Path, flags: int) -> OpenFile:
        """For getdents64(2)."""
        return DirectoryFile(self, path, flags)


def is_directory(inode: Inode) -> bool:
    """Does it count as a link to its parent?"""
    return inode.mode & S_IFMT == S_IFDIR


def entry_of(name: bytes, inode: Inode | None) -> DirEntry:
    """A line of a directory listing."""
    assert inode is not None
    return DirEntry(name, inode.ino, inode.mode >> 12)


def text(show: Show, store: Store | None = None, mode: int = 0) -> Factory:
    """A factory of text files."""
    return partial(TextNode, show=show, store=store, mode=mode)


def link(target: Show) -> Factory:
    """A factory of symbolic links."""
    return partial(LinkNode, target=target)


def directory(names: dict[bytes, Factory]) -> Factory:
    """A factory of directories."""
    return partial(DirNode, names=names)


def constant(value: bytes) -> Factory:
    """A factory of text files that always say the same."""
    return text(partial(_always, value))


def _always(value: bytes, task: Task) -> bytes:
    return value
