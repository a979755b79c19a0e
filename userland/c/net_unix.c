/* AF_UNIX: pairs, names, streams, datagrams, messages, files and credentials on their way. */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static char block[300000];
static volatile int broken;

static void note(int signo)
{
    broken = signo;
}

static socklen_t named(struct sockaddr_un *a, const char *name, size_t length)
{
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    memcpy(a->sun_path, name, length);
    return offsetof(struct sockaddr_un, sun_path) + length;
}

static int ready(int fd, int events)
{
    struct pollfd p = {fd, events, 0};
    return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

static void streams(void)
{
    int s[2], n;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s) == 0);
    CHECK(fcntl(s[0], F_GETFD) == FD_CLOEXEC && fcntl(s[1], F_GETFL) == (O_RDWR | O_NONBLOCK));
    FAILS(read(s[0], block, 1), EAGAIN);
    CHECK(ready(s[0], POLLIN | POLLOUT) == POLLOUT);
    CHECK(write(s[0], "hello", 5) == 5 && write(s[0], "world", 5) == 5);
    CHECK(ready(s[1], POLLIN) == POLLIN);
    CHECK(ioctl(s[1], FIONREAD, &n) == 0 && n == 10);
    CHECK(recv(s[1], block, 3, MSG_PEEK) == 3 && memcmp(block, "hel", 3) == 0);
    CHECK(recv(s[1], block, 100, 0) == 10 && memcmp(block, "helloworld", 10) == 0);
    FAILS(lseek(s[0], 0, SEEK_CUR), ESPIPE);
    FAILS(pread(s[0], block, 1, 0), ESPIPE);
    long put = 0, got;
    while ((got = write(s[0], block, 10000)) > 0)
        put += got;
    CHECK(got == -1 && put > 100000 && put < 1000000);
    CHECK(ready(s[0], POLLOUT) == 0);
    while (put > 0 && (got = read(s[1], block, sizeof block)) > 0)
        put -= got;
    CHECK(put == 0 && ready(s[0], POLLOUT) == POLLOUT);
    struct stat st;
    CHECK(fstat(s[0], &st) == 0 && S_ISSOCK(st.st_mode));
    close(s[0]);
    CHECK(ready(s[1], POLLIN | POLLRDHUP) == (POLLIN | POLLHUP | POLLRDHUP));
    CHECK(read(s[1], block, 10) == 0);
    broken = 0;
    FAILS(write(s[1], "x", 1), EPIPE);
    CHECK(broken == SIGPIPE);
    broken = 0;
    FAILS(send(s[1], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK(broken == 0);
    close(s[1]);
}

static void half_closed(void)
{
    int s[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CHECK(write(s[0], "bye", 3) == 3 && shutdown(s[0], SHUT_WR) == 0);
    FAILS(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK(recv(s[1], block, 10, MSG_WAITALL) == 3 && read(s[1], block, 10) == 0);
    CHECK(write(s[1], "back", 4) == 4 && read(s[0], block, 10) == 4);
    CHECK(ready(s[1], POLLIN | POLLRDHUP | POLLOUT) == (POLLIN | POLLRDHUP | POLLOUT));
    CHECK(shutdown(s[1], SHUT_WR) == 0);
    CHECK(ready(s[1], POLLIN | POLLRDHUP) == (POLLIN | POLLHUP | POLLRDHUP));
    FAILS(shutdown(s[1], 3), EINVAL);
    close(s[0]), close(s[1]);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CHECK(write(s[0], "unread", 6) == 6 && close(s[1]) == 0);
    FAILS(read(s[0], block, 10), ECONNRESET);
    CHECK(read(s[0], block, 10) == 0);
    close(s[0]);
}

static void names(void)
{
    struct sockaddr_un a, b;
    socklen_t length = named(&a, "\0name of mine", 13), got = sizeof b;
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    FAILS(listen(listener, 1), EINVAL);
    FAILS(connect(c, (void *)&a, length), ECONNREFUSED);
    CHECK(bind(listener, (void *)&a, length) == 0);
    FAILS(bind(listener, (void *)&a, length), EINVAL);
    FAILS(bind(c, (void *)&a, length), EADDRINUSE);
    FAILS(connect(c, (void *)&a, length), ECONNREFUSED);
    FAILS(accept(listener, 0, 0), EINVAL);
    CHECK(listen(listener, 1) == 0);
    CHECK(fcntl(listener, F_SETFL, O_NONBLOCK) == 0);
    FAILS(accept(listener, 0, 0), EAGAIN);
    CHECK(connect(c, (void *)&a, length) == 0);
    FAILS(connect(c, (void *)&a, length), EISCONN);
    CHECK(ready(listener, POLLIN) == POLLIN);
    int d = accept4(listener, (void *)&b, &got, SOCK_CLOEXEC);
    CHECK(d >= 0 && got == 2 && b.sun_family == AF_UNIX);
    got = sizeof b;
    CHECK(getsockname(d, (void *)&b, &got) == 0 && got == length && !memcmp(&a, &b, length));
    got = 5;
    CHECK(getpeername(c, (void *)&b, &got) == 0 && got == length);
    struct ucred who;
    got = sizeof who;
    CHECK(getsockopt(d, SOL_SOCKET, SO_PEERCRED, &who, &got) == 0 && got == sizeof who);
    CHECK(who.pid == getpid() && who.uid == getuid() && who.gid == getgid());
    int e = socket(AF_UNIX, SOCK_DGRAM, 0);
    FAILS(connect(e, (void *)&a, length), ECONNREFUSED); /* abstract names are per type */
    CHECK(bind(e, (void *)&a, length) == 0);
    FAILS(listen(e, 1), EOPNOTSUPP);
    FAILS(accept(e, 0, 0), EOPNOTSUPP);
    /* the accept queue holds backlog + 1 */
    int f[3];
    for (int i = 0; i < 3; i++)
        f[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(connect(f[0], (void *)&a, length) == 0 && connect(f[1], (void *)&a, length) == 0);
    FAILS(connect(f[2], (void *)&a, length), EAGAIN);
    close(listener);
    FAILS(read(f[0], block, 1), ECONNRESET);
    CHECK(read(f[0], block, 1) == 0);
    for (int i = 0; i < 3; i++)
        close(f[i]);
    close(c), close(d), close(e);
    /* bind without a name: an abstract one of five digits */
    e = socket(AF_UNIX, SOCK_DGRAM, 0);
    b.sun_family = AF_UNIX;
    CHECK(bind(e, (void *)&b, 2) == 0);
    got = sizeof b;
    CHECK(getsockname(e, (void *)&b, &got) == 0 && got == 8 && b.sun_path[0] == 0);
    close(e);
}

static void paths(void)
{
    struct sockaddr_un a;
    char directory[] = "/tmp/netunixXXXXXX", path[64];
    CHECK(mkdtemp(directory) != NULL);
    snprintf(path, sizeof path, "%s/s", directory);
    named(&a, path, strlen(path));
    int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    FAILS(connect(c, (void *)&a, sizeof a), ENOENT);
    CHECK(bind(l, (void *)&a, sizeof a) == 0 && listen(l, 5) == 0);
    struct stat st;
    CHECK(stat(path, &st) == 0 && S_ISSOCK(st.st_mode));
    FAILS(open(path, O_RDWR), ENXIO);
    FAILS(bind(c, (void *)&a, sizeof a), EADDRINUSE);
    CHECK(connect(c, (void *)&a, sizeof a) == 0);
    close(c);
    c = socket(AF_UNIX, SOCK_DGRAM, 0);
    FAILS(connect(c, (void *)&a, sizeof a), EPROTOTYPE);
    FAILS(sendto(c, "x", 1, 0, (void *)&a, sizeof a), EPROTOTYPE);
    close(c);
    c = socket(AF_UNIX, SOCK_STREAM, 0);
    char moved[80];
    snprintf(moved, sizeof moved, "%s/t", directory);
    CHECK(rename(path, moved) == 0);
    named(&a, moved, strlen(moved));
    CHECK(connect(c, (void *)&a, sizeof a) == 0);
    close(c), close(l);
    c = socket(AF_UNIX, SOCK_STREAM, 0);
    FAILS(connect(c, (void *)&a, sizeof a), ECONNREFUSED);
    CHECK(unlink(moved) == 0);
    CHECK(close(open(moved, O_CREAT | O_RDWR, 0600)) == 0);
    FAILS(connect(c, (void *)&a, sizeof a), ECONNREFUSED);
    unlink(moved), rmdir(directory), close(c);
}

static void datagrams(void)
{
    struct sockaddr_un a, b, from;
    socklen_t la = named(&a, "\0dgram a", 8), lb = named(&b, "\0dgram b", 8), got = sizeof from;
    int x = socket(AF_UNIX, SOCK_DGRAM, 0), y = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    CHECK(bind(x, (void *)&a, la) == 0 && bind(y, (void *)&b, lb) == 0);
    FAILS(send(x, "x", 1, 0), ENOTCONN);
    CHECK(sendto(x, "one", 3, 0, (void *)&b, lb) == 3 && sendto(x, "", 0, 0, (void *)&b, lb) == 0);
    CHECK(recvfrom(y, block, 2, MSG_TRUNC, (void *)&from, &got) == 3 && got == la);
    CHECK(!memcmp(&from, &a, la));
    CHECK(recv(y, block, 10, 0) == 0);
    FAILS(recv(y, block, 10, 0), EAGAIN);
    CHECK(connect(y, (void *)&a, la) == 0 && send(y, "two", 3, 0) == 3);
    CHECK(read(x, block, 10) == 3);
    int z = socket(AF_UNIX, SOCK_DGRAM, 0);
    FAILS(sendto(z, "no", 2, 0, (void *)&b, lb), EPERM); /* y hears only x */
    FAILS(connect(z, (void *)&b, lb), EPERM);
    int sent = 0;
    while (send(y, "fill", 4, 0) == 4)
        sent++;
    CHECK(sent == 11);
    FAILS(send(y, "more", 4, 0), EAGAIN);
    CHECK(ready(y, POLLOUT) == 0);
    CHECK(read(x, block, 10) == 4 && ready(y, POLLOUT) == POLLOUT);
    FAILS(send(y, block, sizeof block, 0), EMSGSIZE);
    close(x);
    FAILS(send(y, "gone", 4, 0), ECONNREFUSED);
    close(y), close(z);
    int s[2];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s) == 0);
    CHECK(send(s[0], "abc", 3, 0) == 3 && send(s[0], "defg", 4, 0) == 4);
    CHECK(recv(s[1], block, 2, 0) == 2 && recv(s[1], block, 100, 0) == 4);
    close(s[0]);
    CHECK(recv(s[1], block, 100, 0) == 0);
    FAILS(send(s[1], "x", 1, MSG_NOSIGNAL), EPIPE);
    close(s[1]);
}

struct message {
    struct msghdr header;
    struct iovec io;
    _Alignas(8) char control[256];
};

static struct msghdr *message(struct message *m, void *data, size_t length)
{
    memset(m, 0, sizeof *m);
    m->io.iov_base = data, m->io.iov_len = length;
    m->header.msg_iov = &m->io, m->header.msg_iovlen = 1;
    m->header.msg_control = m->control, m->header.msg_controllen = sizeof m->control;
    return &m->header;
}

static struct msghdr *with_files(struct message *m, int *fds, int count)
{
    message(m, "f", 1);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m->header);
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(4 * count);
    memcpy(CMSG_DATA(c), fds, 4 * count);
    m->header.msg_controllen = CMSG_SPACE(4 * count);
    return &m->header;
}

static void files(void)
{
    int s[2], p[2], got[4];
    struct message m;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && pipe(p) == 0);
    CHECK(sendmsg(s[0], with_files(&m, p, 2), 0) == 1);
    close(p[0]);
    CHECK(write(s[0], "more", 4) == 4);
    CHECK(recvmsg(s[1], message(&m, block, 100), MSG_CMSG_CLOEXEC) == 1); /* ends with the files */
    struct cmsghdr *c = CMSG_FIRSTHDR(&m.header);
    CHECK(c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(8));
    CHECK(m.header.msg_controllen == CMSG_SPACE(8));
    memcpy(got, CMSG_DATA(c), 8);
    CHECK(fcntl(got[0], F_GETFD) == FD_CLOEXEC);
    CHECK(write(p[1], "through", 7) == 7 && read(got[0], block, 10) == 7);
    close(got[0]), close(got[1]);
    CHECK(recv(s[1], block, 100, 0) == 4);
    /* no room for the files: they are lost, and MSG_CTRUNC says so */
    int zero = dup(0);
    CHECK(sendmsg(s[0], with_files(&m, &zero, 1), 0) == 1);
    message(&m, block, 100)->msg_controllen = 0;
    CHECK(recvmsg(s[1], &m.header, 0) == 1 && m.header.msg_flags == MSG_CTRUNC);
    got[0] = zero, got[1] = -1;
    FAILS(sendmsg(s[0], with_files(&m, got, 2), 0), EBADF);
    with_files(&m, got, 1)->msg_controllen = 8;
    CHECK(sendmsg(s[0], &m.header, 0) == 1); /* less than a header: nothing */
    CHECK(read(s[1], block, 10) == 1);
    with_files(&m, got, 1);
    CMSG_FIRSTHDR(&m.header)->cmsg_len = 999;
    FAILS(sendmsg(s[0], &m.header, 0), EINVAL);
    /* a socket inside itself is found and closed */
    CHECK(sendmsg(s[0], with_files(&m, &s[1], 1), 0) == 1);
    close(zero), close(p[1]), close(s[0]), close(s[1]);
}

static void credentials(void)
{
    int s[2], on = 1;
    struct message m;
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
    CHECK(send(s[0], "before", 6, 0) == 6);
    CHECK(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0);
    CHECK(send(s[0], "after", 5, 0) == 5);
    CHECK(recvmsg(s[1], message(&m, block, 100), 0) == 6);
    struct ucred who;
    memcpy(&who, CMSG_DATA(CMSG_FIRSTHDR(&m.header)), sizeof who);
    CHECK(who.pid == 0 && who.uid == 65534 && who.gid == 65534);
    CHECK(recvmsg(s[1], message(&m, block, 100), 0) == 5);
    memcpy(&who, CMSG_DATA(CMSG_FIRSTHDR(&m.header)), sizeof who);
    CHECK(who.pid == getpid() && who.uid == getuid());
    message(&m, "c", 1)->msg_controllen = CMSG_SPACE(sizeof who);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m.header);
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_CREDENTIALS, c->cmsg_len = CMSG_LEN(sizeof who);
    memcpy(CMSG_DATA(c), &who, sizeof who);
    CHECK(sendmsg(s[0], &m.header, 0) == 1);
    CHECK(recv(s[1], block, 100, 0) == 1);
    close(s[0]), close(s[1]);
}

static void between_processes(void)
{
    int s[2], status, total = 0, got;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    pid_t child = fork();
    if (!child) {
        close(s[0]);
        for (int i = 0; i < 20; i++)
            if (write(s[1], block, 50000) != 50000)
                _exit(1);
        _exit(read(s[1], block, 1) != 0);
    }
    close(s[1]);
    while (total < 1000000 && (got = read(s[0], block, sizeof block)) > 0)
        total += got;
    CHECK(total == 1000000);
    close(s[0]);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void several(void)
{
    int s[2];
    struct mmsghdr many[3];
    struct iovec io[3] = {{"a", 1}, {"bb", 2}, {"ccc", 3}};
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
    memset(many, 0, sizeof many);
    for (int i = 0; i < 3; i++)
        many[i].msg_hdr.msg_iov = &io[i], many[i].msg_hdr.msg_iovlen = 1;
    CHECK(sendmmsg(s[0], many, 3, 0) == 3 && many[2].msg_len == 3);
    for (int i = 0; i < 3; i++)
        io[i].iov_base = block + 10 * i, io[i].iov_len = 10;
    CHECK(recvmmsg(s[1], many, 2, 0, NULL) == 2 && many[0].msg_len == 1 && many[1].msg_len == 2);
    CHECK(recvmmsg(s[1], many, 3, MSG_WAITFORONE, NULL) == 1 && many[0].msg_len == 3);
    FAILS(recvmmsg(s[1], many, 3, MSG_DONTWAIT, NULL), EAGAIN);
    close(s[0]), close(s[1]);
}

int main(void)
{
    signal(SIGPIPE, note);
    streams();
    half_closed();
    names();
    paths();
    datagrams();
    files();
    credentials();
    between_processes();
    several();
    return finish();
}
