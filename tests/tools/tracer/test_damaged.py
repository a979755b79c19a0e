"""Stacks of a program whose own tables are damaged: fewer levels, and the program runs as ever."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.guest import run_cli
from tools.elfview.image import Image
from tools.tracer.unwind import FrameTable, caller
from userland.build import C_FLAGS, build_source

pytestmark = pytest.mark.guest

SOURCE = r"""
#include <unistd.h>
__attribute__((noinline)) int inner(int n) { return getppid() + n; }
int main(int count, char **words) { return inner(count) == -1; }
"""
FLAGS = (*(flag for flag in C_FLAGS if flag != "-g0"), "-g", "-fasynchronous-unwind-tables")
OFFSET, SIZE = 0x18, 0x20
"""Of sh_offset and sh_size in a section header."""


def program(arch: str) -> bytes:
    return build_source("damaged", arch, SOURCE, FLAGS).read_bytes()


def header_of(content: bytes, section: str) -> int:
    """Where the section's header is in the file."""
    image = Image(content, "damaged")
    elf = image.elf.header
    number = next(n for n, found in enumerate(image.sections) if found.name == section)
    return int(elf["e_shoff"] + number * elf["e_shentsize"])


def damaged(content: bytes, what: str) -> bytes:
    """Another file, in which ``.eh_frame`` is not what it should be."""
    header = header_of(content, ".eh_frame")
    data = bytearray(content)
    start, size = struct.unpack_from("<QQ", data, header + OFFSET)
    if what == "endless":
        struct.pack_into("<Q", data, header + SIZE, 1 << 62)
    elif what == "compressed":
        struct.pack_into("<Q", data, header + 8, 0x800)  # SHF_COMPRESSED
    elif what == "zeroes":
        data[start + 4 : start + size] = bytes(size - 4)
    else:
        data[start + 8 : start + size] = b"\xff" * (size - 8)
    return bytes(data)


@pytest.mark.parametrize("what", ["endless", "compressed", "zeroes", "ones"])
@pytest.mark.parametrize("option", ["-k", "--folded"])
def test_damaged_tables_are_no_tables(arch: str, tmp_path: Path, what: str, option: str) -> None:
    """The tracer stumbled over them in the middle of a call, which failed then."""
    path = tmp_path / "program"
    path.write_bytes(damaged(program(arch), what))
    path.chmod(0o755)
    words = [option] if option == "-k" else [option, str(tmp_path / "stacks")]
    result = run_cli("trace", *words, "-o", str(tmp_path / "calls"), str(path))
    assert (result.status, result.stderr) == (0, b"")
    assert "getppid() " in (tmp_path / "calls").read_text()


@given(st.lists(st.tuples(st.integers(0, 1 << 16), st.binary(min_size=1, max_size=8)), max_size=8))
def test_whatever_stands_in_the_table(changes: list[tuple[int, bytes]]) -> None:
    content = program("x86_64")
    data = bytearray(content)
    start, size = struct.unpack_from("<QQ", content, header_of(content, ".eh_frame") + OFFSET)
    for at, written in changes:
        place = start + at % size
        data[place : place + len(written)] = written
    image = Image(bytes(data[: len(content)]), "damaged")
    table = FrameTable(image)
    registers = dict.fromkeys(range(17), 0x1000)
    for function in image.functions:
        rules = table.rules(function.address + 1)
        if rules is not None:
            caller("x86_64", rules, registers, lambda where: where & 0xFF)


def test_a_name_cannot_end_a_line(arch: str, tmp_path: Path) -> None:
    """A process may call itself anything, and so may a file."""
    path = tmp_path / "two\nlines; 7"
    path.write_bytes(program(arch))
    path.chmod(0o755)
    stacks, calls = tmp_path / "stacks", tmp_path / "calls"
    assert run_cli("trace", "--folded", str(stacks), "-k", "-o", str(calls), str(path)).status == 0
    lines = stacks.read_text().splitlines()
    assert all(line.startswith("two\\nlines:_7;") for line in lines), lines
    assert any("two\\nlines; 7(inner" in line for line in calls.read_text().splitlines())
