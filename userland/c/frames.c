/* What a signal handler finds in its frame, and what its changes to the frame do. */
#define _GNU_SOURCE
#include "check.h"
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>

static siginfo_t told;
static ucontext_t seen;
static int skip, aligned;
static char *page;

#if defined __x86_64__
#define PC(context) ((context)->uc_mcontext.gregs[REG_RIP])
#define CHANGED(context) ((context)->uc_mcontext.gregs[REG_R15])
#else
#define PC(context) ((context)->uc_mcontext.pc)
#define CHANGED(context) ((context)->uc_mcontext.regs[15])
#endif

/* Keeps what it is told, and goes on `skip` bytes further than the signal says. */
static void skipping(int signo, siginfo_t *info, void *context)
{
    char here[16] __attribute__((aligned(16)));
    ucontext_t *user = context;
    told = *info;
    memcpy(&seen, user, sizeof seen);
    aligned = (uintptr_t)here % 16 == 0 && (uintptr_t)__builtin_frame_address(0) % 16 == 0;
    PC(user) += skip;
    (void)signo;
}

/* Makes the page writable, so that the access succeeds when it is tried again. */
static void opening(int signo, siginfo_t *info, void *context)
{
    skip = 0;
    skipping(signo, info, context);
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

/* Uses every register it can, which must not show outside. */
static volatile int ticks;
static void clobbering(int signo)
{
    ticks++;
    volatile double x = signo;
    for (int i = 1; i < 20; i++)
        x = x / i + i;
#if defined __x86_64__
    __asm__ volatile("pcmpeqd %%xmm0, %%xmm0; pcmpeqd %%xmm7, %%xmm7; pcmpeqd %%xmm15, %%xmm15; std; cld"
                     ::: "xmm0", "xmm7", "xmm15", "cc");
#else
    __asm__ volatile("movi v0.2d, #-1; movi v8.2d, #-1; movi v31.2d, #-1; cmp x0, x0"
                     ::: "v0", "v8", "v31", "cc");
#endif
}

static void install(int signo, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(signo, &action, NULL) == 0);
}

static void a_fault_is_tried_again(void)
{
    /* Never touched: there is an area, but no page yet, which error codes tell apart. */
    page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    install(SIGSEGV, opening);
    *(volatile int *)(page + 100) = 7;
    CHECK(*(int *)(page + 100) == 7);
    CHECK(told.si_signo == SIGSEGV && told.si_code == SEGV_ACCERR);
    CHECK(told.si_addr == page + 100);
    CHECK(aligned);
    mprotect(page, 4096, PROT_READ);
}

#if defined __x86_64__
static void exceptions(void)
{
    long long *gregs = seen.uc_mcontext.gregs;
    CHECK(gregs[REG_TRAPNO] == 14 && gregs[REG_ERR] == 6);
    CHECK(gregs[REG_CR2] == (long long)(page + 100));
    CHECK((gregs[REG_CSGSFS] & 0xffff) == 0x33);

    *(volatile int *)page = 7; /* now there is one */
    CHECK(told.si_code == SEGV_ACCERR && gregs[REG_ERR] == 7);

    install(SIGFPE, skipping), install(SIGILL, skipping), install(SIGTRAP, skipping);
    install(SIGSEGV, skipping);
    long at;
    skip = 2;
    __asm__ volatile("lea 1f(%%rip), %%rax; mov %%rax, %0; xor %%eax, %%eax; xor %%ecx, %%ecx;"
                     "xor %%edx, %%edx; 1: div %%ecx" : "=m"(at) :: "rax", "rcx", "rdx", "cc");
    CHECK(told.si_signo == SIGFPE && told.si_code == FPE_INTDIV && (long)told.si_addr == at);
    CHECK(gregs[REG_TRAPNO] == 0 && gregs[REG_RIP] == at);
    __asm__ volatile("lea 1f(%%rip), %%rax; mov %%rax, %0; 1: ud2" : "=m"(at) :: "rax");
    CHECK(told.si_signo == SIGILL && told.si_code == ILL_ILLOPN && (long)told.si_addr == at);
    CHECK(gregs[REG_TRAPNO] == 6 && gregs[REG_RIP] == at);
    skip = 0;
    __asm__ volatile("lea 1f(%%rip), %%rax; mov %%rax, %0; 1: int3" : "=m"(at) :: "rax");
    CHECK(told.si_signo == SIGTRAP && told.si_code == 0x80 && gregs[REG_RIP] == at + 1);
    CHECK(gregs[REG_TRAPNO] == 3);
    skip = 2;
    __asm__ volatile("lea 1f(%%rip), %%rax; mov %%rax, %0; 1: int $13" : "=m"(at) :: "rax");
    CHECK(told.si_signo == SIGSEGV && told.si_code == 0x80 && told.si_addr == NULL);
    CHECK(gregs[REG_TRAPNO] == 13 && gregs[REG_ERR] == 13 * 8 + 2 && gregs[REG_RIP] == at);
    skip = 1;
    __asm__ volatile("lea 1f(%%rip), %%rax; mov %%rax, %0; 1: hlt" : "=m"(at) :: "rax");
    CHECK(told.si_signo == SIGSEGV && told.si_code == 0x80 && gregs[REG_RIP] == at);
    CHECK(gregs[REG_TRAPNO] == 13 && gregs[REG_ERR] == 0);
    skip = 3;
    __asm__ volatile("movabs $0x800000000000, %%rcx; mov (%%rcx), %%rax" ::: "rax", "rcx");
    CHECK(told.si_signo == SIGSEGV && told.si_code == 0x80 && told.si_addr == NULL);
    __asm__ volatile("movabs $0xffff800000000123, %%rcx; mov (%%rcx), %%rax" ::: "rax", "rcx");
    CHECK(told.si_code == SEGV_MAPERR && (unsigned long)told.si_addr == 0xffff800000000123);
    CHECK(gregs[REG_ERR] == 5);
}

static void stepping_handler(int signo, siginfo_t *info, void *context)
{
    ucontext_t *user = context;
    (void)signo;
    if (info->si_code == 0x80) /* int3: begin to step */
        user->uc_mcontext.gregs[REG_EFL] |= 0x100, ticks = 0;
    else if (info->si_code == TRAP_TRACE && ++ticks == 3)
        user->uc_mcontext.gregs[REG_EFL] &= ~0x100L;
}

static void single_stepping(void)
{
    install(SIGTRAP, stepping_handler);
    __asm__ volatile("int3; nop; nop; nop; nop; nop");
    CHECK(ticks == 3);
}

static void flags_and_red_zone(void)
{
    install(SIGILL, skipping);
    skip = 2;
    long found, flags;
    __asm__ volatile("movq $0x1234567, -120(%%rsp); std; ud2; mov -120(%%rsp), %0; pushf; pop %1; cld"
                     : "=r"(found), "=r"(flags) :: "memory", "cc");
    CHECK(found == 0x1234567);
    CHECK(flags & 0x400);
}

static void floating_point(void)
{
    unsigned mxcsr = 0x9fc0, after;
    unsigned short word = 0x27f, word_after;
    long low;
    skip = 2;
    __asm__ volatile("ldmxcsr %3; fldcw %4; mov $0x55aa, %%eax; movq %%rax, %%xmm5; ud2;"
                     "movq %%xmm5, %0; stmxcsr %1; fnstcw %2"
                     : "=r"(low), "=m"(after), "=m"(word_after) : "m"(mxcsr), "m"(word)
                     : "rax", "xmm5");
    CHECK(low == 0x55aa && after == 0x9fc0 && word_after == 0x27f);
    mxcsr = 0x1f80, word = 0x37f;
    __asm__ volatile("ldmxcsr %0; fldcw %1" :: "m"(mxcsr), "m"(word));
}

static void changing_fp(int signo, siginfo_t *info, void *context)
{
    ucontext_t *user = context;
    (void)signo, (void)info;
    user->uc_mcontext.fpregs->_xmm[5].element[0] = 0x77;
    CHANGED(user) = 0x88;
    PC(user) += 2;
}

static void changes_take_effect(void)
{
    long low, general;
    install(SIGILL, changing_fp);
    __asm__ volatile("xor %%r15, %%r15; pxor %%xmm5, %%xmm5; ud2; movq %%xmm5, %0; mov %%r15, %1"
                     : "=r"(low), "=r"(general) :: "xmm5", "r15");
    CHECK(low == 0x77);
    CHECK(general == 0x88);
}

#define LOOP "xor %%eax, %%eax; mov $3, %%rbx; mov $5, %%r8; mov $7, %%r14; mov $11, %%r11d;"      \
    "movq %%r8, %%xmm0; movq %%r14, %%xmm15;"                                                      \
    "1: add %%rbx, %%rax; add %%r8, %%rax; movq %%xmm0, %%rdx; add %%rdx, %%rax;"                  \
    "movq %%xmm15, %%rdx; add %%rdx, %%rax; add %%r14, %%rax; add %%r11, %%rax; dec %%rcx; jnz 1b"

static unsigned long loop(unsigned long rounds)
{
    unsigned long sum;
    __asm__ volatile(LOOP : "=a"(sum), "+c"(rounds) ::
                     "rbx", "rdx", "r8", "r11", "r14", "xmm0", "xmm15", "cc");
    return sum;
}
#define PER_ROUND (3 + 5 + 5 + 7 + 7 + 11)
#else
static void exceptions(void)
{
    CHECK(seen.uc_mcontext.fault_address == (unsigned long)(page + 100));
    install(SIGILL, skipping), install(SIGTRAP, skipping), install(SIGSEGV, skipping);
    unsigned long at;
    skip = 4;
    __asm__ volatile("adr x0, 1f; str x0, %0; 1: udf #0" : "=m"(at) :: "x0");
    CHECK(told.si_signo == SIGILL && (unsigned long)told.si_addr == at);
    CHECK(seen.uc_mcontext.pc == at);
    __asm__ volatile("adr x0, 1f; str x0, %0; 1: brk #5" : "=m"(at) :: "x0");
    CHECK(told.si_signo == SIGTRAP && told.si_code == TRAP_BRKPT);
    CHECK(seen.uc_mcontext.pc == at && (unsigned long)told.si_addr == at);
    __asm__ volatile("mov x0, #0x120; ldr x1, [x0, #3]" ::: "x0", "x1");
    CHECK(told.si_signo == SIGSEGV && told.si_code == SEGV_MAPERR);
    CHECK((unsigned long)told.si_addr == 0x123 && seen.uc_mcontext.fault_address == 0x123);
    __asm__ volatile("mrs x0, sctlr_el1" ::: "x0");
    CHECK(told.si_signo == SIGILL);
}

static void single_stepping(void)
{
}

static void flags_and_red_zone(void)
{
    unsigned long flags;
    install(SIGILL, skipping);
    skip = 4;
    __asm__ volatile("mov x0, #0xa0000000; msr nzcv, x0; udf #0; mrs %0, nzcv"
                     : "=r"(flags) :: "x0", "cc");
    CHECK(flags == 0xa0000000);
}

static void floating_point(void)
{
    unsigned long control = 0x00400000, after, low;
    skip = 4;
    __asm__ volatile("msr fpcr, %2; mov x0, #0x55aa; fmov d9, x0; udf #0; fmov %0, d9; mrs %1, fpcr"
                     : "=r"(low), "=r"(after) : "r"(control) : "x0", "d9");
    CHECK(low == 0x55aa && after == control);
    __asm__ volatile("msr fpcr, xzr");
}

static void changing_fp(int signo, siginfo_t *info, void *context)
{
    ucontext_t *user = context;
    (void)signo, (void)info;
    struct { uint32_t magic, size, fpsr, fpcr; __uint128_t v[32]; } *fp
        = (void *)user->uc_mcontext.__reserved;
    CHECK(fp->magic == 0x46508001 && fp->size == 528);
    fp->v[9] = 0x77;
    CHANGED(user) = 0x88;
    PC(user) += 4;
}

static void changes_take_effect(void)
{
    unsigned long low, general;
    install(SIGILL, changing_fp);
    __asm__ volatile("mov x15, #0; fmov d9, xzr; udf #0; fmov %0, d9; mov %1, x15"
                     : "=r"(low), "=r"(general) :: "x15", "d9");
    CHECK(low == 0x77);
    CHECK(general == 0x88);
}

static unsigned long loop(unsigned long rounds)
{
    unsigned long sum;
    __asm__ volatile("mov %0, #0; mov x3, #3; mov x17, #5; mov x28, #7; fmov d0, x17; fmov d31, x28;"
                     "1: add %0, %0, x3; add %0, %0, x17; fmov x4, d0; add %0, %0, x4;"
                     "fmov x4, d31; add %0, %0, x4; add %0, %0, x28; add %0, %0, #11;"
                     "subs %1, %1, #1; b.ne 1b"
                     : "=&r"(sum), "+r"(rounds) :: "x3", "x4", "x17", "x28", "d0", "d31", "cc");
    return sum;
}
#define PER_ROUND (3 + 5 + 5 + 7 + 7 + 11)
#endif

static void interrupted_anywhere(void)
{
    struct sigaction action = {.sa_handler = clobbering};
    struct itimerval often = {{0, 2000}, {0, 2000}}, off = {{0, 0}, {0, 0}};
    sigaction(SIGALRM, &action, NULL);
    ticks = 0;
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 1000 && ticks < 20; i++)
        CHECK(loop(100000) == 100000UL * PER_ROUND);
    setitimer(ITIMER_REAL, &off, NULL);
    CHECK(ticks >= 20);
}

int main(void)
{
    a_fault_is_tried_again();
    exceptions();
    single_stepping();
    flags_and_red_zone();
    floating_point();
    changes_take_effect();
    interrupted_anywhere();
    return finish();
}
