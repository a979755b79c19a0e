/* What gdb is tried on.  The first argument says what to do; the exit status is 0 unless it says so. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct place {
    int x, y;
    char name[8];
};

volatile int counter;
volatile int go_on;
volatile double ratio = 1.5;
struct place here = {3, 4, "here"};
__thread int mine = 40;

static int square(int n)
{
    int result = n * n;
    return result;
}

static int twice(int n)
{
    int half = square(n);
    return half + half;
}

static void *work(void *argument)
{
    int n = (int)(long)argument;
    mine += n;
    counter += square(n); /* in a thread */
    return 0;
}

static int threads(void)
{
    pthread_t some[3];
    for (long n = 0; n < 3; n++)
        pthread_create(&some[n], 0, work, (void *)(n + 1));
    for (int n = 0; n < 3; n++)
        pthread_join(some[n], 0);
    printf("threads: %d\n", counter);
    return counter == 1 + 4 + 9 ? 0 : 1;
}

static void *wait_for_it(void *argument)
{
    while (!go_on)
        usleep(2000);
    return argument;
}

/* Two threads that sleep and one that spins, until go_on is set. */
static int busy(void)
{
    pthread_t some[2];
    for (int n = 0; n < 2; n++)
        pthread_create(&some[n], 0, wait_for_it, 0);
    puts("busy");
    fflush(stdout);
    while (!go_on)
        counter++;
    for (int n = 0; n < 2; n++)
        pthread_join(some[n], 0);
    return 5;
}

static int asleep(void)
{
    char byte;
    puts("asleep");
    fflush(stdout);
    return (int)read(0, &byte, 1) + 6; /* for ever, if nobody writes */
}

static int children(int quietly)
{
    int status;
    pid_t child = quietly ? vfork() : fork();
    if (!child) {
        if (quietly)
            execl("/proc/self/exe", "leaf", "leaf", (char *)0);
        counter = square(5); /* in the child */
        _exit(7);
    }
    waitpid(child, &status, 0);
    printf("child: %d\n", WEXITSTATUS(status));
    return WEXITSTATUS(status);
}

static void handler(int signo)
{
    counter += signo;
}

static int signals(void)
{
    signal(SIGUSR1, handler);
    signal(SIGUSR2, handler);
    raise(SIGUSR1);
    raise(SIGUSR2);
    printf("signals: %d\n", counter);
    return counter;
}

static int watching(void)
{
    for (int n = 0; n < 3; n++) {
        counter += n;
        here.x = counter;
    }
    return here.x + here.y;
}

static int fault(void)
{
    *(volatile int *)(long)here.x = 1;
    return 1;
}

static volatile int value;

static void with_information(int signo, siginfo_t *info, void *context)
{
    (void)signo, (void)context;
    value = info->si_value.sival_int;
}

static int information(void)
{
    struct sigaction action = {.sa_sigaction = with_information, .sa_flags = SA_SIGINFO};
    sigaction(SIGUSR1, &action, 0);
    sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 33});
    return value;
}

/* A child that goes on when its parent has ended. */
static int daemonized(void)
{
    if (fork())
        return 0;
    setsid();
    signal(SIGHUP, SIG_IGN);
    while (getppid() != 1)
        usleep(1000);
    counter = 1;
    puts("alone"); /* alone */
    fflush(stdout);
    _exit(8);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "threads"))
        return threads();
    if (!strcmp(what, "busy"))
        return busy();
    if (!strcmp(what, "asleep"))
        return asleep();
    if (!strcmp(what, "fork"))
        return children(0);
    if (!strcmp(what, "vfork"))
        return children(1);
    if (!strcmp(what, "exec"))
        execl("/proc/self/exe", "leaf", "leaf", (char *)0);
    if (!strcmp(what, "leaf"))
        return 9;
    if (!strcmp(what, "signals"))
        return signals();
    if (!strcmp(what, "info"))
        return information();
    if (!strcmp(what, "daemon"))
        return daemonized();
    if (!strcmp(what, "watch"))
        return watching();
    if (!strcmp(what, "fault"))
        return fault();
    printf("twice: %d\n", twice(6));
    return argc > 2 ? atoi(argv[2]) : 0;
}
