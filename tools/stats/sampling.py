"""What a picture of a run is drawn from: each call's time, and memory whenever it changed.

One process has its address space shown, the first; calls and frames are the whole machine's.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.events import Observer
from kernel.machine.describe.memory import memory_map

if TYPE_CHECKING:
    from kernel.task.task import Task
    from syscalls.table import SyscallTable

MAPPING: Final = frozenset(
    "mmap munmap mremap mprotect brk shmat shmdt remap_file_pages execve execveat".split()
)
"""Calls after which the areas may be others."""
MOST_SAMPLES: Final = 1 << 14
"""Of frames in use; with more, every second one goes."""
MOST_MAPS: Final = 1 << 10
"""Of the address space; with more, every second one goes, and new ones wait longer."""


class Band(NamedTuple):
    """One area of the address space; ``kind`` as describe.memory has it."""

    start: int
    end: int
    kind: str
    perms: str
    name: str


class MapSample(NamedTuple):
    """The areas from a time on (ns); none: the process has ended."""

    time: int
    bands: tuple[Band, ...]


class FrameSample(NamedTuple):
    """Frames in use, those of the page cache, and those resident in the first process."""

    time: int
    used: int
    page_cache: int
    resident: int


class Samples(Observer["Task"]):
    """Gathers.  Times are ns since the first event; ``times`` and ``numbers`` go together.

    A number that is no call's is the first one behind the table.
    """

    def __init__(self, table: SyscallTable) -> None:
        self.times = array("q")
        self.numbers = array("l")
        self.maps: list[MapSample] = []
        self.frames: list[FrameSample] = []
        self.execs: list[tuple[int, str]] = []
        self.pid = 0
        self.end = 0
        self._start: int | None = None
        self._looked = self._pause = 0
        self._every = 1
        self._skipped = 0
        self._beyond = len(table.entries)
        self._mapping = frozenset(n for n in range(self._beyond) if table.name(n) in MAPPING)

    def _now(self, task: Task) -> int:
        now = task.kernel.clock.monotonic()
        if self._start is None:
            self._start = now
        self.end = now - self._start
        return self.end

    # -- events ----------------------------------------------------------------------------------

    def exec(self, task: Task, path: bytes, argv: tuple[bytes, ...]) -> None:
        """The first program, or a process becomes another."""
        if not self.pid:
            self.pid = task.tgid
        if task.tgid == self.pid:
            now = self._now(task)
            self.execs.append((now, printable(task.comm.decode(errors="replace"))))
            self._look(task, now, always=True)

    def syscall_enter(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """A call, at its entry."""
        self.times.append(self._now(task))
        self.numbers.append(min(number, self._beyond))  # a register may hold anything

    def syscall_exit(
        self, task: Task, number: int, args: tuple[int, ...], result: int, reason: str
    ) -> None:
        """Memory may be another."""
        now = self._now(task)
        if number in self._mapping and task.tgid == self.pid:
            self._look(task, now)
        self._count(task, now)

    def fault(self, task: Task, address: int, access: int, kind: str) -> None:
        """More frames are in use; and a stack may have grown."""
        now = self._now(task)
        if task.tgid == self.pid:
            self._check_stack(task, address, now)
        self._count(task, now)

    def task_end(self, task: Task, status: int) -> None:
        """The picture ends with the first process."""
        now = self._now(task)
        if task.tgid == self.pid and len(task.group.tasks) == 1:
            self._count(task, now, always=True)
            self._look(task, now, always=True)
            self.maps.append(MapSample(now, ()))

    # -- samples ---------------------------------------------------------------------------------

    def _look(self, task: Task, now: int, *, always: bool = False) -> None:
        if now - self._looked < self._pause and not always:
            return
        self._looked = now
        bands = tuple(
            Band(area.start, area.end, area.kind, area.perms, _file_name(area.name))
            for area in memory_map(task)
        )
        if not self.maps or self.maps[-1].bands != bands:
            self.maps.append(MapSample(now, bands))
        if len(self.maps) > MOST_MAPS:
            del self.maps[1::2]
            self._pause = max(2 * self._pause, now // MOST_MAPS)

    def _check_stack(self, task: Task, address: int, now: int) -> None:
        """Is the address in an area that was not there when we looked last?"""
        bands = self.maps[-1].bands if self.maps else ()
        place = bisect_right(bands, address, key=lambda band: band.start) - 1
        if place < 0 or address >= bands[place].end:
            self._look(task, now)

    def _count(self, task: Task, now: int, *, always: bool = False) -> None:
        self._skipped += 1
        if self._skipped < self._every and not always:
            return
        self._skipped = 0
        kernel, cache = task.kernel, task.kernel.page_cache
        resident = self.frames[-1].resident if self.frames else 0
        if task.tgid == self.pid and task.mm is not None:
            resident = task.mm.rss
        sample = FrameSample(
            now, kernel.frames.used_count, len(cache) if cache is not None else 0, resident
        )
        if not always and self.frames and self.frames[-1][1:] == sample[1:]:
            return
        self.frames.append(sample)
        if len(self.frames) > MOST_SAMPLES:
            del self.frames[1::2]
            self._every *= 2


def printable(name: str) -> str:
    """Names of files may have characters that no XML can hold."""
    return "".join(character if character.isprintable() else "?" for character in name)


def _file_name(path: str) -> str:
    return printable(path.rpartition("/")[2])
