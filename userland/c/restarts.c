/* What becomes of a sleeping call when a signal comes: restarted or EINTR.  See signal(7),
 * "Interruption of system calls and library functions by signal handlers". */
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include "check.h"

static volatile sig_atomic_t seen;
static int ends[2];

static void counting(int signo) { (void)signo; seen++; }
static void feeding(int signo) { (void)signo; seen++; if (write(ends[1], "!", 1) != 1) _exit(50); }

static void install(int signo, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    sigaction(signo, &action, NULL);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static void alarm_in(int ms, int again_ms)
{
    struct itimerval timer = {{0, again_ms * 1000}, {0, ms * 1000}};
    seen = 0;
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* A child that stops us after 20 ms and lets us go on 880 later: no handler runs.  A sleep of a
 * second then ends in time, or, begun anew, 0.9 s late: far enough apart for a busy host. */
static pid_t pausing(void)
{
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        usleep(20000), kill(parent, SIGSTOP);
        usleep(880000), kill(parent, SIGCONT);
        _exit(0);
    }
    return child;
}

static void reads(void)
{
    char byte = 0;
    CHECK(pipe(ends) == 0);
    install(SIGALRM, counting, 0), alarm_in(20, 20);
    FAILS(read(ends[0], &byte, 1), EINTR);
    CHECK(seen >= 1);
    alarm_in(0, 0), install(SIGALRM, feeding, SA_RESTART), alarm_in(20, 300);
    CHECK(read(ends[0], &byte, 1) == 1 && byte == '!' && seen >= 1);
    install(SIGALRM, SIG_IGN, 0), alarm_in(10, 10);
    pid_t child = fork();
    if (child == 0)
        usleep(50000), feeding(0), _exit(0);
    CHECK(read(ends[0], &byte, 1) == 1);
    CHECK(waitpid(child, NULL, 0) == child);
    alarm_in(0, 0);
    close(ends[0]), close(ends[1]);
}

static void waits(void)
{
    int status = 0;
    char byte;
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0)
        read(ends[0], &byte, 1), _exit(4);
    install(SIGALRM, counting, 0), alarm_in(20, 20);
    FAILS(waitpid(child, &status, 0), EINTR);
    alarm_in(0, 0), install(SIGALRM, feeding, SA_RESTART), alarm_in(10, 10);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 4 && seen >= 1);
    alarm_in(0, 0);
    close(ends[0]), close(ends[1]);
    install(SIGCHLD, counting, 0), seen = 0;
    child = fork();
    if (child == 0)
        usleep(10000), _exit(5);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5 && seen == 1);
    install(SIGCHLD, SIG_DFL, 0);
}

/* Does a call that takes a second take no longer for a stop?  A busy host may add to one, not to
 * each of three. */
static int in_time(void (*a_second)(void))
{
    for (int turn = 0; turn < 3; turn++) {
        double start = now(), took;
        pid_t child = pausing();
        a_second();
        took = now() - start;
        CHECK(took >= 1 && waitpid(child, NULL, 0) == child);
        if (took < 1.7)
            return 1;
    }
    return 0;
}

static const struct timespec second = {1, 0}, minute = {60, 0};

static void by_nanosleep(void) { CHECK(nanosleep(&second, NULL) == 0); }
#ifdef SYS_poll /* ppoll begins again with what was left when it was stopped */
static void by_poll(void) { CHECK(poll(NULL, 0, 1000) == 0); }
#endif

static void sleeps(void)
{
    struct timespec left = {99, 9};
    install(SIGALRM, counting, SA_RESTART), alarm_in(20, 300);
    FAILS(nanosleep(&minute, &left), EINTR); /* never restarted by a handler */
    CHECK(left.tv_sec < 59 || (left.tv_sec == 59 && left.tv_nsec <= 985000000));
    CHECK(left.tv_sec > 0);
    alarm_in(0, 0);
    CHECK(in_time(by_nanosleep)); /* a stop is no reason to sleep longer */
#ifdef SYS_poll
    CHECK(in_time(by_poll));
#endif
}

static void polls(void)
{
    struct timeval time = {60, 0};
    install(SIGALRM, counting, SA_RESTART), alarm_in(15, 300);
    FAILS(poll(NULL, 0, 60000), EINTR);
    alarm_in(15, 300);
    FAILS(select(0, NULL, NULL, NULL, &time), EINTR);
    alarm_in(15, 15);
    FAILS(pause(), EINTR);
    alarm_in(0, 0);
    pid_t child = pausing();
    alarm_in(200, 20);
    FAILS(pause(), EINTR); /* a stop does not end it, the alarm does */
    alarm_in(0, 0);
    CHECK(waitpid(child, NULL, 0) == child);
}

static void masks(void)
{
    sigset_t block, old, none;
    sigemptyset(&none), sigemptyset(&block), sigaddset(&block, SIGALRM);
    sigprocmask(SIG_BLOCK, &block, &old);
    install(SIGALRM, counting, SA_RESTART), alarm_in(15, 300);
    FAILS(sigsuspend(&none), EINTR);
    CHECK(seen >= 1);
    sigprocmask(SIG_BLOCK, NULL, &none);
    CHECK(sigismember(&none, SIGALRM) == 1);
    sigemptyset(&none), alarm_in(15, 300);
    FAILS(ppoll(NULL, 0, &minute, &none), EINTR);
    CHECK(seen >= 1);
    alarm_in(15, 300);
    FAILS(pselect(0, NULL, NULL, NULL, &minute, &none), EINTR);
    alarm_in(15, 300);
    siginfo_t info;
    CHECK(sigwaitinfo(&block, &info) == SIGALRM && info.si_code == SI_KERNEL && seen == 0);
    struct timespec short_one = {0, 10000000}, zero = {0, 0};
    alarm_in(0, 0), sigtimedwait(&block, NULL, &zero); /* whether one more has come or not */
    FAILS(sigtimedwait(&block, NULL, &short_one), EAGAIN);
    FAILS(sigtimedwait(&block, NULL, &zero), EAGAIN);
    sigset_t other;
    sigemptyset(&other), sigaddset(&other, SIGUSR2);
    sigprocmask(SIG_SETMASK, &old, NULL);
    alarm_in(15, 15);
    FAILS(syscall(SYS_rt_sigtimedwait, &other, &info, NULL, 8), EINTR); /* musl would repeat it */
    alarm_in(0, 0);
}

static int word = 1;

static long futex(int *word, int op, int value, const struct timespec *timeout)
{
    return syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

static void by_futex(void)
{
    FAILS(futex(&word, FUTEX_WAIT_PRIVATE, 1, &second), ETIMEDOUT);
}

static void futexes(void)
{
    FAILS(futex(&word, FUTEX_WAIT_PRIVATE, 2, NULL), EAGAIN);
    double start = now();
    by_futex();
    CHECK(now() - start >= 1);
    install(SIGALRM, counting, 0), alarm_in(15, 15);
    FAILS(futex(&word, FUTEX_WAIT_PRIVATE, 1, NULL), EINTR);
    install(SIGALRM, counting, SA_RESTART), alarm_in(15, 300);
    FAILS(futex(&word, FUTEX_WAIT_PRIVATE, 1, &minute), EINTR); /* a timeout: never restarted */
    alarm_in(0, 0);
    CHECK(in_time(by_futex));
    CHECK(futex(&word, FUTEX_WAKE, 1, NULL) == 0);
    FAILS(futex((int *)((char *)&word + 1), FUTEX_WAIT, 1, NULL), EINVAL);
    FAILS(futex(NULL, FUTEX_WAIT, 1, NULL), EFAULT);
}

int main(void)
{
    reads();
    waits();
    sleeps();
    polls();
    masks();
    futexes();
    return finish();
}
