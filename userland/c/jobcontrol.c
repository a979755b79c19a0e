/* Process groups, sessions, stop and continue, orphaned jobs.  See setpgid(2), setsid(2),
 * credentials(7), kill(2). */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include "check.h"

static volatile sig_atomic_t hangups, continues;
static void on_hangup(int signo) { (void)signo; hangups++; }
static void on_continue(int signo) { (void)signo; continues++; }

static pid_t sleeper(void)
{
    pid_t child = fork();
    if (child == 0)
        for (;;)
            pause();
    return child;
}

static void end(pid_t child)
{
    int status = 0;
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
}

static void groups(void)
{
    pid_t first = sleeper(), second = sleeper();
    CHECK(getpgid(first) == getpgrp() && getsid(first) == getsid(0));
    CHECK(setpgid(first, 0) == 0 && getpgid(first) == first);
    CHECK(setpgid(second, first) == 0 && getpgid(second) == first);
    FAILS(setpgid(second, 99999), EPERM);
    FAILS(setpgid(second, -1), EINVAL);
    FAILS(setpgid(99999, 0), ESRCH);
    FAILS(setpgid(getppid(), 0), ESRCH);
    FAILS(getpgid(99999), ESRCH);
    CHECK(kill(-first, 0) == 0 && kill(-first, SIGSTOP) == 0);
    int status = 0;
    CHECK(waitpid(-first, &status, WUNTRACED) > 0 && WIFSTOPPED(status));
    CHECK(waitpid(-first, &status, WUNTRACED) > 0 && WSTOPSIG(status) == SIGSTOP);
    CHECK(kill(-first, SIGCONT) == 0);
    CHECK(waitpid(first, &status, WCONTINUED) == first && WIFCONTINUED(status));
    end(first);
    CHECK(getpgid(second) == first); /* the group outlives its leader */
    end(second);
    FAILS(kill(-first, 0), ESRCH);
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "jobcontrol", "sleep", NULL);
        _exit(9);
    }
    while (setpgid(child, 0) == 0) /* until it has become another program */
        usleep(1000);
    FAILS(setpgid(child, 0), EACCES);
    end(child);
}

static int in_session(void)
{
    pid_t me = getpid();
    int before = failures;
    CHECK(setsid() == me && getsid(0) == me && getpgrp() == me);
    FAILS(setsid(), EPERM);
    FAILS(setpgid(0, 0), EPERM);
    FAILS(open("/dev/tty", O_RDWR), ENXIO);
    pid_t child = fork();
    if (child == 0) {
        CHECK(getsid(0) == me && setsid() == getpid());
        _exit(failures - before);
    }
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    /* Stop signals but SIGSTOP do nothing to an orphaned group: nobody could continue it. */
    child = fork();
    if (child == 0) {
        CHECK(setsid() > 0);
        raise(SIGTSTP);
        raise(SIGTTIN);
        _exit(failures - before);
    }
    CHECK(waitpid(child, &status, WUNTRACED) == child && WIFEXITED(status) && status == 0);
    return failures - before;
}

static void sessions(void)
{
    int status = 1;
    pid_t child = fork();
    if (child == 0)
        _exit(in_session());
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* A stopped job whose last contact ends gets SIGHUP and SIGCONT. */
static void orphans(void)
{
    int report[2];
    CHECK(pipe(report) == 0);
    pid_t shell = fork();
    if (shell == 0) {
        setsid();
        pid_t job = fork();
        if (job == 0) {
            struct sigaction hup = {.sa_handler = on_hangup}, cont = {.sa_handler = on_continue};
            sigaction(SIGHUP, &hup, NULL), sigaction(SIGCONT, &cont, NULL);
            setpgid(0, 0);
            raise(SIGTSTP);
            while (!hangups || !continues)
                usleep(1000);
            char text[2] = {'0' + hangups, '0' + continues};
            _exit(write(report[1], text, 2) != 2);
        }
        int status = 0;
        CHECK(waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status));
        CHECK(WSTOPSIG(status) == SIGTSTP);
        _exit(failures);
    }
    int status = 1;
    char text[2] = "";
    CHECK(waitpid(shell, &status, 0) == shell && status == 0);
    CHECK(read(report[0], text, 2) == 2 && text[0] == '1' && text[1] == '1');
    close(report[0]), close(report[1]);
}

static void stops(void)
{
    int status = 0;
    pid_t child = sleeper();
    setpgid(child, child);
    CHECK(kill(child, SIGTSTP) == 0);
    CHECK(waitpid(child, &status, WUNTRACED) == child && WSTOPSIG(status) == SIGTSTP);
    CHECK(waitpid(child, &status, WUNTRACED | WNOHANG) == 0); /* reported once */
    CHECK(kill(child, SIGTERM) == 0);                         /* waits until it goes on */
    CHECK(waitpid(child, &status, WNOHANG) == 0);
    CHECK(kill(child, SIGCONT) == 0);
    CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGTERM);
    child = sleeper();
    CHECK(kill(child, SIGSTOP) == 0 && waitpid(child, &status, WUNTRACED) == child);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return sleep(10), 0;
    groups();
    sessions();
    orphans();
    stops();
    return finish();
}
