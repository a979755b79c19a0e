/* splice, tee, vmsplice; process_vm_readv and writev; membarrier.  See their manual pages. */
#define _GNU_SOURCE
#include "asleep.h"
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

static int a[2], b[2];

static int holds(int fd, const char *wanted)
{
    char got[200] = {0};
    int n = strlen(wanted);
    return read(fd, got, sizeof got) == n && !memcmp(got, wanted, n);
}

static void pipes(void)
{
    CHECK(pipe(a) == 0 && pipe(b) == 0);
    FAILS(splice(a[0], NULL, b[1], NULL, 10, SPLICE_F_NONBLOCK), EAGAIN);
    FAILS(tee(a[0], b[1], 10, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK(write(a[1], "hello world", 11) == 11);
    CHECK(tee(a[0], b[1], 5, 0) == 5 && holds(b[0], "hello"));
    CHECK(tee(a[0], b[1], 100, 0) == 11 && holds(b[0], "hello world"));
    CHECK(splice(a[0], NULL, b[1], NULL, 6, 0) == 6 && holds(b[0], "hello "));
    CHECK(splice(a[0], NULL, b[1], NULL, 100, 0) == 5 && holds(b[0], "world"));
    FAILS(splice(a[0], NULL, a[1], NULL, 1, 0), EINVAL);
    FAILS(tee(a[0], a[1], 1, 0), EINVAL);
    FAILS(tee(a[1], b[1], 1, 0), EBADF);
    FAILS(tee(a[0], b[1], 1, 64), EINVAL);
    FAILS(splice(a[0], NULL, b[1], NULL, 1, 64), EINVAL);
    FAILS(splice(99, NULL, b[1], NULL, 1, 0), EBADF);
    CHECK(splice(99, NULL, 99, NULL, 0, 0) == 0);
    CHECK(tee(99, 99, 0, 0) == 0);
    loff_t at = 0;
    FAILS(splice(a[0], &at, b[1], NULL, 1, 0), ESPIPE);
    FAILS(splice(a[0], NULL, b[1], &at, 1, 0), ESPIPE);
    /* a full target loses nothing */
    char *much = calloc(1, 70000);
    fcntl(b[1], F_SETFL, O_NONBLOCK);
    while (write(b[1], much, 4096) > 0)
        ;
    CHECK(write(a[1], "kept", 4) == 4);
    FAILS(splice(a[0], NULL, b[1], NULL, 4, SPLICE_F_NONBLOCK), EAGAIN);
    FAILS(tee(a[0], b[1], 4, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK(holds(a[0], "kept"));
    free(much);
    close(b[0]), close(b[1]);
    CHECK(pipe(b) == 0);
    pid_t child = fork();
    if (!child) {
        usleep(10000);
        _exit(write(a[1], "late", 4) != 4);
    }
    CHECK(splice(a[0], NULL, b[1], NULL, 10, 0) == 4 && holds(b[0], "late"));
    CHECK(waitpid(child, NULL, 0) == child);
    close(a[1]);
    CHECK(splice(a[0], NULL, b[1], NULL, 10, 0) == 0 && tee(a[0], b[1], 10, 0) == 0);
    close(a[0]);
    CHECK(pipe(a) == 0);
}

static void files(void)
{
    char name[] = "/tmp/splicing.XXXXXX";
    int f = mkstemp(name);
    loff_t at = 2;
    unlink(name);
    CHECK(write(f, "0123456789", 10) == 10);
    CHECK(splice(f, &at, a[1], NULL, 4, 0) == 4 && at == 6 && holds(a[0], "2345"));
    CHECK(lseek(f, 0, SEEK_CUR) == 10);
    lseek(f, 7, SEEK_SET);
    CHECK(splice(f, NULL, a[1], NULL, 100, 0) == 3 && holds(a[0], "789"));
    CHECK(lseek(f, 0, SEEK_CUR) == 10);
    CHECK(splice(f, NULL, a[1], NULL, 100, 0) == 0);
    CHECK(write(a[1], "abc", 3) == 3);
    at = 1;
    CHECK(splice(a[0], NULL, f, &at, 100, 0) == 3 && at == 4);
    char got[11] = {0};
    CHECK(pread(f, got, 10, 0) == 10 && !strcmp(got, "0abc456789"));
    at = -1;
    FAILS(splice(f, &at, a[1], NULL, 1, 0), EINVAL);
    int g = dup(f);
    FAILS(splice(f, NULL, g, NULL, 1, 0), EINVAL);
    fcntl(f, F_SETFL, O_APPEND);
    CHECK(write(a[1], "x", 1) == 1);
    FAILS(splice(a[0], NULL, f, NULL, 1, 0), EINVAL);
    CHECK(holds(a[0], "x"));
    FAILS(tee(f, a[1], 1, 0), EINVAL);
    close(f), close(g);
}

static void memory(void)
{
    char one[] = "one ", two[] = "two", got[8] = {0};
    struct iovec v[2] = {{one, 4}, {two, 3}};
    CHECK(vmsplice(a[1], v, 2, 0) == 7 && holds(a[0], "one two"));
    CHECK(write(a[1], "readable", 8) == 8);
    v[0] = (struct iovec){got, 4};
    CHECK(vmsplice(a[0], v, 1, 0) == 4 && !memcmp(got, "read", 4) && holds(a[0], "able"));
    FAILS(vmsplice(a[0], v, 1, SPLICE_F_NONBLOCK), EAGAIN);
    FAILS(vmsplice(a[1], v, 1, 64), EINVAL);
    FAILS(vmsplice(0, v, 1, 0), EBADF);
    FAILS(vmsplice(99, v, 1, 0), EBADF);
    CHECK(vmsplice(a[1], v, 0, 0) == 0);
    v[0].iov_base = (void *)8;
    FAILS(vmsplice(a[1], v, 1, 0), EFAULT);
}

static void others(void)
{
    static char there[10000];
    char here[10000];
    int status;
    strcpy(there, "before");
    CHECK(pipe(b) == 0);
    pid_t child = fork();
    if (!child) {
        char c;
        strcpy(there, "in the child");
        strcpy(there + 8000, "far");
        close(b[1]);
        _exit(read(b[0], &c, 1) != 1 || strcmp(there + 100, "from the parent"));
    }
    until_asleep(child);
    struct iovec local[2] = {{here, 5000}, {here + 5000, 5000}}, remote = {there, 10000};
    CHECK(process_vm_readv(child, local, 2, &remote, 1, 0) == 10000);
    CHECK(!strcmp(here, "in the child") && !strcmp(here + 8000, "far"));
    strcpy(here, "from the parent");
    local[0].iov_len = 16;
    remote = (struct iovec){there + 100, 100};
    CHECK(process_vm_writev(child, local, 1, &remote, 1, 0) == 16);
    CHECK(!strcmp(there, "before"));
    FAILS(process_vm_readv(child, local, 1, &remote, 1, 1), EINVAL);
    FAILS(process_vm_readv(99999, local, 1, &remote, 1, 0), ESRCH);
    CHECK(process_vm_readv(child, local, 0, &remote, 1, 0) == 0);
    CHECK(process_vm_readv(child, local, 1, &remote, 0, 0) == 0);
    remote = (struct iovec){(void *)4096, 10};
    FAILS(process_vm_readv(child, local, 1, &remote, 1, 0), EFAULT);
    FAILS(process_vm_readv(child, (void *)8, 1, &remote, 1, 0), EFAULT);
    /* half of it is there */
    char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(m + 4096, 4096);
    remote = (struct iovec){m, 8192};
    local[0] = (struct iovec){here, 8192};
    CHECK(process_vm_readv(getpid(), local, 1, &remote, 1, 0) == 4096);
    CHECK(write(b[1], "x", 1) == 1);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    FAILS(process_vm_readv(child, local, 1, &remote, 1, 0), ESRCH);
}

static int same(int pid, int type, long one, long other)
{
    return syscall(SYS_kcmp, getpid(), pid, type, one, other) == 0;
}

static void comparing(void)
{
    int copy = dup(1), other = open("/dev/null", O_RDONLY), me = getpid();
    CHECK(same(me, 0, 1, copy) && !same(me, 0, 1, other));
    pid_t child = fork();
    if (!child) {
        pause();
        _exit(0);
    }
    CHECK(same(child, 0, 1, copy) && !same(child, 1, 0, 0) && !same(child, 2, 0, 0));
    CHECK(same(me, 1, 0, 0) && same(me, 2, 0, 0) && same(me, 3, 0, 0) && same(me, 4, 0, 0));
    FAILS(syscall(SYS_kcmp, me, child, 0, 1, 99), EBADF);
    FAILS(syscall(SYS_kcmp, me, child, 99, 1, 1), EINVAL);
    kill(child, SIGKILL);
    CHECK(waitpid(child, NULL, 0) == child);
    FAILS(syscall(SYS_kcmp, me, child, 0, 1, 1), ESRCH);
    close(copy), close(other);
}

static int barrier(int command, int flags) { return syscall(SYS_membarrier, command, flags, 0); }

static void barriers(void)
{
    int known = barrier(0, 0);
    CHECK(known > 0 && known & 1 && known & 8 && known & 16);
    FAILS(barrier(0, 1), EINVAL);
    FAILS(barrier(3, 0), EINVAL);
    FAILS(barrier(1 << 30, 0), EINVAL);
    FAILS(barrier(8, 0), EPERM); /* not registered */
    CHECK(barrier(16, 0) == 0 && barrier(8, 0) == 0);
    FAILS(barrier(32, 0), EPERM);
    CHECK(barrier(64, 0) == 0 && barrier(32, 0) == 0);
    CHECK(barrier(4, 0) == 0 && barrier(2, 0) == 0);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    pipes();
    files();
    memory();
    others();
    comparing();
    barriers();
    return finish();
}
