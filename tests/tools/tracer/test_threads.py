"""Threads in a trace, as strace shows them: who ends when, and an execve that takes a number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.guest import run_cli
from userland.build import build_source

SOURCE = r"""
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
static void *sleeps(void *argument)
{
    pause();
    return argument;
}
static void *executes(void *argument)
{
    char *none[] = {argument, NULL};
    execve("/proc/thread-self/exe", none, none + 1);
    return argument;
}
int main(int argc, char **argv)
{
    pthread_t thread;
    if (argv[0][0] == '!')
        return 4;
    pthread_create(&thread, NULL, sleeps, NULL);
    pthread_create(&thread, NULL, executes, "!");
    if (argc > 1)
        syscall(SYS_exit, 1);
    pause();
}
"""


@pytest.mark.guest
@pytest.mark.row("K10", "X3")
@pytest.mark.parametrize("leaves", [False, True], ids=["leader-sleeps", "leader-has-left"])
def test_execve_from_a_thread(arch: str, tmp_path: Path, leaves: bool) -> None:
    program = build_source("takeover", arch, SOURCE)
    out = tmp_path / "trace"
    words = ["trace", "-f", "-o", str(out), str(program), *(["x"] if leaves else [])]
    assert run_cli(*words).status == 4
    lines = [re.sub(r"  +", " ", line) for line in out.read_text().splitlines()]
    start = next(i for i, line in enumerate(lines) if "execve" in line and "unfinished" in line)
    told = [line for line in lines[start:] if "+++" in line or "execve" in line]
    assert told[0].startswith("4 execve(")
    assert told[1:] == [
        "3 +++ exited with 0 +++",
        "2 +++ superseded by execve in pid 4 +++",
        "2 <... execve resumed>) = 0",
        "2 +++ exited with 4 +++",
    ]
