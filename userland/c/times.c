/* Clocks and sleeping: they move on, sleeps last as long as asked, bad values are refused. */
#define _GNU_SOURCE
#include "check.h"
#include <poll.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

static long long now(clockid_t clock)
{
    struct timespec t = {0, 0};
    CHECK(clock_gettime(clock, &t) == 0 && t.tv_nsec >= 0 && t.tv_nsec < 1000000000);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void clocks(void)
{
    static const clockid_t known[] = {CLOCK_REALTIME,        CLOCK_MONOTONIC,
                                      CLOCK_MONOTONIC_RAW,   CLOCK_REALTIME_COARSE,
                                      CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME,
                                      CLOCK_PROCESS_CPUTIME_ID};
    struct timespec t;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        long long first = now(known[i]), second = now(known[i]);
        CHECK(second >= first);
        CHECK(syscall(SYS_clock_getres, known[i], &t) == 0 && t.tv_sec == 0 && t.tv_nsec > 0);
    }
    FAILS(syscall(SYS_clock_gettime, 1234, &t), EINVAL);
    struct timeval tv;
    CHECK(gettimeofday(&tv, NULL) == 0);
    long long wall = tv.tv_sec * 1000000000LL + tv.tv_usec * 1000LL;
    long long difference = now(CLOCK_REALTIME) - wall;
    CHECK(difference >= 0 && difference < 15 * 1000000000LL);
    CHECK(time(NULL) - tv.tv_sec <= 15);
}

static void sleeping(void)
{
    long long start = now(CLOCK_MONOTONIC);
    struct timespec t = {0, 20000000};
    CHECK(nanosleep(&t, NULL) == 0);
    CHECK(now(CLOCK_MONOTONIC) - start >= 20000000);
    start = now(CLOCK_MONOTONIC);
    long long until = start + 20000000;
    t.tv_sec = until / 1000000000, t.tv_nsec = until % 1000000000;
    CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == 0);
    CHECK(now(CLOCK_MONOTONIC) >= until);
    CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == 0); /* in the past */
    t.tv_nsec = 1000000000;
    FAILS(nanosleep(&t, NULL), EINVAL);
    t.tv_nsec = 0, t.tv_sec = -1;
    FAILS(nanosleep(&t, NULL), EINVAL);
    start = now(CLOCK_MONOTONIC);
    CHECK(poll(NULL, 0, 20) == 0 && now(CLOCK_MONOTONIC) - start >= 20000000);
}

static void processor_time(void)
{
    struct tms before, after;
    long long start = now(CLOCK_PROCESS_CPUTIME_ID);
    CHECK(times(&before) != (clock_t)-1);
    volatile long sum = 0;
    while (now(CLOCK_PROCESS_CPUTIME_ID) - start < 30000000)
        for (int i = 0; i < 1000; i++)
            sum += i;
    CHECK(times(&after) != (clock_t)-1);
    CHECK(after.tms_utime + after.tms_stime > before.tms_utime + before.tms_stime);
}

int main(void)
{
    clocks();
    sleeping();
    processor_time();
    return finish();
}
