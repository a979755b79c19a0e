/* What errors.c and waits.c begin with, for `trace --explain`.

   Each row begins with its name on descriptor 9, a pipe nobody reads from; then comes the call that
   fails or waits.  What it does to the guest is checked elsewhere: here a call must only fail as the
   row says, so that what the tracer says about it can be looked at. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define ROW 9

static const char *row_name;

static void row(const char *name)
{
    row_name = name;
    if (write(ROW, name, strlen(name)) < 0)
        _exit(99);
}

/* The call just made failed with this errno. */
static void failed(long result, int wanted)
{
    if (result != -1 || errno != wanted) {
        dprintf(2, "%s: %ld, errno %d, not %d\n", row_name, result, errno, wanted);
        _exit(98);
    }
}

static long call(long number, long a, long b, long c, long d, long e, long f)
{
    return syscall(number, a, b, c, d, e, f);
}

#define CALL(name, ...) CALL_(name, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(name, a, b, c, d, e, f, ...) \
    call(SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static int make(const char *path, int mode)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, mode);
    if (fd < 0)
        _exit(97);
    return fd;
}

/* The descriptor of the rows' names, and what the rows find in /w. */
static void begin(void)
{
    int ends[2];

    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    pipe(ends);
    dup2(ends[1], ROW);
    close(ends[1]);
    dup2(ends[0], 8);
    close(ends[0]);
    fcntl(ROW, F_SETPIPE_SZ, 1 << 20);
    umask(022);
    mkdir("/w", 0755);
    mkdir("/w/dir", 0755);
    mkdir("/w/full", 0755);
    mkdir("/w/full/entry", 0755);
    mkdir("/w/secret", 0700);
    mkdir("/w/sticky", 0777);
    chmod("/w/sticky", 01777);
    close(make("/w/sticky/file", 0644));
    close(make("/w/private", 0600));
    int fd = make("/w/file", 0644);
    write(fd, "contents\n", 9);
    close(fd);
    mkdir("/w/mnt", 0755);
    mount("none", "/w/mnt", "tmpfs", 0, "size=64k");
    mkdir("/w/ro", 0755);
    mount("none", "/w/ro", "tmpfs", MS_RDONLY, 0);
}
