/* The life of threads: create, join, detach, cancel, keys, once, what they share, how they end. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "asleep.h"
#include "check.h"

#define THREADS 40

static __thread long mine = 7;
static __thread char large[5000];
static long total;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *add(void *argument)
{
    mine += (long)argument;
    large[sizeof large - 1] = (char)mine;
    pthread_mutex_lock(&lock);
    total += mine;
    pthread_mutex_unlock(&lock);
    return (void *)(mine * 2);
}

static void create_and_join(void)
{
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, add, (void *)i) == 0);
    for (long i = 0; i < THREADS; i++) {
        void *result;
        CHECK(pthread_join(threads[i], &result) == 0);
        CHECK((long)result == (7 + i) * 2);
    }
    CHECK(total == 7 * THREADS + THREADS * (THREADS - 1) / 2);
    CHECK(mine == 7 && large[sizeof large - 1] == 0);
}

static void *identity(void *argument)
{
    long *ids = argument;
    ids[0] = syscall(SYS_gettid);
    ids[1] = getpid();
    ids[2] = getppid();
    return NULL;
}

static void numbers(void)
{
    long ids[3];
    pthread_t thread;
    CHECK(syscall(SYS_gettid) == getpid());
    CHECK(pthread_create(&thread, NULL, identity, ids) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(ids[0] != getpid() && ids[1] == getpid() && ids[2] == getppid());
    while (syscall(SYS_tkill, ids[0], 0) == 0)
        sched_yield(); /* joined a moment before its number is gone */
    FAILS(syscall(SYS_tgkill, getpid(), ids[0], 0), ESRCH);
    FAILS(syscall(SYS_tkill, ids[0], 0), ESRCH);
    CHECK(syscall(SYS_tgkill, getpid(), getpid(), 0) == 0);
}

/* Descriptors, directory and umask are shared; masks are not. */
static int shared_fd = -1;

static void *changes(void *argument)
{
    sigset_t set;
    (void)argument;
    shared_fd = open("/dev/null", O_RDONLY);
    CHECK(chdir("/") == 0);
    umask(027);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    return NULL;
}

static void sharing(void)
{
    char directory[PATH_MAX];
    char before[PATH_MAX];
    sigset_t set;
    pthread_t thread;
    mode_t mask = umask(022);
    CHECK(getcwd(before, sizeof before) != NULL);
    CHECK(pthread_create(&thread, NULL, changes, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(fcntl(shared_fd, F_GETFD) >= 0 && close(shared_fd) == 0);
    CHECK(getcwd(directory, sizeof directory) != NULL && strcmp(directory, "/") == 0);
    CHECK(umask(mask) == 027);
    CHECK(chdir(before) == 0);
    CHECK(pthread_sigmask(SIG_BLOCK, NULL, &set) == 0 && !sigismember(&set, SIGUSR2));
}

static sem_t done;

static void *detached(void *argument)
{
    (void)argument;
    CHECK(sem_post(&done) == 0);
    return NULL;
}

static void detaching(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int state;
    CHECK(sem_init(&done, 0, 0) == 0);
    CHECK(pthread_create(&thread, NULL, detached, NULL) == 0);
    CHECK(pthread_detach(thread) == 0);
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, 256 << 10) == 0);
    CHECK(pthread_attr_getdetachstate(&attributes, &state) == 0);
    CHECK(state == PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < 5; i++)
        CHECK(pthread_create(&thread, &attributes, detached, NULL) == 0);
    for (int i = 0; i < 6; i++)
        CHECK(sem_wait(&done) == 0);
    pthread_attr_destroy(&attributes);
}

/* Cancellation: asleep in a system call, at a point of its own, and with handlers to run. */
static int cleaned;

static void clean(void *argument)
{
    cleaned += *(int *)argument;
}

static void *sleeps(void *argument)
{
    int amount = 5;
    pthread_cleanup_push(clean, &amount);
    sem_post(argument);
    for (;;)
        pause();
    pthread_cleanup_pop(0);
    return NULL;
}

static void *asks(void *argument)
{
    int old;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    sem_post(argument);
    for (int i = 0; i < 3; i++)
        sched_yield();
    pthread_setcancelstate(old, NULL);
    for (;;) {
        pthread_testcancel();
        sched_yield();
    }
    return NULL;
}

static void *reads_forever(void *argument)
{
    int *ends = argument;
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1);
    return NULL;
}

static void cancelling(void)
{
    void *(*bodies[])(void *) = {sleeps, asks};
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        void *result;
        CHECK(pthread_create(&thread, NULL, bodies[i], &done) == 0);
        CHECK(sem_wait(&done) == 0);
        CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    }
    CHECK(cleaned == 5);
    int ends[2];
    pthread_t thread;
    void *result;
    CHECK(pipe(ends) == 0);
    CHECK(pthread_create(&thread, NULL, reads_forever, ends) == 0);
    for (int i = 0; i < 5; i++)
        sched_yield();
    CHECK(pthread_cancel(thread) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    close(ends[0]);
    close(ends[1]);
}

static pthread_key_t key;
static int destroyed;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int once_count;

static void destroy(void *value)
{
    destroyed += *(int *)value;
    free(value);
}

static void init_once(void)
{
    once_count++;
    sched_yield();
}

static void *uses_keys(void *argument)
{
    int *value = malloc(sizeof *value);
    *value = (int)(long)argument;
    pthread_once(&once, init_once);
    CHECK(once_count == 1);
    CHECK(pthread_getspecific(key) == NULL);
    CHECK(pthread_setspecific(key, value) == 0);
    pthread_exit(NULL);
}

static void keys_and_once(void)
{
    pthread_t threads[5];
    CHECK(pthread_key_create(&key, destroy) == 0);
    for (long i = 0; i < 5; i++)
        CHECK(pthread_create(&threads[i], NULL, uses_keys, (void *)(i + 1)) == 0);
    for (int i = 0; i < 5; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(destroyed == 15 && once_count == 1);
    CHECK(pthread_key_delete(key) == 0);
}

/* A closed descriptor stays open for the thread that is reading it. */
static void *reads_one(void *argument)
{
    char byte = 0;
    sem_post(&done);
    long got = read(*(int *)argument, &byte, 1);
    return (void *)(got == 1 ? (long)byte : -1);
}

static void closing_while_reading(void)
{
    int ends[2];
    pthread_t thread;
    void *result;
    CHECK(pipe(ends) == 0);
    CHECK(pthread_create(&thread, NULL, reads_one, &ends[0]) == 0);
    CHECK(sem_wait(&done) == 0);
    until_others_asleep();
    CHECK(close(ends[0]) == 0);
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(pthread_join(thread, &result) == 0 && result == (void *)'x');
    signal(SIGPIPE, SIG_IGN);
    FAILS(write(ends[1], "x", 1), EPIPE);
    close(ends[1]);
}

/* Time and usage of one thread. */
static void *works(void *argument)
{
    struct timespec before, after, process;
    struct rusage usage;
    (void)argument;
    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before) == 0);
    for (volatile int i = 0; i < 3000000; i++)
        ;
    CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after) == 0);
    CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &process) == 0);
    long ns = (after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec;
    CHECK(ns > 0);
    CHECK(process.tv_sec > after.tv_sec
          || (process.tv_sec == after.tv_sec && process.tv_nsec >= after.tv_nsec));
    CHECK(getrusage(RUSAGE_THREAD, &usage) == 0);
    return NULL;
}

static void times(void)
{
    pthread_t thread;
    clockid_t clock;
    struct timespec spent;
    CHECK(pthread_create(&thread, NULL, works, NULL) == 0);
    CHECK(pthread_getcpuclockid(thread, &clock) == 0);
    CHECK(clock_gettime(clock, &spent) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* fork from a threaded process: only the caller is there in the child. */
static void *waits(void *argument)
{
    sem_wait(argument);
    return NULL;
}

static void *forks(void *argument)
{
    int status;
    (void)argument;
    pid_t child = fork();
    if (child == 0)
        _exit(syscall(SYS_gettid) == getpid() ? 3 : 4);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
    return NULL;
}

static void forking(void)
{
    pthread_t sleeper, forker;
    sem_t stop;
    CHECK(sem_init(&stop, 0, 0) == 0);
    CHECK(pthread_create(&sleeper, NULL, waits, &stop) == 0);
    CHECK(pthread_create(&forker, NULL, forks, NULL) == 0);
    CHECK(pthread_join(forker, NULL) == 0);
    CHECK(sem_post(&stop) == 0);
    CHECK(pthread_join(sleeper, NULL) == 0);
}

int main(void)
{
    create_and_join();
    numbers();
    sharing();
    detaching();
    cancelling();
    keys_and_once();
    closing_while_reading();
    times();
    forking();
    return finish();
}
