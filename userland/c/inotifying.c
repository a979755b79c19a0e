/* inotify: which events, in which order, with which names.  See inotify(7). */
#define _GNU_SOURCE
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int fd, dir_wd;
static char buffer[4096] __attribute__((aligned(8)));
static char *at, *end;

static struct inotify_event *next(void)
{
    if (at == end) {
        long n = read(fd, buffer, sizeof buffer);
        if (n <= 0)
            return NULL;
        at = buffer;
        end = buffer + n;
    }
    struct inotify_event *e = (void *)at;
    at += sizeof *e + e->len;
    return e;
}

static unsigned last_cookie;

/* The next event must be this one. */
static int saw(int wd, unsigned mask, const char *name)
{
    struct inotify_event *e = next();
    if (!e) {
        printf("expected %d %#x %s: nothing\n", wd, mask, name);
        return 0;
    }
    int fits = e->wd == wd && e->mask == mask && !strcmp(e->len ? e->name : "", name);
    if (!fits)
        printf("expected %d %#x %s: got %d %#x %s\n", wd, mask, name, e->wd, e->mask,
               e->len ? e->name : "");
    last_cookie = e->cookie;
    return fits;
}

static int quiet(void)
{
    struct inotify_event *e = next();
    if (e)
        printf("unexpected %d %#x %s\n", e->wd, e->mask, e->len ? e->name : "");
    return !e && errno == EAGAIN;
}

static void names(void)
{
    int f = open("a", O_CREAT | O_RDWR, 0600);
    CHECK(saw(dir_wd, IN_CREATE, "a") && saw(dir_wd, IN_OPEN, "a"));
    CHECK(write(f, "hello", 5) == 5 && write(f, "hello", 5) == 5);
    CHECK(saw(dir_wd, IN_MODIFY, "a") && quiet()); /* the second was the same */
    CHECK(pread(f, buffer, 3, 0) == 3);
    CHECK(saw(dir_wd, IN_ACCESS, "a"));
    CHECK(ftruncate(f, 2) == 0 && saw(dir_wd, IN_MODIFY, "a"));
    CHECK(fchmod(f, 0644) == 0 && saw(dir_wd, IN_ATTRIB, "a"));
    CHECK(futimens(f, NULL) == 0 && saw(dir_wd, IN_ATTRIB, "a"));
    close(f);
    CHECK(saw(dir_wd, IN_CLOSE_WRITE, "a"));
    close(open("a", O_RDONLY));
    CHECK(saw(dir_wd, IN_OPEN, "a") && saw(dir_wd, IN_CLOSE_NOWRITE, "a"));
    close(open("a", O_WRONLY | O_TRUNC));
    CHECK(saw(dir_wd, IN_OPEN, "a") && saw(dir_wd, IN_MODIFY, "a"));
    CHECK(saw(dir_wd, IN_CLOSE_WRITE, "a"));
    close(open("a", O_PATH));
    CHECK(quiet());
    CHECK(link("a", "b") == 0 && saw(dir_wd, IN_CREATE, "b"));
    CHECK(symlink("a", "c") == 0 && saw(dir_wd, IN_CREATE, "c"));
    CHECK(mkdir("d", 0700) == 0 && saw(dir_wd, IN_CREATE | IN_ISDIR, "d"));
    CHECK(rename("b", "e") == 0 && saw(dir_wd, IN_MOVED_FROM, "b"));
    unsigned cookie = last_cookie;
    CHECK(cookie && saw(dir_wd, IN_MOVED_TO, "e") && last_cookie == cookie);
    CHECK(rename("e", "d/e") == 0 && saw(dir_wd, IN_MOVED_FROM, "e") && last_cookie != cookie);
    CHECK(rename("d/e", "f") == 0 && saw(dir_wd, IN_MOVED_TO, "f"));
    CHECK(unlink("f") == 0 && saw(dir_wd, IN_DELETE, "f"));
    CHECK(unlink("c") == 0 && saw(dir_wd, IN_DELETE, "c"));
    CHECK(rmdir("d") == 0 && saw(dir_wd, IN_DELETE | IN_ISDIR, "d"));
    CHECK(mkfifo("p", 0600) == 0 && saw(dir_wd, IN_CREATE, "p"));
    CHECK(unlink("p") == 0 && saw(dir_wd, IN_DELETE, "p"));
    FAILS(mkdir("a", 0700), EEXIST);
    CHECK(quiet());
}

static void itself(void)
{
    int wd = inotify_add_watch(fd, "a", IN_ALL_EVENTS);
    CHECK(wd == dir_wd + 1 && inotify_add_watch(fd, "a", IN_ALL_EVENTS) == wd);
    CHECK(chmod("a", 0600) == 0 && saw(dir_wd, IN_ATTRIB, "a") && saw(wd, IN_ATTRIB, ""));
    CHECK(link("a", "b") == 0 && saw(wd, IN_ATTRIB, "") && saw(dir_wd, IN_CREATE, "b"));
    CHECK(rename("b", "g") == 0 && saw(dir_wd, IN_MOVED_FROM, "b"));
    CHECK(saw(dir_wd, IN_MOVED_TO, "g") && saw(wd, IN_MOVE_SELF, ""));
    CHECK(unlink("g") == 0 && saw(wd, IN_ATTRIB, "") && saw(dir_wd, IN_DELETE, "g"));
    int f = open("a", O_RDONLY);
    CHECK(saw(dir_wd, IN_OPEN, "a") && saw(wd, IN_OPEN, ""));
    CHECK(unlink("a") == 0 && saw(wd, IN_ATTRIB, "") && saw(dir_wd, IN_DELETE, "a") && quiet());
    close(f); /* the last user */
    CHECK(saw(dir_wd, IN_CLOSE_NOWRITE, "a") && saw(wd, IN_CLOSE_NOWRITE, ""));
    CHECK(saw(wd, IN_DELETE_SELF, "") && saw(wd, IN_IGNORED, "") && quiet());
    FAILS(inotify_rm_watch(fd, wd), EINVAL);

    CHECK(mkdir("x", 0700) == 0 && saw(dir_wd, IN_CREATE | IN_ISDIR, "x"));
    wd = inotify_add_watch(fd, "x", IN_ALL_EVENTS | IN_ONLYDIR);
    DIR *d = opendir("x");
    CHECK(saw(dir_wd, IN_OPEN | IN_ISDIR, "x") && saw(wd, IN_OPEN | IN_ISDIR, ""));
    while (readdir(d))
        ;
    CHECK(saw(dir_wd, IN_ACCESS | IN_ISDIR, "x") && saw(wd, IN_ACCESS | IN_ISDIR, ""));
    CHECK(saw(dir_wd, IN_ACCESS | IN_ISDIR, "x") && saw(wd, IN_ACCESS | IN_ISDIR, ""));
    closedir(d);
    CHECK(saw(dir_wd, IN_CLOSE_NOWRITE | IN_ISDIR, "x"));
    CHECK(saw(wd, IN_CLOSE_NOWRITE | IN_ISDIR, ""));
    CHECK(rmdir("x") == 0 && saw(wd, IN_DELETE_SELF, "") && saw(wd, IN_IGNORED, ""));
    CHECK(saw(dir_wd, IN_DELETE | IN_ISDIR, "x") && quiet());
}

static void masks(void)
{
    int f = open("m", O_CREAT | O_RDWR, 0600);
    close(f);
    while (next())
        ;
    int wd = inotify_add_watch(fd, "m", IN_OPEN | IN_ONESHOT);
    CHECK(inotify_rm_watch(fd, dir_wd) == 0 && saw(dir_wd, IN_IGNORED, ""));
    close(open("m", O_RDONLY));
    CHECK(saw(wd, IN_OPEN, "") && saw(wd, IN_IGNORED, "") && quiet());
    wd = inotify_add_watch(fd, "m", IN_OPEN);
    CHECK(inotify_add_watch(fd, "m", IN_CLOSE | IN_MASK_ADD) == wd);
    close(open("m", O_RDONLY));
    CHECK(saw(wd, IN_OPEN, "") && saw(wd, IN_CLOSE_NOWRITE, ""));
    CHECK(inotify_add_watch(fd, "m", IN_ATTRIB) == wd);
    close(open("m", O_RDONLY));
    CHECK(quiet());
    FAILS(inotify_add_watch(fd, "m", IN_OPEN | IN_MASK_CREATE), EEXIST);
    FAILS(inotify_add_watch(fd, "m", IN_OPEN | IN_MASK_CREATE | IN_MASK_ADD), EINVAL);
    FAILS(inotify_add_watch(fd, "m", 0), EINVAL);
    FAILS(inotify_add_watch(fd, "m", IN_OPEN | IN_ONLYDIR), ENOTDIR);
    FAILS(inotify_add_watch(fd, "none", IN_OPEN), ENOENT);
    FAILS(inotify_add_watch(0, "m", IN_OPEN), EINVAL);
    FAILS(inotify_add_watch(99, "m", IN_OPEN), EBADF);
    FAILS(inotify_add_watch(fd, (char *)8, IN_OPEN), EFAULT);
    FAILS(inotify_rm_watch(fd, 99), EINVAL);
    FAILS(inotify_init1(1), EINVAL);
    FAILS(write(fd, "x", 1), EBADF);
    CHECK(symlink("m", "link") == 0);
    int link_wd = inotify_add_watch(fd, "link", IN_ATTRIB | IN_DONT_FOLLOW);
    CHECK(link_wd != wd);
    CHECK(chmod("m", 0640) == 0 && saw(wd, IN_ATTRIB, "") && quiet());
    unlink("link");
    while (next())
        ;
    /* sizes, poll, waiting */
    CHECK(chmod("m", 0600) == 0);
    int bytes = 0;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    CHECK(ioctl(fd, FIONREAD, &bytes) == 0 && bytes == 16);
    CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLIN);
    FAILS(read(fd, buffer, 15), EINVAL);
    CHECK(saw(wd, IN_ATTRIB, ""));
    CHECK(poll(&p, 1, 0) == 0);
    pid_t child = fork();
    if (!child) {
        usleep(10000);
        chmod("m", 0644);
        _exit(0);
    }
    CHECK(poll(&p, 1, -1) == 1 && saw(wd, IN_ATTRIB, ""));
    CHECK(waitpid(child, NULL, 0) == child);
    unlink("m");
}

static void unmounting(void)
{
    while (next())
        ;
    mkdir("fs", 0700);
    if (mount("none", "fs", "tmpfs", 0, NULL))
        return; /* not for us */
    int wd = inotify_add_watch(fd, "fs", IN_OPEN);
    CHECK(wd > 0 && umount("fs") == 0);
    CHECK(saw(wd, IN_UNMOUNT | IN_ISDIR, "") && saw(wd, IN_IGNORED, "") && quiet());
    rmdir("fs");
}

int main(void)
{
    char place[] = "/tmp/inotifying.XXXXXX";
    if (!mkdtemp(place) || chdir(place))
        return 1;
    fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC);
    dir_wd = inotify_add_watch(fd, ".", IN_ALL_EVENTS);
    CHECK(dir_wd == 1);
    names();
    itself();
    masks();
    unmounting();
    close(fd);
    chdir("/");
    rmdir(place);
    return finish();
}
