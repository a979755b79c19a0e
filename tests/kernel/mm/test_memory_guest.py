"""Memory as programs see it, on the real range operations: shortage, neighbours, leaks."""

from __future__ import annotations

import pytest

from tests.support.guest import run_guest, shell
from userland import build

pytestmark = [pytest.mark.guest]

HOG = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MB (1L << 20)

int main(int argc, char **argv)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    if (argc > 1 && !strcmp(argv[1], "touch")) { /* 16 MiB, page by page */
        struct rusage before, after;
        char *p = mmap(NULL, 16 * MB, PROT_READ | PROT_WRITE, flags, -1, 0);
        getrusage(RUSAGE_SELF, &before);
        for (long i = 0; i < 16 * MB; i += 4096)
            p[i] = 1;
        getrusage(RUSAGE_SELF, &after);
        printf("%ld\n", after.ru_minflt - before.ru_minflt);
        return 0;
    }
    if (argc > 1 && !strcmp(argv[1], "promise")) { /* more than there is */
        printf("%d ", mmap(NULL, 512 * MB, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
        printf("%d\n", mmap(NULL, 512 * MB, PROT_NONE, flags, -1, 0) == MAP_FAILED);
        return 0;
    }
    if (argc > 1 && !strcmp(argv[1], "two")) { /* the one that sleeps has most, by a little */
        int ready[2];
        char byte;
        pipe(ready);
        for (int i = 0; i < 2; i++) {
            if (!fork()) {
                char *p = mmap(NULL, 40 * MB, PROT_READ | PROT_WRITE, flags, -1, 0);
                memset(p, 1, 40 * MB);
                write(ready[1], "x", 1);
                if (!i)
                    pause();
                _exit(0);
            }
            read(ready[0], &byte, 1);
        }
        for (int status; wait(&status) > 0;)
            printf("%d ", status);
        printf("\n");
        return 0;
    }
    pid_t child = fork();
    if (!child) {
        char *p = mmap(NULL, 256 * MB, PROT_READ | PROT_WRITE, flags, -1, 0);
        for (long i = 0; i < 256 * MB; i += 4096)
            p[i] = 1;
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    printf("signal %d\n", WTERMSIG(status));
    return 0;
}
"""


def hog(arch: str, *args: str, memory: int = 64 << 20) -> tuple[str, list[str]]:
    result = run_guest(build.build_source("hog", arch, HOG), *args, arch=arch, memory=memory)
    assert result.status == 0
    return result.text, result.log


def test_the_largest_process_dies_when_memory_runs_out(arch: str) -> None:
    text, log = hog(arch)
    assert text == "signal 9\n"
    assert any("out of memory: killed pid 3" in line for line in log)


def test_whoever_needs_the_memory_waits_for_the_victim_to_die(arch: str) -> None:
    text, log = hog(arch, "two")
    assert sorted(text.split()) == ["0", "9"]
    assert [line for line in log if "out of memory" in line] == [
        line for line in log if "killed pid 3" in line
    ]
    assert len(log) == 1, "it was killed once"


def test_more_than_the_machine_has_cannot_be_promised(arch: str) -> None:
    assert hog(arch, "promise")[0] == "1 0\n"


def test_a_fault_maps_its_neighbours(arch: str) -> None:
    faults = int(hog(arch, "touch")[0])
    assert faults <= 16 * 256 // 16 + 8


@pytest.mark.row("K12")
def test_frames_go_back_when_processes_end(arch: str) -> None:
    script = "f() { for i in 1 2 3 4 5 6 7 8; do (echo $i | cat | wc -c) > /dev/null; done; }; "
    probe = "grep MemFree /proc/meminfo; "
    result = shell(script + "f; " + probe + "f; f; " + probe, arch)
    first, second = (int(line.split()[1]) for line in result.text.splitlines())
    assert second >= first - 16, "a page or two for the shell's own heap"


def test_a_file_system_in_memory_is_full_before_the_machine_is(arch: str) -> None:
    script = "dd if=/dev/zero of=/tmp/big bs=64k 2>&1 | head -n 1; rm /tmp/big; echo rest > /tmp/x"
    result = shell(script, arch, memory=32 << 20)
    assert "No space left on device" in result.text
    assert result.status == 0
