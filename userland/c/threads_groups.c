/* A process of several threads as a whole: exit, exec, death, signals, stop and continue. */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static sem_t ready;
static const char *self;

static void *sleeps(void *argument)
{
    sem_post(&ready);
    for (;;)
        pause();
    return argument;
}

static void *spins(void *argument)
{
    sem_post(&ready);
    for (;;)
        ;
    return argument;
}

static void start(void *(*body)(void *), int count)
{
    for (int i = 0; i < count; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, body, NULL) == 0);
        CHECK(sem_wait(&ready) == 0);
    }
}

static void *exits(void *argument)
{
    _exit((int)(long)argument);
}

static void *executes(void *argument)
{
    char *arguments[] = {(char *)self, argument, NULL};
    char *environment[] = {NULL};
    execve(self, arguments, environment);
    _exit(99);
}

static void *kills(void *argument)
{
    kill(getpid(), (int)(long)argument);
    for (;;)
        pause();
}

static void *thread_only(void *argument)
{
    syscall(SYS_exit, (long)argument);
    return NULL;
}

/* Run `body` in a thread of a child that has sleeping and spinning threads, too. */
static int run(void *(*body)(void *), void *argument, int leader_leaves)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        sem_init(&ready, 0, 0);
        start(sleeps, 3);
        start(spins, 1);
        pthread_create(&thread, NULL, body, argument);
        if (leader_leaves)
            syscall(SYS_exit, 1);
        for (;;)
            pause();
    }
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

static void endings(void)
{
    int status = run(exits, (void *)5, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    status = run(exits, (void *)6, 1);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 6);
    status = run(executes, "executed", 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    status = run(executes, "executed", 1);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    status = run(kills, (void *)SIGTERM, 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    status = run(kills, (void *)SIGKILL, 1);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = run(kills, (void *)SIGSEGV, 0);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

/* The exit status is the last thread's when all leave one by one. */
static void one_by_one(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, thread_only, (void *)9);
        syscall(SYS_exit, 9);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
}

/* A signal to the process goes to a thread that does not block it. */
static volatile int taken_by;

static void note(int signo)
{
    (void)signo;
    taken_by = (int)syscall(SYS_gettid);
}

static void *takes(void *argument)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    *(int *)argument = (int)syscall(SYS_gettid);
    sem_post(&ready);
    while (!taken_by)
        usleep(1000);
    return NULL;
}

static void *waits_for_signal(void *argument)
{
    siginfo_t info;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sem_post(&ready);
    int signo = sigwaitinfo(&set, &info);
    *(int *)argument = info.si_pid;
    return (void *)(long)signo;
}

static void signals(void)
{
    struct sigaction action = {.sa_handler = note};
    sigset_t set, pending;
    pthread_t thread;
    int tid = 0, sender = 0;
    void *result;
    sem_init(&ready, 0, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, takes, &tid) == 0);
    CHECK(sem_wait(&ready) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(tid != getpid() && taken_by == tid);

    CHECK(pthread_create(&thread, NULL, waits_for_signal, &sender) == 0);
    CHECK(sem_wait(&ready) == 0);
    CHECK(kill(getpid(), SIGUSR2) == 0);
    CHECK(pthread_join(thread, &result) == 0);
    CHECK(result == (void *)SIGUSR2 && sender == getpid());

    CHECK(pthread_kill(pthread_self(), SIGUSR1) == 0);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
    taken_by = 0;
    CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
    CHECK(taken_by == getpid());
}

/* All threads stop and go on together. */
static void stopping(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        sem_init(&ready, 0, 0);
        start(sleeps, 2);
        start(spins, 1);
        raise(SIGSTOP);
        _exit(8);
    }
    CHECK(waitpid(child, &status, WUNTRACED) == child);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    CHECK(waitpid(child, &status, WUNTRACED | WNOHANG) == 0);
    CHECK(kill(child, SIGCONT) == 0);
    CHECK(waitpid(child, &status, WCONTINUED) == child);
    if (WIFCONTINUED(status))
        CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 8);
}

static int tasks_of(const char *directory)
{
    int count = 0;
    DIR *tasks = opendir(directory);
    if (tasks == NULL)
        return -1;
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

static void in_proc(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        sem_init(&ready, 0, 0);
        start(sleeps, 4);
        CHECK(tasks_of("/proc/self/task") == 5);
        fflush(stdout);
        _exit(failures);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "executed") == 0)
        return tasks_of("/proc/self/task") == 1 && syscall(SYS_gettid) == getpid() ? 42 : 43;
    self = "/proc/thread-self/exe";
    endings();
    one_by_one();
    signals();
    stopping();
    in_proc();
    return finish();
}
