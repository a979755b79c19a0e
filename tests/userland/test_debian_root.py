"""Debian's programs on Debian's C library: tools, shells, interpreters, a database, a compiler."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.debian import SCRIPTS, debian_root, in_debian
from tests.support.interposer import interposer
from tools.config import Volume

PYTHON = "/usr/bin/python3.11"
PYTHON_STAGES = "threads subprocesses forks signals events polling files sockets foreign"
PERL_STAGES = "files processes signals sockets computing"
LUA = 'Lua 5.4\t9223372036854775807\ttrue\t3.142    42|"a\\\n"\n'
DATABASE = """delete
delete-a|30|465
delete-b|30|465
delete-c|30|465
90
ok
wal
delete-a|30|465
delete-b|30|465
delete-c|30|465
wal-a|30|465
wal-b|30|465
wal-c|30|465
180
ok
180
QUERY PLAN
`--SEARCH t USING INDEX by_n (n=?)
ok
959790
181
db
"""
REDIS = """OK
42
42
500500
1 2 3
1 2 3
heard
Background saving started
bench 0
3
server 0
restored
"""
C_PROGRAM = r"""
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int own = 5;
static void *length(void *text) { own++; return (void *)(strlen(text) + own); }
static int compare(const void *a, const void *b) { return *(int *)a - *(int *)b; }
int main(int argc, char **argv)
{
    int numbers[] = {3, 1, 2};
    long double third = 1;
    void *result = 0;
    pthread_t thread;
    qsort(numbers, 3, sizeof *numbers, compare);
#ifdef THREADS
    if (pthread_create(&thread, 0, length, argv[1]) || pthread_join(thread, &result))
        return 1;
#else
    result = length(argv[1]);
#endif
    printf("%s %ld %d%d%d %.6f\n", argv[1], (long)result, numbers[0], numbers[1], numbers[2],
           (double)(third / 3));
    return 3;
}
"""
MAKEFILE = """all: dynamic static shared
dynamic: hello.o
\t$(CC) -pthread -o $@ $<
static: hello.o
\t$(CC) -static -pthread -o $@ $<
shared: main.o libown.so
\t$(CC) -o $@ $< -L. -lown '-Wl,-rpath,$$ORIGIN'
libown.so: hello.c
\t$(CC) $(CFLAGS) -shared -fPIC -Dmain=other -o $@ $<
"""
MAIN = "int other(int, char **);\nint main(int argc, char **argv) { return other(argc, argv); }\n"
MADE = """dynamic 13 123 0.333333
3
static 12 123 0.333333
3
shared 12 123 0.333333
3
"""


def lines(words: str) -> str:
    """Each word on a line of its own."""
    return "".join(f"{word}\n" for word in words.split())


@pytest.mark.guest
@pytest.mark.row("K7", "X5", "X6")
def test_gnu_tools_and_shells(arch: str) -> None:
    """The text is what the same root prints in a chroot on the host."""
    result = in_debian(arch, "/bin/sh", "/scripts/tools.sh")
    assert result.text == (SCRIPTS / "tools.expected").read_text(encoding="utf-8")
    assert result.status == 0


@pytest.mark.guest
@pytest.mark.slow
@pytest.mark.row("K6", "K7", "X2", "X3", "X5", "X6")
def test_python(arch: str) -> None:
    result = in_debian(arch, PYTHON, "-S", "/scripts/stages.py")
    assert (result.text, result.status) == (lines(PYTHON_STAGES), 0)


@pytest.mark.guest
@pytest.mark.slow
@pytest.mark.row("X5", "X8")
def test_pythons_own_tests_of_the_kernel(arch: str) -> None:
    """CPython's test suite, the modules about system calls that do not mostly wait."""
    modules = "test_posix test_mmap test_epoll test_openpty test_ioctl test_thread".split()
    result = in_debian(arch, PYTHON, "-S", "-m", "test", "-q", *modules)
    assert (result.status, "Tests result: SUCCESS" in result.text) == (0, True), result.text


@pytest.mark.guest
@pytest.mark.row("K6", "K7", "X2", "X6")
def test_perl(arch: str) -> None:
    result = in_debian(arch, "/usr/bin/perl", "/scripts/stages.pl")
    assert (result.text, result.status) == (lines(PERL_STAGES), 0)


@pytest.mark.guest
@pytest.mark.row("K7", "X6")
def test_lua(arch: str) -> None:
    result = in_debian(arch, "/usr/bin/lua5.4", "/scripts/stages.lua")
    assert (result.text, result.status) == (LUA, 0)


@pytest.mark.guest
@pytest.mark.row("K6", "K7")
def test_three_writers_on_one_database(arch: str) -> None:
    result = in_debian(arch, "/bin/sh", "/scripts/database.sh")
    assert (result.text, result.stderr, result.status) == (DATABASE, b"", 0)


@pytest.mark.guest
@pytest.mark.slow
@pytest.mark.row("K6", "X3", "X4")
def test_redis(arch: str) -> None:
    result = in_debian(arch, "/bin/sh", "/scripts/redis.sh", root="redis")
    assert (result.text, result.status) == (REDIS, 0)


@pytest.mark.guest
@pytest.mark.row("R11")
def test_a_compiler_makes_a_program_that_runs(arch: str, tmp_path: Path) -> None:
    (tmp_path / "hello.c").write_text(C_PROGRAM, encoding="utf-8")
    script = "tcc -o hello /src/hello.c && ./hello whole; echo $?; tcc -c /src/hello.c && "
    script += "tcc -o two hello.o && ./two linked; echo $?; ls"
    sources = (Volume(str(tmp_path), b"/src", read_only=True),)
    result = in_debian(arch, "/bin/sh", "-c", script, volumes=sources)
    assert result.stderr == b""
    assert result.text == (
        "whole 11 123 0.333333\n3\nlinked 12 123 0.333333\n3\nhello\nhello.o\ntwo\n"
    )


@pytest.mark.guest
@pytest.mark.row("R11", "X6")
def test_compiled_in_memory_needs_the_exception_from_w_xor_x(arch: str, tmp_path: Path) -> None:
    (tmp_path / "hello.c").write_text(C_PROGRAM, encoding="utf-8")
    command = ("/usr/bin/tcc", "-DTHREADS", "-lpthread", "-run", "/src/hello.c", "now")
    sources = (Volume(str(tmp_path), b"/src", read_only=True),)
    refused = in_debian(arch, *command, volumes=sources)
    assert (refused.text, refused.status) == ("", 1)
    assert b"mprotect failed" in refused.stderr
    allowed = in_debian(arch, *command, volumes=sources, allow_wx=True)
    assert (allowed.text, allowed.stderr, allowed.status) == ("now 9 123 0.333333\n", b"", 3)


@pytest.mark.guest
@pytest.mark.slow
@pytest.mark.row("R11")
def test_gcc_and_make(arch: str, tmp_path: Path) -> None:
    """The preprocessor, cc1, as, collect2, ld: four ways to the same program, in parallel."""
    for name, text in (("hello.c", C_PROGRAM), ("main.c", MAIN), ("Makefile", MAKEFILE)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    script = "cp /src/* . && make -s -j3 CC=gcc-12 CFLAGS='-O2 -DTHREADS -w' || exit 9; "
    script += "for p in dynamic static shared; do ./$p $p; echo $?; done"
    sources = (Volume(str(tmp_path), b"/src", read_only=True),)
    result = in_debian(arch, "/bin/sh", "-c", script, root="gcc", volumes=sources)
    assert (result.text, result.stderr, result.status) == (MADE, b"", 0)


@pytest.mark.guest
@pytest.mark.row("R10", "X6")
def test_an_interposer_preloaded_under_glibc(arch: str, tmp_path: Path) -> None:
    library = interposer(arch)
    (tmp_path / "preloaded.so").write_bytes(library.read_bytes())
    volumes = (Volume(str(tmp_path), b"/lib/own", read_only=True),)
    environment = {b"LD_PRELOAD": b"/lib/own/preloaded.so", b"LC_ALL": b"C"}
    script = "id -u; date -u +%F; sh -c 'id -u'"
    result = in_debian(arch, "/bin/sh", "-c", script, volumes=volumes, environment=environment)
    assert (result.text, result.stderr, result.status) == ("1234\n1970-01-02\n1234\n", b"", 0)


@pytest.mark.guest
@pytest.mark.slow
@pytest.mark.parametrize(("root", "script"), [("debian", "tools.sh"), ("redis", "redis.sh")])
def test_the_same_trace_twice(arch: str, root: str, script: str, tmp_path: Path) -> None:
    """Virtual time, seeded randomness: no hash seed and no load of the host shows."""
    command = [sys.executable, "-m", "diorama", "run", "--deterministic", "--trace=raw"]
    command += ["--rootfs", str(debian_root(root, arch)), "--read-only", "--tmpfs", "/tmp"]
    command += ["-w", "/tmp", "-v", f"{SCRIPTS}:/scripts:ro", "/bin/sh", f"/scripts/{script}"]
    digests = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        with (tmp_path / "trace").open("w+b") as trace:
            done = subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=trace, check=False,
            )  # fmt: skip
            trace.seek(0)
            lines = sum(1 for _ in trace)
            trace.seek(0)
            digests.append((done.stdout, hashlib.sha256(trace.read()).hexdigest()))
        assert (done.returncode, lines > 10_000) == (0, True)
    assert digests[0] == digests[1]
