/* Condition variables, read-write locks, barriers, semaphores: among threads and processes. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

#define ITEMS 400
#define SLOTS 4

static struct timespec after(clockid_t clock, long ms)
{
    struct timespec now;
    clock_gettime(clock, &now);
    now.tv_nsec += ms * 1000000;
    now.tv_sec += now.tv_nsec / 1000000000;
    now.tv_nsec %= 1000000000;
    return now;
}

/* A bounded buffer: three producers, two consumers. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled, emptied;
    int items[SLOTS], count, first, produced;
    long sum;
} buffer = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER,
            {0}, 0, 0, 0, 0};

static void *produce(void *argument)
{
    for (int i = 1; i <= ITEMS; i++) {
        pthread_mutex_lock(&buffer.lock);
        while (buffer.count == SLOTS)
            pthread_cond_wait(&buffer.emptied, &buffer.lock);
        buffer.items[(buffer.first + buffer.count++) % SLOTS] = i;
        pthread_cond_signal(&buffer.filled);
        pthread_mutex_unlock(&buffer.lock);
    }
    return argument;
}

static void *consume(void *argument)
{
    for (;;) {
        pthread_mutex_lock(&buffer.lock);
        while (buffer.count == 0 && buffer.produced < 3)
            pthread_cond_wait(&buffer.filled, &buffer.lock);
        if (buffer.count == 0) {
            pthread_mutex_unlock(&buffer.lock);
            return argument;
        }
        buffer.sum += buffer.items[buffer.first];
        buffer.first = (buffer.first + 1) % SLOTS;
        buffer.count--;
        pthread_cond_signal(&buffer.emptied);
        pthread_mutex_unlock(&buffer.lock);
    }
}

static void bounded_buffer(void)
{
    pthread_t producers[3], consumers[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&consumers[i], NULL, consume, NULL) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&producers[i], NULL, produce, NULL) == 0);
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_join(producers[i], NULL) == 0);
        pthread_mutex_lock(&buffer.lock);
        buffer.produced++;
        pthread_cond_broadcast(&buffer.filled);
        pthread_mutex_unlock(&buffer.lock);
    }
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(consumers[i], NULL) == 0);
    CHECK(buffer.sum == 3L * ITEMS * (ITEMS + 1) / 2);
}

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate = PTHREAD_COND_INITIALIZER;
static int open_gate, passed, arrived;

static void *passes(void *argument)
{
    pthread_mutex_lock(&gate_lock);
    arrived++;
    while (!open_gate)
        pthread_cond_wait(&gate, &gate_lock);
    passed++;
    pthread_mutex_unlock(&gate_lock);
    return argument;
}

static void broadcast(void)
{
    pthread_t threads[20];
    for (int i = 0; i < 20; i++)
        CHECK(pthread_create(&threads[i], NULL, passes, NULL) == 0);
    for (;;) {
        pthread_mutex_lock(&gate_lock);
        if (arrived == 20)
            break;
        pthread_mutex_unlock(&gate_lock);
        sched_yield();
    }
    open_gate = 1;
    CHECK(pthread_cond_broadcast(&gate) == 0);
    pthread_mutex_unlock(&gate_lock);
    for (int i = 0; i < 20; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(passed == 20);
}

static void timed_conditions(void)
{
    clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
    for (int i = 0; i < 2; i++) {
        pthread_condattr_t attributes;
        pthread_cond_t condition;
        CHECK(pthread_condattr_init(&attributes) == 0);
        CHECK(pthread_condattr_setclock(&attributes, clocks[i]) == 0);
        CHECK(pthread_cond_init(&condition, &attributes) == 0);
        struct timespec when = after(clocks[i], 15), now;
        pthread_mutex_lock(&gate_lock);
        CHECK(pthread_cond_timedwait(&condition, &gate_lock, &when) == ETIMEDOUT);
        pthread_mutex_unlock(&gate_lock);
        clock_gettime(clocks[i], &now);
        CHECK(now.tv_sec > when.tv_sec
              || (now.tv_sec == when.tv_sec && now.tv_nsec >= when.tv_nsec));
        CHECK(pthread_cond_destroy(&condition) == 0);
    }
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static int pair[2];

static void *reads(void *argument)
{
    for (int i = 0; i < 100; i++) {
        CHECK(pthread_rwlock_rdlock(&rwlock) == 0);
        CHECK(pair[0] == pair[1]);
        CHECK(pthread_rwlock_unlock(&rwlock) == 0);
    }
    return argument;
}

static void *writes(void *argument)
{
    for (int i = 0; i < 100; i++) {
        CHECK(pthread_rwlock_wrlock(&rwlock) == 0);
        pair[0]++;
        if (i % 8 == 0)
            sched_yield();
        pair[1]++;
        CHECK(pthread_rwlock_unlock(&rwlock) == 0);
    }
    return argument;
}

static void *cannot(void *argument)
{
    struct timespec when = after(CLOCK_REALTIME, 10);
    CHECK(pthread_rwlock_tryrdlock(&rwlock) == EBUSY);
    CHECK(pthread_rwlock_trywrlock(&rwlock) == EBUSY);
    CHECK(pthread_rwlock_timedrdlock(&rwlock, &when) == ETIMEDOUT);
    CHECK(pthread_rwlock_timedwrlock(&rwlock, &when) == ETIMEDOUT);
    return argument;
}

static void rwlocks(void)
{
    pthread_t threads[6];
    for (int i = 0; i < 6; i++)
        CHECK(pthread_create(&threads[i], NULL, i % 3 ? reads : writes, NULL) == 0);
    for (int i = 0; i < 6; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(pair[0] == 200 && pair[1] == 200);
    CHECK(pthread_rwlock_wrlock(&rwlock) == 0);
    CHECK(pthread_create(&threads[0], NULL, cannot, NULL) == 0);
    CHECK(pthread_join(threads[0], NULL) == 0);
    CHECK(pthread_rwlock_unlock(&rwlock) == 0);
}

static pthread_barrier_t barrier;
static int phase[5], serial;

static void *meets(void *argument)
{
    long me = (long)argument;
    for (int i = 0; i < 20; i++) {
        phase[me] = i;
        int result = pthread_barrier_wait(&barrier);
        if (result == PTHREAD_BARRIER_SERIAL_THREAD)
            serial++;
        else
            CHECK(result == 0);
        for (int other = 0; other < 5; other++)
            CHECK(phase[other] == i);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

static void barriers(void)
{
    pthread_t threads[5];
    CHECK(pthread_barrier_init(&barrier, NULL, 5) == 0);
    for (long i = 0; i < 5; i++)
        CHECK(pthread_create(&threads[i], NULL, meets, (void *)i) == 0);
    for (int i = 0; i < 5; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(serial == 20);
    CHECK(pthread_barrier_destroy(&barrier) == 0);
}

/* Everything shared between processes. */
struct shared {
    sem_t ping, pong;
    pthread_mutex_t lock;
    pthread_cond_t turn;
    pthread_barrier_t barrier;
    int whose, count;
};

static void take_turns(struct shared *all, int me)
{
    pthread_barrier_wait(&all->barrier);
    for (int i = 0; i < 50; i++) {
        pthread_mutex_lock(&all->lock);
        while (all->whose != me)
            pthread_cond_wait(&all->turn, &all->lock);
        all->count++;
        all->whose = !me;
        pthread_cond_broadcast(&all->turn);
        pthread_mutex_unlock(&all->lock);
    }
}

static void between_processes(void)
{
    struct shared *all = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                              0);
    pthread_mutexattr_t of_mutex;
    pthread_condattr_t of_condition;
    pthread_barrierattr_t of_barrier;
    struct timespec when;
    int status, value;
    pthread_mutexattr_init(&of_mutex);
    pthread_condattr_init(&of_condition);
    pthread_barrierattr_init(&of_barrier);
    CHECK(pthread_mutexattr_setpshared(&of_mutex, PTHREAD_PROCESS_SHARED) == 0);
    CHECK(pthread_condattr_setpshared(&of_condition, PTHREAD_PROCESS_SHARED) == 0);
    CHECK(pthread_barrierattr_setpshared(&of_barrier, PTHREAD_PROCESS_SHARED) == 0);
    CHECK(pthread_mutex_init(&all->lock, &of_mutex) == 0);
    CHECK(pthread_cond_init(&all->turn, &of_condition) == 0);
    CHECK(pthread_barrier_init(&all->barrier, &of_barrier, 2) == 0);
    CHECK(sem_init(&all->ping, 1, 0) == 0 && sem_init(&all->pong, 1, 0) == 0);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 50; i++) {
            sem_wait(&all->ping);
            all->count++;
            sem_post(&all->pong);
        }
        take_turns(all, 1);
        _exit(0);
    }
    for (int i = 0; i < 50; i++) {
        CHECK(sem_post(&all->ping) == 0);
        CHECK(sem_wait(&all->pong) == 0);
        CHECK(all->count == i + 1);
    }
    take_turns(all, 0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(all->count == 150);
    CHECK(sem_getvalue(&all->ping, &value) == 0 && value == 0);
    FAILS(sem_trywait(&all->ping), EAGAIN);
    when = after(CLOCK_REALTIME, 10);
    FAILS(sem_timedwait(&all->ping, &when), ETIMEDOUT);
    CHECK(munmap(all, 4096) == 0);
}

int main(void)
{
    bounded_buffer();
    broadcast();
    timed_conditions();
    rwlocks();
    barriers();
    between_processes();
    return finish();
}
