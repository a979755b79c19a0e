"""Names: link(2), symlink(2), readlink(2), unlink(2), rename(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EINVAL, ENOENT
from kernel.abi.files import AT_FDCWD, AT_REMOVEDIR, S_IFLNK, S_IFMT
from kernel.vfs.create import link_at, symlink_at
from kernel.vfs.dentry import display_path
from kernel.vfs.remove import rmdir_at, unlink_at
from kernel.vfs.rename import rename_at
from kernel.vfs.walk import EMPTY, walk
from syscalls.declare import syscall
from syscalls.kinds import (
    AtFlags,
    Count,
    DirFd,
    PathOutPtr,
    PathPtr,
    RenameFlags,
    Size,
    UnlinkFlags,
    Zero,
)

if TYPE_CHECKING:
    from kernel.task.task import Task


@syscall("link(2)", arch="x86_64")
def link(task: Task, oldpath: PathPtr, newpath: PathPtr) -> Zero:
    """Make a hard link.  See link(2)."""
    old, new = task.mem.read_path(oldpath), task.mem.read_path(newpath)
    link_at(task, AT_FDCWD, old, AT_FDCWD, new, 0)
    return 0


@syscall("link(2)")
def linkat(
    task: Task, olddirfd: DirFd, oldpath: PathPtr, newdirfd: DirFd, newpath: PathPtr,
    flags: AtFlags,
) -> Zero:  # fmt: skip
    """Make a hard link relative to directories.  See linkat(2)."""
    old, new = task.mem.read_path(oldpath), task.mem.read_path(newpath)
    link_at(task, olddirfd, old, newdirfd, new, flags)
    return 0


@syscall("symlink(2)", arch="x86_64")
def symlink(task: Task, target: PathPtr, linkpath: PathPtr) -> Zero:
    """Make a symbolic link.  See symlink(2)."""
    text = task.mem.read_path(target)
    symlink_at(task, text, AT_FDCWD, task.mem.read_path(linkpath))
    return 0


@syscall("symlink(2)")
def symlinkat(task: Task, target: PathPtr, newdirfd: DirFd, linkpath: PathPtr) -> Zero:
    """Make a symbolic link relative to a directory.  See symlinkat(2)."""
    text = task.mem.read_path(target)
    symlink_at(task, text, newdirfd, task.mem.read_path(linkpath))
    return 0


def _readlink(task: Task, dirfd: int, pathname: int, buf: int, size: int) -> int:
    if size <= 0:
        raise EINVAL("the buffer has %d bytes", size)
    path = task.mem.read_path(pathname)
    inode = walk(task, dirfd, path, EMPTY).dentry.inode
    if inode.mode & S_IFMT != S_IFLNK:
        if path:
            raise EINVAL("'%s' is %s, not a symbolic link", path, inode.kind)
        if dirfd == AT_FDCWD:
            raise ENOENT("the path is empty")
        raise ENOENT(
            "the path is empty, and descriptor %d is %s, not a symbolic link", dirfd, inode.kind
        )
    target = inode.follow(task)
    text = inode.readlink(task) if target is None else display_path(target, task.fs.root)
    task.mem.write(buf, text[:size])
    return min(len(text), size)


@syscall("readlink(2)", arch="x86_64")
def readlink(task: Task, pathname: PathPtr, buf: PathOutPtr, bufsiz: Count) -> Size:
    """The text of a symbolic link, without a NUL, cut to the buffer.  See readlink(2)."""
    return _readlink(task, AT_FDCWD, pathname, buf, bufsiz)


@syscall("readlink(2)")
def readlinkat(task: Task, dirfd: DirFd, pathname: PathPtr, buf: PathOutPtr, bufsiz: Count) -> Size:
    """readlink relative to a directory; '' means the descriptor itself.  See readlinkat(2)."""
    return _readlink(task, dirfd, pathname, buf, bufsiz)


@syscall("unlink(2)", arch="x86_64")
def unlink(task: Task, pathname: PathPtr) -> Zero:
    """Remove a name.  See unlink(2)."""
    unlink_at(task, AT_FDCWD, task.mem.read_path(pathname))
    return 0


@syscall("unlink(2)")
def unlinkat(task: Task, dirfd: DirFd, pathname: PathPtr, flags: UnlinkFlags) -> Zero:
    """Remove a name, or with AT_REMOVEDIR a directory.  See unlinkat(2)."""
    if flags & ~AT_REMOVEDIR:
        raise EINVAL("flags %#x: only the bits %#x are known", flags, AT_REMOVEDIR)
    path = task.mem.read_path(pathname)
    if flags & AT_REMOVEDIR:
        rmdir_at(task, dirfd, path)
    else:
        unlink_at(task, dirfd, path)
    return 0


@syscall("rename(2)", arch="x86_64")
def rename(task: Task, oldpath: PathPtr, newpath: PathPtr) -> Zero:
    """Move a name, replacing what is there.  See rename(2)."""
    old, new = task.mem.read_path(oldpath), task.mem.read_path(newpath)
    rename_at(task, AT_FDCWD, old, AT_FDCWD, new, 0)
    return 0


@syscall("rename(2)")
def renameat(
    task: Task, olddirfd: DirFd, oldpath: PathPtr, newdirfd: DirFd, newpath: PathPtr
) -> Zero:
    """rename relative to directories.  See renameat(2)."""
    old, new = task.mem.read_path(oldpath), task.mem.read_path(newpath)
    rename_at(task, olddirfd, old, newdirfd, new, 0)
    return 0


@syscall("rename(2)")
def renameat2(
    task: Task, olddirfd: DirFd, oldpath: PathPtr, newdirfd: DirFd, newpath: PathPtr,
    flags: RenameFlags,
) -> Zero:  # fmt: skip
    """renameat with RENAME_NOREPLACE and RENAME_EXCHANGE.  See renameat2(2)."""
    old, new = task.mem.read_path(oldpath), task.mem.read_path(newpath)
    rename_at(task, olddirfd, old, newdirfd, new, flags)
    return 0
