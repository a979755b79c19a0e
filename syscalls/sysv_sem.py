"""semget(2), semop(2), semtimedop(2), semctl(2)."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from kernel.abi.clocks import NSEC_PER_SEC
from kernel.abi.errors import E2BIG, EINVAL
from kernel.abi.ipc import (
    GETALL,
    GETNCNT,
    GETPID,
    GETVAL,
    GETZCNT,
    IPC_INFO,
    IPC_PERM,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    READ,
    SEM_INFO,
    SEM_STAT,
    SEM_STAT_ANY,
    SEMAEM,
    SEMBUF,
    SEMINFO,
    SEMMNI,
    SEMMNS,
    SEMMSL,
    SEMOPM,
    SEMVMX,
    SETALL,
    SETVAL,
    WRITE,
)
from kernel.abi.structs import TIMESPEC
from kernel.task.sysv.sem import Operation, SemaphoreSet, operate, remove_set
from syscalls.declare import syscall
from syscalls.kinds import Count, Int, Size, TimespecPtr, Zero
from syscalls.kinds_ipc import IpcGetFlags, IpcId, IpcKey, SemArg, SembufPtr, SemCommand

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.wait import Blocking

_STATS: Final = (IPC_STAT, SEM_STAT, SEM_STAT_ANY)
_INT_MAX: Final = (1 << 31) - 1


@syscall("semget(2)")
def semget(task: Task, key: IpcKey, nsems: Count, semflg: IpcGetFlags) -> int:
    """Find or make a set of semaphores.  See semget(2), ERRORS."""
    if not 0 <= nsems <= SEMMSL:
        raise EINVAL("a set of %d semaphores; at most %d", nsems, SEMMSL)

    def fits(found: SemaphoreSet) -> None:
        if nsems > len(found.values):
            raise EINVAL("set %d has %d semaphores, not %d", found.ident, len(found.values), nsems)

    def make() -> SemaphoreSet:
        if not nsems:
            raise EINVAL("a set of no semaphores")
        return SemaphoreSet(task, key, nsems, semflg)

    return task.kernel.ipc.semaphores.get(task, key, semflg, fits, make)


@syscall("semop(2)")
def semop(task: Task, semid: IpcId, sops: SembufPtr, nsops: Size) -> Zero | Blocking[Zero]:
    """Change semaphores, all together or not at all.  See semop(2), ERRORS."""
    return semtimedop(task, semid, sops, nsops, TimespecPtr(0))


@syscall("semop(2)")
def semtimedop(
    task: Task, semid: IpcId, sops: SembufPtr, nsops: Size, timeout: TimespecPtr
) -> Zero | Blocking[Zero]:
    """semop that waits only so long.  See semtimedop(2), ERRORS."""
    limit = task.mem.unpack(TIMESPEC, timeout) if timeout else None
    nsops = Size(nsops & 0xFFFFFFFF)
    if not nsops or semid < 0:
        raise EINVAL("set %d, %d operations: one of them cannot be", semid, nsops)
    if nsops > SEMOPM:
        raise E2BIG("%d operations, and at most %d are allowed", nsops, SEMOPM)
    raw = task.mem.read(sops, nsops * SEMBUF.size)
    operations = tuple(Operation(*fields) for fields in SEMBUF.iter_unpack(raw))
    deadline = None
    if limit is not None:
        if limit[0] < 0 or not 0 <= limit[1] < NSEC_PER_SEC:
            raise EINVAL("%d s %d ns is no time to wait", *limit)
        deadline = task.kernel.clock.monotonic() + limit[0] * NSEC_PER_SEC + limit[1]
    return operate(task, semid, operations, deadline)


@syscall("semctl(2)")
def semctl(task: Task, semid: IpcId, semnum: Int, cmd: SemCommand, arg: SemArg) -> int:
    """Look at, change, remove a set.  See semctl(2), ERRORS."""
    if semid < 0:
        raise EINVAL("there is no set %d", semid)
    table = task.kernel.ipc.semaphores
    if cmd in (IPC_INFO, SEM_INFO):
        return _info(task, cmd, arg)
    if cmd in _STATS:
        return _stat(task, semid, cmd, arg)
    if cmd in (GETVAL, GETPID, GETNCNT, GETZCNT, GETALL):
        return _get(task, table.find(semid), semnum, cmd, arg)
    if cmd in (SETVAL, SETALL):
        _set(task, table.find(semid), semnum, cmd, arg)
    elif cmd == IPC_RMID:
        remove_set(task, table.find(semid))
    elif cmd == IPC_SET:
        _, uid, gid, _, _, mode, _ = task.mem.unpack(IPC_PERM, arg)
        found = table.find(semid)
        found.check_owner(task)
        found.set_perm(task, uid, gid, mode)
    else:
        raise EINVAL("there is no command %d", cmd)
    return 0


def _info(task: Task, cmd: int, address: int) -> int:
    """As in Linux, SEM_INFO shows what is used in two members that are limits otherwise."""
    table = task.kernel.ipc.semaphores
    usz, aem = 20, SEMAEM
    if cmd == SEM_INFO:
        usz, aem = len(table), sum(len(found.values) for _, found in table.objects())
    limits = (SEMMNS, SEMMNI, SEMMNS, SEMMNS, SEMMSL, SEMOPM, SEMOPM, usz, SEMVMX, aem)
    task.mem.pack(SEMINFO, address, *limits)
    return table.highest


def _stat(task: Task, number: int, cmd: int, address: int) -> int:
    table = task.kernel.ipc.semaphores
    found = table.find(number) if cmd == IPC_STAT else table.at_place(number)
    if cmd != SEM_STAT_ANY:
        found.check(task, READ)
    task.mem.write(address, found.pack(task.kernel.arch.semid_ds_padded))
    return 0 if cmd == IPC_STAT else found.ident


def _number(found: SemaphoreSet, number: int) -> int:
    if not 0 <= number < len(found.values):
        raise EINVAL("set %d has semaphores 0 to %d", found.ident, len(found.values) - 1)
    return number


def _get(task: Task, found: SemaphoreSet, semnum: int, cmd: int, address: int) -> int:
    found.check(task, READ)
    if cmd == GETALL:
        task.mem.write(address, Struct(f"<{len(found.values)}H").pack(*found.values))
        return 0
    number = _number(found, semnum)
    if cmd == GETVAL:
        return found.values[number]
    if cmd == GETPID:
        return found.pids[number]
    return found.sleepers(number, for_zero=cmd == GETZCNT)


def _set(task: Task, found: SemaphoreSet, semnum: int, cmd: int, arg: int) -> None:
    if cmd == SETVAL:
        value = arg & 0xFFFFFFFF
        value = value if value <= _INT_MAX else -1
        found.check(task, WRITE)
        found.set_value(task, _number(found, semnum), value)
        return
    found.check(task, WRITE)
    layout = Struct(f"<{len(found.values)}H")
    found.set_values(task, task.mem.unpack(layout, arg))
