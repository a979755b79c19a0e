"""Shared memory segments.  See shmget(2), shmat(2), shmctl(2).

A segment is a pager of its own; every area that maps it counts as one attachment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EINVAL, ENOMEM, ENOSPC, EPERM
from kernel.abi.ipc import (
    READ,
    SHM_DEST,
    SHM_EXEC,
    SHM_HUGETLB,
    SHM_LOCKED,
    SHM_RDONLY,
    SHM_REMAP,
    SHM_RND,
    SHMID_DS,
    SHMMAX,
    WRITE,
)
from kernel.abi.memory import (
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_SHARED,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
)
from kernel.cred import CAP_IPC_LOCK, RLIMIT_MEMLOCK
from kernel.mm.around import Mapped
from kernel.mm.physical import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE
from kernel.mm.shared import SharedAnonymous
from kernel.task.sysv.ids import IpcObject, seconds

if TYPE_CHECKING:
    from kernel.mm.vma import Vma
    from kernel.task.system import System
    from kernel.task.sysv.ids import IdTable
    from kernel.task.task import Task


class SegmentPages(SharedAnonymous):
    """The pages: they stay while nobody maps them, and are freed with the segment."""

    __slots__ = ("segment",)

    def __init__(self, system: System, segment: Segment) -> None:
        super().__init__(system.frames, segment.pages, charged=True)
        self.segment = segment

    @property
    def attached(self) -> int:
        """How many areas map it."""
        return len(self._areas)

    @property
    def resident(self) -> int:
        """How many pages there are."""
        return len(self._pages)

    def unmapped(self, vma: Vma) -> None:
        """The last one gone, a segment marked for it is destroyed."""
        del self._areas[vma]
        self.segment.detached()

    def free(self) -> None:
        """The segment is gone."""
        self._end()

    def __repr__(self) -> str:
        return f"<SegmentPages of {self.segment!r}>"


class Segment(IpcObject):
    """One segment; also the ``MappedFile`` behind its mappings."""

    __slots__ = ("_system", "atime", "creator", "dtime", "last", "locked", "marked", "memory",
                 "pages", "size")  # fmt: skip

    def __init__(self, task: Task, key: int, size: int, mode: int) -> None:
        super().__init__(task, key, mode)
        self._system = task.kernel
        self.size = size
        self.pages = (size + PAGE_SIZE - 1) >> PAGE_SHIFT
        self.memory = SegmentPages(task.kernel, self)
        self.atime = self.dtime = 0
        self.creator = task.tgid
        self.last = 0
        self.marked = False
        self.locked = False  # shown only: there is no swap space to keep it out of

    @property
    def state(self) -> int:
        """SHM_DEST and SHM_LOCKED, which are shown among the mode bits."""
        return (SHM_DEST if self.marked else 0) | (SHM_LOCKED if self.locked else 0)

    def hold(self) -> None:
        """An area refers to it; the areas themselves are what counts."""

    def drop(self) -> None:
        """An area refers to it no longer."""

    def mapping_identity(self) -> tuple[bytes, int, int]:
        """As /proc/PID/maps shows it."""
        return b"/SYSV%08x (deleted)" % (self.key & 0xFFFFFFFF), 1, self.ident

    def detached(self) -> None:
        """An area went away."""
        self.dtime = self._system.clock.realtime() // 1_000_000_000
        if self.marked and not self.memory.attached and not self.removed:
            destroy(self._system.ipc.segments, self)

    def pack(self) -> bytes:
        """``struct shmid64_ds``."""
        return SHMID_DS.pack(
            self.pack_perm(self.state), self.size, self.atime, self.dtime,
            self.ctime, self.creator, self.last, self.memory.attached,
        )  # fmt: skip


def destroy(table: IdTable[Segment], segment: Segment) -> None:
    """Take it out of the table and free its pages."""
    table.remove(segment)
    segment.memory.free()


def get_segment(task: Task, key: int, size: int, flags: int) -> int:
    """shmget(2)."""

    def fits(found: Segment) -> None:
        if size > found.size:
            raise EINVAL("segment %d has %d bytes, fewer than %d", found.ident, found.size, size)

    def make() -> Segment:
        if not 0 < size <= SHMMAX:
            raise EINVAL("a segment cannot have %d bytes", size)
        if flags & SHM_HUGETLB:
            raise EINVAL("there are no huge pages")
        if size >> PAGE_SHIFT > task.kernel.frames.physical.frame_count:
            raise ENOSPC("%d bytes are more than the memory of the machine (--memory)", size)
        return Segment(task, key, size, flags)

    return task.kernel.ipc.segments.get(task, key, flags, fits, make)


def attach(task: Task, ident: int, address: int, flags: int) -> int:
    """shmat(2): map it; where."""
    fixed = 0
    if address:
        if address & PAGE_MASK:
            if not flags & SHM_RND:
                raise EINVAL("%#x is not a multiple of SHMLBA, and SHM_RND is not set", address)
            address &= ~PAGE_MASK
            if not address and flags & SHM_REMAP:
                raise EINVAL("SHM_REMAP at address 0")
        fixed = MAP_FIXED if flags & SHM_REMAP else MAP_FIXED_NOREPLACE
    elif flags & SHM_REMAP:
        raise EINVAL("SHM_REMAP needs an address")
    segment = task.kernel.ipc.segments.find(ident)
    writable = not flags & SHM_RDONLY
    segment.check(task, READ | WRITE if writable else READ)
    rights = PROT_READ | (PROT_WRITE if writable else 0)
    rights |= PROT_EXEC if flags & SHM_EXEC else 0
    where = _map(task, segment, address, rights, fixed)
    segment.atime = seconds(task)
    segment.last = task.tgid
    return where


def _map(task: Task, segment: Segment, address: int, rights: int, fixed: int) -> int:
    assert task.mm is not None
    length = segment.pages << PAGE_SHIFT
    if fixed == MAP_FIXED_NOREPLACE and not task.mm.is_free(address, address + length):
        raise EINVAL(
            "%s is mapped there already (SHM_REMAP is not set)",
            Mapped(task.mm, address, address + length),
        )
    return task.mm.mmap(
        address, length, rights, MAP_SHARED | fixed, segment.memory, 0, segment,
        writable=bool(rights & PROT_WRITE),
    )  # fmt: skip


def detach(task: Task, address: int) -> None:
    """shmdt(2): unmap every area of the segment that was attached at ``address``."""
    space = task.mm
    assert space is not None
    if address & PAGE_MASK:
        raise EINVAL("%#x is not a multiple of SHMLBA", address)
    segment: Segment | None = None
    for area in list(space.vmas):
        if not isinstance(area.file, Segment) or area.start - area.offset != address:
            continue
        if segment is None:
            segment = area.file
        if area.file is segment:
            space.munmap(area.start, area.end - area.start)
    if segment is None:
        raise EINVAL("no segment is attached at %#x", address)
    segment.last = task.tgid


def lock_segment(task: Task, segment: Segment, on: bool) -> None:
    """SHM_LOCK, SHM_UNLOCK.  Nothing is ever swapped out here, so the mark is all there is to do.

    EPERM, ENOMEM: the limits of shmctl(2) for who lacks CAP_IPC_LOCK.
    """
    if not task.cred.capable(CAP_IPC_LOCK):
        if task.cred.euid not in (segment.uid, segment.cuid):
            raise EPERM(
                "segment %d belongs to uid %d, this is uid %d",
                segment.ident,
                segment.uid,
                task.cred.euid,
            )
        limit = task.limits.soft(RLIMIT_MEMLOCK)
        if on and not limit:
            raise EPERM("RLIMIT_MEMLOCK is 0, and there is no CAP_IPC_LOCK")
        if on and segment.size > limit:
            raise ENOMEM("%d bytes are over RLIMIT_MEMLOCK, %d", segment.size, limit)
    segment.locked = on


def remove_segment(task: Task, segment: Segment) -> None:
    """IPC_RMID: at once, or when the last mapping goes."""
    segment.check_owner(task)
    table = task.kernel.ipc.segments
    if segment.memory.attached:
        segment.marked = True
        table.hide(segment)
    else:
        destroy(table, segment)
