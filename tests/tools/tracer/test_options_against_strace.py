"""strace's options, one by one, on a program of many calls: our lines are strace's lines."""

from __future__ import annotations

import re
from difflib import unified_diff
from typing import Final

import pytest

from tests.support.differential import Command
from tests.support.native_strace import diorama_trace, strace_trace
from tests.support.trace_lines import by_process, without
from tests.tools.tracer.test_forty_programs import ORDER
from userland.build import build_source

pytestmark = [pytest.mark.guest, pytest.mark.native, pytest.mark.row("K10")]

SOURCE: Final = r"""
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
    char text[64];
    struct stat st;
    struct utsname names;
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    fstat(fd, &st);
    uname(&names);
    read(fd, text, 50);
    lseek(fd, 0, SEEK_SET);
    struct iovec parts[2] = {{text, 3}, {text + 3, 5}};
    readv(fd, parts, 2);
    mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    open("/none/x", O_RDWR | O_CREAT | O_EXCL, 0644);
    struct pollfd asked = {fd, POLLIN, 0};
    poll(&asked, 1, 0);
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    close(s);
    fcntl(fd, F_GETFL);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR1, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, 0);
    kill(getpid(), SIGUSR1);
    struct timespec soon = {0, 1000};
    nanosleep(&soon, 0);
    if (!fork())
        _exit(3);
    int status;
    wait4(-1, &status, 0, 0);
    access("/etc/passwd", R_OK | W_OK);
    umask(022);
    mkdir("/work/\303\244\n", 0755);
    close(fd);
    write(1, "h\303\244llo\n", 7);
    return 0;
}
"""
CHOICES: Final = (
    "-X raw",
    "-X verbose",
    "--const-print-style=abbrev",
    "-e raw=all",
    "--raw=read,fstat,kill",
    "-e verbose=none",
    "-e verbose=!fstat,poll",
    "-e abbrev=none",
    "-e abbrev=!uname",
    "-v -s 200",
    "-y",
    "--decode-fds=dev",
    "-yy -e trace=%desc",
    "-Y -e trace=getpid,kill,fork,wait4",
    "-a 20",
    "-x",
    "-xx",
    "--strings-in-hex=non-ascii-chars",
    "--strings-in-hex=non-ascii",
    "-q",
    "-qq",
    "-e quiet=exit",
    "-n -e trace=read,write,close",
    "-t -e trace=write",
    "--absolute-timestamps=format:unix,precision:ms -T -e trace=write",
    "-ttt -r --syscall-times=ns -e trace=write,close",
    "--relative-timestamps=s -e trace=write,close",
    "-z",
    "-Z",
    "-e status=failed,unfinished",
    "-e status=!successful",
    "-e trace=%stat,%pure,%clock,?nosuch",
    "-e trace=!%memory,%signal",
    "-e trace=/^(re|wr) -e signal=none",
    "-e read=3 -e write=1 -e trace=read,readv,write",
    "-s 3",
)
TIMES: Final = (
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "CLOCK"),
    (re.compile(r"\b\d{10}(\.\d+)?\b"), "EPOCH"),
    (re.compile(r"<\d+\.(\d+)>"), lambda m: "<" + "0" * len(m[1]) + ">"),
    (re.compile(r" +\d+\.(\d{6})(?=[ )])"), r" SINCE"),
    (re.compile(r" +0 (?=\w+\()"), " SINCE "),
    (re.compile(r"st_dev=\w+\(.*?\), |st_ino=\d+|st_blocks=\d+, |st_atime=.*?, st_mode"), ""),
    (re.compile(r"st_[amc]time=\d+ /\*.*?\*/(, st_[amc]time_nsec=\d+)?"), "TIME"),
    (re.compile(r"(release|version|nodename|domainname)=\"[^\"]*\""), r"\1=..."),
    (re.compile(r"socket:\[\d+\]"), "socket"),
    (re.compile(r"TCP:\[\d+\]"), "TCP"),
    (re.compile(r"(?<=1<)(/|host:)[^>]*"), "OUT"),
    (re.compile(r"<[^>]*/root/etc"), "</etc"),
    (re.compile(r"st_blksize=\d+"), "st_blksize"),
    (re.compile(r"0x7f[0-9a-f]{10}"), "ADDRESS"),
)  # fmt: skip


STATUS_FILTERS: Final = ("-z", "-Z", "-e status=")
"""With these strace forgets a call if another task has a line to print before the call's end."""
LUCK: Final = re.compile(r"wait4\(")


def plain(text: str) -> dict[int, list[str]]:
    """Comparable lines, without what differs by nature."""
    found = {}
    for pid, lines in by_process(text).items():
        kept = []
        for line in without(lines, ORDER):
            for pattern, replacement in TIMES:
                line = pattern.sub(replacement, line)
            kept.append(line)
        found[pid] = kept
    return found


@pytest.mark.parametrize("options", CHOICES)
def test_the_lines_are_straces(options: str) -> None:
    program = build_source("options", "x86_64", SOURCE)
    command = Command(("/work/options",), b"", {"options": program.read_bytes()})
    words = options.split()
    theirs = plain(strace_trace(command, words))
    ours = plain(diorama_trace(command, "x86_64", words))
    assert list(ours) == list(theirs)
    for pid, lines in theirs.items():
        expected, found = lines, ours[pid]
        if options.startswith(STATUS_FILTERS):
            # The child's lines may come while its parent waits, or before.
            expected, found = (without(both, LUCK) for both in (expected, found))
        differing = list(unified_diff(expected, found, n=0, lineterm=""))[2:]
        assert not differing, "\n".join(differing)
    assert any(ours.values())


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_a_task_is_let_go_when_it_executes(arch: str) -> None:
    """strace writes the same (tried by hand: its own launcher would be let go of first here)."""
    command = Command(("busybox", "sh", "-c", "busybox true; echo"))
    lines = by_process(diorama_trace(command, arch, ("-b", "execve")))
    assert lines[2][-1] == "+++ exited with 0 +++"
    assert len(lines) == 2
    text = diorama_trace(command, arch, ("-b", "execve"))
    (last,) = (line for line in text.splitlines() if line.startswith("3 ") and "execve" in line)
    assert last.endswith(" <detached ...>")
    assert text.rindex("\n3 ") == text.index(f"\n{last}")
