"""Command lines that the project promises, word for word, and how a run ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import shell
from tests.support.guest import run_cli
from userland import build

pytestmark = pytest.mark.guest

DIRTY = """
    #include <stdio.h>
    #include <unistd.h>
    int main(int argc, char **argv)
    {
        volatile double a = argc * 1.5, b = argv[1][0] / 3.0;
        printf("%f\\n", a * b);
        fflush(stdout);
    #ifdef __x86_64__
        unsigned mxcsr = 0x7f80;
        unsigned short word = 0xf7f;
        __asm__ volatile("ldmxcsr %0; fldcw %1; pcmpeqd %%xmm7, %%xmm7; pcmpeqd %%xmm15, %%xmm15"
                         : : "m"(mxcsr), "m"(word) : "xmm7", "xmm15");
    #else
        __asm__ volatile("msr fpcr, %0; movi v7.16b, #255; movi v31.16b, #255"
                         : : "r"(3ul << 22) : "v7", "v31");
    #endif
        execl(argv[1], argv[1], (char *)0);
        return 9;
    }"""


@pytest.mark.row("K8")
def test_find_in_a_volume(arch: str, work: Path) -> None:
    """`-exec … {} +` over a tree of the host's, read-only."""
    (work / "deep" / "er").mkdir(parents=True)
    for name, lines in (("a.py", 3), ("deep/b.py", 5), ("deep/er/c.py", 7), ("deep/d.txt", 11)):
        (work / name).write_text("x\n" * lines)
    script = """diorama run --arch "$1" -v "$PWD:/work:ro" -w /work \
        busybox find . -name '*.py' -exec busybox wc -l {} + | sort -n"""
    done = shell(script, arch, cwd=work)
    assert done.stderr == b""
    assert done.stdout.split() == b"3 ./a.py 5 ./deep/b.py 7 ./deep/er/c.py 15 total".split()


def test_letters_that_habit_types(arch: str) -> None:
    result = run_cli("run", "-q", "-i", "-t", "--rm", "--arch", arch, "busybox", "echo", "hi")
    assert (result.status, result.stdout) == (0, b"hi\n")
    result = run_cli("run", "-q", "-it", "--arch", arch, "--", "busybox", "echo", "--", "-x")
    assert (result.status, result.stdout) == (0, b"-- -x\n")


def test_what_is_left_hears_a_hangup_and_then_dies(arch: str, work: Path) -> None:
    """The stopped one too: SIGCONT comes with SIGHUP."""
    script = """
        (trap 'echo hung up > /m/heard; sleep 100' HUP; echo > /m/ready; while :; do :; done) &
        setsid sleep 100 &
        (trap 'echo went on > /m/continued; exit' HUP; echo > /m/other; while :; do :; done) &
        until [ -e /m/ready ] && [ -e /m/other ]; do :; done
        kill -STOP $!
        exit 4"""
    result = run_cli("run", "-q", "--arch", arch, "-v", ".:/m", "sh", "-c", script)
    assert result.status == 4
    assert (work / "heard").read_text() == "hung up\n"
    assert (work / "continued").read_text() == "went on\n"


@pytest.mark.row("K2")
def test_a_program_sees_no_register_of_the_one_before(arch: str, work: Path) -> None:
    for name, program in (
        ("dirty", build.build_source("dirty", arch, DIRTY)),
        ("registers", build.build("registers", arch)),
    ):
        (work / name).write_bytes(program.read_bytes())
        (work / name).chmod(0o755)
    words = ("run", "-q", "--arch", arch, "-v", ".:/m:ro", "sh", "-c")
    result = run_cli(*words, "/m/dirty /m/registers; echo $?; /m/registers; echo $?")
    assert result.text.splitlines()[1:] == ["0", "0"]
