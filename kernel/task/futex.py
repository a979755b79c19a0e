"""Futexes: sleeping on a word of user memory.  See futex(2), futex(7).

A futex has no existence but its sleepers.  They wait in a bucket named by what the word *is*: in
private memory an address of an address space, in shared memory a place in a page frame, so that
processes which map it at different addresses meet.  Testing the word and going to sleep is one
step here, because nothing else runs in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EAGAIN, EFAULT, EINVAL, ERESTART_RESTARTBLOCK, ERESTARTSYS, ETIMEDOUT
from kernel.abi.process import FUTEX_BITSET_MATCH_ANY
from kernel.arch.base import USER_TOP
from kernel.mm.ranges import PTE_SHARED
from kernel.wait import Interrupted, Sleep, WaitQueue

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.wait import Blocking

Key = tuple[int, int]
"""(root of the page table, address), or (-1 - frame, offset)."""
MATCH_ANY: Final = FUTEX_BITSET_MATCH_ANY
_PAGE_SHIFT: Final = 12
_PAGE_MASK: Final = 0xFFF


class FutexTable:
    """All buckets that have sleepers.

    Invariant: a bucket in the table has at least one waiter or a sleeper about to leave it.
    """

    __slots__ = ("buckets",)

    def __init__(self) -> None:
        self.buckets: dict[Key, WaitQueue] = {}

    def key(self, task: Task, address: int, private: bool) -> Key:
        """What the word at ``address`` is.  EINVAL: not aligned; EFAULT: nothing is there."""
        if address & 3:
            raise EINVAL("a futex is aligned to 4 bytes")
        space = task.mm
        assert space is not None
        if address >= USER_TOP:
            raise EFAULT("not an address of the user half")
        if private:
            return space.root, address
        task.mem.read_u32(address)  # faults the page in
        entry = space.ranges.walk(space.root, address >> _PAGE_SHIFT)
        if entry & PTE_SHARED:
            return -1 - (entry >> _PAGE_SHIFT), address & _PAGE_MASK
        return space.root, address

    def wake(self, task: Task, address: int, count: int, *, private: bool = False,
             bitset: int = MATCH_ANY) -> int:  # fmt: skip
        """Wake up to ``count`` sleepers whose bits meet ``bitset``, in the order they came."""
        key = self.key(task, address, private)
        bucket = self.buckets.get(key)
        if bucket is None:
            return 0
        woken = 0
        for waiter in list(bucket.waiters):
            if waiter.key & bitset:
                waiter.wake()
                woken += 1
                if woken >= count:
                    break
        self._forget_if_empty(key, bucket)
        return woken

    def wait(
        self, task: Task, address: int, expected: int, *, private: bool, deadline: int | None,
        bitset: int = MATCH_ANY, restart: tuple[int, ...] | None = None,
    ) -> Blocking[int]:  # fmt: skip
        """Sleep if the word is still ``expected`` (else EAGAIN); 0 when woken, else ETIMEDOUT.

        ``restart``: the arguments for restart_syscall(2), for a timeout that was relative.
        """
        key = self.key(task, address, private)
        if task.mem.read_u32(address) != expected:
            raise EAGAIN("the word has another value")
        bucket = self.buckets.get(key)
        if bucket is None:
            bucket = self.buckets[key] = WaitQueue(f"futex {address:#x}")
        return self._sleep(key, bucket, deadline, bitset, restart)

    def _sleep(
        self, key: Key, bucket: WaitQueue, deadline: int | None, bitset: int,
        restart: tuple[int, ...] | None,
    ) -> Blocking[int]:  # fmt: skip
        try:
            woken = yield Sleep((bucket,), deadline, True, bitset)
        except Interrupted:
            if restart is not None:
                raise ERESTART_RESTARTBLOCK(("futex", restart, deadline)) from None
            raise ERESTARTSYS from None
        finally:
            self._forget_if_empty(key, bucket)
        if not woken:
            raise ETIMEDOUT("nobody woke the futex in time")
        return 0

    def _forget_if_empty(self, key: Key, bucket: WaitQueue) -> None:
        if not bucket.waiters and self.buckets.get(key) is bucket:
            del self.buckets[key]

    def check_invariants(self) -> None:
        """For tests, between operations."""
        assert all(bucket.waiters for bucket in self.buckets.values()), "an empty bucket"
