"""mount(2) and umount2(2): new instances, binds, remounts, moves.

Which file systems there are is in the mount table's ``filesystems``: a name and a function that
makes a ``SuperBlock`` from the options, filled when the machine is put together.
Linux: ``do_mount``.
"""

from __future__ import annotations

from kernel.abi.errors import EBUSY, EINVAL, ELOOP, ENODEV, ENOTDIR, EPERM, Count
from kernel.abi.files import (
    MNT_DETACH,
    MNT_EXPIRE,
    MNT_FORCE,
    MS_BIND,
    MS_MOVE,
    MS_NOATIME,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_RELATIME,
    MS_REMOUNT,
    MS_SHARED,
    MS_SLAVE,
    MS_STRICTATIME,
    MS_UNBINDABLE,
    S_IFDIR,
    S_IFMT,
    UMOUNT_NOFOLLOW,
)
from kernel.cred import CAP_SYS_ADMIN
from kernel.vfs.caller import Caller
from kernel.vfs.dentry import Path
from kernel.vfs.mount import PER_MOUNT_FLAGS, Mount
from kernel.vfs.notify import notify_unmounted
from kernel.vfs.walk import FOLLOW, walk

_PROPAGATION = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE


def may_mount(caller: Caller) -> None:
    """EPERM without CAP_SYS_ADMIN."""
    if not caller.cred.capable(CAP_SYS_ADMIN):
        raise EPERM("mounting needs CAP_SYS_ADMIN, which uid %d has not", caller.cred.euid)


def mount_at(
    caller: Caller, source: bytes, target: bytes, fstype: bytes, flags: int, options: bytes
) -> None:
    """See mount(2)."""
    at = walk(caller, -100, target, FOLLOW)
    may_mount(caller)
    kept = flags & PER_MOUNT_FLAGS
    if not flags & (MS_NOATIME | MS_STRICTATIME):
        kept |= MS_RELATIME
    if flags & MS_REMOUNT:
        _remount(at, kept)
    elif flags & MS_BIND:
        _bind(caller, source, at, bool(flags & MS_REC))
    elif flags & _PROPAGATION:
        _propagation(at, flags)
    elif flags & MS_MOVE:
        _move(caller, source, at)
    else:
        _mount_new(caller, source, at, fstype, kept, options)


def _mount_new(
    caller: Caller, source: bytes, at: Path, fstype: bytes, flags: int, options: bytes
) -> None:
    mounts = caller.fs.mounts
    make = mounts.filesystems.get(fstype)
    if make is None:
        known = b" ".join(sorted(mounts.filesystems))
        raise ENODEV("there is no file system '%s' here, only %s", fstype, known)
    sb = make(options)
    sb.source = source or b"none"
    _check_kinds(sb.root.mode, at)
    mounts.mount(sb, at, flags)


def _check_kinds(mode: int, at: Path) -> None:
    """A directory covers a directory, a file a file."""
    if (mode & S_IFMT == S_IFDIR) != (at.dentry.inode.mode & S_IFMT == S_IFDIR):
        what = "a directory" if mode & S_IFMT == S_IFDIR else "a file"
        raise ENOTDIR("%s is %s, and %s cannot cover it", at, at.inode.kind, what)


def _remount(at: Path, flags: int) -> None:
    if at.dentry is not at.mount.root:
        raise EINVAL("%s is not a mount point", at)
    if flags & MS_RDONLY and at.mount.writers:
        raise EBUSY(
            "%s open for writing on %s", Count(at.mount.writers, "file is", "files are"), at.mount
        )
    at.mount.flags = flags


def _bind(caller: Caller, source: bytes, at: Path, recursive: bool) -> None:
    origin = walk(caller, -100, source, FOLLOW)
    _check_kinds(origin.dentry.inode.mode, at)
    mounts = caller.fs.mounts
    below = mounts.below(origin.mount, origin.dentry) if recursive else []
    mounts.need_room(1 + len(below))
    copies = {origin.mount: mounts.bind(origin, at, origin.mount.flags)}
    for mount in below:
        assert mount.parent is not None
        place = Path(copies[mount.parent], mount.mountpoint)
        copies[mount] = mounts.bind(Path(mount, mount.root), place, mount.flags)


def _propagation(at: Path, flags: int) -> None:
    """There is one mount namespace, so nothing propagates: private is what every mount is."""
    if at.dentry is not at.mount.root:
        raise EINVAL("%s is not a mount point", at)
    if flags & _PROPAGATION not in (MS_PRIVATE, MS_SLAVE):
        raise EINVAL("propagation %#x: every mount here is private", flags & _PROPAGATION)


def _move(caller: Caller, source: bytes, at: Path) -> None:
    origin = walk(caller, -100, source, FOLLOW)
    mount = origin.mount
    if origin.dentry is not mount.root or mount.parent is None:
        raise EINVAL("%s is not a mount point", origin)
    _check_kinds(origin.dentry.inode.mode, at)
    above: Mount | None = at.mount
    while above is not None:
        if above is mount:
            raise ELOOP("%s lies below %s, which is to move there", at, mount)
        above = above.parent
    caller.fs.mounts.move(mount, at)


def unmount_at(caller: Caller, target: bytes, flags: int) -> None:
    """See umount2(2).  MNT_FORCE is for network file systems and changes nothing here."""
    if flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW):
        raise EINVAL("flags %#x: umount2 does not know all of them", flags)
    may_mount(caller)
    at = walk(caller, -100, target, 0 if flags & UMOUNT_NOFOLLOW else FOLLOW)
    if at.dentry is not at.mount.root:
        raise EINVAL("%s is not a mount point", at)
    if flags & MNT_EXPIRE:
        raise EINVAL("MNT_EXPIRE is not supported here")
    if at.mount.opens and not flags & MNT_DETACH:
        users = Count(at.mount.opens, "file or directory is", "files or directories are")
        raise EBUSY("%s in use on %s", users, at.mount)
    mounts, sb = caller.fs.mounts, at.mount.sb
    mounts.unmount(at.mount, bool(flags & MNT_DETACH))
    if sb.watched and not any(mount.sb is sb for mount in mounts.mounts):
        notify_unmounted(sb)
