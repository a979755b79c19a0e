"""Extended attributes: setxattr(2), getxattr(2), listxattr(2), removexattr(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import E2BIG, EINVAL, ENAMETOOLONG, ERANGE
from kernel.abi.files import (
    AT_FDCWD,
    XATTR_CREATE,
    XATTR_LIST_MAX,
    XATTR_NAME_MAX,
    XATTR_REPLACE,
    XATTR_SIZE_MAX,
)
from kernel.vfs.walk import FOLLOW, walk
from kernel.vfs.xattr import get_xattr, list_xattr, remove_xattr, set_xattr
from syscalls.declare import syscall
from syscalls.kinds import Fd, InBuf, OutBuf, PathPtr, Size, StringPtr, XattrFlags, Zero

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.vfs.dentry import Path


def _name(task: Task, address: int) -> bytes:
    """A name of 1 to 255 bytes; ERANGE otherwise, as Linux has it."""
    try:
        name = task.mem.read_cstring(address, XATTR_NAME_MAX + 1)
    except ENAMETOOLONG:
        raise ERANGE("the name has more than %d bytes", XATTR_NAME_MAX) from None
    if not name:
        raise ERANGE("the name is empty")
    return name


def _place(task: Task, path: int, follow: int) -> Path:
    return walk(task, AT_FDCWD, task.mem.read_path(path), follow)


def _value(task: Task, address: int, size: int, flags: int) -> bytes:
    if flags & ~(XATTR_CREATE | XATTR_REPLACE):
        raise EINVAL("flags %#x: only the bits %#x are known", flags, XATTR_CREATE | XATTR_REPLACE)
    if size > XATTR_SIZE_MAX:
        raise E2BIG("a value of %d bytes, and at most %d are allowed", size, XATTR_SIZE_MAX)
    return task.mem.read(address, size) if size else b""


def _give(task: Task, data: bytes, address: int, size: int) -> int:
    """Copy out; a size of 0 only asks how much there is."""
    if size:
        if len(data) > size:
            raise ERANGE("the value has %d bytes, the buffer %d", len(data), size)
        task.mem.write(address, data)
    return len(data)


def _listed(task: Task, place: Path, address: int, size: int) -> int:
    names = b"".join(name + b"\0" for name in list_xattr(task, place))
    if len(names) > XATTR_LIST_MAX:
        raise E2BIG("%s bytes of names", len(names))
    return _give(task, names, address, size)


@syscall("setxattr(2)")
def setxattr(
    task: Task, path: PathPtr, name: StringPtr, value: InBuf, size: Size, flags: XattrFlags
) -> Zero:
    """Set an attribute.  See setxattr(2)."""
    data = _value(task, value, size, flags)
    key = _name(task, name)
    set_xattr(task, _place(task, path, FOLLOW), key, data, flags)
    return 0


@syscall("setxattr(2)")
def lsetxattr(
    task: Task, path: PathPtr, name: StringPtr, value: InBuf, size: Size, flags: XattrFlags
) -> Zero:
    """As setxattr, of a symbolic link itself.  See lsetxattr(2)."""
    data = _value(task, value, size, flags)
    key = _name(task, name)
    set_xattr(task, _place(task, path, 0), key, data, flags)
    return 0


@syscall("setxattr(2)")
def fsetxattr(
    task: Task, fd: Fd, name: StringPtr, value: InBuf, size: Size, flags: XattrFlags
) -> Zero:
    """As setxattr, of an open file.  See fsetxattr(2)."""
    place = task.fds.get(fd).path
    data = _value(task, value, size, flags)
    set_xattr(task, place, _name(task, name), data, flags)
    return 0


@syscall("getxattr(2)")
def getxattr(task: Task, path: PathPtr, name: StringPtr, value: OutBuf, size: Size) -> Size:
    """Read an attribute.  See getxattr(2)."""
    key = _name(task, name)
    return _give(task, get_xattr(task, _place(task, path, FOLLOW), key), value, size)


@syscall("getxattr(2)")
def lgetxattr(task: Task, path: PathPtr, name: StringPtr, value: OutBuf, size: Size) -> Size:
    """As getxattr, of a symbolic link itself.  See lgetxattr(2)."""
    key = _name(task, name)
    return _give(task, get_xattr(task, _place(task, path, 0), key), value, size)


@syscall("getxattr(2)")
def fgetxattr(task: Task, fd: Fd, name: StringPtr, value: OutBuf, size: Size) -> Size:
    """As getxattr, of an open file.  See fgetxattr(2)."""
    place = task.fds.get(fd).path
    return _give(task, get_xattr(task, place, _name(task, name)), value, size)


@syscall("listxattr(2)")
def listxattr(task: Task, path: PathPtr, list_: OutBuf, size: Size) -> Size:
    """The names of all attributes, each with a NUL.  See listxattr(2)."""
    return _listed(task, _place(task, path, FOLLOW), list_, size)


@syscall("listxattr(2)")
def llistxattr(task: Task, path: PathPtr, list_: OutBuf, size: Size) -> Size:
    """As listxattr, of a symbolic link itself.  See llistxattr(2)."""
    return _listed(task, _place(task, path, 0), list_, size)


@syscall("listxattr(2)")
def flistxattr(task: Task, fd: Fd, list_: OutBuf, size: Size) -> Size:
    """As listxattr, of an open file.  See flistxattr(2)."""
    return _listed(task, task.fds.get(fd).path, list_, size)


@syscall("removexattr(2)")
def removexattr(task: Task, path: PathPtr, name: StringPtr) -> Zero:
    """Remove an attribute.  See removexattr(2)."""
    key = _name(task, name)
    remove_xattr(task, _place(task, path, FOLLOW), key)
    return 0


@syscall("removexattr(2)")
def lremovexattr(task: Task, path: PathPtr, name: StringPtr) -> Zero:
    """As removexattr, of a symbolic link itself.  See lremovexattr(2)."""
    key = _name(task, name)
    remove_xattr(task, _place(task, path, 0), key)
    return 0


@syscall("removexattr(2)")
def fremovexattr(task: Task, fd: Fd, name: StringPtr) -> Zero:
    """As removexattr, of an open file.  See fremovexattr(2)."""
    place = task.fds.get(fd).path
    remove_xattr(task, place, _name(task, name))
    return 0
