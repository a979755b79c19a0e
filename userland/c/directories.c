/* Directories and paths: the *at calls, `.` and `..`, loops, long names, listing, renaming. */
#define _GNU_SOURCE
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2

static struct stat st;

static int rename2(const char *from, const char *to, unsigned flags)
{
    return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void working_directory(const char *home)
{
    char here[4096], again[4096];
    CHECK(mkdir("d", 0755) == 0);
    FAILS(mkdir("d", 0755), EEXIST);
    FAILS(mkdir("x/y", 0755), ENOENT);
    CHECK(chdir("d") == 0);
    CHECK(getcwd(here, sizeof here) && !strcmp(here + strlen(here) - 2, "/d"));
    FAILS(getcwd(again, 2) ? 0 : -1, ERANGE);
    CHECK(chdir("..//./d/../d/") == 0);
    CHECK(getcwd(again, sizeof again) && !strcmp(here, again));
    CHECK(chdir("..") == 0);
    int fd = open("d", O_RDONLY | O_DIRECTORY);
    CHECK(fchdir(fd) == 0 && getcwd(again, sizeof again) && !strcmp(here, again));
    CHECK(close(fd) == 0);
    CHECK(chdir(home) == 0);
    FAILS(chdir("nowhere"), ENOENT);
    CHECK(stat("/..", &st) == 0 && S_ISDIR(st.st_mode));
}

static void relative_to_descriptors(void)
{
    int dir = open("d", O_PATH | O_DIRECTORY);
    int fd = openat(dir, "file", O_RDWR | O_CREAT, 0600);
    CHECK(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0);
    CHECK(fstatat(dir, "file", &st, 0) == 0 && st.st_size == 1);
    CHECK(mkdirat(dir, "sub", 0700) == 0);
    CHECK(symlinkat("../file", dir, "sub/link") == 0);
    CHECK(fstatat(dir, "sub/link", &st, 0) == 0 && S_ISREG(st.st_mode));
    CHECK(fstatat(dir, "sub/link", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode));
    CHECK(linkat(dir, "file", dir, "second", 0) == 0);
    CHECK(fstatat(dir, "", &st, AT_EMPTY_PATH) == 0 && S_ISDIR(st.st_mode));
    FAILS(fstatat(dir, "", &st, 0), ENOENT);
    FAILS(openat(999, "file", O_RDONLY), EBADF);
    fd = openat(dir, "file", O_RDONLY);
    FAILS(openat(fd, "x", O_RDONLY), ENOTDIR);
    CHECK(openat(fd, "/", O_RDONLY) >= 0); /* absolute: the descriptor does not matter */
    close(fd);
    CHECK(faccessat(dir, "second", R_OK, 0) == 0);
    CHECK(unlinkat(dir, "second", 0) == 0);
    FAILS(unlinkat(dir, "sub", 0), EISDIR);
    FAILS(unlinkat(dir, "sub", AT_REMOVEDIR), ENOTEMPTY);
    FAILS(read(dir, &st, 1), EBADF); /* O_PATH */
    CHECK(close(dir) == 0);
}

static void refusals(void)
{
    FAILS(open("", O_RDONLY), ENOENT);
    FAILS(open("d/file/x", O_RDONLY), ENOTDIR);
    FAILS(open("d/file/", O_RDONLY), ENOTDIR);
    FAILS(open("d", O_WRONLY), EISDIR);
    FAILS(open("d/file", O_RDONLY | O_DIRECTORY), ENOTDIR);
    CHECK(symlink("loop2", "loop1") == 0 && symlink("loop1", "loop2") == 0);
    FAILS(open("loop1", O_RDONLY), ELOOP);
    CHECK(unlink("loop1") == 0 && unlink("loop2") == 0);
    char name[5000];
    memset(name, 'n', sizeof name);
    name[256] = 0;
    FAILS(open(name, O_RDONLY | O_CREAT, 0600), ENAMETOOLONG);
    name[256] = 'n', name[4999] = 0;
    FAILS(open(name, O_RDONLY), ENAMETOOLONG);
    name[255] = 0;
    int fd = open(name, O_RDONLY | O_CREAT, 0600);
    CHECK(fd >= 0 && close(fd) == 0 && unlink(name) == 0);
    FAILS(rmdir("d/."), EINVAL);
    FAILS(rmdir("d"), ENOTEMPTY);
    FAILS(rmdir("d/file"), ENOTDIR);
    FAILS(unlink("d/file/"), ENOTDIR);
}

static void listing(void)
{
    CHECK(mkdir("many", 0755) == 0);
    char name[64];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "many/entry-%d", i);
        int fd = open(name, O_CREAT | O_WRONLY, 0600);
        CHECK(fd >= 0);
        close(fd);
    }
    DIR *dir = opendir("many");
    unsigned char seen[300] = {0};
    int dots = 0, others = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        int i;
        if (e->d_name[0] == '.')
            dots += e->d_type == DT_DIR;
        else if (sscanf(e->d_name, "entry-%d", &i) == 1 && i >= 0 && i < 300)
            seen[i] += e->d_type == DT_REG && e->d_ino != 0;
        else
            others++;
    }
    CHECK(dots == 2 && others == 0);
    for (int i = 0; i < 300; i++)
        CHECK(seen[i] == 1);
    rewinddir(dir);
    CHECK(readdir(dir) != NULL);
    closedir(dir);
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "many/entry-%d", i);
        CHECK(unlink(name) == 0);
    }
    CHECK(rmdir("many") == 0);
}

static void renaming(void)
{
    CHECK(mkdir("a", 0755) == 0 && mkdir("a/b", 0755) == 0 && mkdir("empty", 0755) == 0);
    FAILS(rename("a", "a/b/c"), EINVAL);
    CHECK(rename("a", "empty") == 0); /* an empty directory may be replaced */
    CHECK(stat("empty/b", &st) == 0);
    CHECK(mkdir("other", 0755) == 0);
    FAILS(rename("other", "empty"), ENOTEMPTY);
    FAILS(rename("d/file", "other"), EISDIR);
    FAILS(rename("other", "d/file"), ENOTDIR);
    FAILS(rename2("other", "empty", RENAME_NOREPLACE), EEXIST);
    CHECK(rename2("other", "empty", RENAME_EXCHANGE) == 0);
    CHECK(stat("other/b", &st) == 0);
    CHECK(rmdir("other/b") == 0 && rmdir("other") == 0 && rmdir("empty") == 0);
}

int main(void)
{
    char home[4096];
    CHECK(getcwd(home, sizeof home) != NULL);
    working_directory(home);
    relative_to_descriptors();
    refusals();
    listing();
    renaming();
    CHECK(unlink("d/sub/link") == 0 && rmdir("d/sub") == 0 && unlink("d/file") == 0);
    CHECK(rmdir("d") == 0);
    return finish();
}
