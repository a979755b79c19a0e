"""New names: mkdir(2), mknod(2), symlink(2), link(2).

The order of errors is Linux's ``filename_create``: the walk to the parent, then EEXIST (for an
existing name, '.', '..' and '/'), then ENOENT for a trailing slash on what is no directory, then
EROFS, then the permission to write to the directory.
"""

from __future__ import annotations

from kernel.abi.errors import EEXIST, EINVAL, EMLINK, ENAMETOOLONG, ENOENT, EPERM, EXDEV
from kernel.abi.files import (
    AT_EMPTY_PATH,
    AT_SYMLINK_FOLLOW,
    MAY_READ,
    MAY_WRITE,
    NAME_MAX,
    S_IFBLK,
    S_IFCHR,
    S_IFDIR,
    S_IFIFO,
    S_IFMT,
    S_IFREG,
    S_IFSOCK,
    S_ISGID,
    S_ISUID,
    S_ISVTX,
    S_IXGRP,
)
from kernel.cred import CAP_DAC_READ_SEARCH, CAP_MKNOD
from kernel.vfs.caller import Caller
from kernel.vfs.dentry import Path
from kernel.vfs.inode import Inode
from kernel.vfs.notify import notify_created, notify_linked
from kernel.vfs.open import create_in, may_create
from kernel.vfs.permissions import is_owner, may, new_owner
from kernel.vfs.walk import EMPTY, FOLLOW, walk, walk_parent

LINK_MAX = 65000


def _new_name(caller: Caller, dirfd: int, path: bytes, directory: bool) -> tuple[Path, bytes]:
    """The parent and the name for a new file; EEXIST."""
    last = walk_parent(caller, dirfd, path)
    name = last.name
    if name in (b"", b".", b".."):
        raise EEXIST("%s: the last component is '%s', which always exists", path, name or b"/")
    check_name(name)
    found = last.parent.dentry.lookup(name)
    if found is not None:
        raise EEXIST("%s exists, it is %s", Path(last.parent.mount, found), found.inode.kind)
    if last.slash and not directory:
        raise ENOENT("%s: a trailing slash stands for a directory", path)
    return last.parent, name


def check_name(name: bytes) -> None:
    """ENAMETOOLONG past 255 bytes."""
    if len(name) > NAME_MAX:
        raise ENAMETOOLONG("the name has %d bytes, at most %d are allowed", len(name), NAME_MAX)


def _made(parent: Path, name: bytes, inode: Inode) -> Path:
    dentry = parent.dentry.children.get(name)
    if dentry is None or dentry.inode is not inode:
        dentry = parent.dentry.add(name, inode)
    notify_created(parent.dentry.inode, name, inode)
    return Path(parent.mount, dentry)


def mkdir_at(caller: Caller, dirfd: int, path: bytes, mode: int) -> Path:
    """See mkdir(2)."""
    parent, name = _new_name(caller, dirfd, path, True)
    mode = S_IFDIR | mode & (0o777 | S_ISVTX) & ~caller.fs.umask
    directory = may_create(caller, parent)
    uid, gid, mode = new_owner(caller.cred, directory, mode)
    return _made(parent, name, directory.mkdir(name, mode, uid, gid))


def mknod_at(caller: Caller, dirfd: int, path: bytes, mode: int, dev: int) -> Path:
    """See mknod(2): a type of 0 means a regular file; devices need CAP_MKNOD."""
    kind = mode & S_IFMT
    if kind == S_IFDIR:
        raise EPERM("mode %#o is a directory's, which mkdir makes", mode)
    if kind not in (0, S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK):
        raise EINVAL("mode %#o has no type that mknod makes", mode)
    parent, name = _new_name(caller, dirfd, path, False)
    mode &= ~caller.fs.umask
    if kind in (0, S_IFREG):
        return _made(parent, name, create_in(caller, parent, name, S_IFREG | mode & 0o7777))
    directory = may_create(caller, parent)
    if kind in (S_IFCHR, S_IFBLK) and not caller.cred.capable(CAP_MKNOD):
        raise EPERM("device nodes need CAP_MKNOD, which uid %d has not", caller.cred.euid)
    uid, gid, mode = new_owner(caller.cred, directory, mode)
    rdev = dev if kind in (S_IFCHR, S_IFBLK) else 0
    return _made(parent, name, directory.mknod(name, mode, rdev, uid, gid))


def symlink_at(caller: Caller, target: bytes, dirfd: int, path: bytes) -> Path:
    """See symlink(2)."""
    if not target:
        raise ENOENT("the target of the symbolic link is empty")
    parent, name = _new_name(caller, dirfd, path, False)
    directory = may_create(caller, parent)
    uid, gid, _ = new_owner(caller.cred, directory, 0)
    return _made(parent, name, directory.symlink(name, target, uid, gid))


def link_at(
    caller: Caller, olddirfd: int, old: bytes, newdirfd: int, new: bytes, flags: int
) -> None:
    """See link(2), linkat(2)."""
    if flags & ~(AT_EMPTY_PATH | AT_SYMLINK_FOLLOW):
        raise EINVAL("flags %#x: linkat knows AT_EMPTY_PATH and AT_SYMLINK_FOLLOW", flags)
    how = (FOLLOW if flags & AT_SYMLINK_FOLLOW else 0) | (EMPTY if flags & AT_EMPTY_PATH else 0)
    if not old and flags & AT_EMPTY_PATH and not caller.cred.capable(CAP_DAC_READ_SEARCH):
        raise ENOENT("AT_EMPTY_PATH needs CAP_DAC_READ_SEARCH")
    source = walk(caller, olddirfd, old, how)
    parent, name = _new_name(caller, newdirfd, new, False)
    if source.mount is not parent.mount:
        raise EXDEV(
            "%s is on mount %s and the new name would be on %s",
            source, source.mount, parent.mount,
        )  # fmt: skip
    inode = source.dentry.inode
    _check_hardlink(caller, inode)
    directory = may_create(caller, parent)
    if inode.mode & S_IFMT == S_IFDIR:
        raise EPERM("%s is a directory, which has one name only", source)
    if inode.sb is not directory.sb:
        raise EXDEV("%s and %s are on different file systems", source, parent)
    if inode.nlink == 0 and not inode.linkable:
        raise ENOENT("%s was removed", source)
    if inode.nlink >= LINK_MAX:
        raise EMLINK("%s has %d names already, at most %d", source, inode.nlink, LINK_MAX)
    directory.link(name, inode)
    parent.dentry.add(name, inode)
    notify_linked(directory, name, inode)


def _check_hardlink(caller: Caller, inode: Inode) -> None:
    """fs.protected_hardlinks: link only what you own, or safe files you may read and write."""
    mode = inode.mode
    unsafe = (
        mode & S_IFMT != S_IFREG
        or mode & S_ISUID
        or mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP
        or not may(caller.cred, inode, MAY_READ | MAY_WRITE)
    )
    if unsafe and not is_owner(caller.cred, inode):
        raise EPERM(
            "the file belongs to uid %d, mode %04o; uid %d may link only what it owns "
            "or may read and write (fs.protected_hardlinks)",
            inode.uid, mode & 0o7777, caller.cred.fsuid,
        )  # fmt: skip
