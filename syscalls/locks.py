"""File locks: flock(2), and the locking commands of fcntl(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EBADF, EINVAL, EOVERFLOW
from kernel.abi.files import (
    F_RDLCK,
    F_UNLCK,
    F_WRLCK,
    LOCK_EX,
    LOCK_NB,
    LOCK_SH,
    LOCK_UN,
    MAX_OFFSET,
    SEEK_CUR,
    SEEK_END,
    SEEK_SET,
)
from kernel.abi.structs import FLOCK
from kernel.vfs.locks import END, RecordLock, lock_table
from kernel.vfs.openfile import OpenFile
from syscalls.declare import syscall
from syscalls.kinds import Fd, FlockOp, Zero

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.wait import Blocking


@syscall("flock(2)")
def flock(task: Task, fd: Fd, operation: FlockOp) -> Zero | Blocking[Zero]:
    """Lock a whole file.  See flock(2), ERRORS."""
    kind = operation & ~LOCK_NB
    if kind not in (LOCK_SH, LOCK_EX, LOCK_UN):
        raise EINVAL("operation %#x is none of LOCK_SH, LOCK_EX, LOCK_UN", operation)
    file = task.fds.get(fd)
    return lock_table(file.inode).flock(file, kind, not operation & LOCK_NB)


def _read_lock(task: Task, file: OpenFile, address: int, ofd: bool) -> RecordLock:
    """``struct flock`` as a range; see fcntl(2), "Advisory record locking"."""
    kind, whence, start, length, pid = task.mem.unpack(FLOCK, address)
    if ofd and pid:
        raise EINVAL("l_pid is %d and must be 0 for open file description locks", pid)
    if whence == SEEK_CUR:
        start += file.pos
    elif whence == SEEK_END:
        file.inode.refresh()
        start += file.inode.size
    elif whence != SEEK_SET:
        raise EINVAL("l_whence is %d, which means nothing", whence)
    if start > MAX_OFFSET:
        raise EOVERFLOW("l_start would be %d, past 2^63 - 1", start)
    end = start + length if length else END
    if length < 0:
        start, end = end, start
    if start < 0:
        raise EINVAL("the range begins at %d, before 0", start)
    if end > END:
        raise EOVERFLOW("l_start %d and l_len %d end past 2^63 - 1", start, length)
    if kind not in (F_RDLCK, F_WRLCK, F_UNLCK):
        raise EINVAL("l_type is %d, none of F_RDLCK, F_WRLCK, F_UNLCK", kind)
    owner = file if ofd else task.fds
    return RecordLock(owner, -1 if ofd else task.tgid, kind, start, end)


def get_lock(task: Task, file: OpenFile, address: int, *, ofd: bool) -> int:
    """F_GETLK, F_OFD_GETLK: the first lock in the way, or F_UNLCK."""
    wanted = _read_lock(task, file, address, ofd)
    if wanted.kind == F_UNLCK:
        raise EINVAL("F_GETLK asks with a lock, not with F_UNLCK")
    found = lock_table(file.inode).conflict(wanted)
    if found is None:
        task.mem.write(address, F_UNLCK.to_bytes(2, "little"))
        return 0
    length = 0 if found.end == END else found.end - found.start
    task.mem.pack(FLOCK, address, found.kind, SEEK_SET, found.start, length, found.pid)
    return 0


def set_lock(
    task: Task, fd: int, file: OpenFile, address: int, *, ofd: bool, wait: bool
) -> int | Blocking[int]:
    """F_SETLK, F_SETLKW and the OFD forms."""
    wanted = _read_lock(task, file, address, ofd)
    if wanted.kind == F_RDLCK and not file.readable:
        raise EBADF(
            "a read lock needs reading, and descriptor %d (%s) is not open for it", fd, file.path
        )
    if wanted.kind == F_WRLCK and not file.writable:
        raise EBADF(
            "a write lock needs writing, and descriptor %d (%s) is not open for it", fd, file.path
        )
    table = lock_table(file.inode)
    if ofd:
        return table.set(wanted, wait, None)
    locking = table.set(wanted, wait, task.fs.mounts.lock_waits)
    return locking if isinstance(locking, int) else _lock_later(task, fd, file, locking)


def _lock_later(task: Task, fd: int, file: OpenFile, locking: Blocking[int]) -> Blocking[int]:
    """A thread that closed the descriptor meanwhile gave up the process's locks: no new one."""
    yield from locking
    if task.fds.files.get(fd) is not file:
        lock_table(file.inode).drop_owner(task.fds)
        raise EBADF("descriptor %d was closed while the call waited for the lock", fd)
    return 0
