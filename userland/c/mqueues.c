/* POSIX message queues.  See mq_overview(7). */
#define _GNU_SOURCE
#include "asleep.h"
#include "check.h"
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static char name[40];
static char text[8192];
static volatile int got, code, value, from;

static void handler(int sig, siginfo_t *info, void *context)
{
    (void)context;
    got = sig;
    code = info->si_code;
    value = info->si_value.sival_int;
    from = info->si_pid;
}

static int take(mqd_t q, const char *wanted, unsigned priority)
{
    unsigned p = 99;
    int n = mq_receive(q, text, sizeof text, &p);
    return n == (int)strlen(wanted) && !memcmp(text, wanted, n) && p == priority;
}

static struct timespec in(long ms)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += ms * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

static void basics(void)
{
    struct mq_attr a = {.mq_maxmsg = 3, .mq_msgsize = 100}, b;
    FAILS(mq_open(name, O_RDWR), ENOENT);
    mqd_t q = mq_open(name, O_CREAT | O_RDWR, 0600, &a);
    CHECK(q >= 0 && fcntl(q, F_GETFD) == FD_CLOEXEC);
    FAILS(mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, NULL), EEXIST);
    CHECK(mq_getattr(q, &b) == 0 && b.mq_maxmsg == 3 && b.mq_msgsize == 100);
    CHECK(b.mq_curmsgs == 0 && b.mq_flags == 0);
    CHECK(mq_send(q, "low", 3, 1) == 0 && mq_send(q, "high", 4, 9) == 0);
    CHECK(mq_send(q, "low too", 7, 1) == 0);
    CHECK(mq_getattr(q, &b) == 0 && b.mq_curmsgs == 3);
    struct timespec t = in(5), bad = {0, -1};
    FAILS(mq_timedsend(q, "x", 1, 0, &t), ETIMEDOUT);
    FAILS(mq_timedsend(q, "x", 1, 0, &bad), EINVAL);
    FAILS(mq_send(q, text, 101, 0), EMSGSIZE);
    FAILS(mq_send(q, "x", 1, 32768), EINVAL);
    FAILS(mq_receive(q, text, 99, NULL), EMSGSIZE);
    FAILS(mq_send(0, "x", 1, 0), EBADF);
    FAILS(mq_send(99, "x", 1, 0), EBADF);
    b.mq_flags = O_NONBLOCK;
    struct mq_attr old;
    CHECK(mq_setattr(q, &b, &old) == 0 && old.mq_flags == 0 && old.mq_curmsgs == 3);
    FAILS(mq_send(q, "x", 1, 0), EAGAIN);
    struct pollfd p = {.fd = q, .events = POLLIN | POLLOUT};
    CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLIN);
    CHECK(take(q, "high", 9) && take(q, "low", 1) && take(q, "low too", 1));
    CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLOUT);
    FAILS(mq_receive(q, text, sizeof text, NULL), EAGAIN);
    b.mq_flags = 0;
    CHECK(mq_setattr(q, &b, NULL) == 0);
    t = in(5);
    FAILS(mq_timedreceive(q, text, sizeof text, NULL, &t), ETIMEDOUT);
    mqd_t r = mq_open(name, O_RDONLY), w = mq_open(name, O_WRONLY | O_NONBLOCK);
    FAILS(mq_send(r, "x", 1, 0), EBADF);
    FAILS(mq_receive(w, text, sizeof text, NULL), EBADF);
    CHECK(mq_send(w, "", 0, 0) == 0 && take(r, "", 0));
    b.mq_flags = 1;
    FAILS(mq_setattr(q, &b, NULL), EINVAL);
    pid_t child = fork();
    if (!child) {
        CHECK(take(q, "first", 0));
        for (int i = 0; i < 4; i++)
            CHECK(mq_send(q, "full", 4, i) == 0);
        _exit(failures);
    }
    int status;
    until_asleep(child);
    CHECK(mq_send(q, "first", 5, 0) == 0);
    until_asleep(child);
    CHECK(mq_getattr(q, &b) == 0 && b.mq_curmsgs == 3);
    CHECK(take(q, "full", 2));
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(take(q, "full", 3) && take(q, "full", 1) && take(q, "full", 0));
    mq_close(r), mq_close(w);
    CHECK(mq_unlink(name) == 0);
    FAILS(mq_unlink(name), ENOENT);
    CHECK(mq_send(q, "still there", 11, 0) == 0 && take(q, "still there", 0));
    mq_close(q);
    FAILS(mq_open(name, O_RDWR), ENOENT);
}

static void limits(void)
{
    struct mq_attr a = {.mq_maxmsg = 0, .mq_msgsize = 10};
    FAILS(mq_open(name, O_CREAT | O_RDWR, 0600, &a), EINVAL);
    a = (struct mq_attr){.mq_maxmsg = 10, .mq_msgsize = 0};
    FAILS(mq_open(name, O_CREAT | O_RDWR, 0600, &a), EINVAL);
    FAILS(syscall(SYS_mq_open, "a/b", O_CREAT | O_RDWR, 0600, NULL), EACCES);
    FAILS(syscall(SYS_mq_open, "", O_CREAT | O_RDWR, 0600, NULL), ENOENT);
    FAILS(syscall(SYS_mq_open, 8, O_RDWR, 0600, NULL), EFAULT);
    FAILS(syscall(SYS_mq_unlink, ""), ENOENT);
    struct rlimit few = {1000, 1000000}, before;
    getrlimit(RLIMIT_MSGQUEUE, &before);
    few.rlim_max = before.rlim_max;
    CHECK(setrlimit(RLIMIT_MSGQUEUE, &few) == 0);
    FAILS(mq_open(name, O_CREAT | O_RDWR, 0600, NULL), EMFILE);
    setrlimit(RLIMIT_MSGQUEUE, &before);
    mqd_t q = mq_open(name, O_CREAT | O_RDWR, 0600, NULL);
    struct mq_attr b;
    CHECK(mq_getattr(q, &b) == 0 && b.mq_maxmsg == 10 && b.mq_msgsize == 8192);
    if (geteuid() == 0) {
        int status;
        pid_t child = fork();
        if (!child) {
            if (setgid(1000) || setuid(1000))
                _exit(2);
            FAILS(mq_open(name, O_RDONLY), EACCES);
            FAILS(mq_unlink(name), EACCES); /* sticky */
            a = (struct mq_attr){.mq_maxmsg = 11, .mq_msgsize = 10};
            FAILS(mq_open("/other", O_CREAT | O_RDWR, 0600, &a), EINVAL);
            _exit(failures);
        }
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WEXITSTATUS(status) <= 1); /* EPERM or EACCES: see mq_unlink(3) and unlink(2) */
    }
    mq_close(q);
    CHECK(mq_unlink(name) == 0);
}

static void notices(void)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    int status;
    e.sigev_value.sival_int = 17;
    sigaction(SIGUSR1, &action, NULL);
    mqd_t q = mq_open(name, O_CREAT | O_RDWR, 0600, NULL);
    CHECK(mq_notify(q, &e) == 0);
    FAILS(mq_notify(q, &e), EBUSY);
    pid_t child = fork();
    if (!child) {
        FAILS(mq_notify(q, &e), EBUSY);
        CHECK(mq_notify(q, NULL) == 0);
        mq_send(q, "x", 1, 0);
        _exit(failures);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(got == SIGUSR1 && code == SI_MESGQ && value == 17 && from == child);
    got = 0;
    CHECK(mq_send(q, "y", 1, 0) == 0 && !got); /* once only */
    CHECK(mq_notify(q, &e) == 0);
    CHECK(mq_send(q, "z", 1, 0) == 0 && !got); /* it was not empty */
    CHECK(take(q, "x", 0) && take(q, "y", 0) && take(q, "z", 0));
    CHECK(mq_send(q, "z", 1, 0) == 0 && got == SIGUSR1);
    e.sigev_notify = 77;
    FAILS(mq_notify(q, &e), EINVAL);
    e.sigev_notify = SIGEV_NONE;
    CHECK(mq_notify(q, &e) == 0 && mq_notify(q, NULL) == 0);
    FAILS(mq_notify(0, NULL), EBADF);
    lseek(q, 0, SEEK_SET);
    CHECK(read(q, text, sizeof text) > 0 && !strncmp(text, "QSIZE:1          NOTIFY:0 ", 26));
    mq_close(q);
    CHECK(mq_unlink(name) == 0);
}

int main(void)
{
    snprintf(name, sizeof name, "/diorama-%d", getpid());
    basics();
    limits();
    notices();
    return finish();
}
