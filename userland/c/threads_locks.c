/* Mutexes of every kind, and what happens to them when their owner dies. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

#define ROUNDS 300
#define THREADS 6

static struct timespec soon(long ms)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_nsec += ms * 1000000;
    now.tv_sec += now.tv_nsec / 1000000000;
    now.tv_nsec %= 1000000000;
    return now;
}

static void make(pthread_mutex_t *mutex, int type, int protocol, int shared, int robust)
{
    pthread_mutexattr_t attributes;
    CHECK(pthread_mutexattr_init(&attributes) == 0);
    CHECK(pthread_mutexattr_settype(&attributes, type) == 0);
    CHECK(pthread_mutexattr_setprotocol(&attributes, protocol) == 0);
    CHECK(pthread_mutexattr_setpshared(&attributes, shared) == 0);
    CHECK(pthread_mutexattr_setrobust(&attributes, robust) == 0);
    CHECK(pthread_mutex_init(mutex, &attributes) == 0);
    pthread_mutexattr_destroy(&attributes);
}

struct counter {
    pthread_mutex_t mutex;
    int value;
};

static void *count(void *argument)
{
    struct counter *counter = argument;
    for (int i = 0; i < ROUNDS; i++) {
        CHECK(pthread_mutex_lock(&counter->mutex) == 0);
        int seen = counter->value;
        if (i % 16 == 0)
            sched_yield();
        counter->value = seen + 1;
        CHECK(pthread_mutex_unlock(&counter->mutex) == 0);
    }
    return NULL;
}

static void excludes(int type, int protocol, int robust)
{
    struct counter counter = {.value = 0};
    pthread_t threads[THREADS];
    make(&counter.mutex, type, protocol, PTHREAD_PROCESS_PRIVATE, robust);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, count, &counter) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(counter.value == THREADS * ROUNDS);
    CHECK(pthread_mutex_destroy(&counter.mutex) == 0);
}

static void *try_from_outside(void *argument)
{
    struct timespec when = soon(20);
    CHECK(pthread_mutex_trylock(argument) == EBUSY);
    CHECK(pthread_mutex_timedlock(argument, &when) == ETIMEDOUT);
    return NULL;
}

static void rules(int protocol)
{
    pthread_mutex_t mutex;
    pthread_t thread;
    make(&mutex, PTHREAD_MUTEX_RECURSIVE, protocol, PTHREAD_PROCESS_PRIVATE, 0);
    CHECK(pthread_mutex_lock(&mutex) == 0 && pthread_mutex_lock(&mutex) == 0);
    CHECK(pthread_mutex_trylock(&mutex) == 0);
    CHECK(pthread_create(&thread, NULL, try_from_outside, &mutex) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_mutex_unlock(&mutex) == 0);
    CHECK(pthread_mutex_unlock(&mutex) == EPERM);

    make(&mutex, PTHREAD_MUTEX_ERRORCHECK, protocol, PTHREAD_PROCESS_PRIVATE, 0);
    CHECK(pthread_mutex_unlock(&mutex) == EPERM);
    CHECK(pthread_mutex_lock(&mutex) == 0);
    CHECK(pthread_mutex_lock(&mutex) == EDEADLK);
    CHECK(pthread_create(&thread, NULL, try_from_outside, &mutex) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
}

static void *dies_with_it(void *argument)
{
    CHECK(pthread_mutex_lock(argument) == 0);
    return NULL;
}

static void *waits_for_the_dead(void *argument)
{
    return (void *)(long)pthread_mutex_lock(argument);
}

static void robust_thread(int protocol)
{
    pthread_mutex_t mutex;
    pthread_t thread;
    void *result;
    make(&mutex, PTHREAD_MUTEX_NORMAL, protocol, PTHREAD_PROCESS_PRIVATE, PTHREAD_MUTEX_ROBUST);
    CHECK(pthread_create(&thread, NULL, dies_with_it, &mutex) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(pthread_mutex_lock(&mutex) == EOWNERDEAD);
    CHECK(pthread_mutex_consistent(&mutex) == 0);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    CHECK(pthread_mutex_lock(&mutex) == 0);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    CHECK(pthread_create(&thread, NULL, dies_with_it, &mutex) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, waits_for_the_dead, &mutex) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == (void *)EOWNERDEAD);
    CHECK(pthread_mutex_lock(&mutex) == EOWNERDEAD);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    CHECK(pthread_mutex_lock(&mutex) == ENOTRECOVERABLE);
}

/* Between processes, at two addresses; the owner is killed while somebody waits. */
static void between_processes(int protocol, int robust)
{
    struct counter *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                                  -1, 0);
    int status, ready[2];
    char byte;
    make(&shared->mutex, PTHREAD_MUTEX_NORMAL, protocol, PTHREAD_PROCESS_SHARED, robust);
    pid_t children[3];
    for (int i = 0; i < 3; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct counter *here = mremap(shared, 0, 4096, MREMAP_MAYMOVE);
            CHECK(here != shared);
            count(here);
            fflush(stdout);
            _exit(failures != 0);
        }
    }
    for (int i = 0; i < 3; i++)
        CHECK(waitpid(children[i], &status, 0) == children[i] && status == 0);
    CHECK(shared->value == 3 * ROUNDS);
    if (robust) {
        CHECK(pipe(ready) == 0);
        pid_t child = fork();
        if (child == 0) {
            pthread_mutex_lock(&shared->mutex);
            if (write(ready[1], "x", 1) == 1)
                usleep(30000);
            raise(SIGKILL);
        }
        CHECK(read(ready[0], &byte, 1) == 1);
        CHECK(pthread_mutex_lock(&shared->mutex) == EOWNERDEAD);
        CHECK(pthread_mutex_consistent(&shared->mutex) == 0);
        CHECK(pthread_mutex_unlock(&shared->mutex) == 0);
        CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
        close(ready[0]);
        close(ready[1]);
    }
    CHECK(munmap(shared, 4096) == 0);
}

static pthread_spinlock_t spin;
static int spun;

static void *spins(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_spin_lock(&spin);
        spun++;
        pthread_spin_unlock(&spin);
    }
    return NULL;
}

static void spin_locks(void)
{
    pthread_t threads[3];
    CHECK(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, spins, NULL) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(spun == 3 * ROUNDS);
    CHECK(pthread_spin_lock(&spin) == 0 && pthread_spin_trylock(&spin) == EBUSY);
    CHECK(pthread_spin_unlock(&spin) == 0);
}

int main(void)
{
    int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK};
    int protocols[] = {PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT};
    for (int p = 0; p < 2; p++) {
        for (int t = 0; t < 3; t++)
            excludes(types[t], protocols[p], PTHREAD_MUTEX_STALLED);
        excludes(PTHREAD_MUTEX_NORMAL, protocols[p], PTHREAD_MUTEX_ROBUST);
        rules(protocols[p]);
        robust_thread(protocols[p]);
        between_processes(protocols[p], PTHREAD_MUTEX_STALLED);
        between_processes(protocols[p], PTHREAD_MUTEX_ROBUST);
    }
    spin_locks();
    return finish();
}
