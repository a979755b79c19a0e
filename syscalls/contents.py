"""The size and the state of contents: truncate(2), fallocate(2), fsync(2), fadvise(2), sync(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EBADF, EFBIG, EINVAL, EISDIR, ENODEV, EOPNOTSUPP, ESPIPE
from kernel.abi.files import (
    FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_PUNCH_HOLE,
    FALLOC_FL_ZERO_RANGE,
    IN_MODIFY,
    MAX_OFFSET,
    POSIX_FADV_NOREUSE,
    S_IFDIR,
    S_IFIFO,
    S_IFMT,
    S_IFREG,
    SIGXFSZ,
    SYNC_FILE_RANGE_WAIT_AFTER,
    SYNC_FILE_RANGE_WAIT_BEFORE,
    SYNC_FILE_RANGE_WRITE,
)
from kernel.cred import RLIMIT_FSIZE
from kernel.vfs.attributes import limit_growth, truncate_at
from kernel.vfs.notify import notify_file
from kernel.vfs.permissions import clear_setid
from syscalls.declare import syscall
from syscalls.kinds import (
    Fadvice,
    FallocMode,
    Fd,
    FileSize,
    Offset,
    PathPtr,
    Size,
    SyncRangeFlags,
    Zero,
)

if TYPE_CHECKING:
    from kernel.task.task import Task

_RANGE_FLAGS: Final = (
    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER
)


@syscall("truncate(2)")
def truncate(task: Task, path: PathPtr, length: FileSize) -> Zero:
    """Set a file's size.  See truncate(2)."""
    if length < 0:
        raise EINVAL("the size is %d", length)
    truncate_at(task, task.mem.read_path(path), length)
    return 0


@syscall("truncate(2)")
def ftruncate(task: Task, fd: Fd, length: FileSize) -> Zero:
    """Set an open file's size.  See ftruncate(2)."""
    if length < 0:
        raise EINVAL("the size is %d", length)
    file = task.fds.get(fd)
    inode = file.inode
    if inode.mode & S_IFMT != S_IFREG or not file.writable:
        raise EINVAL(
            "descriptor %d (%s) is %s, %s for writing", fd, file.path, inode.kind,
            "open" if file.writable else "not open",
        )  # fmt: skip
    limit_growth(task, inode, length)
    file.truncate(task, length)
    if inode.mode & 0o6000:
        clear_setid(task.cred, inode)
    notify_file(file.path.dentry, IN_MODIFY)
    return 0


@syscall("fallocate(2)")
def fallocate(task: Task, fd: Fd, mode: FallocMode, offset: Offset, length: Offset) -> Zero:
    """Reserve space, or punch or zero a range.  See fallocate(2)."""
    file = task.fds.get(fd)
    if offset < 0 or length <= 0:
        raise EINVAL("offset %d, length %d: nothing before 0, and not nothing", offset, length)
    both = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE
    if mode & ~(both | FALLOC_FL_KEEP_SIZE) or mode & both == both:
        raise EOPNOTSUPP("mode %#x is not done here", mode)
    if mode & FALLOC_FL_PUNCH_HOLE and not mode & FALLOC_FL_KEEP_SIZE:
        raise EOPNOTSUPP("FALLOC_FL_PUNCH_HOLE needs FALLOC_FL_KEEP_SIZE")
    if not file.writable:
        raise EBADF("descriptor %d (%s) is not open for writing", fd, file.path)
    kind = file.inode.mode & S_IFMT
    if kind == S_IFIFO:
        raise ESPIPE("descriptor %d is %s, which has no position", fd, file.path)
    if kind != S_IFREG:
        error = EISDIR if kind == S_IFDIR else ENODEV
        raise error("descriptor %d (%s) is %s", fd, file.path, file.inode.kind)
    end = offset + length
    if end > MAX_OFFSET:
        raise EFBIG("the range ends at %d, past 2^63 - 1", end)
    limit = task.limits.soft(RLIMIT_FSIZE)
    if not mode & FALLOC_FL_KEEP_SIZE and end > limit and end > file.inode.size:
        raise EFBIG("size %d is over RLIMIT_FSIZE, %d", end, limit, signal=SIGXFSZ)
    file.fallocate(task, mode, offset, length)
    notify_file(file.path.dentry, IN_MODIFY)
    return 0


@syscall("fsync(2)")
def fsync(task: Task, fd: Fd) -> Zero:
    """Write a file back to its device.  See fsync(2)."""
    task.fds.get(fd).fsync(task, False)
    return 0


@syscall("fsync(2)")
def fdatasync(task: Task, fd: Fd) -> Zero:
    """As fsync, without times.  See fdatasync(2)."""
    task.fds.get(fd).fsync(task, True)
    return 0


@syscall("sync(2)")
def sync(task: Task) -> Zero:
    """Write everything back.  See sync(2)."""
    for mount in task.fs.mounts.mounts:
        mount.sb.sync()
    return 0


@syscall("sync(2)")
def syncfs(task: Task, fd: Fd) -> Zero:
    """Write the file system of an open file back.  See syncfs(2)."""
    task.fds.get(fd).inode.sb.sync()
    return 0


@syscall("sync_file_range(2)")
def sync_file_range(
    task: Task, fd: Fd, offset: Offset, nbytes: Offset, flags: SyncRangeFlags
) -> Zero:
    """Write a range back, see sync_file_range(2); the whole file is, which nobody can tell."""
    file = task.fds.get(fd)
    if flags & ~_RANGE_FLAGS or offset < 0 or nbytes < 0 or offset + nbytes > MAX_OFFSET:
        raise EINVAL("offset %d, length %d or flags %#x mean nothing", offset, nbytes, flags)
    if not file.seekable:
        raise ESPIPE("%s is a stream, which has no position", file.path)
    if flags & SYNC_FILE_RANGE_WRITE:
        file.fsync(task, True)
    return 0


@syscall(
    "posix_fadvise(2)",
    why_constant="advice may be ignored: file pages are frames or the host's own cache",
)
def fadvise64(task: Task, fd: Fd, offset: Offset, size: Offset, advice: Fadvice) -> Zero:
    """Say how a file will be used.  See posix_fadvise(2), ERRORS."""
    file = task.fds.get(fd)
    if file.inode.mode & S_IFMT == S_IFIFO:
        raise ESPIPE("descriptor %d is %s, which has no position", fd, file.path)
    if size < 0 or not 0 <= advice <= POSIX_FADV_NOREUSE:
        raise EINVAL("size %d or advice %d means nothing", size, advice)
    return 0


@syscall(
    "readahead(2)",
    why_constant="there is nothing slower than memory to read ahead from but the host's own cache",
)
def readahead(task: Task, fd: Fd, offset: Offset, count: Size) -> Zero:
    """Announce that a range will be read.  See readahead(2), ERRORS."""
    file = task.fds.get(fd)
    if not file.readable:
        raise EBADF("descriptor %d (%s) is not open for reading", fd, file.path)
    if file.inode.mode & S_IFMT != S_IFREG:
        raise EINVAL("descriptor %d (%s) is %s", fd, file.path, file.inode.kind)
    return 0
