/* epoll: level, edge, one-shot, exclusive, nested, closed descriptors, errors.  See epoll(7). */
#define _GNU_SOURCE
#include "asleep.h"
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <poll.h>

static struct epoll_event ev[8];

static int watch(int ep, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event e = {.events = events, .data.u64 = data};
    return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

static int change(int ep, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event e = {.events = events, .data.u64 = data};
    return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e);
}

static int now(int ep) { return epoll_wait(ep, ev, 8, 0); }

static void post(int fd)
{
    uint64_t one = 1;
    CHECK(write(fd, &one, 8) == 8);
}

static void take(int fd)
{
    uint64_t value;
    CHECK(read(fd, &value, 8) == 8);
}

static void level(void)
{
    int ep = epoll_create1(EPOLL_CLOEXEC), e = eventfd(0, 0);
    CHECK(fcntl(ep, F_GETFD) == FD_CLOEXEC);
    CHECK(watch(ep, e, EPOLLIN, 0x123456789abcdefULL) == 0);
    CHECK(now(ep) == 0);
    post(e);
    CHECK(now(ep) == 1 && ev[0].events == EPOLLIN && ev[0].data.u64 == 0x123456789abcdefULL);
    CHECK(now(ep) == 1);
    take(e);
    CHECK(now(ep) == 0);
    CHECK(change(ep, e, EPOLLIN | EPOLLOUT, 7) == 0);
    CHECK(now(ep) == 1 && ev[0].events == EPOLLOUT && ev[0].data.u64 == 7);
    post(e);
    CHECK(now(ep) == 1 && ev[0].events == (EPOLLIN | EPOLLOUT));
    CHECK(epoll_ctl(ep, EPOLL_CTL_DEL, e, NULL) == 0);
    CHECK(now(ep) == 0);
    FAILS(epoll_ctl(ep, EPOLL_CTL_DEL, e, NULL), ENOENT);
    close(e);
    close(ep);
}

static void edge(void)
{
    int ep = epoll_create1(0), p[2];
    char c[4];
    CHECK(pipe2(p, O_NONBLOCK) == 0);
    CHECK(watch(ep, p[0], EPOLLIN | EPOLLET, 1) == 0);
    CHECK(now(ep) == 0);
    CHECK(write(p[1], "ab", 2) == 2);
    CHECK(now(ep) == 1 && ev[0].events == EPOLLIN);
    CHECK(now(ep) == 0);
    CHECK(read(p[0], c, 1) == 1);
    CHECK(now(ep) == 0);
    CHECK(write(p[1], "c", 1) == 1);
    CHECK(now(ep) == 1);
    CHECK(change(ep, p[0], EPOLLIN | EPOLLET, 1) == 0);
    CHECK(now(ep) == 1);
    CHECK(now(ep) == 0);
    close(p[1]);
    CHECK(now(ep) == 1 && ev[0].events == (EPOLLIN | EPOLLHUP));
    CHECK(now(ep) == 0);
    close(p[0]);
    close(ep);
}

static void once(void)
{
    int ep = epoll_create1(0), e = eventfd(1, 0);
    CHECK(watch(ep, e, EPOLLIN | EPOLLONESHOT, 1) == 0);
    CHECK(now(ep) == 1);
    CHECK(now(ep) == 0);
    post(e);
    CHECK(now(ep) == 0);
    CHECK(change(ep, e, EPOLLIN | EPOLLONESHOT, 2) == 0);
    CHECK(now(ep) == 1 && ev[0].data.u64 == 2);
    CHECK(now(ep) == 0);
    close(e);
    close(ep);
}

static void turns(void)
{
    int ep = epoll_create1(0), e[4];
    for (int i = 0; i < 4; i++) {
        e[i] = eventfd(1, 0);
        CHECK(watch(ep, e[i], EPOLLIN, i) == 0);
    }
    CHECK(epoll_wait(ep, ev, 2, -1) == 2 && ev[0].data.u64 == 0 && ev[1].data.u64 == 1);
    CHECK(epoll_wait(ep, ev, 2, -1) == 2 && ev[0].data.u64 == 2 && ev[1].data.u64 == 3);
    CHECK(epoll_wait(ep, ev, 3, -1) == 3 && ev[0].data.u64 == 0);
    for (int i = 0; i < 4; i++)
        close(e[i]);
    CHECK(now(ep) == 0);
    close(ep);
}

static void closing(void)
{
    int ep = epoll_create1(0), e = eventfd(1, 0), copy = dup(e);
    CHECK(watch(ep, e, EPOLLIN, 1) == 0);
    CHECK(watch(ep, copy, EPOLLIN, 2) == 0);
    FAILS(watch(ep, e, EPOLLIN, 1), EEXIST);
    close(e);
    CHECK(now(ep) == 2); /* the description lives on in the copy */
    FAILS(epoll_ctl(ep, EPOLL_CTL_DEL, e, NULL), EBADF);
    close(copy);
    CHECK(now(ep) == 0);
    int again = eventfd(1, 0);
    CHECK(again == e);
    CHECK(watch(ep, again, EPOLLIN, 3) == 0);
    CHECK(now(ep) == 1 && ev[0].data.u64 == 3);
    close(again);
    close(ep);
}

static void nested(void)
{
    int ep[8], e = eventfd(0, 0);
    for (int i = 0; i < 8; i++)
        ep[i] = epoll_create1(0);
    CHECK(watch(ep[0], e, EPOLLIN, 1) == 0);
    CHECK(watch(ep[1], ep[0], EPOLLIN, 2) == 0);
    CHECK(now(ep[1]) == 0);
    post(e);
    CHECK(now(ep[1]) == 1 && ev[0].data.u64 == 2 && ev[0].events == EPOLLIN);
    struct pollfd p = {.fd = ep[1], .events = POLLIN};
    CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLIN);
    take(e);
    CHECK(poll(&p, 1, 0) == 0);
    CHECK(now(ep[1]) == 0);
    FAILS(watch(ep[0], ep[1], EPOLLIN, 1), ELOOP);
    FAILS(watch(ep[0], ep[0], EPOLLIN, 1), EINVAL);
    CHECK(watch(ep[2], ep[1], EPOLLIN, 1) == 0);
    FAILS(watch(ep[0], ep[2], EPOLLIN, 1), ELOOP);
    CHECK(watch(ep[3], ep[2], EPOLLIN, 1) == 0);
    CHECK(watch(ep[4], ep[3], EPOLLIN, 1) == 0);
    FAILS(watch(ep[5], ep[4], EPOLLIN, 1), ELOOP); /* too many in a row */
    post(e);
    CHECK(now(ep[4]) == 1);
    for (int i = 0; i < 8; i++)
        close(ep[i]);
    close(e);
}

static void errors(void)
{
    int ep = epoll_create1(0), e = eventfd(0, 0);
    int file = open("/proc/self/exe", O_RDONLY), dir = open("/", O_RDONLY | O_DIRECTORY);
    int null = open("/dev/null", O_RDWR), place = open("/", O_PATH);
    struct epoll_event x = {.events = EPOLLIN};
    FAILS(epoll_create1(1), EINVAL);
#ifdef SYS_epoll_create
    FAILS(syscall(SYS_epoll_create, 0), EINVAL);
    FAILS(syscall(SYS_epoll_create, -1), EINVAL);
#endif
    FAILS(watch(ep, 99, EPOLLIN, 0), EBADF);
    FAILS(watch(99, e, EPOLLIN, 0), EBADF);
    FAILS(watch(ep, place, EPOLLIN, 0), EBADF);
    FAILS(watch(ep, file, EPOLLIN, 0), EPERM);
    FAILS(watch(ep, dir, EPOLLIN, 0), EPERM);
    FAILS(watch(ep, null, EPOLLIN, 0), EPERM);
    FAILS(watch(e, ep, EPOLLIN, 0), EINVAL);
    FAILS(change(ep, e, EPOLLIN, 0), ENOENT);
    FAILS(epoll_ctl(ep, 9, e, &x), EINVAL);
    FAILS(epoll_ctl(ep, EPOLL_CTL_ADD, e, NULL), EFAULT);
    FAILS(epoll_wait(ep, ev, 0, 0), EINVAL);
    FAILS(epoll_wait(ep, ev, -1, 0), EINVAL);
    FAILS(epoll_wait(e, ev, 1, 0), EINVAL);
    FAILS(epoll_wait(99, ev, 1, 0), EBADF);
    FAILS(read(ep, ev, 8), EINVAL);
    FAILS(write(ep, ev, 8), EINVAL);
    CHECK(watch(ep, e, EPOLLIN | EPOLLEXCLUSIVE, 0) == 0);
    FAILS(change(ep, e, EPOLLIN, 0), EINVAL);
    CHECK(epoll_ctl(ep, EPOLL_CTL_DEL, e, NULL) == 0);
    FAILS(watch(ep, e, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 0), EINVAL);
    FAILS(change(ep, e, EPOLLIN | EPOLLEXCLUSIVE, 0), EINVAL);
    post(e);
    CHECK(watch(ep, e, EPOLLIN, 5) == 0);
    FAILS(epoll_wait(ep, (void *)16, 1, 0), EFAULT);
    CHECK(now(ep) == 1 && ev[0].data.u64 == 5); /* it was not lost */
    struct timespec bad = {.tv_nsec = 1000000000};
    FAILS(syscall(SYS_epoll_pwait2, ep, ev, 1, &bad, NULL, 8), EINVAL);
    uint64_t mask = 0;
    FAILS(syscall(SYS_epoll_pwait, ep, ev, 1, 0, &mask, 4), EINVAL);
    close(ep), close(e), close(file), close(dir), close(null), close(place);
}

static volatile int got;
static void handler(int signal) { got = signal; }

static void waiting(void)
{
    int ep = epoll_create1(0), e = eventfd(0, 0);
    CHECK(watch(ep, e, EPOLLIN, 1) == 0);
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    CHECK(epoll_wait(ep, ev, 8, 20) == 0);
    clock_gettime(CLOCK_MONOTONIC, &b);
    long ms = (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000;
    CHECK(ms >= 20 && ms < 15000);
    struct timespec little = {.tv_nsec = 5000000};
    CHECK(syscall(SYS_epoll_pwait2, ep, ev, 8, &little, NULL, 8) == 0);

    pid_t child = fork();
    if (!child) {
        usleep(10000);
        post(e);
        _exit(0);
    }
    CHECK(epoll_wait(ep, ev, 8, -1) == 1 && ev[0].events == EPOLLIN);
    take(e);
    CHECK(waitpid(child, NULL, 0) == child);

    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    sigset_t set, empty, old;
    sigemptyset(&empty);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pid_t me = getpid();
    child = fork();
    if (!child) {
        until_asleep(me);
        kill(me, SIGUSR1);
        _exit(0);
    }
    FAILS(epoll_wait(ep, ev, 8, -1), EINTR); /* in spite of SA_RESTART */
    CHECK(got == SIGUSR1);
    CHECK(waitpid(child, NULL, 0) == child);

    got = 0;
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    CHECK(epoll_wait(ep, ev, 8, 5) == 0 && !got);
    FAILS(epoll_pwait(ep, ev, 8, -1, &empty), EINTR);
    CHECK(got == SIGUSR1);
    sigprocmask(SIG_SETMASK, NULL, &old);
    CHECK(sigismember(&old, SIGUSR1) == 1);
    got = 0;
    raise(SIGUSR1);
    post(e);
    CHECK(epoll_pwait(ep, ev, 8, -1, &empty) == 1 && !got); /* events come first */
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    CHECK(got == SIGUSR1);
    close(e);
    close(ep);
}

static void many(void)
{
    enum { COUNT = 200 };
    int ep = epoll_create1(0), e[COUNT];
    struct epoll_event all[COUNT];
    for (int i = 0; i < COUNT; i++) {
        e[i] = eventfd(0, EFD_NONBLOCK);
        CHECK(watch(ep, e[i], EPOLLIN | EPOLLET, i) == 0);
    }
    for (int i = COUNT - 1; i >= 0; i -= 3)
        post(e[i]);
    int found = epoll_wait(ep, all, COUNT, -1);
    CHECK(found == 67);
    for (int i = 0; i < found; i++)
        CHECK((int)all[i].data.u64 == COUNT - 1 - 3 * i); /* in the order they became ready */
    for (int i = 0; i < COUNT; i++)
        close(e[i]);
    close(ep);
}

int main(void)
{
    level();
    edge();
    once();
    turns();
    closing();
    nested();
    errors();
    waiting();
    many();
    return finish();
}
