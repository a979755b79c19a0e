"""Everybody waits for ever: the run ends and says who waits for what."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import diorama
from kernel.machine.deadlock import Deadlock
from tests.support.guest import run_guest
from userland.build import build_source

ROOT = Path(__file__).parents[3]
EMBRACE = r"""
#include <pthread.h>
#include <unistd.h>
static pthread_mutex_t locks[2];
static void *embrace(void *argument)
{
    long first = (long)argument;
    pthread_mutex_lock(&locks[first]);
    usleep(10000);
    pthread_mutex_lock(&locks[!first]);
    return NULL;
}
int main(void)
{
    pthread_mutexattr_t kind;
    pthread_t threads[2];
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_ERRORCHECK);
    for (long i = 0; i < 2; i++)
        pthread_mutex_init(&locks[i], &kind);
    for (long i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, embrace, (void *)i);
    pthread_join(threads[0], NULL);
    return 0;
}
"""

pytestmark = [pytest.mark.guest]


def test_a_deadly_embrace_names_both_holders(arch: str) -> None:
    program = build_source("embrace", arch, EMBRACE)
    command = [sys.executable, "-m", "diorama", "run", "--timeout", "30", str(program)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.returncode == 125
    text = done.stderr.decode()
    assert "deadlock: every task waits for ever" in text
    assert "held by 4" in text
    assert "held by 3" in text


def test_pipes_nobody_writes_to(arch: str) -> None:
    result = run_guest("busybox", "sh", "-c", "mkfifo f; cat < f", arch=arch)
    assert result.status == 125


def test_what_can_still_happen_is_no_deadlock(arch: str) -> None:
    script = "trap 'exit 3' ALRM; (sleep 0.2; kill -ALRM $$) & wait; wait"
    assert run_guest("busybox", "sh", "-c", script, arch=arch).status == 3


def test_the_library_raises_it_and_shows_everybody() -> None:
    with diorama.boot() as machine:
        machine.spawn("sh", "-c", "mkfifo f; cat < f")
        with pytest.raises(Deadlock, match="waits for"):
            machine.run()
        shell = machine.snapshot()[0]
        assert shell.call in ("open", "openat")
        assert len(shell.waits_for) == 1
        assert "waits for " in str(shell)


def test_sigquit_shows_everybody_and_disturbs_nobody() -> None:
    command = [sys.executable, "-m", "diorama", "run", "busybox", "sh", "-c"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [*command, "echo ready; sleep 1 | cat; echo done"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        time.sleep(0.3)  # until both are asleep; the test only needs one of them to be
        running.send_signal(signal.SIGQUIT)
        out, err = running.communicate(timeout=90)
    assert out == b"done\n"
    assert running.returncode == 0
    assert b"tasks:" in err
    assert b"waits for pipe" in err
