"""File locks: flock(2), fcntl(2) record locks, open file description locks.

A file that has ever been locked has a ``LockTable`` with two independent parts, as on Linux:

* whole-file locks (flock): owned by an open file, shared or exclusive;
* record locks over byte ranges: owned by a descriptor table (POSIX locks, with the process that
  set them) or by an open file (OFD locks).

Waiting: a blocked request sleeps on ``queue``, which is woken whenever something is unlocked, and
tries again.  For POSIX locks, and only for them, a wait that would close a circle is EDEADLK.
Linux: fs/locks.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EAGAIN, EDEADLK
from kernel.abi.files import F_UNLCK, F_WRLCK, LOCK_EX, LOCK_SH, LOCK_UN
from kernel.wait import Blocking, Sleep, WaitQueue

if TYPE_CHECKING:
    from kernel.vfs.inode import Inode

END: Final = 1 << 63
"""One past the last byte a lock can cover."""


@dataclass(slots=True)
class RecordLock:
    """One locked range [start, end) of one owner; ``pid`` is what F_GETLK shows (-1: OFD)."""

    owner: object
    pid: int
    kind: int
    start: int
    end: int

    def conflicts(self, other: RecordLock) -> bool:
        """Do the two exclude each other?"""
        return (
            self.owner is not other.owner
            and self.start < other.end
            and other.start < self.end
            and (self.kind == F_WRLCK or other.kind == F_WRLCK)
        )


class LockTable:
    """All locks of one inode.

    Invariants: ranges of one owner do not overlap, and neighbours of equal kind are one range; no
    two locks of different owners conflict.
    """

    __slots__ = ("flocks", "queue", "records")

    def __init__(self) -> None:
        self.flocks: dict[object, int] = {}
        self.records: list[RecordLock] = []
        self.queue = WaitQueue("file lock")

    # -- flock -------------------------------------------------------------------------------------

    def flock(self, file: object, operation: int, wait: bool) -> int | Blocking[int]:
        """Set or remove a whole-file lock.  Converting drops the old lock first, as in Linux."""
        if operation == LOCK_UN:
            if self.flocks.pop(file, None) is not None:
                self.queue.wake()
            return 0
        if self.flocks.get(file) == operation:
            return 0
        if self.flocks.pop(file, None) is not None:
            self.queue.wake()
        if self._flock_now(file, operation):
            return 0
        if not wait:
            raise EAGAIN("another open file has a lock in the way")
        return self._flock_later(file, operation)

    def _flock_now(self, file: object, operation: int) -> bool:
        others = [kind for owner, kind in self.flocks.items() if owner is not file]
        if others and (operation == LOCK_EX or LOCK_EX in others):
            return False
        self.flocks[file] = operation
        return True

    def _flock_later(self, file: object, operation: int) -> Blocking[int]:
        while not self._flock_now(file, operation):
            yield Sleep((self.queue,))
        return 0

    # -- records -----------------------------------------------------------------------------------

    def conflict(self, wanted: RecordLock) -> RecordLock | None:
        """The first lock in the way of ``wanted``, by offset (F_GETLK)."""
        return min(
            (lock for lock in self.records if lock.conflicts(wanted)),
            key=lambda lock: lock.start,
            default=None,
        )

    def set(self, wanted: RecordLock, wait: bool, waits: LockWaits | None) -> int | Blocking[int]:
        """Set or remove a record lock.  ``waits``: for POSIX locks, who waits (EDEADLK)."""
        if wanted.kind == F_UNLCK or self.conflict(wanted) is None:
            self._apply(wanted)
            return 0
        if not wait:
            other = self.conflict(wanted)
            assert other is not None
            raise EAGAIN("bytes %d to %d are locked", other.start, other.end - 1)
        return self._set_later(wanted, waits)

    def _set_later(self, wanted: RecordLock, waits: LockWaits | None) -> Blocking[int]:
        try:
            while self.conflict(wanted) is not None:
                if waits is not None:
                    check_deadlock(self, wanted, waits)
                    waits[wanted.owner] = (self, wanted)
                yield Sleep((self.queue,))
        finally:
            if waits is not None:
                waits.pop(wanted.owner, None)
        self._apply(wanted)
        return 0

    def _apply(self, new: RecordLock) -> None:
        """Cut the owner's old ranges where the new one lies, put it in, join neighbours."""
        kept: list[RecordLock] = []
        for lock in self.records:
            if lock.owner is not new.owner or lock.end < new.start or lock.start > new.end:
                kept.append(lock)
                continue
            if lock.kind == new.kind:  # overlaps or touches: one range
                new.start, new.end = min(new.start, lock.start), max(new.end, lock.end)
                continue
            if lock.start < new.start:
                end = min(lock.end, new.start)
                kept.append(RecordLock(lock.owner, lock.pid, lock.kind, lock.start, end))
            if lock.end > new.end:
                start = max(lock.start, new.end)
                kept.append(RecordLock(lock.owner, lock.pid, lock.kind, start, lock.end))
        if new.kind != F_UNLCK:
            kept.append(new)
        self.records = kept
        self.queue.wake()

    # -- descriptors that go -----------------------------------------------------------------------

    def drop_owner(self, owner: object) -> None:
        """A descriptor of this table was closed: all its POSIX locks on the file go (fcntl(2))."""
        kept = [lock for lock in self.records if lock.owner is not owner]
        if len(kept) != len(self.records):
            self.records = kept
            self.queue.wake()

    def drop_file(self, file: object) -> None:
        """An open file is gone: its flock and its OFD locks go."""
        if self.flocks.pop(file, None) is not None:
            self.queue.wake()
        self.drop_owner(file)

    def lines(self) -> list[str]:
        """For people: 'FLOCK WRITE', 'POSIX READ 0-99 pid 3', as /proc/locks has them."""
        found = [f"FLOCK {_kind(kind == LOCK_EX)}" for kind in self.flocks.values()]
        for lock in self.records:
            end = "EOF" if lock.end == END else lock.end - 1
            owner = "OFDLCK" if lock.pid < 0 else "POSIX"
            whose = "" if lock.pid < 0 else f" pid {lock.pid}"
            kind = _kind(lock.kind == F_WRLCK)
            found.append(f"{owner} {kind} {lock.start}-{end}{whose}")
        return found

    def check_invariants(self) -> None:
        """For tests."""
        assert len(self.flocks) < 2 or all(kind == LOCK_SH for kind in self.flocks.values())
        for i, lock in enumerate(self.records):
            assert lock.start < lock.end
            for other in self.records[i + 1 :]:
                assert not lock.conflicts(other)
                if lock.owner is other.owner:
                    assert lock.end <= other.start or other.end <= lock.start

    def __repr__(self) -> str:
        return f"<LockTable {self.lines()}>"


def _kind(exclusive: bool) -> str:
    return "WRITE" if exclusive else "READ"


LockWaits = dict[object, tuple[LockTable, RecordLock]]
"""Blocked POSIX owner -> the lock it waits for; one per machine."""


def check_deadlock(table: LockTable, wanted: RecordLock, waits: LockWaits) -> None:
    """EDEADLK if whoever is in the way waits, in the end, for the one who asks."""
    blocker = table.conflict(wanted)
    for _ in range(len(waits) + 1):
        if blocker is None or blocker.owner not in waits:
            return
        other_table, other = waits[blocker.owner]
        blocker = other_table.conflict(other)
        if blocker is not None and blocker.owner is wanted.owner:
            raise EDEADLK(
                "process %d, which has the lock, waits for process %d", other.pid, wanted.pid
            )


def lock_table(inode: Inode) -> LockTable:
    """The inode's locks, made at first use."""
    if inode.locks is None:
        inode.locks = LockTable()
    return inode.locks
