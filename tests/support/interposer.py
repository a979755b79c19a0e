"""A library for LD_PRELOAD that fits every C library: it is linked with none."""

from __future__ import annotations

from pathlib import Path

from userland.build import build_shared_library

SOURCE = r"""
typedef long time_type;
struct timespec { time_type seconds, nanoseconds; };
void *dlsym(void *, const char *);
static int prepared;
__attribute__((constructor)) static void before(void) { prepared = 1; }
unsigned geteuid(void) { return prepared ? 1234 : 5; }
int clock_gettime(int clock, struct timespec *now)
{
    int (*next)(int, struct timespec *) = dlsym((void *)-1L, "clock_gettime"); /* RTLD_NEXT */
    int result = next(clock, now);
    if (clock == 0)
        now->seconds = 86400;
    return result;
}
"""


def interposer(arch: str) -> Path:
    """The library: the caller's user is 1234, and it is the second of January 1970."""
    return build_shared_library("interposer", arch, SOURCE)
