/* System V shared memory, semaphores, message queues.  See sysvipc(7). */
#define _GNU_SOURCE
#include "asleep.h"
#include "check.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>

union arg {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
};

static void handler(int sig) { (void)sig; }

static key_t key(int n) { return 0x44000000 + (getpid() << 4) + n; }

/* Has the table of /proc a line with this number and this word after the mode? */
static int listed(const char *table, int id, unsigned long wanted)
{
    char path[40], line[300];
    int number, found = 0;
    unsigned long value;
    snprintf(path, sizeof path, "/proc/sysvipc/%s", table);
    FILE *file = fopen(path, "r");
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "%*d %d %*o %lu", &number, &value) == 2 && number == id)
            found = value == wanted;
    fclose(file);
    return found;
}

static void memory(void)
{
    struct shmid_ds s;
    int status, id = shmget(key(1), 10000, IPC_CREAT | IPC_EXCL | 0640);
    CHECK(id >= 0);
    FAILS(shmget(key(1), 100, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
    FAILS(shmget(key(1), 10001, 0600), EINVAL);
    FAILS(shmget(key(2), 100, 0600), ENOENT);
    FAILS(shmget(key(2), 0, IPC_CREAT | 0600), EINVAL);
    CHECK(shmget(key(1), 0, 0) == id);
    CHECK(shmctl(id, IPC_STAT, &s) == 0);
    CHECK(s.shm_segsz == 10000 && s.shm_nattch == 0 && s.shm_cpid == getpid() && !s.shm_atime);
    CHECK((s.shm_perm.mode & 0777) == 0640 && s.shm_perm.uid == geteuid());
    CHECK(s.shm_perm.__key == key(1) || 1);
    CHECK(listed("shm", id, 10000));
    char *a = shmat(id, NULL, 0), *b = shmat(id, NULL, SHM_RDONLY);
    CHECK(a != (void *)-1 && b != (void *)-1 && a != b);
    CHECK(a[0] == 0 && a[9999] == 0);
    strcpy(a + 8192, "hello");
    CHECK(!strcmp(b + 8192, "hello"));
    CHECK(shmctl(id, IPC_STAT, &s) == 0 && s.shm_nattch == 2 && s.shm_lpid == getpid());
    pid_t child = fork();
    if (!child) {
        struct shmid_ds t;
        if (shmctl(id, IPC_STAT, &t) || t.shm_nattch != 4)
            _exit(1);
        strcpy(a, "from the child");
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(!strcmp(b, "from the child"));
    CHECK(shmdt(b) == 0);
    FAILS(shmdt(b), EINVAL);
    FAILS(shmdt(a + 1), EINVAL);
    FAILS(shmat(id, a, 0) == (void *)-1 ? -1 : 0, EINVAL);
    FAILS(shmat(id, a + 1, 0) == (void *)-1 ? -1 : 0, EINVAL);
    CHECK(shmat(id, a + 5, SHM_RND | SHM_REMAP) == a && !strcmp(a, "from the child"));
    s.shm_perm.mode = 0600;
    CHECK(shmctl(id, IPC_SET, &s) == 0);
    CHECK(shmctl(id, IPC_STAT, &s) == 0 && (s.shm_perm.mode & 0777) == 0600);
    CHECK(shmctl(id, SHM_LOCK, NULL) == 0 && shmctl(id, IPC_STAT, &s) == 0);
    CHECK(s.shm_perm.mode & SHM_LOCKED);
    CHECK(shmctl(id, SHM_UNLOCK, NULL) == 0 && shmctl(id, IPC_STAT, &s) == 0);
    CHECK(!(s.shm_perm.mode & SHM_LOCKED));
    CHECK(shmctl(id, IPC_RMID, NULL) == 0);
    FAILS(shmget(key(1), 0, 0), ENOENT); /* no key any more, but still there */
    CHECK(shmctl(id, IPC_STAT, &s) == 0 && s.shm_perm.mode & 01000 && s.shm_nattch == 1);
    CHECK(!strcmp(a, "from the child"));
    CHECK(shmdt(a) == 0);
    FAILS(shmctl(id, IPC_STAT, &s), EINVAL);
    FAILS(shmat(id, NULL, 0) == (void *)-1 ? -1 : 0, EINVAL);
    FAILS(shmctl(id, IPC_RMID, NULL), EINVAL);
    FAILS(shmctl(-1, IPC_STAT, &s), EINVAL);
    id = shmget(IPC_PRIVATE, 4096, 0600);
    int other = shmget(IPC_PRIVATE, 4096, 0600);
    CHECK(id >= 0 && other >= 0 && other != id);
    CHECK(shmctl(other, IPC_RMID, NULL) == 0);
    if (geteuid() == 0) {
        child = fork();
        if (!child) {
            if (setgid(1000) || setuid(1000))
                _exit(2);
            FAILS(shmat(id, NULL, 0) == (void *)-1 ? -1 : 0, EACCES);
            FAILS(shmctl(id, IPC_STAT, &s), EACCES);
            FAILS(shmctl(id, IPC_RMID, NULL), EPERM);
            _exit(failures);
        }
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
    CHECK(shmctl(id, IPC_RMID, NULL) == 0);
    CHECK(shmctl(0, SHM_INFO, (void *)&(char[200]){0}) >= 0);
}

static int op(int id, int number, int change, int flags)
{
    struct sembuf b = {number, change, flags};
    return semop(id, &b, 1);
}

static void semaphores(void)
{
    struct semid_ds s;
    unsigned short values[3] = {1, 2, 3};
    int status, id = semget(key(3), 3, IPC_CREAT | 0600);
    CHECK(id >= 0 && semget(key(3), 0, 0) == id);
    FAILS(semget(key(3), 4, 0), EINVAL);
    FAILS(semget(key(4), 0, IPC_CREAT | 0600), EINVAL);
    FAILS(semget(key(4), -1, IPC_CREAT | 0600), EINVAL);
    CHECK(semctl(id, 0, GETVAL) == 0 && semctl(id, 0, GETPID) == 0);
    CHECK(semctl(id, 0, SETALL, (union arg){.array = values}) == 0);
    CHECK(semctl(id, 2, GETVAL) == 3 && semctl(id, 2, GETPID) == getpid());
    CHECK(semctl(id, 1, SETVAL, (union arg){.val = 9}) == 0 && semctl(id, 1, GETVAL) == 9);
    CHECK(semctl(id, 0, GETALL, (union arg){.array = values}) == 0 && values[1] == 9);
    CHECK(semctl(id, 0, IPC_STAT, (union arg){.buf = &s}) == 0);
    CHECK(s.sem_nsems == 3 && s.sem_otime == 0 && s.sem_ctime != 0);
    CHECK(listed("sem", id, 3));
    FAILS(semctl(id, 3, GETVAL), EINVAL);
    FAILS(semctl(id, 0, SETVAL, (union arg){.val = 32768}), ERANGE);
    FAILS(semctl(id, 0, SETVAL, (union arg){.val = -1}), ERANGE);
    FAILS(op(id, 0, -2, IPC_NOWAIT), EAGAIN);
    FAILS(op(id, 0, 0, IPC_NOWAIT), EAGAIN);
    FAILS(op(id, 3, 1, 0), EFBIG);
    FAILS(op(id, 0, 32767, 0), ERANGE);
    FAILS(semop(id, NULL, 1), EFAULT);
    FAILS(semop(id, NULL, 0), EINVAL);
    FAILS(semop(id, (struct sembuf[501]){{0}}, 501), E2BIG);
    /* all or nothing */
    struct sembuf two[2] = {{0, 5, 0}, {1, -10, IPC_NOWAIT}};
    FAILS(semop(id, two, 2), EAGAIN);
    CHECK(semctl(id, 0, GETVAL) == 1 && semctl(id, 1, GETVAL) == 9);
    two[1].sem_op = -9;
    CHECK(semop(id, two, 2) == 0 && semctl(id, 0, GETVAL) == 6 && semctl(id, 1, GETVAL) == 0);
    struct timespec t = {0, 5000000};
    struct sembuf one = {1, -1, 0};
    FAILS(semtimedop(id, &one, 1, &t), EAGAIN);
    /* waiting */
    pid_t child = fork();
    if (!child) {
        CHECK(op(id, 1, -2, 0) == 0);
        CHECK(op(id, 2, 0, 0) == 0);
        _exit(failures);
    }
    while (semctl(id, 1, GETNCNT) != 1)
        usleep(1000);
    CHECK(op(id, 1, 1, 0) == 0);
    usleep(2000);
    CHECK(semctl(id, 1, GETNCNT) == 1 && semctl(id, 1, GETVAL) == 1);
    CHECK(op(id, 1, 1, 0) == 0);
    while (semctl(id, 2, GETZCNT) != 1)
        usleep(1000);
    CHECK(op(id, 2, -3, 0) == 0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(semctl(id, 1, GETVAL) == 0);
    /* undo */
    CHECK(semctl(id, 0, SETVAL, (union arg){.val = 5}) == 0);
    child = fork();
    if (!child) {
        op(id, 0, -3, SEM_UNDO);
        op(id, 0, 1, SEM_UNDO);
        op(id, 1, 4, SEM_UNDO);
        op(id, 2, 7, 0);
        _exit(semctl(id, 0, GETVAL));
    }
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
    CHECK(semctl(id, 0, GETVAL) == 5 && semctl(id, 1, GETVAL) == 0 && semctl(id, 2, GETVAL) == 7);
    CHECK(semctl(id, 0, GETPID) == child);
    /* a handler ends it, and so does removal */
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    int between[2];
    char byte;
    CHECK(pipe(between) == 0);
    child = fork();
    if (!child) {
        FAILS(op(id, 1, -1, 0), EINTR);
        CHECK(write(between[1], "x", 1) == 1);
        FAILS(op(id, 1, -1, 0), EIDRM);
        _exit(failures);
    }
    while (semctl(id, 1, GETNCNT) != 1)
        usleep(1000);
    kill(child, SIGUSR1);
    CHECK(read(between[0], &byte, 1) == 1); /* the first one is over */
    while (semctl(id, 1, GETNCNT) != 1)
        usleep(1000);
    CHECK(semctl(id, 0, IPC_RMID) == 0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    FAILS(op(id, 0, 1, 0), EINVAL);
    FAILS(semctl(id, 0, GETVAL), EINVAL);
}

struct message {
    long type;
    char text[9000];
};

static int put(int id, long type, const char *text, int flags)
{
    struct message m = {.type = type};
    strcpy(m.text, text);
    return msgsnd(id, &m, strlen(text), flags);
}

static int get(int id, long type, int flags, const char *wanted)
{
    struct message m = {0};
    int n = msgrcv(id, &m, sizeof m.text, type, flags);
    return n == (int)strlen(wanted) && !memcmp(m.text, wanted, n) ? (int)m.type : -1;
}

static void messages(void)
{
    struct msqid_ds s;
    struct message m;
    int status, id = msgget(key(5), IPC_CREAT | 0600);
    CHECK(id >= 0 && msgget(key(5), 0) == id);
    CHECK(put(id, 3, "three", 0) == 0 && put(id, 1, "one", 0) == 0 && put(id, 2, "two", 0) == 0);
    CHECK(put(id, 1, "", 0) == 0);
    CHECK(msgctl(id, IPC_STAT, &s) == 0 && s.msg_qnum == 4 && s.msg_lspid == getpid());
    CHECK(s.msg_qbytes == 16384 && s.msg_stime && !s.msg_rtime);
    CHECK(listed("msg", id, 11));
    CHECK(get(id, 2, 0, "two") == 2);
    CHECK(get(id, -2, 0, "one") == 1);
    CHECK(get(id, 3, 020000, "") == 1); /* MSG_EXCEPT */
    FAILS(msgrcv(id, &m, 3, 0, 0), E2BIG);
    CHECK(msgrcv(id, &m, 3, 0, MSG_NOERROR) == 3 && !memcmp(m.text, "thr", 3));
    FAILS(msgrcv(id, &m, 3, 0, IPC_NOWAIT), ENOMSG);
    FAILS(put(id, 0, "x", 0), EINVAL);
    FAILS(put(id, -1, "x", 0), EINVAL);
    FAILS(msgsnd(id, &m, 8193, 0), EINVAL);
    FAILS(msgsnd(id, (void *)8, 1, 0), EFAULT);
    FAILS(msgget(key(5), IPC_CREAT | IPC_EXCL | 0600), EEXIST);
    FAILS(msgget(key(6), 0), ENOENT);
    m.type = 1;
    CHECK(msgsnd(id, &m, 8192, 0) == 0 && msgsnd(id, &m, 8192, 0) == 0);
    FAILS(msgsnd(id, &m, 1, IPC_NOWAIT), EAGAIN);
    pid_t child = fork();
    if (!child) {
        CHECK(put(id, 7, "late", 0) == 0);
        _exit(failures);
    }
    until_asleep(child);
    CHECK(msgrcv(id, &m, 9000, 0, 0) == 8192);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(get(id, 7, 0, "late") == 7);
    CHECK(msgrcv(id, &m, 9000, 0, 0) == 8192);
    child = fork();
    if (!child) {
        CHECK(get(id, 5, 0, "for you") == 5);
        FAILS(msgrcv(id, &m, 10, 5, 0), EIDRM);
        _exit(failures);
    }
    CHECK(put(id, 4, "not you", 0) == 0 && put(id, 5, "for you", 0) == 0);
    until_asleep(child);
    s.msg_qbytes = 100;
    CHECK(msgctl(id, IPC_SET, &s) == 0);
    CHECK(msgctl(id, IPC_STAT, &s) == 0 && s.msg_qbytes == 100 && s.msg_qnum == 1);
    CHECK(msgctl(id, IPC_RMID, NULL) == 0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    FAILS(put(id, 1, "x", 0), EINVAL);
    FAILS(msgctl(id, 99, NULL), EINVAL);
}

int main(void)
{
    memory();
    semaphores();
    messages();
    return finish();
}
