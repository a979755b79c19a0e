/* rseq(2): registration and its errors, and a critical section that a signal aborts. */
#include "check.h"

#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define SIGNATURE 0x53053053u

struct area {
    uint32_t cpu_id_start, cpu_id;
    uint64_t section;
    uint32_t flags, node_id, mm_cid, padding;
} __attribute__((aligned(32)));

struct section {
    uint32_t version, flags;
    uint64_t start, length, abort;
} __attribute__((aligned(32)));

static struct area area;
static struct section section;
static volatile int aborted;

static long rseq(struct area *at, unsigned length, int flags, unsigned signature)
{
    return syscall(SYS_rseq, at, length, flags, signature);
}

static void handler(int signal)
{
    (void)signal;
}

/* Spins inside the section until the kernel moves us to the abort address. */
static void spin_until_aborted(void)
{
#if defined(__x86_64__)
    __asm__ volatile(
        "leaq 1f(%%rip), %%rax\n\t"
        "movq %%rax, %[start]\n\t"
        "leaq 2f(%%rip), %%rcx\n\t"
        "subq %%rax, %%rcx\n\t"
        "movq %%rcx, %[length]\n\t"
        "leaq 3f(%%rip), %%rax\n\t"
        "movq %%rax, %[abort]\n\t"
        "leaq %[descriptor], %%rax\n\t"
        "movq %%rax, %[pointer]\n\t"
        "1: jmp 1b\n\t"
        "2: jmp 4f\n\t"
        ".long 0x53053053\n\t"
        "3: movl $1, %[done]\n\t"
        "4:\n\t"
        : [start] "=m"(section.start), [length] "=m"(section.length), [abort] "=m"(section.abort),
          [pointer] "=m"(area.section), [done] "=m"(aborted)
        : [descriptor] "m"(section)
        : "rax", "rcx", "memory", "cc");
#else
    __asm__ volatile(
        "adr x1, 1f\n\t"
        "str x1, %[start]\n\t"
        "adr x2, 2f\n\t"
        "sub x2, x2, x1\n\t"
        "str x2, %[length]\n\t"
        "adr x1, 3f\n\t"
        "str x1, %[abort]\n\t"
        "str %[descriptor], %[pointer]\n\t"
        "1: b 1b\n\t"
        "2: b 4f\n\t"
        ".word 0x53053053\n\t"
        "3: mov w1, #1\n\t"
        "str w1, %[done]\n\t"
        "4:\n\t"
        : [start] "=m"(section.start), [length] "=m"(section.length), [abort] "=m"(section.abort),
          [pointer] "=m"(area.section), [done] "=m"(aborted)
        : [descriptor] "r"(&section)
        : "x1", "x2", "memory");
#endif
}

int main(void)
{
    memset(&area, 0xff, sizeof area);
    FAILS(rseq(&area, 31, 0, SIGNATURE), EINVAL);
    FAILS(rseq((struct area *)((char *)&area + 8), 32, 0, SIGNATURE), EINVAL);
    FAILS(rseq(&area, 32, 2, SIGNATURE), EINVAL);
    FAILS(rseq(&area, 32, 1, SIGNATURE), EINVAL);
    FAILS(rseq((struct area *)0x800000000000, 32, 0, SIGNATURE), EFAULT);
    area.section = 0;
    area.flags = 0;
    CHECK(rseq(&area, 32, 0, SIGNATURE) == 0);
    CHECK(area.cpu_id != 0xffffffffu && area.cpu_id == area.cpu_id_start);
    FAILS(rseq(&area, 32, 0, SIGNATURE), EBUSY);
    FAILS(rseq(&area, 32, 0, SIGNATURE + 1), EPERM);

    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGALRM, &action, 0) == 0);
    ualarm(20000, 0);
    spin_until_aborted();
    CHECK(aborted == 1);
    CHECK(area.section == 0);

    pid_t child = fork();
    if (child == 0) {
        errno = 0;
        _exit(rseq(&area, 32, 0, SIGNATURE) == -1 && errno == EBUSY ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);

    FAILS(rseq(&area, 32, 1, SIGNATURE + 1), EPERM);
    CHECK(rseq(&area, 32, 1, SIGNATURE) == 0);
    CHECK(area.cpu_id == 0xffffffffu);
    FAILS(rseq(&area, 32, 1, SIGNATURE), EINVAL);
    return finish();
}
