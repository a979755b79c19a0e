"""shmget(2), shmat(2), shmdt(2), shmctl(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EINVAL
from kernel.abi.ipc import (
    IPC_INFO,
    IPC_PERM,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    READ,
    SHM_INFO,
    SHM_INFO_DS,
    SHM_LOCK,
    SHM_STAT,
    SHM_STAT_ANY,
    SHM_UNLOCK,
    SHMALL,
    SHMINFO,
    SHMMAX,
    SHMMNI,
)
from kernel.task.sysv.shm import (
    Segment,
    attach,
    detach,
    get_segment,
    lock_segment,
    remove_segment,
)
from syscalls.declare import syscall
from syscalls.kinds import NewAddr, Size, UserAddr, Zero
from syscalls.kinds_ipc import IpcGetFlags, IpcId, IpcKey, ShmCommand, ShmFlags, ShmidPtr

if TYPE_CHECKING:
    from kernel.task.task import Task

_STATS: Final = (IPC_STAT, SHM_STAT, SHM_STAT_ANY)


@syscall("shmget(2)")
def shmget(task: Task, key: IpcKey, size: Size, shmflg: IpcGetFlags) -> int:
    """Find or make a segment.  See shmget(2), ERRORS."""
    return get_segment(task, key, size, shmflg)


@syscall("shmop(2)")
def shmat(task: Task, shmid: IpcId, shmaddr: UserAddr, shmflg: ShmFlags) -> NewAddr:
    """Map a segment.  See shmat(2), ERRORS."""
    return attach(task, shmid, shmaddr, shmflg)


@syscall("shmop(2)")
def shmdt(task: Task, shmaddr: UserAddr) -> Zero:
    """Unmap the segment attached at an address.  See shmdt(2)."""
    detach(task, shmaddr)
    return 0


@syscall("shmctl(2)")
def shmctl(task: Task, shmid: IpcId, cmd: ShmCommand, buf: ShmidPtr) -> int:
    """Look at, change, remove a segment.  See shmctl(2), ERRORS."""
    if shmid < 0 or cmd < 0:
        raise EINVAL("segment %d or command %d cannot be", shmid, cmd)
    table = task.kernel.ipc.segments
    if cmd == IPC_INFO:
        task.mem.pack(SHMINFO, buf, SHMMAX, 1, SHMMNI, SHMMNI, SHMALL)
        return table.highest
    if cmd == SHM_INFO:
        segments = [segment for _, segment in table.objects()]
        total, resident = sum(s.pages for s in segments), sum(s.memory.resident for s in segments)
        task.mem.pack(SHM_INFO_DS, buf, len(segments), total, resident, 0, 0, 0)
        return table.highest
    if cmd in _STATS:
        return _stat(task, shmid, cmd, buf)
    segment = table.find(shmid)
    if cmd == IPC_RMID:
        remove_segment(task, segment)
    elif cmd == IPC_SET:
        _, uid, gid, _, _, mode, _ = task.mem.unpack(IPC_PERM, buf)
        segment.check_owner(task)
        segment.set_perm(task, uid, gid, mode)
    elif cmd in (SHM_LOCK, SHM_UNLOCK):
        lock_segment(task, segment, cmd == SHM_LOCK)
    else:
        raise EINVAL("there is no command %d", cmd)
    return 0


def _stat(task: Task, number: int, cmd: int, buf: int) -> int:
    table = task.kernel.ipc.segments
    segment: Segment = table.find(number) if cmd == IPC_STAT else table.at_place(number)
    if cmd != SHM_STAT_ANY:
        segment.check(task, READ)
    task.mem.write(buf, segment.pack())
    return 0 if cmd == IPC_STAT else segment.ident
