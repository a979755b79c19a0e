/* execve: scripts, limits, what survives and what does not, set-id bits.  See execve(2). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include "check.h"

#define SELF "/proc/self/exe"
static char *none[] = {NULL};

static void handler(int signo) { (void)signo; }

/* Run in a child; its exit status, or 1000 + signal. */
static int outcome(int (*body)(void *), void *argument)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(body(argument));
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void file(const char *name, const char *text, int mode)
{
    int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    CHECK(chmod(name, mode) == 0);
}

/* --- scripts: the interpreter is this program, told by its arguments what to expect ---------- */

static int run_script(void *name)
{
    char *argv[] = {"ignored", "first", "second", NULL}, *envp[] = {"E=1", NULL};
    execve(name, argv, envp);
    return errno;
}

static int show(int argc, char **argv)
{
    char line[512] = "";
    for (int i = 1; i < argc; i++)
        strcat(line, argv[i]), strcat(line, "|");
    int fd = open("shown", O_CREAT | O_TRUNC | O_WRONLY, 0600);
    return write(fd, line, strlen(line)) < 0;
}

static void shown(const char *expected)
{
    char line[512] = "";
    int fd = open("shown", O_RDONLY);
    if (read(fd, line, sizeof line - 1) < 0 || strcmp(line, expected)) {
        printf("arguments are %s, not %s\n", line, expected);
        failures++;
    }
    close(fd), unlink("shown");
}

static void scripts(void)
{
    char self[256] = "", text[600];
    CHECK(readlink(SELF, self, sizeof self - 1) > 0);
    snprintf(text, sizeof text, "#! \t%s   show  two words \t\nrest", self);
    file("script", text, 0755);
    CHECK(outcome(run_script, "./script") == 0);
    shown("show  two words|./script|first|second|");
    file("nested", "#!./script\n", 0755);
    CHECK(outcome(run_script, "./nested") == 0);
    shown("show  two words|./script|./nested|first|second|");
    file("loop", "#!./loop\n", 0755);
    CHECK(outcome(run_script, "./loop") == ELOOP);
    file("missing", "#!/no/such/thing\n", 0755);
    CHECK(outcome(run_script, "./missing") == ENOENT);
    file("empty", "#!\n", 0755);
    CHECK(outcome(run_script, "./empty") == ENOEXEC);
    file("plain", "no program\n", 0755);
    CHECK(outcome(run_script, "./plain") == ENOEXEC);
    file("plain", "", 0755);
    CHECK(outcome(run_script, "./plain") == ENOEXEC);
    CHECK(chmod("script", 0644) == 0 && outcome(run_script, "./script") == EACCES);
    unlink("script"), unlink("nested"), unlink("loop"), unlink("missing"), unlink("empty");
    int fd = open("plain", O_WRONLY);
    CHECK(outcome(run_script, "./plain") == ETXTBSY);
    close(fd), unlink("plain");
    CHECK(outcome(run_script, ".") == EACCES);
    CHECK(outcome(run_script, "") == ENOENT);
    CHECK(outcome(run_script, NULL) == EFAULT);
    CHECK(open(self, O_WRONLY) == -1 && errno == ETXTBSY);
}

/* --- limits ----------------------------------------------------------------------------------- */

static int one_string(void *size)
{
    char *string = malloc((size_t)size + 1), *argv[] = {SELF, "nothing", string, NULL};
    memset(string, 'x', (size_t)size), string[(size_t)size] = 0;
    execve(SELF, argv, none);
    return errno;
}

static int many_strings(void *count)
{
    static char *argv[3000];
    static char string[1024];
    memset(string, 'x', sizeof string - 1);
    for (size_t i = 0; i < (size_t)count; i++)
        argv[i] = string;
    struct rlimit limit = {1 << 20, 1 << 20};
    setrlimit(RLIMIT_STACK, &limit);
    argv[0] = SELF, argv[1] = "nothing", argv[(size_t)count] = NULL;
    execve(SELF, argv, none);
    return errno;
}

static int no_arguments(void *unused)
{
    (void)unused;
    execve(SELF, NULL, NULL);
    return errno;
}

static void limits(void)
{
    CHECK(outcome(one_string, (void *)131071) == 0);
    CHECK(outcome(one_string, (void *)131072) == E2BIG);
    CHECK(outcome(many_strings, (void *)200) == 0);
    CHECK(outcome(many_strings, (void *)300) == E2BIG); /* a quarter of the stack limit */
    CHECK(outcome(no_arguments, NULL) == 44);           /* an empty argv gets one empty string */
}

/* --- what survives ------------------------------------------------------------------------------ */

static int prepare(void *unused)
{
    (void)unused;
    sigset_t block;
    struct itimerval timer = {{0, 0}, {50, 0}};
    signal(SIGUSR1, handler), signal(SIGUSR2, SIG_IGN);
    sigemptyset(&block), sigaddset(&block, SIGTERM);
    sigprocmask(SIG_SETMASK, &block, NULL);
    raise(SIGTERM);
    setitimer(ITIMER_REAL, &timer, NULL);
    umask(051);
    setpriority(PRIO_PROCESS, 0, 5);
    prctl(PR_SET_NAME, "another");
    execl(SELF, "execing", "survived", NULL);
    return errno;
}

static int survived(void)
{
    struct sigaction action;
    sigset_t set;
    struct itimerval timer;
    char name[17] = "";
    CHECK(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
    CHECK(sigaction(SIGUSR2, NULL, &action) == 0 && action.sa_handler == SIG_IGN);
    CHECK(sigprocmask(SIG_SETMASK, NULL, &set) == 0 && sigismember(&set, SIGTERM) == 1);
    CHECK(sigpending(&set) == 0 && sigismember(&set, SIGTERM) == 1);
    CHECK(getitimer(ITIMER_REAL, &timer) == 0 && timer.it_value.tv_sec >= 49);
    CHECK(umask(0) == 051 && getpriority(PRIO_PROCESS, 0) == 5);
    CHECK(prctl(PR_GET_NAME, name) == 0 && !strcmp(name, "exe"));
    return finish();
}

static int by_descriptor(void *script)
{
    int fd = open(script ? "script" : SELF, O_RDONLY | (script ? O_CLOEXEC : 0));
    char *argv[] = {"execing", "nothing", NULL};
    syscall(SYS_execveat, fd, "", argv, none, AT_EMPTY_PATH);
    return errno;
}

static int bad_flags(void *unused)
{
    (void)unused;
    return syscall(SYS_execveat, AT_FDCWD, SELF, none, none, 0x100000), errno;
}

static int no_follow(void *unused)
{
    (void)unused;
    return syscall(SYS_execveat, AT_FDCWD, "link", none, none, AT_SYMLINK_NOFOLLOW), errno;
}

static void descriptors(void)
{
    char self[256] = "", text[300];
    CHECK(readlink(SELF, self, sizeof self - 1) > 0);
    CHECK(outcome(by_descriptor, NULL) == 0);
    snprintf(text, sizeof text, "#!%s nothing\n", self);
    file("script", text, 0755);
    CHECK(outcome(by_descriptor, "script") == ENOENT); /* the interpreter could not open it */
    unlink("script");
    CHECK(outcome(bad_flags, NULL) == EINVAL);
    CHECK(symlink(self, "link") == 0 && outcome(no_follow, NULL) == ELOOP);
    unlink("link");
}

/* --- set-id bits -------------------------------------------------------------------------------- */

static int as_user(void *no_new_privs)
{
    if (no_new_privs)
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (setgid(321) || setuid(4321))
        return 99;
    execl("./setid", "execing", no_new_privs ? "plain-id" : "set-id", NULL);
    return errno;
}

static int ids(uid_t euid, gid_t egid)
{
    uid_t real, effective, saved;
    CHECK(getresuid(&real, &effective, &saved) == 0);
    CHECK(real == 4321 && effective == euid && saved == euid);
    CHECK(getgid() == 321 && getegid() == egid);
    return finish();
}

static void set_id(void)
{
    char buffer[65536];
    ssize_t got;
    int from = open(SELF, O_RDONLY), to = open("setid", O_CREAT | O_WRONLY, 0700);
    while ((got = read(from, buffer, sizeof buffer)) > 0)
        CHECK(write(to, buffer, got) == got);
    close(from), close(to);
    CHECK(chown("setid", 77, 78) == 0 && chmod("setid", 06755) == 0);
    CHECK(chmod(".", 0755) == 0);
    CHECK(outcome(as_user, NULL) == 0);
    CHECK(outcome(as_user, "yes") == 0);
    unlink("setid");
}

int main(int argc, char **argv)
{
    if (argc == 1 && argv[0][0] == 0)
        return 44;
    if (argc > 1 && !strncmp(argv[1], "show", 4))
        return show(argc, argv);
    if (argc > 1 && !strcmp(argv[1], "nothing"))
        return 0;
    if (argc > 1 && !strcmp(argv[1], "survived"))
        return freopen("/dev/null", "w", stdout) == NULL || survived();
    if (argc > 1 && !strcmp(argv[1], "set-id"))
        return freopen("/dev/null", "w", stdout) == NULL || ids(77, 78);
    if (argc > 1 && !strcmp(argv[1], "plain-id"))
        return freopen("/dev/null", "w", stdout) == NULL || ids(4321, 321);
    scripts();
    limits();
    CHECK(outcome(prepare, NULL) == 0);
    descriptors();
    if (getuid() == 0)
        set_id();
    return finish();
}
