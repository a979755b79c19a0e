"""gdb and programs that others have built: shared libraries, BusyBox, Go, Rust."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.debian import debian_root
from tests.support.gdb import FLAGS, SETTINGS, Running, debug, debuggee, gdb
from tests.support.oracles import cannot_run, program
from tests.support.rsp import FEATURES, Client
from tools.fetch import npm_directory, wheel_directory
from userland import build

pytestmark = [pytest.mark.guest, pytest.mark.slow]

LIBRARY = """
    __thread int in_library = 30;
    int add(int n)
    {
        in_library += n;
        return in_library;
    }
"""
DYNAMIC = """
    #include <dlfcn.h>
    #include <pthread.h>
    #include <stdio.h>
    __thread int in_program = 7;
    static int (*add)(int);
    static void *work(void *argument)
    {
        in_program += 1;
        int sum = add((int)(long)argument);
        printf("%d %d\\n", in_program, sum);
        return 0;
    }
    int main(int argc, char **argv)
    {
        pthread_t thread;
        void *library = dlopen(argv[1], RTLD_NOW);
        if (!library)
            return 1;
        add = (int (*)(int))dlsym(library, "add");
        pthread_create(&thread, 0, work, (void *)(long)argc);
        pthread_join(thread, 0);
        return 0;
    }
"""


def for_glibc(name: str, arch: str, source: str, *flags: str) -> Path:
    """A program for Debian's C library; the last -target counts."""
    shared = [flag for flag in FLAGS if flag != "-static"]
    return build.build_source(
        name, arch, source, [*shared, "-target", f"{arch}-linux-gnu.2.31", *flags]
    )


@pytest.mark.row("T2")
def test_shared_libraries_come_from_the_guest(arch: str) -> None:
    """No sysroot is set, no file of the root is named: gdb reads them through us."""
    program = for_glibc("gdb_dynamic", arch, DYNAMIC, "-fPIE", "-pie", "-ldl", "-lpthread")
    library = for_glibc("gdb_library", arch, LIBRARY, "-fPIC", "-shared")
    result = debug(
        arch,
        ["/mnt/library"],
        "set breakpoint pending on",
        "break add",
        "continue",
        "backtrace 2",
        "print n",
        "next",  # a library that came late has no block in a thread until it is used there
        "print in_library",
        "up",
        "print in_program",
        "thread 1",
        "print in_program",
        "thread 2",
        "info sharedlibrary",
        'print (int)puts("from gdb")',
        "delete",
        "continue",
        executable=program,
        inside="/mnt/program",
        options=[
            *("--rootfs", str(debian_root("debian", arch)), "--read-only"),
            *("-v", f"{program}:/mnt/program", "-v", f"{library}:/mnt/library"),
        ],
    )
    result.lines(
        r"Function \"add\" not defined",
        r"hit Breakpoint 1.*, add \(n=2\)",
        r"#0 +add \(n=2\)",
        r"#1 .* work \(argument=",
        r"= 2$",
        r"= 32$",
        r"= 8$",
        r"= 7$",
        r"Yes .*target:/lib.*/ld-linux",
        r"Yes .*target:/lib/.*/libc\.so\.6",
        r"Yes .*target:/mnt/library",
        r"= 9$",
        r"exited normally",
    )
    assert result.stdout == "from gdb\n8 32\n"


@pytest.mark.row("T2")
def test_a_shell_and_its_children(arch: str) -> None:
    """BusyBox has no symbols: calls and processes are what there is to see."""
    with Running(
        "run", "-q", "--arch", arch, "-g", "0", "busybox", "sh", "-c", "ls -d /etc | cat; exit 3"
    ) as running:
        said = gdb(
            f"target remote {running.target}",
            "catch fork",
            "catch vfork",
            "continue",
            "info inferiors",
            "delete",
            "catch syscall wait4",
            "continue",
            "delete",
            "continue",
        )
        result = running.finish(said)
    result.lines(r"Catchpoint [12] \(v?forked process 3\)", r"\* 1 +process 2",
                 r"call to syscall wait4", r"exited with code 03")  # fmt: skip
    assert (result.status, result.stdout) == (3, "/etc\n")


def go_program(arch: str) -> Path:
    """esbuild, made by Go's own compiler and linker."""
    place = npm_directory("esbuild", arch)
    if place is None:
        cannot_run("esbuild is not fetched (make fetch)")
    return next(path for path in place.rglob("esbuild") if path.is_file())


def rust_program(arch: str) -> Path:
    """ruff, from PyPI."""
    place = wheel_directory("ruff", arch)
    if place is None:
        cannot_run("ruff is not fetched (make fetch)")
    return next(path for path in place.glob("*.data/scripts/ruff"))


@pytest.mark.row("T2")
def test_go_and_its_threads(arch: str) -> None:
    result = debug(
        arch,
        ["--version"],
        "catch syscall write",
        "continue",
        "info threads",
        "thread apply all backtrace 2",
        "detach",
        executable=go_program(arch),
    )
    result.lines(
        r"hit Catchpoint 1 \(call to syscall write\)", r"^\* \d+ +Thread 2\.\d+ \"esbuild\"",
        r"\(S in ", r"^Thread \d+ \(Thread 2\.", r"#0 ", r"detached",
    )  # fmt: skip
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", result.stdout)
    assert result.status == 0


@pytest.mark.row("T2")
def test_rust_is_attached_to_and_left(arch: str) -> None:
    result = debug(
        arch,
        ["--version"],
        "catch syscall write",
        "continue",
        "backtrace 3",
        "stepi",
        "stepi",
        "detach",
        executable=rust_program(arch),
    )
    result.lines(r"call to syscall write", r"#0 ", r"detached")
    assert result.stdout.startswith("ruff ")
    assert result.status == 0


@pytest.mark.row("T2")
def test_extended_remote_attaches_to_a_process_of_the_guest(arch: str) -> None:
    """gdb leaves the shell alone and takes a child of it, found by its number."""
    guest = debuggee(arch)
    with Running(
        *("run", "-q", "--arch", arch, "-v", f"{guest}:/mnt/debuggee", "-g", "0"),
        *("busybox", "sh", "-c", "/mnt/debuggee busy; echo status $?"),
    ) as running:
        with Client(running.target) as first:
            first.ask(FEATURES)
            assert first.ask(b"D;2") == b"OK"
        running.wait_for_output(b"busy\n")
        said = gdb(
            f"target extended-remote {running.target}",
            "detach",
            "info os processes",
            "attach 3",
            "info threads",
            "print counter > 0",
            "set var go_on = 1",
            "continue",
            symbols=guest,
        )
        result = running.finish(said)
    assert re.search(r"^3 .*debuggee", said, re.MULTILINE), said
    result.lines(r"Thread 3\.3 ", r"Thread 3\.5 ", r"= 1$", r"exited with code 05")
    assert result.stdout == "status 5\n"


def test_run_is_refused(arch: str) -> None:
    """gdb has killed the program by then; it is told before the run ends."""
    with Running("run", "--arch", arch, "-g", "0", str(debuggee(arch)), "asleep") as running:
        said = gdb(f"target extended-remote {running.target}", "run", "info inferiors")
        result = running.finish(said)
    result.lines("^Running the default executable on the remote target failed", r"1 +<null>")
    assert "diorama: gdb: run: a machine runs one program" in result.stderr
    assert result.status == 137


def test_attach_takes_another_process_after_it_has_killed_one(arch: str) -> None:
    guest = debuggee(arch)
    with Running(
        *("run", "-q", "--arch", arch, "-v", f"{guest}:/mnt/debuggee", "-g", "0"),
        *("busybox", "sh", "-c", "/mnt/debuggee asleep & wait"),
    ) as running:
        said = gdb(
            f"target extended-remote {running.target}",
            *("catch fork", "continue", "delete", "set detach-on-fork on"),
            *("attach 3", "info inferiors", "kill"),
        )
        result = running.finish(said)
    result.lines(r"forked process 3", r"^\* 1 +process 3")


@pytest.mark.row("T2")
@pytest.mark.parametrize("what", ["busy", "asleep"])
def test_ctrl_c_in_gdb(arch: str, what: str, work: Path) -> None:
    """gdb runs in the foreground; SIGINT to it becomes the interrupt byte."""
    with Running(
        "run", "-q", "-g", "sock", str(debuggee(arch)), what, stdin=subprocess.PIPE
    ) as running:
        words = [str(program("gdb-multiarch")), "-nx", "-q", "-batch"]
        for command in (
            *SETTINGS,
            "python import os, signal, threading",
            "python threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()",
            "target remote sock",
            "continue",
            "backtrace",
            "thread apply all backtrace 1",
            "set var go_on = 1",
            "print square(6)",
            "kill" if what == "asleep" else "continue",
        ):
            words += ["-ex", command]
        done = subprocess.run(
            [*words, str(debuggee(arch))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
        result = running.finish(done.stdout.decode())
    result.lines(
        r"received signal SIGINT", rf"{what} \(\)|wait_for_it \(", r"^Thread 1 ", r"= 36$",
        r"exited with code 05" if what == "busy" else r"killed",
    )  # fmt: skip
