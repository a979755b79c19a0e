"""/proc/PID/{fd,fdinfo,cwd,root,exe,mounts,mountinfo}.  See proc(5).

The links are magic: following one goes to the very file, whatever its name has become.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from kernel.abi.errors import ENOENT
from kernel.abi.files import S_IFDIR, S_IFLNK, major, minor
from kernel.vfs.dentry import display_path
from kernel.vfs.directory import DirectoryFile
from kernel.vfs.inode import DirEntry, Inode, SuperBlock
from kernel.vfs.mount import show_mount
from kernel.views.procfs.access import check_look
from kernel.views.procfs.nodes import NamesGiven, TextNode, entry_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel.task.task import Task
    from kernel.vfs.caller import Caller
    from kernel.vfs.dentry import Path
    from kernel.vfs.mount import Mount
    from kernel.vfs.openfile import OpenFile

O_CLOEXEC = 0o2000000
FD_LINK_SIZE = 64


class MagicLink(Inode):
    """A link to a place, not to a name.  ``place`` raises ENOENT when there is none."""

    __slots__ = ("place", "task")

    def __init__(self, sb: SuperBlock, task: Task, place: Callable[[], Path]) -> None:
        super().__init__(sb, S_IFLNK | 0o777, task.cred.euid, task.cred.egid)
        self.task = task
        self.place = place

    def follow(self, caller: Caller) -> Path | None:
        """Where it leads."""
        check_look(cast("Task", caller), self.task)
        return self.place()

    def readlink(self, caller: Caller) -> bytes:
        """The name of that place, for people."""
        check_look(cast("Task", caller), self.task)
        return display_path(self.place(), caller.fs.root)


def cwd(sb: SuperBlock, task: Task) -> Inode:
    """The working directory."""
    return MagicLink(sb, task, partial(_cwd, task))


def root(sb: SuperBlock, task: Task) -> Inode:
    """Where "/" is for the process (chroot(2))."""
    return MagicLink(sb, task, partial(_root, task))


def exe(sb: SuperBlock, task: Task) -> Inode:
    """The program file."""
    return MagicLink(sb, task, partial(_program, task))


def _cwd(task: Task) -> Path:
    return _living(task).fs.cwd


def _root(task: Task) -> Path:
    return _living(task).fs.root


def _path_of(file: OpenFile) -> Path:
    return file.path


def _living(task: Task) -> Task:
    if task.dead:
        raise ENOENT("process %d has ended", task.tgid)
    return task


def _program(task: Task) -> Path:
    mm = task.mm
    if mm is None or mm.exe is None:
        raise ENOENT("process %d has no program file", task.tgid)
    return cast("OpenFile", mm.exe).path


class _Descriptors(NamesGiven):
    """What fd and fdinfo share: a name per open descriptor, made at each look."""

    __slots__ = ("_made", "task")

    def __init__(self, sb: SuperBlock, task: Task, mode: int) -> None:
        super().__init__(sb, S_IFDIR | mode, task.cred.euid, task.cred.egid)
        self.nlink = 2
        self.task = task
        self._made: dict[int, tuple[OpenFile, Inode]] = {}

    def make(self, fd: int, file: OpenFile) -> Inode:
        """The inode for a descriptor."""
        raise NotImplementedError

    def refresh(self) -> None:
        """The size is the number of open descriptors (Linux since 6.2)."""
        self.size = len(self.task.fds.files)

    def _inode(self, fd: int) -> Inode | None:
        file = self.task.fds.files.get(fd)
        if file is None:
            self._made.pop(fd, None)
            return None
        made = self._made.get(fd)
        if made is None or made[0] is not file:
            made = self._made[fd] = (file, self.make(fd, file))
        return made[1]

    def lookup(self, name: bytes) -> Inode | None:
        """A number without leading zeros, of an open descriptor."""
        if not name.isdigit() or (name[0] == 48 and len(name) > 1) or len(name) > 9:
            return None
        return self._inode(int(name))

    def entries(self, caller: Caller) -> list[DirEntry]:
        """The open descriptors, in order."""
        return [entry_of(b"%d" % fd, self._inode(fd)) for fd, _ in self.task.fds.items()]

    def open(self, caller: Caller, path: Path, flags: int) -> OpenFile:
        """Listing needs the right to look into the process."""
        check_look(cast("Task", caller), self.task)
        return DirectoryFile(self, path, flags)


class FdDirectory(_Descriptors):
    """/proc/PID/fd."""

    __slots__ = ()

    def __init__(self, sb: SuperBlock, task: Task) -> None:
        super().__init__(sb, task, 0o500)

    def make(self, fd: int, file: OpenFile) -> Inode:
        """A link whose permissions show how the file is open."""
        link = MagicLink(self.sb, self.task, partial(_path_of, file))
        mode = (0o500 if file.readable else 0) | (0o300 if file.writable else 0)
        link.mode = S_IFLNK | mode
        link.size = FD_LINK_SIZE
        return link


class FdinfoDirectory(_Descriptors):
    """/proc/PID/fdinfo."""

    __slots__ = ()

    def __init__(self, sb: SuperBlock, task: Task) -> None:
        super().__init__(sb, task, 0o555)

    def make(self, fd: int, file: OpenFile) -> Inode:
        """Position, flags and mount of the file."""
        node = TextNode(self.sb, partial(_fdinfo, self.task, fd, file))
        node.mode = (node.mode & ~0o777) | 0o444
        node.uid, node.gid = self.uid, self.gid
        return node


def _fdinfo(task: Task, fd: int, file: OpenFile, reader: Task) -> bytes:
    check_look(reader, task)
    described = file.describe()
    cloexec = O_CLOEXEC if fd in task.fds.cloexec else 0
    flags = reader.kernel.arch.open_flags_out(file.flags | cloexec)
    return b"pos:\t%d\nflags:\t0%o\nmnt_id:\t%d\nino:\t%d\n" % (
        cast("int", described.get("pos", file.pos)), flags, file.path.mount.ident, file.inode.ino,
    ) + file.info_lines().encode()  # fmt: skip


def mounts(reader: Task, task: Task) -> bytes:
    """What is mounted, seen from the root of the process.  See fstab(5)."""
    fs = _living(task).fs
    return b"".join(show_mount(mount, place) for mount, place in fs.mounts.table(fs.root))


def mountinfo(reader: Task, task: Task) -> bytes:
    """The same with numbers, parents and roots."""
    fs = _living(task).fs
    return b"".join(_mountinfo_line(mount, place) for mount, place in fs.mounts.table(fs.root))


def _mountinfo_line(mount: Mount, place: bytes) -> bytes:
    sb = mount.sb
    parent = mount.parent.ident if mount.parent is not None else mount.ident
    options = b"ro" if mount.read_only else b"rw"
    super_options = options + (b"," + sb.options if sb.options else b"")
    return b"%d %d %d:%d %s %s %s - %s %s %s\n" % (
        mount.ident, parent, major(sb.dev), minor(sb.dev), _inner_root(mount), _escape(place),
        mount.options(), sb.fstype, _escape(sb.source), super_options,
    )  # fmt: skip


def _inner_root(mount: Mount) -> bytes:
    """Which directory of its file system a (bind) mount shows."""
    names: list[bytes] = []
    dentry = mount.root
    while dentry.parent is not dentry:
        names.append(dentry.name)
        dentry = dentry.parent
    return b"/" + b"/".join(reversed(names))


def _escape(text: bytes) -> bytes:
    for char in (b"\\", b" ", b"\t", b"\n"):
        text = text.replace(char, b"\\%03o" % char[0])
    return text
