/* Many threads and many wake-ups: threads_stress [rounds], a hundredth as many threads. */
#define _GNU_SOURCE
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "check.h"

static _Atomic int ball;
static long rounds = 2000;

static void hit(int from, int to)
{
    while (ball != from)
        syscall(SYS_futex, &ball, FUTEX_WAIT_PRIVATE, to, NULL, NULL, 0);
    ball = to;
    syscall(SYS_futex, &ball, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *returns(void *argument)
{
    for (long i = 0; i < rounds; i++)
        hit(1, 0);
    return argument;
}

static void ping_pong(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, returns, NULL) == 0);
    for (long i = 0; i < rounds; i++)
        hit(0, 1);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(ball == 0);
}

static _Atomic long sum;

static void *adds(void *argument)
{
    sum += (long)argument;
    sched_yield();
    return argument;
}

/* One after the other, and ten at a time now and then. */
static void many(long count)
{
    long expected = 0;
    for (long i = 0; i < count; i++) {
        pthread_t threads[10];
        int together = i % 10 == 0 ? 10 : 1;
        for (int t = 0; t < together; t++, expected += i)
            CHECK(pthread_create(&threads[t], NULL, adds, (void *)i) == 0);
        for (int t = 0; t < together; t++)
            CHECK(pthread_join(threads[t], NULL) == 0);
    }
    CHECK(sum == expected);
}

/* A thread that never sleeps, and fifty that do: everybody gets on. */
static _Atomic int stop;
static _Atomic long turns;

static void *spins(void *argument)
{
    while (!stop)
        turns++;
    return argument;
}

static void *naps(void *argument)
{
    for (int i = 0; i < 5; i++)
        usleep(1000);
    return argument;
}

static void nobody_starves(void)
{
    pthread_t spinner, sleepers[50];
    CHECK(pthread_create(&spinner, NULL, spins, NULL) == 0);
    for (int i = 0; i < 50; i++)
        CHECK(pthread_create(&sleepers[i], NULL, naps, NULL) == 0);
    for (int i = 0; i < 50; i++)
        CHECK(pthread_join(sleepers[i], NULL) == 0);
    CHECK(turns > 0);
    stop = 1;
    CHECK(pthread_join(spinner, NULL) == 0);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        rounds = strtol(argv[1], NULL, 10);
    ping_pong();
    many(rounds / 100);
    nobody_starves();
    return finish();
}
