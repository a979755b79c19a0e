/* Errors of every family, one after the other; begin.h stands before it. */

static void paths(void)
{
    char name[5000];

    row("ENOENT missing component");
    failed(open("/w/none/file", O_RDONLY), ENOENT);
    row("ENOENT last component");
    failed(open("/w/dir/nothing", O_RDONLY), ENOENT);
    row("ENOENT dangling link");
    symlink("/w/nowhere/at/all", "/w/dangling");
    failed(open("/w/dangling", O_RDONLY), ENOENT);
    row("ENOENT empty path");
    failed(open("", O_RDONLY), ENOENT);
    row("ENOENT script interpreter");
    int fd = make("/w/script", 0755);
    write(fd, "#!/w/interp\n", 12);
    close(fd);
    char *none[] = { 0 };
    failed(execve("/w/script", none, none), ENOENT);
    row("ENOENT unlink");
    failed(unlink("/w/dir/gone"), ENOENT);
    row("ENOTDIR component");
    failed(open("/w/file/below", O_RDONLY), ENOTDIR);
    row("ENOTDIR asked for");
    failed(open("/w/file", O_RDONLY | O_DIRECTORY), ENOTDIR);
    row("ENOTDIR dirfd");
    fd = open("/w/file", O_RDONLY);
    failed(openat(fd, "x", O_RDONLY), ENOTDIR);
    close(fd);
    row("ELOOP circle");
    symlink("loop2", "/w/loop1");
    symlink("loop1", "/w/loop2");
    failed(open("/w/loop1", O_RDONLY), ELOOP);
    row("ELOOP nofollow");
    failed(open("/w/dangling", O_RDONLY | O_NOFOLLOW), ELOOP);
    row("ENAMETOOLONG component");
    memset(name, 'n', 300);
    name[0] = '/';
    name[300] = 0;
    failed(open(name, O_RDONLY), ENAMETOOLONG);
    row("ENAMETOOLONG path");
    memset(name, '/', sizeof name - 1);
    name[sizeof name - 1] = 0;
    failed(open(name, O_RDONLY), ENAMETOOLONG);
    row("EEXIST open");
    failed(open("/w/file", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
    row("EEXIST mkdir");
    failed(mkdir("/w/dir", 0700), EEXIST);
    row("EISDIR open");
    failed(open("/w/dir", O_WRONLY), EISDIR);
    row("EISDIR read");
    fd = open("/w/dir", O_RDONLY);
    failed(read(fd, name, 10), EISDIR);
    close(fd);
    row("EISDIR unlink");
    failed(unlink("/w/dir"), EISDIR);
    row("ENOTEMPTY rmdir");
    failed(rmdir("/w/full"), ENOTEMPTY);
    row("EBUSY rmdir");
    failed(rmdir("/w/mnt"), EBUSY);
    row("EBUSY umount");
    fd = open("/w/mnt/file", O_RDWR | O_CREAT, 0600);
    failed(umount("/w/mnt"), EBUSY);
    row("EXDEV rename");
    failed(rename("/w/mnt/file", "/w/file2"), EXDEV);
    row("EXDEV link");
    failed(link("/w/mnt/file", "/w/file2"), EXDEV);
    close(fd);
    row("EINVAL rename into itself");
    failed(rename("/w/full", "/w/full/entry/x"), EINVAL);
    row("EROFS open");
    failed(open("/w/ro/new", O_RDWR | O_CREAT, 0600), EROFS);
    row("EROFS mkdir");
    failed(mkdir("/w/ro/new", 0700), EROFS);
    row("ENOSPC write");
    fd = open("/w/mnt/big", O_RDWR | O_CREAT, 0600);
    char page[4096] = { 0 };
    long done = 1;
    for (int i = 0; i < 40 && done > 0; i++)
        done = write(fd, page, sizeof page);
    failed(done, ENOSPC);
    close(fd);
    unlink("/w/mnt/big");
    row("ETXTBSY open");
    failed(open("/proc/self/exe", O_RDWR), ETXTBSY);
    row("ETXTBSY execve");
    fd = make("/w/written", 0755);
    failed(execve("/w/written", none, none), ETXTBSY);
    close(fd);
    row("ENOEXEC execve");
    chmod("/w/file", 0755);
    failed(execve("/w/file", none, none), ENOEXEC);
    chmod("/w/file", 0644);
    row("EACCES execve directory");
    failed(execve("/w/dir", none, none), EACCES);
    row("ENXIO fifo");
    mkfifo("/w/fifo", 0600);
    failed(open("/w/fifo", O_WRONLY | O_NONBLOCK), ENXIO);
    row("ENODEV mount");
    failed(mount("none", "/w/dir", "nofs", 0, 0), ENODEV);
    row("EINVAL readlink");
    failed(readlink("/w/file", name, 10), EINVAL);
    row("ERANGE getcwd");
    failed(CALL(getcwd, name, 1), ERANGE);
    row("EINVAL open flags");
    failed(open("/w", O_TMPFILE | O_RDONLY, 0600), EINVAL);
}

static void another_user(void)
{
    char *none[] = { 0 };
    pid_t pid = fork();

    if (pid) {
        waitpid(pid, 0, 0);
        return;
    }
    syscall(SYS_setresgid, 1000, 1000, 1000);
    syscall(SYS_setresuid, 1000, 1000, 1000);
    row("EACCES search");
    failed(open("/w/secret/inner/file", O_RDONLY), EACCES);
    row("EACCES read");
    failed(open("/w/private", O_RDONLY), EACCES);
    row("EACCES create");
    failed(open("/w/new", O_RDWR | O_CREAT, 0600), EACCES);
    row("EACCES execve");
    failed(execve("/w/file", none, none), EACCES);
    row("EPERM chmod");
    failed(chmod("/w/file", 0777), EPERM);
    row("EPERM chown");
    failed(chown("/w/file", 1000, 1000), EPERM);
    row("EPERM sticky");
    failed(unlink("/w/sticky/file"), EPERM);
    row("EPERM kill");
    failed(kill(getppid(), SIGTERM), EPERM);
    row("EPERM mount");
    failed(mount("none", "/w/dir", "tmpfs", 0, 0), EPERM);
    row("EPERM setuid");
    failed(syscall(SYS_setuid, 7), EPERM);
    row("EPERM rlimit");
    struct rlimit more = { 4096, 1 << 30 };
    failed(setrlimit(RLIMIT_NOFILE, &more), EPERM);
    row("EPERM sethostname");
    failed(sethostname("x", 1), EPERM);
    row("EACCES bind");
    struct sockaddr_in low = { AF_INET, htons(80), { htonl(INADDR_LOOPBACK) }, { 0 } };
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    failed(bind(fd, (void *)&low, sizeof low), EACCES);
    row("EAGAIN fork");
    struct rlimit few = { 1, 1 };
    setrlimit(RLIMIT_NPROC, &few);
    failed(CALL(clone, SIGCHLD, 0), EAGAIN);
    _exit(0);
}

static void descriptors(void)
{
    char buf[16];
    struct rlimit limit = { 64, 64 }, file_size = { 100, RLIM_INFINITY };
    int ends[2];

    row("EBADF never");
    failed(read(77, buf, 1), EBADF);
    row("EBADF closed");
    int fd = open("/w/file", O_RDONLY);
    close(fd);
    failed(read(fd, buf, 1), EBADF);
    row("EBADF read-only");
    fd = open("/w/file", O_RDONLY);
    failed(write(fd, buf, 1), EBADF);
    row("EBADF path");
    int place = open("/w/file", O_PATH);
    failed(read(place, buf, 1), EBADF);
    close(place);
    row("EBADF negative");
    failed(CALL(close, -5), EBADF);
    row("EBADF dup3 limit");
    setrlimit(RLIMIT_NOFILE, &limit);
    failed(CALL(dup3, fd, 100, 0), EBADF);
    row("EBADF beyond limit");
    failed(CALL(close, 5000), EBADF);
    row("EMFILE");
    long made = 0;
    while (made >= 0)
        made = CALL(dup, fd);
    failed(made, EMFILE);
    for (int i = 10; i < 64; i++)
        close(i);
    row("EINVAL fcntl");
    failed(CALL(fcntl, fd, 999, 0), EINVAL);
    row("EINVAL lseek");
    failed(lseek(fd, -5, SEEK_SET), EINVAL);
    row("EINVAL whence");
    failed(lseek(fd, 0, 99), EINVAL);
    row("ENOTTY");
    struct termios settings;
    failed(ioctl(fd, TCGETS, &settings), ENOTTY);
    close(fd);
    pipe(ends);
    row("ESPIPE");
    failed(lseek(ends[0], 0, SEEK_SET), ESPIPE);
    row("EAGAIN pipe");
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    failed(read(ends[0], buf, 1), EAGAIN);
    row("EPIPE pipe");
    close(ends[0]);
    failed(write(ends[1], buf, 1), EPIPE);
    close(ends[1]);
    row("EAGAIN full pipe");
    pipe2(ends, O_NONBLOCK);
    char *much = calloc(1, 65536);
    write(ends[1], much, 65536);
    failed(write(ends[1], buf, 1), EAGAIN);
    close(ends[0]);
    close(ends[1]);
    row("EFBIG");
    setrlimit(RLIMIT_FSIZE, &file_size);
    fd = make("/w/small", 0600);
    failed(pwrite(fd, buf, 1, 200), EFBIG);
    file_size.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &file_size);
    row("EAGAIN flock");
    int other = open("/w/small", O_RDWR);
    flock(fd, LOCK_EX);
    failed(flock(other, LOCK_EX | LOCK_NB), EAGAIN);
    row("EAGAIN eventfd");
    int event = eventfd(0, EFD_NONBLOCK);
    failed(read(event, buf, 8), EAGAIN);
    row("EINVAL eventfd size");
    failed(read(event, buf, 4), EINVAL);
    row("EEXIST epoll");
    int epoll = epoll_create1(0);
    struct epoll_event wanted = { EPOLLIN, { 0 } };
    epoll_ctl(epoll, EPOLL_CTL_ADD, event, &wanted);
    failed(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &wanted), EEXIST);
    row("EPERM epoll");
    failed(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted), EPERM);
    row("ENOENT epoll");
    failed(epoll_ctl(epoll, EPOLL_CTL_DEL, ROW, &wanted), ENOENT);
    row("ENOTSOCK");
    failed(listen(fd, 1), ENOTSOCK);
    close(epoll);
    close(event);
    close(other);
    close(fd);
    free(much);
}

static void memory(void)
{
    char *area = mmap(0, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct rlimit space = { 1 << 20, RLIM_INFINITY }, locked = { 4096, 4096 };
    int fd = open("/w/file", O_RDONLY);
    struct iovec bad = { (void *)16, 8 };

    row("EFAULT unmapped");
    failed(CALL(getcwd, 0x10, 100), EFAULT);
    row("EFAULT read-only");
    failed(read(fd, area, 4), EFAULT);
    row("EFAULT iovec");
    failed(writev(ROW, &bad, 1), EFAULT);
    row("EFAULT path");
    failed(CALL(chdir, 0xdead0000), EFAULT);
    row("EINVAL iovec count");
    failed(CALL(writev, ROW, &bad, 5000), EINVAL);
    row("EINVAL munmap");
    failed(munmap(area + 1, 4096), EINVAL);
    row("EINVAL mmap length");
    failed(CALL(mmap, 0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EINVAL);
    row("EINVAL mmap flags");
    failed(CALL(mmap, 0, 4096, PROT_READ, MAP_ANONYMOUS, -1, 0), EINVAL);
    row("EACCES mmap wx");
    failed(CALL(mmap, 0, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), EACCES);
    row("EACCES mmap file");
    failed(CALL(mmap, 0, 4096, PROT_WRITE, MAP_SHARED, fd, 0), EACCES);
    row("ENODEV mmap");
    int tty = open("/dev/null", O_RDWR);
    int ends[2];
    pipe(ends);
    failed(CALL(mmap, 0, 4096, PROT_READ, MAP_PRIVATE, ends[0], 0), ENODEV);
    close(ends[0]);
    close(ends[1]);
    close(tty);
    row("EEXIST mmap");
    failed(CALL(mmap, area, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
           EEXIST);
    row("EPERM mmap low");
    failed(CALL(mmap, 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), EPERM);
    row("ENOMEM commit");
    failed(CALL(mmap, 0, 1L << 40, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
    row("ENOMEM RLIMIT_AS");
    setrlimit(RLIMIT_AS, &space);
    failed(CALL(mmap, 0, 4 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), ENOMEM);
    space.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_AS, &space);
    row("ENOMEM mprotect");
    munmap(area + 4096, 4096);
    failed(mprotect(area, 8192, PROT_READ), ENOMEM);
    row("EFAULT mremap");
    failed(CALL(mremap, 0x100000, 4096, 8192, MREMAP_MAYMOVE), EFAULT);
    row("EINVAL madvise");
    failed(CALL(madvise, area, 4096, 12345), EINVAL);
    (void)locked;
    close(fd);
}

static void processes(void)
{
    row("ECHILD none");
    failed(waitpid(-1, 0, 0), ECHILD);
    row("ECHILD stranger");
    pid_t child = fork();
    if (!child) {
        pause();
        _exit(0);
    }
    failed(waitpid(1, 0, 0), ECHILD);
    row("ESRCH kill");
    failed(kill(12345, SIGTERM), ESRCH);
    row("EINVAL signal");
    failed(kill(child, 1000), EINVAL);
    kill(child, SIGKILL);
    waitpid(child, 0, 0);
    row("ESRCH setpgid");
    failed(setpgid(1, 0), ESRCH);
    row("EPERM setsid");
    failed(setsid(), EPERM);
    row("EINVAL clone");
    failed(CALL(clone, CLONE_THREAD, 0), EINVAL);
    row("EINVAL sigaction");
    struct sigaction ignore = { 0 };
    failed(CALL(rt_sigaction, SIGKILL, &ignore, 0, 8), EINVAL);
    row("EINVAL clock");
    struct timespec now;
    failed(CALL(clock_gettime, 99, &now), EINVAL);
    row("EINVAL nanosleep");
    struct timespec odd = { 0, 2000000000 };
    failed(CALL(nanosleep, &odd, 0), EINVAL);
    row("EAGAIN futex");
    static uint32_t word = 5;
    failed(CALL(futex, &word, FUTEX_WAIT_PRIVATE, 6, 0), EAGAIN);
    row("ETIMEDOUT futex");
    struct timespec soon = { 0, 1000000 };
    failed(CALL(futex, &word, FUTEX_WAIT_PRIVATE, 5, &soon), ETIMEDOUT);
    row("EINVAL futex");
    failed(CALL(futex, (char *)&word + 1, FUTEX_WAKE_PRIVATE, 1), EINVAL);
    row("EDEADLK futex");
    static uint32_t lock;
    lock = syscall(SYS_gettid);
    failed(CALL(futex, &lock, FUTEX_LOCK_PI_PRIVATE, 0, 0), EDEADLK);
    row("ENOSYS");
    failed(CALL(init_module, 0), ENOSYS);
    row("EINVAL prctl");
    failed(CALL(prctl, 9999, 0), EINVAL);
    row("EINVAL rlimit");
    struct rlimit wrong = { 10, 5 };
    failed(setrlimit(RLIMIT_CORE, &wrong), EINVAL);
    row("EAGAIN semop");
    int set = semget(IPC_PRIVATE, 2, 0600);
    struct sembuf take = { 1, -1, IPC_NOWAIT };
    failed(semop(set, &take, 1), EAGAIN);
    semctl(set, 0, IPC_RMID);
    row("EINVAL semget");
    failed(semop(set, &take, 1), EINVAL);
    row("ENOMSG");
    int queue = msgget(IPC_PRIVATE, 0600);
    char message[64];
    failed(msgrcv(queue, message, 8, 3, IPC_NOWAIT), ENOMSG);
    msgctl(queue, IPC_RMID, 0);
}

static void sockets(void)
{
    struct sockaddr_in here = { AF_INET, htons(4000), { htonl(INADDR_LOOPBACK) }, { 0 } };
    struct sockaddr_in nobody = { AF_INET, htons(4999), { htonl(INADDR_LOOPBACK) }, { 0 } };
    struct sockaddr_in far = { AF_INET, htons(80), { htonl(0x08080808) }, { 0 } };
    struct sockaddr_un name = { AF_UNIX, "/w/no-socket" };
    char much[70000];

    memset(much, 0, sizeof much);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    bind(server, (void *)&here, sizeof here);
    listen(server, 1);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    row("ECONNREFUSED");
    failed(connect(fd, (void *)&nobody, sizeof nobody), ECONNREFUSED);
    close(fd);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    row("EADDRINUSE");
    failed(bind(fd, (void *)&here, sizeof here), EADDRINUSE);
    row("EADDRNOTAVAIL");
    failed(bind(fd, (void *)&far, sizeof far), EADDRNOTAVAIL);
    row("ENETUNREACH");
    failed(connect(fd, (void *)&far, sizeof far), ENETUNREACH);
    row("EPIPE unconnected");
    failed(CALL(sendto, fd, much, 1, MSG_NOSIGNAL, 0, 0), EPIPE);
    row("ENOTCONN getpeername");
    socklen_t size = sizeof far;
    failed(getpeername(fd, (void *)&far, &size), ENOTCONN);
    row("EINVAL accept");
    failed(CALL(accept, fd, 0, 0), EINVAL);
    row("EAFNOSUPPORT connect");
    failed(connect(fd, (void *)&name, sizeof name), EAFNOSUPPORT);
    row("EAGAIN accept");
    fcntl(server, F_SETFL, O_NONBLOCK);
    failed(CALL(accept, server, 0, 0), EAGAIN);
    close(fd);
    close(server);
}

static void more_sockets(void)
{
    struct sockaddr_in here = { AF_INET, htons(4001), { htonl(INADDR_LOOPBACK) }, { 0 } };
    struct sockaddr_un name = { AF_UNIX, "/w/no-socket" }, file = { AF_UNIX, "/w/file" };
    struct sockaddr_un abstract = { AF_UNIX, "\0taken" };
    static char much[70000];
    int pair[2], value = 1;

    row("EAFNOSUPPORT socket");
    failed(socket(4, SOCK_STREAM, 0), EAFNOSUPPORT);
    row("EPROTONOSUPPORT");
    failed(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
    row("EOPNOTSUPP socketpair");
    failed(socketpair(AF_INET, SOCK_STREAM, 0, pair), EOPNOTSUPP);
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    row("EMSGSIZE");
    failed(sendto(udp, much, sizeof much, 0, (void *)&here, sizeof here), EMSGSIZE);
    row("EDESTADDRREQ");
    failed(send(udp, much, 1, 0), EDESTADDRREQ);
    row("EOPNOTSUPP listen");
    failed(listen(udp, 1), EOPNOTSUPP);
    row("ENOPROTOOPT");
    failed(setsockopt(udp, SOL_SOCKET, 9999, &value, sizeof value), ENOPROTOOPT);
    row("EAGAIN recv");
    failed(recv(udp, much, 10, MSG_DONTWAIT), EAGAIN);
    close(udp);
    int stream = socket(AF_UNIX, SOCK_STREAM, 0);
    row("ENOENT unix");
    failed(connect(stream, (void *)&name, sizeof name), ENOENT);
    row("ECONNREFUSED unix");
    failed(connect(stream, (void *)&file, sizeof file), ECONNREFUSED);
    row("EADDRINUSE unix");
    failed(bind(stream, (void *)&file, sizeof file), EADDRINUSE);
    row("EADDRINUSE abstract");
    int other = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(other, (void *)&abstract, 8);
    failed(bind(stream, (void *)&abstract, 8), EADDRINUSE);
    close(stream);
    close(other);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    row("EISCONN");
    failed(connect(pair[0], (void *)&file, sizeof file), EISCONN);
    row("EPIPE socket");
    close(pair[1]);
    failed(write(pair[0], much, 1), EPIPE);
    close(pair[0]);
}

int main(void)
{
    begin();
    paths();
    another_user();
    descriptors();
    memory();
    processes();
    sockets();
    more_sockets();
    return 0;
}
