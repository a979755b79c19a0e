/* TCP on the loopback: connections, errors as a program sees them, options, both families. */
#define _GNU_SOURCE
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

static char block[200000];
static volatile int signalled;

static void note(int signo)
{
    signalled = signo;
}

static int ready(int fd, int events)
{
    struct pollfd p = {fd, events, 0};
    return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

static struct sockaddr_in address(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static int reuse;

static int listener(struct sockaddr_in *a, int backlog)
{
    socklen_t length = sizeof *a;
    int l = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse) == 0);
    *a = address(0);
    CHECK(bind(l, (void *)a, sizeof *a) == 0 && listen(l, backlog) == 0);
    CHECK(getsockname(l, (void *)a, &length) == 0 && length == sizeof *a && a->sin_port != 0);
    return l;
}

static void pair(int s[2])
{
    struct sockaddr_in a;
    int l = listener(&a, 5);
    s[0] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(s[0], (void *)&a, sizeof a) == 0);
    s[1] = accept(l, NULL, NULL);
    CHECK(s[1] >= 0);
    close(l);
}

static int pending(int s)
{
    int error = -1;
    socklen_t length = sizeof error;
    CHECK(getsockopt(s, SOL_SOCKET, SO_ERROR, &error, &length) == 0);
    return error;
}

static void names(void)
{
    struct sockaddr_in a, b, c;
    socklen_t length = sizeof b;
    int l = listener(&a, 5), s = socket(AF_INET, SOCK_STREAM, 0);
    FAILS(getpeername(s, (void *)&b, &length), ENOTCONN);
    CHECK(connect(s, (void *)&a, sizeof a) == 0);
    int t = accept4(l, (void *)&b, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK(t >= 0 && length == sizeof b && fcntl(t, F_GETFL) == (O_RDWR | O_NONBLOCK));
    CHECK(getsockname(s, (void *)&c, &length) == 0 && c.sin_port == b.sin_port);
    CHECK(ntohs(c.sin_port) >= 32768 && ntohs(c.sin_port) <= 60999);
    CHECK(getpeername(s, (void *)&c, &length) == 0 && !memcmp(&c, &a, 8));
    CHECK(getpeername(t, (void *)&c, &length) == 0 && !memcmp(&c, &b, 8));
    FAILS(connect(s, (void *)&a, sizeof a), EISCONN);
    FAILS(listen(s, 1), EINVAL);
    FAILS(bind(s, (void *)&a, sizeof a), EINVAL);
    FAILS(accept(s, NULL, NULL), EINVAL);
    FAILS(read(l, block, 1), ENOTCONN);
    close(s), close(t), close(l);
}

static void data(void)
{
    int s[2], n;
    pair(s);
    CHECK(ready(s[0], POLLIN | POLLOUT) == POLLOUT);
    CHECK(write(s[0], "hello", 5) == 5 && send(s[0], "world", 5, 0) == 5);
    CHECK(ioctl(s[1], FIONREAD, &n) == 0 && n == 10);
    CHECK(recv(s[1], block, 4, MSG_PEEK) == 4 && recv(s[1], block, 7, MSG_WAITALL) == 7);
    CHECK(recv(s[1], block, 2, MSG_TRUNC) == 2); /* thrown away */
    CHECK(recv(s[1], block, 2, 0) == 1 && block[0] == 'd');
    FAILS(recv(s[1], block, 1, MSG_DONTWAIT), EAGAIN);
    fcntl(s[0], F_SETFL, O_NONBLOCK);
    long put = 0, got;
    while ((got = write(s[0], block, 65536)) > 0)
        put += got;
    CHECK(got == -1 && ready(s[0], POLLOUT) == 0 && put > 65536);
    FAILS(write(s[0], block, 1), EAGAIN);
    while (put > 0 && (got = recv(s[1], block, sizeof block, 0)) > 0)
        put -= got;
    CHECK(put == 0);
    close(s[0]), close(s[1]);
}

static void endings(void)
{
    int s[2];
    pair(s); /* half-close */
    CHECK(write(s[0], "x", 1) == 1 && shutdown(s[0], SHUT_WR) == 0);
    CHECK(read(s[1], block, 10) == 1 && read(s[1], block, 10) == 0);
    CHECK(ready(s[1], POLLIN | POLLOUT | POLLRDHUP) == (POLLIN | POLLOUT | POLLRDHUP));
    CHECK(write(s[1], "y", 1) == 1 && read(s[0], block, 10) == 1);
    signalled = 0;
    FAILS(write(s[0], "z", 1), EPIPE);
    CHECK(signalled == SIGPIPE);
    CHECK(shutdown(s[1], SHUT_WR) == 0);
    CHECK((ready(s[1], POLLIN) & POLLHUP) == POLLHUP && read(s[0], block, 1) == 0);
    FAILS(shutdown(s[1], SHUT_WR), ENOTCONN);
    close(s[0]), close(s[1]);

    pair(s); /* the other end closed: one send goes out, the next knows */
    close(s[0]);
    CHECK(send(s[1], "x", 1, MSG_NOSIGNAL) == 1);
    FAILS(send(s[1], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK(read(s[1], block, 1) == 0);
    close(s[1]);

    pair(s); /* closed with unread data: a reset */
    CHECK(write(s[0], "unread", 6) == 6);
    close(s[1]);
    CHECK(ready(s[0], POLLIN) == (POLLIN | POLLERR | POLLHUP));
    FAILS(read(s[0], block, 1), ECONNRESET);
    CHECK(read(s[0], block, 1) == 0);
    FAILS(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    close(s[0]);

    pair(s); /* SO_LINGER 0: a reset, but what had arrived is still there */
    struct linger now = {1, 0};
    CHECK(setsockopt(s[0], SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
    CHECK(write(s[0], "last", 4) == 4);
    close(s[0]);
    CHECK(read(s[1], block, 10) == 4);
    CHECK(pending(s[1]) == ECONNRESET && pending(s[1]) == 0);
    CHECK(read(s[1], block, 10) == 0);
    close(s[1]);
}

static void refusals(void)
{
    struct sockaddr_in a;
    int l = listener(&a, 1);
    close(l);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    FAILS(connect(s, (void *)&a, sizeof a), ECONNREFUSED);
    signalled = 0;
    FAILS(write(s, "x", 1), EPIPE);
    CHECK(signalled == SIGPIPE);
    FAILS(read(s, block, 1), ENOTCONN);
    CHECK(ready(s, POLLIN | POLLOUT) == (POLLOUT | POLLHUP));
    FAILS(shutdown(s, SHUT_RD), ENOTCONN);
    close(s);
    s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    FAILS(connect(s, (void *)&a, sizeof a), EINPROGRESS);
    CHECK(poll(&(struct pollfd){s, POLLOUT, 0}, 1, 1000) == 1);
    CHECK((ready(s, POLLOUT | POLLIN) & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP));
    CHECK(pending(s) == ECONNREFUSED && pending(s) == 0);
    close(s);
    l = listener(&a, 1);
    s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    FAILS(connect(s, (void *)&a, sizeof a), EINPROGRESS);
    CHECK(poll(&(struct pollfd){s, POLLOUT, 0}, 1, 1000) == 1 && pending(s) == 0);
    CHECK(connect(s, (void *)&a, sizeof a) == 0);
    FAILS(connect(s, (void *)&a, sizeof a), EISCONN);
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    CHECK(connect(s, &none, sizeof none) == 0); /* disconnected, and ready for another */
    FAILS(getpeername(s, (void *)&a, &(socklen_t){sizeof a}), ENOTCONN);
    close(s), close(l);
}

static void ports(void)
{
    struct sockaddr_in a, b;
    int one = 1, l = listener(&a, 1), s = socket(AF_INET, SOCK_STREAM, 0);
    FAILS(bind(s, (void *)&a, sizeof a), EADDRINUSE);
    CHECK(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    FAILS(bind(s, (void *)&a, sizeof a), EADDRINUSE); /* the other listens */
    b = a, b.sin_addr.s_addr = htonl(0x7f000002);
    CHECK(bind(s, (void *)&b, sizeof b) == 0);
    close(s), close(l);
    /* the server closes first: its port is in TIME_WAIT */
    reuse = 1;
    l = listener(&a, 1);
    s = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(s, (void *)&a, sizeof a) == 0);
    int t = accept(l, NULL, NULL);
    close(t), close(l);
    CHECK(read(s, block, 1) == 0);
    close(s);
    s = socket(AF_INET, SOCK_STREAM, 0);
    FAILS(bind(s, (void *)&a, sizeof a), EADDRINUSE);
    CHECK(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    CHECK(bind(s, (void *)&a, sizeof a) == 0);
    close(s);
    int r[2];
    a = address(0);
    socklen_t length = sizeof a;
    for (int i = 0; i < 2; i++) {
        r[i] = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(setsockopt(r[i], SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0);
        CHECK(bind(r[i], (void *)&a, sizeof a) == 0 && listen(r[i], 4) == 0);
        CHECK(getsockname(r[i], (void *)&a, &length) == 0);
    }
    close(r[0]), close(r[1]);
    s = socket(AF_INET, SOCK_STREAM, 0);
    b.sin_addr.s_addr = htonl(0x01020304), b.sin_port = 0;
    FAILS(bind(s, (void *)&b, sizeof b), EADDRNOTAVAIL);
    FAILS(bind(s, (void *)&b, 8), EINVAL);
    b.sin_family = AF_INET6;
    FAILS(bind(s, (void *)&b, sizeof b), EAFNOSUPPORT);
    FAILS(connect(s, (void *)&b, 1), EINVAL);
    close(s);
}

static void six(void)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6}, b;
    struct sockaddr_in four;
    socklen_t length = sizeof a;
    int on = 1, l = socket(AF_INET6, SOCK_STREAM, 0);
    CHECK(bind(l, (void *)&a, sizeof a) == 0 && listen(l, 4) == 0);
    CHECK(getsockname(l, (void *)&a, &length) == 0 && length == sizeof a);
    FAILS(setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on), EINVAL);
    four = address(ntohs(a.sin6_port));
    int s = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(s, (void *)&four, sizeof four) == 0); /* both families on one port */
    int t = accept(l, (void *)&b, &length);
    CHECK(t >= 0 && IN6_IS_ADDR_V4MAPPED(&b.sin6_addr) && b.sin6_addr.s6_addr[12] == 127);
    close(s), close(t);
    s = socket(AF_INET6, SOCK_STREAM, 0);
    CHECK(connect(s, (void *)&a, sizeof a) == 0);
    t = accept(l, (void *)&b, &length);
    CHECK(t >= 0 && IN6_IS_ADDR_LOOPBACK(&b.sin6_addr));
    CHECK(write(s, "six", 3) == 3 && read(t, block, 10) == 3);
    close(s), close(t);
    s = socket(AF_INET, SOCK_STREAM, 0);
    FAILS(bind(s, (void *)&four, sizeof four), EADDRINUSE);
    close(s), close(l);
    l = socket(AF_INET6, SOCK_STREAM, 0);
    CHECK(setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0);
    a.sin6_port = 0;
    CHECK(bind(l, (void *)&a, sizeof a) == 0 && listen(l, 4) == 0);
    CHECK(getsockname(l, (void *)&a, &length) == 0);
    four = address(ntohs(a.sin6_port));
    s = socket(AF_INET, SOCK_STREAM, 0);
    FAILS(connect(s, (void *)&four, sizeof four), ECONNREFUSED);
    close(s), close(l);
}

static void options(void)
{
    int s = socket(AF_INET, SOCK_STREAM, 0), value = 0;
    socklen_t length = sizeof value;
#define GET(level, name) (getsockopt(s, level, name, &value, &length) ? -12345 : value)
#define SET(level, name, v) (value = (v), setsockopt(s, level, name, &value, sizeof value))
    CHECK(GET(SOL_SOCKET, SO_TYPE) == SOCK_STREAM && GET(SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP);
    CHECK(GET(SOL_SOCKET, SO_DOMAIN) == AF_INET && GET(SOL_SOCKET, SO_ACCEPTCONN) == 0);
    CHECK(GET(IPPROTO_TCP, TCP_NODELAY) == 0);
    CHECK(SET(IPPROTO_TCP, TCP_NODELAY, 5) == 0 && GET(IPPROTO_TCP, TCP_NODELAY) == 1);
    CHECK(SET(SOL_SOCKET, SO_KEEPALIVE, 1) == 0 && GET(SOL_SOCKET, SO_KEEPALIVE) == 1);
    CHECK(GET(IPPROTO_TCP, TCP_KEEPIDLE) == 7200 && GET(IPPROTO_TCP, TCP_KEEPCNT) == 9);
    CHECK(SET(IPPROTO_TCP, TCP_KEEPINTVL, 3) == 0 && GET(IPPROTO_TCP, TCP_KEEPINTVL) == 3);
    FAILS(SET(IPPROTO_TCP, TCP_KEEPIDLE, 0), EINVAL);
    CHECK(SET(SOL_SOCKET, SO_RCVBUF, 10000) == 0 && GET(SOL_SOCKET, SO_RCVBUF) == 20000);
    CHECK(SET(SOL_SOCKET, SO_SNDBUF, 1) == 0 && GET(SOL_SOCKET, SO_SNDBUF) == 4608);
    FAILS(SET(SOL_SOCKET, SO_TYPE, 1), ENOPROTOOPT);
    FAILS(SET(SOL_SOCKET, 9999, 1), ENOPROTOOPT);
    FAILS(SET(IPPROTO_TCP, 9999, 1), ENOPROTOOPT);
    FAILS(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &value, 3), EINVAL);
    FAILS(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, (void *)8, 4), EFAULT);
    length = 2;
    CHECK(getsockopt(s, SOL_SOCKET, SO_TYPE, &value, &length) == 0 && length == 2);
    length = -1;
    FAILS(getsockopt(s, SOL_SOCKET, SO_TYPE, &value, &length), EINVAL);
    struct timeval t = {0, 50000}, before, after;
    CHECK(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) == 0);
    t.tv_usec = 1000000;
    FAILS(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t), EDOM);
    close(s);
    int p[2];
    pair(p);
    t.tv_usec = 50000;
    CHECK(setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) == 0);
    gettimeofday(&before, NULL);
    FAILS(read(p[0], block, 1), EAGAIN);
    gettimeofday(&after, NULL);
    timersub(&after, &before, &t);
    CHECK(t.tv_sec == 0 && t.tv_usec >= 40000);
    close(p[0]), close(p[1]);
}

static void out_of_band(void)
{
    int s[2], at;
    pair(s);
    CHECK(fcntl(s[1], F_SETOWN, getpid()) == 0);
    signalled = 0;
    CHECK(write(s[0], "ab", 2) == 2 && send(s[0], "cd!", 3, MSG_OOB) == 3);
    CHECK(write(s[0], "ef", 2) == 2);
    CHECK(poll(&(struct pollfd){s[1], POLLPRI, 0}, 1, 1000) == 1);
    CHECK(signalled == SIGURG && ready(s[1], POLLPRI | POLLIN) == (POLLPRI | POLLIN));
    CHECK(ioctl(s[1], SIOCATMARK, &at) == 0 && at == 0);
    CHECK(read(s[1], block, 100) == 4); /* up to the mark */
    CHECK(ioctl(s[1], SIOCATMARK, &at) == 0 && at == 1);
    CHECK(recv(s[1], block, 1, MSG_OOB) == 1 && block[0] == '!');
    FAILS(recv(s[1], block, 1, MSG_OOB), EINVAL);
    CHECK(read(s[1], block, 100) == 2 && block[0] == 'e');
    close(s[0]), close(s[1]);
}

static int answering;

static void answer(int signo)
{
    signalled = signo;
    if (write(answering, "r", 1) != 1)
        failures++;
}

static void interruption(void)
{
    int s[2];
    pair(s);
    struct sigaction act = {.sa_handler = note};
    sigaction(SIGALRM, &act, NULL);
    struct itimerval often = {{0, 30000}, {0, 30000}}, never = {{0}};
    setitimer(ITIMER_REAL, &often, NULL);
    FAILS(read(s[0], block, 1), EINTR);
    act.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &act, NULL);
    struct timeval t = {60, 0};
    CHECK(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) == 0);
    FAILS(read(s[0], block, 1), EINTR); /* with a timeout never restarted */
    setitimer(ITIMER_REAL, &never, NULL);
    t.tv_sec = 0;
    CHECK(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) == 0);
    answering = s[1];
    act.sa_handler = answer;
    sigaction(SIGALRM, &act, NULL);
    signalled = 0;
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value = {0, 30000}}, NULL);
    CHECK(read(s[0], block, 1) == 1 && signalled == SIGALRM); /* restarted */
    close(s[0]), close(s[1]);
}

static void serving(void)
{
    struct sockaddr_in a;
    int l = listener(&a, 16), status;
    pid_t child = fork();
    if (!child) {
        for (int i = 0; i < 20; i++) {
            int s = socket(AF_INET, SOCK_STREAM, 0), n;
            if (connect(s, (void *)&a, sizeof a) || write(s, &i, 4) != 4 || read(s, &n, 4) != 4)
                _exit(1);
            if (n != i + 1)
                _exit(2);
            close(s);
        }
        _exit(0);
    }
    for (int i = 0; i < 20; i++) {
        int t = accept(l, NULL, NULL), n;
        CHECK(read(t, &n, 4) == 4);
        n++;
        CHECK(write(t, &n, 4) == 4 && read(t, &n, 4) == 0);
        close(t);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    close(l);
    int s[2], f = open("/proc/self/exe", O_RDONLY);
    pair(s);
    CHECK(sendfile(s[0], f, NULL, 1000) == 1000 && recv(s[1], block, 1000, MSG_WAITALL) == 1000);
    CHECK(memcmp(block, "\177ELF", 4) == 0);
    close(s[0]), close(s[1]), close(f);
}

int main(void)
{
    struct sigaction act = {.sa_handler = note, .sa_flags = SA_RESTART};
    sigaction(SIGPIPE, &act, NULL);
    sigaction(SIGURG, &act, NULL);
    names();
    data();
    endings();
    refusals();
    ports();
    six();
    options();
    out_of_band();
    interruption();
    serving();
    return finish();
}
