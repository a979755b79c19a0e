/* Bad addresses in arguments: EFAULT, on either side of a mapping, and nothing half done. */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#define BAD ((void *)8)
#define KERNEL ((void *)0xffff800000000000UL)

/* A page with a hole behind it: `edge` is the first byte that is not there. */
static char *page, *edge;

static long call(long number, ...)
{
    __builtin_va_list list;
    __builtin_va_start(list, number);
    long a = __builtin_va_arg(list, long), b = __builtin_va_arg(list, long);
    long c = __builtin_va_arg(list, long), d = __builtin_va_arg(list, long);
    __builtin_va_end(list);
    return syscall(number, a, b, c, d);
}

/* A structure of `size` bytes may end at the edge and not one byte behind it. */
#define FITS(size, expression)                                                                 \
    do {                                                                                       \
        char *at = edge - (size);                                                              \
        CHECK((expression) >= 0);                                                              \
        at++;                                                                                  \
        FAILS(expression, EFAULT);                                                             \
        at = BAD;                                                                              \
        FAILS(expression, EFAULT);                                                             \
        at = KERNEL;                                                                           \
        FAILS(expression, EFAULT);                                                             \
    } while (0)

static void structures(void)
{
    FITS(sizeof(struct stat), call(SYS_fstat, 0, at, 0, 0));
    FITS(sizeof(struct timespec), call(SYS_clock_gettime, 1, at, 0, 0));
    FITS(sizeof(struct utsname), call(SYS_uname, at, 0, 0, 0));
    FITS(sizeof(struct rlimit), call(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, at));
    FITS(8, call(SYS_rt_sigprocmask, SIG_BLOCK, 0, at, 8));
    FITS(32, call(SYS_rt_sigaction, SIGUSR1, 0, at, 8));
    FITS(144 /* musl adds room */, call(SYS_getrusage, 0, at, 0, 0));
}

static void files(void)
{
    int p[2], fd = open("file", O_RDWR | O_CREAT, 0600);
    struct stat st;
    memset(page, 'x', 4096);
    CHECK(write(fd, edge - 100, 100) == 100);
    FAILS(write(fd, BAD, 1), EFAULT);
    FAILS(write(fd, KERNEL, 1), EFAULT);
    FAILS(write(fd, edge, 1), EFAULT);
    CHECK(fstat(fd, &st) == 0 && st.st_size == 100);
    FAILS(pread(fd, edge, 10, 0), EFAULT);
    CHECK(pread(fd, edge - 10, 10, 0) == 10);
    FAILS(call(SYS_pipe2, BAD, 0, 0, 0), EFAULT);
    CHECK(pipe(p) == 0);
    FAILS(write(p[1], BAD, 10), EFAULT);
    CHECK(write(p[1], "abc", 3) == 3);
    FAILS(read(p[0], BAD, 3), EFAULT);
    CHECK(read(p[0], edge - 3, 3) == 3 && !memcmp(edge - 3, "abc", 3)); /* nothing was lost */
    FAILS(call(SYS_readv, p[0], BAD, 1, 0), EFAULT);
    struct pollfd *poll_at = (struct pollfd *)(edge - sizeof(struct pollfd));
    poll_at->fd = p[1], poll_at->events = POLLOUT;
    CHECK(poll(poll_at, 1, 0) == 1);
    FAILS(poll(poll_at, 2, 0), EFAULT);
    close(p[0]), close(p[1]), close(fd);
    CHECK(unlink("file") == 0);
}

static void strings(void)
{
    FAILS(open(BAD, O_RDONLY), EFAULT);
    FAILS(open(KERNEL, O_RDONLY), EFAULT);
    edge[-1] = '/';
    FAILS(open(edge - 1, O_RDONLY), EFAULT); /* runs over the edge before its end */
    edge[-2] = '/', edge[-1] = 0;
    int fd = open(edge - 2, O_RDONLY);
    CHECK(fd >= 0 && close(fd) == 0);
    FAILS(mkdir(BAD, 0700), EFAULT);
    FAILS(unlink(BAD), EFAULT);
    FAILS(rename("x", BAD), EFAULT);
    FAILS(call(SYS_chdir, BAD, 0, 0, 0), EFAULT);
    FAILS(call(SYS_getcwd, BAD, 4096, 0, 0), EFAULT);
    char *argv[] = {"x", BAD, NULL};
    FAILS(call(SYS_execve, "/proc/self/exe", argv, 0, 0), EFAULT);
    FAILS(call(SYS_execve, "/proc/self/exe", BAD, 0, 0), EFAULT);
}

static void inputs(void)
{
    struct timespec *t = (struct timespec *)(edge - sizeof(struct timespec));
    t->tv_sec = 0, t->tv_nsec = 1;
    CHECK(call(SYS_nanosleep, t, 0, 0, 0) == 0);
    FAILS(call(SYS_nanosleep, (char *)t + 8, 0, 0, 0), EFAULT);
    FAILS(call(SYS_rt_sigaction, SIGUSR1, BAD, 0, 8), EFAULT);
    FAILS(call(SYS_rt_sigprocmask, SIG_BLOCK, BAD, 0, 8), EFAULT);
    CHECK(call(SYS_getrandom, edge - 16, 16, 0, 0) == 16);
    FAILS(call(SYS_getrandom, BAD, 16, 0, 0), EFAULT);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    FAILS(call(SYS_wait4, child, BAD, 0, 0), EFAULT);
}

int main(void)
{
    page = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    edge = page + 4096;
    CHECK(munmap(edge, 4096) == 0);
    structures();
    files();
    strings();
    inputs();
    return finish();
}
