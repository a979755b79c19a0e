"""Names that go: unlink(2), rmdir(2).  Linux: ``may_delete``, ``do_unlinkat``, ``do_rmdir``."""

from __future__ import annotations

from kernel.abi.errors import EBUSY, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY
from kernel.abi.files import IN_ATTRIB, MAY_EXEC, MAY_WRITE, S_IFDIR, S_IFMT
from kernel.vfs.caller import Caller
from kernel.vfs.create import check_name
from kernel.vfs.dentry import Dentry, Path
from kernel.vfs.notify import notify_gone, notify_inode, notify_removed
from kernel.vfs.permissions import check, check_sticky, check_writable_mount
from kernel.vfs.walk import walk_parent


def unlink_at(caller: Caller, dirfd: int, path: bytes) -> None:
    """See unlink(2)."""
    parent, name, slash, _ = walk_parent(caller, dirfd, path)
    if name in (b"", b".", b".."):
        raise EISDIR("%s: the last component is '%s', a directory", path, name or b"/")
    check_writable_mount(parent)
    dentry = existing(parent, name)
    inode = dentry.inode
    is_directory = inode.mode & S_IFMT == S_IFDIR
    if slash:
        if is_directory:
            raise EISDIR("%s is a directory, which rmdir removes", path)
        raise ENOTDIR("%s is %s, and a slash stands for a directory", path, inode.kind)
    may_delete(caller, parent, dentry)
    if is_directory:
        raise EISDIR("%s is a directory, which rmdir removes", path)
    check_not_mounted(dentry, parent)
    directory = parent.dentry
    directory.inode.unlink(name, inode)
    directory.forget(name)
    if inode.sb.watched:
        notify_inode(inode, IN_ATTRIB)  # its link count
    drop_if_unused(dentry)
    notify_removed(directory.inode, name, inode)


def rmdir_at(caller: Caller, dirfd: int, path: bytes) -> None:
    """See rmdir(2)."""
    parent, name, _, _ = walk_parent(caller, dirfd, path)
    if name == b".":
        raise EINVAL("%s: the last component is '.'", path)
    if name == b"..":
        raise ENOTEMPTY("%s: the last component is '..', which has entries", path)
    if not name:
        raise EBUSY("%s is the root directory", path)
    check_writable_mount(parent)
    dentry = existing(parent, name)
    may_delete(caller, parent, dentry)
    inode = dentry.inode
    if inode.mode & S_IFMT != S_IFDIR:
        raise ENOTDIR("%s is %s, which unlink removes", path, inode.kind)
    check_not_mounted(dentry, parent)
    parent.dentry.inode.rmdir(name, inode)
    parent.dentry.forget(name)
    drop_if_unused(dentry)
    notify_removed(parent.dentry.inode, name, inode)


def existing(parent: Path, name: bytes) -> Dentry:
    """The dentry of a name; ENOENT, ENAMETOOLONG."""
    dentry = parent.dentry.children.get(name)
    if dentry is not None and not parent.dentry.inode.sb.volatile:
        return dentry
    check_name(name)
    dentry = parent.dentry.lookup(name)
    if dentry is None:
        raise ENOENT("there is no '%s' in %s", name, parent)
    return dentry


def may_delete(caller: Caller, parent: Path, dentry: Dentry) -> None:
    """Write and search permission on the directory, and the sticky bit."""
    directory = parent.dentry.inode
    check(caller.cred, directory, MAY_WRITE | MAY_EXEC, parent)
    check_sticky(caller.cred, directory, dentry.inode)


def check_not_mounted(dentry: Dentry, parent: Path) -> None:
    """EBUSY if something is mounted there."""
    if dentry.mounts is not None:
        raise EBUSY("something is mounted on %s", Path(parent.mount, dentry))


def drop_if_unused(dentry: Dentry) -> None:
    """Give the storage of a file back if that was its last name and nobody has it open."""
    inode = dentry.inode
    if not inode.nlink and not inode.opens:
        notify_gone(inode)
        inode.evict()
