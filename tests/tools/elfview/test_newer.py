"""Instructions that the processors do not have are flagged, and kill a program that runs them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.support.elf_files import Header, R, X, plain
from tests.support.guest import run_cli
from tests.tools.elfview.test_inspect import inspected
from userland import build

BARE = ("-O1", "-g0", "-nostdlib", "-static", "-fno-sanitize=all")
ATOMIC = r"""
__asm__(".arch armv8.1-a\n.global _start\n_start: mov x1, sp\n mov w0, #1\n INSTRUCTION\n"
        "mov w0, wzr\n mov w8, #93\n svc #0\n");
"""


@pytest.mark.guest
@pytest.mark.parametrize(
    ("instruction", "count", "status"),
    [("ldadd w0, w2, [x1]", 1, 128 + 4), ("ldxr w2, [x1]", 0, 0)],  # SIGILL
)
def test_lse_atomics_are_flagged_and_fatal(instruction: str, count: int, status: int) -> None:
    source = ATOMIC.replace("INSTRUCTION", instruction)
    path = build.build_source("atomic", "aarch64", source, BARE)
    found = inspected(path)
    assert found["newer"]["LSE atomic"]["instructions"] == count
    flagged = any("LSE atomic instructions" in text for text in found["runs"]["warnings"])
    assert flagged == bool(count)
    assert run_cli("run", str(path)).status == status


def words(tmp_path: Path, *code: int) -> Path:
    elf = plain("aarch64")
    elf.headers[1] = Header(1, R | X, 0x1000, 0x401000, struct.pack(f"<{len(code)}I", *code))
    path = tmp_path / "words"
    path.write_bytes(bytes(elf))
    return path


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        (0xB8E00020, "LSE atomic"),  # ldaddal w0, w0, [x1]
        (0xB8208020, "LSE atomic"),  # swp w0, w0, [x1]
        (0x88E07C41, "LSE atomic"),  # casa w0, w1, [x2]
        (0x08207C82, "LSE atomic"),  # casp w0, w1, w2, w3, [x4]
        (0x04E0E3E0, "SVE"),  # cntd x0
        (0x85804000, "SVE"),  # ldr z0, [x0]
    ],
)
def test_each_kind_is_known_by_its_encoding(word: int, kind: str, tmp_path: Path) -> None:
    newer = inspected(words(tmp_path, 0xD503201F, word, 0xD65F03C0))["newer"]
    assert {name: found["instructions"] for name, found in newer.items()} == {
        "LSE atomic": int(kind == "LSE atomic"),
        "SVE": int(kind == "SVE"),
    }
    assert newer[kind]["first"] == [0x401004]


@pytest.mark.parametrize(
    "word",
    [
        0xB8606820,  # ldr w0, [x1, x0]
        0xF8408420,  # ldr x0, [x1], #8
        0xC85FFC20,  # ldaxr x0, [x1]
        0x885F7C20,  # ldxr w0, [x1]
        0x44FFFFFF,  # data
    ],
)
def test_old_ones_and_data_are_not_flagged(word: int, tmp_path: Path) -> None:
    newer = inspected(words(tmp_path, word))["newer"]
    assert {found["instructions"] for found in newer.values()} == {0}


def test_the_first_vector_may_stand_across_a_piece(tmp_path: Path) -> None:
    """vzeroupper (c5 f8 77) around every boundary of the search's pieces."""
    from tools.elfview.newer import PIECE

    for before in range(PIECE - 4, PIECE + 2):
        elf = plain()
        code = b"\x90" * before + b"\xc5\xf8\x77" + b"\x90" * 40
        elf.headers[1] = Header(1, R | X, 0x1000, 0x401000, code)
        elf.headers[2].offset = elf.headers[3].offset = 0x40000
        elf.headers[2].vaddr = 0x440000
        path = tmp_path / "vector"
        path.write_bytes(bytes(elf))
        found = inspected(path)["newer"]["AVX"]
        assert found["first"] == [0x401000 + before]


@pytest.mark.parametrize(
    ("arch", "code"),
    [
        ("x86_64", b"\x90" * 8 + b"\xc5\xf8\x77" + b"\xb8\x3c\0\0\0\x0f\x05" + b"\x90" * 8),
        ("aarch64", struct.pack("<8I", *[0xD503201F] * 5, 0xD2801AE8, 0xD4000001, 0xD503201F)),
    ],
)
def test_code_that_goes_round_at_the_end_of_all_memory(
    arch: str, code: bytes, tmp_path: Path
) -> None:
    """In a damaged file: it was searched for ever."""
    elf = plain(arch)
    elf.headers[1] = Header(1, R | X, 0x1000, (1 << 64) - 8, code)
    path = tmp_path / "round"
    path.write_bytes(bytes(elf))
    (call,) = inspected(path)["system_calls"]["known"]
    assert call["name"] == ("exit" if arch == "x86_64" else "munmap")
