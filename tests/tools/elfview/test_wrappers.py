"""System calls that are found before a program runs, and what it calls when it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import oracles
from tests.support.elf_files import Header, R, X, plain
from tests.support.guest import run_cli
from tests.tools.elfview.test_inspect import inspected
from tools.busybox import find_busybox
from tools.elfview.origin import Code, Found, Slot, origin
from tools.fetch import npm_directory, wheel_directory
from userland import build

SYSCALL3 = r"""
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <unistd.h>
__attribute__((noinline)) static long outer(int a, long number) { return syscall(number, a, 0, 0); }
int main(void) {
    if (syscall(SYS_getsid, 0) < 0) return 1;
    if (outer(0, SYS_getpgid) < 0) return 2;
    return outer(0, SYS_sched_get_priority_max) < 0;
}
"""


def known(path: Path | str) -> dict[str, Any]:
    calls = inspected(path)["system_calls"]
    return {call["name"] or str(call["number"]): call for call in calls["known"]}


@pytest.mark.parametrize("optimize", ["-O0", "-O2", "-Os"])
def test_a_number_is_followed_through_two_functions(arch: str, optimize: str) -> None:
    flags = (*(flag for flag in build.C_FLAGS if not flag.startswith("-O")), optimize)
    found = known(build.build_source("throughs", arch, SYSCALL3, flags))
    for name in ("getsid", "getpgid", "sched_get_priority_max"):
        assert found[name]["through"], name
        assert set(found[name]["through"]) <= set(found[name]["sites"])


PROGRAMS = {
    "BusyBox": ("sh", "-c", "ls -l /; date | cat; sleep 0.01; id; cat /none"),
    "files": (), "net_tcp": (), "threads_life": (), "processes": (), "signals": (),
    "Go": ("--version",), "Rust": ("--version",),
}  # fmt: skip


def program(kind: str, arch: str) -> Path:
    if kind == "BusyBox":
        return find_busybox(arch)
    if kind in ("Go", "Rust"):
        place = npm_directory("esbuild", arch) if kind == "Go" else wheel_directory("ruff", arch)
        found = place and next(place.rglob("bin/esbuild" if kind == "Go" else "scripts/ruff"), None)
        if found is None:
            oracles.cannot_run(f"{kind} for {arch} is not fetched (make fetch)")
        return found
    return build.build(kind, arch)


@pytest.mark.guest
@pytest.mark.parametrize("kind", PROGRAMS)
def test_whatever_a_program_calls_was_found_before(kind: str, arch: str, tmp_path: Path) -> None:
    path, stats = program(kind, arch), tmp_path / "stats.json"
    run_cli("stats", f"--stats={stats}", str(path), *PROGRAMS[kind])
    called = {row["name"] for row in json.loads(stats.read_text())["syscalls"]}
    assert len(called) > 10
    # A signal's handler returns through the kernel's own vDSO on this CPU.
    allowed = {"rt_sigreturn", "restart_syscall"}
    assert called - set(known(path)) <= allowed


def test_wrappers_of_a_stripped_go_program_have_names(arch: str) -> None:
    found = inspected(program("Go", arch))["system_calls"]
    names = {str(wrapper["name"]) for wrapper in found["wrappers"]}
    assert any(name.endswith("syscall.Syscall6") or "Syscall6" in name for name in names)
    result = run_cli("inspect", "-d", "main.main", str(program("Go", arch)))
    assert result.text.startswith("main.main:\n")


def test_the_text_says_which_numbers_come_through_wrappers(arch: str) -> None:
    path = build.build_source("throughs", arch, SYSCALL3)
    lines = run_cli("inspect", str(path)).text.splitlines()
    (line,) = (line for line in lines if " getpgid " in line)
    assert "through a wrapper" in line
    assert any("of them functions that get it: " in line for line in lines)


# -- origin --------------------------------------------------------------------------------------


def code(*lines: str) -> list[Code]:
    """Instructions four bytes apart, from 0x1000 on."""
    return [
        Code(0x1000 + 4 * i, line.partition(" ")[0], line.partition(" ")[2])
        for i, line in enumerate(lines)
    ]


@pytest.mark.parametrize(
    ("lines", "wanted", "expected"),
    [
        (("mov edi, 7", "mov rax, rdi"), "rax", 7),
        (("mov eax, 3", "mov ebx, 9"), "rax", 3),
        (("xor eax, eax",), "rax", 0),
        (("push 0x3b", "pop rax"), "rax", 59),
        (("push rbp", "mov rbp, rsp", "mov dword ptr [rbp - 4], edi", "call 0x9",
          "mov eax, dword ptr [rbp - 4]"), "rax", "rdi"),
        (("sub rsp, 0x18", "mov rax, qword ptr [rsp + 0x20]"), "rax", Slot("sp", 8)),
        (("mov qword ptr [rsp], 5", "push rbx", "mov rax, qword ptr [rsp + 8]"), "rax", 5),
        (("mov rbx, rdi", "call 0x9", "mov rax, rbx"), "rax", "rdi"),
        (("xchg rax, rdi",), "rax", "rdi"),
        (("xor eax, eax", "mov al, 0x38"), "rax", 56),
        (("mov x8, x1",), "x8", "x1"),
        (("mov w8, #0x40",), "x8", 64),
        (("sub sp, sp, #0x20", "stp x29, x30, [sp, #0x10]", "str x0, [sp, #8]", "bl #0x9",
          "ldr x8, [sp, #8]"), "x8", "x0"),
        (("stp x29, x30, [sp, #-0x20]!", "mov x29, sp", "stp x0, x1, [x29, #0x10]", "bl #0x9",
          "ldp x2, x8, [x29, #0x10]"), "x8", "x1"),
        (("stp x29, x30, [sp, #-0x10]!", "ldr x8, [sp, #0x18]"), "x8", Slot("sp", 8)),
        (("mov x8, xzr",), "x8", 0),
    ],
)  # fmt: skip
def test_origin(lines: tuple[str, ...], wanted: str, expected: object) -> None:
    found = origin(code(*lines), wanted)
    assert found is not None
    assert found.value == expected


@pytest.mark.parametrize(
    "lines",
    [
        ("mov eax, 7", "call 0x9"),  # a call's result
        ("mov rax, qword ptr [rdi]",),  # from memory that is no stack
        ("mov eax, 1", "add eax, ecx"),
        ("mov eax, 1", "cmove eax, ecx"),
        ("mov rsp, rdi", "mov rax, qword ptr [rsp + 8]"),
        (),
    ],
)
def test_origin_gives_up(lines: tuple[str, ...]) -> None:
    assert origin(code(*lines), "rax") is None


def test_behind_a_jump_the_way_goes_on_where_something_jumps() -> None:
    lines = code("mov eax, 5", "je 0x1010", "mov eax, 6", "ret", "mov ecx, 1")
    assert origin(lines, "rax") == Found(5, 0x1000)
    alone = code("mov eax, 6", "ret", "nop", "mov ecx, eax")
    assert origin(alone, "rax") == Found("rax", 0x100C)
    circle = code("ret", "je 0x1004", "jmp 0x1004", "mov ecx, 1", "jmp 0x100c")
    assert origin([*circle, Code(0x1014, "mov", "ecx, 2")], "rax") == Found("rax", 0x1014)


def test_a_function_that_calls_itself_ends(tmp_path: Path) -> None:
    """mov rax, rdi; syscall; call itself; ret: its number is never known."""
    text = b"\x48\x89\xf8\x0f\x05\xe8\xf6\xff\xff\xff\xc3"
    elf = plain()
    elf.headers[1] = Header(1, R | X, 0x1000, 0x401000, text)
    path = tmp_path / "self"
    path.write_bytes(bytes(elf))
    found = inspected(path)["system_calls"]
    assert found["known"] == []
    assert found["computed"] == [0x401003]
