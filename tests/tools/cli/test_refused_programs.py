"""126, each case one line: files that are there and cannot be run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.elf_files import MACHINES, PT_INTERP, PT_LOAD, ElfFile, Header, R, W, X
from tests.support.guest import run_cli
from tools.fetch import HOST_CPU

pytestmark = pytest.mark.guest

MACHINE = MACHINES[HOST_CPU]
TEXT = Header(PT_LOAD, R | X, 0x1000, 0x401000, b"\0" * 64)
DATA = Header(PT_LOAD, R | W, 0x2000, 0x401000, b"x" * 64)
WHOLE = bytes(ElfFile(MACHINE, headers=[TEXT]))


def patched(offset: int, data: bytes) -> bytes:
    """The whole program with some bytes of its header changed."""
    image = bytearray(WHOLE)
    image[offset : offset + len(data)] = data
    return bytes(image)


CASES = {
    "empty": (b"", "neither an ELF file nor a #! script"),
    "text": (b"echo hi\n", "neither an ELF file nor a #! script"),
    "header cut": (WHOLE[:40], "truncated"),
    "segment cut": (WHOLE[:0x1010], "truncated"),
    "32 bits": (patched(4, b"\x01"), "32-bit"),
    "big-endian": (patched(5, b"\x02"), "big-endian"),
    "no CPU of ours": (patched(18, b"\xf3\0"), "RISC-V"),
    "object file": (patched(16, b"\x01\0"), "relocatable"),
    "core dump": (patched(16, b"\x04\0"), "core dump"),
    "no headers": (patched(56, b"\0\0"), "0 program headers"),
    "overlapping": (
        bytes(ElfFile(MACHINE, headers=[TEXT, DATA])),
        "overlapping segments",
    ),
    "dynamic": (
        bytes(ElfFile(MACHINE, headers=[TEXT, Header(PT_INTERP, R, 0x3000, 0, b"/no/ld.so\0")])),
        "its interpreter /no/ld.so does not exist here",
    ),
    "interpreter": (b"#!/no/such/thing -x\n", "/no/such/thing"),
    "no interpreter": (b"#!\n", "nothing after #!"),
}


@pytest.mark.row("K1")
@pytest.mark.parametrize("name", CASES)
def test_a_file_that_cannot_be_run(name: str, work: Path) -> None:
    content, part = CASES[name]
    (work / "file").write_bytes(content)
    (work / "file").chmod(0o755)
    result = run_cli("run", "./file", "argument")
    line = result.stderr.decode()
    assert (result.status, result.stdout) == (126, b"")
    assert line.startswith("diorama: ./file: ")
    assert line.count("\n") == 1
    assert part in line
    if name == "interpreter":
        assert "--busybox" in line
    if name in ("interpreter", "dynamic"):
        assert "--rootfs" in line


@pytest.mark.row("K1")
@pytest.mark.parametrize("name", CASES)
def test_the_guests_shell_hears_of_it(name: str, arch: str, work: Path) -> None:
    """execve fails and the caller lives; an empty file and plain text are the shell's own."""
    content, _ = CASES[name]
    (work / "file").write_bytes(content)
    (work / "file").chmod(0o755)
    words = ("run", "-q", "--arch", arch, "-v", ".:/w", "sh", "-c")
    result = run_cli(*words, "/w/file; echo status $?")
    own = {"empty": "status 0\n", "text": "hi\nstatus 0\n"}
    assert result.text.endswith("\n")
    if name in own:
        assert result.text == own[name]
    else:
        assert result.text.splitlines()[-1] in ("status 126", "status 127", "status 2", "status 0")
    assert b"internal error" not in result.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_nobody_may_read(work: Path) -> None:
    (work / "file").write_bytes(WHOLE)
    (work / "file").chmod(0o111)
    result = run_cli("run", "./file")
    assert result.status == 126
    assert result.stderr.count(b"\n") == 1


def test_what_is_no_program_at_all(work: Path) -> None:
    (work / "directory").mkdir()
    (work / "loop").symlink_to("loop")
    for name, status in (("./directory", 126), ("./loop", 127), ("./directory/x", 127)):
        result = run_cli("run", name)
        assert result.status == status
        assert result.stderr.startswith(f"diorama: {name}: ".encode())
        assert result.stderr.count(b"\n") == 1


def test_more_memory_than_a_machine_can_have() -> None:
    """A self-test of the processor's was what failed, and was named."""
    result = run_cli("run", "--memory", "256g", "busybox", "true")
    assert result.status == 125
    assert result.stderr == b"diorama: 255g is the most memory that a machine can have\n"
