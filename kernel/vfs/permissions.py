"""Who may do what to a file: mode bits, capabilities, sticky directories, set-id bits.

See path_resolution(7) "Permissions", credentials(7), capabilities(7), chmod(2), inode(7).  The
file-system uid and gid decide, as in Linux.  Linux: ``generic_permission``, ``may_delete``,
``setattr_prepare``.
"""

from __future__ import annotations

from typing import Final

from kernel.abi.errors import EACCES, EPERM, EROFS, KernelError
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

_RIGHTS: Final = (
    "no", "execute", "write", "write and execute", "read", "read and execute", "read and write",
    "read, write and execute",
)  # fmt: skip
"""By MAY_* bits."""


def _mode_of(cred: Credentials, inode: Inode) -> int:
    """The mode with the bits that count for the caller as the last three."""
    mode = inode.mode
    if inode.uid == cred.fsuid:
        mode >>= 6
    elif inode.gid == cred.fsgid or inode.gid in cred.groups:
        mode >>= 3
    return mode


def may(cred: Credentials, inode: Inode, mask: int) -> bool:
    """Mode bits, then the capabilities that override them."""
    if _mode_of(cred, inode) & mask == mask:
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


def check(
    cred: Credentials, inode: Inode, mask: int, place: object = None, path: bytes = b""
) -> None:
    """EACCES unless ``may``.  For the reason: where the file is, and on the way of which path."""
    if not may(cred, inode, mask):
        raise _denied(cred, inode, mask, place, path)


def _denied(cred: Credentials, inode: Inode, mask: int, place: object, path: bytes) -> KernelError:
    wants = _RIGHTS[mask & ~_mode_of(cred, inode) & 7]
    if inode.mode & S_IFMT == S_IFDIR:
        wants = wants.replace("execute", "search") + " permission"
    elif mask & MAY_EXEC and not inode.mode & 0o111:
        wants += " permission, and without any x bit nobody has"
    else:
        wants += " permission"
    if path and path != str(place).encode():
        return EACCES(
            "%s: '%s' is %s of uid %d, gid %d, mode %04o; uid %d, gid %d has no %s",
            path, place, inode.kind, inode.uid, inode.gid, inode.mode & 0o7777,
            cred.fsuid, cred.fsgid, wants,
        )  # fmt: skip
    return EACCES(
        "%s is %s of uid %d, gid %d, mode %04o; uid %d, gid %d has no %s",
        place or "the file", inode.kind, inode.uid, inode.gid, inode.mode & 0o7777,
        cred.fsuid, cred.fsgid, wants,
    )  # fmt: skip


def check_writable_mount(path: Path) -> None:
    """EROFS if the mount is read-only."""
    if path.mount.read_only:
        raise EROFS("%s is on a mount that is read-only: %s", path, path.mount)


def check_access(cred: Credentials, path: Path, mask: int) -> None:
    """As ``check``, and EROFS for writing to a file, directory or link of a read-only mount."""
    inode = path.dentry.inode
    if mask & MAY_WRITE and inode.mode & S_IFMT in (S_IFREG, S_IFDIR, S_IFLNK):
        check_writable_mount(path)
    check(cred, inode, mask, path)


def is_owner(cred: Credentials, inode: Inode) -> bool:
    """Owner of the file, or CAP_FOWNER."""
    return cred.fsuid == inode.uid or cred.capable(CAP_FOWNER)


def check_owner(cred: Credentials, inode: Inode, place: object = "the file") -> None:
    """EPERM unless ``is_owner``."""
    if not is_owner(cred, inode):
        raise EPERM(
            "%s belongs to uid %d; uid %d is not its owner and has no CAP_FOWNER",
            place, inode.uid, cred.fsuid,
        )  # fmt: skip


def check_sticky(cred: Credentials, directory: Inode, inode: Inode) -> None:
    """In a sticky directory only the owner of the file or the directory may remove a name."""
    if not directory.mode & S_ISVTX or cred.fsuid in (inode.uid, directory.uid):
        return
    if not cred.capable(CAP_FOWNER):
        raise EPERM(
            "the directory is sticky (mode %04o) and belongs to uid %d, the file to uid %d; "
            "uid %d owns neither and has no CAP_FOWNER",
            directory.mode & 0o7777, directory.uid, inode.uid, cred.fsuid,
        )  # fmt: skip


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
