/* Who a process is and what it may: uids, permissions, groups and sessions, limits, names. */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>

/* Run a check in a child, so that what it gives up stays given up there only. */
#define IN_CHILD(function)                                                                     \
    do {                                                                                       \
        int status = -1;                                                                       \
        fflush(stdout);                                                                        \
        pid_t child = fork();                                                                  \
        if (child == 0) {                                                                      \
            function();                                                                        \
            fflush(stdout);                                                                    \
            _exit(failures);                                                                   \
        }                                                                                      \
        CHECK(waitpid(child, &status, 0) == child && status == 0);                             \
    } while (0)

static void an_ordinary_user(void)
{
    uid_t real = 7, effective = 7, saved = 7;
    CHECK(setgroups(0, NULL) == 0);
    CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
    CHECK(getuid() == 1000 && geteuid() == 1000 && getgid() == 1000);
    CHECK(getresuid(&real, &effective, &saved) == 0 && saved == 1000);
    FAILS(setuid(0), EPERM);
    FAILS(setgroups(0, NULL), EPERM);
    FAILS(open("secret", O_RDONLY), EACCES);
    FAILS(access("secret", R_OK), EACCES);
    FAILS(chmod("secret", 0777), EPERM);
    FAILS(chown("readable", 1000, 1000), EPERM);
    FAILS(open("readable", O_WRONLY), EACCES);
    int fd = open("readable", O_RDONLY);
    CHECK(fd >= 0);
    FAILS(open("closed/file", O_RDONLY), EACCES);
    FAILS(unlink("sticky/file"), EPERM);
    FAILS(mkdir("new", 0755), EACCES);
    FAILS(kill(getppid(), SIGTERM), EPERM);
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_max++;
    FAILS(setrlimit(RLIMIT_NOFILE, &limit), EPERM);
}

static void permissions(void)
{
    mode_t old = umask(0);
    CHECK(mkdir("yard", 0755) == 0 && chdir("yard") == 0);
    CHECK(close(open("secret", O_CREAT | O_WRONLY, 0600)) == 0);
    CHECK(close(open("readable", O_CREAT | O_WRONLY, 0644)) == 0);
    CHECK(mkdir("closed", 0700) == 0 && mkdir("sticky", 01777) == 0);
    CHECK(close(open("closed/file", O_CREAT | O_WRONLY, 0644)) == 0);
    CHECK(close(open("sticky/file", O_CREAT | O_WRONLY, 0644)) == 0);
    umask(old);
    IN_CHILD(an_ordinary_user);
    CHECK(unlink("secret") == 0 && unlink("readable") == 0);
    CHECK(unlink("closed/file") == 0 && rmdir("closed") == 0);
    CHECK(unlink("sticky/file") == 0 && rmdir("sticky") == 0);
    CHECK(chdir("..") == 0 && rmdir("yard") == 0);
}

static void temporarily(void)
{
    CHECK(seteuid(1000) == 0 && geteuid() == 1000 && getuid() == 0);
    FAILS(setresuid(5, 5, 5), EPERM);
    CHECK(seteuid(0) == 0);
    gid_t groups[3] = {1, 2, 3}, got[8];
    CHECK(setgroups(3, groups) == 0 && getgroups(8, got) == 3 && got[2] == 3);
    FAILS(getgroups(2, got), EINVAL);
    CHECK(getgroups(0, NULL) == 3);
}

static void sessions(void)
{
    CHECK(setpgid(0, 0) == 0 && getpgrp() == getpid());
    FAILS(setsid(), EPERM); /* a group leader cannot */
    FAILS(getpgid(0x7ffffff0), ESRCH);
    FAILS(setpgid(0, -1), EINVAL);
    pid_t child = fork();
    if (child == 0) {
        pid_t me = getpid();
        _exit(!(setsid() == me && getsid(0) == me && getpgrp() == me));
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && status == 0);

    pid_t one = fork();
    if (one == 0)
        for (;;)
            pause();
    CHECK(setpgid(one, one) == 0);
    pid_t two = fork();
    if (two == 0)
        for (;;)
            pause();
    CHECK(setpgid(two, one) == 0 && getpgid(two) == one);
    CHECK(kill(-one, SIGTERM) == 0); /* the whole group */
    CHECK(waitpid(-one, &status, 0) > 0 && WTERMSIG(status) == SIGTERM);
    CHECK(waitpid(-one, &status, 0) > 0 && WTERMSIG(status) == SIGTERM);
    FAILS(waitpid(-one, &status, 0), ECHILD);
}

static void limits(void)
{
    struct rlimit limit, small;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    small = limit, small.rlim_cur = 10;
    CHECK(setrlimit(RLIMIT_NOFILE, &small) == 0);
    int last = -1, fd;
    while ((fd = open("/", O_RDONLY)) >= 0)
        last = fd;
    CHECK(last == 9);
    FAILS(open("/", O_RDONLY), EMFILE);
    FAILS(dup2(last, 10), EBADF);
    small.rlim_cur = small.rlim_max + 1;
    FAILS(setrlimit(RLIMIT_NOFILE, &small), EINVAL);
    for (fd = 3; fd <= last; fd++)
        close(fd);
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    signal(SIGXFSZ, SIG_IGN);
    small.rlim_cur = 100, small.rlim_max = RLIM_INFINITY;
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    char block[200] = {0};
    fd = open("limited", O_CREAT | O_WRONLY, 0600);
    CHECK(write(fd, block, 200) == 100);
    FAILS(write(fd, block, 1), EFBIG);
    FAILS(ftruncate(fd, 101), EFBIG);
    close(fd);
    CHECK(unlink("limited") == 0);
}

static void names(void)
{
    struct utsname names;
    unsigned char random[64] = {0};
    int sum = 0;
    CHECK(uname(&names) == 0 && !strcmp(names.sysname, "Linux"));
    CHECK(getrandom(random, sizeof random, GRND_NONBLOCK) == sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        sum += random[i];
    CHECK(sum > 0);
    FAILS(getrandom(random, 1, 0x80), EINVAL);
    FAILS(getrandom(random, 1, GRND_RANDOM | GRND_INSECURE), EINVAL);
}

int main(void)
{
    if (getuid() == 0) { /* what only root can set up */
        permissions();
        IN_CHILD(temporarily);
    }
    IN_CHILD(sessions);
    IN_CHILD(limits);
    names();
    return finish();
}
