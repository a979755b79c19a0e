"""Clocks and timers: clock_gettime(2), setitimer(2), timer_settime(2), timerfd_create(2)."""

from __future__ import annotations

from typing import Final

# clock_gettime(2)
CLOCK_REALTIME: Final = 0
CLOCK_MONOTONIC: Final = 1
CLOCK_PROCESS_CPUTIME_ID: Final = 2
CLOCK_THREAD_CPUTIME_ID: Final = 3
CLOCK_MONOTONIC_RAW: Final = 4
CLOCK_REALTIME_COARSE: Final = 5
CLOCK_MONOTONIC_COARSE: Final = 6
CLOCK_BOOTTIME: Final = 7
CLOCK_REALTIME_ALARM: Final = 8
CLOCK_BOOTTIME_ALARM: Final = 9
CLOCK_TAI: Final = 11

# clock_nanosleep(2), timer_settime(2)
TIMER_ABSTIME: Final = 1

# setitimer(2)
ITIMER_REAL: Final = 0
ITIMER_VIRTUAL: Final = 1
ITIMER_PROF: Final = 2

# timerfd_create(2)
TFD_TIMER_ABSTIME: Final = 1
TFD_TIMER_CANCEL_ON_SET: Final = 2
TFD_CLOEXEC: Final = 0o2000000
TFD_NONBLOCK: Final = 0o4000

# timer_create(2)
SIGEV_SIGNAL: Final = 0
SIGEV_NONE: Final = 1
SIGEV_THREAD: Final = 2
SIGEV_THREAD_ID: Final = 4

# units
NSEC_PER_SEC: Final = 1000000000
NSEC_PER_USEC: Final = 1000
NSEC_PER_MSEC: Final = 1000000
USEC_PER_SEC: Final = 1000000
USER_HZ: Final = 100

# clock_adjtime(2)
TIME_OK: Final = 0
TIME_ERROR: Final = 5
