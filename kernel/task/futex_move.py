"""Futex operations on two words: FUTEX_REQUEUE, CMP_REQUEUE, WAKE_OP.  See futex(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi.errors import EAGAIN, EINVAL, ENOSYS

if TYPE_CHECKING:
    from kernel.task.futex import Bucket, FutexTable
    from kernel.task.task import Task
    from kernel.wait import Entry

_OPARG_SHIFT: Final = 8
_U32: Final = 0xFFFFFFFF


class Pair(NamedTuple):
    """Two words, both private or both shared."""

    first: int
    second: int
    private: bool


def requeue(task: Task, words: Pair, wake: int, move: int, expected: int | None) -> int:
    """Wake ``wake`` sleepers of the first word, move up to ``move`` others to the second.

    Returns how many it were.  EAGAIN: the first word is no longer ``expected``.
    """
    if wake < 0 or move < 0:
        raise EINVAL("the counts are %d and %d", wake, move)
    futexes = task.kernel.futexes
    first = futexes.key(task, words.first, words.private)
    second = futexes.key(task, words.second, words.private)
    if expected is not None:
        word = task.mem.read_u32(words.first)
        if word != expected:
            raise EAGAIN("the word at %#x is %d, not %d", words.first, word, expected)
    if second in futexes.locks:
        raise EINVAL("a lock with priority inheritance takes no ordinary sleepers")
    woken = futexes.wake_key(first, wake) if wake else 0
    source = futexes.buckets.get(first)
    if source is None:
        return woken
    if first == second:
        return woken + min(len(source.waiters), move)
    target = futexes.bucket(second, words.second)
    target.ranked |= source.ranked
    return woken + _move(futexes, source, target, move)


def _move(futexes: FutexTable, source: Bucket, target: Bucket, count: int) -> int:
    moved = source.in_order()[:count]
    for waiter in moved:
        move_waiter(waiter, source, target)
    return len(moved)


def move_waiter(waiter: Entry, source: Bucket, target: Bucket) -> None:
    """Take a sleeper from one bucket to the end of another."""
    del source.waiters[waiter]
    waiter.queues = (target,)
    target.waiters[waiter] = None


def wake_op(task: Task, words: Pair, wake: int, wake_second: int, code: int) -> int:
    """Change the second word, wake sleepers of the first, and perhaps of the second."""
    futexes = task.kernel.futexes
    first = futexes.key(task, words.first, words.private)
    second = futexes.key(task, words.second, words.private)
    old = task.mem.read_u32(words.second)
    task.mem.write_u32(words.second, _changed(code, old))
    wanted = _compares(code, old)
    woken = futexes.wake_key(first, wake)
    if wanted:
        woken += futexes.wake_key(second, wake_second)
    return woken


def _changed(code: int, old: int) -> int:
    operation, argument = code >> 28 & 0xF, _signed12(code >> 12)
    if operation & _OPARG_SHIFT:
        argument = 1 << (argument & 31)
        operation &= ~_OPARG_SHIFT
    if operation > 4:
        raise ENOSYS("FUTEX_OP %s", operation)
    results = (argument, old + argument, old | argument, old & ~argument, old ^ argument)
    return results[operation] & _U32


def _compares(code: int, old: int) -> bool:
    comparison, argument = code >> 24 & 0xF, _signed12(code)
    if comparison > 5:
        raise ENOSYS("FUTEX_OP_CMP %s", comparison)
    value = old - (old >> 31 << 32)
    results = (
        value == argument, value != argument, value < argument,
        value <= argument, value > argument, value >= argument,
    )  # fmt: skip
    return results[comparison]


def _signed12(value: int) -> int:
    return (value & 0x7FF) - (value & 0x800)
