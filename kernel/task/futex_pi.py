"""Futexes with priority inheritance: LOCK_PI, TRYLOCK_PI, UNLOCK_PI, and requeueing to them.

The word of such a lock holds the owner's tid, which user code puts there itself while nobody
contends.  The first task that finds it taken makes a ``PiLock`` here: who owns it, and who waits.
The owner runs with the highest real-time priority of those who wait for it, directly or through
other locks, so that nothing in between can keep them all waiting.  Unlocking hands the lock over
to the waiter of the highest priority, first come first served among equals; there is no moment in
which it is free and somebody waits.

See futex(2), "Priority-inheritance futexes"; Linux: ``kernel/futex/pi.c`` and ``rtmutex.c``.
Differs from Linux: only real-time priorities are inherited, nice values are not.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, cast

from kernel.abi.errors import (
    EAGAIN,
    EDEADLK,
    EFAULT,
    EINVAL,
    EPERM,
    ERESTARTNOINTR,
    ESRCH,
    ETIMEDOUT,
)
from kernel.abi.process import FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS
from kernel.task.futex import MATCH_ANY, Bucket, holding_frame
from kernel.wait import Interrupted, Sleep, Waiter, WaitQueue

if TYPE_CHECKING:
    from kernel.task.futex import Key
    from kernel.task.futex_move import Pair
    from kernel.task.task import Task
    from kernel.wait import Blocking


class PiLock:
    """A contended lock.  Linux: ``struct futex_pi_state`` with its rt_mutex.

    Invariants: it is in the table while somebody waits; the owner's ``pi_owned`` has it, each
    waiter's ``pi_blocked`` is it; ``waiters`` are in the order they came.
    """

    __slots__ = ("key", "owner", "queue", "waiters")

    def __init__(self, key: Key, address: int, owner: Task) -> None:
        self.key = key
        self.owner: Task = owner
        self.waiters: dict[Task, int] = {}  # where each has the word in its memory
        self.queue = WaitQueue(f"PI futex {address:#x}")
        owner.pi_owned.append(self)

    def best(self) -> Task | None:
        """Who gets it next."""
        return max(self.waiters, key=lambda task: task.priority, default=None)

    def check_invariants(self) -> None:
        """For tests."""
        assert self.waiters, "a lock that nobody waits for"
        assert self in self.owner.pi_owned, "the owner does not know"
        assert all(task.pi_blocked is self for task in self.waiters), "a waiter does not know"

    def __repr__(self) -> str:
        return f"<PiLock of {self.owner.tid}, {len(self.waiters)} wait>"


def lock_pi(
    task: Task, address: int, private: bool, deadline: int | None, wait: bool = True
) -> int | Blocking[int]:
    """Take the lock, or sleep until it is handed over.  TRYLOCK_PI (``wait`` false): EAGAIN."""
    key = task.kernel.futexes.key(task, address, private)
    if _take(task, task, key, address):
        return 0
    if not wait:
        raise EAGAIN("task %d has the lock", task.mem.read_u32(address) & FUTEX_TID_MASK)
    lock = _contend(task, task, key, address)
    sleeping = _wait(task, lock, address, deadline)
    return sleeping if key[0] >= 0 else holding_frame(task, key, sleeping)


def _take(caller: Task, task: Task, key: Key, address: int) -> bool:
    """Make ``task`` the owner if nobody is.  EDEADLK: it has the lock.  ESRCH, EINVAL: rubbish."""
    word = caller.mem.read_u32(address)
    owner = word & FUTEX_TID_MASK
    if owner == task.tid:
        raise EDEADLK("task %d has the lock already", task.tid)
    lock = caller.kernel.futexes.locks.get(key)
    if lock is not None:
        if owner != lock.owner.tid:
            raise EINVAL("the word names task %d, and task %d has the lock", owner, lock.owner.tid)
        return False
    if owner:
        return False
    caller.mem.write_u32(address, word & FUTEX_OWNER_DIED | task.tid)
    return True


def _contend(caller: Task, task: Task, key: Key, address: int) -> PiLock:
    """The lock as an object that ``task`` may wait for; unlocking will come to us."""
    futexes = caller.kernel.futexes
    lock = futexes.locks.get(key)
    if lock is not None:
        _check_circle(task, lock.owner)
        return lock
    bucket = futexes.buckets.get(key)
    if bucket is not None and bucket.waiters:
        raise EINVAL("%d ordinary sleepers wait for the word at %#x", len(bucket.waiters), address)
    word = caller.mem.read_u32(address)
    owner = caller.kernel.tasks.get(word & FUTEX_TID_MASK)
    if owner is None or owner.dead:
        raise ESRCH("the word names task %d, which does not exist", word & FUTEX_TID_MASK)
    if owner.context is None:
        raise EPERM("the word names task %d, which is the kernel's", owner.tid)
    _check_circle(task, owner)
    caller.mem.write_u32(address, word | FUTEX_WAITERS)
    futexes.locks[key] = lock = PiLock(key, address, owner)
    return lock


def _check_circle(task: Task, owner: Task) -> None:
    """EDEADLK: the owner waits, through however many locks, for the task."""
    while owner is not task:
        if owner.pi_blocked is None:
            return
        owner = owner.pi_blocked.owner
    raise EDEADLK("the owner of the lock waits, in the end, for task %d", task.tid)


def _join(task: Task, lock: PiLock, address: int) -> None:
    lock.waiters[task] = address
    task.pi_blocked = lock
    inherit(lock.owner)


def _leave(task: Task, lock: PiLock) -> None:
    """It waits no more: timeout, signal, death, or because it has the lock now."""
    del lock.waiters[task]
    task.pi_blocked = None
    if not lock.waiters:
        del task.kernel.futexes.locks[lock.key]
        lock.owner.pi_owned.remove(lock)
    inherit(lock.owner)


def _wait(task: Task, lock: PiLock, address: int, deadline: int | None) -> Blocking[int]:
    """Sleep until ``_hand_over`` has made the task the owner."""
    _join(task, lock, address)
    try:
        yield Sleep((lock.queue,), deadline)
    except Interrupted:
        raise ERESTARTNOINTR("a signal came first") from None
    finally:
        waits = task.pi_blocked is lock
        if waits:
            _leave(task, lock)
    if waits:
        raise ETIMEDOUT("task %d did not give the lock away in time", lock.owner.tid)
    return 0


def inherit(task: Task) -> None:
    """Work out the priority a task has from those who wait for it, and pass it on."""
    while True:
        boost = max(
            (waiter.priority for lock in task.pi_owned for waiter in lock.waiters), default=0
        )
        if boost == task.boost:
            return
        task.kernel.scheduler.set_boost(task, boost)
        if task.pi_blocked is None:
            return
        task = task.pi_blocked.owner


# --- giving it away --------------------------------------------------------------------------


def unlock_pi(task: Task, address: int, private: bool) -> int:
    """Hand the lock to the best waiter, or free it.  EPERM: it is not the caller's."""
    futexes = task.kernel.futexes
    word = task.mem.read_u32(address)
    if word & FUTEX_TID_MASK != task.tid:
        raise EPERM("task %d has the lock, not task %d", word & FUTEX_TID_MASK, task.tid)
    key = futexes.key(task, address, private)
    lock = futexes.locks.get(key)
    if lock is None:
        task.mem.write_u32(address, 0)
        return 0
    if lock.owner is not task:
        raise EINVAL("task %d has the lock, which the word does not say", lock.owner.tid)
    new = lock.best()
    assert new is not None  # a lock in the table has waiters
    task.mem.write_u32(address, FUTEX_WAITERS | new.tid)
    _hand_over(lock, new)
    return 0


def _hand_over(lock: PiLock, new: Task) -> None:
    """A waiter becomes the owner and wakes up."""
    old = lock.owner
    old.pi_owned.remove(lock)
    lock.owner = new
    new.pi_owned.append(lock)
    _leave(new, lock)
    inherit(old)
    for waiter in list(lock.queue.waiters):
        if cast("Waiter", waiter).sleeper is new:
            waiter.wake()


def release_pi_locks(task: Task) -> None:
    """The task ends: contended locks go to their best waiters, marked with the owner's death."""
    for lock in list(task.pi_owned):
        new = lock.best()
        assert new is not None
        with suppress(EFAULT):  # the waiter has unmapped the word: it gets the lock all the same
            word = FUTEX_WAITERS | FUTEX_OWNER_DIED | new.tid
            new.mem.write_u32(lock.waiters[new], word)
        _hand_over(lock, new)


# --- condition variables: requeueing to a lock -----------------------------------------------


def wait_requeue(task: Task, words: Pair, expected: int, deadline: int | None) -> Blocking[int]:
    """FUTEX_WAIT_REQUEUE_PI: sleep on a word until requeued to the lock, and until it is ours."""
    key, lock_key = _two_keys(task, words)
    word = task.mem.read_u32(words.first)
    if word != expected:
        raise EAGAIN("the word at %#x is %d, not %d", words.first, word, expected)
    bucket = task.kernel.futexes.bucket(key, words.first)
    return _wait_requeue(task, bucket, (lock_key, words.second), deadline)


def _two_keys(task: Task, words: Pair) -> tuple[Key, Key]:
    futexes = task.kernel.futexes
    key = futexes.key(task, words.first, words.private)
    lock_key = futexes.key(task, words.second, words.private)
    if key == lock_key:
        raise EINVAL("the word and its lock are both at %#x", words.first)
    return key, lock_key


def _wait_requeue(
    task: Task, bucket: Bucket, target: tuple[Key, int], deadline: int | None
) -> Blocking[int]:
    task.requeue_to = target
    bucket.ranked = True
    try:
        woken = yield Sleep((bucket,), deadline, False, MATCH_ANY)
    except Interrupted:
        if task.pi_blocked is not None:
            raise EAGAIN("requeued already: the lock is to be taken anew") from None
        raise ERESTARTNOINTR("a signal came first") from None
    finally:
        task.requeue_to = None
        lock = task.pi_blocked
        if lock is not None:
            _leave(task, lock)
    if not woken:
        raise ETIMEDOUT("the lock was not ours in time")
    return 0


def requeue_pi(task: Task, words: Pair, wake: int, move: int, expected: int) -> int:
    """FUTEX_CMP_REQUEUE_PI: give the lock to one sleeper, let the others wait for it."""
    if wake != 1:
        raise EINVAL("%d are to be woken; it must be 1", wake)
    if move < 0:
        raise EINVAL("%d are to be moved", move)
    key, lock_key = _two_keys(task, words)
    word = task.mem.read_u32(words.first)
    if word != expected:
        raise EAGAIN("the word at %#x is %d, not %d", words.first, word, expected)
    bucket = task.kernel.futexes.buckets.get(key)
    chosen = bucket.in_order()[: wake + move] if bucket is not None else []
    for waiter in chosen:
        if not isinstance(waiter, Waiter):
            raise EINVAL("a sleeper waits for several words")
        to = cast("Task", waiter.sleeper).requeue_to
        if to is None or to[0] != lock_key:
            raise EINVAL("a sleeper does not wait to be requeued to this lock")
        _requeue_one(task, waiter, lock_key, words.second)
    return len(chosen)


def _requeue_one(task: Task, waiter: Waiter, lock_key: Key, target: int) -> None:
    """The sleeper gets the lock and wakes up, or becomes one of the lock's waiters."""
    sleeper = cast("Task", waiter.sleeper)
    if _take(task, sleeper, lock_key, target):
        waiter.wake()
        return
    lock = _contend(task, sleeper, lock_key, target)
    for queue in waiter.queues:
        del queue.waiters[waiter]
    waiter.queues = (lock.queue,)
    lock.queue.waiters[waiter] = None
    assert sleeper.requeue_to is not None
    _join(sleeper, lock, sleeper.requeue_to[1])
