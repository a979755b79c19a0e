"""Futexes: futex(2), futex_waitv(2), set_robust_list(2), get_robust_list(2)."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi.clocks import CLOCK_MONOTONIC, CLOCK_REALTIME
from kernel.abi.errors import EINVAL, ENOSYS, EPERM, ESRCH
from kernel.abi.process import (
    FUTEX_CLOCK_REALTIME,
    FUTEX_CMD_MASK,
    FUTEX_CMP_REQUEUE,
    FUTEX_CMP_REQUEUE_PI,
    FUTEX_LOCK_PI,
    FUTEX_LOCK_PI2,
    FUTEX_PRIVATE_FLAG,
    FUTEX_REQUEUE,
    FUTEX_TRYLOCK_PI,
    FUTEX_UNLOCK_PI,
    FUTEX_WAIT,
    FUTEX_WAIT_BITSET,
    FUTEX_WAIT_REQUEUE_PI,
    FUTEX_WAKE,
    FUTEX_WAKE_BITSET,
    FUTEX_WAKE_OP,
)
from kernel.abi.structs import TIMESPEC
from kernel.cred import CAP_SYS_PTRACE
from kernel.task.futex import MATCH_ANY
from kernel.task.futex_move import Pair, requeue, wake_op
from kernel.task.futex_pi import lock_pi, requeue_pi, unlock_pi, wait_requeue
from kernel.task.futex_vector import Word, wait_for_any
from syscalls.declare import syscall
from syscalls.restarts import restarts

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.wait import Blocking
    from syscalls.kinds import (
        AddrOutPtr,
        ClockId,
        FutexOp,
        FutexPtr,
        FutexTimeoutPtr,
        FutexValue,
        FutexWaitvFlags,
        FutexWaitvPtr,
        PidT,
        RobustListPtr,
        Size,
        SizeOutPtr,
        TimespecPtr,
        UInt,
        Zero,
    )

NS: Final = 1_000_000_000
ROBUST_LIST_HEAD: Final = 24
_WITH_CLOCK: Final = (FUTEX_WAIT_BITSET, FUTEX_WAIT_REQUEUE_PI, FUTEX_LOCK_PI2)
_WAITING: Final = (
    FUTEX_WAIT, FUTEX_LOCK_PI, FUTEX_LOCK_PI2, FUTEX_WAIT_BITSET, FUTEX_WAIT_REQUEUE_PI,
)  # fmt: skip
"""The operations whose fourth argument is a timeout; for others it is a number."""
WAITV_MAX: Final = 128
_WAITV: Final = Struct("<QQII")
_SIZE_U32: Final = 2
_CLOCKS: Final = (CLOCK_REALTIME, CLOCK_MONOTONIC)


@syscall("futex(2)", partial="FUTEX_FD, which Linux has removed, is ENOSYS")
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
    private = op & FUTEX_PRIVATE_FLAG != 0
    if command == FUTEX_WAKE and not op & FUTEX_CLOCK_REALTIME:
        return task.kernel.futexes.wake(task, uaddr, _signed(val), private=private)
    operation = OPERATIONS.get(command)
    if operation is None:
        raise ENOSYS("there is no futex operation %d here", command)
    if op & FUTEX_CLOCK_REALTIME and command not in _WITH_CLOCK:
        raise ENOSYS("FUTEX_CLOCK_REALTIME is for absolute timeouts")
    if command in _WAITING:
        extra: int | None = _deadline(task, command, op, timeout) if timeout else None
    else:
        extra = _signed(timeout & 0xFFFFFFFF)
    return operation(task, Arguments(uaddr, private, val, extra, uaddr2, val3))


class Arguments(NamedTuple):
    """``extra`` is the deadline of operations that wait, and the second number of the others."""

    uaddr: int
    private: bool
    val: int
    extra: int | None
    uaddr2: int
    val3: int


def _signed(value: int) -> int:
    return value - (value >> 31 << 32)


def _deadline(task: Task, command: int, op: int, timeout: int) -> int:
    """On the monotonic clock.  FUTEX_WAIT's timeout is relative, the others' absolute."""
    seconds, ns = task.mem.unpack(TIMESPEC, timeout)
    if seconds < 0 or not 0 <= ns < NS:
        raise EINVAL("%d s %d ns is no time to wait", seconds, ns)
    clock = task.kernel.clock
    time: int = seconds * NS + ns
    if command == FUTEX_WAIT:
        return clock.monotonic() + time
    if op & FUTEX_CLOCK_REALTIME or command == FUTEX_LOCK_PI:
        return time - clock.realtime() + clock.monotonic()
    return time


def _wait(task: Task, a: Arguments) -> Blocking[int]:
    restart = None if a.extra is None else (a.uaddr, a.val, int(a.private), MATCH_ANY)
    return task.kernel.futexes.wait(
        task, a.uaddr, a.val, private=a.private, deadline=a.extra, restart=restart
    )


def _wait_bitset(task: Task, a: Arguments) -> Blocking[int]:
    return task.kernel.futexes.wait(
        task, a.uaddr, a.val, private=a.private, deadline=a.extra, bitset=_bits(a.val3)
    )


def _wake_bitset(task: Task, a: Arguments) -> int:
    bits = _bits(a.val3)
    count = _signed(a.val)
    return task.kernel.futexes.wake(task, a.uaddr, count, private=a.private, bitset=bits)


def _bits(bitset: int) -> int:
    if not bitset:
        raise EINVAL("a bitset without bits")
    return bitset


def _requeue(task: Task, a: Arguments) -> int:
    return requeue(task, _pair(a), _signed(a.val), a.extra or 0, None)


def _cmp_requeue(task: Task, a: Arguments) -> int:
    return requeue(task, _pair(a), _signed(a.val), a.extra or 0, a.val3)


def _wake_op(task: Task, a: Arguments) -> int:
    return wake_op(task, _pair(a), _signed(a.val), a.extra or 0, a.val3)


def _pair(a: Arguments) -> Pair:
    return Pair(a.uaddr, a.uaddr2, a.private)


def _lock_pi(task: Task, a: Arguments) -> int | Blocking[int]:
    return lock_pi(task, a.uaddr, a.private, a.extra)


def _trylock_pi(task: Task, a: Arguments) -> int | Blocking[int]:
    return lock_pi(task, a.uaddr, a.private, None, wait=False)


def _unlock_pi(task: Task, a: Arguments) -> int:
    return unlock_pi(task, a.uaddr, a.private)


def _wait_requeue_pi(task: Task, a: Arguments) -> Blocking[int]:
    return wait_requeue(task, _pair(a), a.val, a.extra)


def _cmp_requeue_pi(task: Task, a: Arguments) -> int:
    return requeue_pi(task, _pair(a), _signed(a.val), a.extra or 0, a.val3)


OPERATIONS: Final[dict[int, Callable[[Task, Arguments], int | Blocking[int]]]] = {
    FUTEX_WAIT: _wait,
    FUTEX_REQUEUE: _requeue,
    FUTEX_CMP_REQUEUE: _cmp_requeue,
    FUTEX_WAKE_OP: _wake_op,
    FUTEX_LOCK_PI: _lock_pi,
    FUTEX_UNLOCK_PI: _unlock_pi,
    FUTEX_TRYLOCK_PI: _trylock_pi,
    FUTEX_WAIT_BITSET: _wait_bitset,
    FUTEX_WAKE_BITSET: _wake_bitset,
    FUTEX_WAIT_REQUEUE_PI: _wait_requeue_pi,
    FUTEX_CMP_REQUEUE_PI: _cmp_requeue_pi,
    FUTEX_LOCK_PI2: _lock_pi,
}


@syscall("futex_waitv(2)")
def futex_waitv(
    task: Task,
    waiters: FutexWaitvPtr,
    nr_futexes: UInt,
    flags: FutexWaitvFlags,
    timeout: TimespecPtr,
    clockid: ClockId,
) -> Size | Blocking[Size]:
    """Sleep on several words; the index of the one that was woken.  See futex_waitv(2)."""
    if flags:
        raise EINVAL("flags are %#x and must be 0", flags)
    if not 1 <= nr_futexes <= WAITV_MAX or not waiters:
        raise EINVAL("%d words; 1 to %d are waited for", nr_futexes, WAITV_MAX)
    deadline = None
    if timeout:
        if clockid not in _CLOCKS:
            raise EINVAL("clock %d is neither CLOCK_MONOTONIC nor CLOCK_REALTIME", clockid)
        realtime = FUTEX_CLOCK_REALTIME if clockid == CLOCK_REALTIME else 0
        deadline = _deadline(task, FUTEX_WAIT_BITSET, realtime, timeout)
    data = task.mem.read(waiters, nr_futexes * _WAITV.size)
    return wait_for_any(task, [_word(*fields) for fields in _WAITV.iter_unpack(data)], deadline)


def _word(value: int, address: int, flags: int, reserved: int) -> Word:
    if flags & ~FUTEX_PRIVATE_FLAG != _SIZE_U32 or reserved:
        raise EINVAL("flags %#x: words are 32 bits wide, and nothing else is known", flags)
    if value >> 32:
        raise EINVAL("the value %#x has more than 32 bits", value)
    return Word(address, value, bool(flags & FUTEX_PRIVATE_FLAG))


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
        raise EINVAL("a robust list head has 24 bytes, not %d", length)
    task.robust_list = (head, length)
    return 0


@syscall("get_robust_list(2)")
def get_robust_list(task: Task, pid: PidT, head_ptr: AddrOutPtr, len_ptr: SizeOutPtr) -> Zero:
    """Where a task keeps its list of robust futexes.  See get_robust_list(2)."""
    target = task.kernel.tasks.get(pid) if pid else task
    if target is None:
        raise ESRCH("there is no task %d", pid)
    cred, other = task.cred, target.cred
    same = cred.ruid == other.ruid == other.euid == other.suid
    if target is not task and not same and not cred.capable(CAP_SYS_PTRACE):
        raise EPERM("task %d belongs to uid %d, this is uid %d", pid, other.ruid, cred.ruid)
    task.mem.write_u64(len_ptr, ROBUST_LIST_HEAD)
    task.mem.write_u64(head_ptr, target.robust_list[0])
    return 0
