"""``diorama inspect``: what it says of real files, of hand-made ones, and of rubbish."""

from __future__ import annotations

import json
import random
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.elf_files import PT_GNU_PROPERTY, PT_LOAD, Header, R, X, plain, property_note
from tests.support.guest import run_cli
from tools.busybox import find_busybox
from userland import build

ARCHES = ("x86_64", "aarch64")
TWICE = """
__attribute__((noinline)) int __twice(int n) { return 2 * n; }
int twice(int) __attribute__((weak, alias("__twice")));
int main(int count, char **words) { return words ? twice(count) : __twice(count); }
"""


def inspected(path: Path | str, *options: str) -> Any:
    result = run_cli("inspect", "--json", *options, str(path))
    assert result.status == 0, result.stderr
    return json.loads(result.stdout)


def refused(*words: str) -> str:
    result = run_cli("inspect", *words)
    assert result.status == 125
    assert result.stdout == b""
    text = result.stderr.decode()
    assert text.startswith("diorama: ")
    assert text.count("\n") == 1, text
    return text


@pytest.mark.parametrize("arch", ARCHES)
def test_an_assembly_programs_calls_are_found_with_their_numbers(arch: str) -> None:
    found = inspected(build.build("hello", arch))
    calls = {call["name"]: call for call in found["system_calls"]["known"]}
    assert set(calls) == {"write", "exit"}
    assert calls["write"]["number"] == {"x86_64": 1, "aarch64": 64}[arch]
    assert found["system_calls"]["computed"] == []
    assert found["header"]["machine"] == arch
    assert found["runs"] == {"ok": True, "refusal": None, "warnings": []}
    assert found["avx"]["instructions"] == 0


@pytest.mark.parametrize("arch", ARCHES)
def test_busybox(arch: str) -> None:
    found = inspected(find_busybox(arch))
    names = {call["name"] for call in found["system_calls"]["known"]}
    assert {"read", "openat", "execve", "mmap", "wait4"} <= names
    assert found["runs"]["ok"] is True
    assert found["interpreter"] is None
    assert found["hardening"]["nx"] is True
    assert found["language"]["name"] == "C"
    assert list(found)[:3] == ["format", "file", "size"]
    text = run_cli("inspect", str(find_busybox(arch))).text
    assert f" for {arch}, " in text
    assert "interpreter   none (static)" in text


@pytest.mark.parametrize("arch", ARCHES)
def test_a_function_or_a_range_is_disassembled(arch: str) -> None:
    path = str(build.build("hello", arch))
    entry = inspected(path)["header"]["entry"]
    rows = inspected(path, "-d", f"{entry:#x}+16")
    assert rows[0]["address"] == entry
    assert sum(len(bytes.fromhex(row["bytes"])) for row in rows) == 16
    same = inspected(path, "-d", f"{entry:#x}-{entry + 16:#x}")
    assert same == rows
    text = run_cli("inspect", "-d", f"{entry:#x}+256", path).text
    assert ("syscall" if arch == "x86_64" else "svc") in text


def code_file(tmp_path: Path, code: bytes, arch: str = "x86_64") -> Path:
    elf = plain(arch)
    elf.headers[1] = Header(PT_LOAD, R | X, 0x1000, 0x401000, code)
    elf.headers[2].offset = 0x2000
    elf.headers[2].vaddr = 0x403000
    path = tmp_path / "program"
    path.write_bytes(bytes(elf))
    return path


@pytest.mark.parametrize(
    ("code", "number"),
    [
        (b"\xb8\x27\x00\x00\x00\x0f\x05", 39),  # mov eax, 39
        (b"\x31\xc0\x0f\x05", 0),  # xor eax, eax
        (b"\x6a\x3b\x58\x99\x0f\x05", 59),  # push 59; pop rax; cdq
        (b"\xbf\x3c\x00\x00\x00\x89\xf8\x0f\x05", 60),  # mov edi, 60; mov eax, edi
        (b"\x48\x89\xf8\x0f\x05", None),  # mov rax, rdi: whoever called knows
        (b"\xb8\x27\x00\x00\x00\xe8\x00\x00\x00\x00\x0f\x05", None),  # a call in between
    ],
)
def test_the_number_is_followed_back(tmp_path: Path, code: bytes, number: int | None) -> None:
    calls = inspected(code_file(tmp_path, b"\x90" * 70 + code))["system_calls"]
    if number is None:
        assert calls["known"] == []
        assert len(calls["computed"]) == 1
    else:
        assert [call["number"] for call in calls["known"]] == [number]


def test_bytes_inside_another_instruction_are_no_call(tmp_path: Path) -> None:
    found = inspected(code_file(tmp_path, b"\x90" * 70 + b"\xb8\x0f\x05\x00\x00\xc3"))
    assert found["system_calls"] == {"known": [], "computed": [], "wrappers": []}


def test_a_number_nobody_implements_is_a_warning(tmp_path: Path) -> None:
    path = code_file(tmp_path, b"\xb8\xab\x00\x00\x00\x0f\x05")  # setdomainname exists; 171
    bad = code_file(tmp_path, b"\xb8\x00\x03\x00\x00\x0f\x05")  # 768 does not
    assert path == bad
    found = inspected(bad)
    assert found["system_calls"]["known"][0]["supported"] == "no"
    assert found["runs"]["warnings"] == ["calls that are not implemented: 768"]


def test_avx_is_seen_in_the_code(tmp_path: Path) -> None:
    path = code_file(tmp_path, b"\x90\xc5\xf8\x58\xc1\xc4\xe2\x7d\x18\xc0\xc3")
    found = inspected(path)
    assert found["avx"]["instructions"] == 2
    assert found["avx"]["first"] == [0x401001, 0x401005]
    assert found["runs"]["ok"] is True  # it may ask CPUID first
    assert "2 AVX instructions" in found["runs"]["warnings"][0]
    assert "the first at 0x401001:" in found["runs"]["warnings"][0]  # and its function, if known


def test_avx_is_seen_in_the_note(tmp_path: Path) -> None:
    elf = plain()
    elf.headers.append(
        Header(PT_GNU_PROPERTY, R, 0x3000, data=property_note(0xC0008002, 1 | 2 | 4))
    )
    path = tmp_path / "v3"
    path.write_bytes(bytes(elf))
    runs = inspected(path)["runs"]
    assert runs["ok"] is False
    assert "x86-64-v3" in runs["refusal"]
    assert "runs here     no: built for x86-64-v3" in run_cli("inspect", str(path)).text


def test_another_cpu_and_32_bits_are_flagged(tmp_path: Path) -> None:
    riscv = tmp_path / "riscv"
    riscv.write_bytes(bytes(plain(machine=243)))
    found = inspected(riscv)
    assert found["runs"]["refusal"].startswith("a program for RISC-V")
    small = tmp_path / "small"
    ident = b"\x7fELF\x01\x01\x01" + bytes(9)
    header = ident + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0x8048000, 0, 0, 0, 52, 32, 0, 40, 0, 0)
    small.write_bytes(header)
    assert "32-bit" in inspected(small)["runs"]["refusal"]
    assert "cannot be shown" in refused("-d", "0x401000+4", str(riscv))


@pytest.mark.skipif(sys.platform != "linux", reason="needs an ELF interpreter of the host")
def test_a_dynamic_program(tmp_path: Path) -> None:
    found = inspected(Path(sys.executable).resolve())
    assert found["interpreter"].startswith("/lib")
    assert any("libc" in name for name in found["dynamic"]["needed"])


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("hello")
    empty = tmp_path / "empty"
    empty.touch()
    assert "not an ELF file" in refused(str(text))
    assert "not an ELF file" in refused(str(empty))
    assert "No such file" in refused(str(tmp_path / "none"))
    assert "not a regular file" in refused("/dev/null")
    assert "Is a directory" in refused(str(tmp_path))
    assert "one ELF file" in refused()
    assert "one ELF file" in refused("a", "b")
    assert "unknown option" in refused("--nonsense", "x")
    hello = str(build.build("hello", "x86_64"))
    assert "no function is called nowhere" in refused("-d", "nowhere", hello)
    assert "want 1 to" in refused("-d", "0x1000-0x10", hello)
    assert "nothing at" in refused("-d", "0x10+4", hello)


@pytest.mark.parametrize("arch", ARCHES)
def test_damaged_files_are_reported_or_refused_but_never_a_bug(arch: str, tmp_path: Path) -> None:
    good = build.build("hello", arch).read_bytes()
    chance = random.Random(4)
    path = tmp_path / "damaged"
    for _ in range(60):
        data = bytearray(good[: chance.choice((len(good), chance.randrange(4, len(good))))])
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(4, min(len(data), 400) + 1) % len(data)] = chance.randrange(256)
        data[:4] = b"\x7fELF"
        path.write_bytes(bytes(data))
        result = run_cli("inspect", str(path))
        assert result.status in (0, 125)
        assert b"internal error" not in result.stderr
        if result.status:
            assert result.stderr.count(b"\n") == 1


@pytest.mark.parametrize("arch", ARCHES)
def test_busybox_is_the_one_that_would_run(
    arch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether or not there is a file of that name on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    found = inspected("busybox", "--arch", arch)
    assert found["file"] == "busybox"
    assert found["header"]["machine"] == arch


def test_a_cpu_that_is_none_is_refused() -> None:
    assert "'mips' is not one of x86_64, aarch64" in refused("--arch", "mips", "busybox")


@pytest.mark.guest
def test_every_name_of_a_function_is_known(arch: str) -> None:
    """A C library's printf is __printf, too; only one of the two was found."""
    path = build.build_source("twice", arch, TWICE, (*build.C_FLAGS, "-g"))
    rows = {name: inspected(path, "-d", name) for name in ("__twice", "twice")}
    assert rows["twice"] == rows["__twice"] != []
    assert "no function is called mian (main?)" in refused("-d", "mian", str(path))


def test_another_cpu_than_the_one_that_is_wanted(arch: str) -> None:
    other = ARCHES[arch == ARCHES[0]]
    path = str(build.build("hello", arch))
    assert f"is for {arch}, and --arch says {other}" in refused("--arch", other, path)
    assert run_cli("inspect", "--arch", arch, path).status == 0
