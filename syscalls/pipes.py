"""pipe(2) and mknod(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EFAULT, EINVAL, EMFILE
from kernel.abi.files import AT_FDCWD, O_CLOEXEC, O_DIRECT, O_NONBLOCK
from kernel.cred import RLIMIT_NOFILE
from kernel.fs.pipe import make_pipe
from kernel.vfs.create import mknod_at
from syscalls.declare import syscall
from syscalls.kinds import Dev, DirFd, NodeMode, OpenFlags, PathPtr, PipeFds, Zero

if TYPE_CHECKING:
    from kernel.task.task import Task


def _pipe(task: Task, address: int, flags: int) -> int:
    if flags & ~(O_CLOEXEC | O_DIRECT | O_NONBLOCK):
        raise EINVAL(
            "flags %#x: only the bits %#x are known",
            flags,
            O_CLOEXEC | O_DIRECT | O_NONBLOCK,
        )
    ends = make_pipe(task, flags)
    fds, limit = task.fds, task.limits.soft(RLIMIT_NOFILE)
    cloexec = bool(flags & O_CLOEXEC)
    made: list[int] = []
    try:
        for end in ends:
            made.append(fds.install(end, cloexec, 0, limit))
        task.mem.write(address, made[0].to_bytes(4, "little") + made[1].to_bytes(4, "little"))
    except (EMFILE, EFAULT):
        for fd in made:
            fds.close(fd)
        if not made:
            ends[1].hold()
            ends[1].drop()
        raise
    return 0


@syscall("pipe(2)", arch="x86_64")
def pipe(task: Task, pipefd: PipeFds) -> Zero:
    """Make a pipe.  See pipe(2)."""
    return _pipe(task, pipefd, 0)


@syscall("pipe(2)")
def pipe2(task: Task, pipefd: PipeFds, flags: OpenFlags) -> Zero:
    """Make a pipe with O_CLOEXEC, O_NONBLOCK, O_DIRECT.  See pipe2(2)."""
    return _pipe(task, pipefd, flags)


@syscall("mknod(2)", arch="x86_64")
def mknod(task: Task, pathname: PathPtr, mode: NodeMode, dev: Dev) -> Zero:
    """Make a device node, FIFO, socket or regular file.  See mknod(2)."""
    mknod_at(task, AT_FDCWD, task.mem.read_path(pathname), mode, dev)
    return 0


@syscall("mknod(2)")
def mknodat(task: Task, dirfd: DirFd, pathname: PathPtr, mode: NodeMode, dev: Dev) -> Zero:
    """mknod relative to a directory.  See mknodat(2)."""
    mknod_at(task, dirfd, task.mem.read_path(pathname), mode, dev)
    return 0
