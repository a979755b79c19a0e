"""Locks: flock, record locks against a model of bytes, OFD locks, deadlock."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kernel.abi.errors import EAGAIN, EDEADLK
from kernel.abi.files import (
    F_RDLCK,
    F_UNLCK,
    F_WRLCK,
    LOCK_EX,
    LOCK_SH,
    LOCK_UN,
    O_CREAT,
    O_RDWR,
)
from kernel.vfs.locks import END, LockTable, LockWaits, RecordLock
from kernel.wait import Interrupted
from tests.support.files import FileWorld, Sleeping

OWNERS = ("one", "two", "three")
SPAN = 12


def lock(owner: object, kind: int, start: int, end: int) -> RecordLock:
    return RecordLock(owner, 1, kind, start, end)


class RecordsAgainstBytes(RuleBasedStateMachine):
    """Every byte has its own lock state in the model."""

    def __init__(self) -> None:
        super().__init__()
        self.table = LockTable()
        self.bytes: list[dict[str, int]] = [{} for _ in range(SPAN)]

    @rule(
        owner=st.sampled_from(OWNERS),
        kind=st.sampled_from((F_RDLCK, F_WRLCK, F_UNLCK)),
        start=st.integers(0, SPAN - 1),
        length=st.integers(1, SPAN),
    )
    def set(self, owner: str, kind: int, start: int, length: int) -> None:
        end = min(start + length, SPAN)
        blocked = kind != F_UNLCK and any(
            other != owner and (kind == F_WRLCK or held == F_WRLCK)
            for byte in self.bytes[start:end]
            for other, held in byte.items()
        )
        if blocked:
            with pytest.raises(EAGAIN):
                self.table.set(lock(owner, kind, start, end), False, None)
            return
        assert self.table.set(lock(owner, kind, start, end), False, None) == 0
        for byte in self.bytes[start:end]:
            byte.pop(owner, None)
            if kind != F_UNLCK:
                byte[owner] = kind

    @rule(owner=st.sampled_from(OWNERS))
    def close(self, owner: str) -> None:
        self.table.drop_owner(owner)
        for byte in self.bytes:
            byte.pop(owner, None)

    @invariant()
    def agrees(self) -> None:
        self.table.check_invariants()
        found: list[dict[str, int]] = [{} for _ in range(SPAN)]
        for record in self.table.records:
            for at in range(record.start, record.end):
                found[at][str(record.owner)] = record.kind
        assert found == self.bytes


TestRecordsAgainstBytes = RecordsAgainstBytes.TestCase
TestRecordsAgainstBytes.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_neighbours_of_one_kind_become_one_range() -> None:
    table = LockTable()
    for start in (0, 20, 10):
        table.set(lock("one", F_WRLCK, start, start + 10), False, None)
    assert [(r.start, r.end) for r in table.records] == [(0, 30)]


def test_getlk_shows_the_first_conflict() -> None:
    table = LockTable()
    table.set(lock("one", F_WRLCK, 50, END), False, None)
    table.set(lock("one", F_RDLCK, 10, 20), False, None)
    found = table.conflict(lock("two", F_WRLCK, 0, END))
    assert found is not None
    assert (found.start, found.end, found.kind) == (10, 20, F_RDLCK)
    assert table.conflict(lock("two", F_RDLCK, 0, 50)) is None


def test_waiting_for_a_record_lock() -> None:
    table, waits = LockTable(), LockWaits()
    table.set(lock("one", F_WRLCK, 0, 10), False, waits)
    waiter = Sleeping(table.set(lock("two", F_WRLCK, 5, 15), True, waits))
    table.set(lock("one", F_UNLCK, 0, 5), False, waits)
    assert not waiter.run()
    table.set(lock("one", F_UNLCK, 5, 10), False, waits)
    assert waiter.run()
    assert [r.owner for r in table.records] == ["two"]
    assert not waits


def test_interrupted_wait_leaves_nothing() -> None:
    table, waits = LockTable(), LockWaits()
    table.set(lock("one", F_WRLCK, 0, 10), False, waits)
    waiter = Sleeping(table.set(lock("two", F_WRLCK, 0, 1), True, waits))
    waiter.interrupt()
    assert isinstance(waiter.error, Interrupted)
    assert not waits
    assert not table.queue.waiters


def test_circle_of_three_over_two_files_is_a_deadlock() -> None:
    first, second, waits = LockTable(), LockTable(), LockWaits()
    first.set(lock("one", F_WRLCK, 0, 1), False, waits)
    first.set(lock("two", F_WRLCK, 1, 2), False, waits)
    second.set(lock("three", F_WRLCK, 0, 1), False, waits)
    Sleeping(first.set(lock("one", F_WRLCK, 1, 2), True, waits))
    Sleeping(second.set(lock("two", F_WRLCK, 0, 1), True, waits))
    last = Sleeping(first.set(lock("three", F_WRLCK, 0, 1), True, waits))
    assert isinstance(last.error, EDEADLK)


def test_flock_shared_exclusive_and_conversion() -> None:
    table = LockTable()
    assert table.flock("a", LOCK_SH, False) == 0
    assert table.flock("b", LOCK_SH, False) == 0
    with pytest.raises(EAGAIN):
        table.flock("c", LOCK_EX, False)
    with pytest.raises(EAGAIN):  # the failed conversion has lost the shared lock (flock(2))
        table.flock("a", LOCK_EX, False)
    assert list(table.flocks) == ["b"]
    waiter = Sleeping(table.flock("a", LOCK_EX, True))
    table.flock("b", LOCK_UN, False)
    assert waiter.run()
    table.check_invariants()


def test_closing_any_descriptor_drops_posix_locks_but_not_ofd_locks() -> None:
    caller = FileWorld(ram=1 << 20).root
    first = caller.fd(b"/f", O_CREAT | O_RDWR)
    second = caller.fd(b"/f", O_RDWR)
    file = caller.fds.get(first)
    from_posix = lock(caller.fds, F_WRLCK, 0, 10)
    from_ofd = lock(file, F_WRLCK, 20, 30)
    table = file.inode.locks = LockTable()
    table.set(from_posix, False, None)
    table.set(from_ofd, False, None)
    caller.fds.close(second)
    assert table.records == [from_ofd]
    caller.fds.close(first)
    assert table.records == []
