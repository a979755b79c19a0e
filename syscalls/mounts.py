"""mount(2) and umount2(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EINVAL, ENAMETOOLONG
from kernel.vfs.mounting import mount_at, unmount_at
from syscalls.declare import syscall
from syscalls.kinds import MountFlags, PathPtr, StringPtr, UmountFlags, UserAddr, Zero

if TYPE_CHECKING:
    from kernel.task.task import Task

_PAGE: Final = 4096
_MAGIC: Final = 0xC0ED0000
_MAGIC_MASK: Final = 0xFFFF0000


def _string(task: Task, address: int) -> bytes:
    try:
        return task.mem.read_cstring(address, _PAGE) if address else b""
    except ENAMETOOLONG:
        raise EINVAL("the string at %#x has a page or more", address) from None


@syscall("mount(2)")
def mount(
    task: Task, source: PathPtr, target: PathPtr, filesystemtype: StringPtr,
    mountflags: MountFlags, data: UserAddr,
) -> Zero:  # fmt: skip
    """Mount a file system, bind, move or remount.  See mount(2), ERRORS."""
    fstype = _string(task, filesystemtype)
    origin = _string(task, source)
    options = _string(task, data)
    path = task.mem.read_path(target)
    flags = mountflags
    if flags & _MAGIC_MASK == _MAGIC:  # required before Linux 2.4, ignored since
        flags &= ~_MAGIC_MASK  # type: ignore[assignment]
    mount_at(task, origin, path, fstype, flags, options)
    return 0


@syscall("umount(2)")
def umount2(task: Task, target: PathPtr, flags: UmountFlags) -> Zero:
    """Take a mount away.  See umount2(2)."""
    unmount_at(task, task.mem.read_path(target), flags)
    return 0
