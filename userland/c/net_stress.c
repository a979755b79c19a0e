/* Sockets in numbers: short TCP connections, a ring of processes, datagrams with files in them.
   argv[1]: how many connections (default 100); 0: for ever, to be killed at any moment. */
#define _GNU_SOURCE
#include "check.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { RING = 20 };

static struct sockaddr_in server;

static int listening(void)
{
    socklen_t length = sizeof server;
    int one = 1, l = socket(AF_INET, SOCK_STREAM, 0);
    server.sin_family = AF_INET, server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0);
    CHECK(bind(l, (void *)&server, sizeof server) == 0 && listen(l, 16) == 0);
    CHECK(getsockname(l, (void *)&server, &length) == 0);
    return l;
}

static void client(int count)
{
    for (int i = 0; i < count || count == 0; i++) {
        int s = socket(AF_INET, SOCK_STREAM, 0), answer = 0;
        if (connect(s, (void *)&server, sizeof server) || write(s, &i, 4) != 4)
            _exit(1);
        if (read(s, &answer, 4) != 4 || answer != i + 1)
            _exit(2);
        close(s);
    }
    _exit(0);
}

static void connections(int count)
{
    int l = listening(), status;
    pid_t child = fork();
    if (!child)
        client(count);
    for (int i = 0; i < count || count == 0; i++) {
        int s = accept(l, NULL, NULL), n = -1;
        if (s < 0 || read(s, &n, 4) != 4 || n != i) {
            CHECK(!"a connection with its number");
            break;
        }
        n++;
        CHECK(write(s, &n, 4) == 4);
        close(s);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    close(l);
}

/* Each process adds one and passes the number on; a file travels with it. */
static void ring(int rounds)
{
    int s[RING][2], status;
    for (int i = 0; i < RING; i++)
        CHECK(socketpair(AF_UNIX, i & 1 ? SOCK_SEQPACKET : SOCK_STREAM, 0, s[i]) == 0);
    for (int i = 1; i < RING; i++)
        if (!fork()) {
            int n;
            for (int j = 0; j < RING; j++) {
                if (j != i - 1)
                    close(s[j][1]);
                if (j != i)
                    close(s[j][0]);
            }
            while (read(s[i - 1][1], &n, 4) == 4) {
                n++;
                if (write(s[i][0], &n, 4) != 4)
                    _exit(1);
            }
            _exit(0);
        }
    for (int j = 0; j < RING; j++) {
        if (j != RING - 1)
            close(s[j][1]);
        if (j != 0)
            close(s[j][0]);
    }
    int n = 0;
    for (int i = 0; i < rounds; i++)
        CHECK(write(s[0][0], &n, 4) == 4 && read(s[RING - 1][1], &n, 4) == 4);
    CHECK(n == rounds * (RING - 1));
    close(s[0][0]), close(s[RING - 1][1]);
    for (int i = 1; i < RING; i++)
        CHECK(wait(&status) > 0 && status == 0);
}

static void send_file(int to, int file)
{
    char control[CMSG_SPACE(4)] __attribute__((aligned(8)));
    struct iovec io = {"f", 1};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control,
                       .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET, c->cmsg_type = SCM_RIGHTS, c->cmsg_len = CMSG_LEN(4);
    memcpy(CMSG_DATA(c), &file, 4);
    CHECK(sendmsg(to, &m, 0) == 1);
}

/* Sockets in sockets, never received: all of it is given back by whoever closes last. */
static void nested(int count)
{
    for (int i = 0; i < count; i++) {
        int a[2], b[2];
        CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, a) == 0);
        CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, b) == 0);
        send_file(a[0], b[0]);
        send_file(b[1], a[1]);
        close(a[0]), close(a[1]), close(b[0]), close(b[1]);
    }
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 100;
    nested(20);
    ring(count ? count / 10 : 3);
    connections(count);
    return finish();
}
