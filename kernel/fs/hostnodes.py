"""The inodes of a volume: directories, symbolic links, what cannot be opened, and attributes.

Regular files are in ``hostfile``.  Each operation is a descriptor of a directory and one name.
"""

from __future__ import annotations

import os

from kernel.abi.errors import EINVAL, ENODATA, ENOENT, EOPNOTSUPP, EPERM, ESTALE
from kernel.abi.files import DT_DIR, DT_LNK, DT_REG, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK
from kernel.fs.hostcalls import (
    HAS_PROC,
    HOST,
    O_TMPFILE,
    check_step,
    create_entry,
    exchange_names,
    identity,
    open_directory,
    open_entry,
    proc_link,
    step_stat,
)
from kernel.fs.hostfs import HostInode
from kernel.vfs.caller import Caller
from kernel.vfs.dentry import Path
from kernel.vfs.directory import DirectoryFile
from kernel.vfs.inode import DirEntry, Inode
from kernel.vfs.openfile import OpenFile

XATTR_SPACE = b"user."


class HostNode(HostInode):
    """Attributes of any file of a volume."""

    __slots__ = ()

    def handle(self) -> int:
        """A fresh descriptor of this very file, for one call; the caller closes it."""
        with HOST:
            if self.parent is None and self.mode & S_IFMT == S_IFDIR:
                return os.dup(self.sb.top)
            fd = open_entry(self.directory(), self.place)
            if identity(os.fstat(fd)) == self.key:
                return fd
            os.close(fd)
        raise ESTALE("%r is another file by now", self.place)

    def set_mode(self, mode: int) -> None:
        """chmod(2) on the host."""
        self.sb.check_writable()
        if self.mode & S_IFMT == S_IFLNK:
            raise EOPNOTSUPP("a symbolic link has no mode of its own")
        fd = self.handle()
        try:
            with HOST:
                # An O_PATH descriptor knows no fchmod(2); its magic link leads to the file itself.
                os.chmod(proc_link(fd) if HAS_PROC else fd, mode)
                self.apply(os.fstat(fd))
        finally:
            os.close(fd)

    def set_owner(self, uid: int, gid: int, mode: int) -> None:
        """Nobody but the owner it has: another one would have to be faked."""
        self.sb.check_writable()
        if (uid, gid) != (self.uid, self.gid):
            raise EPERM("files of a volume keep their owner: %r is uid %d", self.place, self.uid)
        if mode != self.mode & 0o7777:
            self.set_mode(mode)

    def set_times(self, atime: int | None, mtime: int | None) -> None:
        """utimensat(2) on the host."""
        self.sb.check_writable()
        status = self.host_stat()
        times = (
            status.st_atime_ns if atime is None else atime,
            status.st_mtime_ns if mtime is None else mtime,
        )
        if self.parent is None and self.mode & S_IFMT == S_IFDIR:
            with HOST:
                os.utime(b".", ns=times, dir_fd=self.sb.top)
        else:
            parent = self.directory()
            with HOST:
                os.utime(self.place, ns=times, dir_fd=parent, follow_symlinks=False)
        self.refresh()

    def evict(self) -> None:
        """Removed, and nobody has it open."""
        self.sb.forget(self)

    # -- extended attributes: user.* only, the rest is the host's own affair ---------------------

    def _xattr(self, call: str, name: bytes, *arguments: object) -> bytes | None:
        if self.mode & S_IFMT not in (S_IFREG, S_IFDIR) or not HAS_PROC:
            raise EOPNOTSUPP("a volume has user.* attributes only")
        if not name.startswith(XATTR_SPACE):
            raise ENODATA("not shown") if call == "getxattr" else EPERM("not the guest's to change")
        fd = self.handle()
        try:
            with HOST:
                value: bytes | None = getattr(os, call)(proc_link(fd), name, *arguments)
                return value
        finally:
            os.close(fd)

    def get_xattr(self, name: bytes) -> bytes:
        """One attribute (ENODATA)."""
        return self._xattr("getxattr", name) or b""

    def set_xattr(self, name: bytes, value: bytes, flags: int) -> None:
        """Set one."""
        self.sb.check_writable()
        self._xattr("setxattr", name, value, flags)

    def remove_xattr(self, name: bytes) -> None:
        """Remove one."""
        self.sb.check_writable()
        self._xattr("removexattr", name)

    def list_xattr(self) -> list[bytes]:
        """The names of the user.* attributes."""
        if self.mode & S_IFMT not in (S_IFREG, S_IFDIR) or not HAS_PROC:
            return []
        fd = self.handle()
        try:
            with HOST:
                names = [os.fsencode(name) for name in os.listxattr(proc_link(fd))]
        except EOPNOTSUPP:
            return []
        finally:
            os.close(fd)
        return sorted(name for name in names if name.startswith(XATTR_SPACE))


class HostLink(HostNode):
    """A symbolic link: the guest's walk follows it, the host never does."""

    __slots__ = ()

    def readlink(self, caller: Caller) -> bytes:
        """Its text."""
        parent = self.directory()
        with HOST:
            return os.readlink(self.place, dir_fd=parent)


class HostSpecial(HostNode):
    """A device, socket or FIFO of the host: can be seen, not opened (``Inode.open``: ENXIO)."""

    __slots__ = ()


class HostDirectory(HostNode):
    """A directory."""

    __slots__ = ()

    def fd(self) -> int:
        """A descriptor to walk on from."""
        return self.sb.descriptor(self)

    def host_stat(self) -> os.stat_result:
        """By its own descriptor at the top, by name below."""
        if self.parent is None:
            with HOST:
                return os.fstat(self.sb.top)
        return super().host_stat()

    def lookup(self, name: bytes) -> Inode | None:
        """What that name is at present."""
        check_step(name)
        fd = self.fd()
        try:
            with HOST:
                status = step_stat(fd, name)
        except ENOENT:
            return None
        return self.sb.inode(status, self, name)

    def entries(self, caller: Caller) -> list[DirEntry]:
        """All names, sorted; numbers are given in that order."""
        fd = self._opened()
        with HOST:
            try:
                device = os.fstat(fd).st_dev
                with os.scandir(fd) as found:
                    entries = sorted((os.fsencode(e.name), e.inode(), _type(e)) for e in found)
            finally:
                os.close(fd)
        number = self.sb.number
        return [DirEntry(name, number((device, ino)), kind) for name, ino, kind in entries]

    def open(self, caller: Caller, path: Path, flags: int) -> OpenFile:
        """A directory is open on the host only while it is read.

        But what the host forbids to list is refused here, where Linux refuses it: programs take a
        failure of getdents64(2) for the end.
        """
        os.close(self._opened())
        return DirectoryFile(self, path, flags)

    def _opened(self) -> int:
        """Open it on the host; the caller closes it."""
        parent = self.fd()
        with HOST:
            return os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)

    def fsync(self, data_only: bool) -> None:
        """fsync(2) of the directory on the host."""
        fd = self._opened()
        with HOST:
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    # -- new names -------------------------------------------------------------------------------

    def _made(self, name: bytes) -> HostInode:
        with HOST:
            status = step_stat(self.fd(), name)
        self.refresh()
        return self.sb.inode(status, self, name)

    def _new(self, name: bytes) -> int:
        self.sb.check_writable()
        check_step(name)
        return self.fd()

    def create(self, name: bytes, mode: int, uid: int, gid: int) -> Inode:
        """A regular file; it belongs to the caller on the host, so to the start user here."""
        parent = self._new(name)
        with HOST:
            fd = create_entry(parent, name, mode)
            try:
                os.fchmod(fd, mode & 0o7777)  # the host's umask is not the guest's
                status = os.fstat(fd)
            except BaseException:
                os.close(fd)
                raise
        return self._adopt(fd, status, name)

    def _adopt(self, fd: int, status: os.stat_result, name: bytes) -> Inode:
        """Keep the descriptor for the open(2) that follows: the mode may forbid a second one."""
        inode = self.sb.inode(status, self, name)
        self.sb.keep_created(inode, fd)
        return inode

    def tmpfile(self, mode: int, uid: int, gid: int) -> Inode:
        """O_TMPFILE on the host."""
        if not O_TMPFILE:
            raise EOPNOTSUPP("the host has no O_TMPFILE")
        self.sb.check_writable()
        with HOST:
            fd = os.open(b".", O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600, dir_fd=self.fd())
            os.fchmod(fd, mode & 0o7777)
            status = os.fstat(fd)
        return self._adopt(fd, status, b"#%d" % status.st_ino)

    def mkdir(self, name: bytes, mode: int, uid: int, gid: int) -> Inode:
        """A directory, with exactly that mode."""
        parent = self._new(name)
        with HOST:
            os.mkdir(name, 0o700, dir_fd=parent)
            fd = open_directory(parent, name)
            try:
                os.chmod(proc_link(fd) if HAS_PROC else fd, mode & 0o7777)
            finally:
                os.close(fd)
        return self._made(name)

    def mknod(self, name: bytes, mode: int, rdev: int, uid: int, gid: int) -> Inode:
        """The name of a UNIX socket (bind(2)): a file on the host, behind which only guests are."""
        if mode & S_IFMT != S_IFSOCK:
            raise EPERM("no device nodes and FIFOs on a volume")
        parent = self._new(name)
        with HOST:
            os.mknod(name, S_IFSOCK | 0o600, dir_fd=parent)
        made = self._made(name)
        made.set_mode(mode & 0o7777)
        return made

    def symlink(self, name: bytes, target: bytes, uid: int, gid: int) -> Inode:
        """A symbolic link; its text means something to the guest only."""
        parent = self._new(name)
        with HOST:
            os.symlink(target, name, dir_fd=parent)
        return self._made(name)

    def link(self, name: bytes, inode: Inode) -> None:
        """One more name on the host; O_TMPFILE files get their first."""
        parent = self._new(name)
        if not isinstance(inode, HostNode):
            raise EINVAL("the file is not on this volume")
        try:
            inode.host_stat()
            source, source_dir = inode.place, inode.directory()
            parent = self.fd()
            with HOST:
                os.link(source, name, src_dir_fd=source_dir, dst_dir_fd=parent,
                        follow_symlinks=False)  # fmt: skip
        except ENOENT:
            open_fd = self.sb.contents.get(inode.key).fd
            if open_fd < 0 or not HAS_PROC:
                raise
            with HOST:
                os.link(proc_link(open_fd), name, dst_dir_fd=parent, follow_symlinks=True)
        inode.linkable = False
        inode.parent, inode.place = self, name
        inode.refresh()

    # -- names that go ---------------------------------------------------------------------------

    def _checked(self, name: bytes, inode: Inode) -> int:
        """The directory's descriptor, if ``name`` still is that very file."""
        fd = self._new(name)
        with HOST:
            status = step_stat(fd, name)
        if not isinstance(inode, HostNode) or identity(status) != inode.key:
            raise ENOENT("%r is another file by now", name)
        return fd

    def unlink(self, name: bytes, inode: Inode) -> None:
        """Remove a name; its contents stay while a guest has them open."""
        fd = self._checked(name, inode)
        with HOST:
            os.unlink(name, dir_fd=fd)
        inode.nlink = max(inode.nlink - 1, 0)
        self.refresh()

    def rmdir(self, name: bytes, inode: Inode) -> None:
        """Remove an empty directory."""
        fd = self._checked(name, inode)
        assert isinstance(inode, HostInode)
        self.sb.drop_descriptor(inode)
        with HOST:
            os.rmdir(name, dir_fd=fd)
        inode.nlink = 0
        self.refresh()

    def rename(
        self, name: bytes, inode: Inode, to: Inode, new_name: bytes, target: Inode | None,
        exchange: bool,
    ) -> None:  # fmt: skip
        """rename(2) on the host, or renameat2(2) to swap."""
        if not isinstance(to, HostDirectory) or not isinstance(inode, HostNode):
            raise EINVAL("the new directory is not on this volume")
        self._checked(name, inode)
        check_step(new_name)
        old_dir, new_dir = self.fd(), to.fd()
        with HOST:
            if exchange:
                exchange_names(old_dir, name, new_dir, new_name)
            else:
                os.rename(name, new_name, src_dir_fd=old_dir, dst_dir_fd=new_dir)
        inode.parent, inode.place = to, new_name
        if isinstance(target, HostNode):
            if exchange:
                target.parent, target.place = self, name
            else:
                target.nlink = 0 if target.mode & S_IFMT == S_IFDIR else max(target.nlink - 1, 0)
                self.sb.drop_descriptor(target)
        for changed in (inode, self, to):
            changed.refresh()


def _type(entry: os.DirEntry[str]) -> int:
    """DT_* of an entry; the host usually says it with the name."""
    if entry.is_symlink():
        return DT_LNK
    if entry.is_dir(follow_symlinks=False):
        return DT_DIR
    if entry.is_file(follow_symlinks=False):
        return DT_REG
    try:
        return entry.stat(follow_symlinks=False).st_mode >> 12
    except OSError:
        return 0
