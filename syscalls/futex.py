"""Futexes: futex(2), get_robust_list(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EINVAL, ENOSYS, EPERM, ESRCH
from kernel.abi.process import (
    FUTEX_CLOCK_REALTIME,
    FUTEX_CMD_MASK,
    FUTEX_PRIVATE_FLAG,
    FUTEX_WAIT,
    FUTEX_WAIT_BITSET,
    FUTEX_WAKE,
    FUTEX_WAKE_BITSET,
)
from kernel.abi.structs import TIMESPEC
from kernel.cred import CAP_SYS_PTRACE
from kernel.task.futex import MATCH_ANY
from syscalls.declare import syscall
from syscalls.restarts import restarts

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.wait import Blocking
    from syscalls.kinds import (
        AddrOutPtr,
        FutexOp,
        FutexPtr,
        FutexTimeoutPtr,
        FutexValue,
        PidT,
        RobustListPtr,
        Size,
        SizeOutPtr,
        Zero,
    )

NS: Final = 1_000_000_000
ROBUST_LIST_HEAD: Final = 24
_WITH_CLOCK: Final = (FUTEX_WAIT_BITSET,)


@syscall(
    "futex(2)",
    partial="WAIT and WAKE with and without bitset; requeue, wake-op and PI are ENOSYS",
)
def futex(
    task: Task,
    uaddr: FutexPtr,
    op: FutexOp,
    val: FutexValue,
    timeout: FutexTimeoutPtr,
    uaddr2: FutexPtr,
    val3: FutexValue,
) -> Size | Blocking[Size]:
    """Sleep on a word of memory, or wake those who do.  See futex(2)."""
    command = op & FUTEX_CMD_MASK
    private = bool(op & FUTEX_PRIVATE_FLAG)
    waits = command in (FUTEX_WAIT, FUTEX_WAIT_BITSET)
    if not waits and command not in (FUTEX_WAKE, FUTEX_WAKE_BITSET):
        raise ENOSYS(f"futex operation {command}")
    if op & FUTEX_CLOCK_REALTIME and command not in _WITH_CLOCK:
        raise ENOSYS("FUTEX_CLOCK_REALTIME is for absolute timeouts")
    bitset = val3 if command in (FUTEX_WAIT_BITSET, FUTEX_WAKE_BITSET) else MATCH_ANY
    deadline = _deadline(task, command, op, timeout) if waits and timeout else None
    if not bitset:
        raise EINVAL("a bitset without bits")
    futexes = task.kernel.futexes
    if not waits:
        count = val if val < 1 << 31 else 1  # a negative count wakes one, as in Linux
        return futexes.wake(task, uaddr, count, private=private, bitset=bitset)
    restart = (uaddr, val, int(private), bitset) if timeout and command == FUTEX_WAIT else None
    return futexes.wait(
        task, uaddr, val, private=private, deadline=deadline, bitset=bitset, restart=restart
    )


def _deadline(task: Task, command: int, op: int, timeout: int) -> int:
    """On the monotonic clock.  FUTEX_WAIT's timeout is relative, WAIT_BITSET's absolute."""
    seconds, ns = task.mem.unpack(TIMESPEC, timeout)
    if seconds < 0 or not 0 <= ns < NS:
        raise EINVAL("no valid timeout")
    clock = task.kernel.clock
    time: int = seconds * NS + ns
    if command == FUTEX_WAIT:
        return clock.monotonic() + time
    if op & FUTEX_CLOCK_REALTIME:
        return time - clock.realtime() + clock.monotonic()
    return time


@restarts("futex")
def _go_on(task: Task, args: tuple[int, ...], deadline: int | None) -> Blocking[int]:
    """FUTEX_WAIT with a timeout, after a stop: the deadline stays, the word is looked at again."""
    uaddr, val, private, bitset = args
    return task.kernel.futexes.wait(
        task, uaddr, val, private=bool(private), deadline=deadline, bitset=bitset, restart=args
    )


@syscall("get_robust_list(2)")
def set_robust_list(task: Task, head: RobustListPtr, length: Size) -> Zero:
    """Remember where the caller keeps its list of robust futexes.  See get_robust_list(2)."""
    if length != ROBUST_LIST_HEAD:
        raise EINVAL("a robust list head has 24 bytes")
    task.robust_list = (head, length)
    return 0


@syscall("get_robust_list(2)")
def get_robust_list(task: Task, pid: PidT, head_ptr: AddrOutPtr, len_ptr: SizeOutPtr) -> Zero:
    """Where a task keeps its list of robust futexes.  See get_robust_list(2)."""
    target = task.kernel.tasks.get(pid) if pid else task
    if target is None:
        raise ESRCH(f"there is no task {pid}")
    cred, other = task.cred, target.cred
    same = cred.ruid == other.ruid == other.euid == other.suid
    if target is not task and not same and not cred.capable(CAP_SYS_PTRACE):
        raise EPERM("the task belongs to somebody else")
    task.mem.write_u64(len_ptr, ROBUST_LIST_HEAD)
    task.mem.write_u64(head_ptr, target.robust_list[0])
    return 0
