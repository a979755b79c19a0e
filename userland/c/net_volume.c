/* A UNIX socket's file: who may connect, what is left of it. */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc > 1 && chdir(argv[1]))
        return 101;
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "kept"};
    struct stat st;
    int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    unlink(a.sun_path);
    umask(027);
    CHECK(bind(l, (void *)&a, sizeof a) == 0 && listen(l, 1) == 0);
    CHECK(stat(a.sun_path, &st) == 0 && st.st_mode == (S_IFSOCK | 0750));
    CHECK(connect(c, (void *)&a, sizeof a) == 0);
    int d = accept(l, NULL, NULL);
    char byte;
    CHECK(write(d, "x", 1) == 1 && read(c, &byte, 1) == 1 && byte == 'x');
    FAILS(open(a.sun_path, O_RDONLY), ENXIO);
    close(c), close(d), close(l);
    c = socket(AF_UNIX, SOCK_STREAM, 0);
    FAILS(connect(c, (void *)&a, sizeof a), ECONNREFUSED);
    FAILS(bind(c, (void *)&a, sizeof a), EADDRINUSE);
    CHECK(unlink(a.sun_path) == 0 && bind(c, (void *)&a, sizeof a) == 0);
    close(c);
    if (argc < 2)
        unlink(a.sun_path);
    return finish();
}
