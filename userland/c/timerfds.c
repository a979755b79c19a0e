/* timerfd: relative, absolute, periodic, non-blocking, poll, errors.  See timerfd_create(2). */
#define _GNU_SOURCE
#include "check.h"
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#define MS 1000000L

static int arm(int fd, int flags, long value_ns, long interval_ns)
{
    struct itimerspec t = {{interval_ns / 1000000000, interval_ns % 1000000000},
                           {value_ns / 1000000000, value_ns % 1000000000}};
    return timerfd_settime(fd, flags, &t, NULL);
}

static long now_ns(int clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void once(int clock)
{
    uint64_t n = 0;
    int fd = timerfd_create(clock, TFD_CLOEXEC);
    struct itimerspec t;
    CHECK(fd >= 0);
    CHECK(timerfd_gettime(fd, &t) == 0 && !t.it_value.tv_sec && !t.it_value.tv_nsec);
    long start = now_ns(clock);
    CHECK(arm(fd, 0, 60000 * MS, 0) == 0);
    CHECK(timerfd_gettime(fd, &t) == 0 && t.it_value.tv_sec > 0 && t.it_value.tv_sec <= 60);
    CHECK(arm(fd, 0, 10 * MS, 0) == 0);
    CHECK(read(fd, &n, 8) == 8 && n == 1);
    CHECK(now_ns(clock) - start >= 10 * MS);
    CHECK(timerfd_gettime(fd, &t) == 0 && !t.it_value.tv_sec && !t.it_value.tv_nsec);
    start = now_ns(clock);
    CHECK(arm(fd, TFD_TIMER_ABSTIME, start + 10 * MS, 0) == 0);
    CHECK(read(fd, &n, 8) == 8 && n == 1);
    CHECK(now_ns(clock) - start >= 10 * MS);
    CHECK(arm(fd, TFD_TIMER_ABSTIME, 1, 0) == 0); /* long ago */
    CHECK(read(fd, &n, 8) == 8 && n == 1);
    close(fd);
}

static void periodic(void)
{
    uint64_t n = 0;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    FAILS(read(fd, &n, 8), EAGAIN);
    long start = now_ns(CLOCK_MONOTONIC);
    CHECK(arm(fd, 0, 2 * MS, 2 * MS) == 0);
    usleep(21000);
    CHECK(read(fd, &n, 8) == 8 && n >= 10);
    CHECK((long)n <= (now_ns(CLOCK_MONOTONIC) - start) / (2 * MS));
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
    CHECK(poll(&p, 1, -1) == 1 && p.revents == POLLIN);
    CHECK(read(fd, &n, 8) == 8 && n >= 1);
    struct itimerspec off = {0}, old;
    CHECK(timerfd_settime(fd, 0, &off, &old) == 0);
    CHECK(old.it_interval.tv_nsec == 2 * MS && old.it_value.tv_nsec > 0);
    CHECK(poll(&p, 1, 10) == 0);
    CHECK(arm(fd, TFD_TIMER_ABSTIME, now_ns(CLOCK_MONOTONIC) - 20 * MS, 5 * MS) == 0);
    CHECK(read(fd, &n, 8) == 8 && n >= 5); /* those that were missed count */
    close(fd);
}

static void in_epoll(void)
{
    uint64_t n;
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = 9};
    int ep = epoll_create1(0), fd = timerfd_create(CLOCK_MONOTONIC, 0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0);
    CHECK(epoll_wait(ep, &e, 1, 0) == 0);
    CHECK(arm(fd, 0, 5 * MS, 0) == 0);
    CHECK(epoll_wait(ep, &e, 1, -1) == 1 && e.data.u64 == 9 && e.events == EPOLLIN);
    CHECK(read(fd, &n, 8) == 8 && n == 1);
    CHECK(epoll_wait(ep, &e, 1, 0) == 0);
    close(ep), close(fd);
}

static void errors(void)
{
    uint64_t n;
    int fd = timerfd_create(CLOCK_REALTIME, 0);
    struct itimerspec t = {.it_value = {0, 1000000000}};
    FAILS(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), EINVAL);
    FAILS(timerfd_create(99, 0), EINVAL);
    FAILS(timerfd_create(CLOCK_REALTIME, 1), EINVAL);
    FAILS(timerfd_settime(fd, 0, &t, NULL), EINVAL);
    FAILS(timerfd_settime(fd, 0, NULL, NULL), EFAULT);
    FAILS(timerfd_settime(99, 0, &(struct itimerspec){0}, NULL), EBADF);
    FAILS(timerfd_settime(0, 0, &(struct itimerspec){0}, NULL), EINVAL);
    FAILS(timerfd_settime(fd, 8, &(struct itimerspec){0}, NULL), EINVAL);
    FAILS(timerfd_gettime(fd, NULL), EFAULT);
    FAILS(timerfd_gettime(0, &t), EINVAL);
    FAILS(read(fd, &n, 4), EINVAL);
    FAILS(write(fd, &n, 8), EINVAL);
    close(fd);
}

int main(void)
{
    once(CLOCK_MONOTONIC);
    once(CLOCK_REALTIME);
    once(CLOCK_BOOTTIME);
    periodic();
    in_epoll();
    errors();
    return finish();
}
