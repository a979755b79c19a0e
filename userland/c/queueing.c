/* Sending signals: queues, merging, limits, permissions, and who gets what.  See signal(7),
 * sigqueue(3), kill(2), tgkill(2), rt_sigqueueinfo(2). */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "check.h"

static int order[64], values[64];
static volatile sig_atomic_t seen;

static void noting(int signo, siginfo_t *info, void *context)
{
    (void)context;
    order[seen] = signo, values[seen] = info->si_value.sival_int, seen++;
}

static void install(int signo, int flags)
{
    struct sigaction action = {.sa_sigaction = noting, .sa_flags = SA_SIGINFO | flags};
    sigfillset(&action.sa_mask);
    sigaction(signo, &action, NULL);
}

static void send(int signo, int value)
{
    CHECK(sigqueue(getpid(), signo, (union sigval){.sival_int = value}) == 0);
}

static void queues(void)
{
    sigset_t all, old, waiting;
    int low = SIGRTMIN + 1, high = SIGRTMIN + 5;
    install(low, 0), install(high, 0), install(SIGUSR1, 0);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old);
    send(high, 1), send(low, 2), send(SIGUSR1, 3), send(high, 4), send(SIGUSR1, 5), send(low, 6);
    CHECK(sigpending(&waiting) == 0 && sigismember(&waiting, low) == 1);
    CHECK(sigismember(&waiting, SIGUSR2) == 0);
    seen = 0;
    sigprocmask(SIG_SETMASK, &old, NULL);
    CHECK(seen == 5);
    int signals[] = {SIGUSR1, low, low, high, high}, expected[] = {3, 2, 6, 1, 4};
    for (int i = 0; i < 5; i++) /* the frames are stacked: each mask is full, so in this order */
        CHECK(order[i] == signals[i] && values[i] == expected[i]);
}

static void limits(void)
{
    struct rlimit old, few;
    sigset_t block, mask;
    CHECK(getrlimit(RLIMIT_SIGPENDING, &old) == 0);
    sigfillset(&block);
    sigprocmask(SIG_BLOCK, &block, &mask);
    few = old, few.rlim_cur = 0;
    CHECK(setrlimit(RLIMIT_SIGPENDING, &few) == 0);
    FAILS(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){0}), EAGAIN);
    CHECK(kill(getpid(), SIGRTMIN + 1) == 0); /* kill always gets through */
    siginfo_t info;
    CHECK(sigwaitinfo(&block, &info) == SIGRTMIN + 1 && info.si_pid == 0);
    CHECK(setrlimit(RLIMIT_SIGPENDING, &old) == 0);
    sigprocmask(SIG_SETMASK, &mask, NULL);
}

static void targets(void)
{
    siginfo_t info;
    sigset_t block, mask;
    sigemptyset(&block), sigaddset(&block, SIGUSR2);
    sigprocmask(SIG_BLOCK, &block, &mask);
    CHECK(syscall(SYS_tgkill, getpid(), getpid(), SIGUSR2) == 0);
    CHECK(sigwaitinfo(&block, &info) == SIGUSR2 && info.si_code == SI_TKILL);
    CHECK(kill(getpid(), SIGUSR2) == 0);
    CHECK(sigwaitinfo(&block, &info) == SIGUSR2 && info.si_code == SI_USER);
    CHECK(info.si_pid == getpid() && info.si_uid == getuid());
    send(SIGUSR2, 42);
    CHECK(sigwaitinfo(&block, &info) == SIGUSR2 && info.si_code == SI_QUEUE);
    CHECK(info.si_value.sival_int == 42);
    /* Setting the action to "ignore" throws away what is pending. */
    CHECK(kill(getpid(), SIGUSR2) == 0);
    signal(SIGUSR2, SIG_IGN), signal(SIGUSR2, SIG_DFL);
    CHECK(sigpending(&mask) == 0 && sigismember(&mask, SIGUSR2) == 0);
    CHECK(kill(getpid(), 0) == 0);
    FAILS(kill(getpid(), 65), EINVAL);
    FAILS(kill(getpid(), -1), EINVAL);
    FAILS(kill(99999, 0), ESRCH);
    FAILS(syscall(SYS_tgkill, getpid(), 99999, 0), ESRCH);
    FAILS(syscall(SYS_tgkill, 99999, getpid(), 0), ESRCH);
    FAILS(syscall(SYS_tgkill, 0, getpid(), 0), EINVAL);
    FAILS(syscall(SYS_tkill, -1, 0), EINVAL);
    info.si_code = SI_USER;
    FAILS(syscall(SYS_rt_sigqueueinfo, getppid(), SIGUSR1, &info), EPERM);
    FAILS(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, 16), EFAULT);
    sigprocmask(SIG_UNBLOCK, &block, NULL);
}

static void unblockable(void)
{
    sigset_t all, now;
    struct sigaction action = {.sa_handler = SIG_IGN};
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigprocmask(SIG_SETMASK, NULL, &now);
    CHECK(sigismember(&now, SIGKILL) == 0 && sigismember(&now, SIGSTOP) == 0);
    CHECK(sigismember(&now, SIGTERM) == 1);
    sigemptyset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    FAILS(sigaction(SIGKILL, &action, NULL), EINVAL);
    CHECK(sigaction(SIGKILL, NULL, &action) == 0);
    FAILS(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8), EINVAL);
    FAILS(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4), EINVAL);
    FAILS(syscall(SYS_rt_sigprocmask, 7, &all, NULL, 8), EINVAL);
    FAILS(syscall(SYS_rt_sigprocmask, SIG_BLOCK, 16, NULL, 8), EFAULT);
    CHECK(syscall(SYS_rt_sigprocmask, 7, NULL, &all, 8) == 0); /* how counts only with a set */
}

static void permissions(void)
{
    pid_t target = fork();
    if (target == 0)
        for (;;)
            pause();
    pid_t child = fork();
    if (child == 0) {
        CHECK(setuid(12345) == 0);
        FAILS(kill(target, SIGTERM), EPERM);
        FAILS(kill(target, 0), EPERM);
        CHECK(kill(target, SIGCONT) == 0); /* the same session */
        FAILS(kill(99999, 0), ESRCH);
        _exit(failures);
    }
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    kill(target, SIGKILL), waitpid(target, NULL, 0);
}

int main(void)
{
    queues();
    limits();
    targets();
    unblockable();
    if (getuid() == 0)
        permissions();
    return finish();
}
