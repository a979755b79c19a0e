/* clone(2), clone3 and futex(2) without a C library between: flags, errors, results. */
#define _GNU_SOURCE
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "asleep.h"
#include "check.h"

#define THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)
#define STACK 65536

struct clone_arguments {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
        set_tid_size, cgroup;
};

static long futex(void *word, int operation, long value, const void *timeout, void *second,
                  long third)
{
    return syscall(SYS_futex, word, operation, value, timeout, second, third);
}

/* The call itself: musl's clone() refuses threads.  In the child, body(argument), then exit. */
static long raw_clone(unsigned long flags, char *top, _Atomic int *parent, _Atomic int *child,
                      void (*body)(void *), void *argument)
{
    void **stack = (void **)top;
    *--stack = argument;
    *--stack = (void *)body;
#ifdef __x86_64__
    register long result __asm__("rax") = SYS_clone;
    register void *r10 __asm__("r10") = (void *)child;
    register long r8 __asm__("r8") = 0;
    __asm__ volatile("syscall\n test %%rax, %%rax\n jnz 1f\n pop %%rax\n pop %%rdi\n"
                     "call *%%rax\n mov $60, %%eax\n xor %%edi, %%edi\n syscall\n 1:"
                     : "+r"(result)
                     : "D"(flags), "S"(stack), "d"(parent), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
#else
    register long result __asm__("x0") = (long)flags;
    register long number __asm__("x8") = SYS_clone;
    register void *x1 __asm__("x1") = stack;
    register void *x2 __asm__("x2") = (void *)parent;
    register long x3 __asm__("x3") = 0;
    register void *x4 __asm__("x4") = (void *)child;
    __asm__ volatile("svc 0\n cbnz x0, 1f\n ldp x1, x0, [sp], #16\n blr x1\n mov x0, #0\n"
                     "mov x8, #93\n svc 0\n 1:"
                     : "+r"(result)
                     : "r"(number), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
                     : "memory");
#endif
    return result;
}

/* No thread-local storage may be touched in these threads: they share the creator's. */
static _Atomic int child_tid, parent_tid, told, gate;

static void in_thread(void *argument)
{
    told = *(int *)argument + 1;
}

static void threads(void)
{
    char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int value = 41;
    child_tid = -1;
    long tid = raw_clone(THREAD | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID,
                         stack + STACK, &parent_tid, &child_tid, in_thread, &value);
    CHECK(tid > 0 && parent_tid == tid);
    for (int seen; (seen = child_tid) != 0;)
        futex((void *)&child_tid, FUTEX_WAIT, seen, NULL, NULL, 0);
    CHECK(told == 42);
    CHECK(munmap(stack, STACK) == 0);
}

static void refused(void)
{
    long combinations[] = {
        CLONE_THREAD, CLONE_SIGHAND, CLONE_THREAD | CLONE_SIGHAND,
        CLONE_NEWNS | CLONE_FS, CLONE_NEWUSER | CLONE_THREAD, CLONE_VM | CLONE_THREAD,
    };
    for (unsigned i = 0; i < sizeof combinations / sizeof *combinations; i++)
        FAILS(syscall(SYS_clone, combinations[i] | SIGCHLD, 0, 0, 0, 0), EINVAL);
    struct clone_arguments arguments = {.exit_signal = SIGCHLD};
    FAILS(syscall(SYS_clone3, &arguments, 63), EINVAL);
    FAILS(syscall(SYS_clone3, &arguments, 4097), E2BIG);
    FAILS(syscall(SYS_clone3, (void *)1, sizeof arguments), EFAULT);
    arguments.flags = SIGCHLD;
    FAILS(syscall(SYS_clone3, &arguments, sizeof arguments), EINVAL);
    arguments.flags = 0;
    arguments.stack = 4096;
    FAILS(syscall(SYS_clone3, &arguments, sizeof arguments), EINVAL);
    arguments.stack = 0;
    arguments.stack_size = 4096;
    FAILS(syscall(SYS_clone3, &arguments, sizeof arguments), EINVAL);
    arguments.stack_size = 0;
    arguments.flags = THREAD;
    FAILS(syscall(SYS_clone3, &arguments, sizeof arguments), EINVAL);
    char longer[128] = {0};
    longer[120] = 1;
    FAILS(syscall(SYS_clone3, longer, sizeof longer), E2BIG);
}

static void handled(int signo)
{
    (void)signo;
}

static void new_processes(void)
{
    int status;
    _Atomic int number = 0;
    struct clone_arguments arguments = {
        .flags = CLONE_PARENT_SETTID | 0x100000000ull /* CLONE_CLEAR_SIGHAND */,
        .exit_signal = SIGCHLD,
        .parent_tid = (uintptr_t)&number,
    };
    signal(SIGUSR1, handled);
    signal(SIGUSR2, SIG_IGN);
    long child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == 0) {
        struct sigaction one, two;
        sigaction(SIGUSR1, NULL, &one);
        sigaction(SIGUSR2, NULL, &two);
        _exit(one.sa_handler == SIG_DFL && two.sa_handler == SIG_IGN ? 5 : 6);
    }
    CHECK(child > 0 && number == child);
    CHECK(waitpid((pid_t)child, &status, 0) == child && WEXITSTATUS(status) == 5);
}

static _Atomic int word, other;

static void *waits(void *argument)
{
    gate++;
    return (void *)futex((void *)&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, (long)argument);
}

static void gather(pthread_t *threads, int count, long bits)
{
    gate = 0;
    for (int i = 0; i < count; i++)
        CHECK(pthread_create(&threads[i], NULL, waits, (void *)bits) == 0);
    while (gate < count)
        sched_yield();
    until_others_asleep();
}

static void meet(pthread_t *threads, int count)
{
    for (int i = 0; i < count; i++) {
        void *result;
        CHECK(pthread_join(threads[i], &result) == 0 && result == NULL);
    }
}

static void waking(void)
{
    struct timespec moment = {0, 5000000}, wrong = {0, 1000000000};
    pthread_t threads[4];
    FAILS(futex((void *)&word, FUTEX_WAIT, 1, NULL, NULL, 0), EAGAIN);
    FAILS(futex((void *)&word, FUTEX_WAIT, 0, &moment, NULL, 0), ETIMEDOUT);
    FAILS(futex((void *)&word, FUTEX_WAIT, 0, &wrong, NULL, 0), EINVAL);
    FAILS(futex((char *)&word + 1, FUTEX_WAIT, 0, NULL, NULL, 0), EINVAL);
    FAILS(futex((void *)8, FUTEX_WAIT, 0, NULL, NULL, 0), EFAULT);
    FAILS(futex((void *)&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0), EINVAL);
    FAILS(futex((void *)&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0), EINVAL);
    FAILS(futex((void *)&word, FUTEX_WAIT_BITSET, 0, &moment, NULL, 1), ETIMEDOUT);
    FAILS(futex((void *)&word, 99, 0, NULL, NULL, 0), ENOSYS);
    FAILS(futex((void *)&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0), ENOSYS);
    gather(threads, 4, 6);
    CHECK(futex((void *)&word, FUTEX_WAKE_BITSET, INT_MAX, NULL, NULL, 9) == 0);
    CHECK(futex((void *)&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 2) == 1);
    CHECK(futex((void *)&word, FUTEX_WAKE, 1, NULL, NULL, 0) == 1);
    CHECK(futex((void *)&word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0) == 2);
    CHECK(futex((void *)&word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0) == 0);
    meet(threads, 4);
}

static void moving(void)
{
    pthread_t threads[6];
    gather(threads, 6, -1);
    FAILS(futex((void *)&word, FUTEX_CMP_REQUEUE, 1, (void *)2, (void *)&other, 7), EAGAIN);
    CHECK(futex((void *)&word, FUTEX_CMP_REQUEUE, 1, (void *)2, (void *)&other, 0) == 3);
    CHECK(futex((void *)&other, FUTEX_WAKE, INT_MAX, NULL, NULL, 0) == 2);
    CHECK(futex((void *)&word, FUTEX_REQUEUE, 0, (void *)1, (void *)&other, 0) == 1);
    other = 5;
    CHECK(futex((void *)&word, FUTEX_WAKE_OP, 1, (void *)1, (void *)&other,
                FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_GT, 4)) == 2);
    CHECK(other == 8);
    CHECK(futex((void *)&word, FUTEX_WAKE_OP, 5, (void *)1, (void *)&other,
                FUTEX_OP(FUTEX_OP_OR, 1, FUTEX_OP_CMP_EQ, 0)) == 1);
    CHECK(other == 9);
    CHECK(futex((void *)&word, FUTEX_WAKE_OP, 1, NULL, (void *)&other,
                FUTEX_OP(FUTEX_OP_SET | FUTEX_OP_OPARG_SHIFT, 4, FUTEX_OP_CMP_LT, -1)) == 0);
    CHECK(other == 16);
    other = 0;
    meet(threads, 6);
}

/* Locks with priority inheritance. */
static void *takes_pi(void *argument)
{
    gate++;
    long result = futex((void *)&word, FUTEX_LOCK_PI, 0, argument, NULL, 0);
    if (result == 0) {
        if ((word & FUTEX_TID_MASK) != syscall(SYS_gettid))
            result = 100;
        futex((void *)&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
    } else {
        result = errno;
    }
    return (void *)result;
}

static void inheritance(void)
{
    pthread_t threads[3];
    void *result;
    struct timespec when;
    int me = (int)syscall(SYS_gettid);
    word = 0;
    CHECK(futex((void *)&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0) == 0 && word == me);
    FAILS(futex((void *)&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0), EDEADLK);
    FAILS(futex((void *)&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), EDEADLK);
    CHECK(futex((void *)&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0 && word == 0);
    FAILS(futex((void *)&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), EPERM);
    CHECK(futex((void *)&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0) == 0);
    gate = 0;
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, takes_pi, NULL) == 0);
    while (gate < 3)
        sched_yield();
    until_others_asleep();
    CHECK((unsigned)word == ((unsigned)me | FUTEX_WAITERS));
    FAILS(futex((void *)&word, FUTEX_WAKE, 1, NULL, NULL, 0), EINVAL);
    CHECK(futex((void *)&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], &result) == 0 && result == NULL);
    CHECK(word == 0);
    CHECK(futex((void *)&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0) == 0);
    clock_gettime(CLOCK_REALTIME, &when);
    CHECK(pthread_create(&threads[0], NULL, takes_pi, &when) == 0);
    CHECK(pthread_join(threads[0], &result) == 0 && result == (void *)ETIMEDOUT);
    word = 0x3ffffff0;
    FAILS(futex((void *)&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0), ESRCH);
    word = 0;
}

/* A condition variable as glibc once built it: wait on a word, wake up with the lock. */
static void *waits_requeue(void *argument)
{
    (void)argument;
    gate++;
    long result = futex((void *)&other, FUTEX_WAIT_REQUEUE_PI, 0, NULL, (void *)&word, 0);
    if (result == 0 && (word & FUTEX_TID_MASK) != syscall(SYS_gettid))
        result = 100;
    if (result == 0)
        futex((void *)&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
    return (void *)result;
}

static void requeueing(void)
{
    pthread_t threads[3];
    void *result;
    gate = 0;
    word = other = 0;
    FAILS(futex((void *)&other, FUTEX_WAIT_REQUEUE_PI, 0, NULL, (void *)&other, 0), EINVAL);
    FAILS(futex((void *)&other, FUTEX_WAIT_REQUEUE_PI, 1, NULL, (void *)&word, 0), EAGAIN);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, waits_requeue, NULL) == 0);
    while (gate < 3)
        sched_yield();
    until_others_asleep();
    FAILS(futex((void *)&other, FUTEX_WAKE, 1, NULL, NULL, 0), EINVAL);
    FAILS(futex((void *)&other, FUTEX_CMP_REQUEUE_PI, 2, NULL, (void *)&word, 0), EINVAL);
    CHECK(futex((void *)&other, FUTEX_CMP_REQUEUE_PI, 1, (void *)(long)INT_MAX, (void *)&word, 0)
          == 3);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], &result) == 0 && result == NULL);
    CHECK(word == 0);
}

struct waitv {
    uint64_t value, address;
    uint32_t flags, reserved;
};

static void *wakes_second(void *argument)
{
    (void)argument;
    until_others_asleep();
    return (void *)futex((void *)&other, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void vectors(void)
{
    struct waitv both[] = {
        {0, (uintptr_t)&word, 2 | FUTEX_PRIVATE_FLAG, 0},
        {0, (uintptr_t)&other, 2 | FUTEX_PRIVATE_FLAG, 0},
    };
    struct timespec past = {0, 0};
    pthread_t thread;
    if (syscall(449, both, 0, 0, NULL, 0) == -1 && errno == ENOSYS)
        return; /* a kernel before 5.16 */
    FAILS(syscall(449, both, 0, 0, NULL, 0), EINVAL);
    FAILS(syscall(449, both, 129, 0, NULL, 0), EINVAL);
    FAILS(syscall(449, both, 2, 1, NULL, 0), EINVAL);
    FAILS(syscall(449, both, 2, 0, &past, CLOCK_MONOTONIC), ETIMEDOUT);
    FAILS(syscall(449, both, 2, 0, &past, CLOCK_BOOTTIME), EINVAL);
    both[1].value = 1;
    FAILS(syscall(449, both, 2, 0, NULL, 0), EAGAIN);
    both[1].value = 0;
    both[1].reserved = 1;
    FAILS(syscall(449, both, 2, 0, NULL, 0), EINVAL);
    both[1].reserved = 0;
    CHECK(pthread_create(&thread, NULL, wakes_second, NULL) == 0);
    CHECK(syscall(449, both, 2, 0, NULL, 0) == 1);
    CHECK(pthread_join(thread, NULL) == 0);
}

int main(void)
{
    threads();
    refused();
    new_processes();
    waking();
    moving();
    inheritance();
    requeueing();
    vectors();
    return finish();
}
