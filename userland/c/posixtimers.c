/* POSIX timers: signals, overruns, threads, processor time.  See timer_create(2). */
#define _GNU_SOURCE
#include "check.h"
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define MS 1000000L
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static volatile int count, value, code, overrun, by;

static void handler(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)context;
    count++;
    value = info->si_value.sival_int;
    code = info->si_code;
    overrun = info->si_overrun;
    by = gettid();
}

static int create(clockid_t clock, int notify, int sig, int data)
{
    struct sigevent e = {.sigev_notify = notify, .sigev_signo = sig, .sigev_value.sival_int = data};
    int id = -1;
    e.sigev_notify_thread_id = gettid();
    return syscall(SYS_timer_create, clock, &e, &id) ? -1 : id;
}

static int arm(int id, int flags, long first, long every)
{
    struct itimerspec t = {{every / 1000000000, every % 1000000000},
                           {first / 1000000000, first % 1000000000}};
    return syscall(SYS_timer_settime, id, flags, &t, NULL);
}

static long left(int id)
{
    struct itimerspec t;
    CHECK(syscall(SYS_timer_gettime, id, &t) == 0);
    return t.it_value.tv_sec * 1000000000 + t.it_value.tv_nsec;
}

static int overruns(int id) { return syscall(SYS_timer_getoverrun, id); }
static int delete(int id) { return syscall(SYS_timer_delete, id); }

static long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000 + t.tv_nsec;
}

static void wait_for(int wanted)
{
    while (count < wanted)
        usleep(1000);
}

static void once(int clock)
{
    int id = create(clock, SIGEV_SIGNAL, SIGUSR1, 42);
    CHECK(id >= 0 && left(id) == 0);
    count = 0;
    CHECK(arm(id, 0, 60000 * MS, 0) == 0);
    CHECK(left(id) > 0 && left(id) <= 60000 * MS);
    CHECK(arm(id, 0, 5 * MS, 0) == 0);
    wait_for(1);
    CHECK(count == 1 && value == 42 && code == SI_TIMER && overrun == 0 && left(id) == 0);
    struct timespec now;
    clock_gettime(clock, &now);
    CHECK(arm(id, TIMER_ABSTIME, now.tv_sec * 1000000000 + now.tv_nsec + 5 * MS, 0) == 0);
    wait_for(2);
    CHECK(count == 2);
    CHECK(arm(id, TIMER_ABSTIME, 1, 0) == 0); /* long ago */
    wait_for(3);
    CHECK(count == 3);
    CHECK(delete(id) == 0);
    FAILS(delete(id), EINVAL);
}

static void periodic(void)
{
    sigset_t set;
    siginfo_t info;
    int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, 7);
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    CHECK(arm(id, 0, 2 * MS, 2 * MS) == 0);
    usleep(30000);
    CHECK(left(id) > 0 && left(id) <= 2 * MS);
    long begun = now();
    CHECK(sigwaitinfo(&set, &info) == SIGRTMIN);
    CHECK(info.si_code == SI_TIMER && info.si_value.sival_int == 7 && info.si_overrun >= 10);
    CHECK(overruns(id) == info.si_overrun);
    CHECK(sigwaitinfo(&set, &info) == SIGRTMIN && info.si_overrun <= (now() - begun) / (2 * MS));
    CHECK(arm(id, 0, 0, 0) == 0 && left(id) == 0);
    struct timespec none = {0, 5 * MS}, zero = {0, 0};
    sigtimedwait(&set, &info, &zero); /* whether one more has come or not */
    FAILS(sigtimedwait(&set, &info, &none), EAGAIN);
    CHECK(delete(id) == 0);
}

static void *spin(void *seconds)
{
    struct timespec t;
    do
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    while (t.tv_sec * 1000 + t.tv_nsec / MS < (long)seconds);
    return NULL;
}

static void others(void)
{
    int id = create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
    CHECK(id >= 0 && arm(id, 0, 3 * MS, 3 * MS) == 0);
    usleep(10000);
    CHECK(left(id) > 0 && left(id) <= 3 * MS);
    CHECK(delete(id) == 0);

    id = create(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGUSR1, 5);
    count = 0;
    CHECK(id >= 0 && arm(id, 0, 2 * MS, 0) == 0);
    wait_for(1);
    CHECK(count == 1 && value == 5 && by == gettid());
    CHECK(delete(id) == 0);

    id = create(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, SIGUSR1, 6);
    count = 0;
    CHECK(id >= 0 && arm(id, 0, 20 * MS, 0) == 0);
    usleep(30000);
    CHECK(count == 0 && left(id) > 0); /* sleeping uses no time */
    pthread_t thread;
    pthread_create(&thread, NULL, spin, (void *)100);
    pthread_join(thread, NULL);
    while (!count) /* the kernel looks when a turn ends, and ours may have been a long one */
        ;
    CHECK(count == 1 && value == 6);
    CHECK(delete(id) == 0);

    id = -1;
    CHECK(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &id) == 0 && id >= 0);
    signal(SIGALRM, SIG_IGN);
    CHECK(arm(id, 0, MS, MS) == 0);
    usleep(5000);
    CHECK(left(id) > 0);
    int child = fork(), status;
    if (!child) /* timers are not inherited */
        _exit(syscall(SYS_timer_delete, id) == -1 && errno == EINVAL ? 0 : 1);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(delete(id) == 0);
}

static void errors(void)
{
    int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
    struct itimerspec t = {.it_value = {0, 1000000000}};
    struct sigevent e = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
    e.sigev_notify_thread_id = 1;
    FAILS(create(99, SIGEV_SIGNAL, SIGUSR1, 0), EINVAL);
    FAILS(create(CLOCK_MONOTONIC_COARSE, SIGEV_SIGNAL, SIGUSR1, 0), EOPNOTSUPP);
    FAILS(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 0, 0), EINVAL);
    FAILS(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 65, 0), EINVAL);
    FAILS(create(CLOCK_MONOTONIC, 9, SIGUSR1, 0), EINVAL);
    FAILS(syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &id), EINVAL);
    FAILS(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, NULL), EFAULT);
    FAILS(syscall(SYS_timer_create, CLOCK_MONOTONIC, 8, &id), EFAULT);
    FAILS(syscall(SYS_timer_settime, id, 0, &t, NULL), EINVAL);
    FAILS(syscall(SYS_timer_settime, id, 0, NULL, NULL), EINVAL);
    FAILS(syscall(SYS_timer_settime, id, 0, 8, NULL), EFAULT);
    FAILS(arm(99, 0, 1, 0), EINVAL);
    FAILS(syscall(SYS_timer_gettime, id, NULL), EFAULT);
    FAILS(syscall(SYS_timer_gettime, 99, &t), EINVAL);
    FAILS(overruns(99), EINVAL);
    CHECK(delete(id) == 0);
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, NULL);
    once(CLOCK_MONOTONIC);
    once(CLOCK_REALTIME);
    periodic();
    others();
    errors();
    return finish();
}
