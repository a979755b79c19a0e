"""Real programs of every shape: static, static-PIE, dynamic with a library of its own."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import Literal

import pytest

from tests.support.guest import run_cli, run_guest
from tests.support.interposer import interposer
from tests.support.oracles import cannot_run
from tools.fetch import package_root
from userland.build import build_source

Mode = Literal["w:", "w:gz", "w:xz"]

SOURCE = r"""
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>
static __thread int local = 41;
static int counted;
__attribute__((constructor)) static void before(void) { counted++; }
extern char **environ;
int main(int argc, char **argv)
{
    unsigned long address = getauxval(AT_PHDR), bias = 0;
    Elf64_Phdr *headers = (void *)address;
    int loads = 0;
    if (getauxval(AT_PHENT) != sizeof *headers || getauxval(AT_PAGESZ) != 4096)
        return 2;
    for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) {
        loads += headers[i].p_type == PT_LOAD;
        if (headers[i].p_type == PT_PHDR)
            bias = address - headers[i].p_vaddr;
    }
    if (strcmp((char *)getauxval(AT_EXECFN), "/bin/program") || argc != 3)
        return 3;
    printf("%s %s %s loads %d bias %lx base %d tls %d counted %d %.6f\n", argv[1], argv[2],
           environ[0], loads > 1, bias, getauxval(AT_BASE) != 0, ++local, counted, 392153.490928);
    return getauxval(AT_SECURE) || !getauxval(AT_RANDOM) || !getauxval(AT_HWCAP);
}
"""
INTERPOSED = r"""
#include <stdio.h>
#include <time.h>
#include <unistd.h>
int main(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    printf("%u %ld\n", geteuid(), (long)now.tv_sec);
    return 0;
}
"""
COMMON = ("-O1", "-g0", "-std=gnu11", "-fno-sanitize=all")
STATIC_PIE = (*COMMON, "-static", "-fPIE", "-pie")
DYNAMIC = (*COMMON, "-dynamic", "-fPIE", "-pie")
BIAS = {"x86_64": "555555554000", "aarch64": "555555550000"}  # aarch64 aligns to 64 KiB
EXPECTED = "one two A=1 loads 1 bias {} base {} tls 42 counted 1 392153.490928\n"


def musl(arch: str) -> Path:
    """The dynamic loader of that CPU, which is musl's C library too."""
    root = package_root("musl", arch)
    if root is None:
        cannot_run(f"Debian's musl for {arch} is not in the cache: tools/fetch gets it")
    return next(root.glob("lib/*/libc.so"), None) or next(root.glob("usr/lib/*/libc.so"))


def lay_out(arch: str, program: Path, top: Path) -> None:
    """A root with one dynamic program in it."""
    (top / "bin").mkdir(parents=True)
    (top / "lib").mkdir()
    shutil.copy(program, top / "bin/program")
    shutil.copy(musl(arch), top / f"lib/ld-musl-{arch}.so.1")


def as_tar(top: Path, mode: Mode) -> Path:
    path = top.with_suffix(".tar")
    with tarfile.open(path, mode) as tar:
        tar.add(top, ".")
    return path


@pytest.mark.row("K1")
def test_a_static_pie(arch: str, tmp_path: Path) -> None:
    program = tmp_path / "program"
    shutil.copy(build_source("shape", arch, SOURCE, STATIC_PIE), program)
    result = run_guest(program, "one", "two", environment={b"A": b"1", b"PATH": b"/bin"})
    output = result.text.replace("PATH=/bin", "A=1")
    assert (result.status, output) == (0, EXPECTED.format(BIAS[arch], 0))


@pytest.mark.row("X6", "K7")
@pytest.mark.parametrize("mode", ["w:", "w:gz", "w:xz"])
def test_a_dynamic_program_in_a_root_from_a_tar(arch: str, mode: Mode, tmp_path: Path) -> None:
    top = tmp_path / "root"
    lay_out(arch, build_source("shape", arch, SOURCE, DYNAMIC), top)
    root = as_tar(top, mode)
    result = run_guest("/bin/program", "one", "two", arch=arch, rootfs=str(root))
    assert result.status == 0
    assert result.text.split("A=")[0].startswith("one two ")
    assert f" bias {BIAS[arch]} base 1 tls 42 counted 1 392153.490928\n" in result.text


@pytest.mark.row("X6")
def test_a_dynamic_program_in_a_root_directory(arch: str, tmp_path: Path) -> None:
    top = tmp_path / "root"
    lay_out(arch, build_source("shape", arch, SOURCE, DYNAMIC), top)
    result = run_guest("/bin/program", "one", "two", arch=arch, rootfs=str(top))
    assert result.status == 0
    assert " base 1 tls 42 " in result.text


@pytest.mark.row("R10", "X6")
def test_an_interposer_preloaded_under_musl(arch: str, tmp_path: Path) -> None:
    top = tmp_path / "root"
    lay_out(arch, build_source("interposed", arch, INTERPOSED, DYNAMIC), top)
    shutil.copy(interposer(arch), top / "lib/own.so")
    preload = {b"LD_PRELOAD": b"/lib/own.so"}
    result = run_guest("/bin/program", arch=arch, rootfs=str(top), environment=preload)
    assert (result.text, result.status) == ("1234 86400\n", 0)
    plain = run_guest("/bin/program", arch=arch, rootfs=str(top))
    assert plain.text.startswith("0 ")
    assert plain.text != "0 86400\n"


def test_a_dynamic_program_without_its_interpreter_is_126(arch: str, tmp_path: Path) -> None:
    program = build_source("shape", arch, SOURCE, DYNAMIC)
    result = run_cli("run", str(program))
    assert result.status == 126
    line = result.stderr.decode()
    assert f"ld-musl-{arch}.so.1" in line
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    ("offset", "data", "words"),
    [
        (4, b"\x01", "32-bit"),
        (18, b"\x08\0", "MIPS"),
        (16, b"\x01\0", "relocatable"),
        (54, b"\x20\0", "program headers"),
    ],
)
def test_programs_that_cannot_be_run_are_126(
    tmp_path: Path, offset: int, data: bytes, words: str
) -> None:
    image = bytearray(build_source("shape", "x86_64", SOURCE, STATIC_PIE).read_bytes())
    image[offset : offset + len(data)] = data
    program = tmp_path / "program"
    program.write_bytes(image)
    program.chmod(0o755)
    result = run_cli("run", str(program))
    assert result.status == 126
    assert words in result.stderr.decode()
    assert result.stderr.count(b"\n") == 1


def test_a_truncated_program_is_126(tmp_path: Path) -> None:
    image = build_source("shape", "x86_64", SOURCE, STATIC_PIE).read_bytes()
    program = tmp_path / "program"
    program.write_bytes(image[: len(image) // 3])
    program.chmod(0o755)
    result = run_cli("run", str(program))
    assert result.status == 126
    assert b"truncated" in result.stderr


def test_a_damaged_root_archive_is_125(tmp_path: Path) -> None:
    root = tmp_path / "root.tar.gz"
    root.write_bytes(b"\x1f\x8b not a gzip file at all")
    result = run_cli("run", "--rootfs", str(root), "/bin/sh")
    assert result.status == 125
    assert b"root.tar.gz" in result.stderr
    assert result.stderr.count(b"\n") == 1
