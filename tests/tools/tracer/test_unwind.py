"""``-k`` without frame pointers: our frames are those that gdb finds at the same system call."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support import oracles
from tests.support.guest import run_cli
from tests.support.oracles import cannot_run
from tools.fetch import HOST_CPU, npm_directory
from userland.build import C_FLAGS, build_source

pytestmark = [pytest.mark.guest, pytest.mark.row("T4")]
ARCHES = ("x86_64", "aarch64")
SOURCE = r"""
#include <unistd.h>
int values[64];
__attribute__((noinline)) int inner(int n)
{
    int room[20];
    room[n] = n;
    __asm__ volatile("" : : "r"(room) : "memory");
    int parent = getppid();
    return parent + room[n] + values[n];
}
__attribute__((noinline)) int middle(int n)
{
    char room[300];
    room[n] = 3;
    __asm__ volatile("" : : "r"(room) : "memory");
    int found = inner(n + 1);
    return found + room[n];
}
__attribute__((noinline)) int outer(int n)
{
    int found = middle(n) + values[n + 1];
    __asm__ volatile("" : : : "memory");
    return found * 2;
}
int main(int count, char **words) { return outer(count) == 12345; }
"""
FLAGS = (*(flag for flag in C_FLAGS if flag != "-g0"), "-g", "-fomit-frame-pointer")
FRAME = re.compile(r"^ > .*\((?:(\S+?)\+0x[0-9a-f]+)?\) \[0x([0-9a-f]+)\]$", re.M)


def frames(arch: str, program: Path, call: str, *words: str) -> list[tuple[str, str]]:
    """(function, last three digits of the place): pages are laid out alike wherever they lie."""
    result = run_cli("trace", "--arch", arch, "-k", "-e", f"trace={call}", str(program), *words)
    first = result.stderr.decode().split(f"{call}(", 2)[1]
    block = first.split("\n", 1)[1]
    lines = []
    for line in block.splitlines():
        if not line.startswith(" > "):
            break
        lines.append(line)
    return [(name, place[-3:].zfill(3)) for name, place in FRAME.findall("\n".join(lines))]


def gdbs(program: Path, call: str, *words: str) -> list[tuple[str, str]]:
    """What gdb finds on the real kernel."""
    if HOST_CPU != "x86_64":
        cannot_run("gdb must run the program itself")
    gdb = str(oracles.program("gdb-multiarch"))
    script = ("-batch", "-nx", "-ex", "set width 0", "-ex", f"catch syscall {call}", "-ex", "run",
              "-ex", "set print frame-arguments none", "-ex", "set print address on",
              "-ex", "p/x $pc", "-ex", "bt")  # fmt: skip
    done = subprocess.run(
        [gdb, *script, "--args", str(program), *words],
        capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    innermost = re.search(r"^\$1 = 0x([0-9a-f]+)$", done.stdout, re.M)
    if innermost is None:
        cannot_run("gdb may not trace here")
    found = re.findall(r"^#\d+ +(?:0x([0-9a-f]+) in )?(\S+)", done.stdout, re.M)
    return [(name, (place or innermost[1])[-3:]) for place, name in found]


@pytest.mark.native
@pytest.mark.parametrize("more", [(), ("-static-pie", "-fPIE")], ids=["static", "PIE"])
def test_c_without_frame_pointers(more: tuple[str, ...]) -> None:
    program = build_source("unwound", "x86_64", SOURCE, (*FLAGS, *more))
    ours = frames("x86_64", program, "getppid")
    theirs = gdbs(program, "getppid")
    assert ours[: len(theirs)] == theirs
    assert [name for name, _ in ours][1:5] == ["inner", "middle", "outer", "main"]


@pytest.mark.parametrize("arch", ARCHES)
def test_every_level_is_found_on_both_cpus(arch: str) -> None:
    program = build_source("unwound", arch, SOURCE, FLAGS)
    names = [name for name, _ in frames(arch, program, "getppid")]
    assert names[1:5] == ["inner", "middle", "outer", "main"]


@pytest.mark.native
def test_rust() -> None:
    from userland.rust_build import build_rust

    program = build_rust("stdlib", "x86_64")
    if program is None:
        pytest.skip("no rustc with a library for x86_64 here")
    ours, theirs = (f(program) for f in (_rust_ours, _rust_theirs))
    assert len(theirs) > 3
    assert [place for _, place in ours[: len(theirs)]] == [place for _, place in theirs]


def _rust_ours(program: Path) -> list[tuple[str, str]]:
    return frames("x86_64", program, "sigaltstack")


def _rust_theirs(program: Path) -> list[tuple[str, str]]:
    return gdbs(program, "sigaltstack")


@pytest.mark.parametrize("arch", ARCHES)
def test_go_by_its_frame_pointers(arch: str) -> None:
    place = npm_directory("esbuild", arch)
    if place is None:
        cannot_run("esbuild is not fetched (make fetch)")
    program = place / "package" / "bin" / "esbuild"
    assert len(frames(arch, program, "write", "--version")) > 5
