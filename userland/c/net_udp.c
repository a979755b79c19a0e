/* UDP on the loopback, and what a program can learn about the network: ioctls, netlink. */
#define _GNU_SOURCE
#include "check.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

static char block[70000];

static int ready(int fd, int events)
{
    struct pollfd p = {fd, events, 0};
    return poll(&p, 1, 0) < 0 ? -1 : p.revents;
}

static int bound(struct sockaddr_in *a)
{
    socklen_t length = sizeof *a;
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(a, 0, sizeof *a);
    a->sin_family = AF_INET, a->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(bind(s, (void *)a, sizeof *a) == 0 && getsockname(s, (void *)a, &length) == 0);
    return s;
}

static void datagrams(void)
{
    struct sockaddr_in a, b, from;
    socklen_t length = sizeof from;
    int x = bound(&a), y = bound(&b), n;
    FAILS(send(x, "x", 1, 0), EDESTADDRREQ);
    FAILS(recv(x, block, 1, MSG_DONTWAIT), EAGAIN);
    CHECK(ready(x, POLLIN | POLLOUT) == POLLOUT);
    CHECK(sendto(x, "hello", 5, 0, (void *)&b, sizeof b) == 5);
    CHECK(sendto(x, "", 0, 0, (void *)&b, sizeof b) == 0);
    CHECK(sendto(x, "again", 5, 0, (void *)&b, sizeof b) == 5);
    CHECK(ready(y, POLLIN) == POLLIN && ioctl(y, FIONREAD, &n) == 0 && n == 5);
    CHECK(recvfrom(y, block, 100, MSG_PEEK, (void *)&from, &length) == 5 && length == sizeof from);
    CHECK(from.sin_port == a.sin_port && from.sin_addr.s_addr == a.sin_addr.s_addr);
    CHECK(recv(y, block, 2, 0) == 2); /* the rest is lost */
    CHECK(recv(y, block, 2, 0) == 0);
    CHECK(recv(y, block, 2, MSG_TRUNC) == 5);
    struct iovec io = {block, 3};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_name = &from, .msg_namelen = 200};
    CHECK(sendto(x, "more", 4, 0, (void *)&b, sizeof b) == 4);
    CHECK(recvmsg(y, &m, 0) == 3 && m.msg_flags == MSG_TRUNC && m.msg_namelen == sizeof from);
    FAILS(sendto(x, block, 65508, 0, (void *)&b, sizeof b), EMSGSIZE);
    CHECK(sendto(x, block, 65507, 0, (void *)&b, sizeof b) == 65507);
    CHECK(recv(y, block, sizeof block, 0) == 65507);
    b.sin_port = 0;
    FAILS(sendto(x, "x", 1, 0, (void *)&b, sizeof b), EINVAL);
    FAILS(sendto(x, "x", 1, 0, (void *)&b, 8), EINVAL);
    b.sin_family = 77;
    FAILS(sendto(x, "x", 1, 0, (void *)&b, sizeof b), EAFNOSUPPORT);
    FAILS(listen(x, 1), EOPNOTSUPP);
    FAILS(accept(x, NULL, NULL), EOPNOTSUPP);
    FAILS(shutdown(x, SHUT_RD), ENOTCONN);
    FAILS(send(x, "x", 1, MSG_OOB), EOPNOTSUPP);
    close(x), close(y);
}

static void connected(void)
{
    struct sockaddr_in a, b, c;
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    socklen_t length = sizeof c;
    int x = bound(&a), y = bound(&b), z = bound(&c);
    CHECK(connect(x, (void *)&b, sizeof b) == 0 && send(x, "1", 1, 0) == 1);
    CHECK(sendto(z, "2", 1, 0, (void *)&a, sizeof a) == 1); /* x hears only y */
    CHECK(sendto(y, "3", 1, 0, (void *)&a, sizeof a) == 1);
    CHECK(recv(x, block, 10, MSG_DONTWAIT) == 1 && block[0] == '3');
    CHECK(getpeername(x, (void *)&c, &length) == 0 && c.sin_port == b.sin_port);
    close(y);
    CHECK(send(x, "4", 1, 0) == 1);
    FAILS(recv(x, block, 10, MSG_DONTWAIT), ECONNREFUSED);
    FAILS(recv(x, block, 10, MSG_DONTWAIT), EAGAIN);
    CHECK(send(x, "5", 1, 0) == 1);
    CHECK(ready(x, POLLIN) == POLLERR);
    FAILS(send(x, "6", 1, 0), ECONNREFUSED);
    CHECK(connect(x, &none, sizeof none) == 0);
    FAILS(getpeername(x, (void *)&c, &length), ENOTCONN);
    CHECK(getsockname(x, (void *)&c, &length) == 0 && c.sin_port == 0); /* it was any port */
    CHECK(c.sin_addr.s_addr == a.sin_addr.s_addr);
    close(x), close(z);
    x = socket(AF_INET, SOCK_DGRAM, 0);
    a.sin_port = 9;
    CHECK(connect(x, (void *)&a, sizeof a) == 0);
    CHECK(getsockname(x, (void *)&c, &length) == 0);
    CHECK(c.sin_addr.s_addr == htonl(INADDR_LOOPBACK) && c.sin_port != 0);
    close(x);
}

static void refusals(void)
{
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(9)};
    a.sin_addr.s_addr = htonl(0x7fffffff); /* lo's broadcast address */
    FAILS(sendto(s, "x", 1, 0, (void *)&a, sizeof a), EACCES);
    FAILS(connect(s, (void *)&a, sizeof a), EACCES);
    FAILS(setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, block, 4), EINVAL);
    close(s);
    FAILS(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP), EPROTONOSUPPORT);
    FAILS(socket(AF_INET, SOCK_SEQPACKET, 0), ESOCKTNOSUPPORT);
    FAILS(socket(AF_INET, 20, 0), EINVAL);
    FAILS(socket(1000, SOCK_STREAM, 0), EAFNOSUPPORT);
    FAILS(socket(AF_INET, SOCK_STREAM | 0x100, 0), EINVAL);
    FAILS(socketpair(AF_INET, SOCK_STREAM, 0, (int *)block), EOPNOTSUPP);
    FAILS(socket(AF_UNIX, SOCK_STREAM, 7), EPROTONOSUPPORT);
    FAILS(bind(0, (void *)&a, sizeof a), ENOTSOCK);
    FAILS(bind(-1, (void *)&a, sizeof a), EBADF);
    FAILS(accept4(0, NULL, NULL, 1), EINVAL);
}

static void six(void)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6}, from;
    struct sockaddr_in four;
    socklen_t length = sizeof a;
    int on = 1, x = socket(AF_INET6, SOCK_DGRAM, 0), y = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(bind(x, (void *)&a, sizeof a) == 0 && getsockname(x, (void *)&a, &length) == 0);
    CHECK(setsockopt(x, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on) == 0);
    memset(&four, 0, sizeof four);
    four.sin_family = AF_INET, four.sin_port = a.sin6_port;
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(sendto(y, "4", 1, 0, (void *)&four, sizeof four) == 1);
    _Alignas(8) char control[100];
    struct iovec io = {block, 3};
    struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &io, .msg_iovlen = 1,
                       .msg_control = control, .msg_controllen = sizeof control};
    CHECK(recvmsg(x, &m, 0) == 1 && IN6_IS_ADDR_V4MAPPED(&from.sin6_addr));
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    CHECK(c && c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO);
    CHECK(sendto(x, "back", 4, 0, (void *)&from, sizeof from) == 4);
    CHECK(recv(y, block, 10, 0) == 4);
    a.sin6_addr = in6addr_loopback;
    CHECK(sendto(x, "self", 4, 0, (void *)&a, sizeof a) == 4);
    CHECK(recvfrom(x, block, 10, 0, (void *)&from, &length) == 4);
    CHECK(IN6_IS_ADDR_LOOPBACK(&from.sin6_addr) && from.sin6_port == a.sin6_port);
    close(x), close(y);
}

static void stamps(void)
{
    struct sockaddr_in a;
    int on = 1, x = bound(&a);
    CHECK(setsockopt(x, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on) == 0);
    CHECK(sendto(x, "t", 1, 0, (void *)&a, sizeof a) == 1);
    _Alignas(8) char control[100];
    struct iovec io = {block, 3};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control,
                       .msg_controllen = sizeof control};
    CHECK(recvmsg(x, &m, 0) == 1);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    CHECK(c && c->cmsg_type == SO_TIMESTAMP && c->cmsg_len == CMSG_LEN(sizeof(struct timeval)));
    struct timeval then, now;
    memcpy(&then, CMSG_DATA(c), sizeof then);
    gettimeofday(&now, NULL);
    CHECK(now.tv_sec - then.tv_sec <= 1);
    close(x);
}

static void interfaces(void)
{
    struct ifreq r;
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    memset(&r, 0, sizeof r);
    strcpy(r.ifr_name, "lo");
    CHECK(ioctl(s, SIOCGIFFLAGS, &r) == 0);
    CHECK((r.ifr_flags & (IFF_UP | IFF_LOOPBACK | IFF_RUNNING)) == (IFF_UP | IFF_LOOPBACK | IFF_RUNNING));
    CHECK(ioctl(s, SIOCGIFADDR, &r) == 0);
    CHECK(((struct sockaddr_in *)&r.ifr_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    CHECK(ioctl(s, SIOCGIFMTU, &r) == 0 && r.ifr_mtu == 65536);
    CHECK(ioctl(s, SIOCGIFINDEX, &r) == 0 && r.ifr_ifindex == 1);
    CHECK(ioctl(s, SIOCGIFNAME, &r) == 0 && !strcmp(r.ifr_name, "lo"));
    CHECK(ioctl(s, SIOCGIFHWADDR, &r) == 0 && r.ifr_hwaddr.sa_family == 772);
    strcpy(r.ifr_name, "none0");
    FAILS(ioctl(s, SIOCGIFADDR, &r), ENODEV);
    FAILS(ioctl(s, TIOCGWINSZ, &r), ENOTTY);
    FAILS(ioctl(s, SIOCGIFADDR, (void *)8), EFAULT);
    struct ifconf list = {.ifc_len = sizeof block, .ifc_buf = block};
    CHECK(ioctl(s, SIOCGIFCONF, &list) == 0 && list.ifc_len >= (int)sizeof r);
    CHECK(!strcmp(list.ifc_req[0].ifr_name, "lo"));
    close(s);
    CHECK(if_nametoindex("lo") == 1);
    struct if_nameindex *names = if_nameindex();
    CHECK(names && names[0].if_index == 1 && !strcmp(names[0].if_name, "lo"));
    if_freenameindex(names);
    struct ifaddrs *all, *i;
    int four = 0, six = 0;
    CHECK(getifaddrs(&all) == 0);
    for (i = all; i; i = i->ifa_next)
        if (!strcmp(i->ifa_name, "lo") && i->ifa_addr) {
            if (i->ifa_addr->sa_family == AF_INET) {
                struct sockaddr_in *mask = (void *)i->ifa_netmask;
                four += mask->sin_addr.s_addr == htonl(0xff000000);
            }
            six += i->ifa_addr->sa_family == AF_INET6;
        }
    CHECK(four == 1 && six == 1);
    freeifaddrs(all);
}

static void netlink(void)
{
    int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct sockaddr_nl a = {.nl_family = AF_NETLINK};
    socklen_t length = sizeof a;
    CHECK(bind(s, (void *)&a, sizeof a) == 0 && getsockname(s, (void *)&a, &length) == 0);
    CHECK(a.nl_pid == (unsigned)getpid());
    struct {
        struct nlmsghdr h;
        struct ifinfomsg i;
    } ask = {{sizeof ask, RTM_GETLINK, NLM_F_REQUEST, 5, 0}, {0}};
    ask.i.ifi_index = 99999;
    CHECK(send(s, &ask, sizeof ask, 0) == sizeof ask);
    CHECK(recv(s, block, sizeof block, 0) >= 36);
    struct nlmsghdr *h = (void *)block;
    struct nlmsgerr *e = NLMSG_DATA(h);
    CHECK(h->nlmsg_type == NLMSG_ERROR && h->nlmsg_seq == 5 && e->error == -ENODEV);
    ask.i.ifi_index = 1;
    CHECK(send(s, &ask, sizeof ask, 0) == sizeof ask && recv(s, block, sizeof block, 0) > 32);
    CHECK(h->nlmsg_type == RTM_NEWLINK && ((struct ifinfomsg *)NLMSG_DATA(h))->ifi_index == 1);
    FAILS(recv(s, block, 10, MSG_DONTWAIT), EAGAIN);
    close(s);
}

int main(void)
{
    datagrams();
    connected();
    refusals();
    six();
    stamps();
    interfaces();
    netlink();
    return finish();
}
