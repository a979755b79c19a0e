"""The program that the sessions of these tests look at, and how they are held."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tests.support.guest import GuestResult, run_cli
from userland.build import build_source

SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

volatile long counter;
volatile char small = 'A';
volatile short half = 1;
volatile int whole = 1;
volatile struct { long one, two; } pair = {1, 1};
volatile char big[70000];
static char word[16] = "unchanged";
static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;

__attribute__((noinline)) long twice(long n) { counter += n; return 2 * n; }
__attribute__((noinline)) long below(long n)
{
    long rest = n ? below(n - 1) : 0;
    counter++;
    return rest + n;
}

static void say(const char *text) { write(1, text, strlen(text)); }
static void handler(int number) { (void)number; say("handled\n"); }

static void *adds(void *argument)
{
    twice((long)argument);
    getppid();
    return argument;
}

static void *crosses(void *argument)
{
    pthread_mutex_t *mine = argument ? &first : &second, *other = argument ? &second : &first;
    pthread_mutex_lock(mine);
    pthread_barrier_wait(&both);
    pthread_mutex_lock(other);
    return NULL;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    pthread_t thread, other;
    int status;
    if (!strcmp(what, "twice")) {
        long n = twice(20);
        n += twice(1);
        return (int)n;
    } else if (!strcmp(what, "sizes")) {
        small++;
        half++;
        whole++;
        pair.two = 0x102;
        big[0] = big[9000] = 1;
        memset((char *)big + 64, 7, 100);
    } else if (!strcmp(what, "recursion")) {
        return (int)below(3);
    } else if (!strcmp(what, "name")) {
        prctl(PR_SET_NAME, "\x1b[2J\n\xff");
        say("named\n");
    } else if (!strcmp(what, "word")) {
        say(word);
        say("\n");
    } else if (!strcmp(what, "signal")) {
        signal(SIGUSR1, handler);
        raise(SIGUSR1);
        say("alive\n");
    } else if (!strcmp(what, "fault")) {
        say("before\n");
        *(volatile int *)16 = 1;
    } else if (!strcmp(what, "fork")) {
        if (fork() == 0)
            _exit(twice(3));
        wait(&status);
        return WEXITSTATUS(status);
    } else if (!strcmp(what, "exec")) {
        execl("/proc/self/exe", argv[0], "twice", NULL);
    } else if (!strcmp(what, "threads")) {
        pthread_create(&thread, NULL, adds, (void *)5);
        pthread_join(thread, NULL);
        return (int)counter;
    } else if (!strcmp(what, "deadlock")) {
        pthread_barrier_init(&both, NULL, 2);
        pthread_create(&thread, NULL, crosses, (void *)0);
        pthread_create(&other, NULL, crosses, (void *)1);
        pthread_join(thread, NULL);
    } else if (!strcmp(what, "read")) {
        char buffer[64];
        ssize_t got = read(0, buffer, sizeof buffer);
        write(1, buffer, got > 0 ? (size_t)got : 0);
        return (int)got;
    } else if (!strcmp(what, "spin")) {
        for (;;)
            counter++;
    }
    return 0;
}
"""
FLAGS = ("-O1", "-g", "-std=gnu11", "-fno-sanitize=all", "-fno-omit-frame-pointer", "-static")


@cache
def program(arch: str) -> Path:
    """The program for a CPU."""
    return build_source("debugged", arch, SOURCE, FLAGS)


def session(arch: str, what: str, commands: Sequence[str], *options: str) -> GuestResult:
    """Hold a session with the program's part ``what``; commands by -ex.

    Time is virtual, so that who runs when does not depend on the host's load.
    """
    given = [word for line in commands for word in ("-ex", line)]
    return run_cli("debug", "--deterministic", *given, *options, str(program(arch)), what)


def lines(result: GuestResult) -> list[str]:
    """What the console said."""
    return result.stderr.decode(errors="surrogateescape").splitlines()
