"""Tables of IPC objects: keys, identifiers, permissions.  Linux: ``ipc/util.c``.

An identifier is a place in the table and, above it, a sequence number that changes when a place is
used again, so that an old identifier does not hit a new object.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from kernel.abi.errors import EACCES, EEXIST, EINVAL, ENOENT, ENOSPC, EPERM
from kernel.abi.ipc import IPC_CREAT, IPC_EXCL, IPC_PERM, IPC_PRIVATE
from kernel.cred import CAP_IPC_OWNER, CAP_SYS_ADMIN

if TYPE_CHECKING:
    from kernel.cred import Credentials
    from kernel.task.task import Task

PLACES: Final = 32768
SEQUENCES: Final = 65536
LEAST_ROUND: Final = 64
"""So many places are used in turn, however few objects there are."""
NSEC: Final = 1_000_000_000


class IpcObject:
    """What the three kinds have in common: ``struct kern_ipc_perm``.  Times are seconds."""

    __slots__ = ("cgid", "ctime", "cuid", "gid", "ident", "key", "mode", "removed", "uid")

    def __init__(self, task: Task, key: int, mode: int) -> None:
        cred = task.cred
        self.key = key
        self.uid = self.cuid = cred.euid
        self.gid = self.cgid = cred.egid
        self.mode = mode & 0o777
        self.ident = -1
        self.removed = False
        self.ctime = seconds(task)

    def check(self, task: Task, wanted: int) -> None:
        """EACCES unless the mode allows ``wanted`` (READ, WRITE, or a mode of the same form)."""
        cred = task.cred
        asked = (wanted >> 6 | wanted >> 3 | wanted) & 0o7
        granted = self.mode
        if cred.euid in (self.cuid, self.uid):
            granted >>= 6
        elif _in_group(cred, self.cgid) or _in_group(cred, self.gid):
            granted >>= 3
        if asked & ~granted and not cred.capable(CAP_IPC_OWNER):
            raise EACCES(
                "IPC object %d belongs to uid %d, gid %d, mode %04o; uid %d, gid %d asks for %03o",
                self.ident, self.uid, self.gid, self.mode, cred.euid, cred.egid, asked,
            )  # fmt: skip

    def check_owner(self, task: Task) -> None:
        """EPERM unless the caller may change or remove it."""
        if task.cred.euid not in (self.uid, self.cuid) and not task.cred.capable(CAP_SYS_ADMIN):
            raise EPERM(
                "IPC object %d belongs to uid %d, made by uid %d; this is uid %d",
                self.ident, self.uid, self.cuid, task.cred.euid,
            )  # fmt: skip

    def pack_perm(self, extra_mode: int = 0) -> bytes:
        """``struct ipc64_perm``."""
        ids = (self.uid, self.gid, self.cuid, self.cgid)
        sequence = self.ident // PLACES & 0xFFFF
        return IPC_PERM.pack(self.key, *ids, self.mode | extra_mode, sequence)

    def set_perm(self, task: Task, uid: int, gid: int, mode: int) -> None:
        """IPC_SET."""
        self.uid, self.gid = uid, gid
        self.mode = mode & 0o777
        self.ctime = seconds(task)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.ident} key={self.key:#x} mode={self.mode:o}>"


def _in_group(cred: Credentials, gid: int) -> bool:
    return gid == cred.egid or gid in cred.groups


def seconds(task: Task) -> int:
    """Now, as the times of IPC objects count."""
    return task.kernel.clock.realtime() // NSEC


Kind = TypeVar("Kind", bound=IpcObject)


class IdTable(Generic[Kind]):
    """All objects of one kind.

    Invariants: ``_places[p].ident % PLACES == p``; ``_keys`` has the objects with a key.
    """

    __slots__ = ("_keys", "_last", "_places", "_sequence", "most")

    def __init__(self, most: int) -> None:
        self.most = most
        self._places: dict[int, Kind] = {}
        self._keys: dict[int, Kind] = {}
        self._last = -1
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._places)

    def objects(self) -> list[tuple[int, Kind]]:
        """(place, object), in order."""
        return sorted(self._places.items(), key=lambda entry: entry[0])

    @property
    def highest(self) -> int:
        """The highest place in use, 0 for an empty table (what the INFO commands return)."""
        return max(self._places, default=0)

    def get(
        self, task: Task, key: int, flags: int, fits: Callable[[Kind], None],
        make: Callable[[], Kind],
    ) -> int:  # fmt: skip
        """The xxxget calls.  ``fits`` raises if an object there is does not do."""
        if key != IPC_PRIVATE:
            found = self._keys.get(key)
            if found is not None:
                if flags & IPC_CREAT and flags & IPC_EXCL:
                    raise EEXIST("key %#x has object %d already (IPC_EXCL)", key, found.ident)
                fits(found)
                found.check(task, flags & 0o777)
                return found.ident
            if not flags & IPC_CREAT:
                raise ENOENT("key %#x has no object, and IPC_CREAT is not set", key)
        return self._add(make, key)

    def _add(self, make: Callable[[], Kind], key: int) -> int:
        if len(self._places) >= self.most:
            raise ENOSPC("there are %d objects, the most that can be", self.most)
        made = make()
        # Places go round, as idr_alloc_cyclic does, so that one is not used again at once.
        limit = min(max(len(self._places) * 3 // 2, LEAST_ROUND), PLACES)
        place = self._last + 1 if self._last + 1 < limit else 0
        while place in self._places:
            place = (place + 1) % limit
        if place <= self._last:
            self._sequence = (self._sequence + 1) % SEQUENCES
        self._last = place
        made.ident = self._sequence * PLACES + place
        self._places[place] = made
        if key != IPC_PRIVATE:
            self._keys[key] = made
        return made.ident

    def find(self, ident: int) -> Kind:
        """EINVAL: there is no such object any more, or there never was."""
        found = self._places.get(ident % PLACES) if ident >= 0 else None
        if found is None or found.ident != ident:
            raise EINVAL("there is no IPC object %d", ident)
        return found

    def at_place(self, place: int) -> Kind:
        """For the STAT commands that walk the table."""
        found = self._places.get(place % PLACES) if place >= 0 else None
        if found is None:
            raise EINVAL("there is no IPC object at place %d", place)
        return found

    def hide(self, item: Kind) -> None:
        """Nobody finds it by its key any more (IPC_RMID of an attached segment)."""
        if item.key != IPC_PRIVATE:
            del self._keys[item.key]
            item.key = IPC_PRIVATE

    def remove(self, item: Kind) -> None:
        """IPC_RMID."""
        self.hide(item)
        del self._places[item.ident % PLACES]
        item.removed = True

    def __repr__(self) -> str:
        return f"<IdTable {len(self._places)} of {self.most}>"
