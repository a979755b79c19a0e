/* A bit of everything the kernel has is in use, and every thread sleeps: for tests that look. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char registered[32] __attribute__((aligned(32)));
static int need(int value) { if (value < 0) { perror("busy"); _exit(9); } return value; }
static pthread_mutex_t inherits, plain = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static void *in_pi(void *p) { pthread_mutex_lock(&inherits); return p; }
static void *in_cond(void *p) { pthread_mutex_lock(&plain); pthread_cond_wait(&never, &plain); return p; }
static void *in_read(void *p) { char c; read(*(int *)p, &c, 1); return p; }
static void *in_accept(void *p) { accept(*(int *)p, NULL, NULL); return p; }
static void *in_recv(void *p) { char c; recv(*(int *)p, &c, 1, 0); return p; }
static void *in_epoll(void *p) { struct epoll_event e; epoll_wait(*(int *)p, &e, 1, -1); return p; }
static void *in_poll(void *p) { struct pollfd f = {*(int *)p, POLLIN, 0}; poll(&f, 1, 1000000); return p; }
static void *in_sleep(void *p) { sleep(1000); return p; }
static void *in_sem(void *p) { struct sembuf b = {0, -1, 0}; semop(*(int *)p, &b, 1); return p; }
static void *in_msg(void *p) { char b[64]; msgrcv(*(int *)p, b, 8, 0, 0); return p; }
static void *in_mq(void *p) { char b[8192]; mq_receive(*(int *)p, b, 8192, NULL); return p; }
static void *in_lock(void *p) { (void)p; flock(open("lock", O_RDWR), LOCK_EX); return p; }
static void *in_fcntl(void *p)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    (void)p; fcntl(open("lock2", O_RDWR), F_OFD_SETLKW, &l); return p;
}
static void *in_sigwait(void *p) { sigset_t s; int n; sigemptyset(&s); sigaddset(&s, SIGUSR2); sigwait(&s, &n); return p; }
static void *in_wait(void *p) { wait(NULL); return p; }

static void begin(void *(*body)(void *), int *argument)
{
    pthread_t one;
    int *kept = malloc(sizeof *kept);
    if (argument) *kept = *argument;
    need(-pthread_create(&one, NULL, body, kept));
}

int main(void)
{
    sigset_t set;
    sigemptyset(&set); sigaddset(&set, SIGUSR1); sigaddset(&set, SIGUSR2); sigaddset(&set, SIGALRM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    chdir("/tmp");
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&inherits, &attr);
    pthread_mutex_lock(&inherits);
    int ends[2], pair[2];
    need(pipe(ends)); write(ends[1], "", 0);
    need(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    int tcp = need(socket(AF_INET, SOCK_STREAM, 0)), udp = need(socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(4000), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    need(bind(tcp, (void *)&at, sizeof at)); need(listen(tcp, 1)); need(bind(udp, (void *)&at, sizeof at));
    int client = need(socket(AF_INET, SOCK_STREAM, 0));
    need(connect(client, (void *)&at, sizeof at));
    int listener = need(socket(AF_UNIX, SOCK_SEQPACKET, 0)), dgram = need(socket(AF_UNIX, SOCK_DGRAM, 0));
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "listener"};
    need(bind(listener, (void *)&name, sizeof name)); need(listen(listener, 1));
    strcpy(name.sun_path, "dgram"); need(bind(dgram, (void *)&name, sizeof name));
    int netlink = need(socket(AF_NETLINK, SOCK_RAW, 0));
    int epoll = need(epoll_create1(0));
    struct epoll_event want = {EPOLLIN | EPOLLET, {0}};
    need(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &want)); need(epoll_ctl(epoll, EPOLL_CTL_ADD, udp, &want));
    int event = need(eventfd(0, 0)), timer = need(timerfd_create(CLOCK_REALTIME, 0));
    struct itimerspec when = {{5, 0}, {1000, 0}};
    need(timerfd_settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL));
    need(timerfd_settime(timer, 0, &when, NULL));
    int inotify = need(inotify_init1(0));
    need(inotify_add_watch(inotify, "/tmp", IN_ALL_EVENTS));
    int signals = need(signalfd(-1, &set, 0));
    struct itimerval later = {{1, 0}, {1000, 0}};
    setitimer(ITIMER_REAL, &later, NULL); setitimer(ITIMER_PROF, &later, NULL);
    timer_t posix; timer_create(CLOCK_MONOTONIC, NULL, &posix); timer_settime(posix, 0, &when, NULL);
    timer_create(CLOCK_PROCESS_CPUTIME_ID, NULL, &posix); timer_settime(posix, 0, &when, NULL);
    int memory = need(memfd_create("m", 0)); ftruncate(memory, 8192);
    mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    int sem = need(semget(IPC_PRIVATE, 1, 0600)), msg = need(msgget(IPC_PRIVATE, 0600));
    shmat(need(shmget(IPC_PRIVATE, 4096, 0600)), NULL, 0);
    int mq = need(mq_open("/q", O_RDWR | O_CREAT, 0600, NULL));
    int noticed = need(mq_open("/noticed", O_RDWR | O_CREAT, 0600, NULL));
    struct sigevent notice = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    need(mq_notify(noticed, &notice)); timer_create(CLOCK_REALTIME, &notice, &posix);
    struct { long type; char text[4]; } letter = {1, "kept"};
    need(msgsnd(need(msgget(IPC_PRIVATE, 0600)), &letter, 4, 0));
    need(mkfifo("fifo", 0600)); need(open("fifo", O_RDWR));
    int packets[2]; need(pipe2(packets, O_DIRECT)); need(write(packets[1], "packet", 6));
    timer_t over; struct itimerspec at_once = {{0, 0}, {0, 1}};
    notice.sigev_signo = SIGALRM; timer_create(CLOCK_MONOTONIC, &notice, &over);
    timer_settime(over, 0, &at_once, NULL);
    syscall(SYS_rseq, registered, 32, 0, 0x53053053);
    need(open("/proc/self/status", O_RDONLY)); need(open("/proc/self/fd", O_RDONLY));
    need(open("/proc/self/fdinfo/0", O_RDONLY)); need(open("/proc/meminfo", O_RDONLY));
    need(open("/proc/self/mem", O_RDONLY)); need(open("/proc/self/cwd", O_PATH | O_NOFOLLOW));
    need(open("/proc/sys/kernel/random/boot_id", O_RDONLY)); need(open("/proc/net/tcp", O_RDONLY));
    need(open("/sys/devices/system/cpu/online", O_RDONLY)); need(open("/dev/urandom", O_RDONLY));
    need(open("/dev/zero", O_RDWR)); need(open("/dev/full", O_RDWR)); need(open("/dev/null", O_RDWR)); need(open("/", O_RDONLY));
    int ptmx = need(open("/dev/ptmx", O_RDWR | O_NOCTTY));
    grantpt(ptmx); unlockpt(ptmx); need(open(ptsname(ptmx), O_RDWR | O_NOCTTY));
    int lock = need(open("lock", O_RDWR | O_CREAT, 0600)), other = need(open("lock2", O_RDWR | O_CREAT, 0600));
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    need(flock(lock, LOCK_EX)); need(fcntl(other, F_SETLK, &whole));
    fcntl(ends[0], F_SETFL, O_ASYNC); fcntl(ends[0], F_SETOWN, getpid());
    struct msghdr message = {0};
    struct iovec one = {"x", 1};
    char control[CMSG_SPACE(sizeof(int))] = {0};
    message.msg_iov = &one; message.msg_iovlen = 1;
    message.msg_control = control; message.msg_controllen = sizeof control;
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET; head->cmsg_type = SCM_RIGHTS; head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &event, sizeof event);
    int carrier[2]; need(socketpair(AF_UNIX, SOCK_DGRAM, 0, carrier)); need(sendmsg(carrier[0], &message, 0));
    int stream[2]; need(socketpair(AF_UNIX, SOCK_STREAM, 0, stream)); need(sendmsg(stream[0], &message, 0));
    sigqueue(getpid(), SIGUSR1, (union sigval){7});
    pid_t child = fork();
    if (!child) { pause(); _exit(0); }
    need(syscall(SYS_pidfd_open, child, 0));
    if (!fork()) _exit(0);
    begin(in_pi, NULL); begin(in_cond, NULL); begin(in_read, &ends[0]); begin(in_read, &event);
    begin(in_read, &timer); begin(in_read, &inotify); begin(in_accept, &listener);
    begin(in_recv, &pair[0]); begin(in_recv, &udp); begin(in_recv, &dgram); begin(in_recv, &netlink);
    begin(in_epoll, &epoll); begin(in_poll, &signals); begin(in_sleep, NULL); begin(in_sem, &sem);
    begin(in_msg, &msg); begin(in_mq, &mq); begin(in_lock, NULL); begin(in_fcntl, NULL);
    begin(in_sigwait, NULL); begin(in_wait, NULL); begin(in_read, &ptmx);
    puts("busy"); fflush(stdout);
    for (;;) pause();
}
