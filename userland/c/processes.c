/* fork, wait, exec: memory is separate, statuses are exact, orphans find a parent. */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int global = 1;
extern char **environ;

static void statuses(void)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        global = 2;
        _exit(global == 2 && getppid() > 0 ? 42 : 1);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    CHECK(global == 1);
    FAILS(waitpid(child, &status, 0), ECHILD);
    FAILS(waitpid(-1, &status, 0), ECHILD);
    FAILS(waitpid(child, &status, 0x10000000), EINVAL);

    child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        kill(getpid(), SIGTERM);
        _exit(1);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM && !WCOREDUMP(status));
}

static void no_hang_and_waitid(void)
{
    int pipe_[2], status = 0;
    siginfo_t info;
    CHECK(pipe(pipe_) == 0);
    pid_t child = fork();
    if (child == 0) {
        char c;
        close(pipe_[1]);
        read(pipe_[0], &c, 1);
        _exit(5);
    }
    CHECK(waitpid(-1, &status, WNOHANG) == 0);
    memset(&info, 1, sizeof info);
    CHECK(waitid(P_PID, child, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0);
    close(pipe_[0]), close(pipe_[1]);
    CHECK(waitid(P_PID, child, &info, WEXITED | WNOWAIT) == 0);
    CHECK(info.si_pid == child && info.si_code == CLD_EXITED && info.si_status == 5);
    CHECK(info.si_signo == SIGCHLD && info.si_uid == getuid());
    CHECK(waitid(P_ALL, 0, &info, WEXITED) == 0 && info.si_pid == child);
    FAILS(waitid(P_ALL, 0, &info, WEXITED), ECHILD);
    FAILS(waitid(P_ALL, 0, &info, 0), EINVAL);
}

static void orphans(void)
{
    int pipe_[2];
    pid_t parents[2] = {0, 0};
    CHECK(pipe(pipe_) == 0);
    pid_t child = fork();
    if (child == 0) {
        pid_t before = getpid();
        if (fork() == 0) {
            while (getppid() == before)
                sched_yield();
            parents[0] = before, parents[1] = getppid();
            write(pipe_[1], parents, sizeof parents);
            _exit(0);
        }
        _exit(0);
    }
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK(read(pipe_[0], parents, sizeof parents) == sizeof parents);
    CHECK(parents[0] == child && parents[1] != child && parents[1] > 0);
    close(pipe_[0]), close(pipe_[1]);
}

static void shared_memory_stays_shared(void)
{
    int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int *private = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED && private != MAP_FAILED);
    *shared = *private = 1;
    pid_t child = fork();
    if (child == 0) {
        *shared = 7, *private = 7;
        _exit(0);
    }
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK(*shared == 7 && *private == 1);
    munmap(shared, 4096), munmap(private, 4096);
}

static void vfork_borrows_memory(void)
{
    int status = 0;
    volatile int seen = 0;
    pid_t child = vfork();
    if (child == 0) {
        seen = 3;
        _exit(9);
    }
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 9);
    CHECK(seen == 3);
}

static void exec(const char *self)
{
    int status = 0;
    char number[16];
    int kept = open("/", O_RDONLY), closed = open("/", O_RDONLY | O_CLOEXEC);
    snprintf(number, sizeof number, "%d %d", kept, closed);
    pid_t child = fork();
    if (child == 0) {
        char *argv[] = {"name of its own", "inner", number, NULL};
        char *envp[] = {"ONLY=this", NULL};
        execve(self, argv, envp);
        _exit(99);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(kept), close(closed);
    FAILS(execve("nowhere", environ, environ), ENOENT);
    FAILS(execve("/", environ, environ), EACCES);
    int fd = open("text", O_WRONLY | O_CREAT, 0755);
    CHECK(write(fd, "no program\n", 11) == 11 && close(fd) == 0);
    FAILS(execve("./text", environ, environ), ENOEXEC);
    CHECK(chmod("text", 0644) == 0);
    FAILS(execve("./text", environ, environ), EACCES);
    CHECK(unlink("text") == 0);
}

static int inner(int argc, char **argv)
{
    int kept, closed;
    CHECK(argc == 3 && !strcmp(argv[0], "name of its own"));
    CHECK(sscanf(argv[2], "%d %d", &kept, &closed) == 2);
    CHECK(fcntl(kept, F_GETFD) == 0);
    FAILS(fcntl(closed, F_GETFD), EBADF);
    CHECK(environ[0] && !strcmp(environ[0], "ONLY=this") && !environ[1]);
    return failures;
}

static void many(void)
{
    for (int i = 0; i < 20; i++)
        if (fork() == 0)
            _exit(i);
    int sum = 0, status;
    while (wait(&status) > 0)
        sum += WEXITSTATUS(status);
    CHECK(sum == 190);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "inner"))
        return inner(argc, argv);
    statuses();
    no_hang_and_waitid();
    orphans();
    shared_memory_stays_shared();
    vfork_borrows_memory();
    exec("/proc/self/exe");
    many();
    return finish();
}
