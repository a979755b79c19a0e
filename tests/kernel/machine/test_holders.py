"""Who has a lock that only user code knows: glibc's forms, laid by hand for both CPUs."""

from __future__ import annotations

import pytest

import diorama
from kernel.machine import describe
from userland.build import build_source

EMBRACE = """
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

struct mutex { int word; unsigned count; int owner; unsigned users; int kind; } locks[2];
int tids[2];

static void *embrace(void *argument)
{
    long which = (long)argument;
    int tid = syscall(SYS_gettid);
    locks[which] = (struct mutex){ 2, 0, tid, 1, 0 };
    tids[which] = tid;
    syscall(SYS_set_tid_address, &tids[which]); /* what glibc's pthread_create has cleared */
    while (!*(volatile int *)&tids[!which])
        ;
    for (;;)
        syscall(SYS_futex, &locks[!which].word, FUTEX_WAIT_PRIVATE, 2, 0);
    return 0;
}

int main(void)
{
    pthread_t threads[2];
    for (long i = 0; i < 2; i++)
        pthread_create(&threads[i], 0, embrace, (void *)i);
    while (!*(volatile int *)&tids[0])
        ;
    for (;;)
        syscall(SYS_futex, &tids[0], FUTEX_WAIT, tids[0], 0); /* as glibc's pthread_join */
}
"""

pytestmark = [pytest.mark.guest, pytest.mark.row("T3")]


def test_the_circle_is_that_of_the_two_who_hold_what_the_other_wants(arch: str) -> None:
    with diorama.boot(arch) as machine:
        machine.mount(str(build_source("glibc_embrace", arch, EMBRACE)), "/bin/embrace")
        process = machine.spawn("embrace")
        with pytest.raises(diorama.Deadlock) as found:
            machine.run()
        main, one, two = sorted(task.tid for task in process.tasks())
        graph = describe.wait_graph(machine.kernel)
        assert graph.cycles == ((one, two),)
        assert {wait.tid: wait.wakers for wait in graph.waits} == {
            main: (one,),
            one: (two,),
            two: (one,),
        }
        assert f"held by {one}" in str(found.value)
        assert f"held by {two}" in str(found.value)
        assert f"the end of thread {one}" in str(found.value)
