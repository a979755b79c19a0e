/* A handler comes while a call waits: EINTR, or with SA_RESTART the call goes on.  See signal(7). */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int event, timer, signals, watch, ep, ends[2], others[2], sem, queue;
static mqd_t mq;
static char name[40], place[] = "/tmp/interrupting.XXXXXX";
static volatile int handled;
static void (*satisfy)(void);

static void handler(int sig)
{
    (void)sig;
    if (handled++ == 0 && satisfy)
        satisfy();
}

/* Again and again, as the first may come before the wait has begun. */
static void every(int ms)
{
    struct itimerval in = {{0, ms * 1000}, {0, ms * 1000}};
    setitimer(ITIMER_REAL, &in, NULL);
}

/* The result of a wait that handlers come to; the first of them ends it. */
static long interrupted(long (*wait)(void), int flags, void (*then)(void))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    satisfy = then;
    handled = 0;
    sigaction(SIGALRM, &action, NULL);
    every(5);
    errno = 0;
    long result = wait();
    int error = errno;
    every(0);
    errno = error;
    return result;
}

/* The waits, and what ends each. */
static char buffer[8192];
static uint64_t number;

static long read_event(void) { return read(event, &number, 8); }
static void give_event(void) { uint64_t one = 1; write(event, &one, 8); }
static long read_timer(void) { return read(timer, &number, 8); }
static void give_timer(void)
{
    struct itimerspec t = {.it_value = {0, 1}};
    timerfd_settime(timer, 0, &t, NULL);
}
static long read_signal(void) { return read(signals, buffer, sizeof buffer); }
static void give_signal(void) { raise(SIGUSR1); }
static long read_watch(void) { return read(watch, buffer, sizeof buffer); }
static void give_watch(void) { chmod(place, 0700); }
static long do_splice(void) { return splice(ends[0], NULL, others[1], NULL, 10, 0); }
static long do_tee(void) { return tee(ends[0], others[1], 10, 0); }
static long do_vmsplice(void)
{
    struct iovec v = {buffer, 10};
    return vmsplice(ends[0], &v, 1, 0);
}
static void give_pipe(void) { write(ends[1], "x", 1); }
static long do_mq(void) { return mq_receive(mq, buffer, sizeof buffer, NULL); }
static void give_mq(void) { mq_send(mq, "x", 1, 0); }
static long do_epoll(void)
{
    struct epoll_event e;
    return epoll_wait(ep, &e, 1, -1);
}
static long do_semop(void)
{
    struct sembuf b = {0, -1, 0};
    return semop(sem, &b, 1);
}
static long do_msgrcv(void) { return msgrcv(queue, buffer, 100, 0, 0); }
static void drain(void)
{
    char c[100];
    while (read(ends[0], c, sizeof c) > 0)
        ;
    while (read(others[0], c, sizeof c) > 0)
        ;
}

static void restarts(const char *what, long (*wait)(void), void (*give)(void))
{
    if (interrupted(wait, 0, NULL) != -1 || errno != EINTR || handled < 1)
        printf("%s: no EINTR: %d\n", what, errno), failures++;
    if (interrupted(wait, SA_RESTART, give) <= 0 || handled < 1)
        printf("%s: not restarted: %d\n", what, errno), failures++;
}

static void ends_always(const char *what, long (*wait)(void))
{
    for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
        if (interrupted(wait, flags, NULL) != -1 || errno != EINTR || handled < 1)
            printf("%s: no EINTR: %d\n", what, errno), failures++;
    }
}

int main(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    snprintf(name, sizeof name, "/interrupting-%d", getpid());
    mkdtemp(place);
    event = eventfd(0, 0);
    timer = timerfd_create(CLOCK_MONOTONIC, 0);
    signals = signalfd(-1, &set, 0);
    watch = inotify_init1(0);
    inotify_add_watch(watch, place, IN_ATTRIB);
    ep = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN};
    epoll_ctl(ep, EPOLL_CTL_ADD, event, &e);
    CHECK(pipe(ends) == 0 && pipe(others) == 0);
    mq = mq_open(name, O_CREAT | O_RDWR, 0600, NULL);
    sem = semget(IPC_PRIVATE, 1, 0600);
    queue = msgget(IPC_PRIVATE, 0600);

    restarts("eventfd", read_event, give_event);
    restarts("timerfd", read_timer, give_timer);
    restarts("signalfd", read_signal, give_signal);
    restarts("inotify", read_watch, give_watch);
    restarts("mq_receive", do_mq, give_mq);
    ends_always("epoll_wait", do_epoll);
    ends_always("semop", do_semop);
    ends_always("msgrcv", do_msgrcv);
    restarts("splice", do_splice, give_pipe);
    restarts("tee", do_tee, give_pipe);
    fcntl(ends[0], F_SETFL, O_NONBLOCK), fcntl(others[0], F_SETFL, O_NONBLOCK);
    drain();
    fcntl(ends[0], F_SETFL, 0);
    restarts("vmsplice", do_vmsplice, give_pipe);

    mq_close(mq), mq_unlink(name);
    semctl(sem, 0, IPC_RMID);
    msgctl(queue, IPC_RMID, NULL);
    rmdir(place);
    return finish();
}
