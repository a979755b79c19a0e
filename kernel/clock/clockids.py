"""What a clock number means.  See clock_gettime(2), clock_getcpuclockid(3).

Positive numbers are the fixed clocks.  Negative ones name the processor time of a process or a
thread: ``(~pid << 3) | per_thread << 2 | kind``, kind 0 for all, 1 for user, 2 for all again (in
Linux measured by the scheduler), 3 for something that is no processor time.
"""

from __future__ import annotations

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
from kernel.abi.errors import EINVAL
from kernel.clock.clock import COARSE_NS, Clock

WALL_CLOCKS: Final = frozenset(
    (
        CLOCK_REALTIME,
        CLOCK_MONOTONIC,
        CLOCK_MONOTONIC_RAW,
        CLOCK_REALTIME_COARSE,
        CLOCK_MONOTONIC_COARSE,
        CLOCK_BOOTTIME,
    )
)
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


def read_wall_clock(clock: Clock, clock_id: int) -> int:
    """One of ``WALL_CLOCKS``, in ns; EINVAL for any other number."""
    if clock_id == CLOCK_REALTIME:
        return clock.realtime()
    if clock_id in (CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW):
        return clock.monotonic()
    if clock_id == CLOCK_BOOTTIME:
        return clock.boottime()
    if clock_id == CLOCK_REALTIME_COARSE:
        return clock.realtime() // COARSE_NS * COARSE_NS
    if clock_id == CLOCK_MONOTONIC_COARSE:
        return clock.monotonic() // COARSE_NS * COARSE_NS
    raise EINVAL(f"there is no clock {clock_id}")


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
