"""What is counted while programs run, on both CPUs."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support import oracles
from tests.support.guest import run_cli
from tests.support.ptys import person
from tools.fetch import HOST_CPU
from userland import build

pytestmark = [pytest.mark.guest, pytest.mark.row("K11")]

# Every number in it is known: calls, bytes, errors, sleeps, pages touched.
COUNTED = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char block[4096];

int main(void) {
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 10; i++) write(null, block, 1000);
    struct iovec two[2] = {{block, 300}, {block, 33}};
    writev(null, two, 2);
    for (int i = 0; i < 7; i++) close(777);
    for (int i = 0; i < 3; i++) open("/does/not/exist", O_RDONLY);
    open("/dev/null", O_RDONLY | O_DIRECTORY);
    int pair[2];
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    struct mmsghdr many[3];
    memset(many, 0, sizeof many);
    struct iovec parts[3] = {{block, 10}, {block, 20}, {block, 30}};
    for (int i = 0; i < 3; i++) many[i].msg_hdr.msg_iov = &parts[i], many[i].msg_hdr.msg_iovlen = 1;
    if (syscall(SYS_sendmmsg, pair[0], many, 3, 0) != 3) return 1;
    struct timespec nap = {0, 30000000};
    for (int i = 0; i < 2; i++) nanosleep(&nap, 0);

    char *memory = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 256; i++) memory[i * 4096] = 1;
    int pipes[2];
    pipe(pipes);
    pid_t child = fork();
    if (!child) {
        for (int i = 0; i < 50; i++) memory[i * 4096] = 2;
        write(pipes[1], "x", 1);
        _exit(0);
    }
    read(pipes[0], block, 1);
    waitpid(child, 0, 0);
    struct rusage all, mine;
    getrusage(RUSAGE_SELF, &mine);
    getrusage(RUSAGE_CHILDREN, &all);
    printf("%ld %ld %ld %ld\n", mine.ru_minflt, mine.ru_majflt, mine.ru_nvcsw, all.ru_minflt);
    return 0;
}
"""


def counted(*words: str, tmp_path: Path) -> tuple[Any, str]:
    path = tmp_path / "stats.json"
    result = run_cli("stats", f"--stats={path}", *words)
    assert result.stderr == b""
    return json.loads(path.read_text()), result.text


@pytest.fixture(scope="module")
def programs() -> dict[str, str]:
    return {arch: str(build.build_source("counted", arch, COUNTED)) for arch in build.ARCHES}


def test_every_number_of_a_program_that_is_known(
    arch: str, programs: dict[str, str], tmp_path: Path
) -> None:
    found, text = counted("--deterministic", programs[arch], tmp_path=tmp_path)
    rows = {row["name"]: row for row in found["syscalls"]}
    assert (rows["write"]["calls"], rows["write"]["bytes"]) == (11, 10001)
    assert rows["writev"]["bytes"] == 333 + len(text)
    assert rows["close"]["errnos"] == {"EBADF": 7}
    opening = rows["open" if "open" in rows else "openat"]
    assert opening["errnos"] == {"ENOENT": 3, "ENOTDIR": 1}
    assert opening["errors"] == 4
    assert rows["sendmmsg"]["bytes"] == 60
    sleeping = rows["nanosleep" if "nanosleep" in rows else "clock_nanosleep"]
    assert sleeping["asleep"] >= 60_000_000
    assert sleeping["nanoseconds"] < 60_000_000
    assert rows["read"]["bytes"] == 1

    minor, major, switches, childs = map(int, text.split())
    parent, child = found["processes"]
    # The program asks before it ends: it may have had a fault or a switch since.
    assert minor <= parent["faults"]["minor"] <= minor + 16
    assert (parent["faults"]["major"], child["faults"]["major"]) == (major, 0)
    assert switches <= parent["switches"]["voluntary"] <= switches + 1
    assert child["faults"]["minor"] == childs
    assert child["faults"]["kinds"]["cow"] >= 50
    assert parent["faults"]["kinds"]["minor"] >= 256 / 32  # neighbours are mapped as well
    for process in found["processes"]:
        kinds = process["faults"]["kinds"]
        assert sum(kinds[k] for k in kinds if k != "spurious") == sum(
            process["faults"][k] for k in ("minor", "major")
        )
    assert parent["max_rss"] >= 1024
    assert parent["times"]["user"] > 0
    frames = found["frames"]
    assert frames["used"] <= frames["peak"] < frames["total"]
    assert frames["peak"] >= 256 + 50


def test_processes_and_the_whole_agree_on_every_column(arch: str, tmp_path: Path) -> None:
    """An interrupted sleep among them: wait4 that SIGCHLD's trap restarts or ends."""
    script = "trap 'echo t' USR1; (sleep 0.05; kill -USR1 $$) & wait; cat /none | wc -c; wait"
    found, _ = counted_quietly("--arch", arch, "busybox", "sh", "-c", script, tmp_path=tmp_path)
    for column in ("calls", "errors", "nanoseconds", "asleep", "bytes"):
        sums: dict[str, int] = {}
        for process in found["processes"]:
            for row in process["syscalls"]:
                sums[row["name"]] = sums.get(row["name"], 0) + row[column]
        assert sums == {row["name"]: row[column] for row in found["syscalls"]}, column
        assert sum(sums.values()) == found["total"][column]
    for row in found["syscalls"]:
        assert sum(row["errnos"].values()) == row["errors"], row
    whole = sum(p["switches"]["voluntary"] for p in found["processes"])
    assert whole == found["switches"]["voluntary"] <= found["switches"]["all"] + whole


def counted_quietly(*words: str, tmp_path: Path) -> tuple[Any, str]:
    path = tmp_path / "stats.json"
    run_cli("stats", f"--stats={path}", *words)
    return json.loads(path.read_text()), ""


def test_threads_belong_to_their_process(arch: str, tmp_path: Path) -> None:
    found, _ = counted_quietly(str(build.build("threads_life", arch)), tmp_path=tmp_path)
    first = found["processes"][0]
    assert first["pid"] == 2
    assert sum(row["calls"] for row in first["syscalls"] if row["name"].startswith("clone")) > 1
    assert found["total"]["calls"] == sum(
        row["calls"] for process in found["processes"] for row in process["syscalls"]
    )


def test_two_deterministic_runs_count_the_same(arch: str, tmp_path: Path) -> None:
    words = ("--deterministic", "--arch", arch, "busybox", "sh", "-c", "date | cat; sleep 0.1")
    first, _ = counted_quietly(*words, tmp_path=tmp_path)
    second, _ = counted_quietly(*words, tmp_path=tmp_path)
    assert first == second
    assert first["total"]["asleep"] >= 100_000_000


def test_an_unknown_number_is_counted(arch: str, tmp_path: Path) -> None:
    source = "#include <unistd.h>\nint main(void) { return syscall(5000) != -1; }"
    found, _ = counted_quietly(
        "-q", str(build.build_source("unknown", arch, source)), tmp_path=tmp_path
    )
    assert found["unknown"]["calls"] == 1
    assert found["unknown"]["errnos"] == {"ENOSYS": 1}
    assert "syscall_0x1388" in {row["name"] for row in found["syscalls"]}


def test_a_terminal_gets_colours_and_a_file_does_not(tmp_path: Path) -> None:
    words = ("stats", "--details", "busybox", "true")
    plain = run_cli(*words).stderr
    assert b"\x1b" not in plain
    with person(*words) as watcher:
        shown = watcher.see(b"unknown")
        assert watcher.wait() == 0
    assert b"exit_group" in shown
    assert b"\x1b[2m" in shown


READING = r"""
#include <fcntl.h>
#include <sys/mman.h>
int main(void) {
    int fd = open("/v/file", O_RDONLY), sum = 0;
    char *data = mmap(0, 64 * 4096, PROT_READ, MAP_SHARED, fd, 0);
    for (int i = 0; i < 64; i++) sum += data[i * 4096];
    return sum == 0;
}
"""


def test_what_has_to_be_read_is_a_major_fault(arch: str, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "file").write_bytes(b"x" * 64 * 4096)
    words = ("--volume", f"{volume}:/v:ro", str(build.build_source("reading", arch, READING)))
    found, _ = counted_quietly(*words, tmp_path=tmp_path)
    (process,) = found["processes"]
    assert process["faults"]["kinds"]["major"] == process["faults"]["major"] >= 2
    assert found["frames"]["page_cache"] >= 64


# -- oracles -------------------------------------------------------------------------------------


@pytest.mark.native
def test_strace_and_getrusage_agree(programs: dict[str, str], tmp_path: Path) -> None:
    """The same program outside: calls and errors by strace, faults and sleeps by wait4."""
    program = programs.get(HOST_CPU, "")
    if not program:
        oracles.cannot_run("no guest programs for this host")
    strace = str(oracles.program("strace"))
    output = tmp_path / "native"
    outside = ["-f", "-c", "-w", "-U", "name,calls,errors,total-time", "-o", str(output)]
    subprocess.run([strace, *outside, program], check=True, capture_output=True, timeout=60)
    found, _ = counted(program, tmp_path=tmp_path)
    inside = {row["name"]: row for row in found["syscalls"]}
    expected = {}
    for line in output.read_text().splitlines()[2:]:
        words = line.split()
        if len(words) >= 3 and words[0] != "total" and not line.startswith("-"):
            errors = int(words[2]) if len(words) == 4 else 0
            expected[words[0]] = int(words[1]), errors, float(words[-1])
    # exec is the machine's own there, exit_group never returns and strace leaves it out.
    for name in ("execve", "exit_group"):
        expected.pop(name, None)
        inside.pop(name, None)
    counts = {name: (row["calls"], row["errors"]) for name, row in inside.items()}
    assert counts == {name: values[:2] for name, values in expected.items()}
    assert inside["nanosleep"]["asleep"] / 1e9 >= 0.06 <= expected["nanosleep"][2]

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([program], check=True, capture_output=True, text=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    natively = [int(word) for word in done.stdout.split()]
    parent, child = found["processes"]
    # Two sleeps, perhaps the pipe and the wait; Linux counts what our scheduler counts.
    assert abs(parent["switches"]["voluntary"] - natively[2]) <= 3
    assert child["faults"]["kinds"]["cow"] >= 50 <= natively[3]
    assert after.ru_majflt - before.ru_majflt >= found["faults"]["major"] == 0


def test_the_table_may_go_to_a_fifo(tmp_path: Path) -> None:
    """Opened once: a reader sees the whole table and then the end."""
    fifo = tmp_path / "stats.csv"
    os.mkfifo(fifo)
    content: list[str] = []
    reader = threading.Thread(target=lambda: content.append(fifo.read_text()))
    reader.start()
    assert run_cli("run", f"--stats={fifo}", "busybox", "true").status == 0
    reader.join(90)
    assert content[0].startswith("calls,errors,seconds,syscall,")
    assert ",unknown," in content[0]


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    result = run_cli("stats", f"--stats={tmp_path}/none/x.json", "busybox", "echo", "never")
    assert (result.status, result.stdout, result.stderr.count(b"\n")) == (125, b"", 1)
    result = run_cli("stats", "--stats=/dev/full", "busybox", "echo", "done")
    assert (result.status, result.stdout) == (125, b"done\n")
    assert result.stderr == b"diorama: /dev/full: No space left on device\n"
