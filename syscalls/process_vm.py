"""process_vm_readv(2), process_vm_writev(2), kcmp(2); membarrier(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EBADF, EINVAL, EPERM, ESRCH
from kernel.abi.memory import (
    MEMBARRIER_CMD_GLOBAL,
    MEMBARRIER_CMD_GLOBAL_EXPEDITED,
    MEMBARRIER_CMD_PRIVATE_EXPEDITED,
    MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE,
    MEMBARRIER_CMD_QUERY,
    MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED,
    MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
    MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE,
)
from kernel.abi.process import (
    KCMP_FILE,
    KCMP_FILES,
    KCMP_FS,
    KCMP_SIGHAND,
    KCMP_SYSVSEM,
    KCMP_VM,
)
from kernel.task.process_vm import copy_memory
from kernel.views.procfs.access import may_look
from syscalls.declare import syscall
from syscalls.kinds import (
    Int,
    LongCount,
    MembarrierCmd,
    PidT,
    Size,
    UInt,
    ULong,
    UserAddr,
)
from syscalls.kinds_ipc import KcmpType

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel.mm.usercopy import UserMemory
    from kernel.task.task import Task

DIFFERENT: Final = 3
_COMMANDS: Final = (
    MEMBARRIER_CMD_GLOBAL
    | MEMBARRIER_CMD_GLOBAL_EXPEDITED
    | MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED
    | MEMBARRIER_CMD_PRIVATE_EXPEDITED
    | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED
    | MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE
    | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE
)
_NEED: Final = {
    MEMBARRIER_CMD_PRIVATE_EXPEDITED: MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
    MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE: (
        MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE
    ),
}


# --- the memory of another process ---------------------------------------------------------------


@syscall("process_vm_readv(2)")
def process_vm_readv(
    task: Task, pid: PidT, local_iov: UserAddr, liovcnt: LongCount, remote_iov: UserAddr,
    riovcnt: LongCount, flags: ULong,
) -> Size:  # fmt: skip
    """Copy from another process.  See process_vm_readv(2), ERRORS."""
    local, remote = _pieces(task, local_iov, liovcnt, remote_iov, riovcnt, flags)
    if not remote or not local:
        return 0
    return copy_memory(_memory_of(task, pid), remote, task.mem, local)


@syscall("process_vm_readv(2)")
def process_vm_writev(
    task: Task, pid: PidT, local_iov: UserAddr, liovcnt: LongCount, remote_iov: UserAddr,
    riovcnt: LongCount, flags: ULong,
) -> Size:  # fmt: skip
    """Copy to another process.  See process_vm_writev(2), ERRORS."""
    local, remote = _pieces(task, local_iov, liovcnt, remote_iov, riovcnt, flags)
    if not remote or not local:
        return 0
    return copy_memory(task.mem, local, _memory_of(task, pid), remote)


Pieces = list[tuple[int, int]]


def _pieces(
    task: Task, local_iov: int, liovcnt: int, remote_iov: int, riovcnt: int, flags: int
) -> tuple[Pieces, Pieces]:
    if flags:
        raise EINVAL("flags are %#x and must be 0", flags)
    local = [piece for piece in task.mem.read_iovec(local_iov, liovcnt) if piece[1]]
    if not local:
        return [], []
    return local, task.mem.read_iovec(remote_iov, riovcnt)


def _memory_of(task: Task, pid: int) -> UserMemory:
    """ESRCH; EPERM unless the caller may look into the process."""
    other = task.kernel.tasks.get(pid)
    if other is None:
        raise ESRCH("there is no process %d", pid)
    if other.mm is None:
        raise ESRCH("process %d has ended", pid)
    if not may_look(task, other):
        raise EPERM(
            "process %d belongs to uid %d; uid %d needs CAP_SYS_PTRACE",
            pid, other.cred.ruid, task.cred.fsuid,
        )  # fmt: skip
    return other.mem


# --- comparing two processes ---------------------------------------------------------------------


@syscall("kcmp(2)", partial="KCMP_IO and KCMP_EPOLL_TFD are EINVAL")
def kcmp(task: Task, pid1: PidT, pid2: PidT, type_: KcmpType, idx1: ULong, idx2: ULong) -> int:
    """Do two processes share something?  See kcmp(2).

    0 if they do, else 3: different, without an order.
    """
    first, second = _inspected(task, pid1), _inspected(task, pid2)
    if type_ == KCMP_FILE:
        one, other = first.fds.files.get(idx1), second.fds.files.get(idx2)
        if one is None or other is None:
            raise EBADF("descriptor %d or descriptor %d is not open there", idx1, idx2)
        return 0 if one is other else DIFFERENT
    parts: dict[int, Callable[[Task], object]] = {
        KCMP_VM: lambda who: who.mm,
        KCMP_FILES: lambda who: who.fds,
        KCMP_FS: lambda who: who.fs,
        KCMP_SIGHAND: lambda who: who.actions,
        KCMP_SYSVSEM: lambda who: who.group,
    }
    part = parts.get(type_)
    if part is None:
        raise EINVAL("there is no type %d of comparison", type_)
    return 0 if part(first) is part(second) else DIFFERENT


def _inspected(task: Task, pid: int) -> Task:
    other = task.kernel.tasks.get(pid)
    if other is None:
        raise ESRCH("there is no process %d", pid)
    if not may_look(task, other):
        raise EPERM(
            "process %d belongs to uid %d; uid %d needs CAP_SYS_PTRACE",
            pid, other.cred.ruid, task.cred.fsuid,
        )  # fmt: skip
    return other


# --- barriers ------------------------------------------------------------------------------------


@syscall("membarrier(2)", partial="the RSEQ commands are EINVAL")
def membarrier(task: Task, cmd: MembarrierCmd, flags: UInt, cpu_id: Int) -> int:
    """Order the memory accesses of all threads.  See membarrier(2), ERRORS.

    There is one processor, and only one thread of the machine runs at a time: each thread's
    accesses have reached memory when another one runs, and translated code is dropped when a page
    is written.  So every barrier holds by itself; what the call does is keep the registrations.
    """
    if flags:
        raise EINVAL("flags are %#x and must be 0", flags)
    if cmd == MEMBARRIER_CMD_QUERY:
        return _COMMANDS
    if cmd <= 0 or cmd & (cmd - 1) or not cmd & _COMMANDS:
        raise EINVAL("there is no command %#x", cmd)
    space = task.mm
    assert space is not None
    needed = _NEED.get(cmd)
    if needed is not None and not space.membarrier & needed:
        raise EPERM("the process has not registered for command %#x", cmd)
    if cmd in _NEED.values() or cmd == MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
        space.membarrier |= cmd
    return 0
