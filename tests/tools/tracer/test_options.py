"""strace's options: each compared with strace where it can run, on both CPUs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support import oracles
from tests.support.guest import run_cli
from tools.busybox import find_busybox
from tools.tracer.filters import DescriptorSet

pytestmark = pytest.mark.row("K10")
ARCHES = ("x86_64", "aarch64")
SCRIPT = (
    "read x; cat /etc/passwd >/dev/null; : </etc/passwd; "
    'echo "a$(echo | tr "\\n" "\\1")b"; cd /none'
)
RULES = (
    (re.compile(r'"[^"]*busybox"'), '"BUSYBOX"'),
    (re.compile(r"(si_pid|= )=?\d{3,}"), r"\1=PID"),
    (re.compile(r"si_pid=\d+"), "si_pid=PID"),
    (re.compile(r"0x[0-9a-f]{6,}( /\* \d+ vars \*/)?"), "ADDRESS"),
    (re.compile(r"\[[0-9a-f]{16}\]"), "[PC]"),
    (re.compile(r"<(pipe|host):\[\d+\]>"), "<pipe>"),
    (re.compile(r"\b1[0-9]\b"), "10"),  # where the shell keeps saved descriptors
    (re.compile(r" +="), " ="),
)
CHOICES = (
    ("-n", "-e", "trace=openat,read,dup2"),
    ("-i", "-e", "trace=chdir"),
    ("-x", "-e", "trace=write,chdir"),
    ("-xx", "-e", "trace=chdir,write"),
    ("-z", "-e", "trace=openat,chdir,open"),
    ("-Z", "-e", "trace=openat,chdir,open"),
    ("-P", "/etc/passwd", "-e", "trace=open,openat,close,read"),
    ("-P", "/none", "-P", "/dev/null"),
    ("-e", "trace=/^(chd|wri)", "-e", "signal=none"),
    ("-e", "trace=!%file,%desc,%memory,%process,%signal,%creds,/.*", "-e", "signal=!CHLD"),
    ("-e", "trace=?nosuch,chdir"),
    ("-e", "trace=read,write", "-e", "read=0", "-e", "write=1", "-e", "signal=none"),
    ("-yy", "-e", "trace=dup2", "-e", "signal=none"),
)


def normal(path: Path) -> list[str]:
    lines = []
    for line in path.read_text().splitlines():
        for pattern, replacement in RULES:
            line = pattern.sub(replacement, line)
        if "SIGCHLD" not in line and "execve" not in line:
            lines.append(line)
    return lines


@pytest.mark.parametrize("options", CHOICES, ids=lambda words: " ".join(words))
def test_it_is_straces(options: tuple[str, ...], tmp_path: Path) -> None:
    strace = str(oracles.program("strace"))
    busybox = str(find_busybox("x86_64"))
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    subprocess.run(
        [strace, "-o", str(outside), *options, busybox, "sh", "-c", SCRIPT],
        input=b"line\n",
        capture_output=True,
        timeout=90,
        check=False,
    )
    words = ("--arch", "x86_64", "-o", str(inside), *options, "busybox", "sh", "-c", SCRIPT)
    run_cli("trace", *words, stdin=b"line\n")
    assert normal(inside) == normal(outside)
    assert normal(inside)


def trace(arch: str, tmp_path: Path, *words: str) -> list[str]:
    path = tmp_path / "trace"
    run_cli("trace", "--arch", arch, "-o", str(path), *words)
    return path.read_text().splitlines()


@pytest.mark.parametrize("arch", ARCHES)
def test_structures_are_whole_with_v(arch: str, tmp_path: Path) -> None:
    lines = trace(arch, tmp_path, "-v", "--env", "A=1", "busybox", "sh", "-c",
                  "test -e /etc/passwd; test -e /dev/null; uname -a; true & wait")  # fmt: skip
    text = "\n".join(lines)
    assert '"A=1"]) = 0' in lines[0]
    assert re.search(
        r'stat.*"/etc/passwd", \{st_dev=makedev\(.*\), st_ino=\d+, st_mode=S_IFREG\|0644, '
        r"st_nlink=1, st_uid=0, st_gid=0, st_blksize=\d+, st_blocks=\d+, st_size=\d+, "
        r"st_atime=\d+ /\* \S+ \*/, st_atime_nsec=\d+, st_mtime=\d+ /\* \S+ \*/, "
        r"st_mtime_nsec=\d+, st_ctime=\d+ /\* \S+ \*/, st_ctime_nsec=\d+\}",
        text,
    )
    assert "st_rdev=makedev(0x1, 0x3), st_atime=" in text
    assert f'machine="{arch}", domainname=' in text
    assert ", ..." not in text.replace('"...', "")


@pytest.mark.parametrize("arch", ARCHES)
def test_arguments_have_names_with_n(arch: str, tmp_path: Path) -> None:
    lines = trace(arch, tmp_path, "-N", "-e", "trace=openat,close", "busybox", "cat", "/etc/passwd")
    assert any(
        line.startswith('openat(dirfd=AT_FDCWD, pathname="/etc/passwd", flags=O_RDONLY) = 3')
        for line in lines
    )
    assert "close(fd=3)".ljust(40) + "= 0" in lines


@pytest.mark.parametrize("arch", ARCHES)
def test_devices_and_sockets_are_described_with_yy(arch: str, tmp_path: Path) -> None:
    lines = trace(
        arch, tmp_path, "-f", "-yy", "busybox", "sh", "-c",
        "nc -l -p 80 </dev/null & sleep 0.1; echo hi | nc 127.0.0.1 80",
    )  # fmt: skip
    text = "\n".join(lines)
    assert re.search(r"\d<TCP:\[127\.0\.0\.1:\d+->127\.0\.0\.1:80\]>", text), text
    assert "</dev/null<char 1:3>>" in text


@pytest.mark.parametrize("arch", ARCHES)
def test_the_table_has_the_columns_that_were_asked_for(arch: str) -> None:
    words = ("trace", "--arch", arch, "-c", "-w", "-S", "calls", "-U", "name,calls,min-time,max")
    assert run_cli(*words, "busybox", "true").status == 125
    words = (*words[:-1], "name,calls,min-time,longest")
    lines = run_cli(*words, "busybox", "ls", "/").stderr.decode().splitlines()
    assert lines[0] == "syscall              calls shortest  longest"
    assert lines[1] == "---------------- --------- -------- --------"
    calls = [int(line.split()[1]) for line in lines[2:-2]]
    assert calls == sorted(calls, reverse=True)
    assert lines[-1].split()[:2] == ["total", str(sum(calls))]


def test_a_sleep_counts_with_w_only() -> None:
    def seconds(*options: str) -> float:
        words = ("trace", "-c", "-U", "name,total-time", *options, "busybox", "sleep", "0.05")
        lines = run_cli(*words).stderr.decode().splitlines()
        return float(next(line for line in lines if "nanosleep" in line).split()[1])

    assert seconds() < 0.04
    assert seconds("-w") >= 0.05


def test_sets_of_descriptors() -> None:
    def members(text: str) -> list[int]:
        chosen = DescriptorSet(text)
        return [fd for fd in range(5) if fd in chosen]

    assert members("1,3") == [1, 3]
    assert members("!1,3") == [0, 2, 4]
    assert members("all") == [0, 1, 2, 3, 4]
    assert members("none") == []


@pytest.mark.parametrize(
    "words",
    [
        ("-U", "nope"), ("-U", "calls,calls"), ("-S", "nope"), ("-e", "read=x"),
        ("-e", "write=1,"), ("-e", "trace=nosuch"), ("-e", "trace=%nosuch"), ("-e", "trace=/["),
        ("-e", "signal=NOPE"), ("-e", "status=nope"), ("-e", "nope=1"), ("-e", "abbrev=nosuch"),
        ("-e", "quiet=nosuch"), ("-e", "decode-fds=nosuch"), ("-e", "decode-pids=nosuch"),
        ("-e", "kvm=vcpu"), ("-X", "nosuch"), ("-O", "5xs"), ("-a", "x"), ("-b", "fork"),
        ("-p", "1"), ("--seccomp-bpf",), ("-D",), ("-I", "1"), ("-u", "nobody-at-all"),
        ("--relative-timestamps=x",), ("--timestamps=x",), ("--syscall-times=x",),
        ("-ff", "-o", "|cat"), ("-e", "trace=open@32"), ("--strings-in-hex=x",),
        ("-s", "x"), ("-P",), ("--json",),
    ],
)  # fmt: skip
def test_bad_values_are_refused_in_one_line(words: tuple[str, ...]) -> None:
    rest = ("busybox", "echo", "never") if len(words) > 1 else ()
    result = run_cli("trace", *words, *rest)
    assert (result.status, result.stdout) == (125, b"")
    assert result.stderr.startswith(b"diorama: ")
    assert result.stderr.count(b"\n") == 1
