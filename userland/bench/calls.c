/* calls NAME COUNT: do one operation COUNT times.
 *
 * The operations of the design's budgets and what programs do most; benchmarks/machine.py runs them
 * and measures from outside.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
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
    int zero = open("/dev/zero", O_RDONLY), file = memfd_create("bench", 0);
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

static void *ends_at_once(void *argument) { return argument; }

static void threads(long n)
{
    while (n--) {
        pthread_t thread;
        must(pthread_create(&thread, NULL, ends_at_once, NULL) == 0, "pthread_create");
        pthread_join(thread, NULL);
    }
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void pass_on(int mine)
{
    pthread_mutex_lock(&lock);
    while (turn != mine)
        pthread_cond_wait(&changed, &lock);
    turn = !mine;
    pthread_cond_signal(&changed);
    pthread_mutex_unlock(&lock);
}

static void *passes_back(void *count)
{
    for (long i = (long)count; i; i--)
        pass_on(1);
    return NULL;
}

static void conditions(long n)
{
    pthread_t other;
    must(pthread_create(&other, NULL, passes_back, (void *)n) == 0, "pthread_create");
    for (long i = 0; i < n; i++)
        pass_on(0);
    pthread_join(other, NULL);
}

/* A byte there and back through one stream whose two ends are here and in a child. */
static void round_trips(int here, int there, long n)
{
    char byte = 0;
    pid_t child = fork();
    if (child == 0) {
        while (n-- && read(there, &byte, 1) == 1)
            must(write(there, &byte, 1) == 1, "write");
        _exit(0);
    }
    for (long i = 0; i < n; i++)
        must(write(here, &byte, 1) == 1 && read(here, &byte, 1) == 1, "round trip");
    waitpid(child, NULL, 0);
}

static void socketpairs(long n)
{
    int pair[2];
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
    round_trips(pair[0], pair[1], n);
}

static void tcp(long n)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), here = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    must(bind(listener, (void *)&address, size) == 0 && listen(listener, 1) == 0, "listen");
    must(getsockname(listener, (void *)&address, &size) == 0, "getsockname");
    must(connect(here, (void *)&address, size) == 0, "connect");
    int there = accept(listener, NULL, NULL);
    must(there >= 0, "accept");
    setsockopt(here, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(there, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    round_trips(here, there, n);
}

static void epolls(long n)
{
    int fds[64], all = epoll_create1(0);
    for (int i = 0; i < 64; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = i};
        fds[i] = eventfd(0, 0);
        must(epoll_ctl(all, EPOLL_CTL_ADD, fds[i], &event) == 0, "epoll_ctl");
    }
    while (n--) {
        eventfd_t value = 1;
        struct epoll_event event;
        must(write(fds[n & 63], &value, 8) == 8, "write");
        must(epoll_wait(all, &event, 1, -1) == 1 && event.data.fd == (int)(n & 63), "epoll_wait");
        must(read(fds[n & 63], &value, 8) == 8, "read");
    }
}

static void caught(int signo) { (void)signo; }

static void signals(long n)
{
    signal(SIGUSR1, caught);
    for (pid_t self = getpid(); n--;)
        kill(self, SIGUSR1);
}

static void clocks(long n)
{
    struct timespec time;
    while (n--)
        clock_gettime(CLOCK_MONOTONIC, &time);
}

static char small[] = "/tmp/calls-XXXXXX";

static void make_small(void)
{
    int file = mkstemp(small);
    must(file >= 0 && write(file, "some words\n", 11) == 11 && close(file) == 0, small);
}

static void small_files(long n)
{
    make_small();
    while (n--) {
        char text[64];
        struct stat status;
        int file = open(small, O_RDONLY);
        must(file >= 0 && fstat(file, &status) == 0, "open, fstat");
        must(read(file, text, sizeof text) == 11 && close(file) == 0, "read, close");
    }
    unlink(small);
}

static void stats(long n)
{
    make_small();
    while (n--) {
        struct stat status;
        must(stat(small, &status) == 0, "stat");
    }
    unlink(small);
}

static void pipe_bytes(long n)
{
    char byte = 'x';
    must(pipe(ends) == 0, "pipe");
    while (n--)
        must(write(ends[1], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1, "write, read");
}

static void futex_wakes(long n)
{
    while (n--)
        syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void clock_calls(long n)
{
    struct timespec time;
    while (n--)
        syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &time);
}

static void masks(long n)
{
    sigset_t some;
    sigemptyset(&some);
    sigaddset(&some, SIGUSR1);
    while (n--)
        must(sigprocmask(n & 1 ? SIG_BLOCK : SIG_UNBLOCK, &some, NULL) == 0, "sigprocmask");
}

static const struct {
    const char *name;
    void (*run)(long);
} OPERATIONS[] = {
    {"nothing", nothing}, {"getpid", getpids}, {"one_page", one_page}, {"faults", faults},
    {"unmap_beside_big", unmap_beside_big}, {"fork", forks}, {"big_fork", big_forks},
    {"exec", execs}, {"transfer", transfers}, {"pipe", pipes}, {"futex", futexes},
    {"thread", threads}, {"condition", conditions}, {"socketpair", socketpairs}, {"tcp", tcp},
    {"epoll", epolls}, {"signal", signals}, {"clock", clocks}, {"small_file", small_files},
    {"stat", stats}, {"pipe_byte", pipe_bytes}, {"futex_wake", futex_wakes},
    {"clock_call", clock_calls}, {"mask", masks},
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
