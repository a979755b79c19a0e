/* Every call about sockets, well and badly, for whoever watches: nothing is checked here. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

int main(void)
{
    int sv[2];
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv);
    int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP);
    int one = 1;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, 4);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bind(s, (void *)&a, sizeof a);
    listen(s, 5);
    socklen_t l = sizeof a;
    getsockname(s, (void *)&a, &l);
    a.sin_port = 0;
    struct sockaddr_in6 b = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    int u = socket(AF_INET6, SOCK_DGRAM, 0);
    bind(u, (void *)&b, sizeof b);
    l = 2;
    getsockname(u, (void *)&b, &l);
    l = 28;
    getsockname(u, (void *)&b, &l);
    getpeername(u, (void *)&b, &l);
    struct sockaddr_un n = {.sun_family = AF_UNIX, .sun_path = "\0abc"};
    int d = socket(AF_UNIX, SOCK_DGRAM, 0);
    bind(d, (void *)&n, 6);
    strcpy(n.sun_path, "/tmp/nosuchx");
    connect(d, (void *)&n, sizeof n);
    connect(d, (void *)&n, offsetof(struct sockaddr_un, sun_path));
    accept(s, 0, 0);
    accept4(s, (void *)&a, &l, SOCK_CLOEXEC);
    send(sv[0], "hello", 5, MSG_NOSIGNAL);
    char buf[100];
    recv(sv[1], buf, 100, MSG_DONTWAIT | MSG_PEEK);
    struct iovec iov = {buf, 100};
    char ctl[256];
    memset(ctl, 0, 256);
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = 256};
    setsockopt(sv[1], SOL_SOCKET, SO_PASSCRED, &one, 4);
    recvmsg(sv[1], &m, 0);
    iov.iov_base = "abc";
    iov.iov_len = 3;
    struct cmsghdr *c = (void *)ctl;
    c->cmsg_len = CMSG_LEN(8);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    ((int *)CMSG_DATA(c))[0] = 0;
    ((int *)CMSG_DATA(c))[1] = 1;
    m.msg_controllen = CMSG_SPACE(8);
    sendmsg(sv[0], &m, MSG_NOSIGNAL);
    iov.iov_base = buf;
    iov.iov_len = 100;
    m.msg_controllen = 256;
    recvmsg(sv[1], &m, MSG_CMSG_CLOEXEC);
    recvmsg(sv[1], &m, MSG_DONTWAIT);
    struct linger lg = {1, 0};
    setsockopt(s, SOL_SOCKET, SO_LINGER, &lg, sizeof lg);
    struct timeval tv = {1, 5};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, 4);
    l = 4;
    getsockopt(s, SOL_SOCKET, SO_ERROR, &one, &l);
    l = 12;
    struct ucred uc;
    getsockopt(sv[0], SOL_SOCKET, SO_PEERCRED, &uc, &l);
    l = 4;
    getsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, &l);
    getsockopt(s, 999, 3, &one, &l);
    l = 8;
    getsockopt(s, SOL_SOCKET, SO_LINGER, &lg, &l);
    l = 16;
    getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, &l);
    setsockopt(u, IPPROTO_IPV6, IPV6_V6ONLY, &one, 4);
    setsockopt(s, IPPROTO_IP, IP_TTL, &one, 4);
    l = 28;
    b.sin6_port = htons(9);
    sendto(u, "xyz", 3, 0, (void *)&b, sizeof b);
    recvfrom(u, buf, 100, MSG_DONTWAIT, (void *)&b, &l);
    struct mmsghdr mm[2];
    memset(mm, 0, sizeof mm);
    mm[0].msg_hdr.msg_iov = &iov;
    mm[0].msg_hdr.msg_iovlen = 1;
    mm[1] = mm[0];
    iov.iov_len = 2;
    sendmmsg(sv[0], mm, 2, 0);
    recvmmsg(sv[1], mm, 2, MSG_DONTWAIT, 0);
    recvmmsg(sv[1], mm, 2, MSG_DONTWAIT, 0);
    shutdown(sv[0], SHUT_WR);
    shutdown(sv[0], 7);
    socket(99, 1, 0);
    socket(AF_INET, 77, 0);
    socket(AF_NETLINK, SOCK_RAW, 0);
    socketpair(AF_INET, SOCK_STREAM, 0, sv);
    send(-1, buf, 3, 0);
    recv(sv[1], (void *)8, 3, 0);
    bind(s, (void *)8, 16);
    bind(s, (void *)&a, 1);
    return write(1, "ok\n", 3) != 3;
}
