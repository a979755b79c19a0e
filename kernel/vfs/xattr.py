"""Extended attributes: whose they are, by name space.  See xattr(7).

``user.*``: like the contents, on regular files and directories only.  ``trusted.*``: CAP_SYS_ADMIN.
``security.*``: anybody may read, CAP_SYS_ADMIN writes.  ``system.*`` (ACLs): EOPNOTSUPP.
"""

from __future__ import annotations

from kernel.abi.errors import EINVAL, ENODATA, EOPNOTSUPP, EPERM
from kernel.abi.files import MAY_READ, MAY_WRITE, S_IFDIR, S_IFMT, S_IFREG, S_ISVTX
from kernel.cred import CAP_SYS_ADMIN, Credentials
from kernel.vfs.caller import Caller
from kernel.vfs.dentry import Path
from kernel.vfs.inode import Inode
from kernel.vfs.permissions import check, check_writable_mount, is_owner


def _may(caller: Caller, inode: Inode, name: bytes, mask: int) -> None:
    """Linux: ``xattr_permission``."""
    space = name.partition(b".")[0]
    cred = caller.cred
    if space == b"security":
        if mask & MAY_WRITE and not cred.capable(CAP_SYS_ADMIN):
            raise EPERM("%s: setting security.* needs CAP_SYS_ADMIN", name)
        return
    if space == b"trusted":
        if not cred.capable(CAP_SYS_ADMIN):
            kind = EPERM if mask & MAY_WRITE else ENODATA
            raise kind("%s: trusted.* is for CAP_SYS_ADMIN", name)
        return
    if space == b"user":
        _may_user(cred, inode, mask)
    if space != b"system":
        check(cred, inode, mask)
    if name == b"user.":
        raise EINVAL("an attribute's name ends after 'user.'")
    if space != b"user":
        raise EOPNOTSUPP("%s: there are security.*, trusted.* and user.* here", name)


def _may_user(cred: Credentials, inode: Inode, mask: int) -> None:
    kind = inode.mode & S_IFMT
    if kind not in (S_IFREG, S_IFDIR):
        error = EPERM if mask & MAY_WRITE else ENODATA
        raise error("the file is %s, which has no user.* attributes", inode.kind)
    if mask & MAY_WRITE and kind == S_IFDIR and inode.mode & S_ISVTX and not is_owner(cred, inode):
        raise EPERM("the directory is sticky and belongs to uid %d, not %d", inode.uid, cred.fsuid)


def get_xattr(caller: Caller, place: Path, name: bytes) -> bytes:
    """One value."""
    inode = place.dentry.inode
    _may(caller, inode, name, MAY_READ)
    return inode.get_xattr(name)


def set_xattr(caller: Caller, place: Path, name: bytes, value: bytes, flags: int) -> None:
    """Set one."""
    check_writable_mount(place)
    inode = place.dentry.inode
    _may(caller, inode, name, MAY_WRITE)
    inode.set_xattr(name, value, flags)


def remove_xattr(caller: Caller, place: Path, name: bytes) -> None:
    """Remove one."""
    check_writable_mount(place)
    inode = place.dentry.inode
    _may(caller, inode, name, MAY_WRITE)
    inode.remove_xattr(name)


def list_xattr(caller: Caller, place: Path) -> list[bytes]:
    """The names the caller may know: trusted.* only with CAP_SYS_ADMIN."""
    names = place.dentry.inode.list_xattr()
    if caller.cred.capable(CAP_SYS_ADMIN):
        return names
    return [name for name in names if not name.startswith(b"trusted.")]
