/* The vDSO: there, and its clock agrees with the system call's. */
#include "check.h"

#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

static long ns_of(struct timespec time)
{
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

/* Asked in turn, the two never go backwards. */
static void agree(int clock)
{
    long last = 0;
    for (int i = 0; i < 400; i++) {
        struct timespec time = {-1, -1};
        CHECK((i & 1 ? clock_gettime(clock, &time) : syscall(SYS_clock_gettime, clock, &time)) == 0);
        CHECK(ns_of(time) >= last && time.tv_nsec < 1000000000);
        last = ns_of(time);
    }
}

int main(void)
{
    CHECK(getauxval(AT_SYSINFO_EHDR) != 0);
    CHECK(memcmp((void *)getauxval(AT_SYSINFO_EHDR), "\177ELF", 4) == 0);
    agree(CLOCK_MONOTONIC);
    agree(CLOCK_REALTIME);
    agree(CLOCK_BOOTTIME);
    agree(CLOCK_REALTIME_COARSE);
    agree(CLOCK_MONOTONIC_COARSE);
    struct timespec before, after;
    struct timeval time;
    clock_gettime(CLOCK_REALTIME, &before);
    CHECK(gettimeofday(&time, NULL) == 0);
    clock_gettime(CLOCK_REALTIME, &after);
    long us = time.tv_sec * 1000000L + time.tv_usec;
    CHECK(ns_of(before) / 1000 <= us && us <= ns_of(after) / 1000);
    FAILS(clock_gettime(9999, &before), EINVAL);
    return finish();
}
