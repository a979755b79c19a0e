/* Regular files: offsets, appending, vectors, holes, links, names, times, modes. */
#include "check.h"
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>

static struct stat st;
static char buffer[256];

static void offsets(void)
{
    int fd = open("data", O_RDWR | O_CREAT | O_EXCL, 0640);
    CHECK(fd >= 0);
    FAILS(open("data", O_RDWR | O_CREAT | O_EXCL, 0640), EEXIST);
    CHECK(write(fd, "0123456789", 10) == 10);
    CHECK(lseek(fd, 0, SEEK_CUR) == 10);
    CHECK(lseek(fd, -4, SEEK_END) == 6);
    CHECK(read(fd, buffer, 100) == 4 && !memcmp(buffer, "6789", 4));
    CHECK(read(fd, buffer, 100) == 0);
    FAILS(lseek(fd, -1, SEEK_SET), EINVAL);
    FAILS(lseek(fd, 0, 99), EINVAL);
    CHECK(pread(fd, buffer, 3, 2) == 3 && !memcmp(buffer, "234", 3));
    CHECK(pwrite(fd, "xy", 2, 4) == 2);
    CHECK(lseek(fd, 0, SEEK_CUR) == 10);
    FAILS(pread(fd, buffer, 3, -1), EINVAL);

    int copy = dup(fd); /* shares the offset */
    CHECK(lseek(copy, 4, SEEK_SET) == 4 && lseek(fd, 0, SEEK_CUR) == 4);
    int other = open("data", O_RDONLY); /* does not */
    CHECK(lseek(other, 0, SEEK_CUR) == 0);
    FAILS(write(other, "x", 1), EBADF);
    CHECK(close(copy) == 0 && close(other) == 0);
    FAILS(close(other), EBADF);
    CHECK(close(fd) == 0);
}

static void appending(void)
{
    int fd = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644);
    CHECK(write(fd, "one", 3) == 3);
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    CHECK(write(fd, "two", 3) == 3);
    CHECK(fstat(fd, &st) == 0 && st.st_size == 6);
    FAILS(read(fd, buffer, 1), EBADF);
    CHECK(close(fd) == 0);
    fd = open("log", O_RDWR | O_TRUNC);
    CHECK(fstat(fd, &st) == 0 && st.st_size == 0);
    CHECK(close(fd) == 0);
}

static void vectors(void)
{
    int fd = open("vec", O_RDWR | O_CREAT, 0644);
    struct iovec out[3] = {{"ab", 2}, {"", 0}, {"cdef", 4}};
    CHECK(writev(fd, out, 3) == 6);
    char first[4] = "", second[8] = "";
    struct iovec in[2] = {{first, 3}, {second, 7}};
    CHECK(preadv(fd, in, 2, 0) == 6);
    CHECK(!memcmp(first, "abc", 3) && !memcmp(second, "def", 3));
    FAILS(writev(fd, out, -1), EINVAL);
    FAILS(writev(fd, out, 1025), EINVAL);
    out[1].iov_len = (size_t)-1;
    FAILS(writev(fd, out, 3), EINVAL);
    CHECK(writev(fd, out, 0) == 0);
    CHECK(close(fd) == 0);
}

static void sizes(void)
{
    int fd = open("sparse", O_RDWR | O_CREAT, 0644);
    CHECK(pwrite(fd, "end", 3, 100000) == 3);
    CHECK(fstat(fd, &st) == 0 && st.st_size == 100003 && st.st_blocks * 512 < 100003);
    CHECK(pread(fd, buffer, 8, 50000) == 8 && !memcmp(buffer, "\0\0\0\0\0\0\0\0", 8));
    CHECK(ftruncate(fd, 100001) == 0);
    CHECK(ftruncate(fd, 100003) == 0); /* what was cut off comes back as zeros */
    CHECK(pread(fd, buffer, 10, 100000) == 3 && !memcmp(buffer, "e\0\0", 3));
    FAILS(ftruncate(fd, -1), EINVAL);
    CHECK(truncate("sparse", 5) == 0 && stat("sparse", &st) == 0 && st.st_size == 5);
    CHECK(close(fd) == 0);
    FAILS(truncate("nowhere", 0), ENOENT);
}

static void names(void)
{
    CHECK(link("data", "hard") == 0);
    CHECK(stat("hard", &st) == 0 && st.st_nlink == 2);
    CHECK(symlink("data", "soft") == 0);
    CHECK(lstat("soft", &st) == 0 && S_ISLNK(st.st_mode) && st.st_size == 4);
    CHECK(readlink("soft", buffer, sizeof buffer) == 4 && !memcmp(buffer, "data", 4));
    CHECK(readlink("soft", buffer, 2) == 2);
    FAILS(readlink("data", buffer, 2), EINVAL);
    FAILS(link("data", "hard"), EEXIST);
    FAILS(open("soft", O_RDONLY | O_NOFOLLOW), ELOOP);
    CHECK(rename("hard", "moved") == 0);
    FAILS(stat("hard", &st), ENOENT);
    CHECK(rename("moved", "data") == 0); /* the same file: nothing happens */
    CHECK(stat("moved", &st) == 0 && st.st_nlink == 2);
    CHECK(unlink("moved") == 0 && unlink("soft") == 0);
    FAILS(unlink("moved"), ENOENT);
    CHECK(stat("data", &st) == 0 && st.st_nlink == 1);
}

static void life_after_unlink(void)
{
    int fd = open("ghost", O_RDWR | O_CREAT, 0600);
    CHECK(write(fd, "still here", 10) == 10);
    CHECK(unlink("ghost") == 0);
    CHECK(fstat(fd, &st) == 0 && st.st_nlink == 0);
    CHECK(pread(fd, buffer, 5, 0) == 5 && !memcmp(buffer, "still", 5));
    CHECK(close(fd) == 0);
}

static void attributes(void)
{
    mode_t old = umask(027);
    int fd = open("modes", O_RDWR | O_CREAT, 0666);
    CHECK(umask(old) == 027);
    CHECK(fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0640 && S_ISREG(st.st_mode));
    CHECK(fchmod(fd, 0751) == 0 && fstat(fd, &st) == 0 && (st.st_mode & 07777) == 0751);
    CHECK(access("modes", F_OK | R_OK) == 0);
    FAILS(access("nowhere", F_OK), ENOENT);
    FAILS(access("modes", 8), EINVAL);
    struct timespec when[2] = {{1000, 1}, {2000, 999999999}};
    CHECK(futimens(fd, when) == 0 && fstat(fd, &st) == 0);
    CHECK(st.st_atim.tv_sec == 1000 && st.st_atim.tv_nsec == 1);
    CHECK(st.st_mtim.tv_sec == 2000 && st.st_mtim.tv_nsec == 999999999);
    when[0].tv_nsec = UTIME_OMIT;
    when[1].tv_nsec = UTIME_OMIT;
    CHECK(futimens(fd, when) == 0 && fstat(fd, &st) == 0 && st.st_mtim.tv_sec == 2000);
    when[0].tv_nsec = 1000000000;
    FAILS(futimens(fd, when), EINVAL);
    CHECK(close(fd) == 0);
}

static void descriptors(void)
{
    int fd = open("data", O_RDONLY | O_CLOEXEC);
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
    CHECK(fcntl(fd, F_SETFD, 0) == 0 && fcntl(fd, F_GETFD) == 0);
    CHECK((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK));
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 100);
    CHECK(high >= 100 && fcntl(high, F_GETFD) == FD_CLOEXEC);
    CHECK(dup2(fd, 200) == 200 && fcntl(200, F_GETFD) == 0);
    CHECK(dup2(fd, fd) == fd);
    FAILS(dup3(fd, fd, 0), EINVAL);
    FAILS(dup2(999, 5), EBADF);
    FAILS(fcntl(fd, 9999), EINVAL);
    close(fd), close(high), close(200);
    int low = open("data", O_RDONLY); /* always the lowest free number */
    CHECK(low == fd);
    close(low);
}

int main(void)
{
    offsets();
    appending();
    vectors();
    sizes();
    names();
    life_after_unlink();
    attributes();
    descriptors();
    const char *made[] = {"data", "log", "vec", "sparse", "modes"};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        CHECK(unlink(made[i]) == 0);
    return finish();
}
