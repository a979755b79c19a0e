"""Where our trace of a program differs from strace's of the same program, and why.

This is the whole list: test_forty_programs fails for a difference that is not here, and for one
that is here and no longer there (unless it is ``timing``: then two runs of strace differ as well).
docs/tracing.md shows the table; a test keeps the two equal.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Difference(NamedTuple):
    """Lines that ``pattern`` finds may differ in these programs."""

    programs: str
    pattern: str
    reason: str
    timing: bool = False

    def concerns(self, program: str) -> bool:
        """Is it about this program?"""
        return program in self.programs.split()

    def covers(self, line: str) -> bool:
        """Is it about this line?"""
        return re.search(self.pattern, line) is not None


DIFFERENCES: Final = (
    Difference(
        "directories execing sysvipc rust ruff go",
        r"sched_getaffinity\(.*\) = (8|32)",
        "the result is the size of the kernel's own CPU mask: 8 bytes here, more on a kernel "
        "built for more processors",
    ),
    Difference(
        "identity rust go",
        r"RLIMIT_NOFILE",
        "the hard limit of open files is the host's",
    ),
    Difference(
        "ls stat",
        r'write\(1, "(total|  File)',
        "the text has sizes of directories and numbers of devices, which each file system "
        "chooses for itself",
    ),
    Difference(
        "net_unix",
        r"(read|write)\([34], .*(10000|300000)\) = \d+",
        "how much a socket holds: Linux counts its own headers too",
    ),
    Difference(
        "files",
        r"writev\(3, \[\{iov_base=\"ab\".*\], 1025\)",
        "the program's stack is somewhere else, and shown as bytes",
    ),
    Difference(
        "directories execing sysvipc",
        r"munmap\(ADDRESS, \d+\)",
        "what is cut off to align a thread's stack depends on where the host put it",
        timing=True,
    ),
    Difference(
        "mappings",
        r"mmap\(.*MAP_SHARED_VALIDATE",
        "strace loses flags above bit 31, which no kernel knows",
    ),
    Difference(
        "mappings",
        r"mremap\(.*MREMAP_DONTUNMAP",
        "strace shows the new address with MREMAP_DONTUNMAP since 6.9, 6.1 did not",
    ),
    Difference(
        "mappings",
        r"mincore\(",
        "a page fault brings in the pages beside it, so more of them are resident",
    ),
    Difference(
        "sysvipc",
        r"msgrcv\(.*mtext=",
        "strace shows as much of the buffer as was asked for; the message is as long as the result",
    ),
    Difference(
        "go",
        r"MADV_NOHUGEPAGE",
        "there are no huge pages here, as in a kernel built without them: EINVAL",
    ),
    Difference(
        "ruff go",
        r"/proc/self/(cgroup|mountinfo)|/sys/fs/cgroup|cpuacct|systemd|proc rw,relatime"
        r"|F_SETFD, FD_CLOEXEC|st_mode=S_IFREG.0444, st_size=0|lseek\(3, 0, SEEK_CUR"
        r'|read\(3, "", \d+\)|close\(3\)',
        "this kernel has no control groups, so nobody reads what there is of them",
    ),
    Difference("ruff", r"read\(3, .*, 32\) = 1[46]", "the name of the kernel's release"),
    Difference(
        "rust",
        r'read\(3, "[0-9a-f]{12}-|unlinkat\(4',
        "the text of /proc/self/maps has addresses; a directory has an order of its own",
    ),
    # From here on: what differs between two runs of strace, too.
    Difference(
        "ruff",
        r"^.(mmap|munmap|mremap|madvise)\(ADDRESS|^.mmap\(NULL, \d+, PROT_READ.PROT_WRITE, MAP_PR",
        "what is cut off to align memory depends on where the host put it",
        timing=True,
    ),
    Difference(
        "timerfds",
        r'read\(3, "[^"]+\\0", 8\)|nanosleep',
        "how often a timer has gone off when somebody looks",
        timing=True,
    ),
    Difference("sed", r"getrandom\(", "a random name is sometimes drawn twice", timing=True),
    Difference(
        "pipes", r"read\(3, \"([a-j])\1{31}\"", "how much there is when a reader comes", timing=True
    ),
    Difference(
        "processes identity execing sysvipc script pipeline substitution",
        r"wait4\(|pause\(|getppid\(|GETZCNT|nanosleep\(",
        "whether a child ends before its parent looks",
        timing=True,
    ),
    Difference(
        "rust",
        r"poll\(\[\{fd=4|read\(4, .*, 32\)|ioctl\([46], FIONBIO",
        "whether a child ends before its parent looks",
        timing=True,
    ),
    Difference(
        "ruff go",
        r"futex\(|nanosleep\(|epoll_pwait\(|SIGURG|tgkill\(|getpid\(",
        "how often a thread waits for another",
        timing=True,
    ),
    Difference(
        "go",
        r"clone\(|gettid\(|sigaltstack\(|rt_sigprocmask\(|exited with|^.mmap\(|madvise|exit_group",
        "how many threads Go starts, and which of them asks for memory",
        timing=True,
    ),
    Difference(
        "signals epolling sysvipc",
        r'pread64\(\d+, "\d+ \(\w+\) [RSDZ] |nanosleep\(|GETNCNT',
        "how often a program asks whether another one sleeps",
        timing=True,
    ),
)
