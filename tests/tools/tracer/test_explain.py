"""``--explain``: each of the common errors, and each kind of wait, says the facts behind it.

Two guest programs (tests/support/explaining) make them all, a row each, in virtual time; they run
once on each CPU, and every row is looked up in what the tracer wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.guest import run_cli
from tools.tracejson import read_events, strace_text
from userland.build import build_source

pytestmark = [pytest.mark.row("K10"), pytest.mark.guest]

ROW = re.compile(r'write\(9, "([^"]+)"')
SOURCES = Path(__file__).parents[2] / "support" / "explaining"
MARK = "    \\ "

ERRORS = [
    # paths
    ("ENOENT missing component", "/w/none/file: there is no 'none' in /w"),
    ("ENOENT last component", "/w/dir/nothing: there is no 'nothing' in /w/dir"),
    ("ENOENT dangling link", "leads to /w/nowhere/at/all; there is no 'nowhere' in /w"),
    ("ENOENT empty path", "the path is empty"),
    ("ENOENT script interpreter", "the script's interpreter /w/interp: there is no 'interp' in /w"),
    ("ENOENT unlink", "there is no 'gone' in /w/dir"),
    ("ENOTDIR component", "/w/file/below: '/w/file' is a regular file, not a directory"),
    ("ENOTDIR asked for", "/w/file is a regular file, and a directory was asked for"),
    ("ENOTDIR dirfd", "descriptor 3 is /w/file, which is not a directory"),
    ("ELOOP circle", "/w/loop1: more than 40 symbolic links, the last is /w/loop1"),
    ("ELOOP nofollow", "/w/dangling is a symbolic link, and O_NOFOLLOW"),
    ("ENAMETOOLONG component", "has 299 bytes, at most 255 are allowed"),
    ("ENAMETOOLONG path", "does not end within 4096 bytes"),
    ("EEXIST open", "/w/file exists, it is a regular file; O_CREAT with O_EXCL"),
    ("EEXIST mkdir", "/w/dir exists, it is a directory"),
    ("EISDIR open", "/w/dir is a directory, which cannot be opened for writing"),
    ("EISDIR read", "/w/dir is a directory, which getdents64 reads"),
    ("EISDIR unlink", "/w/dir is a directory, which rmdir removes"),
    ("ENOTEMPTY rmdir", "the directory 'full' has 1 entry, the first is 'entry'"),
    ("EBUSY rmdir", "something is mounted on /w/mnt"),
    ("EBUSY umount", "1 file or directory is in use on /w/mnt (tmpfs, rw,relatime)"),
    ("EXDEV rename", "/w/mnt/file is on mount /w/mnt (tmpfs", "/w/file2 on mount / (tmpfs"),
    ("EXDEV link", "/w/mnt/file is on mount /w/mnt (tmpfs"),
    ("EINVAL rename into itself", "/w/full/entry/x lies in /w/full"),
    ("EROFS open", "/w/ro is on a mount that is read-only: /w/ro (tmpfs, ro,"),
    ("EROFS mkdir", "/w/ro is on a mount that is read-only"),
    ("ENOSPC write", "the file system holds 65536 bytes", "/w/mnt/big is on /w/mnt (tmpfs"),
    ("ETXTBSY open", "/bin/explaining", "is being run by 1 process"),
    ("ETXTBSY execve", "/w/written is open for writing (1 file)"),
    ("ENOEXEC execve", "neither an ELF file nor a #! script"),
    ("EACCES execve directory", "/w/dir is a directory, which is not executed"),
    ("ENXIO fifo", "nobody has /w/fifo open for reading, and O_NONBLOCK is set"),
    ("ENODEV mount", "there is no file system 'nofs'"),
    ("EINVAL readlink", "'/w/file' is a regular file, not a symbolic link"),
    ("ERANGE getcwd", "the path and its NUL have 2 bytes, the buffer 1"),
    ("EINVAL open flags", "O_TMPFILE needs O_WRONLY or O_RDWR"),
    # another user
    (
        "EACCES search",
        "/w/secret/inner/file: '/w/secret' is a directory of uid 0, gid 0, mode 0700; uid 1000",
        "uid 1000, gid 1000 has no search permission",
    ),
    ("EACCES read", "/w/private is a regular file", "mode 0600", "has no read permission"),
    ("EACCES create", "/w is a directory", "mode 0755", "has no write permission"),
    ("EACCES execve", "/w/file is a regular file", "mode 0644", "no execute permission"),
    ("EPERM chmod", "/w/file belongs to uid 0; uid 1000", "CAP_FOWNER"),
    ("EPERM chown", "/w/file belongs to uid 0; uid 1000 has no CAP_CHOWN"),
    ("EPERM sticky", "sticky (mode 1777)", "belongs to uid 0", "uid 1000"),
    ("EPERM kill", "process 2 (explaining", "uid 1000 may not signal it without CAP_KILL"),
    ("EPERM mount", "mounting needs CAP_SYS_ADMIN, which uid 1000 has not"),
    ("EPERM setuid", "the real uid is 1000, the saved 1000, neither is 7", "CAP_SETUID"),
    ("EPERM rlimit", "1073741824 is above fs.nr_open, 1048576"),
    ("EPERM sethostname", "needs CAP_SYS_ADMIN, which uid 1000 has not"),
    ("EACCES bind", "port 80 is below 1024: uid 1000 needs CAP_NET_BIND_SERVICE"),
    ("EAGAIN fork", "uid 1000 has 1 process, RLIMIT_NPROC is 1"),
    # descriptors
    (
        "EBADF never",
        "descriptor 77 is not open and was not since the trace began; open are 0, 1, 2",
    ),
    ("EBADF closed", "descriptor 3 is not open: close(3) of 2 (explaining", "closed it"),
    ("EBADF read-only", "descriptor 3 (/w/file) is not open for writing"),
    ("EBADF path", "is open with O_PATH, only as a place: /w/file"),
    ("EBADF negative", "descriptor -5 is not open: no descriptor is negative"),
    ("EBADF dup3 limit", "descriptor 100 is not below RLIMIT_NOFILE, 64"),
    ("EBADF beyond limit", "descriptor 5000 is not open, and RLIMIT_NOFILE (64)"),
    ("EMFILE", "64 descriptors are open, and RLIMIT_NOFILE allows only numbers below 64"),
    ("EINVAL fcntl", "there is no fcntl command 999"),
    ("EINVAL lseek", "the new position would be -5"),
    ("EINVAL whence", "whence is 99"),
    ("ENOTTY", "/w/file does not know TCGETS (0x5401), which is for terminals"),
    ("ESPIPE", "pipe:[", "is a stream, which has no position"),
    ("EAGAIN pipe", "the pipe is empty", "data in pipe:[", "but O_NONBLOCK is set"),
    ("EPIPE pipe", "nobody has the read end of pipe:["),
    ("EAGAIN full pipe", "1 bytes do not fit: 0 are free", "65536 of 65536", "O_NONBLOCK is set"),
    ("EFBIG", "writing at 200 is over RLIMIT_FSIZE, 100"),
    ("EAGAIN flock", "another open file has a lock in the way, held by 2 (explaining"),
    ("EAGAIN eventfd", "the counter of the eventfd is 0", "O_NONBLOCK is set"),
    ("EINVAL eventfd size", "is read by 8 bytes, and the buffer has 4"),
    ("EEXIST epoll", "is watched already"),
    ("EPERM epoll", "/w/small is always ready, so epoll does not watch it"),
    ("ENOENT epoll", "descriptor 9", "is not watched"),
    ("ENOTSOCK", "(/w/small) is a regular file, not a socket"),
    # memory
    ("EFAULT unmapped", "nothing is mapped at 0x10: ", "/bin/explaining", "bytes above"),
    ("EFAULT read-only", "lies in anonymous memory", "r--p, which does not allow writing"),
    ("EFAULT iovec", "nothing is mapped at 0x10"),
    ("EFAULT path", "nothing is mapped at 0xdead0000", "bytes below", "bytes above"),
    ("EINVAL iovec count", "5000 iovecs, and at most 1024 are allowed"),
    ("EINVAL munmap", "001 is not a multiple of the page size"),
    ("EINVAL mmap length", "the length is 0"),
    ("EINVAL mmap flags", "flags 0x20 have neither MAP_PRIVATE nor MAP_SHARED"),
    ("EACCES mmap wx", "writable and executable at once is refused (W^X); --allow-wx"),
    ("EACCES mmap file", "MAP_SHARED with PROT_WRITE", "/w/file is not open for writing"),
    ("ENODEV mmap", "pipe:[", "cannot be mapped"),
    ("EEXIST mmap", "r--p is mapped there (MAP_FIXED_NOREPLACE)"),
    ("EPERM mmap low", "0x1000 is below vm.mmap_min_addr, 0x10000"),
    ("ENOMEM commit", "268435456 pages of 4 KiB are asked for, the machine has 262144 (--memory)"),
    ("ENOMEM RLIMIT_AS", "1024 pages and", "mapped already are over RLIMIT_AS, 1048576 bytes"),
    ("ENOMEM mprotect", "nothing is mapped at 0x", "ends 0x0 bytes below"),
    ("EFAULT mremap", "nothing is mapped at 0x100000"),
    ("EINVAL madvise", "advice 12345 is not known"),
    # processes
    ("ECHILD none", "process 2 (explaining", "has no children"),
    ("ECHILD stranger", "process 1 (init) is no child of process 2 (explaining"),
    ("ESRCH kill", "there is no process 12345"),
    ("EINVAL signal", "there is no signal 1000"),
    ("ESRCH setpgid", "process 1 (init) is neither the caller nor a child of it"),
    ("EPERM setsid", "leads a process group already"),
    ("EINVAL clone", "clone flags 0x10000 are no form of a process or thread"),
    ("EINVAL sigaction", "signal 9 does not exist, or its action cannot be changed"),
    ("EINVAL clock", "there is no clock 99"),
    ("EINVAL nanosleep", "0 s 2000000000 ns is no time"),
    ("EAGAIN futex", "the word at 0x", "is 5, not 6"),
    ("ETIMEDOUT futex", "nobody woke the word at 0x"),
    ("EINVAL futex", "a futex is aligned to 4 bytes"),
    ("EDEADLK futex", "task 2 (explaining", "has the lock already"),
    ("ENOSYS", "init_module is not implemented"),
    ("EINVAL prctl", "there is no prctl option 9999"),
    ("EINVAL rlimit", "the soft limit 10 is above the hard one, 5"),
    ("EAGAIN semop", "semaphore 1 is 0 and does not allow -1 (IPC_NOWAIT)"),
    ("EINVAL semget", "there is no IPC object"),
    ("ENOMSG", "queue ", " is empty (IPC_NOWAIT)"),
    # sockets
    ("ECONNREFUSED", "nobody listens at the other end of socket:[", "] 127.0", "-> 127.0.0.1:4999"),
    ("EADDRINUSE", "127.0.0.1:4000 is taken by socket:["),
    ("EADDRNOTAVAIL", "8.8.8.8:80 is no address of this machine"),
    ("ENETUNREACH", "there is no route to 8.8.8.8:80: --network is loopback"),
    ("EPIPE unconnected", "socket:[", "is not connected"),
    ("ENOTCONN getpeername", "socket:[", "is not connected"),
    ("EINVAL accept", "socket:[", "does not listen"),
    ("EAFNOSUPPORT connect", "the address is of family 1"),
    ("EAGAIN accept", "no connection waits", "127.0.0.1:4000, but O_NONBLOCK is set"),
    ("EAFNOSUPPORT socket", "family 4 is none of AF_UNIX"),
    ("EPROTONOSUPPORT", "a stream speaks TCP (6), not protocol 17"),
    ("EOPNOTSUPP socketpair", "socketpair is for AF_UNIX, not for family 2"),
    ("EMSGSIZE", "a datagram has at most 65507 bytes, not 70000"),
    ("EDESTADDRREQ", "no address is given, and socket:["),
    ("EOPNOTSUPP listen", "(family 2, type 2) has no listen"),
    ("ENOPROTOOPT", "SOL_SOCKET has no option 9999"),
    ("EAGAIN recv", "no datagram has come", "but the call was not to wait"),
    ("ENOENT unix", "there is no 'no-socket' in /w"),
    ("ECONNREFUSED unix", "/w/file is a regular file, not a socket"),
    ("EADDRINUSE unix", "/w/file exists"),
    ("EADDRINUSE abstract", "the abstract name 'taken' belongs to socket:["),
    ("EISCONN", "socket:[", "is connected"),
    ("EPIPE socket", "socket:[", "or its other end is shut down or closed"),
]
WAITS = [
    ("pipe read", r"waits for data in pipe:\[\d+\], written by \d+ \(explaining"),
    (
        "pipe write",
        r"waits for room in pipe:\[\d+\] \(65536 of 65536 bytes are full\), read by \d+ \(",
    ),
    ("poll", r"waits for descriptor 3: data in pipe:\[\d+\], written by .*, for 9.000 s at most"),
    ("select", r"waits for descriptor 3: data in pipe:\[\d+\], written by"),
    ("epoll", r"waits for descriptor 3: data in pipe:\[\d+\], written by"),
    ("fifo open", r"waits for a writer to open /w/waiting"),
    ("flock", r"waits for the lock on /w/locked, held by \d+ \(explaining"),
    ("record lock", r"waits for a lock on /w/locked, held by \d+ \(explaining"),
    ("eventfd", r"waits for the counter of .*eventfd.* to rise from 0, shared with \d+ \("),
    ("timerfd", r"waits for .*timerfd.* to expire in 0.500 s"),
    ("terminal", r"waits for terminal input \(/dev/pts/0\)"),
    ("child", r"waits for the exit of child \d+ \(explaining"),
    ("one child", r"waits for the exit of child \d+ \(explaining"),
    ("sleep", r"waits for a timer of 0.500 s"),
    ("futex", r"waits for futex 0x[0-9a-f]+ to be woken, the word is 0"),
    ("glibc mutex", r"waits for futex 0x[0-9a-f]+ to be woken, held by \d+ \(explaining"),
    ("PI futex", r"waits for PI futex 0x[0-9a-f]+, held by \d+ \(explaining"),
    ("pause", r"waits for a signal"),
    (
        "EINTR read",
        r"interrupted by SIGUSR1 of process \d+ \(explaining.*without SA_RESTART: .*EINTR",
    ),
    ("restarted read", r"interrupted by SIGUSR1 .*with SA_RESTART: the call is made again"),
    ("sigwait", r"waits for one of the signals SIGUSR1"),
    ("semaphore", r"waits for semaphore 0 of set \d+ to allow -1; it is 0"),
    ("message", r"waits for a message in queue \d+"),
    ("vfork", r"waits for vfork child \d+ \(explaining.*\) to execute a program or to end"),
    (
        "SIGSEGV",
        r"the instruction at 0x[0-9a-f]+ writes 0x10: nothing is mapped at 0x10: /bin/expl",
    ),
    ("unix receive", r"waits for data for socket:\[\d+\], sent by .*\(explaining"),
    ("accept", r"waits for a connection to socket:\[\d+\] 127.0.0.1:4000"),
]


def program(arch: str, subject: str) -> str:
    """The guest.  It mounts and changes limits, so it is no program that runs outside, too."""
    parts = (SOURCES / name for name in ("begin.h", f"{subject}.c"))
    text = "".join(part.read_text(encoding="utf-8") for part in parts)
    return str(build_source("explaining", arch, text))


@cache
def rows(arch: str, subject: str = "errors") -> dict[str, list[str]]:
    """The lines of a trace by row."""
    with TemporaryDirectory() as directory:
        place = Path(directory, "calls")
        options = ("-f", "--explain", "--deterministic", "-s", "64", "-o", str(place))
        result = run_cli("trace", *options, program(arch, subject))
        assert result.status == 0, result.stderr
        found: dict[str, list[str]] = {}
        lines = found["before"] = []
        for line in place.read_text().splitlines():
            name = ROW.search(line)
            if name:
                lines = found[name[1]] = []
            lines.append(line)
        return found


def said(lines: list[str]) -> Iterator[str]:
    """The explanations among some lines."""
    return (line.removeprefix(MARK) for line in lines if line.startswith(MARK))


@pytest.mark.parametrize("expected", ERRORS, ids=lambda row: row[0].replace(" ", "-"))
def test_an_error_says_why(arch: str, expected: tuple[str, ...]) -> None:
    name, *facts = expected
    lines = rows(arch)[name]
    failures = [i for i, line in enumerate(lines) if f"= -1 {name.split()[0]} (" in line]
    assert failures, lines
    below = lines[failures[-1] + 1]  # the last of the row: the others are on its way
    assert below.startswith(MARK)
    assert all(fact in below for fact in facts), below


BEGINNERS = """
#define _GNU_SOURCE
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>
int main(void)
{
    struct { long type; char text[8]; } message = { 2 };
    int queue = msgget(IPC_PRIVATE, 0600);
    msgsnd(queue, &message, 8, 0);
    msgrcv(queue, &message, 8, 3, IPC_NOWAIT);
    send(socket(AF_INET, SOCK_STREAM, 0), "x", 1, MSG_NOSIGNAL);
    execl("/etc/passwd", "passwd", (char *)0);
    return 0;
}
"""


def test_what_a_beginner_asks(arch: str) -> None:
    program = str(build_source("beginners", arch, BEGINNERS))
    with TemporaryDirectory() as directory:
        place = Path(directory, "calls")
        run_cli("trace", "--explain", "-Z", "-o", str(place), program)
        message, send, execute = said(place.read_text().splitlines())
    assert message == "none of the 1 messages in queue 0 is of type 3 (IPC_NOWAIT)"
    assert re.fullmatch(r"socket:\[\d+\] 0.0.0.0:0 is not connected", send)
    assert execute.endswith("has no execute permission, and without any x bit nobody has")


def test_a_call_that_a_signal_ends_for_good_says_only_that(arch: str) -> None:
    script = "nc -l -p 80 & sleep 0.1; kill $!; wait"
    with TemporaryDirectory() as directory:
        place = Path(directory, "calls")
        words = ("-f", "--explain", "-e", "trace=accept", "-o", str(place), "--arch", arch)
        run_cli("trace", *words, "busybox", "sh", "-c", script)
        (line,) = [line for line in said(place.read_text().splitlines()) if "SIGTERM" in line]
    assert re.fullmatch(
        r"interrupted by SIGTERM of process 2 \(\w+\): which has no handler, .*", line
    )


def test_every_row_of_the_program_is_checked(arch: str) -> None:
    assert [name for name in rows(arch) if name != "before"] == [row[0] for row in ERRORS]
    assert [name for name in rows(arch, "waits") if name != "before"] == [row[0] for row in WAITS]


@pytest.mark.parametrize("expected", WAITS, ids=lambda row: row[0].replace(" ", "-"))
def test_a_wait_says_for_what(arch: str, expected: tuple[str, str]) -> None:
    name, pattern = expected
    lines = rows(arch, "waits")[name]
    assert any(re.search(pattern, line) for line in said(lines)), lines


def test_a_wait_is_said_below_the_unfinished_line(arch: str) -> None:
    lines = rows(arch, "waits")["sleep"]
    place = next(i for i, line in enumerate(lines) if "timer of 0.500 s" in line)
    assert lines[place - 1].endswith("<unfinished ...>")
    assert re.search(r"<\.\.\. \w*nanosleep resumed>.*= 0$", lines[place + 1])


def test_every_error_of_the_program_is_explained(arch: str) -> None:
    for subject in ("errors", "waits"):
        lines = [line for row in rows(arch, subject).values() for line in row]
        for line, below in pairwise(lines):
            if "= -1 E" in line or "= ? ERESTART" in line:
                assert below.startswith(MARK), line


def test_without_the_option_nothing_is_said(arch: str, work: Path) -> None:
    run_cli("trace", "-f", "--deterministic", "-s", "64", "-o", "calls", program(arch, "errors"))
    plain = Path("calls").read_text().splitlines()
    explained = [line for row in rows(arch).values() for line in row]
    assert not any(line.startswith(MARK) for line in plain)
    assert len(plain) < len(explained)


def test_json_has_the_reasons_and_makes_the_same_text(arch: str, work: Path) -> None:
    options = ("-f", "--explain", "--deterministic", "-s", "64", "-o", "calls", "--json", "json")
    assert run_cli("trace", *options, program(arch, "waits")).status == 0
    with open("json", encoding="utf-8") as file:
        events = list(read_events(file))
    assert strace_text(events, pids=True) == Path("calls").read_text()
    waits = [event for event in events if event["event"] == "wait"]
    assert any(event["waits_for"] == "waits for terminal input (/dev/pts/0)" for event in waits)
    failed = [event for event in events if event["event"] == "call" and event["error"]]
    assert failed
    assert all(event["reason"] for event in failed)


def test_run_with_a_trace_explains_too(arch: str) -> None:
    result = run_cli("run", "--arch", arch, "--explain", "busybox", "cat", "/none/at/all")
    assert b"\n    \\ /none/at/all: there is no 'none' in /\n" in result.stderr
    quiet = run_cli("run", "--arch", arch, "--trace", "busybox", "cat", "/none/at/all")
    assert b"there is no 'none'" not in quiet.stderr


def test_an_injected_error_is_not_the_kernels(work: Path) -> None:
    inject = "--inject=getuid:error=EPERM"
    run_cli("trace", "--explain", "-o", "calls", inject, "busybox", "id")
    lines = Path("calls").read_text().splitlines()
    place = next(i for i, line in enumerate(lines) if "(INJECTED)" in line)
    assert "diorama made the call fail, as --inject asked" in lines[place + 1]


def test_what_a_closed_descriptor_was_closed_by_is_inherited(work: Path) -> None:
    script = "exec 5</etc/passwd; exec 5<&-; (cat <&5); true"
    run_cli("trace", "-f", "--explain", "-o", "calls", "busybox", "sh", "-c", script)
    text = Path("calls").read_text()
    assert re.search(r"descriptor 5 is not open: close\(5\) of 2 \(busybox\) closed it", text)


def test_raw_lines_have_no_place_for_words(work: Path) -> None:
    result = run_cli("trace", "--explain", "--trace-format", "raw", "busybox", "true")
    assert result.status == 125
    assert result.stderr.startswith(b"diorama: --explain: raw lines have no place for words")
    assert result.stderr.count(b"\n") == 1
