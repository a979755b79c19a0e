/* Hop limit and traffic class of datagrams: set by options and by message, seen by who asks. */
#define _GNU_SOURCE
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static int ends[2], v6;

/* ends[0] is bound, ends[1] sends to it. */
static void open_ends(int family)
{
    struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    void *address = family == AF_INET ? (void *)&a4 : (void *)&a6;
    socklen_t length = family == AF_INET ? sizeof a4 : sizeof a6;
    v6 = family == AF_INET6;
    for (int i = 0; i < 2; i++)
        ends[i] = socket(family, SOCK_DGRAM, 0);
    CHECK(bind(ends[0], address, length) == 0 && getsockname(ends[0], address, &length) == 0);
    CHECK(connect(ends[1], address, length) == 0);
}

static void option(int end, int name, int value)
{
    int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
    CHECK(setsockopt(ends[end], level, name, &value, sizeof value) == 0);
}

/* Send one byte, with a control message of `length` bytes unless `kind` is 0. */
static long sends(int kind, int value, int length)
{
    char room[64] = {0};
    struct iovec io = {"x", 1};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
    if (kind) {
        struct cmsghdr *c = (void *)room;
        m.msg_control = room, m.msg_controllen = CMSG_SPACE(length);
        c->cmsg_level = v6 ? IPPROTO_IPV6 : IPPROTO_IP, c->cmsg_type = kind;
        c->cmsg_len = CMSG_LEN(length);
        memcpy(CMSG_DATA(c), &value, sizeof value);
    }
    return sendmsg(ends[1], &m, 0);
}

/* Receive it: the hop limit and the class that came with it, -1 where none did. */
static void receives(int hops_kind, int *hops, int class_kind, int *class)
{
    char room[128], byte;
    struct iovec io = {&byte, 1};
    struct msghdr m = {
        .msg_iov = &io, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    CHECK(recvmsg(ends[0], &m, MSG_DONTWAIT) == 1);
    *hops = *class = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_type == hops_kind)
            memcpy(hops, CMSG_DATA(c), 4);
        if (c->cmsg_type == class_kind)
            *class = *(unsigned char *)CMSG_DATA(c);
    }
}

static void marks(int family, int ask_hops, int ask_class, int set_hops, int hops_kind, int class_kind)
{
    int hops, class;
    open_ends(family);
    CHECK(sends(0, 0, 0) == 1);
    receives(hops_kind, &hops, class_kind, &class);
    CHECK(hops == -1 && class == -1); /* nobody asked */
    option(0, ask_hops, 1), option(0, ask_class, 1);
    CHECK(sends(0, 0, 0) == 1);
    receives(hops_kind, &hops, class_kind, &class);
    CHECK(hops == 64 && class == 0);
    option(1, set_hops, 9), option(1, class_kind, 0x48);
    CHECK(sends(0, 0, 0) == 1);
    receives(hops_kind, &hops, class_kind, &class);
    CHECK(hops == 9 && class == 0x48);
    CHECK(sends(hops_kind, 3, 4) == 1); /* for this one only */
    receives(hops_kind, &hops, class_kind, &class);
    CHECK(hops == 3 && class == 0x48);
    CHECK(sends(class_kind, 0x20, 4) == 1);
    receives(hops_kind, &hops, class_kind, &class);
    CHECK(hops == 9 && class == 0x20);
    FAILS(sends(hops_kind, 256, 4), EINVAL);
    FAILS(sends(hops_kind, 1, 2), EINVAL);
    FAILS(sends(class_kind, 256, 4), EINVAL);
    FAILS(sends(77, 1, 4), EINVAL);
    close(ends[0]), close(ends[1]);
}

int main(void)
{
    marks(AF_INET, IP_RECVTTL, IP_RECVTOS, IP_TTL, IP_TTL, IP_TOS);
    marks(AF_INET6, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_UNICAST_HOPS, IPV6_HOPLIMIT,
          IPV6_TCLASS);
    return finish();
}
