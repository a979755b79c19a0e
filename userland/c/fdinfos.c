/* /proc/self/fdinfo of descriptors that can be waited for.  See proc(5). */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>

static int says(int fd, const char *wanted)
{
    char path[40], text[2000] = {0};
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    int f = open(path, O_RDONLY);
    CHECK(read(f, text, sizeof text - 1) > 0);
    close(f);
    if (!strstr(text, wanted))
        printf("%s is not in\n%s", wanted, text);
    return strstr(text, wanted) != NULL;
}

static int is(int fd, const char *wanted)
{
    char path[40], text[100] = {0};
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK(readlink(path, text, sizeof text - 1) > 0);
    return !strcmp(text, wanted);
}

int main(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    int e = eventfd(17, EFD_SEMAPHORE), ep = epoll_create1(0), s = signalfd(-1, &set, 0);
    int t = timerfd_create(CLOCK_MONOTONIC, 0), i = inotify_init1(0);
    int p = syscall(SYS_pidfd_open, getpid(), 0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = 0xabc};
    struct itimerspec when = {{3, 500}, {100, 0}};
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, e, &event) == 0);
    CHECK(timerfd_settime(t, 0, &when, NULL) == 0);
    CHECK(inotify_add_watch(i, "/", IN_CREATE | IN_DELETE) == 1);
    char line[100];
    CHECK(says(e, "eventfd-count:               11\n") && is(e, "anon_inode:[eventfd]"));
    snprintf(line, sizeof line, "tfd: %8d events: %8x data: %16x  pos:0 ino:", e, 0x80000019, 0xabc);
    CHECK(says(ep, line) && is(ep, "anon_inode:[eventpoll]"));
    CHECK(says(s, "sigmask:\t0000000000004002\n") && is(s, "anon_inode:[signalfd]"));
    CHECK(says(t, "clockid: 1\nticks: 0\nsettime flags: 00\nit_value: (99, "));
    CHECK(says(t, "it_interval: (3, 500)\n") && is(t, "anon_inode:[timerfd]"));
    CHECK(says(i, "inotify wd:1 ino:") && says(i, " mask:300 ") && is(i, "anon_inode:inotify"));
    int still[] = {e, ep, s, t, i};
    for (int n = 0; n < 5; n++)
        CHECK(lseek(still[n], 10, n % 3) == 0);
    FAILS(lseek(p, 0, SEEK_SET), ESPIPE);
    snprintf(line, sizeof line, "Pid:\t%d\n", getpid());
    CHECK(says(p, line));
    return finish();
}
