/* A guest that has too much of something: threads, processes, descriptors, names.
 *
 *   crowd sleepers N   N threads sleep on one word
 *   crowd chain N      N processes, each the child of the one before it
 *   crowd pipes N      N pipes, all waited for by one epoll
 *   crowd select       select(2) with the largest number there is, and memory for it
 *   crowd argv N       execute with N words of 100 000 bytes that are no UTF-8
 *
 * It says "ready" and waits for ever.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LONG = 100000, MOST = 24 };

static unsigned word = 7;

static void ready(void) { (void)!write(1, "ready\n", 6); }

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void *sleep_on_word(void *unused) {
    (void)unused;
    syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 7, NULL, NULL, 0);
    return NULL;
}

static void sleepers(int count) {
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 16384);
    for (int i = 0; i < count; i++) {
        pthread_t thread;
        if (pthread_create(&thread, &small, sleep_on_word, NULL)) fail("pthread_create");
    }
    usleep(200000);
    ready();
    pause();
}

static void chain(int count) {
    for (int i = 0; i < count; i++) {
        pid_t child = fork();
        if (child < 0) fail("fork");
        if (child > 0) {
            waitpid(child, NULL, 0);
            _exit(0);
        }
    }
    ready();
    pause();
}

static void pipes(int count) {
    struct epoll_event event = {.events = EPOLLIN};
    int poll = epoll_create1(0);
    for (int i = 0; i < count; i++) {
        int ends[2];
        if (pipe(ends) || epoll_ctl(poll, EPOLL_CTL_ADD, ends[0], &event)) fail("pipe");
    }
    ready();
    epoll_wait(poll, &event, 1, -1);
}

static void select_all(void) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, ends[2];
    long *set = mmap(NULL, 1u << 28, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (set == MAP_FAILED || pipe(ends)) fail("mmap");
    set[0] = 1 << ends[0];
    ready();
    syscall(SYS_pselect6, 0x7fffffff, set, NULL, NULL, NULL, NULL);
}

static void long_words(int count, char *name) {
    char *arguments[MOST + 3] = {name, "pipes", "0"}, *text = malloc(LONG + 1);
    memset(text, 0xff, LONG);
    text[LONG] = 0;
    for (int i = 0; i < count && i < MOST - 1; i++) arguments[3 + i] = text;
    execv("/proc/self/exe", arguments);
    fail("execv");
}

int main(int argc, char **argv) {
    int count = argc > 2 ? atoi(argv[2]) : 0;
    if (argc < 2) return 2;
    if (!strcmp(argv[1], "sleepers")) sleepers(count);
    if (!strcmp(argv[1], "chain")) chain(count);
    if (!strcmp(argv[1], "pipes")) pipes(count);
    if (!strcmp(argv[1], "select")) select_all();
    if (!strcmp(argv[1], "argv")) long_words(count, argv[0]);
    return 2;
}
