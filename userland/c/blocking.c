/* Every call on files and processes that can wait: EINTR by a plain handler, restarted by one with
 * SA_RESTART, and not disturbed by a stop.  See signal(7). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include "check.h"

static int ends[2], lockfile;
static pid_t helper;
static char full[65536];

static void noting(int signo) { (void)signo; }

static void every(int ms)
{
    struct itimerval timer = {{0, ms * 1000}, {0, ms * 1000}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* --- what is waited for: prepared before, made to happen by the helper -------------------------- */

static void empty_pipe(void) { CHECK(pipe(ends) == 0); }
static void feed(void) { CHECK(write(ends[1], "x", 1) == 1); }
static void full_pipe(void)
{
    CHECK(pipe(ends) == 0 && fcntl(ends[1], F_SETPIPE_SZ, 4096) == 4096);
    CHECK(write(ends[1], full, 4096) == 4096);
}
static void drain(void) { CHECK(read(ends[0], full, 4096) == 4096); }
static void no_lock(void) { lockfile = open("lock", O_RDWR | O_CREAT, 0600); }
static void nothing(void) {}
static void fifo(void) { CHECK(mkfifo("fifo", 0600) == 0); }
static void open_other_end(void) { close(open("fifo", O_WRONLY)); }

static long do_read(void) { char byte; return read(ends[0], &byte, 1); }
static long do_readv(void)
{
    char byte;
    struct iovec part = {&byte, 1};
    return readv(ends[0], &part, 1);
}
static long do_write(void) { return write(ends[1], full, 4000); }
static long do_writev(void)
{
    struct iovec parts[] = {{full, 100}, {full, 3900}};
    return writev(ends[1], parts, 2);
}
static long do_flock(void) { return flock(lockfile, LOCK_EX); }
static long with_fcntl(int command)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    return fcntl(lockfile, command, &lock);
}
static long do_setlkw(void) { return with_fcntl(F_SETLKW); }
static long do_ofd_setlkw(void) { return with_fcntl(F_OFD_SETLKW); }
static long do_wait(void) { return waitpid(helper, NULL, 0); }
static long do_waitid(void) { siginfo_t info; return waitid(P_PID, helper, &info, WEXITED); }
static long do_open(void)
{
    int fd = open("fifo", O_RDONLY);
    return fd < 0 ? fd : close(fd);
}
static long do_sendfile(void)
{
    lseek(lockfile, 0, SEEK_SET);
    return sendfile(ends[1], lockfile, NULL, 100);
}

static void full_pipe_and_file(void)
{
    full_pipe();
    no_lock();
    CHECK(pwrite(lockfile, full, 100, 0) == 100);
}

/* The helper holds the locks from before the call on, and ends after `ms`. */
static void hold_locks(void)
{
    int own = open("lock", O_RDWR);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    CHECK(flock(own, LOCK_EX) == 0 && fcntl(own, F_SETLK, &lock) == 0);
}

struct kind {
    const char *name;
    void (*before)(void), (*held)(void), (*event)(void);
    long (*call)(void);
    int reaps;
};

static const struct kind kinds[] = {
    {"read", empty_pipe, nothing, feed, do_read, 0},
    {"readv", empty_pipe, nothing, feed, do_readv, 0},
    {"write", full_pipe, nothing, drain, do_write, 0},
    {"writev", full_pipe, nothing, drain, do_writev, 0},
    {"sendfile", full_pipe_and_file, nothing, drain, do_sendfile, 0},
    {"flock", no_lock, hold_locks, nothing, do_flock, 0},
    {"F_SETLKW", no_lock, hold_locks, nothing, do_setlkw, 0},
    {"F_OFD_SETLKW", no_lock, hold_locks, nothing, do_ofd_setlkw, 0},
    {"open", fifo, nothing, open_other_end, do_open, 0},
    {"waitpid", nothing, nothing, nothing, do_wait, 1},
    {"waitid", nothing, nothing, nothing, do_waitid, 1},
};

/* Start the helper and wait until it holds what it is to hold. */
static void begin(const struct kind *kind, int ms, int stops)
{
    int ready[2];
    char byte;
    pid_t me = getpid();
    kind->before();
    CHECK(pipe(ready) == 0);
    helper = fork();
    if (helper == 0) {
        signal(SIGALRM, SIG_IGN);
        kind->held();
        CHECK(write(ready[1], "r", 1) == 1);
        if (stops) {
            usleep(20000), kill(me, SIGSTOP);
            usleep(20000), kill(me, SIGCONT);
        }
        usleep(ms * 1000);
        kind->event();
        _exit(failures);
    }
    CHECK(read(ready[0], &byte, 1) == 1);
    close(ready[0]), close(ready[1]);
}

static void end(const struct kind *kind, int reaped)
{
    int status = 0;
    every(0);
    if (!reaped)
        kill(helper, SIGKILL);
    if (!reaped || !kind->reaps)
        CHECK(waitpid(helper, &status, 0) == helper);
    if (ends[0])
        close(ends[0]), close(ends[1]), ends[0] = 0;
    if (lockfile)
        close(lockfile), unlink("lock"), lockfile = 0;
    unlink("fifo");
}

static void try(const struct kind *kind, int flags, int stops)
{
    struct sigaction action = {.sa_handler = noting, .sa_flags = flags};
    int restarts = stops || flags & SA_RESTART;
    sigaction(SIGALRM, &action, NULL);
    begin(kind, restarts ? 40 : 10000, stops);
    if (!stops)
        every(10);
    errno = 0;
    long result = kind->call();
    int error = errno;
    if (restarts ? result < 0 : result != -1 || error != EINTR) {
        printf("%s%s: result %ld, %s\n", kind->name, stops ? " stopped" : flags ? " restarting" : "",
               result, strerror(error));
        failures++;
    }
    end(kind, restarts);
}

int main(void)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        try(&kinds[i], 0, 0);
        try(&kinds[i], SA_RESTART, 0);
        try(&kinds[i], 0, 1);
    }
    return finish();
}
