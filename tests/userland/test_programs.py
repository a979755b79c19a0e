"""The guest programs: each passes on the real kernel first, then on ours, on both CPUs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.guest import run_guest
from tests.support.oracles import native_prefix
from tools.fetch import HOST_CPU
from userland import build

# Programs with a status or output of their own; the others say "ok" and exit with 0.
OUTPUT = {
    "hello": (7, "hello\n"),
    "hello_printf": (3, None),
    "calls": (0, "ciao\n"),
    "registers": (0, ""),
}
PROGRAMS = build.programs()
# qemu-user translates calls for the host's kernel and does some of it differently; the programs
# that see the difference are compared on the host's own CPU only.
NOT_UNDER_QEMU = {
    "pidfds": "qemu-user refuses CLONE_PIDFD",
    "mqueues": "qemu-user has no mq_notify",
    "interrupting": "qemu-user restarts calls that a handler ends",
    "sysvipc": "qemu-user reads operations before it checks their number, and interrupts wait",
    "splicing": "qemu-user changes the addresses that process_vm_readv is given",
    "threads_groups": "qemu-user cannot exec from a thread; /proc/thread-self is its own",
    "threads_raw": "qemu-user has no clone3",
    "threads_locks": "qemu-user knows no robust lists",
    "memory": "qemu-user accepts unknown advice",
    "rseq": "qemu-user refuses rseq(2)",
    "vdso": "this qemu-user has no vDSO",
    "mappings": "qemu-user places mappings itself and knows no MAP_FIXED_NOREPLACE",
    "pipes": "qemu-user drops unknown flags of pipe2",
    "signals": "qemu-user sometimes misses that a child was continued",
    "processes": "qemu-user's vfork copies memory, and /proc/self/exe is qemu",
    "execing": "qemu-user cannot follow exec without the host's binfmt_misc",
    "jobcontrol": "qemu-user's vfork and exec are not the kernel's",
    "waiting": "qemu-user's wait calls are interrupted by its own signals",
    "pointers": "qemu-user reads some arguments before the kernel can refuse them",
    "frames": "qemu-user restores vector registers from a record of its own",
    "timerfds": "qemu-user takes a null pointer for no pointer",
    "epolling": "qemu-user copies the events itself, and differently",
    "identity": "qemu-user keeps its own limits",
    "net_unix": "qemu-user cuts control messages that are too long",
    "net_udp": "qemu-user drops unknown flags of socket",
}

ROWS = {
    "epolling": ("X3",),
    "sysvipc": ("X5",),
    "splicing": ("R1",),
    "hello": ("K1", "K3", "R10"),
    "hello_printf": ("K1", "K7", "X1"),
    "registers": ("K1", "R10"),
    "files": ("K5", "K6", "R1"),
    "directories": ("K5", "K6", "R1", "R6"),
    "memory": ("K5", "K12"),
    "mappings": ("K5",),
    "pipes": ("K5",),
    "processes": ("K6", "R7", "X2"),
    "signals": ("K5",),
    "restarts": ("K5", "X2"),
    "queueing": ("K5", "K9"),
    "jobcontrol": ("K8",),
    "waiting": ("K6", "X2"),
    "execing": ("K4", "K6", "K9"),
    "blocking": ("K5", "R8"),
    "calls": ("K3", "R10"),
    "frames": ("K5",),
    "identity": ("K4", "K9"),
    "inotifying": ("R1",),
    "pidfds": ("X5",),
    "pointers": ("K12", "X7"),
    "posixtimers": ("X5",),
    "timerfds": ("X5",),
    "times": ("K5", "X1"),
    "vdso": ("X1",),
    "net_unix": ("K6",),
    "net_tcp": ("K6",),
    "net_udp": ("K6",),
    "net_stress": ("K6",),
    "exceptions": ("K7",),
    "library": ("K7", "X3", "X4"),
    "threads_life": ("K7", "X1", "X3"),
    "threads_groups": ("X3",),
    "threads_locks": ("K7", "X4"),
    "threads_sync": ("K7", "X4"),
    "threads_raw": ("X3", "X4"),
    "threads_misc": ("K7", "X3"),
    "threads_cxx": ("K7", "X3"),
}


def native(path: Path, arch: str, work: Path) -> tuple[int, str]:
    """Status and output outside."""
    done = subprocess.run(
        [*native_prefix(arch), str(path)],
        cwd=work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={"PATH": os.environ["PATH"]},
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout.decode()


def expected(name: str, status: int, output: str) -> None:
    """Compare with what the program promises."""
    wanted_status, wanted_output = OUTPUT.get(name, (0, "ok\n"))
    assert (status, output) == (wanted_status, output if wanted_output is None else wanted_output)


def _outside() -> list[tuple[str, str]]:
    """Every program on the host's CPU, and those that qemu-user runs as the kernel would."""
    return [
        (name, arch)
        for arch in build.ARCHES
        for name in PROGRAMS
        if arch == HOST_CPU or name not in NOT_UNDER_QEMU
    ]


@pytest.mark.native
@pytest.mark.parametrize(("name", "arch"), _outside())
def test_passes_outside(name: str, arch: str, tmp_path: Path) -> None:
    path = build.build(name, arch)
    expected(name, *native(path, arch, tmp_path))
    assert list(tmp_path.iterdir()) == []


def _guest_programs() -> list[object]:
    """Each program, marked with the rows it shows to work."""
    return [
        pytest.param(name, marks=[pytest.mark.row(*ROWS.get(name, ()))], id=name)
        for name in PROGRAMS
    ]


@pytest.mark.guest
@pytest.mark.parametrize("name", _guest_programs())
def test_passes_inside(name: str, arch: str) -> None:
    result = run_guest(build.build(name, arch), arch=arch)
    assert result.stderr == b""
    expected(name, result.status, result.text)


@pytest.mark.guest
@pytest.mark.smoke
def test_hello_from_assembly(arch: str) -> None:
    """The one guest test per CPU of `make check`."""
    result = run_guest(build.build("hello", arch))
    assert (result.status, result.stdout) == (7, b"hello\n")


@pytest.mark.guest
@pytest.mark.native
@pytest.mark.row("K1", "X1")
def test_printf_equals_the_hosts(arch: str) -> None:
    """Start-up, arguments, x87 and SSE defaults: the same text to the byte."""
    path = build.build("hello_printf", arch)
    command = [*native_prefix(arch), str(path), "one", "two words"]
    outside = subprocess.run(command, capture_output=True, check=False)
    inside = run_guest(path, "one", "two words")
    assert (inside.status, inside.stdout) == (outside.returncode, outside.stdout)
