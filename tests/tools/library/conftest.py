"""A machine with BusyBox on each CPU, and a program with symbols to stop in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import diorama
from userland.build import build_source

STOPPING = """
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int counter;
char buffer[64] = "a text in memory";
__attribute__((noinline)) int add(int a, int b) { counter += a; return a + b; }
static void caught(int signo) { counter += signo; }
static void *thread(void *unused) { add(1000, 0); return unused; }
int main(int argc, char **argv)
{
    int sum = 0;
    for (int i = 0; i < 5; i++)
        sum = add(i, sum);
    if (argc > 1 && argv[1][0] == 't') {
        pthread_t one;
        pthread_create(&one, NULL, thread, NULL);
        pthread_join(one, NULL);
    }
    if (argc > 1 && argv[1][0] == 'f') {
        if (fork() == 0)
            _exit(add(7, 0));
        wait(NULL);
    }
    if (argc > 1 && argv[1][0] == 's')
        *(volatile int *)0 = 1;
    if (argc > 1 && argv[1][0] == 'r') {
        signal(SIGUSR1, caught);
        buffer[read(0, buffer, 60)] = 0;
    }
    printf("%d %d %s\\n", sum, counter, buffer);
    return 3;
}
"""


WITH_SYMBOLS = ("-std=c11", "-O1", "-g", "-static")


@pytest.fixture
def machine(arch: str) -> Iterator[diorama.Machine]:
    with diorama.boot(arch, memory="64m") as booted:
        yield booted
        assert not booted.kernel.bugs, "\n".join(booted.kernel.bugs)


@pytest.fixture
def first(arch: str) -> str:
    """The register of a function's first argument."""
    return {"x86_64": "rdi", "aarch64": "x0"}[arch]


@pytest.fixture
def stopping(machine: diorama.Machine, arch: str) -> Path:
    """/bin/stopping in the machine."""
    path = build_source("stopping", arch, STOPPING, WITH_SYMBOLS)
    machine.mount(str(path), "/bin/stopping")
    return path
