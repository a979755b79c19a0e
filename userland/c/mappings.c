/* The memory calls to the letter: placement, errors in Linux's order, sharing, the stack. */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PAGE 4096L
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define FIXED_NOREPLACE 0x100000
#define SHARED_VALIDATE 3
#define DONTUNMAP 4

static sigjmp_buf back;
static volatile int caught, code;

static void handler(int signo, siginfo_t *info, void *context)
{
    (void)context;
    caught = signo, code = info->si_code;
    siglongjmp(back, 1);
}

static int touch(volatile char *at, int writing)
{
    caught = code = 0;
    if (sigsetjmp(back, 1) == 0) {
        if (writing)
            *at = 1;
        else
            (void)*at;
    }
    return caught;
}

static long raw_mmap(unsigned long at, unsigned long size, long prot, long flags, int fd, long off)
{
    return syscall(SYS_mmap, at, size, prot, flags, fd, off);
}

static char *anonymous(long pages)
{
    return mmap(NULL, pages * PAGE, RW, ANON, -1, 0);
}

static void placement(void)
{
    char *hint = (char *)0x20000000L;
    char *p = mmap(hint, 4 * PAGE, RW, ANON, -1, 0);
    CHECK(p == hint);
    CHECK(mmap(hint + 4 * PAGE + 77, PAGE, RW, ANON, -1, 0) == hint + 4 * PAGE); /* rounded down */
    CHECK(mmap(hint, PAGE, RW, ANON, -1, 0) != hint);                              /* taken */
    FAILS(raw_mmap((long)hint, PAGE, RW, ANON | FIXED_NOREPLACE, -1, 0), EEXIST);
    FAILS(raw_mmap((long)hint - PAGE, 2 * PAGE, RW, ANON | FIXED_NOREPLACE, -1, 0), EEXIST);
    CHECK(raw_mmap((long)hint - PAGE, PAGE, RW, ANON | FIXED_NOREPLACE, -1, 0) == (long)hint - PAGE);
    FAILS(raw_mmap((long)hint + 1, PAGE, RW, ANON | MAP_FIXED, -1, 0), EINVAL);
    FAILS(raw_mmap(0x7ffffffff000, PAGE, RW, ANON | MAP_FIXED, -1, 0), ENOMEM);
    FAILS(raw_mmap(0, 1UL << 47, PROT_NONE, ANON | MAP_NORESERVE, -1, 0), ENOMEM);
    FAILS(raw_mmap(0, -1UL, RW, ANON, -1, 0), ENOMEM);
    FAILS(raw_mmap(0, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0), EINVAL);
    FAILS(raw_mmap(0, PAGE, RW, SHARED_VALIDATE | MAP_ANONYMOUS, -1, 0), EINVAL);
    p[0] = 'o';
    CHECK(mmap(p + PAGE, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0) == p + PAGE && p[0] == 'o');
    CHECK(munmap(hint - PAGE, 6 * PAGE) == 0);
    /* A freed hole is used again before anything lower. */
    char *a = anonymous(2), *b = anonymous(2), *c = anonymous(2);
    CHECK(b == a - 2 * PAGE && c == b - 2 * PAGE);
    munmap(b, 2 * PAGE);
    CHECK(anonymous(2) == b);
    munmap(c, 6 * PAGE);
    FAILS(syscall(SYS_munmap, a, 0), EINVAL);
    FAILS(syscall(SYS_munmap, a + 1, PAGE), EINVAL);
    FAILS(syscall(SYS_munmap, a, -1L), EINVAL);
}

static void descriptors(void)
{
    int fd = open("mappings", O_RDWR | O_CREAT | O_TRUNC, 0600);
    char bytes[2 * PAGE];
    memset(bytes, 'f', sizeof bytes);
    CHECK(write(fd, bytes, sizeof bytes) == sizeof bytes);
    FAILS(raw_mmap(0, PAGE, RW, MAP_PRIVATE, 99, 0), EBADF);
    FAILS(raw_mmap(0, 0, RW, MAP_PRIVATE, 99, 0), EBADF);
    FAILS(raw_mmap(0, 0, RW, MAP_PRIVATE, 99, 1), EINVAL);
    FAILS(raw_mmap(0, PAGE, RW, 0, fd, 0), EINVAL);
    FAILS(raw_mmap(0, PAGE, RW, SHARED_VALIDATE | 0x4000000000, fd, 0), EOPNOTSUPP);
    FAILS(raw_mmap(0, PAGE, RW, MAP_PRIVATE, fd, 0x7ffffffffffff000), EOVERFLOW);
    int path = open("mappings", O_PATH);
    FAILS(raw_mmap(0, PAGE, PROT_READ, MAP_PRIVATE, path, 0), EBADF);
    close(path);
    int directory = open(".", O_RDONLY);
    FAILS(raw_mmap(0, PAGE, PROT_READ, MAP_PRIVATE, directory, 0), ENODEV);
    close(directory);
    int pipes[2];
    CHECK(pipe(pipes) == 0);
    FAILS(raw_mmap(0, PAGE, PROT_READ, MAP_PRIVATE, pipes[0], 0), ENODEV);
    char *shared = mmap(NULL, 2 * PAGE, RW, SHARED_VALIDATE, fd, 0);
    close(fd); /* the mapping stays */
    CHECK(shared != MAP_FAILED && shared[2 * PAGE - 1] == 'f');
    shared[5] = 'M';
    CHECK(write(pipes[1], shared, 6) == 6 && read(pipes[0], bytes, 6) == 6 && bytes[5] == 'M');
    CHECK(munmap(shared, PAGE) == 0 && shared[PAGE] == 'f');
    fd = open("mappings", O_RDWR);
    CHECK(pread(fd, bytes, 1, 5) == 1 && bytes[0] == 'M');
    /* A file that grows is seen through pages mapped before. */
    char *wide = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(touch(wide + 2 * PAGE, 0) == SIGBUS && code == BUS_ADRERR);
    CHECK(ftruncate(fd, 3 * PAGE) == 0 && wide[2 * PAGE] == 0);
    CHECK(pwrite(fd, "grown", 5, 2 * PAGE) == 5 && !memcmp(wide + 2 * PAGE, "grown", 5));
    FAILS(syscall(SYS_mprotect, wide, PAGE, PROT_READ | 0x770), EINVAL);
    CHECK(mprotect(wide, PAGE, RW) == 0);
    CHECK(unlink("mappings") == 0 && wide[0] == 'f');
    wide[0] = 'g';
    CHECK(pread(fd, bytes, 1, 0) == 1 && bytes[0] == 'g');
    /* A write into an unreadable place, a read from one. */
    FAILS(write(fd, wide + 3 * PAGE, 10), EFAULT);
    FAILS(pread(fd, wide + PAGE, 10, 0), EFAULT);
    CHECK(munmap(wide, 4 * PAGE) == 0);
    close(fd), close(pipes[0]), close(pipes[1]);
}

static void sharing(void)
{
    int zero = open("/dev/zero", O_RDWR);
    char *shared = mmap(NULL, 2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *device = mmap(NULL, PAGE, RW, MAP_SHARED, zero, 0);
    char *private = mmap(NULL, PAGE, RW, MAP_PRIVATE, zero, 0);
    char *wiped = anonymous(1), *left_out = anonymous(1);
    private[0] = wiped[0] = left_out[0] = 'p';
    CHECK(madvise(wiped, PAGE, MADV_WIPEONFORK) == 0);
    CHECK(madvise(left_out, PAGE, MADV_DONTFORK) == 0);
    FAILS(madvise(shared, PAGE, MADV_WIPEONFORK), EINVAL);
    pid_t child = fork();
    if (child == 0) {
        failures = 0;
        CHECK(wiped[0] == 0 && private[0] == 'p' && touch(left_out, 0) == SIGSEGV);
        shared[PAGE] = device[0] = 'c';
        private[0] = 'c';
        fflush(stdout);
        _exit(failures);
    }
    int status;
    waitpid(child, &status, 0);
    CHECK(status == 0);
    CHECK(shared[PAGE] == 'c' && device[0] == 'c' && private[0] == 'p' && wiped[0] == 'p');
    /* mremap with an old size of 0 makes a second view of shared memory. */
    char *twin = (char *)syscall(SYS_mremap, shared, 0, 2 * PAGE, MREMAP_MAYMOVE, 0);
    CHECK(twin != shared && twin[PAGE] == 'c');
    twin[PAGE] = 't';
    CHECK(shared[PAGE] == 't');
    FAILS(syscall(SYS_mremap, private, 0, PAGE, MREMAP_MAYMOVE, 0), EINVAL);
    /* Read-only when forked, writable later: still private. */
    char *later = anonymous(1);
    later[0] = 'a';
    CHECK(mprotect(later, PAGE, PROT_READ) == 0);
    child = fork();
    if (child == 0) {
        mprotect(later, PAGE, RW);
        later[0] = 'b';
        _exit(0);
    }
    waitpid(child, NULL, 0);
    CHECK(later[0] == 'a');
    close(zero);
    munmap(shared, 2 * PAGE), munmap(twin, 2 * PAGE), munmap(device, PAGE), munmap(private, PAGE);
    munmap(wiped, PAGE), munmap(left_out, PAGE), munmap(later, PAGE);
}

static void remapping(void)
{
    char *p = mmap((void *)0x30000000L, 4 * PAGE, RW, ANON, -1, 0);
    char *to = (char *)0x38000000L;
    memset(p, 'r', 4 * PAGE);
    FAILS(syscall(SYS_mremap, p, PAGE, PAGE, 64, 0), EINVAL);
    FAILS(syscall(SYS_mremap, p, PAGE, PAGE, MREMAP_FIXED, to), EINVAL);
    FAILS(syscall(SYS_mremap, p + 1, PAGE, PAGE, 0, 0), EINVAL);
    FAILS(syscall(SYS_mremap, p, PAGE, 0, 0, 0), EINVAL);
    FAILS(syscall(SYS_mremap, p, 5 * PAGE, 6 * PAGE, MREMAP_MAYMOVE, 0), EFAULT);
    FAILS(syscall(SYS_mremap, p + 4 * PAGE, PAGE, PAGE, 0, 0), EFAULT);
    FAILS(syscall(SYS_mremap, p, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, p), EINVAL);
    FAILS(syscall(SYS_mremap, p, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, to + 1), EINVAL);
    FAILS(syscall(SYS_mremap, p, PAGE, 2 * PAGE, DONTUNMAP | MREMAP_MAYMOVE, 0), EINVAL);
    FAILS(syscall(SYS_mremap, p, PAGE, 2 * PAGE, 0, 0), ENOMEM); /* its neighbour is itself */
    CHECK(syscall(SYS_mremap, p + PAGE, PAGE, PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, to) == (long)to);
    CHECK(to[0] == 'r' && touch(p + PAGE, 0) == SIGSEGV && p[2 * PAGE] == 'r');
    CHECK(syscall(SYS_mremap, p, PAGE, 2 * PAGE, 0, 0) == (long)p && p[PAGE] == 0);
    long moved = syscall(SYS_mremap, to, PAGE, PAGE, DONTUNMAP | MREMAP_MAYMOVE, 0);
    CHECK(moved > 0 && *(char *)moved == 'r' && to[0] == 0);
    munmap(p, 4 * PAGE), munmap(to, PAGE), munmap((void *)moved, PAGE);
}

static void advice(void)
{
    char *p = anonymous(4);
    memset(p, 'a', 4 * PAGE);
    munmap(p + PAGE, PAGE);
    FAILS(madvise(p, 4 * PAGE, MADV_DONTNEED), ENOMEM); /* and yet done */
    CHECK(p[0] == 0 && p[2 * PAGE] == 0);
    FAILS(madvise(p, -1L, MADV_NORMAL), EINVAL);
    FAILS(madvise(p, -1L, 12345), EINVAL);
    CHECK(madvise(p + 7 * PAGE, 0, MADV_NORMAL) == 0);
    unsigned char vec[4] = {9, 9, 9, 9};
    CHECK(mincore(p + 2 * PAGE, 2 * PAGE, vec) == 0 && (vec[0] & 1) && vec[2] == 9);
    FAILS(mincore(p, 4 * PAGE, vec), ENOMEM);
    FAILS(mincore(p + 1, PAGE, vec), EINVAL);
    FAILS(msync(p, 4 * PAGE, MS_SYNC), ENOMEM);
    FAILS(msync(p, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
    FAILS(msync(p, PAGE, 64), EINVAL);
    CHECK(mlock(p + 2 * PAGE, 2 * PAGE) == 0);
    FAILS(madvise(p + 2 * PAGE, PAGE, MADV_DONTNEED), EINVAL);
    FAILS(msync(p + 2 * PAGE, PAGE, MS_INVALIDATE), EBUSY);
    FAILS(mlock(p, 3 * PAGE), ENOMEM);
    CHECK(munlock(p + 2 * PAGE, 2 * PAGE) == 0);
    CHECK(madvise(p + 2 * PAGE, PAGE, MADV_DONTNEED) == 0);
    FAILS(mlockall(0), EINVAL);
    FAILS(syscall(SYS_mprotect, p, 1UL << 63, PROT_READ), ENOMEM);
    FAILS(mprotect(p, 3 * PAGE, PROT_READ), ENOMEM);
    CHECK(touch(p, 1) == SIGSEGV && code == SEGV_ACCERR && touch(p + 2 * PAGE, 1) == 0);
    munmap(p, 4 * PAGE);
}

/* optnone: the compiler would make a loop of it. */
__attribute__((noinline, optnone)) static int deep(int n)
{
    volatile char page[PAGE];
    page[0] = (char)n;
    return n ? deep(n - 1) + page[0] : 0;
}

/* The stack grows to its limit; one page more is SIGSEGV, on the alternate stack. */
static void stack(void)
{
    static char alternate[64 * 1024];
    stack_t own = {.ss_sp = alternate, .ss_size = sizeof alternate};
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
    limit.rlim_cur = 1 << 20;
    CHECK(setrlimit(RLIMIT_STACK, &limit) == 0);
    CHECK(sigaltstack(&own, NULL) == 0);
    deep(200); /* 800 KiB */
    caught = 0;
    if (sigsetjmp(back, 1) == 0)
        deep(400);
    CHECK(caught == SIGSEGV && code == SEGV_MAPERR);
    deep(200);
}

static void limits(void)
{
    struct rlimit old, now;
    getrlimit(RLIMIT_AS, &old);
    now = old;
    now.rlim_cur = 64 << 20;
    CHECK(setrlimit(RLIMIT_AS, &now) == 0);
    FAILS(raw_mmap(0, 64 << 20, PROT_NONE, ANON | MAP_NORESERVE, -1, 0), ENOMEM);
    setrlimit(RLIMIT_AS, &old);
    getrlimit(RLIMIT_DATA, &old);
    now = old;
    now.rlim_cur = 16 << 20;
    CHECK(setrlimit(RLIMIT_DATA, &now) == 0);
    FAILS(raw_mmap(0, 16 << 20, RW, ANON, -1, 0), ENOMEM);
    long at = raw_mmap(0, 16 << 20, PROT_READ, ANON, -1, 0);
    CHECK(at > 0);
    FAILS(syscall(SYS_mprotect, at, 16 << 20, RW), ENOMEM);
    CHECK(munmap((void *)at, 16 << 20) == 0);
    setrlimit(RLIMIT_DATA, &old);
    long end = syscall(SYS_brk, 0);
    CHECK(syscall(SYS_brk, end + 5 * PAGE) == end + 5 * PAGE);
    *(char *)(end + 4 * PAGE) = 'h';
    CHECK(syscall(SYS_brk, end) == end);
    CHECK(syscall(SYS_brk, end + 5 * PAGE) == end + 5 * PAGE && *(char *)(end + 4 * PAGE) == 0);
    CHECK(syscall(SYS_brk, 1) == end + 5 * PAGE);
    CHECK(syscall(SYS_brk, end) == end);
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    placement();
    descriptors();
    sharing();
    remapping();
    advice();
    limits();
    stack();
    return finish();
}
