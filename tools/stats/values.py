"""What was counted, as plain values.

Rows are sorted by calls (most first), then by name.  ``unknown`` adds up the calls whose number has
no declaration; they are part of the total.  Times are nanoseconds, frames have 4096 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi.errors import BY_NUMBER
from kernel.machine.describe.memory import memory
from kernel.mm.physical import NEXT_FRESH

if TYPE_CHECKING:
    from kernel.machine.loop import Machine
    from tools.stats.watching import CallCount, RunCounts

NS_PER_SECOND: Final = 1_000_000_000
FAULT_KINDS: Final[tuple[str, ...]] = ("minor", "major", "cow", "reuse", "spurious", "kernel")
"""In the order of tables; others (those that end in a signal) follow by name."""


@dataclass(frozen=True, slots=True)
class StatsRow:
    """One system call of one run, or a sum of several.

    ``nanoseconds``: in the kernel; ``asleep``: from falling asleep in it until running again;
    ``bytes``: what it moved, where its result says so; ``errnos``: errors by name.
    """

    name: str
    calls: int
    errors: int
    nanoseconds: int
    known: bool = True
    asleep: int = 0
    bytes: int = 0
    errnos: Mapping[str, int] = field(default_factory=dict)


class ProcessRows(NamedTuple):
    """One process; ``command`` is its last name.

    ``faults`` by kind.  ``minor`` and ``major`` are getrusage(2)'s, the kernel's own faults
    included; so are the switches, the times and ``max_rss`` (KiB).
    """

    pid: int
    command: str
    rows: tuple[StatsRow, ...]
    faults: Mapping[str, int] = {}
    minor: int = 0
    major: int = 0
    voluntary: int = 0
    involuntary: int = 0
    user: int = 0
    system: int = 0
    max_rss: int = 0


class FrameCounts(NamedTuple):
    """Frames of the machine: there are, in use at the end, at most in use, caching host files."""

    total: int = 0
    used: int = 0
    peak: int = 0
    page_cache: int = 0


NO_FRAMES: Final = FrameCounts()


@dataclass(frozen=True, slots=True)
class Stats:
    """A whole run.  Invariant: rows are in table order.

    ``switches``: how often the processor went to another task.
    """

    rows: tuple[StatsRow, ...]
    total: StatsRow
    unknown: StatsRow
    processes: tuple[ProcessRows, ...] = ()
    frames: FrameCounts = NO_FRAMES
    switches: int = 0

    @classmethod
    def of(
        cls,
        rows: Iterable[StatsRow],
        processes: Iterable[ProcessRows] = (),
        frames: FrameCounts = NO_FRAMES,
        switches: int = 0,
    ) -> Stats:
        """Sort and add up."""
        ordered = in_order(row for row in rows if row.calls)
        unknown = [row for row in ordered if not row.known]
        return cls(
            ordered,
            added("total", ordered),
            added("unknown", unknown),
            tuple(processes),
            frames,
            switches,
        )

    @property
    def faults(self) -> dict[str, int]:
        """Page faults of all processes by kind, in table order."""
        return added_kinds(process.faults for process in self.processes)

    @property
    def minor(self) -> int:
        """Minor faults of all processes, as getrusage(2) counts them."""
        return sum(process.minor for process in self.processes)

    @property
    def major(self) -> int:
        """Major faults: something had to be read."""
        return sum(process.major for process in self.processes)

    @property
    def voluntary(self) -> int:
        """How often a task gave the processor up to wait."""
        return sum(process.voluntary for process in self.processes)

    @property
    def involuntary(self) -> int:
        """How often a task's turn was over."""
        return sum(process.involuntary for process in self.processes)


def in_order(rows: Iterable[StatsRow]) -> tuple[StatsRow, ...]:
    """Most calls first, then by name."""
    return tuple(sorted(rows, key=lambda row: (-row.calls, row.name)))


def added(name: str, rows: Iterable[StatsRow]) -> StatsRow:
    """One row for many."""
    rows = list(rows)
    return StatsRow(
        name,
        sum(row.calls for row in rows),
        sum(row.errors for row in rows),
        sum(row.nanoseconds for row in rows),
        asleep=sum(row.asleep for row in rows),
        bytes=sum(row.bytes for row in rows),
        errnos=added_errors(row.errnos for row in rows),
    )


def added_errors(tables: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Errors by name, most first."""
    found: dict[str, int] = {}
    for table in tables:
        for name, count in table.items():
            found[name] = found.get(name, 0) + count
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def added_kinds(tables: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Faults by kind, in table order."""
    found = added_errors(tables)
    usual = {kind: found.pop(kind) for kind in FAULT_KINDS if kind in found}
    return {**usual, **{kind: found[kind] for kind in sorted(found)}}


# -- from a machine ------------------------------------------------------------------------------


def collect(machine: Machine, counts: RunCounts | None = None) -> Stats:
    """What a machine counted so far.

    Calls and errors are always counted; everything else by ``counts``, which was attached before.
    """
    system, table = machine.system, machine.table
    details = counts.by_number() if counts is not None else {}
    always = machine.counts
    rows = [
        _row(machine, n, calls, always.errors[n], details.get(n), known=table.declared(n))
        for n, calls in enumerate(always.calls)
    ]
    rows += [
        _row(machine, n, calls, calls, details.get(n), known=False)
        for n, calls in sorted(always.outside.items())
    ]
    now = memory(system)
    # Fresh frames are taken only when no freed one is left: so many were in use at once.
    peak = system.frames.physical.control[NEXT_FRESH] - 1
    frames = FrameCounts(now.total, now.used, peak, now.page_cache)
    processes = counts.processes() if counts is not None else ()
    return Stats.of(rows, processes, frames, system.counters.switches)


def _row(
    machine: Machine, number: int, calls: int, errors: int, more: CallCount | None, *, known: bool
) -> StatsRow:
    name = call_name(machine.table.name(number), number)
    if more is None:
        return StatsRow(name, calls, errors, 0, known)
    return StatsRow(
        name, calls, errors, more.busy, known, more.asleep, more.bytes, named_errors(more.errnos)
    )


def call_name(name: str | None, number: int) -> str:
    """Linux's name, or strace's way of writing a number that has none."""
    return name or f"syscall_{number:#x}"


def named_errors(errnos: Mapping[int, int]) -> dict[str, int]:
    """Errors by name instead of number, most first."""
    named = {_error(number): count for number, count in errnos.items()}
    return added_errors([named])


def _error(number: int) -> str:
    error = BY_NUMBER.get(number)
    return error.__name__ if error is not None else str(number)
