/* Every way to wait for a child, and what SIGCHLD says.  See wait(2), waitid(2), wait4(2). */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "check.h"

#ifndef __WCLONE
#define __WCLONE 0x80000000
#endif
#ifndef __WALL
#define __WALL 0x40000000
#endif

static volatile sig_atomic_t told;
static siginfo_t last;

static void on_child(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)context;
    told++, last = *info;
}

static pid_t exiting(int status)
{
    pid_t child = fork();
    if (child == 0)
        _exit(status);
    return child;
}

static void infos(void)
{
    siginfo_t info;
    pid_t child = exiting(300);
    memset(&info, 0xff, sizeof info);
    CHECK(waitid(P_PID, child, &info, WEXITED | WNOWAIT) == 0);
    CHECK(info.si_pid == child && info.si_code == CLD_EXITED && info.si_status == 300 % 256);
    CHECK(info.si_signo == SIGCHLD && info.si_uid == getuid() && info.si_errno == 0);
    memset(&info, 0, sizeof info);
    CHECK(waitid(P_ALL, 0, &info, WEXITED) == 0 && info.si_pid == child);
    FAILS(waitid(P_PID, child, &info, WEXITED), ECHILD);
    child = fork();
    if (child == 0)
        for (;;)
            pause();
    info.si_pid = 77, info.si_signo = 5;
    CHECK(waitid(P_PID, child, &info, WEXITED | WNOHANG) == 0);
    CHECK(info.si_pid == 0 && info.si_signo == 0);
    kill(child, SIGSTOP);
    CHECK(waitid(P_PID, child, &info, WSTOPPED | WNOWAIT) == 0);
    CHECK(info.si_code == CLD_STOPPED && info.si_status == SIGSTOP);
    CHECK(waitid(P_PGID, getpgrp(), &info, WSTOPPED) == 0 && info.si_pid == child);
    kill(child, SIGCONT);
    CHECK(waitid(P_PID, child, &info, WCONTINUED) == 0);
    CHECK(info.si_code == CLD_CONTINUED && info.si_status == SIGCONT);
    CHECK(waitid(P_PID, child, &info, WCONTINUED | WNOHANG) == 0 && info.si_pid == 0);
    kill(child, SIGTERM);
    CHECK(waitid(P_PID, child, &info, WEXITED) == 0);
    CHECK(info.si_code == CLD_KILLED && info.si_status == SIGTERM);
    FAILS(waitid(P_PID, 0, &info, WEXITED), EINVAL);
    FAILS(waitid(P_ALL, 0, &info, 0), EINVAL);
    FAILS(waitid(P_ALL, 0, &info, WEXITED | 0x100), EINVAL);
    FAILS(waitid(9, 0, &info, WEXITED), EINVAL);
    FAILS(waitid(3, 0, &info, WEXITED), EBADF);
    FAILS(syscall(SYS_wait4, -1, NULL, 0x100, NULL), EINVAL);
    FAILS(syscall(SYS_wait4, 1 << 31, NULL, 0, NULL), ESRCH);
    FAILS(wait(NULL), ECHILD);
}

static void notices(void)
{
    struct sigaction action = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO};
    sigset_t block, old;
    int status = 0;
    sigemptyset(&block), sigaddset(&block, SIGCHLD);
    sigaction(SIGCHLD, &action, NULL);
    pid_t child = exiting(6);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(told == 1 && last.si_code == CLD_EXITED && last.si_status == 6 && last.si_pid == child);
    sigprocmask(SIG_BLOCK, &block, &old);
    child = fork();
    if (child == 0) {
        raise(SIGSTOP);
        _exit(0);
    }
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    sigprocmask(SIG_SETMASK, &old, NULL);
    CHECK(told == 2 && last.si_code == CLD_STOPPED && last.si_status == SIGSTOP);
    action.sa_flags |= SA_NOCLDSTOP;
    sigaction(SIGCHLD, &action, NULL);
    kill(child, SIGCONT);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(told == 3 && last.si_code == CLD_EXITED);
    action.sa_flags = SA_SIGINFO | SA_NOCLDWAIT;
    sigaction(SIGCHLD, &action, NULL);
    exiting(0);
    FAILS(wait(NULL), ECHILD);
    CHECK(told == 4);
    signal(SIGCHLD, SIG_IGN);
    exiting(0);
    FAILS(wait(NULL), ECHILD);
    signal(SIGCHLD, SIG_DFL);
}

static void clones(void)
{
    int status = 0;
    signal(SIGUSR1, SIG_IGN);
    pid_t child = syscall(SYS_clone, SIGUSR1, 0, 0, 0, 0);
    if (child == 0)
        _exit(8);
    FAILS(waitpid(child, &status, 0), ECHILD); /* another exit signal: not for plain wait */
    CHECK(waitpid(child, &status, __WCLONE) == child && WEXITSTATUS(status) == 8);
    child = syscall(SYS_clone, 0, 0, 0, 0, 0);
    if (child == 0)
        _exit(9);
    CHECK(waitpid(child, &status, __WALL) == child && WEXITSTATUS(status) == 9);
    child = exiting(1);
    FAILS(waitpid(child, &status, __WCLONE), ECHILD);
    CHECK(waitpid(child, &status, __WALL) == child);
}

static void usage(void)
{
    struct rusage mine, theirs, of_one;
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        for (volatile long i = 0; i < 20000000; i++)
            ;
        _exit(0);
    }
    CHECK(wait4(child, &status, 0, &of_one) == child);
    CHECK(of_one.ru_utime.tv_sec * 1000000 + of_one.ru_utime.tv_usec > 1000);
    CHECK(getrusage(RUSAGE_CHILDREN, &theirs) == 0 && getrusage(RUSAGE_SELF, &mine) == 0);
    CHECK(theirs.ru_utime.tv_sec >= of_one.ru_utime.tv_sec && mine.ru_minflt > 0);
    FAILS(getrusage(7, &mine), EINVAL);
    FAILS(getrusage(RUSAGE_SELF, NULL), EFAULT);
}

int main(void)
{
    infos();
    notices();
    clones();
    usage();
    return finish();
}
