/* mmap in its kinds, real protection, holes, growing, file mappings, brk. */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PAGE 4096
static sigjmp_buf back;
static volatile int caught, code;
static void *volatile where;

static void handler(int signo, siginfo_t *info, void *context)
{
    (void)context;
    caught = signo, code = info->si_code, where = info->si_addr;
    siglongjmp(back, 1);
}

/* Touch a byte; returns the signal that came of it, or 0. */
static int touch(volatile char *at, int writing)
{
    caught = 0;
    if (sigsetjmp(back, 1) == 0) {
        if (writing)
            *at = 1;
        else
            (void)*at;
    }
    return caught;
}

static void anonymous(void)
{
    char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED && (uintptr_t)p % PAGE == 0);
    for (int i = 0; i < 4 * PAGE; i++)
        if (p[i])
            failures++;
    memset(p, 'x', 4 * PAGE);
    CHECK(munmap(p + PAGE, PAGE) == 0); /* a hole */
    CHECK(touch(p, 0) == 0 && touch(p + 2 * PAGE, 1) == 0);
    CHECK(touch(p + PAGE + 5, 0) == SIGSEGV && code == SEGV_MAPERR && where == p + PAGE + 5);
    char *q = mmap(p + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    CHECK(q == p + PAGE && *q == 0 && p[PAGE - 1] == 'x' && p[2 * PAGE + 1] == 'x');
    CHECK(touch(q, 1) == SIGSEGV && code == SEGV_ACCERR && where == q);
    CHECK(munmap(p, 4 * PAGE) == 0);
    CHECK(munmap(p, 4 * PAGE) == 0); /* nothing there: fine */
    FAILS(munmap(p + 1, PAGE), EINVAL);
    FAILS(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EINVAL);
    FAILS(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
    FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0), EBADF);
}

static void protection(void)
{
    char *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    p[PAGE] = 5;
    CHECK(mprotect(p + PAGE, PAGE, PROT_NONE) == 0);
    CHECK(touch(p + PAGE, 0) == SIGSEGV && code == SEGV_ACCERR);
    CHECK(mprotect(p + PAGE, PAGE, PROT_READ) == 0);
    CHECK(touch(p + PAGE, 0) == 0 && p[PAGE] == 5);
    CHECK(touch(p + PAGE, 1) == SIGSEGV);
    CHECK(mprotect(p + PAGE, PAGE, PROT_READ | PROT_WRITE) == 0 && touch(p + PAGE, 1) == 0);
    FAILS(syscall(SYS_mprotect, p + 1, PAGE, PROT_READ), EINVAL); /* musl would round */
    CHECK(munmap(p + PAGE, PAGE) == 0);
    FAILS(mprotect(p, 3 * PAGE, PROT_READ), ENOMEM);
    munmap(p, 3 * PAGE);
}

static void growing(void)
{
    char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    strcpy(p, "kept");
    char *q = mremap(p, 2 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED && !strcmp(q, "kept") && q[63 * PAGE] == 0);
    q[PAGE] = 'b';
    CHECK(mremap(q, 64 * PAGE, PAGE, 0) == q);
    CHECK(touch(q + PAGE, 0) == SIGSEGV);
    CHECK(munmap(q, PAGE) == 0);
    FAILS(mremap(q, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
}

static void advice(void)
{
    char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(p, 'x', 2 * PAGE);
    CHECK(madvise(p, PAGE, MADV_DONTNEED) == 0);
    CHECK(p[0] == 0 && p[PAGE] == 'x');
    FAILS(madvise(p + 1, PAGE, MADV_DONTNEED), EINVAL);
    FAILS(madvise(p, PAGE, 9999), EINVAL);
    munmap(p, 2 * PAGE);
}

static void files(void)
{
    int fd = open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600);
    char bytes[PAGE + 100];
    memset(bytes, 'f', sizeof bytes);
    CHECK(write(fd, bytes, sizeof bytes) == sizeof bytes);
    char *shared = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *private = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(shared[PAGE] == 'f' && shared[PAGE + 100] == 0); /* zeros behind the end */
    shared[0] = 's';
    CHECK(private[0] == 's');
    private[1] = 'p';
    CHECK(shared[1] == 'f');
    char c;
    CHECK(pread(fd, &c, 1, 0) == 1 && c == 's');
    CHECK(pwrite(fd, "w", 1, 2) == 1 && shared[2] == 'w');
    CHECK(touch(shared + 2 * PAGE, 0) == SIGBUS && code == BUS_ADRERR);
    CHECK(ftruncate(fd, PAGE) == 0);
    CHECK(touch(shared + PAGE, 0) == SIGBUS);
    CHECK(msync(shared, PAGE, MS_SYNC) == 0);
    FAILS(msync(shared + 1, PAGE, MS_SYNC), EINVAL);
    pid_t child = fork();
    if (child == 0) {
        shared[3] = 'c', private[3] = 'c';
        _exit(0);
    }
    waitpid(child, NULL, 0);
    CHECK(shared[3] == 'c' && private[3] != 'c');
    CHECK(munmap(shared, 3 * PAGE) == 0 && munmap(private, 3 * PAGE) == 0);
    CHECK(pread(fd, &c, 1, 3) == 1 && c == 'c');
    close(fd);
    fd = open("mapped", O_RDONLY);
    FAILS(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
    FAILS(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 100), EINVAL);
    CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) != MAP_FAILED);
    close(fd);
    fd = open("mapped", O_WRONLY);
    FAILS(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0), EACCES);
    close(fd);
    CHECK(unlink("mapped") == 0);
}

static void heap(void)
{
    char *start = sbrk(0);
    CHECK(start != (void *)-1);
    char *blocks[64];
    for (int i = 0; i < 64; i++) {
        blocks[i] = malloc(20000);
        memset(blocks[i], i, 20000);
    }
    for (int i = 0; i < 64; i++) {
        CHECK(blocks[i][19999] == i);
        free(blocks[i]);
    }
}

static int deep(int n)
{
    volatile char frame[1000];
    memset((char *)frame, n, sizeof frame);
    return n ? deep(n - 1) + frame[n % 1000] * 0 : frame[0];
}

static void stack(void)
{
    CHECK(deep(3000) == 0); /* 3 MiB: the stack grows */
    char *local = (char *)&local;
    CHECK(touch(local - (64 << 20), 0) == SIGSEGV);
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0 && sigaction(SIGBUS, &action, NULL) == 0);
    anonymous();
    protection();
    growing();
    advice();
    files();
    heap();
    stack();
    return finish();
}
