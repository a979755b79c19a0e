"""What ``inspect`` says of a file's tables is what ``readelf`` says, for programs of every kind."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import oracles
from tests.support.guest import run_cli
from tools.busybox import find_busybox
from tools.cache import cache_directory
from tools.fetch import npm_directory, package_root, root_directory, wheel_directory
from userland import build

pytestmark = pytest.mark.native
ARCHES = ("x86_64", "aarch64")
SMALL = '#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n'
C = [flag for flag in build.C_FLAGS if flag != "-static"]
PIE = (*C, "-fPIE", "-static-pie")
OBJECT = (*C, "-c")


def kinds(arch: str) -> Iterator[tuple[str, Path | None]]:
    """(what it is, where); None: not fetched."""
    yield "assembly", build.build("hello", arch)
    yield "C, static", build.build("hello_printf", arch)
    yield "C, static PIE", build.build_source("pie", arch, SMALL, PIE)
    yield "C, with symbols", build.build_source("symbols", arch, SMALL, (*build.C_FLAGS, "-g"))
    yield "object", build.build_source("object", arch, SMALL, OBJECT)
    yield "library", build.build_shared_library("library", arch, "int f(void) { return 1; }\n")
    yield "BusyBox", find_busybox(arch)
    musl = package_root("musl", arch)
    yield "musl's loader", musl and next(musl.glob("lib/*/libc.so"), None)
    root = root_directory("debian", arch)
    yield "C, dynamic PIE", root and root / "bin/bash"
    yield "glibc", root and next(root.glob("lib/*/libc.so.6"), None)
    esbuild, ruff = npm_directory("esbuild", arch), wheel_directory("ruff", arch)
    yield "Go", esbuild and next(esbuild.rglob("bin/esbuild"), None)
    yield "Rust", ruff and next(ruff.rglob("scripts/ruff"), None)


KINDS = ("assembly", "C, static", "C, static PIE", "C, with symbols", "object", "library",
         "BusyBox", "musl's loader", "C, dynamic PIE", "glibc", "Go", "Rust")  # fmt: skip


def file_of(kind: str, arch: str) -> Path:
    path = dict(kinds(arch))[kind]
    if path is None or not path.exists():
        oracles.cannot_run(f"{kind} for {arch} is not fetched (make fetch)")
    return path


@pytest.fixture(scope="module")
def readelf() -> Any:
    program = str(oracles.program("x86_64-linux-gnu-readelf"))

    def run(path: Path, *options: str) -> str:
        done = subprocess.run(
            [program, "-W", *options, str(path)], capture_output=True, text=True, timeout=60
        )
        return done.stdout

    return run


def inspected(path: Path) -> Any:
    result = run_cli("inspect", "--json", str(path))
    assert result.status == 0, result.stderr
    return json.loads(result.stdout)


def test_every_kind_is_named_once() -> None:
    assert tuple(name for name, _ in kinds("x86_64")) == KINDS


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("kind", KINDS)
def test_inspect_says_what_readelf_says(kind: str, arch: str, readelf: Any) -> None:
    path = file_of(kind, arch)
    found = inspected(path)
    check_the_guess(found, kind)
    text = readelf(path, "-h", "-l", "-S", "-n", "-d")

    fields = dict(re.findall(r"^  ([\w /]+?):\s+(.*?)\s*$", text, re.MULTILINE))
    machines = {"Advanced Micro Devices X86-64": "x86_64", "AArch64": "aarch64"}
    assert found["header"]["machine"] == machines[fields["Machine"]] == arch
    assert found["header"]["type"] == fields["Type"].split()[0]
    assert found["header"]["entry"] == int(fields["Entry point address"], 16)
    assert found["header"]["class"] == int(fields["Class"].removeprefix("ELF"))

    segments = re.findall(
        r"^  (\w+) +(0x\w+) (0x\w+) 0x\w+ (0x\w+) (0x\w+) ([RWE ]{3}) (0x\w+|0)$",
        text,
        re.MULTILINE,
    )
    assert [
        (s["type"], s["offset"], s["address"], s["file_size"], s["memory_size"], s["align"])
        for s in found["segments"]
    ] == [(name, *(int(n, 16) for n in (o, a, f, m, g))) for name, o, a, f, m, _, g in segments]
    letters = [
        "".join(c if c != " " else "-" for c in s[5].lower().replace("e", "x")) for s in segments
    ]
    assert [s["flags"] for s in found["segments"]] == letters

    sections = re.findall(
        r"^  \[ *[1-9]\d*\] (\S*) +([\w.+]+) +([0-9a-f]{16}) [0-9a-f]+ ([0-9a-f]+) ",
        text,
        re.MULTILINE,
    )
    assert [(s["name"], s["address"], s["size"]) for s in found["sections"]] == [
        (name, int(address, 16), int(size, 16)) for name, _, address, size in sections
    ]

    interpreter = re.search(r"program interpreter: (.*?)\]", text)
    assert found["interpreter"] == (interpreter[1] if interpreter else None)
    build_id = re.search(r"Build ID: (\w+)", text)
    if build_id or found["language"]["name"] != "Go":
        assert found["build_id"] == (build_id[1] if build_id else None)

    needed = re.findall(r"\(NEEDED\) +Shared library: \[(.*?)\]", text)
    dynamic = found["dynamic"]
    assert (dynamic or {"needed": []})["needed"] == needed
    tags = re.findall(r"^ 0x[0-9a-f]{16} \((\w+)\)", text, re.MULTILINE)
    if dynamic is not None:
        count = sum(len(dynamic[key]) for key in ("needed", "soname", "rpath", "runpath", "tags"))
        assert count == len([tag for tag in tags if tag != "NULL"])


EXPECTED = {
    "assembly": ("unknown", "C"), "C, static": ("C",), "C, static PIE": ("C",),
    "C, with symbols": ("C",), "object": ("C",), "library": ("C", "unknown"), "BusyBox": ("C",),
    "musl's loader": ("C",), "C, dynamic PIE": ("C",), "glibc": ("C",), "Go": ("Go",),
    "Rust": ("Rust",),
}  # fmt: skip


def check_the_guess(found: Any, kind: str) -> None:
    """Language, compiler, verdict, PIE."""
    assert found["language"]["name"] in EXPECTED[kind]
    compilers = {"Go": r"Go 1\.\d+", "Rust": r"rustc version 1\.\d+", "C, static": r"clang version"}
    if kind in compilers:
        assert re.search(compilers[kind], found["language"]["compiler"])
    if kind == "object":
        assert "relocatable object" in found["runs"]["refusal"]
    elif kind != "library":
        assert found["runs"]["ok"], found["runs"]["refusal"]
    assert found["hardening"]["pie"] == (found["header"]["type"] == "DYN" and kind != "library")
    assert found["hardening"]["pie"] or "PIE" not in kind


@pytest.mark.parametrize("arch", ARCHES)
def test_hardening_is_what_the_compiler_was_asked_for(arch: str) -> None:
    """Dynamic glibc programs, as checksec is used to."""
    source = """
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv) {
    char buffer[64];
    strcpy(buffer, argv[argc - 1]);
    printf("%s %d", buffer, argc);
    return buffer[1];
}
"""
    common = ("-O2", "-fno-sanitize=all")
    hard = ("-fstack-protector-all", "-D_FORTIFY_SOURCE=2", "-fPIE", "-pie", "-Wl,-z,relro",
            "-Wl,-z,now")  # fmt: skip
    soft = ("-fno-stack-protector", "-U_FORTIFY_SOURCE", "-fno-PIE", "-no-pie", "-Wl,-z,norelro")
    found = [
        inspected(compiled(arch, source, (*common, *flags)))["hardening"] for flags in (hard, soft)
    ]
    for key, values in {
        "canary": (True, False), "fortify": (True, False), "pie": (True, False),
        "relro": ("full", "none"), "nx": (True, True),
    }.items():  # fmt: skip
        assert (found[0][key], found[1][key]) == values, key
    assert "strcpy" in found[0]["fortified"]
    lazy = (*common, "-Wl,-z,relro", "-Wl,-z,lazy")
    assert inspected(compiled(arch, source, lazy))["hardening"]["relro"] == "partial"


def compiled(arch: str, source: str, flags: tuple[str, ...]) -> Path:
    """With glibc's headers and stubs, which zig carries."""
    digest = hashlib.sha256(repr((arch, source, flags)).encode()).hexdigest()[:16]
    place = cache_directory() / "guest" / arch / f"hardened-{digest}"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        text = place.with_suffix(".c")
        text.write_text(source)
        command = [*build.zig(), "cc", "-target", f"{arch}-linux-gnu", *build.CPU_FLAGS[arch]]
        subprocess.run([*command, *flags, "-o", str(place), str(text)], check=True, timeout=300)
    return place


def test_disassembly_is_objdumps() -> None:
    """Addresses and bytes of every instruction of one function."""
    objdump = oracles.program("x86_64-linux-gnu-objdump")
    path = build.build_source("symbols", "x86_64", SMALL, (*build.C_FLAGS, "-g"))
    result = run_cli("inspect", "--json", "-d", "main", str(path))
    mine = [(row["address"], row["bytes"]) for row in json.loads(result.stdout)]
    done = subprocess.run(
        [str(objdump), "-d", "-w", "--disassemble=main", str(path)], capture_output=True, text=True
    )
    theirs = [
        (int(address, 16), data.replace(" ", ""))
        for address, data in re.findall(r"^ +(\w+):\t([0-9a-f ]+?) *\t", done.stdout, re.MULTILINE)
    ]
    assert mine == theirs
    assert len(mine) > 3


@pytest.mark.skipif(sys.platform != "linux", reason="a core of the host's kernel")
def test_a_core_is_no_program(tmp_path: Path) -> None:
    from tests.support.elf_files import plain

    for arch in ARCHES:
        path = tmp_path / arch
        path.write_bytes(bytes(plain(arch, type=4)))
        found = inspected(path)
        assert found["header"]["type"] == "CORE"
        assert "core dump" in found["runs"]["refusal"]
