/* signalfd and pidfd: see signalfd(2), pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2). */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

static int pidfd_open(pid_t pid, unsigned flags) { return syscall(SYS_pidfd_open, pid, flags); }

static int pidfd_send(int fd, int sig, void *info, unsigned flags)
{
    return syscall(SYS_pidfd_send_signal, fd, sig, info, flags);
}

static sigset_t set(int a, int b)
{
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, a);
    sigaddset(&s, b);
    return s;
}

static void signals(void)
{
    sigset_t two = set(SIGUSR1, SIGUSR2), rt = set(SIGRTMIN, SIGRTMIN + 1);
    struct signalfd_siginfo i[4];
    sigprocmask(SIG_BLOCK, &two, NULL);
    sigprocmask(SIG_BLOCK, &rt, NULL);
    int fd = signalfd(-1, &two, SFD_NONBLOCK | SFD_CLOEXEC);
    CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC && fcntl(fd, F_GETFL) & O_NONBLOCK);
    FAILS(read(fd, i, sizeof i), EAGAIN);
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
    CHECK(poll(&p, 1, 0) == 0);
    kill(getpid(), SIGUSR2);
    kill(getpid(), SIGUSR1);
    CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLIN);
    FAILS(read(fd, i, sizeof i[0] - 1), EINVAL);
    CHECK(read(fd, i, sizeof i + 5) == 2 * sizeof i[0]);
    CHECK(i[0].ssi_signo == SIGUSR1 && i[1].ssi_signo == SIGUSR2);
    CHECK(i[0].ssi_pid == (uint32_t)getpid() && i[0].ssi_uid == getuid() && i[0].ssi_code == SI_USER);
    CHECK(signalfd(fd, &rt, 0) == fd);
    union sigval v = {.sival_int = -5};
    CHECK(sigqueue(getpid(), SIGRTMIN, v) == 0);
    CHECK(read(fd, i, sizeof i) == sizeof i[0]);
    CHECK(i[0].ssi_signo == (uint32_t)SIGRTMIN && i[0].ssi_code == SI_QUEUE && i[0].ssi_int == -5);
    close(fd);

    fd = signalfd(-1, &two, 0);
    struct epoll_event e = {.events = EPOLLIN};
    sigset_t chld = set(SIGCHLD, SIGCHLD);
    sigprocmask(SIG_BLOCK, &chld, NULL);
    int ep = epoll_create1(0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0);
    pid_t me = getpid(), child = fork();
    if (!child) {
        usleep(10000);
        kill(me, SIGUSR1);
        usleep(10000);
        kill(me, SIGUSR2);
        _exit(3);
    }
    CHECK(epoll_wait(ep, &e, 1, -1) == 1);
    CHECK(read(fd, i, sizeof i[0]) == sizeof i[0] && i[0].ssi_signo == SIGUSR1);
    CHECK(read(fd, i, sizeof i[0]) == sizeof i[0] && i[0].ssi_signo == SIGUSR2);
    CHECK(i[0].ssi_pid == (uint32_t)child);
    CHECK(signalfd(fd, &chld, 0) == fd);
    CHECK(read(fd, i, sizeof i) == sizeof i[0] && i[0].ssi_signo == SIGCHLD);
    CHECK(i[0].ssi_code == CLD_EXITED && i[0].ssi_status == 3 && i[0].ssi_pid == (uint32_t)child);
    CHECK(waitpid(child, NULL, 0) == child);
    sigprocmask(SIG_UNBLOCK, &chld, NULL);
    FAILS(signalfd(-1, &two, 1), EINVAL);
    FAILS(signalfd(ep, &two, 0), EINVAL);
    FAILS(signalfd(99, &two, 0), EBADF);
    FAILS(syscall(SYS_signalfd4, -1, &two, 4, 0), EINVAL);
    FAILS(syscall(SYS_signalfd4, -1, 8, 8, 0), EFAULT);
    FAILS(write(fd, i, 8), EINVAL);
    close(ep), close(fd);
}

static void processes(void)
{
    int pipe_[2], got[2];
    CHECK(pipe(pipe_) == 0);
    pid_t child = fork();
    if (!child) {
        pause();
        _exit(1);
    }
    int fd = pidfd_open(child, 0);
    CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    CHECK(poll(&p, 1, 0) == 0);
    siginfo_t info = {0};
    CHECK(waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0);
    CHECK(pidfd_send(fd, 0, NULL, 0) == 0);
    FAILS(pidfd_send(fd, 99, NULL, 0), EINVAL);
    FAILS(pidfd_send(fd, 0, NULL, 77), EINVAL);
    info.si_signo = SIGUSR1;
    FAILS(pidfd_send(fd, SIGUSR2, &info, 0), EINVAL);
    info.si_code = SI_USER;
    FAILS(pidfd_send(fd, SIGUSR1, &info, 0), EPERM);
    FAILS(pidfd_send(0, 0, NULL, 0), EBADF);
    FAILS(pidfd_send(99, 0, NULL, 0), EBADF);
    CHECK((got[0] = syscall(SYS_pidfd_getfd, fd, pipe_[0], 0)) >= 0);
    CHECK(fcntl(got[0], F_GETFD) == FD_CLOEXEC);
    CHECK(write(pipe_[1], "x", 1) == 1);
    char c = 0;
    CHECK(read(got[0], &c, 1) == 1 && c == 'x');
    FAILS(syscall(SYS_pidfd_getfd, fd, 99, 0), EBADF);
    FAILS(syscall(SYS_pidfd_getfd, fd, 0, 1), EINVAL);
    FAILS(syscall(SYS_pidfd_getfd, 0, 0, 0), EBADF);
    char name[64]; /* an open /proc/PID does for this call too; a task of it does not */
    snprintf(name, sizeof name, "/proc/%d", child);
    int directory = open(name, O_RDONLY | O_DIRECTORY);
    CHECK(directory >= 0 && pidfd_send(directory, 0, NULL, 0) == 0);
    snprintf(name, sizeof name, "/proc/%d/task/%d", child, child);
    int task = open(name, O_RDONLY | O_DIRECTORY);
    CHECK(task >= 0);
    FAILS(pidfd_send(task, 0, NULL, 0), EBADF);
    CHECK(pidfd_send(fd, SIGTERM, NULL, 0) == 0);
    CHECK(poll(&p, 1, -1) == 1 && p.revents == POLLIN);
    CHECK(waitid(P_PIDFD, fd, &info, WEXITED | WNOWAIT) == 0);
    CHECK(info.si_pid == child && info.si_status == SIGTERM && info.si_code == CLD_KILLED);
    CHECK(waitid(P_PIDFD, fd, &info, WEXITED) == 0 && info.si_pid == child);
    FAILS(waitid(P_PIDFD, fd, &info, WEXITED), ECHILD);
    FAILS(pidfd_send(fd, 0, NULL, 0), ESRCH);
    FAILS(pidfd_send(directory, 0, NULL, 0), ESRCH);
    close(directory), close(task);
    CHECK(poll(&p, 1, 0) == 1 && p.revents & POLLIN);
    close(fd), close(got[0]), close(pipe_[0]), close(pipe_[1]);
    FAILS(pidfd_open(child, 0), ESRCH);
    FAILS(pidfd_open(0, 0), EINVAL);
    FAILS(pidfd_open(-1, 0), EINVAL);
    FAILS(pidfd_open(getpid(), 1), EINVAL);
    FAILS(waitid(P_PIDFD, 0, &info, WEXITED), EBADF);
    FAILS(waitid(P_PIDFD, 99, &info, WEXITED), EBADF);
    FAILS(waitid(P_PIDFD, -1, &info, WEXITED), EINVAL);
}

static void cloning(void)
{
    int fd = -1, status;
    siginfo_t info = {0};
    long child = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, &fd, 0, 0);
    if (!child)
        _exit(7);
    CHECK(child > 0 && fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    CHECK(waitid(P_PIDFD, fd, &info, WEXITED) == 0 && info.si_pid == child && info.si_status == 7);
    close(fd);
    uint64_t args[11] = {CLONE_PIDFD, (uint64_t)&fd, 0, 0, SIGCHLD};
    child = syscall(SYS_clone3, args, 88);
    if (!child) {
        usleep(10000);
        _exit(8);
    }
    CHECK(child > 0 && fd >= 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    CHECK(poll(&p, 1, -1) == 1);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 8);
    close(fd);
    int before = dup(0);
    close(before);
    args[1] = 8;
    FAILS(syscall(SYS_clone3, args, 88), EFAULT);
    int after = dup(0);
    close(after);
    CHECK(before == after);
    FAILS(syscall(SYS_clone, CLONE_PIDFD | 0x100000 | SIGCHLD, 0, &fd, 0, 0), EINVAL);
    fd = pidfd_open(getpid(), 04000);
    child = fork();
    if (!child) {
        pause();
        _exit(0);
    }
    close(fd);
    fd = pidfd_open(child, 04000);
    FAILS(waitid(P_PIDFD, fd, &info, WEXITED), EAGAIN);
    CHECK(waitid(P_PIDFD, fd, &info, WEXITED | WNOHANG) == 0);
    kill(child, SIGKILL);
    CHECK(waitpid(child, NULL, 0) == child);
    close(fd);
}

int main(void)
{
    signals();
    processes();
    cloning();
    return finish();
}
