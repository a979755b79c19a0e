"""What a file says about itself, and changing it: stat, access, chmod, chown, utimes, truncate.

See stat(2), access(2), chmod(2), chown(2), utimensat(2), truncate(2).  Linux: ``setattr_prepare``,
``chown_common``, ``vfs_utimes``, ``do_truncate``.
"""

from __future__ import annotations

from typing import Final

from kernel.abi.errors import EACCES, EFBIG, EINVAL, EISDIR, EPERM, EROFS, ETXTBSY, Count
from kernel.abi.files import (
    IN_ATTRIB,
    IN_MODIFY,
    MAX_OFFSET,
    MAY_EXEC,
    MAY_WRITE,
    MS_NOEXEC,
    S_IFBLK,
    S_IFCHR,
    S_IFDIR,
    S_IFIFO,
    S_IFMT,
    S_IFREG,
    S_IFSOCK,
    S_ISGID,
    SIGXFSZ,
    UTIME_NOW,
    UTIME_OMIT,
)
from kernel.cred import CAP_CHOWN, CAP_FOWNER, CAP_FSETID, RLIMIT_FSIZE, Credentials
from kernel.vfs.caller import Caller
from kernel.vfs.dentry import Path
from kernel.vfs.inode import Inode, StatFs
from kernel.vfs.notify import notify_file
from kernel.vfs.permissions import (
    check,
    check_owner,
    check_writable_mount,
    clear_setid,
    is_owner,
    may,
    without_setid,
)
from kernel.vfs.walk import EMPTY, FOLLOW, start_of, walk

NO_ID: Final = 0xFFFFFFFF
"""uid or gid -1: leave it alone."""


def inode_at(caller: Caller, dirfd: int, path: bytes, how: int) -> Inode:
    """The inode a path names, fields up to date; also by descriptor with EMPTY."""
    if not path and how & EMPTY:
        return inode_of(caller, dirfd)
    inode = walk(caller, dirfd, path, how).dentry.inode
    inode.refresh()
    return inode


def inode_of(caller: Caller, fd: int) -> Inode:
    """The inode behind a descriptor (or the working directory), fields up to date."""
    inode = caller.fds.get_any(fd).inode if fd >= 0 else start_of(caller, fd).dentry.inode
    inode.refresh()
    return inode


def statfs_of(path: Path) -> tuple[StatFs, int, int]:
    """(numbers, device, ST_* flags) of the file system at a place.  See statfs(2)."""
    sb = path.dentry.inode.sb
    return sb.statfs(), sb.dev, path.mount.statfs_flags()


def check_permission(cred: Credentials, path: Path, mask: int) -> None:
    """access(2) with credentials that are real or effective ids; EACCES, EROFS."""
    inode = path.dentry.inode
    kind = inode.mode & S_IFMT
    if mask & MAY_EXEC and kind == S_IFREG and path.mount.flags & MS_NOEXEC:
        raise EACCES("%s is on a mount that is noexec: %s", path, path.mount)
    check(cred, inode, mask, path)
    special = kind in (S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK)
    if mask & MAY_WRITE and not special and path.mount.read_only:
        raise EROFS("%s is on a mount that is read-only: %s", path, path.mount)


def chmod(caller: Caller, path: Path, mode: int) -> None:
    """See chmod(2): S_ISGID goes if the caller is not in the file's group."""
    check_writable_mount(path)
    inode = path.dentry.inode
    inode.refresh()
    check_owner(caller.cred, inode, path)
    mode &= 0o7777
    cred = caller.cred
    if mode & S_ISGID and not cred.in_group(inode.gid) and not cred.capable(CAP_FSETID):
        mode &= ~S_ISGID
    inode.set_mode(mode)
    notify_file(path.dentry, IN_ATTRIB)


def chown(caller: Caller, path: Path, uid: int, gid: int) -> None:
    """See chown(2); ids of -1 stay.  Set-id bits of a file that is no directory go."""
    check_writable_mount(path)
    inode = path.dentry.inode
    inode.refresh()
    cred = caller.cred
    new_uid = inode.uid if uid == NO_ID else uid
    new_gid = inode.gid if gid == NO_ID else gid
    if not cred.capable(CAP_CHOWN):
        owns = cred.fsuid == inode.uid
        if uid != NO_ID and not (owns and new_uid == inode.uid):
            raise EPERM(
                "%s belongs to uid %d; uid %d has no CAP_CHOWN to give it to uid %d",
                path, inode.uid, cred.fsuid, new_uid,
            )  # fmt: skip
        if gid != NO_ID and not (owns and (cred.in_group(new_gid) or new_gid == inode.gid)):
            raise EPERM(
                "%s belongs to uid %d; uid %d is not its owner, or is not in group %d",
                path, inode.uid, cred.fsuid, new_gid,
            )  # fmt: skip
    mode = inode.mode & 0o7777
    if inode.mode & S_IFMT != S_IFDIR:
        mode = without_setid(cred, inode)
        if mode != inode.mode & 0o7777:
            check_owner(cred, inode, path)
    inode.set_owner(new_uid, new_gid, mode)
    notify_file(path.dentry, IN_ATTRIB)


Times = tuple[tuple[int, int], tuple[int, int]]
"""((atime seconds, ns), (mtime seconds, ns)); ns may be UTIME_NOW or UTIME_OMIT."""


def check_times(times: Times | None) -> None:
    """EINVAL for nanoseconds out of range."""
    for _, ns in times or ():
        if ns not in (UTIME_NOW, UTIME_OMIT) and not 0 <= ns < 1_000_000_000:
            raise EINVAL("a time has %d nanoseconds, not 0 to 999999999", ns)


def utimes(caller: Caller, path: Path, times: Times | None) -> None:
    """See utimensat(2).  None, or both UTIME_NOW, needs only write permission."""
    both_now = times is None or (times[0][1] == UTIME_NOW and times[1][1] == UTIME_NOW)
    check_writable_mount(path)
    inode = path.dentry.inode
    inode.refresh()
    cred = caller.cred
    if not is_owner(cred, inode):
        if not both_now:
            raise EPERM(
                "%s belongs to uid %d, who alone sets its times; this is uid %d",
                path, inode.uid, cred.fsuid,
            )  # fmt: skip
        if not may(cred, inode, MAY_WRITE):
            raise EACCES(
                "%s belongs to uid %d, mode %04o; uid %d is not its owner and may not write",
                path, inode.uid, inode.mode & 0o7777, cred.fsuid,
            )  # fmt: skip
    now = inode.sb.now()
    if times is None:
        inode.set_times(now, now)
    else:
        inode.set_times(_time(times[0], now), _time(times[1], now))
    notify_file(path.dentry, IN_ATTRIB)


def _time(value: tuple[int, int], now: int) -> int | None:
    seconds, ns = value
    if ns == UTIME_NOW:
        return now
    return None if ns == UTIME_OMIT else seconds * 1_000_000_000 + ns


def truncate_at(caller: Caller, path: bytes, size: int) -> None:
    """truncate(2)."""
    if size < 0:
        raise EINVAL("the size is %d", size)
    place = walk(caller, -100, path, FOLLOW)
    inode = place.dentry.inode
    kind = inode.mode & S_IFMT
    if kind == S_IFDIR:
        raise EISDIR("%s is a directory, which has no size to set", place)
    if kind != S_IFREG:
        raise EINVAL("%s is %s, which has no size to set", place, inode.kind)
    check_writable_mount(place)
    check(caller.cred, inode, MAY_WRITE, place)
    if inode.writers < 0:
        raise ETXTBSY("%s is being run by %s", place, Count(-inode.writers, "process", "processes"))
    resize(caller, inode, size)
    notify_file(place.dentry, IN_MODIFY)


def resize(caller: Caller, inode: Inode, size: int) -> None:
    """Set the size of a file the caller may write to; set-id bits go.  EFBIG with SIGXFSZ."""
    limit_growth(caller, inode, size)
    inode.truncate(size)
    if inode.mode & 0o6000:
        clear_setid(caller.cred, inode)


def limit_growth(caller: Caller, inode: Inode, size: int) -> None:
    """RLIMIT_FSIZE, for truncate(2): EFBIG with SIGXFSZ."""
    inode.refresh()
    limit = caller.limits.soft(RLIMIT_FSIZE)
    if size > inode.size and size > limit:
        raise EFBIG("size %d is over RLIMIT_FSIZE, %d", size, limit, signal=SIGXFSZ)


def write_room(caller: Caller, at: int, count: int) -> int:
    """How much of ``count`` bytes may be written at ``at``: RLIMIT_FSIZE.  EFBIG with SIGXFSZ."""
    limit = caller.limits.soft(RLIMIT_FSIZE)
    if at >= limit:
        raise EFBIG("writing at %d is over RLIMIT_FSIZE, %d", at, limit, signal=SIGXFSZ)
    if at >= MAX_OFFSET:
        raise EFBIG("writing at %d is past the largest file, 2^63 - 1", at)
    return min(count, limit - at, MAX_OFFSET - at)


def may_set_flags(cred: Credentials, inode: Inode) -> bool:
    """O_NOATIME by F_SETFL needs the owner or CAP_FOWNER."""
    return cred.fsuid == inode.uid or cred.capable(CAP_FOWNER)
