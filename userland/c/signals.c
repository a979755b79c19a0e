/* Signals: delivery, masks, restarting, alternate stacks, faults and what handlers are told. */
#define _GNU_SOURCE
#include "asleep.h"
#include "check.h"
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>

static volatile int count, last, nested, on_stack;
static volatile siginfo_t told;
static sigjmp_buf back;
static char alternate[65536];

static void counting(int signo)
{
    count++, last = signo;
}

static void informed(int signo, siginfo_t *info, void *context)
{
    ucontext_t *user = context;
    count++, last = signo;
    memcpy((void *)&told, info, sizeof *info);
    on_stack = (char *)&user > alternate && (char *)&user < alternate + sizeof alternate;
}

static void escaping(int signo, siginfo_t *info, void *context)
{
    informed(signo, info, context);
    siglongjmp(back, 1);
}

static void nesting(int signo)
{
    count++;
    if (count < 3)
        raise(signo);
    if (count < 3)
        nested = -1; /* without SA_NODEFER the second comes after this handler */
}

static void install(int signo, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    CHECK(sigaction(signo, &action, NULL) == 0);
}

static void install_info(int signo, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO};
    CHECK(sigaction(signo, &action, NULL) == 0);
}

static void sending(void)
{
    install(SIGUSR1, counting, 0);
    count = 0;
    CHECK(kill(getpid(), SIGUSR1) == 0 && count == 1 && last == SIGUSR1);
    CHECK(raise(SIGUSR1) == 0 && count == 2);
    CHECK(kill(getpid(), 0) == 0);
    FAILS(kill(getpid(), 999), EINVAL);
    FAILS(kill(0x7ffffff0, 0), ESRCH);
    struct sigaction old;
    CHECK(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == counting);
    FAILS(sigaction(SIGKILL, &old, NULL), EINVAL);

    install_info(SIGUSR2, informed, 0);
    union sigval value = {.sival_int = 77};
    CHECK(sigqueue(getpid(), SIGUSR2, value) == 0);
    CHECK(told.si_code == SI_QUEUE && told.si_value.sival_int == 77 && told.si_pid == getpid());
    CHECK(kill(getpid(), SIGUSR2) == 0 && told.si_code == SI_USER && told.si_uid == getuid());
}

static void masks(void)
{
    sigset_t set, old, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    count = 0;
    CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
    raise(SIGUSR1), raise(SIGUSR1); /* one bit: the second adds nothing */
    CHECK(count == 0 && sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) == 1);
    sigset_t none;
    sigemptyset(&none);
    FAILS(sigsuspend(&none), EINTR);
    CHECK(count == 1);
    raise(SIGUSR1);
    CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0 && count == 2);
    FAILS(sigprocmask(77, &set, NULL), EINVAL);
    raise(SIGUSR1);
    CHECK(count == 3);

    install(SIGRTMIN, counting, 0); /* real-time signals queue */
    sigemptyset(&set), sigaddset(&set, SIGRTMIN);
    count = 0;
    sigprocmask(SIG_BLOCK, &set, NULL);
    for (int i = 0; i < 3; i++)
        raise(SIGRTMIN);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    CHECK(count == 3);

    siginfo_t info;
    struct timespec soon = {0, 1000000};
    sigprocmask(SIG_BLOCK, &set, NULL);
    FAILS(sigtimedwait(&set, &info, &soon), EAGAIN);
    raise(SIGRTMIN);
    CHECK(sigwaitinfo(&set, &info) == SIGRTMIN && info.si_pid == getpid());
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void flags(void)
{
    install(SIGUSR1, nesting, 0);
    count = nested = 0;
    raise(SIGUSR1);
    CHECK(count == 3 && nested == -1);
    install(SIGUSR1, nesting, SA_NODEFER);
    count = nested = 0;
    raise(SIGUSR1);
    CHECK(count == 3 && nested == 0);
    install(SIGUSR1, counting, SA_RESETHAND);
    raise(SIGUSR1);
    struct sigaction now;
    CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
}

static void alternate_stack(void)
{
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate}, old;
    CHECK(sigaltstack(&stack, NULL) == 0);
    install_info(SIGUSR1, informed, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK(on_stack);
    install_info(SIGUSR1, informed, 0);
    raise(SIGUSR1);
    CHECK(!on_stack);
    CHECK(sigaltstack(NULL, &old) == 0 && old.ss_sp == alternate);
    stack.ss_size = 16;
    FAILS(sigaltstack(&stack, NULL), ENOMEM);
    stack.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&stack, NULL) == 0);
}

static void restarting(void)
{
    int ends[2], status = 0;
    char byte;
    for (int restart = 0; restart < 2; restart++) {
        CHECK(pipe(ends) == 0);
        install(SIGALRM, counting, restart ? SA_RESTART : 0);
        count = 0;
        pid_t child = fork();
        if (child == 0) {
            until_asleep(getppid()), kill(getppid(), SIGALRM);
            usleep(20000), write(ends[1], "x", 1);
            _exit(0);
        }
        if (restart)
            CHECK(read(ends[0], &byte, 1) == 1 && count == 1);
        else
            FAILS(read(ends[0], &byte, 1), EINTR);
        CHECK(count == 1 && waitpid(child, &status, 0) == child);
        close(ends[0]), close(ends[1]);
    }
    struct itimerval timer = {.it_value = {0, 10000}}, left;
    struct timespec longer = {60, 0}, rest;
    sigset_t alarms, old;
    sigemptyset(&alarms), sigaddset(&alarms, SIGALRM);
    pid_t child = fork();
    if (child == 0)
        until_asleep(getppid()), kill(getppid(), SIGALRM), _exit(0);
    CHECK(nanosleep(&longer, &rest) == -1 && rest.tv_sec > 0 && rest.tv_sec < 60); /* no restart */
    CHECK(waitpid(child, &status, 0) == child);
    sigprocmask(SIG_BLOCK, &alarms, &old);
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
    FAILS(sigsuspend(&old), EINTR);
    sigprocmask(SIG_SETMASK, &old, NULL);
    CHECK(getitimer(ITIMER_REAL, &left) == 0 && left.it_value.tv_usec == 0);
    CHECK(alarm(100) == 0 && alarm(0) == 100);
}

static void faults(void)
{
    install_info(SIGSEGV, escaping, SA_ONSTACK);
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!sigsetjmp(back, 1))
        *(volatile char *)(page + 123) = 1;
    CHECK(last == SIGSEGV && told.si_code == SEGV_ACCERR && told.si_addr == page + 123);
    munmap(page, 4096);
    last = 0;
    if (!sigsetjmp(back, 1))
        (void)*(volatile char *)(page + 77);
    CHECK(last == SIGSEGV && told.si_code == SEGV_MAPERR && told.si_addr == page + 77);
    install_info(SIGILL, escaping, 0);
    last = 0;
    if (!sigsetjmp(back, 1)) {
#ifdef __x86_64__
        __asm__ volatile("ud2");
#else
        __asm__ volatile(".inst 0");
#endif
    }
    CHECK(last == SIGILL);
    install_info(SIGTRAP, informed, 0);
    last = 0;
#ifdef __x86_64__
    __asm__ volatile("int3");
    CHECK(last == SIGTRAP);
    install_info(SIGFPE, escaping, 0);
    last = 0;
    volatile int zero = 0; /* and not 1 / zero: that needs no division */
    if (!sigsetjmp(back, 1))
        zero = 100 / zero;
    CHECK(last == SIGFPE && told.si_code == FPE_INTDIV);
#endif
}

static void deaths(void)
{
    static const int deadly[] = {SIGHUP, SIGINT, SIGKILL, SIGSEGV, SIGPIPE, SIGALRM, SIGUSR2};
    static const int harmless[] = {SIGCHLD, SIGURG, SIGWINCH, SIGCONT};
    int status = 0;
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) {
        pid_t child = fork();
        if (child == 0) {
            signal(deadly[i], SIG_DFL);
            kill(getpid(), deadly[i]);
            _exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == deadly[i]);
    }
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
        CHECK(raise(harmless[i]) == 0);
}

static void stopping(void)
{
    int status = 0, seen[2];
    char byte = 0;
    CHECK(pipe(seen) == 0);
    pid_t child = fork();
    if (child == 0) {
        raise(SIGSTOP);
        _exit(read(seen[0], &byte, 1) == 1 ? 4 : 5); /* not before it was seen to continue */
    }
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
    CHECK(WSTOPSIG(status) == SIGSTOP);
    CHECK(kill(child, SIGCONT) == 0);
    CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
    CHECK(write(seen[1], &byte, 1) == 1);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 4);
    close(seen[0]);
    close(seen[1]);
}

int main(void)
{
    sending();
    masks();
    flags();
    alternate_stack();
    restarting();
    faults();
    deaths();
    stopping();
    return finish();
}
