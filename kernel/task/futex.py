"""Futexes: sleeping on a word of user memory.  See futex(2), futex(7).

A futex has no existence but its sleepers.  They wait in a bucket named by what the word *is*: in
private memory an address of an address space, in shared memory a place in a page frame, so that
processes which map it at different addresses meet.  Testing the word and going to sleep is one
step here, because nothing else runs in between.

Within a bucket tasks are woken in the order they came, real-time tasks before the others.
Locks with priority inheritance are futex_pi.py, waiting for several words futex_vector.py.

Linux analogue: ``kernel/futex/``; its hash table has 256 buckets per CPU that words share, here
every word in use has one of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from kernel.abi.errors import EAGAIN, EFAULT, EINVAL, ERESTART_RESTARTBLOCK, ERESTARTSYS, ETIMEDOUT
from kernel.abi.process import FUTEX_BITSET_MATCH_ANY
from kernel.arch.base import USER_TOP
from kernel.mm.ranges import PTE_SHARED
from kernel.wait import Interrupted, Sleep, Waiter, WaitQueue

if TYPE_CHECKING:
    from kernel.task.futex_pi import PiLock
    from kernel.task.task import Task
    from kernel.wait import Blocking, Entry

Key = tuple[int, int]
"""(root of the page table, address), or (-1 - frame, offset)."""
MATCH_ANY: Final = FUTEX_BITSET_MATCH_ANY
MIN_BUCKETS: Final = 256
"""So many words may have a bucket before those without sleepers are cleared away."""
_PAGE_SHIFT: Final = 12
_PAGE_MASK: Final = 0xFFF


class Bucket(WaitQueue):
    """The sleepers of one word.

    ``ranked``: a real-time task may be among them, so order of arrival is not all.
    """

    __slots__ = ("address", "key", "ranked")

    def __init__(self, key: Key, address: int) -> None:
        super().__init__(f"futex {address:#x}")
        self.key = key
        self.address = address
        self.ranked = False

    def in_order(self) -> list[Entry]:
        """Everybody who sleeps here, in the order they are to be woken."""
        waiters = list(self.waiters)
        if self.ranked:
            waiters.sort(key=_rank)
        return waiters


def _rank(entry: Entry) -> int:
    sleeper = cast("Task", entry.sleeper) if isinstance(entry, Waiter) else None
    return -sleeper.priority if sleeper is not None else 0


class FutexTable:
    """The words somebody sleeps on, or slept on lately, and the locks with inheritance.

    Invariant: a sleeper is in exactly one bucket, that of the word it waits for now.
    """

    __slots__ = ("_sweep_at", "buckets", "locks")

    def __init__(self) -> None:
        self.buckets: dict[Key, Bucket] = {}
        self.locks: dict[Key, PiLock] = {}
        self._sweep_at = MIN_BUCKETS

    def key(self, task: Task, address: int, private: bool) -> Key:
        """What the word at ``address`` is.  EINVAL: not aligned; EFAULT: nothing is there."""
        if address & 3:
            raise EINVAL("a futex is aligned to 4 bytes, and %#x is not", address)
        space = task.mm
        assert space is not None
        if address >= USER_TOP:
            raise EFAULT("%#x is no address of the user half", address)
        if private:
            return space.root, address
        task.mem.read_u32(address)  # faults the page in
        entry = space.ranges.walk(space.root, address >> _PAGE_SHIFT)
        if entry & PTE_SHARED:
            return -1 - (entry >> _PAGE_SHIFT), address & _PAGE_MASK
        return space.root, address

    def bucket(self, key: Key, address: int) -> Bucket:
        """The bucket of a word, to sleep in."""
        bucket = self.buckets.get(key)
        if bucket is None:
            if len(self.buckets) >= self._sweep_at:
                self._sweep()
            bucket = self.buckets[key] = Bucket(key, address)
        return bucket

    def _sweep(self) -> None:
        """Drop buckets without sleepers; kept till now because most words are used again."""
        self.buckets = {key: bucket for key, bucket in self.buckets.items() if bucket.waiters}
        self._sweep_at = max(MIN_BUCKETS, 2 * len(self.buckets))

    # -- waking ------------------------------------------------------------------------------

    def wake(self, task: Task, address: int, count: int, *, private: bool = False,
             bitset: int = MATCH_ANY) -> int:  # fmt: skip
        """Wake up to ``count`` sleepers whose bits meet ``bitset``, in order."""
        return self.wake_key(self.key(task, address, private), count, bitset)

    def wake_key(self, key: Key, count: int, bitset: int = MATCH_ANY) -> int:
        """As ``wake``; 1 if the count is 0, as in Linux.  EINVAL: they wait for a PI lock."""
        if key in self.locks:
            raise EINVAL("the word is a lock with priority inheritance, which is not woken by hand")
        bucket = self.buckets.get(key)
        if bucket is None or not bucket.waiters:
            return 0
        chosen: list[Entry] = []
        for waiter in bucket.in_order() if bucket.ranked else bucket.waiters:
            if waiter.key & bitset:
                _check_not_for_requeue(waiter)
                chosen.append(waiter)
                if len(chosen) >= count:
                    break
        for waiter in chosen:
            waiter.wake()
        return len(chosen)

    # -- sleeping ----------------------------------------------------------------------------

    def wait(
        self, task: Task, address: int, expected: int, *, private: bool, deadline: int | None,
        bitset: int = MATCH_ANY, restart: tuple[int, ...] | None = None,
    ) -> Blocking[int]:  # fmt: skip
        """Sleep if the word is still ``expected`` (else EAGAIN); 0 when woken, else ETIMEDOUT.

        ``restart``: the arguments for restart_syscall(2), for a timeout that was relative.
        """
        key = self.key(task, address, private)
        word = task.mem.read_u32(address)
        if word != expected:
            raise EAGAIN("the word at %#x is %d, not %d", address, word, expected)
        bucket = self.bucket(key, address)
        if task.policy.priority:
            bucket.ranked = True
        sleeping = _sleep(bucket, deadline, bitset, restart)
        return sleeping if key[0] >= 0 else holding_frame(task, key, sleeping)

    def check_invariants(self) -> None:
        """For tests, between operations."""
        for key, bucket in self.buckets.items():
            assert bucket.key == key
            assert all(bucket in waiter.queues for waiter in bucket.waiters), "in a wrong bucket"
        for key, lock in self.locks.items():
            assert lock.key == key
            lock.check_invariants()

    def __repr__(self) -> str:
        return f"<FutexTable {len(self.buckets)} words, {len(self.locks)} locks>"


def _sleep(
    bucket: Bucket, deadline: int | None, bitset: int, restart: tuple[int, ...] | None
) -> Blocking[int]:
    try:
        woken = yield Sleep((bucket,), deadline, False, bitset)
    except Interrupted:
        if restart is not None:
            raise ERESTART_RESTARTBLOCK(("futex", restart, deadline), "a signal came") from None
        raise ERESTARTSYS("a signal came") from None
    if not woken:
        raise ETIMEDOUT("nobody woke the word at %#x in time", bucket.address)
    return 0


def holding_frame(task: Task, key: Key, sleeping: Blocking[int]) -> Blocking[int]:
    """A shared word keeps its meaning while somebody sleeps on it: the frame is not reused."""
    frames = task.kernel.frames
    frame = -1 - key[0]
    frames.get(frame)
    try:
        return (yield from sleeping)
    finally:
        frames.put(frame)


def _check_not_for_requeue(waiter: Entry) -> None:
    """A sleeper of WAIT_REQUEUE_PI can only be moved to its lock, not woken."""
    if isinstance(waiter, Waiter) and cast("Task", waiter.sleeper).requeue_to is not None:
        raise EINVAL("the sleeper waits to be requeued to a lock")
