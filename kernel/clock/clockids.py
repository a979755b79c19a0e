"""What a clock number means.  See clock_gettime(2), clock_getcpuclockid(3).

Positive numbers are the fixed clocks.  Negative ones name the processor time of a process or a
thread: ``(~pid << 3) | per_thread << 2 | kind``, kind 0 for all, 1 for user, 2 for all again (in
Linux measured by the scheduler), 3 for something that is no processor time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from kernel.abi.clocks import (
    CLOCK_BOOTTIME,
    CLOCK_MONOTONIC,
    CLOCK_MONOTONIC_COARSE,
    CLOCK_MONOTONIC_RAW,
    CLOCK_PROCESS_CPUTIME_ID,
    CLOCK_REALTIME,
    CLOCK_REALTIME_COARSE,
    CLOCK_THREAD_CPUTIME_ID,
)
from kernel.clock.clock import COARSE_NS, Clock

SLEEPABLE: Final = frozenset((CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME))

CPU_ALL: Final = 0
CPU_USER: Final = 1
_CPU_SCHEDULER: Final = 2
_PER_THREAD: Final = 4


class CpuClock(NamedTuple):
    """The processor time of process or thread ``pid`` (0: the caller's)."""

    pid: int
    per_thread: bool
    kind: int


def _realtime(clock: Clock) -> int:
    return clock.realtime()


def _monotonic(clock: Clock) -> int:
    return clock.monotonic()


def _boottime(clock: Clock) -> int:
    return clock.boottime()


def _realtime_coarse(clock: Clock) -> int:
    return clock.realtime() // COARSE_NS * COARSE_NS


def _monotonic_coarse(clock: Clock) -> int:
    return clock.monotonic() // COARSE_NS * COARSE_NS


WALL_CLOCKS: Final[Mapping[int, Callable[[Clock], int]]] = MappingProxyType(
    {
        CLOCK_REALTIME: _realtime,
        CLOCK_MONOTONIC: _monotonic,
        CLOCK_MONOTONIC_RAW: _monotonic,
        CLOCK_REALTIME_COARSE: _realtime_coarse,
        CLOCK_MONOTONIC_COARSE: _monotonic_coarse,
        CLOCK_BOOTTIME: _boottime,
    }
)
"""How to read each clock that is no processor time."""


def parse_cpu_clock(clock_id: int) -> CpuClock | None:
    """The processor-time clock behind a number, or None if it is not one of these."""
    if clock_id == CLOCK_PROCESS_CPUTIME_ID:
        return CpuClock(0, False, CPU_ALL)
    if clock_id == CLOCK_THREAD_CPUTIME_ID:
        return CpuClock(0, True, CPU_ALL)
    if clock_id >= 0 or clock_id & 3 > _CPU_SCHEDULER:
        return None
    kind = CPU_USER if clock_id & 3 == CPU_USER else CPU_ALL
    return CpuClock(~(clock_id >> 3), bool(clock_id & _PER_THREAD), kind)


def resolution(clock_id: int) -> int:
    """What clock_getres(2) says of a clock that exists, in ns."""
    coarse = clock_id in (CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE)
    return COARSE_NS if coarse else 1
