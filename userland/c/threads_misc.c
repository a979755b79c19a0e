/* What else programs ask of threads: names, schedules, users, atfork, named semaphores, storms. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

static sem_t go;

static void *names(void *argument)
{
    char name[16];
    CHECK(pthread_setname_np(pthread_self(), "worker") == 0);
    CHECK(pthread_getname_np(pthread_self(), name, sizeof name) == 0);
    CHECK(strcmp(name, "worker") == 0);
    sem_wait(argument);
    return NULL;
}

static void named(void)
{
    char path[64], name[16] = "";
    pthread_t thread;
    pthread_attr_t attributes;
    void *stack;
    size_t size;
    CHECK(sem_init(&go, 0, 0) == 0);
    CHECK(pthread_create(&thread, NULL, names, &go) == 0);
    CHECK(pthread_getattr_np(pthread_self(), &attributes) == 0);
    CHECK(pthread_attr_getstack(&attributes, &stack, &size) == 0);
    CHECK((char *)&thread > (char *)stack && (char *)&thread < (char *)stack + size);
    snprintf(path, sizeof path, "/proc/self/task/%ld/comm", (long)syscall(SYS_gettid));
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0 && read(fd, name, sizeof name) > 0);
    CHECK(strncmp(name, "worker", 6) != 0);
    close(fd);
    sem_post(&go);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* Every thread's user changes with setuid(3), although the kernel changes one at a time. */
static void *shows_user(void *argument)
{
    sem_wait(argument);
    return (void *)(long)(getuid() == 1000 && geteuid() == 1000);
}

static void users(void)
{
    int status;
    if (getuid() != 0)
        return;
    pid_t child = fork();
    if (child == 0) {
        pthread_t threads[3];
        void *result;
        int good = 1;
        sem_init(&go, 0, 0);
        for (int i = 0; i < 3; i++)
            pthread_create(&threads[i], NULL, shows_user, &go);
        good &= setuid(1000) == 0;
        for (int i = 0; i < 3; i++)
            sem_post(&go);
        for (int i = 0; i < 3; i++)
            good &= pthread_join(threads[i], &result) == 0 && result == (void *)1;
        _exit(!good);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void *schedules(void *argument)
{
    struct sched_param parameter = {.sched_priority = 3};
    int policy;
    (void)argument;
    CHECK(pthread_getschedparam(pthread_self(), &policy, &parameter) == 0);
    CHECK(policy == (int)syscall(SYS_sched_getscheduler, getpid()));
    CHECK(parameter.sched_priority == 0);
    CHECK(setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 5) == 0);
    CHECK(getpriority(PRIO_PROCESS, 0) == 5);
    return NULL;
}

struct sched_attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

static void attributes(void)
{
    struct sched_attributes get, set = {.size = sizeof set, .nice = 3};
    long self = syscall(SYS_gettid);
    CHECK(syscall(SYS_sched_setattr, 0, &set, 0) == 0);
    CHECK(syscall(SYS_sched_getattr, self, &get, sizeof get, 0) == 0);
    CHECK(get.size == sizeof get && get.policy == SCHED_OTHER && get.nice == 3);
    CHECK(getpriority(PRIO_PROCESS, 0) == 3);
    set.policy = SCHED_BATCH;
    set.flags = 1; /* SCHED_FLAG_RESET_ON_FORK */
    set.nice = 4;
    CHECK(syscall(SYS_sched_setattr, self, &set, 0) == 0);
    CHECK(syscall(SYS_sched_getscheduler, 0) == (SCHED_BATCH | 0x40000000));
    CHECK(syscall(SYS_sched_getattr, 0, &get, sizeof get, 0) == 0);
    CHECK(get.policy == SCHED_BATCH && get.flags == 1 && get.nice == 4);
    FAILS(syscall(SYS_sched_setattr, 0, NULL, 0), EINVAL);
    FAILS(syscall(SYS_sched_setattr, 0, &set, 1), EINVAL);
    FAILS(syscall(SYS_sched_setattr, -1, &set, 0), EINVAL);
    FAILS(syscall(SYS_sched_getattr, 0, &get, 47, 0), EINVAL);
    FAILS(syscall(SYS_sched_getattr, 0, (void *)8, sizeof get, 0), EFAULT);
    set.policy = 77;
    FAILS(syscall(SYS_sched_setattr, 0, &set, 0), EINVAL);
    set.size = 47;
    FAILS(syscall(SYS_sched_setattr, 0, &set, 0), E2BIG);
    CHECK(set.size >= sizeof set);
}

static void *in_thread(void *argument)
{
    attributes();
    return argument;
}

static void schedule(void)
{
    pthread_t thread;
    cpu_set_t set;
    CHECK(pthread_create(&thread, NULL, in_thread, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, schedules, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(getpriority(PRIO_PROCESS, 0) == 0);
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) >= 1);
    /* To these two a negative number is no error of its own: nobody has it. */
    FAILS(sched_getaffinity(-1, sizeof set, &set), ESRCH);
    FAILS(sched_setaffinity(-1, sizeof set, &set), ESRCH);
}

static int before, in_parent, in_child;

static void prepare(void) { before++; }
static void parent(void) { in_parent++; }
static void child(void) { in_child++; }

static void *forks(void *argument)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(before == 1 && in_child == 1 && in_parent == 0 ? 0 : 1);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    return argument;
}

static void at_fork(void)
{
    pthread_t thread;
    CHECK(pthread_atfork(prepare, parent, child) == 0);
    CHECK(pthread_create(&thread, NULL, forks, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(before == 1 && in_parent == 1 && in_child == 0);
}

static void named_semaphore(void)
{
    int status;
    sem_t *semaphore = sem_open("/diorama-test", O_CREAT | O_EXCL, 0600, 0);
    if (semaphore == SEM_FAILED && errno == ENOENT)
        return; /* no /dev/shm here */
    CHECK(semaphore != SEM_FAILED);
    pid_t pid = fork();
    if (pid == 0) {
        sem_t *same = sem_open("/diorama-test", 0);
        _exit(same == SEM_FAILED || sem_post(same) != 0);
    }
    CHECK(sem_wait(semaphore) == 0);
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(sem_close(semaphore) == 0 && sem_unlink("/diorama-test") == 0);
}

/* Signals from everybody to everybody while locks change hands. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t storm[6];
static _Atomic int caught, started;
static int counted;

static void count(int signo)
{
    (void)signo;
    caught++;
}

static void *blows(void *argument)
{
    long me = (long)argument;
    pthread_mutex_lock(&lock); /* until everybody's name is known */
    pthread_mutex_unlock(&lock);
    started++;
    while (started < 6)
        sched_yield();
    for (int i = 0; i < 60; i++) {
        CHECK(pthread_kill(storm[(me + i) % 6], SIGUSR1) == 0);
        pthread_mutex_lock(&lock);
        counted++;
        if (i % 7 == 0)
            sched_yield();
        pthread_mutex_unlock(&lock);
    }
    started++;
    while (started < 12)
        sched_yield();
    return NULL;
}

static void signal_storm(void)
{
    struct sigaction action = {.sa_handler = count};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    pthread_mutex_lock(&lock);
    for (long i = 0; i < 6; i++)
        CHECK(pthread_create(&storm[i], NULL, blows, (void *)i) == 0);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < 6; i++)
        CHECK(pthread_join(storm[i], NULL) == 0);
    CHECK(counted == 360 && caught >= 6);
}

int main(void)
{
    named();
    users();
    schedule();
    at_fork();
    named_semaphore();
    signal_storm();
    return finish();
}
