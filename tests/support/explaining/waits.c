/* Calls that wait, one after the other; begin.h stands before it. */

static void soon(void)
{
    struct timespec time = { 0, 50000000 };

    CALL(nanosleep, &time, 0);
}

/* The row's name, and a child that will end the wait; true in the child, when it is time. */
static int in_child(const char *name)
{
    row(name);
    if (fork())
        return 0;
    soon();
    return 1;
}

static void reap(void)
{
    while (waitpid(-1, 0, 0) > 0)
        continue;
}

static void noticed(int signal)
{
    (void)signal;
}

static void handle(int flags)
{
    struct sigaction action = { .sa_handler = noticed, .sa_flags = flags };

    sigaction(SIGUSR1, &action, 0);
}

static void file_waits(void)
{
    static char much[65536];
    char buf[64];
    int ends[2], back[2];

    pipe(ends);
    if (in_child("pipe read")) {
        write(ends[1], "x", 1);
        _exit(0);
    }
    read(ends[0], buf, 1);
    reap();
    if (in_child("pipe write")) {
        read(ends[0], much, sizeof much);
        _exit(0);
    }
    write(ends[1], much, sizeof much);
    write(ends[1], buf, 1);
    reap();
    close(ends[0]);
    close(ends[1]);
    pipe(ends);
    if (in_child("poll")) {
        write(ends[1], "x", 1);
        _exit(0);
    }
    struct pollfd wanted = { ends[0], POLLIN, 0 };
    poll(&wanted, 1, 9000);
    reap();
    read(ends[0], buf, 1);
    if (in_child("select")) {
        write(ends[1], "x", 1);
        _exit(0);
    }
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    select(ends[0] + 1, &set, 0, 0, 0);
    reap();
    read(ends[0], buf, 1);
    if (in_child("epoll")) {
        write(ends[1], "x", 1);
        _exit(0);
    }
    int epoll = epoll_create1(0);
    struct epoll_event event = { EPOLLIN, { 0 } };
    epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event);
    epoll_wait(epoll, &event, 1, -1);
    reap();
    close(epoll);
    mkfifo("/w/waiting", 0600);
    if (in_child("fifo open")) {
        open("/w/waiting", O_WRONLY);
        _exit(0);
    }
    close(open("/w/waiting", O_RDONLY));
    reap();
    int fd = make("/w/locked", 0600);
    pipe(back);
    row("flock");
    if (!fork()) {
        int own = open("/w/locked", O_RDWR);
        flock(own, LOCK_EX);
        write(back[1], "x", 1);
        soon();
        _exit(0);
    }
    read(back[0], buf, 1);
    flock(fd, LOCK_EX);
    reap();
    flock(fd, LOCK_UN);
    row("record lock");
    struct flock lock = { .l_type = F_WRLCK, .l_len = 10 };
    if (!fork()) {
        fcntl(fd, F_SETLK, &lock);
        write(back[1], "x", 1);
        soon();
        _exit(0);
    }
    read(back[0], buf, 1);
    fcntl(fd, F_SETLKW, &lock);
    reap();
    int event_fd = eventfd(0, 0);
    if (in_child("eventfd")) {
        eventfd_write(event_fd, 1);
        _exit(0);
    }
    read(event_fd, buf, 8);
    reap();
    row("timerfd");
    int timer = CALL(timerfd_create, 1, 0);
    struct itimerspec half = { { 0, 0 }, { 0, 500000000 } };
    CALL(timerfd_settime, timer, 0, &half, 0);
    read(timer, buf, 8);
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    grantpt(master);
    unlockpt(master);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    if (in_child("terminal")) {
        write(master, "hi\n", 3);
        _exit(0);
    }
    read(slave, buf, 10);
    reap();
}

static void task_waits(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    uint32_t *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct timespec half = { 0, 500000000 };
    int status;

    (void)stack;
    if (in_child("child"))
        _exit(0);
    wait4(-1, &status, 0, 0);
    row("one child");
    pid_t pid = fork();
    if (!pid) {
        soon();
        _exit(0);
    }
    wait4(pid, &status, 0, 0);
    row("sleep");
    CALL(nanosleep, &half, 0);
    if (in_child("futex")) {
        shared[0] = 1;
        CALL(futex, &shared[0], FUTEX_WAKE, 1);
        _exit(0);
    }
    CALL(futex, &shared[0], FUTEX_WAIT, 0, 0);
    reap();
    uint32_t *mutex = shared + 16; /* as glibc has it: word, count, owner, users, kind */
    row("glibc mutex");
    mutex[0] = 2;
    mutex[3] = 1;
    pid = fork();
    if (!pid) {
        soon();
        CALL(futex, mutex, FUTEX_WAKE, 1);
        _exit(0);
    }
    mutex[2] = pid;
    CALL(futex, mutex, FUTEX_WAIT, 2, 0);
    reap();
    row("PI futex");
    if (!fork()) {
        CALL(futex, &shared[1], FUTEX_LOCK_PI, 0, 0);
        soon();
        CALL(futex, &shared[1], FUTEX_UNLOCK_PI, 0, 0);
        _exit(0);
    }
    struct timespec little = { 0, 10000000 };
    CALL(nanosleep, &little, 0);
    CALL(futex, &shared[1], FUTEX_LOCK_PI, 0, 0);
    reap();
    handle(0);
    if (in_child("pause")) {
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    CALL(ppoll, 0, 0, 0, 0, 8);
    reap();
    int ends[2];
    char buf[8];
    pipe(ends);
    if (in_child("EINTR read")) {
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    read(ends[0], buf, 1);
    reap();
    handle(SA_RESTART);
    if (in_child("restarted read")) {
        kill(getppid(), SIGUSR1);
        soon();
        write(ends[1], "x", 1);
        _exit(0);
    }
    read(ends[0], buf, 1);
    reap();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, 0);
    if (in_child("sigwait")) {
        kill(getppid(), SIGUSR1);
        _exit(0);
    }
    CALL(rt_sigtimedwait, &set, 0, 0, 8);
    reap();
    int semaphores = semget(IPC_PRIVATE, 1, 0600);
    struct sembuf take = { 0, -1, 0 }, give = { 0, 1, 0 };
    if (in_child("semaphore")) {
        semop(semaphores, &give, 1);
        _exit(0);
    }
    semop(semaphores, &take, 1);
    reap();
    semctl(semaphores, 0, IPC_RMID);
    int queue = msgget(IPC_PRIVATE, 0600);
    struct { long type; char text[8]; } message = { 1, "x" };
    if (in_child("message")) {
        msgsnd(queue, &message, 1, 0);
        _exit(0);
    }
    msgrcv(queue, &message, 8, 0, 0);
    reap();
    msgctl(queue, IPC_RMID, 0);
    row("vfork");
    if (!CALL(clone, CLONE_VM | CLONE_VFORK | SIGCHLD, stack + sizeof stack - 4096, 0, 0, 0)) {
        soon();
        _exit(0);
    }
    reap();
}

static void socket_waits(void)
{
    struct sockaddr_in here = { AF_INET, htons(4000), { htonl(INADDR_LOOPBACK) }, { 0 } };
    char buf[8];
    int pair[2];

    row("SIGSEGV");
    if (!fork()) {
        *(volatile int *)16 = 1;
        _exit(0);
    }
    reap();
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    if (in_child("unix receive")) {
        write(pair[1], "x", 1);
        _exit(0);
    }
    read(pair[0], buf, 1);
    reap();
    int server = socket(AF_INET, SOCK_STREAM, 0);
    bind(server, (void *)&here, sizeof here);
    listen(server, 1);
    if (in_child("accept")) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        connect(fd, (void *)&here, sizeof here);
        _exit(0);
    }
    CALL(accept, server, 0, 0);
    reap();
}

int main(void)
{
    begin();
    file_waits();
    task_waits();
    socket_waits();
    return 0;
}
