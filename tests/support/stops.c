/* What the debugger's core is tried on.  The first argument says what to do; it exits with 0 if all
 * was as it is without a debugger, unless it says so. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HERE __attribute__((noinline, used))

volatile int counter;
volatile long handled;
char buffer[64];
int fds[2];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

HERE int square(int n)
{
    counter += n;
    return n * n;
}

HERE int marker(void) { return counter; }

static int loop(void)
{
    int total = 0;
    for (int n = 0; n < 5; n++)
        total += square(n);
    marker();
    return total == 30 ? 0 : 1;
}

/* ---- signals ---- */

static void on_signal(int number)
{
    handled = handled * 100 + number;
}

static int signals(void)
{
    signal(SIGUSR1, on_signal);
    signal(SIGUSR2, SIG_IGN);
    raise(SIGUSR1);
    marker();
    raise(SIGUSR2);
    raise(SIGWINCH);
    printf("%ld\n", handled);
    return 0;
}

static int deadly(void)
{
    raise(SIGTERM);
    puts("survived");
    return 0;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    handled = number;
    mprotect((void *)((uintptr_t)info->si_addr & ~4095ul), 4096, PROT_READ | PROT_WRITE);
}

static int fault(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, 0);
    volatile int *page = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page[3] = 5;
    return handled == SIGSEGV && page[3] == 5 ? 0 : 1;
}

/* The program's own breakpoint instruction, and its handler. */
static void on_trap(int number, siginfo_t *info, void *context)
{
    (void)info;
    ucontext_t *state = context;
    handled = number;
#ifdef __aarch64__
    state->uc_mcontext.pc += 4;
#else
    if (state->uc_mcontext.gregs[REG_EFL] & 0x100)
        _exit(9);
#endif
}

HERE int own_trap(void)
{
#ifdef __aarch64__
    __asm__ volatile("brk 0");
#else
    __asm__ volatile("int3");
#endif
    return handled == SIGTRAP ? 0 : 1;
}

static int trap(void)
{
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    sigaction(SIGTRAP, &action, 0);
    return own_trap();
}

/* ---- processes ---- */

static int children(void)
{
    int status;
    pid_t child = fork();
    if (!child)
        _exit(square(7) == 49 ? 3 : 4);
    waitpid(child, &status, 0);
    if (status != 3 << 8)
        return 1;
    child = vfork();
    if (!child) {
        square(2);
        _exit(5);
    }
    waitpid(child, &status, 0);
    return status == 5 << 8 ? 0 : 2;
}

static int executes(void)
{
    execl("/proc/self/exe", "stops", "loop", (char *)0);
    return 1;
}

static void *work(void *argument)
{
    for (int n = 0; n < 3; n++) {
        pthread_mutex_lock(&lock); /* counter is not atomic */
        square((int)(long)argument);
        pthread_mutex_unlock(&lock);
        sched_yield();
    }
    return 0;
}

static int threads(void)
{
    pthread_t some[3];
    for (long n = 0; n < 3; n++)
        pthread_create(&some[n], 0, work, (void *)(n + 1));
    for (int n = 0; n < 3; n++)
        pthread_join(some[n], 0);
    return counter == 3 * (1 + 2 + 3) ? 0 : 1;
}

/* Two threads; one writes into a pipe when the other has been seen to wait. */
static void *reads(void *argument)
{
    (void)argument;
    handled = read(fds[0], buffer, 5);
    return 0;
}

static int asleep(void)
{
    pthread_t reader;
    if (pipe(fds))
        return 1;
    pthread_create(&reader, 0, reads, 0);
    struct timespec moment = {0, 20000000};
    nanosleep(&moment, 0);
    marker();
    if (write(fds[1], "hello", 5) != 5)
        return 2;
    pthread_join(reader, 0);
    return handled == 5 && !memcmp(buffer, "hello", 5) ? 0 : 3;
}

/* ---- what the program may not see ---- */

static int same_as_file(const char *what, const unsigned char *shown, const Elf64_Phdr *segment)
{
    static unsigned char file[1 << 20];
    int fd = open("/proc/self/exe", O_RDONLY);
    ssize_t got = pread(fd, file, segment->p_filesz, (off_t)segment->p_offset);
    close(fd);
    if (got != (ssize_t)segment->p_filesz || memcmp(file, shown, segment->p_filesz)) {
        printf("%s shows something else\n", what);
        return 1;
    }
    return 0;
}

static const Elf64_Phdr *text(void)
{
    const Elf64_Phdr *segment = (void *)getauxval(AT_PHDR);
    while (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X))
        segment++;
    return segment;
}

/* Its own text by loads, by files, by calls; from itself and from a child. */
static int looks(void)
{
    static unsigned char copy[1 << 20];
    const Elf64_Phdr *segment = text();
    unsigned char *code = (unsigned char *)segment->p_vaddr;
    size_t size = segment->p_filesz;
    int bad = same_as_file("a load", code, segment);
    int fd = open("/proc/self/mem", O_RDONLY);
    memset(copy, 0, sizeof copy);
    if (pread(fd, copy, size, (off_t)(uintptr_t)code) == (ssize_t)size)
        bad += same_as_file("/proc/self/mem", copy, segment);
    else
        bad++;
    struct iovec here = {copy, size}, there = {code, size};
    memset(copy, 0, sizeof copy);
    if (process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t)size)
        bad += same_as_file("process_vm_readv", copy, segment);
    else
        bad++;
    int file = memfd_create("copy", 0);
    if (write(file, code, size) != (ssize_t)size || pread(file, copy, size, 0) != (ssize_t)size)
        bad++;
    bad += same_as_file("write", copy, segment);
    marker();
    int status = 0;
    pid_t child = fork();
    if (!child)
        _exit(same_as_file("a child's load", code, segment));
    waitpid(child, &status, 0);
    return bad || status;
}

/* Code in a shared mapping of a file: what is executed there never reaches the file. */
typedef int function(void);
volatile uintptr_t generated;

HERE void ready(void) { counter++; }

static int writes_code(unsigned char *code, int value)
{
#ifdef __aarch64__
    uint32_t words[] = {0x52800000u | (uint32_t)value << 5, 0xd65f03c0u};
#else
    unsigned char words[] = {0xb8, (unsigned char)value, 0, 0, 0, 0xc3};
#endif
    memcpy(code, words, sizeof words);
    __builtin___clear_cache((char *)code, (char *)code + sizeof words);
    return (int)sizeof words;
}

static int shared(void)
{
    unsigned char image[16] = {0};
    int file = memfd_create("code", 0), size = writes_code(image, 7);
    if (write(file, image, sizeof image) != sizeof image)
        return 1;
    unsigned char *code = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
    generated = (uintptr_t)code;
    ready();
    if (((function *)(uintptr_t)code)() != 7)
        return 2;
    msync(code, 4096, MS_SYNC);
    unsigned char now[16];
    if (pread(file, now, sizeof now, 0) != sizeof now || memcmp(now, image, (size_t)size))
        return 3;
    image[1] = 0;
    writes_code(image, 9);
    if (pwrite(file, image, sizeof image, 0) != sizeof image)
        return 4;
    return ((function *)(uintptr_t)code)() == 9 ? 0 : 5;
}

/* Code that is written, run, changed and run again in a page with a breakpoint. */
static int rewrites(void)
{
    unsigned char *code = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    generated = (uintptr_t)code;
    for (int value = 1; value < 4; value++) {
        mprotect(code, 4096, PROT_READ | PROT_WRITE);
        writes_code(code, value);
        mprotect(code, 4096, PROT_READ | PROT_EXEC);
        ready();
        if (((function *)(uintptr_t)code)() != value)
            return value;
    }
    munmap(code, 4096);
    marker();
    return 0;
}

/* Time and flags, as far as a program can notice that it is stepped. */
HERE long notices(void)
{
    long seen = 0;
#ifdef __x86_64__
    long flags, after;
    __asm__ volatile("pushfq; pop %0" : "=r"(flags));
    __asm__ volatile("syscall" : "=r"(after) : "a"(SYS_getpid) : "rcx", "r11", "memory");
    __asm__ volatile("mov %%r11, %0" : "=r"(after));
    seen = flags & 0x100;
#endif
    raise(SIGUSR1);
    return seen + (counter != 0);
}

static void on_flags(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    ucontext_t *state = context;
#ifdef __x86_64__
    if (state->uc_mcontext.gregs[REG_EFL] & 0x10100)
        counter++;
#else
    if (state->uc_mcontext.pstate & 1ul << 21)
        counter++;
#endif
}

static int stepped(void)
{
    struct sigaction action = {.sa_sigaction = on_flags, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, 0);
    return notices() ? 1 : 0;
}

/* Shared counters under threads while a breakpoint and a watchpoint are near. */
static volatile long sum;

HERE void add(void)
{
    pthread_mutex_lock(&lock);
    sum++;
    pthread_mutex_unlock(&lock);
}

static void *adds(void *argument)
{
    for (int n = 0; n < 50; n++) {
        add();
        __atomic_add_fetch((long *)argument, 1, __ATOMIC_SEQ_CST);
    }
    return 0;
}

static int atomics(void)
{
    static long other;
    pthread_t some[3];
    for (int n = 0; n < 3; n++)
        pthread_create(&some[n], 0, adds, &other);
    for (int n = 0; n < 3; n++)
        pthread_join(some[n], 0);
    return sum == 150 && other == 150 ? 0 : 1;
}

/* The kernel writes into a watched buffer. */
static int receives(void)
{
    if (pipe(fds) || write(fds[1], "abcdefgh", 8) != 8)
        return 1;
    marker();
    if (read(fds[0], buffer, 8) != 8)
        return 2;
    marker();
    return memcmp(buffer, "abcdefgh", 8) != 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } all[] = {
        {"loop", loop},         {"signals", signals},   {"deadly", deadly},     {"fault", fault},
        {"trap", trap},         {"children", children}, {"executes", executes}, {"threads", threads},
        {"asleep", asleep},     {"looks", looks},       {"shared", shared},     {"rewrites", rewrites},
        {"stepped", stepped},   {"atomics", atomics},   {"receives", receives},
    };
    for (size_t n = 0; argc > 1 && n < sizeof all / sizeof *all; n++)
        if (!strcmp(argv[1], all[n].name))
            return all[n].run();
    return 99;
}
