"""``--explain`` of what happens every day: shell one-liners, signals of the kernel, deaths."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.guest import run_cli
from tests.tools.tracer.test_explain import MARK, said
from tools.tracejson import read_events, strace_text
from userland.build import build_source

pytestmark = [pytest.mark.row("K10"), pytest.mark.guest]

EMPTY_PATHS = """
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
int main(void)
{
    struct stat found;
    char target[9];
    int fd = open("/", O_RDONLY);
    open("", O_RDONLY);
    mkdir("", 0755);
    readlinkat(AT_FDCWD, "", target, sizeof target);
    fstatat(AT_FDCWD, "", &found, 0);
    execve("", 0, 0);
    fstatat(fd, "", &found, 0);
    fchownat(fd, "", 1, 1, 0);
    readlinkat(fd, "", target, sizeof target);
    return fd - 3;
}
"""


def test_an_empty_path_is_told_of_a_flag_only_where_there_is_one(arch: str, work: Path) -> None:
    program = str(build_source("emptypaths", arch, EMPTY_PATHS))
    assert run_cli("trace", "--explain", "-Z", "-o", "calls", program).status == 0
    words = "the path is empty"
    flag = f"{words}; AT_EMPTY_PATH, which is not set, would make it descriptor 3 itself"
    link = f"{words}, and descriptor 3 is a directory, not a symbolic link"
    told = list(said(Path("calls").read_text().splitlines()))
    assert told == [words] * 5 + [flag] * 2 + [link]


LIMITED = """
#include <signal.h>
#include <sys/resource.h>
static void warned(int signal) { (void)signal; }
int main(void)
{
    struct rlimit limit = { 1, 2 };
    signal(SIGXCPU, warned);
    setrlimit(RLIMIT_CPU, &limit);
    for (volatile int i = 0;; i++)
        ;
}
"""


def test_the_limit_of_processor_time_says_so(arch: str, work: Path) -> None:
    limited = str(build_source("limited", arch, LIMITED))
    options = ("-f", "--explain", "--deterministic", "-e", "trace=none", "-o", "calls")
    assert run_cli("trace", *options, "--json", "json", limited).status == 137
    text = Path("calls").read_text()
    lines = [line.removeprefix("2     ") for line in text.splitlines()]
    used = "s of processor time are used"
    assert [re.sub(r"(\d)\.\d{3} s", r"\1 s", line) for line in lines] == [
        "--- SIGXCPU {si_signo=SIGXCPU, si_code=SI_KERNEL} ---",
        f"{MARK}1 {used}, the soft limit (RLIMIT_CPU) is 1 s; at the hard one, 2 s, comes SIGKILL",
        "+++ killed by SIGKILL +++",
        f"{MARK}2 {used}, the hard limit (RLIMIT_CPU) is 2 s",
    ]
    with open("json", encoding="utf-8") as file:
        assert strace_text(read_events(file), pids=True) == text


KILLS = [
    ("sleep 5 & kill -9 $!; wait", r"process 2 \(\w+\) sent SIGKILL"),
    ("kill -9 $$", r"the process sent SIGKILL to itself"),
    ("trap '' HUP; sleep 5 & true", r"the run is over, and nothing outlives it"),
    ("exec sleep 200", r"the time of --timeout is over"),
]


@pytest.mark.parametrize(("script", "words"), KILLS)
def test_who_sent_a_kill(arch: str, work: Path, script: str, words: str) -> None:
    run_cli(
        "trace", "-f", "--explain", "--deterministic", "--timeout", "100", "-o", "calls",
        "--json", "json", "--arch", arch, "busybox", "sh", "-c", script,
    )  # fmt: skip
    text = Path("calls").read_text()
    lines = text.splitlines()
    place = next(i for i, line in enumerate(lines) if line.endswith("+++ killed by SIGKILL +++"))
    assert re.fullmatch(re.escape(MARK) + words, lines[place + 1])
    with open("json", encoding="utf-8") as file:
        assert strace_text(read_events(file), pids=True) == text


def test_what_is_left_over_is_told_why(arch: str, work: Path) -> None:
    words = ("-f", "--explain", "-e", "trace=none", "-o", "calls", "--arch", arch)
    run_cli("trace", *words, "busybox", "sh", "-c", "sleep 5 & sleep 0.1")
    lines = Path("calls").read_text().splitlines()
    place = next(i for i, line in enumerate(lines) if "--- SIGHUP" in line)
    assert lines[place + 1].startswith(MARK + "the program that was run has ended")


OVERFLOWED = """
#include <signal.h>
#include <stdlib.h>
static void noticed(int signal) { (void)signal; }
static int deep(int n) { volatile char room[4096]; room[0] = n; return deep(n + 1) + room[0]; }
int main(void)
{
    signal(SIGSEGV, noticed);
    return deep(0);
}
"""


def test_a_handler_without_a_stack_says_so(arch: str, work: Path) -> None:
    overflowed = str(build_source("overflowed", arch, OVERFLOWED))
    options = ("-e", "trace=none", "--explain", "-o", "calls")
    assert run_cli("trace", *options, overflowed).status == 139
    first, last = said(Path("calls").read_text().splitlines())
    assert "writes" in first
    assert "[stack]" in first
    assert last.startswith("no frame for the handler of SIGSEGV fits on the stack: ")


EVERYDAY = [
    ("echo x >/dev/full", r"/dev/full is full, that is what it is for"),
    ("mount -t ext4 a /tmp", r"there is no .*'ext4' here, only devpts mqueue proc sysfs tmpfs"),
    ("echo x >/sys/x", r"only the kernel makes files in a file system of type sysfs"),
    ("echo x >/proc/x", r"only the kernel makes files in /proc"),
    ("echo x | cat", r"sendfile reads from a position; the source pipe:.* which has none"),
    ("sleep 9 & wait", r"waits for a signal; the exit of child 3 \(\w+\) sends SIGCHLD"),
    (
        "nc -l -p 9 & sleep 1; kill -STOP $!; echo | nc -w 2 127.0.0.1 9",
        r"waits for .*data for socket:.* -> 127.0.0.1:9, which 3 \(nc\) has not accepted yet.*",
    ),
    (
        "cat <&3 & sleep 1; kill -STOP $!; sleep 1; kill -CONT $!; kill $!",
        r"interrupted by SIGSTOP of process 2 \(\w+\): which stops the process; the call .*",
    ),
    (
        "cat <&3 & sleep 1; kill -TERM $!; wait",
        r"interrupted by SIGTERM of process 2 \(\w+\): which has no handler, so the process ends",
    ),
]


@pytest.mark.parametrize(("script", "words"), EVERYDAY, ids=lambda words: words.split()[0])
def test_what_happens_every_day(arch: str, work: Path, script: str, words: str) -> None:
    options = ("-f", "--explain", "--deterministic", "--timeout", "20", "-o", "calls")
    pipe = "mkfifo /tmp/pipe; exec 3<>/tmp/pipe;" if "<&3" in script else ""
    run_cli("trace", *options, "--arch", arch, "busybox", "sh", "-c", f"{pipe} {script}")
    lines = list(said(Path("calls").read_text().splitlines()))
    assert any(re.fullmatch(words, line) for line in lines), lines


REFUSED = {
    "x86_64": [
        ("ud2", "ILL", "is none that this processor has"),
        ("xor %ecx, %ecx; div %ecx", "FPE", "divides by zero, or the quotient has no room in its"),
        ("int3", "TRAP", "is a breakpoint, and nobody debugs this process"),
        ("hlt", "SEGV", "is not for programs, or its address is none that a program can have"),
    ],
    "aarch64": [
        ("udf #0", "ILL", "is none that this processor has"),
        ("brk #0", "TRAP", "is a breakpoint, and nobody debugs this process"),
    ],
}


def test_an_instruction_that_the_processor_refuses(arch: str, work: Path) -> None:
    for code, signal, words in REFUSED[arch]:
        source = f'int main(void) {{ __asm__ volatile("{code}"); return 0; }}'
        program = str(build_source("refused", arch, source))
        run_cli("trace", "--explain", "-e", "trace=none", "-o", "calls", program)
        first, below, *_ = Path("calls").read_text().splitlines()
        assert first.startswith(f"--- SIG{signal} ")
        assert re.match(re.escape(MARK) + rf"the instruction at 0x[0-9a-f]+ {words}", below)
