"""rename(2), renameat2(2): atomic replacement, RENAME_NOREPLACE, RENAME_EXCHANGE.

Linux: ``do_renameat2``, ``vfs_rename``.
"""

from __future__ import annotations

from kernel.abi.errors import EBUSY, EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EXDEV
from kernel.abi.files import (
    MAY_WRITE,
    RENAME_EXCHANGE,
    RENAME_NOREPLACE,
    S_IFDIR,
    S_IFMT,
)
from kernel.vfs.caller import Caller
from kernel.vfs.create import check_name
from kernel.vfs.dentry import Dentry
from kernel.vfs.notify import notify_moved
from kernel.vfs.open import may_create
from kernel.vfs.permissions import check, check_writable_mount
from kernel.vfs.remove import check_not_mounted, drop_if_unused, existing, may_delete
from kernel.vfs.walk import Last, walk_parent

_SPECIAL = (b"", b".", b"..")


def rename_at(
    caller: Caller, olddirfd: int, old: bytes, newdirfd: int, new: bytes, flags: int
) -> None:
    """Move a name.  RENAME_WHITEOUT is EINVAL: no file system here has whiteouts."""
    if flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE):
        raise EINVAL("flags %#x: renameat2 here knows RENAME_NOREPLACE and RENAME_EXCHANGE", flags)
    if flags & RENAME_NOREPLACE and flags & RENAME_EXCHANGE:
        raise EINVAL("RENAME_NOREPLACE and RENAME_EXCHANGE exclude each other")
    source = walk_parent(caller, olddirfd, old)
    to = walk_parent(caller, newdirfd, new)
    if source.parent.mount is not to.parent.mount:
        raise EXDEV(
            "%s is on mount %s and %s on mount %s", old, source.parent.mount, new, to.parent.mount
        )
    if source.name in _SPECIAL:
        raise EBUSY("%s: the last component is '%s', which cannot move", old, source.name or b"/")
    if to.name in _SPECIAL:
        raise (
            EEXIST("%s exists (RENAME_NOREPLACE)", new)
            if flags & RENAME_NOREPLACE
            else EBUSY("%s ends in '%s', which cannot be replaced", new, to.name or b"/")
        )
    check_writable_mount(source.parent)
    _rename(caller, source, to, flags)


def _rename(caller: Caller, source: Last, to: Last, flags: int) -> None:
    moved = existing(source.parent, source.name)
    check_name(to.name)
    target = to.parent.dentry.lookup(to.name)
    if target is not None and flags & RENAME_NOREPLACE:
        raise EEXIST("%s exists, it is %s (RENAME_NOREPLACE)", to, target.inode.kind)
    exchange = bool(flags & RENAME_EXCHANGE)
    if exchange and target is None:
        raise ENOENT("there is no %s to exchange with (RENAME_EXCHANGE)", to)
    _check_slashes(moved, source, target, to, exchange)
    if to.parent.dentry.is_below(moved):
        raise EINVAL("%s lies in %s, and a directory cannot move into itself", to, source)
    if target is not None and source.parent.dentry.is_below(target):
        kind = EINVAL if exchange else ENOTEMPTY
        raise kind("%s lies in %s, which therefore is not empty", source, to)
    if target is not None and target.inode is moved.inode:
        return  # two names of one file: rename(2) does nothing
    _may_rename(caller, source, moved, to, target, exchange)
    source.parent.dentry.inode.rename(
        source.name, moved.inode, to.parent.dentry.inode, to.name,
        target.inode if target is not None else None, exchange,
    )  # fmt: skip
    _move_dentries(source, moved, to, target, exchange)


def _check_slashes(
    moved: Dentry, source: Last, target: Dentry | None, to: Last, exchange: bool
) -> None:
    """A trailing slash is only for directories."""
    if not _is_directory(moved):
        if source.slash or (to.slash and not exchange):
            raise ENOTDIR("%s is %s, and a slash stands for a directory", source, moved.inode.kind)
    if exchange and to.slash and target is not None and not _is_directory(target):
        raise ENOTDIR("%s is %s, and a slash stands for a directory", to, target.inode.kind)


def _may_rename(
    caller: Caller, source: Last, moved: Dentry, to: Last, target: Dentry | None, exchange: bool
) -> None:
    may_delete(caller, source.parent, moved)
    if target is None:
        may_create(caller, to.parent)
    else:
        may_delete(caller, to.parent, target)
        if not exchange:
            if _is_directory(moved) and not _is_directory(target):
                raise ENOTDIR(
                    "%s is a directory and cannot replace %s, %s", source, to, target.inode.kind
                )
            if not _is_directory(moved) and _is_directory(target):
                raise EISDIR(
                    "%s is %s and cannot replace %s, a directory", source, moved.inode.kind, to
                )
    if source.parent.dentry is not to.parent.dentry:  # '..' of a moved directory changes
        for dentry in (moved, target) if exchange else (moved,):
            if dentry is not None and _is_directory(dentry):
                check(caller.cred, dentry.inode, MAY_WRITE, "the directory that moves")
    check_not_mounted(moved, source.parent)
    if target is not None:
        check_not_mounted(target, to.parent)


def _move_dentries(
    source: Last, moved: Dentry, to: Last, target: Dentry | None, exchange: bool
) -> None:
    old_parent, new_parent = source.parent.dentry, to.parent.dentry
    replaced = target.inode if target is not None and not exchange else None
    old, new = (old_parent.inode, source.name), (new_parent.inode, to.name)
    notify_moved(old, new, moved.inode, replaced)
    if exchange and target is not None:
        notify_moved(new, old, target.inode, None)
    old_parent.children.pop(source.name, None)
    new_parent.children.pop(to.name, None)
    if target is not None:
        if exchange:
            _place(target, old_parent, source.name)
        else:
            target.unlinked = True
            drop_if_unused(target)
    _place(moved, new_parent, to.name)


def _place(dentry: Dentry, parent: Dentry, name: bytes) -> None:
    dentry.parent, dentry.name = parent, name
    parent.children[name] = dentry


def _is_directory(dentry: Dentry) -> bool:
    return dentry.inode.mode & S_IFMT == S_IFDIR
