"""Answers that a line-by-line comparison with strace found to be wrong once; on both CPUs."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.guest import run_guest
from tests.support.oracles import native_prefix
from tools.fetch import HOST_CPU
from userland.build import build_source

SOURCE = r"""
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>

static void handler(int signal) { (void)signal; }

int main(void)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESETHAND | SA_NODEFER};
    sigaddset(&action.sa_mask, SIGUSR2);
    sigaction(SIGUSR1, &action, 0);
    raise(SIGUSR1);
    sigaction(SIGUSR1, 0, &action);  /* only the handler is reset */
    printf("%d %d %d\n", action.sa_handler == SIG_DFL, !!(action.sa_flags & SA_RESETHAND),
           sigismember(&action.sa_mask, SIGUSR2));
    int first = shmget(IPC_PRIVATE, 4096, 0600);
    shmctl(first, IPC_RMID, 0);
    int second = shmget(IPC_PRIVATE, 4096, 0600);  /* the next place, not the free one */
    shmctl(second, IPC_RMID, 0);
    printf("%d\n", second - first);
    struct stat st;
    stat("/proc/self/maps", &st);
    printf("%d\n", (int)st.st_blksize);
    return 0;
}
"""


@pytest.mark.guest
@pytest.mark.row("K6")
def test_they_are_linuxs(arch: str) -> None:
    program = build_source("small-answers", arch, SOURCE)
    expected = "1 1 1\n1\n1024\n"
    if arch == HOST_CPU:
        command = [*native_prefix(arch), str(program)]
        outside = subprocess.run(command, capture_output=True, text=True, check=False)
        assert outside.stdout == expected
    assert run_guest(program, arch=arch).text == expected
