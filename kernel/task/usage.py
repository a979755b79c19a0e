"""Resource use of tasks, processes and waited-for children.  See getrusage(2), times(2)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.task.task import Task
    from kernel.task.thread_group import ThreadGroup

RUSAGE_SELF: Final = 0
RUSAGE_CHILDREN: Final = -1
RUSAGE_THREAD: Final = 1
USER_HZ: Final = 100
KIB_PER_PAGE: Final = 4
NS_PER_TICK: Final = 1_000_000_000 // USER_HZ
_RUSAGE: Final = struct.Struct("<18q")
RUSAGE_SIZE: Final = _RUSAGE.size


@dataclass(slots=True)
class Usage:
    """Sums of what finished tasks used; times in ns, ``max_rss`` in KiB."""

    utime: int = 0
    stime: int = 0
    minor_faults: int = 0
    major_faults: int = 0
    voluntary_switches: int = 0
    involuntary_switches: int = 0
    blocks_in: int = 0
    blocks_out: int = 0
    max_rss: int = 0

    def add(self, other: Usage) -> None:
        """Add another sum to this one; the maximum stays a maximum."""
        self.utime += other.utime
        self.stime += other.stime
        self.minor_faults += other.minor_faults
        self.major_faults += other.major_faults
        self.voluntary_switches += other.voluntary_switches
        self.involuntary_switches += other.involuntary_switches
        self.blocks_in += other.blocks_in
        self.blocks_out += other.blocks_out
        self.max_rss = max(self.max_rss, other.max_rss)

    def pack(self) -> bytes:
        """struct rusage."""
        return _RUSAGE.pack(
            *_timeval(self.utime), *_timeval(self.stime), self.max_rss, 0, 0, 0,
            self.minor_faults, self.major_faults, 0, self.blocks_in, self.blocks_out,
            0, 0, 0, self.voluntary_switches, self.involuntary_switches,
        )  # fmt: skip


def _timeval(ns: int) -> tuple[int, int]:
    return ns // 1_000_000_000, ns % 1_000_000_000 // 1000


def of_task(task: Task) -> Usage:
    """What one live task has used.  Faults are counted by the space, which others may share.

    Differs from Linux: the faults of a thread among several are known for its process only.
    """
    space = task.mm
    mine = space if space is not None and space.users == 1 else None
    return Usage(
        task.utime,
        task.stime,
        task.minor_faults + (mine.min_flt if mine else 0),
        task.major_faults + (mine.maj_flt if mine else 0),
        task.voluntary_switches,
        task.involuntary_switches,
        max_rss=space.peak_rss * KIB_PER_PAGE if space is not None else 0,
    )


def keep_memory_usage(task: Task, space: AddressSpace) -> None:
    """The task leaves an address space: what was counted there stays counted."""
    usage = task.group.usage
    usage.max_rss = max(usage.max_rss, space.peak_rss * KIB_PER_PAGE)
    if space.users == 1:
        task.minor_faults += space.min_flt
        task.major_faults += space.maj_flt


def of_group(group: ThreadGroup) -> Usage:
    """What a process has used: finished tasks and live ones."""
    total = Usage()
    total.add(group.usage)
    for task in group.tasks.values():
        total.add(of_task(task))
    if len(group.tasks) > 1:
        _add_shared_faults(total, group)
    return total


def _add_shared_faults(total: Usage, group: ThreadGroup) -> None:
    """Threads count their faults together, in the address space that they share."""
    space = next(iter(group.tasks.values())).mm
    if space is not None and space.users == len(group.tasks):
        total.minor_faults += space.min_flt
        total.major_faults += space.maj_flt


def cpu_times(group: ThreadGroup) -> tuple[int, int]:
    """User and system ns of a process; cheaper than ``of_group``."""
    utime, stime = group.usage.utime, group.usage.stime
    for task in group.tasks.values():
        utime += task.utime
        stime += task.stime
    return utime, stime
