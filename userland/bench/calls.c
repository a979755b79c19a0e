/* calls NAME COUNT: do one operation COUNT times, print the nanoseconds of CPU and wall time each.
 *
 * The operations of the design's budgets; benchmarks/machine.py runs them.  CPU time is the
 * machine's own, so it is measured outside; here only the wall clock is read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define BIG (64 << 20)

static void must(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static char *map(size_t size)
{
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(p != MAP_FAILED, "mmap");
    return p;
}

static void nothing(long n) { (void)n; }

static void getpids(long n)
{
    while (n--)
        syscall(SYS_getpid);
}

static void one_page(long n)
{
    while (n--)
        must(munmap(map(PAGE), PAGE) == 0, "munmap");
}

static void faults(long n)
{
    while (n--) {
        char *p = map(16 * PAGE);
        for (int i = 0; i < 16; i++)
            p[i * PAGE] = 1;
        must(munmap(p, 16 * PAGE) == 0, "munmap");
    }
}

static void unmap_beside_big(long n)
{
    memset(map(BIG), 1, BIG);
    one_page(n);
}

static void forks(long n)
{
    while (n--) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        must(waitpid(child, NULL, 0) == child, "waitpid");
    }
}

static void big_forks(long n)
{
    memset(map(BIG), 1, BIG);
    forks(n);
}

static void execs(long n)
{
    while (n--) {
        pid_t child = fork();
        if (child == 0) {
            execl("/proc/self/exe", "calls", "nothing", "0", (char *)NULL);
            _exit(1);
        }
        int status;
        must(waitpid(child, &status, 0) == child && status == 0, "exec");
    }
}

static void transfers(long n)
{
    static char block[65536];
    int zero = open("/dev/zero", O_RDONLY), file = open("/tmp/bench", O_RDWR | O_CREAT, 0600);
    must(zero >= 0 && file >= 0, "open");
    while (n--) {
        must(read(zero, block, sizeof block) == sizeof block, "read");
        must(pwrite(file, block, sizeof block, 0) == sizeof block, "write");
    }
}

static int ends[4];

static void pipes(long n)
{
    char byte = 0;
    must(pipe(ends) == 0 && pipe(ends + 2) == 0, "pipe");
    pid_t child = fork();
    if (child == 0) {
        while (n-- && read(ends[0], &byte, 1) == 1)
            must(write(ends[3], &byte, 1) == 1, "write");
        _exit(0);
    }
    for (long i = 0; i < n; i++)
        must(write(ends[1], &byte, 1) == 1 && read(ends[2], &byte, 1) == 1, "round trip");
    waitpid(child, NULL, 0);
}

static int turn;

static void hand_over(int mine)
{
    while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != mine)
        syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, !mine, NULL, NULL, 0);
    __atomic_store_n(&turn, !mine, __ATOMIC_RELEASE);
    syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *other_side(void *count)
{
    for (long i = (long)count; i; i--)
        hand_over(1);
    return NULL;
}

static void futexes(long n)
{
    pthread_t other;
    must(pthread_create(&other, NULL, other_side, (void *)n) == 0, "pthread_create");
    for (long i = 0; i < n; i++)
        hand_over(0);
    pthread_join(other, NULL);
}

static const struct {
    const char *name;
    void (*run)(long);
} OPERATIONS[] = {
    {"nothing", nothing}, {"getpid", getpids}, {"one_page", one_page}, {"faults", faults},
    {"unmap_beside_big", unmap_beside_big}, {"fork", forks}, {"big_fork", big_forks},
    {"exec", execs}, {"transfer", transfers}, {"pipe", pipes}, {"futex", futexes},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 3 && i < sizeof OPERATIONS / sizeof *OPERATIONS; i++)
        if (strcmp(argv[1], OPERATIONS[i].name) == 0) {
            OPERATIONS[i].run(atol(argv[2]));
            return 0;
        }
    fprintf(stderr, "usage: calls NAME COUNT\n");
    return 2;
}
