/* Sockets and pipes watched by epoll: arrivals, room, hang-ups, at each edge.  See epoll(7). */
#define _GNU_SOURCE
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static struct epoll_event ev[8];

static int watch(int ep, int fd, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.fd = fd};
    return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

/* One event, of this descriptor, with at least these bits (and none of those). */
static int sees(int ep, int fd, uint32_t events, uint32_t none)
{
    int n = epoll_wait(ep, ev, 8, 1000);
    if (n == 1 && ev[0].data.fd == fd && (ev[0].events & events) == events && !(ev[0].events & none))
        return 1;
    printf("%d events, first of %d: %#x\n", n, ev[0].data.fd, ev[0].events);
    return 0;
}

static int quiet(int ep) { return epoll_wait(ep, ev, 8, 5) == 0; }

static void fill(int fd)
{
    static char much[4096];
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    while (write(fd, much, sizeof much) > 0)
        ;
    while (write(fd, much, 1) > 0)
        ;
    fcntl(fd, F_SETFL, flags);
}

static void drain(int fd)
{
    static char much[65536];
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    while (read(fd, much, sizeof much) > 0)
        ;
    fcntl(fd, F_SETFL, flags);
}

/* Two connected ends, whatever they are. */
static void pair(int a, int b)
{
    char c[4];
    int ep = epoll_create1(0);
    CHECK(watch(ep, a, EPOLLIN | EPOLLRDHUP | EPOLLET) == 0 && quiet(ep));
    CHECK(write(b, "x", 1) == 1 && sees(ep, a, EPOLLIN, EPOLLRDHUP | EPOLLHUP));
    CHECK(quiet(ep));
    CHECK(write(b, "y", 1) == 1 && sees(ep, a, EPOLLIN, EPOLLRDHUP));
    CHECK(read(a, c, 4) == 2 && quiet(ep));
    CHECK(write(b, "z", 1) == 1 && sees(ep, a, EPOLLIN, EPOLLRDHUP) && read(a, c, 4) == 1);
    /* room */
    int out = epoll_create1(0);
    CHECK(watch(out, b, EPOLLOUT | EPOLLET) == 0 && sees(out, b, EPOLLOUT, EPOLLIN));
    fill(b);
    while (epoll_wait(out, ev, 8, 0) > 0)
        ;
    CHECK(quiet(out));
    drain(a);
    CHECK(sees(out, b, EPOLLOUT, EPOLLHUP));
    while (epoll_wait(ep, ev, 8, 0) > 0)
        ;
    /* half a close, a whole one */
    CHECK(shutdown(b, SHUT_WR) == 0 && sees(ep, a, EPOLLIN | EPOLLRDHUP, EPOLLHUP));
    CHECK(read(a, c, 4) == 0);
    close(b);
    int again = epoll_create1(0);
    CHECK(watch(again, a, EPOLLIN) == 0 && sees(again, a, EPOLLIN, 0));
    close(a);
    CHECK(quiet(again));
    close(ep), close(out), close(again);
}

static void tcp(void)
{
    struct sockaddr_in where = {.sin_family = AF_INET};
    socklen_t size = sizeof where;
    int one = 1, l = socket(AF_INET, SOCK_STREAM, 0), ep = epoll_create1(0);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    CHECK(bind(l, (void *)&where, size) == 0 && listen(l, 5) == 0);
    CHECK(getsockname(l, (void *)&where, &size) == 0);
    CHECK(watch(ep, l, EPOLLIN | EPOLLET) == 0 && quiet(ep));
    int c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), ready = epoll_create1(0);
    CHECK(connect(c, (void *)&where, size) == 0 || errno == EINPROGRESS);
    CHECK(watch(ready, c, EPOLLOUT) == 0 && sees(ready, c, EPOLLOUT, EPOLLERR | EPOLLHUP));
    CHECK(sees(ep, l, EPOLLIN, EPOLLOUT));
    int s = accept(l, NULL, NULL);
    CHECK(s >= 0 && quiet(ep));
    fcntl(c, F_SETFL, 0);
    pair(s, c);
    /* nobody listens */
    close(l);
    c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    CHECK(connect(c, (void *)&where, size) == -1);
    if (errno == EINPROGRESS || errno == 0) {
        CHECK(watch(ready, c, EPOLLOUT) == 0 && sees(ready, c, EPOLLERR | EPOLLHUP, 0));
    }
    close(c), close(ep), close(ready);
}

static void udp(void)
{
    struct sockaddr_in where = {.sin_family = AF_INET};
    socklen_t size = sizeof where;
    char c[4];
    int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    int ep = epoll_create1(0);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(a, (void *)&where, size) == 0 && getsockname(a, (void *)&where, &size) == 0);
    CHECK(watch(ep, a, EPOLLIN | EPOLLET) == 0 && quiet(ep));
    CHECK(sendto(b, "1", 1, 0, (void *)&where, size) == 1 && sees(ep, a, EPOLLIN, 0));
    CHECK(sendto(b, "2", 1, 0, (void *)&where, size) == 1 && sees(ep, a, EPOLLIN, 0));
    CHECK(read(a, c, 4) == 1 && read(a, c, 4) == 1 && quiet(ep));
    close(a), close(b), close(ep);
}

int main(void)
{
    int s[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    pair(s[0], s[1]);
    tcp();
    udp();
    return finish();
}
