/* Pipes: capacity, atomic writes, end of file, SIGPIPE, non-blocking ends, poll. */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char block[70000];
static volatile int broken;

static void note(int signo)
{
    broken = signo;
}

static void capacity(void)
{
    int p[2], waiting;
    CHECK(pipe2(p, O_NONBLOCK | O_CLOEXEC) == 0);
    CHECK(fcntl(p[0], F_GETFD) == FD_CLOEXEC && (fcntl(p[0], F_GETFL) & O_NONBLOCK));
    FAILS(read(p[0], block, 1), EAGAIN);
    CHECK(write(p[1], block, sizeof block) == 65536);
    FAILS(write(p[1], "x", 1), EAGAIN);
    CHECK(ioctl(p[0], FIONREAD, &waiting) == 0 && waiting == 65536);
    CHECK(read(p[0], block, 4096) == 4096);
    CHECK(write(p[1], block, 4096) == 4096);
    CHECK(fcntl(p[0], F_GETPIPE_SZ) == 65536);
    FAILS(lseek(p[0], 0, SEEK_CUR), ESPIPE);
    FAILS(pread(p[0], block, 1, 0), ESPIPE);
    close(p[0]), close(p[1]);
    FAILS(pipe2(p, 0x40000000), EINVAL);
}

static void atomic_writes(void)
{
    int p[2];
    CHECK(pipe2(p, O_NONBLOCK) == 0);
    CHECK(write(p[1], block, 63000) == 63000);
    FAILS(write(p[1], block, 4096), EAGAIN); /* at most PIPE_BUF: all or nothing */
    close(p[0]), close(p[1]);
}

static void ends(void)
{
    int p[2];
    CHECK(pipe(p) == 0 && write(p[1], "left", 4) == 4 && close(p[1]) == 0);
    CHECK(read(p[0], block, 100) == 4 && read(p[0], block, 100) == 0);
    close(p[0]);
    signal(SIGPIPE, note);
    CHECK(pipe(p) == 0 && close(p[0]) == 0);
    FAILS(write(p[1], "x", 1), EPIPE);
    CHECK(broken == SIGPIPE);
    close(p[1]);
}

static void polling(void)
{
    int p[2];
    CHECK(pipe(p) == 0);
    struct pollfd both[2] = {{p[0], POLLIN, 0}, {p[1], POLLOUT, 0}};
    CHECK(poll(both, 1, 0) == 0);
    CHECK(poll(both, 2, -1) == 1 && both[1].revents == POLLOUT && both[0].revents == 0);
    CHECK(write(p[1], "x", 1) == 1);
    CHECK(poll(both, 1, 1000) == 1 && both[0].revents == POLLIN);
    fd_set reading;
    FD_ZERO(&reading);
    FD_SET(p[0], &reading);
    struct timeval none = {0, 0};
    CHECK(select(p[0] + 1, &reading, NULL, NULL, &none) == 1 && FD_ISSET(p[0], &reading));
    close(p[1]);
    CHECK(poll(both, 1, 0) == 1 && both[0].revents == (POLLIN | POLLHUP));
    close(p[0]);
    both[0].fd = -1, both[1].fd = 999;
    CHECK(poll(both, 2, 0) == 1 && both[0].revents == 0 && both[1].revents == POLLNVAL);
}

static void streaming(void)
{
    int p[2], status = 0;
    CHECK(pipe(p) == 0);
    pid_t child = fork();
    if (child == 0) {
        close(p[0]);
        for (int i = 0; i < 10; i++) {
            memset(block, 'a' + i, sizeof block);
            if (write(p[1], block, sizeof block) != sizeof block)
                _exit(1);
        }
        _exit(0);
    }
    close(p[1]);
    long total = 0, got, wrong = 0;
    while ((got = read(p[0], block, 10000)) > 0)
        for (long i = 0; i < got; i++, total++)
            wrong += block[i] != 'a' + total / (long)sizeof block;
    CHECK(got == 0 && total == 700000 && wrong == 0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    close(p[0]);
}

static void named(void)
{
    struct stat st;
    int status = 0;
    CHECK(mkfifo("fifo", 0600) == 0 && stat("fifo", &st) == 0 && S_ISFIFO(st.st_mode));
    FAILS(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
    pid_t child = fork();
    if (child == 0) {
        int out = open("fifo", O_WRONLY); /* waits for the reader */
        _exit(write(out, "through", 7) != 7);
    }
    int in = open("fifo", O_RDONLY);
    CHECK(in >= 0 && read(in, block, 100) == 7 && !memcmp(block, "through", 7));
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(read(in, block, 100) == 0);
    close(in);
    CHECK(unlink("fifo") == 0);
}

int main(void)
{
    capacity();
    atomic_writes();
    ends();
    polling();
    streaming();
    named();
    return finish();
}
