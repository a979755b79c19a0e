"""Waiting for any of several words: futex_waitv.  See futex(2) and Linux's futex2 documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kernel.abi.errors import EAGAIN, ETIMEDOUT
from kernel.task.futex import MATCH_ANY
from kernel.wait import Entry, Interrupted, Sleep, WaitQueue

if TYPE_CHECKING:
    from kernel.task.futex import Bucket, FutexTable, Key
    from kernel.task.task import Task
    from kernel.wait import Blocking


class Word(NamedTuple):
    """One element of the vector."""

    address: int
    expected: int
    private: bool


class _Place(Entry):
    """The vector's entry in the bucket of one of its words."""

    __slots__ = ("index", "vector")

    def __init__(self, vector: _Vector, index: int, bucket: Bucket) -> None:
        self.vector = vector
        self.index = index
        self.exclusive = False
        self.key = MATCH_ANY
        self.queues = (bucket,)
        bucket.waiters[self] = None

    def wake(self, events: int = 0) -> bool:
        """The first word to be woken decides the result."""
        self.vector.woken(self.index)
        return True


class _Vector:
    """One sleeper and its places in several buckets; it sleeps on a queue of its own."""

    __slots__ = ("index", "places", "queue")

    def __init__(self, count: int) -> None:
        self.index: int | None = None
        self.queue = WaitQueue(f"futex_waitv of {count} words")
        self.places: list[_Place] = []

    def woken(self, index: int) -> None:
        self.index = index
        self.leave()
        self.queue.wake()

    def leave(self) -> None:
        for place in self.places:
            place.remove()


def wait_for_any(task: Task, words: list[Word], deadline: int | None) -> Blocking[int]:
    """Sleep until one of the words is woken; its index.  EAGAIN: one has another value."""
    futexes = task.kernel.futexes
    keys = [futexes.key(task, word.address, word.private) for word in words]
    for word in words:
        found = task.mem.read_u32(word.address)
        if found != word.expected:
            raise EAGAIN("the word at %#x is %d, not %d", word.address, found, word.expected)
    return _sleep(futexes, list(zip(keys, words, strict=True)), deadline)


def _sleep(
    futexes: FutexTable, words: list[tuple[Key, Word]], deadline: int | None
) -> Blocking[int]:
    vector = _Vector(len(words))
    for index, (key, word) in enumerate(words):
        vector.places.append(_Place(vector, index, futexes.bucket(key, word.address)))
    try:
        yield Sleep((vector.queue,), deadline)
    except Interrupted:
        if vector.index is None:  # else it was woken after the signal came, and that counts
            raise
    finally:
        vector.leave()
    if vector.index is None:
        raise ETIMEDOUT("nobody woke any of the futexes in time")
    return vector.index
