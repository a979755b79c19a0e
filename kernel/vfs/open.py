"""Opening files: open(2), openat2(2), O_CREAT, O_TMPFILE, O_PATH.

Linux: ``build_open_flags``, ``path_openat``, ``may_open``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kernel.abi.errors import (
    EACCES,
    EEXIST,
    EINVAL,
    EISDIR,
    ELOOP,
    ENOENT,
    ENOTDIR,
    EPERM,
    ETXTBSY,
    Count,
    KernelError,
)
from kernel.abi.files import (
    IN_MODIFY,
    IN_OPEN,
    MAY_EXEC,
    MAY_READ,
    MAY_WRITE,
    MS_NODEV,
    O_ACCMODE,
    O_CLOEXEC,
    O_CREAT,
    O_DIRECTORY,
    O_EXCL,
    O_LARGEFILE,
    O_NOATIME,
    O_NOFOLLOW,
    O_PATH,
    O_PATH_FLAGS,
    O_TMPFILE,
    O_TMPFILE_BIT,
    O_TRUNC,
    RESOLVE_BENEATH,
    RESOLVE_CACHED,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
    S_IALLUGO,
    S_IFBLK,
    S_IFCHR,
    S_IFDIR,
    S_IFLNK,
    S_IFMT,
    S_IFREG,
    VALID_OPEN_FLAGS,
)
from kernel.vfs.caller import Caller
from kernel.vfs.dentry import Dentry, Path
from kernel.vfs.inode import Inode
from kernel.vfs.notify import notify_created, notify_file
from kernel.vfs.openfile import OpenFile, PathFile
from kernel.vfs.permissions import (
    check,
    check_access,
    check_writable_mount,
    clear_setid,
    is_owner,
    new_owner,
)
from kernel.vfs.walk import DIRECTORY, FOLLOW, Last, walk, walk_create
from kernel.wait import Blocking

RESOLVE_ALL: Final = (
    RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH
    | RESOLVE_IN_ROOT | RESOLVE_CACHED
)  # fmt: skip
_WANTS: Final = (MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE)
_FORGOTTEN: Final = ~(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC)  # O_NOCTTY: a terminal wants it


class OpenHow(NamedTuple):
    """What open(2) is asked for: checked flags, permission bits, RESOLVE_* flags."""

    flags: int
    mode: int = 0
    resolve: int = 0

    @classmethod
    def from_flags(cls, flags: int, mode: int) -> OpenHow:
        """open, openat, creat: unknown flags and mode bits are ignored, as ever."""
        flags &= VALID_OPEN_FLAGS
        if flags & O_PATH:
            return cls(flags & O_PATH_FLAGS)
        if not flags & (O_CREAT | O_TMPFILE_BIT):
            return cls(flags | O_LARGEFILE)
        _check_flags(flags)
        return cls(flags | O_LARGEFILE, mode & S_IALLUGO)

    @classmethod
    def from_open_how(cls, flags: int, mode: int, resolve: int) -> OpenHow:
        """openat2: anything unknown is EINVAL."""
        if flags & ~VALID_OPEN_FLAGS or resolve & ~RESOLVE_ALL:
            raise EINVAL(
                "flags %#o or resolve %#x has bits that openat2 does not know", flags, resolve
            )
        if resolve & RESOLVE_BENEATH and resolve & RESOLVE_IN_ROOT:
            raise EINVAL("RESOLVE_BENEATH and RESOLVE_IN_ROOT exclude each other")
        if mode & ~S_IALLUGO or (mode and not flags & (O_CREAT | O_TMPFILE_BIT)):
            raise EINVAL("mode %#o is no mode, or nothing is to be created", mode)
        if flags & O_PATH and flags & ~O_PATH_FLAGS:
            raise EINVAL("O_PATH goes with O_DIRECTORY, O_NOFOLLOW and O_CLOEXEC only: %#o", flags)
        _check_flags(flags)
        return cls(flags if flags & O_PATH else flags | O_LARGEFILE, mode, resolve)


def _check_flags(flags: int) -> None:
    if flags & O_TMPFILE_BIT:
        if flags & (O_TMPFILE | O_CREAT) != O_TMPFILE:
            raise EINVAL("O_TMPFILE goes with O_DIRECTORY and without O_CREAT: flags %#o", flags)
        if not flags & O_ACCMODE:
            raise EINVAL("O_TMPFILE needs O_WRONLY or O_RDWR")
    elif flags & (O_CREAT | O_DIRECTORY) == O_CREAT | O_DIRECTORY:
        raise EINVAL("O_CREAT and O_DIRECTORY exclude each other")


def open_at(caller: Caller, dirfd: int, path: bytes, how: OpenHow) -> OpenFile | Blocking[OpenFile]:
    """An open file for ``path``; a generator if opening has to wait (a FIFO).  See open(2)."""
    flags = how.flags
    how_to_walk = how.resolve & ~RESOLVE_CACHED
    if not flags & O_NOFOLLOW and flags & (O_CREAT | O_EXCL) != O_CREAT | O_EXCL:
        how_to_walk |= FOLLOW
    if flags & (O_CREAT | O_TMPFILE_BIT):
        if flags & O_TMPFILE_BIT:
            return _open_tmpfile(caller, walk(caller, dirfd, path, how_to_walk | DIRECTORY), how)
        last = walk_create(caller, dirfd, path, how_to_walk)
        if last.path is None:
            return _create(caller, last, how)
        return open_existing(caller, last.path, flags)
    if flags & O_DIRECTORY:
        how_to_walk |= DIRECTORY
    return open_existing(caller, walk(caller, dirfd, path, how_to_walk), flags)


def open_existing(caller: Caller, path: Path, flags: int) -> OpenFile | Blocking[OpenFile]:
    """Open the file at a place, checking that the caller may.  Linux: ``do_open``."""
    inode = path.dentry.inode
    if flags & O_PATH:
        return PathFile(inode, path, flags & O_PATH_FLAGS & _FORGOTTEN)
    if flags & O_CREAT:
        if flags & O_EXCL:
            raise EEXIST("%s exists, it is %s; O_CREAT with O_EXCL wants it new", path, inode.kind)
        if inode.mode & S_IFMT == S_IFDIR:
            raise EISDIR("%s is a directory, and O_CREAT asks for a file", path)
    _may_open(caller, path, inode, flags)
    if not flags & (O_TRUNC | O_ACCMODE):
        file = inode.open(caller, path, flags & _FORGOTTEN)
        if inode.sb.watched:
            notify_file(path.dentry, IN_OPEN)
        return file
    if inode.writers < 0:
        raise ETXTBSY("%s is being run by %s", path, Count(-inode.writers, "process", "processes"))
    file = inode.open(caller, path, flags & _FORGOTTEN)
    if inode.sb.watched:
        notify_file(path.dentry, IN_OPEN)
    if flags & O_TRUNC and inode.mode & S_IFMT == S_IFREG and isinstance(file, OpenFile):
        _truncate(caller, file)
    return file


def _truncate(caller: Caller, file: OpenFile) -> None:
    """O_TRUNC.  Whoever refuses it (a sealed memfd, the host) undoes the opening."""
    inode = file.inode
    try:
        inode.truncate(0)
        if inode.mode & 0o6000:
            clear_setid(caller.cred, inode)
    except KernelError:
        file.close()
        raise
    notify_file(file.path.dentry, IN_MODIFY)


def _may_open(caller: Caller, path: Path, inode: Inode, flags: int) -> None:
    kind = inode.mode & S_IFMT
    wants = _WANTS[flags & O_ACCMODE]
    if kind == S_IFLNK:
        raise ELOOP("%s is a symbolic link, and O_NOFOLLOW forbids to follow it", path)
    if kind == S_IFDIR:
        if flags & (O_ACCMODE | O_TRUNC):
            raise EISDIR("%s is a directory, which cannot be opened for writing", path)
    elif kind in (S_IFCHR, S_IFBLK):
        if path.mount.flags & MS_NODEV:
            raise EACCES("%s is a device on a mount that is nodev: %s", path, path.mount)
    if flags & O_TRUNC:
        wants |= MAY_WRITE
    check_access(caller.cred, path, wants)
    if flags & O_NOATIME and not is_owner(caller.cred, inode):
        raise EPERM(
            "O_NOATIME needs the owner, uid %d, or CAP_FOWNER; this is uid %d",
            inode.uid, caller.cred.fsuid,
        )  # fmt: skip


def _create(caller: Caller, last: Last, how: OpenHow) -> OpenFile | Blocking[OpenFile]:
    parent, name = last.parent, last.name
    inode = create_in(caller, parent, name, S_IFREG | how.mode & ~caller.fs.umask)
    child = parent.dentry.children.get(name) or parent.dentry.add(name, inode)
    file = inode.open(caller, Path(parent.mount, child), how.flags & _FORGOTTEN)
    if inode.sb.watched:
        notify_created(parent.dentry.inode, name, inode)
        notify_file(child, IN_OPEN)
    return file


def create_in(caller: Caller, parent: Path, name: bytes, mode: int) -> Inode:
    """Make a regular file in a directory the caller may write to."""
    directory = may_create(caller, parent)
    uid, gid, mode = new_owner(caller.cred, directory, mode)
    return directory.create(name, mode, uid, gid)


def may_create(caller: Caller, parent: Path) -> Inode:
    """The directory, if the caller may make a name in it.  EROFS, ENOENT, EACCES."""
    check_writable_mount(parent)
    if parent.dentry.unlinked:
        raise ENOENT("the directory %s was removed", parent)
    inode = parent.dentry.inode
    check(caller.cred, inode, MAY_WRITE | MAY_EXEC, parent)
    return inode


def _open_tmpfile(caller: Caller, where: Path, how: OpenHow) -> OpenFile | Blocking[OpenFile]:
    check_writable_mount(where)
    directory = where.dentry.inode
    check(caller.cred, directory, MAY_WRITE | MAY_EXEC, where)
    mode = S_IFREG | how.mode & ~caller.fs.umask
    uid, gid, mode = new_owner(caller.cred, directory, mode)
    inode = directory.tmpfile(mode, uid, gid)
    dentry = Dentry(b"#%d" % inode.ino, where.dentry, inode)
    dentry.unlinked = True
    inode.linkable = not how.flags & O_EXCL
    return inode.open(caller, Path(where.mount, dentry), how.flags & _FORGOTTEN)


def must_be_directory(path: Path) -> Inode:
    """Its inode; ENOTDIR."""
    inode = path.dentry.inode
    if inode.mode & S_IFMT != S_IFDIR:
        raise ENOTDIR("%s is %s, not a directory", path, inode.kind)
    return inode
