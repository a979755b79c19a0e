"""Who may do what to a file: mode bits, capabilities, sticky directories, set-id bits.

See path_resolution(7) "Permissions", credentials(7), capabilities(7), chmod(2), inode(7).  The
file-system uid and gid decide, as in Linux.  Linux: ``generic_permission``, ``may_delete``,
``setattr_prepare``.
"""

from __future__ import annotations

from kernel.abi.errors import EACCES, EPERM, EROFS
from kernel.abi.files import (
    MAY_EXEC,
    MAY_READ,
    MAY_WRITE,
    S_IFDIR,
    S_IFLNK,
    S_IFMT,
    S_IFREG,
    S_ISGID,
    S_ISUID,
    S_ISVTX,
    S_IXGRP,
)
from kernel.cred import (
    CAP_DAC_OVERRIDE,
    CAP_DAC_READ_SEARCH,
    CAP_FOWNER,
    CAP_FSETID,
    Credentials,
)
from kernel.vfs.dentry import Path
from kernel.vfs.inode import Inode


def mode_allows(cred: Credentials, inode: Inode, mask: int) -> bool:
    """Do the mode bits alone allow ``mask`` (MAY_READ | MAY_WRITE | MAY_EXEC)?"""
    mode = inode.mode
    if inode.uid == cred.fsuid:
        mode >>= 6
    elif inode.gid == cred.fsgid or inode.gid in cred.groups:
        mode >>= 3
    return mode & mask == mask


def may(cred: Credentials, inode: Inode, mask: int) -> bool:
    """Mode bits, then the capabilities that override them."""
    if mode_allows(cred, inode, mask):
        return True
    effective = cred.effective
    if not effective:
        return False
    if inode.mode & S_IFMT == S_IFDIR:
        if not mask & MAY_WRITE and effective >> CAP_DAC_READ_SEARCH & 1:
            return True
        return bool(effective >> CAP_DAC_OVERRIDE & 1)
    if mask == MAY_READ and effective >> CAP_DAC_READ_SEARCH & 1:
        return True
    if mask & MAY_EXEC and not inode.mode & 0o111:
        return False  # root, too, cannot run a file without any x bit
    return bool(effective >> CAP_DAC_OVERRIDE & 1)


def check(cred: Credentials, inode: Inode, mask: int) -> None:
    """EACCES unless ``may``."""
    if not may(cred, inode, mask):
        wanted = "".join(c for bit, c in ((4, "r"), (2, "w"), (1, "x")) if mask & bit)
        raise EACCES(
            "mode %04o of %s:%s denies %s", inode.mode & 0o7777, inode.uid, inode.gid, wanted
        )


def check_writable_mount(path: Path) -> None:
    """EROFS if the mount is read-only."""
    if path.mount.read_only:
        raise EROFS("read-only mount")


def check_access(cred: Credentials, path: Path, mask: int) -> None:
    """As ``check``, and EROFS for writing to a file, directory or link of a read-only mount."""
    inode = path.dentry.inode
    if mask & MAY_WRITE and inode.mode & S_IFMT in (S_IFREG, S_IFDIR, S_IFLNK):
        check_writable_mount(path)
    check(cred, inode, mask)


def is_owner(cred: Credentials, inode: Inode) -> bool:
    """Owner of the file, or CAP_FOWNER."""
    return cred.fsuid == inode.uid or cred.capable(CAP_FOWNER)


def check_owner(cred: Credentials, inode: Inode) -> None:
    """EPERM unless ``is_owner``."""
    if not is_owner(cred, inode):
        raise EPERM("owned by %s, caller is %s", inode.uid, cred.fsuid)


def check_sticky(cred: Credentials, directory: Inode, inode: Inode) -> None:
    """In a sticky directory only the owner of the file or the directory may remove a name."""
    if not directory.mode & S_ISVTX or cred.fsuid in (inode.uid, directory.uid):
        return
    if not cred.capable(CAP_FOWNER):
        raise EPERM("sticky directory")


def new_owner(cred: Credentials, directory: Inode, mode: int) -> tuple[int, int, int]:
    """(uid, gid, mode) of a new file: the directory's group if that is set-group-ID.  inode(7)."""
    if not directory.mode & S_ISGID:
        return cred.fsuid, cred.fsgid, mode
    gid = directory.gid
    if mode & S_IFMT == S_IFDIR:
        mode |= S_ISGID
    elif _loses_setgid(cred, mode, gid):
        mode &= ~S_ISGID
    return cred.fsuid, gid, mode


def _loses_setgid(cred: Credentials, mode: int, gid: int) -> bool:
    executable = mode & (S_ISGID | S_IXGRP) == S_ISGID | S_IXGRP
    return bool(executable and not cred.in_group(gid) and not cred.capable(CAP_FSETID))


def without_setid(cred: Credentials, inode: Inode) -> int:
    """Permission bits that are left after a write, truncate or chown.

    Set-group-ID without group execute stays if the caller is in the group or has CAP_FSETID.
    """
    mode = inode.mode & 0o7777 & ~S_ISUID
    if mode & S_ISGID:
        keeps = cred.in_group(inode.gid) or cred.capable(CAP_FSETID)
        if mode & S_IXGRP or not keeps:
            mode &= ~S_ISGID
    return mode


def clear_setid(cred: Credentials, inode: Inode) -> None:
    """Writing takes set-user-ID and set-group-ID away; see write(2).  One of them is set."""
    if inode.mode & S_IFMT == S_IFREG and not cred.capable(CAP_FSETID):
        mode = without_setid(cred, inode)
        if mode != inode.mode & 0o7777:
            inode.set_mode(mode)
