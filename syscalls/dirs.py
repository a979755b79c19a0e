"""Directories: getdents(2), mkdir(2), rmdir(2), chdir(2), getcwd(2), chroot(2)."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EINVAL, ENOENT, EPERM, ERANGE
from kernel.abi.files import AT_FDCWD, IN_ACCESS, MAY_EXEC
from kernel.abi.structs import DIRENT64
from kernel.cred import CAP_SYS_CHROOT
from kernel.vfs.create import mkdir_at
from kernel.vfs.dentry import path_from
from kernel.vfs.notify import notify_file
from kernel.vfs.open import must_be_directory
from kernel.vfs.openfile import OpenFile
from kernel.vfs.permissions import check
from kernel.vfs.regular import touch_atime
from kernel.vfs.remove import rmdir_at
from kernel.vfs.walk import DIRECTORY, FOLLOW, walk
from syscalls.declare import syscall
from syscalls.kinds import DirentsPtr, DirFd, Fd, FileMode, PathOutPtr, PathPtr, Size, UInt, Zero

if TYPE_CHECKING:
    from kernel.task.task import Task

Record = Callable[[int, int, int, bytes], bytes]
"""record(ino, offset, type, name): one entry in the layout of a call."""

_OLD_DIRENT: Final = Struct("<QQH")  # ino, off, reclen; name, NUL, padding, type


def _record64(ino: int, offset: int, kind: int, name: bytes) -> bytes:
    length = len(name) + 27 & ~7
    return (DIRENT64.pack(ino, offset, length, kind) + name).ljust(length, b"\0")


def _record(ino: int, offset: int, kind: int, name: bytes) -> bytes:
    length = len(name) + 27 & ~7
    head = _OLD_DIRENT.pack(ino, offset, length) + name
    return head.ljust(length - 1, b"\0") + bytes((kind,))


@syscall("getdents64(2)")
def getdents64(task: Task, fd: Fd, dirp: DirentsPtr, count: UInt) -> Size:
    """Read directory entries.  See getdents(2), ERRORS."""
    return _getdents(task, fd, dirp, count, _record64)


@syscall("getdents(2)", arch="x86_64")
def getdents(task: Task, fd: Fd, dirp: DirentsPtr, count: UInt) -> Size:
    """As getdents64, in the older layout: the type stands in the last byte.  See getdents(2)."""
    return _getdents(task, fd, dirp, count, _record)


def _getdents(task: Task, fd: int, address: int, room: int, record: Record) -> int:
    file = task.fds.get(fd)
    entries = file.listing(task)
    position = start = file.pos
    records: list[bytes] = []
    while position < len(entries):
        name, ino, kind = entries[position]
        packed = record(ino, position + 1, kind, name)
        room -= len(packed)
        if room < 0:
            break
        position += 1
        records.append(packed)
    if position == start and position < len(entries):
        raise EINVAL("the next entry has %d bytes, more than the buffer", len(packed))
    return _store(task, file, address, records, position)


def _store(task: Task, file: OpenFile, address: int, records: list[bytes], position: int) -> int:
    if not records:
        notify_file(file.path.dentry, IN_ACCESS)
        return 0
    data = b"".join(records)
    task.mem.write(address, data)
    file.pos = position
    touch_atime(file.inode)
    notify_file(file.path.dentry, IN_ACCESS)
    return len(data)


@syscall("mkdir(2)", arch="x86_64")
def mkdir(task: Task, pathname: PathPtr, mode: FileMode) -> Zero:
    """Make a directory.  See mkdir(2)."""
    mkdir_at(task, AT_FDCWD, task.mem.read_path(pathname), mode)
    return 0


@syscall("mkdir(2)")
def mkdirat(task: Task, dirfd: DirFd, pathname: PathPtr, mode: FileMode) -> Zero:
    """Make a directory relative to another.  See mkdirat(2)."""
    mkdir_at(task, dirfd, task.mem.read_path(pathname), mode)
    return 0


@syscall("rmdir(2)", arch="x86_64")
def rmdir(task: Task, pathname: PathPtr) -> Zero:
    """Remove an empty directory.  See rmdir(2)."""
    rmdir_at(task, AT_FDCWD, task.mem.read_path(pathname))
    return 0


@syscall("chdir(2)")
def chdir(task: Task, path: PathPtr) -> Zero:
    """Change the working directory.  See chdir(2)."""
    place = walk(task, AT_FDCWD, task.mem.read_path(path), FOLLOW | DIRECTORY)
    check(task.cred, place.dentry.inode, MAY_EXEC, place)
    task.fs.set_cwd(place)
    return 0


@syscall("chdir(2)")
def fchdir(task: Task, fd: Fd) -> Zero:
    """Change the working directory to an open directory.  See fchdir(2)."""
    place = task.fds.get_any(fd).path
    check(task.cred, must_be_directory(place), MAY_EXEC, place)
    task.fs.set_cwd(place)
    return 0


@syscall("chroot(2)")
def chroot(task: Task, path: PathPtr) -> Zero:
    """Change the root directory.  See chroot(2)."""
    place = walk(task, AT_FDCWD, task.mem.read_path(path), FOLLOW | DIRECTORY)
    check(task.cred, place.dentry.inode, MAY_EXEC, place)
    if not task.cred.capable(CAP_SYS_CHROOT):
        raise EPERM("chroot needs CAP_SYS_CHROOT, which uid %d has not", task.cred.euid)
    task.fs.set_root(place)
    return 0


@syscall("getcwd(2)")
def getcwd(task: Task, buf: PathOutPtr, size: Size) -> Size:
    """The working directory's path and its length with the NUL.  See getcwd(2), "C library"."""
    text, reachable, unlinked = path_from(task.fs.root, task.fs.cwd)
    if unlinked:
        raise ENOENT("the working directory %s was removed", task.fs.cwd)
    if not reachable:
        text = b"(unreachable)" + text
    if len(text) + 1 > size:
        raise ERANGE("the path and its NUL have %d bytes, the buffer %d", len(text) + 1, size)
    task.mem.write(buf, text + b"\0")
    return len(text) + 1
