"""Forty programs whose traces are compared with strace's: see test_forty_programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.differential import Command
from tests.support.oracles import cannot_run
from tools.fetch import npm_directory, wheel_directory
from userland.build import build
from userland.rust_build import build_rust

TEXT = b"".join(b"line %d of a text, number %d\n" % (i, i * 7919 % 101) for i in range(60))
SECRET = b"key value\nother thing\n"


def applet(*words: str, stdin: bytes = b"", **files: bytes) -> Callable[[str], Command]:
    """A BusyBox applet in /work; ``_`` in a file's keyword stands for a dot."""
    named = {name.replace("_", "."): content for name, content in files.items()}
    return lambda arch: Command(("busybox", *words), stdin, named)


def script(text: str, stdin: bytes = b"", **files: bytes) -> Callable[[str], Command]:
    """A script for BusyBox's shell, in /work."""
    return applet("sh", "-c", f"cd /work; {text}", stdin=stdin, **files)


def guest(name: str) -> Callable[[str], Command]:
    """A program of userland/."""
    return lambda arch: _file(name, build(name, arch))


def _file(name: str, path: Path, *args: str, **files: bytes) -> Command:
    named = {key.replace("_", "."): content for key, content in files.items()}
    return Command((f"/work/{name}", *args), b"", {name: path.read_bytes(), **named})


def rust(name: str) -> Callable[[str], Command]:
    """A Rust program of ours."""

    def made(arch: str) -> Command:
        path = build_rust(name, arch)
        if path is None:
            pytest.skip(f"no rustc with a library for {arch} here")
        return _file(name, path)

    return made


def ruff(*args: str, **files: bytes) -> Callable[[str], Command]:
    """Ruff, a large Rust program."""

    def made(arch: str) -> Command:
        place = wheel_directory("ruff", arch)
        if place is None:
            cannot_run("the ruff wheel is not fetched (make fetch)")
        (program,) = place.glob("*.data/scripts/ruff")
        return _file("ruff", program, *args, **files)

    return made


def esbuild(*args: str) -> Callable[[str], Command]:
    """Esbuild, a large Go program."""

    def made(arch: str) -> Command:
        place = npm_directory("esbuild", arch)
        if place is None:
            cannot_run("esbuild is not fetched (make fetch)")
        quiet = {"GOMAXPROCS": "1", "GODEBUG": "asyncpreemptoff=1"}
        command = _file("esbuild", place / "package" / "bin" / "esbuild", *args)
        return replace(command, environment=quiet)

    return made


PROGRAMS: dict[str, Callable[[str], Command]] = {
    "true": applet("true"),
    "ls": applet("ls", "-la", "/work", a_txt=TEXT),
    "cat": applet("cat", "/etc/passwd", "/none"),
    "cp": applet("cp", "-a", "/work/a.txt", "/work/b.txt", a_txt=TEXT),
    "mv": applet("mv", "/work/a.txt", "/work/b.txt", a_txt=TEXT),
    "mkdir": applet("mkdir", "-p", "/work/d/e/f", "-m", "1750"),
    "stat": applet("stat", "/dev/null", "/etc", "/work/a.txt", a_txt=TEXT),
    "find": applet("find", "/work", "-name", "*.txt", "-size", "+1c", a_txt=TEXT),
    "sort": applet("sort", "-k7", "/work/a.txt", "-o", "/work/b.txt", a_txt=TEXT),
    "sed": applet("sed", "-i", "s/text/word/", "/work/a.txt", a_txt=TEXT),
    "grep": applet("grep", "-rn", "key", "/work", b_txt=SECRET),
    "awk": applet("awk", '{ n += $7 } END { print n > "/work/sum" }', "/work/a.txt", a_txt=TEXT),
    "tar": applet("tar", "-cf", "/work/x.tar", "-C", "/work", "a.txt", a_txt=TEXT),
    "gzip": applet("gzip", "/work/a.txt", a_txt=TEXT),
    "dd": applet("dd", "if=/dev/zero", "of=/work/z", "bs=1k", "count=2", "seek=1"),
    "tail": applet("tail", "-n", "2", "/work/a.txt", a_txt=TEXT),
    "touch": applet("touch", "-d", "2020-01-02 03:04:05", "/work/new"),
    "chmod": applet("chmod", "u=rw,go=", "/work/a.txt", a_txt=TEXT),
    "readlink": applet("readlink", "-f", "/proc/self/exe"),
    "truncate": applet("truncate", "-s", "5", "/work/a.txt", a_txt=TEXT),
    "id": applet("id"),
    "od": applet("od", "-c", stdin=bytes(range(64))),
    "script": script("(exit 3); echo $?; umask 027; trap 'echo t' INT; kill -INT $$; exit 5"),
    "pipeline": script("cat a.txt | tr a-z A-Z | head -n 3 >b.txt; rm a.txt", a_txt=TEXT),
    "substitution": script("for i in 1 2; do x=$(echo $i); done; sh -c 'kill -SEGV $$'; wait"),
    "hello": guest("hello"),
    "files": guest("files"),
    "directories": guest("directories"),
    "pipes": guest("pipes"),
    "signals": guest("signals"),
    "processes": guest("processes"),
    "execing": guest("execing"),
    "identity": guest("identity"),
    "mappings": guest("mappings"),
    "epolling": guest("epolling"),
    "timerfds": guest("timerfds"),
    "net_unix": guest("net_unix"),
    "sysvipc": guest("sysvipc"),
    "rust": rust("stdlib"),
    "ruff": ruff("check", "--isolated", "--no-cache", "/work/a.py", a_py=b"import os\n"),
    "go": esbuild("--version"),
}
