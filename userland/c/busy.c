/* Threads, children, pipes, mappings and locks, in rounds: busy [rounds], 0 for without end, so that
   it can be killed at any moment. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"

static pthread_mutex_t lock;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int shared;

static void *works(void *argument)
{
    for (int i = 0; i < 20; i++) {
        pthread_mutex_lock(&lock);
        shared++;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
        sched_yield();
    }
    return argument;
}

static void *waits(void *argument)
{
    pthread_mutex_lock(&lock);
    while (shared < 40)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return argument;
}

static void with_threads(void)
{
    pthread_t threads[3];
    shared = 0;
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, i ? works : waits, NULL) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void with_a_child(void)
{
    int ends[2], status;
    char text[8] = "";
    char *memory = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        memset(memory, 1, 1 << 16);
        _exit(write(ends[1], "child", 5) != 5);
    }
    CHECK(read(ends[0], text, sizeof text) == 5);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(memory[5000] == 1 && munmap(memory, 1 << 16) == 0);
    close(ends[0]);
    close(ends[1]);
}

static void with_a_file(void)
{
    char name[] = "/tmp/busyXXXXXX";
    int fd = mkstemp(name);
    CHECK(fd >= 0 && unlink(name) == 0);
    CHECK(ftruncate(fd, 20000) == 0);
    char *memory = mmap(NULL, 20000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(memory != MAP_FAILED);
    memory[15000] = 3;
    CHECK(fcntl(fd, F_SETLK, &(struct flock){.l_type = F_WRLCK}) == 0);
    CHECK(munmap(memory, 20000) == 0 && close(fd) == 0);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 3;
    pthread_mutexattr_t robust;
    pthread_mutexattr_init(&robust);
    pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&lock, &robust);
    for (int i = 0; rounds == 0 || i < rounds; i++) {
        with_threads();
        with_a_child();
        with_a_file();
    }
    return finish();
}
