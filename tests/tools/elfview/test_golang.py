"""Go's own tables, made by hand, whole and broken."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest

from tools.elfview import golang


class FakeImage:
    """What golang asks of an Image."""

    def __init__(self, data: bytes = b"", **sections: tuple[int, bytes]) -> None:
        self.data = data
        self._sections: dict[str, dict[str, int]] = {}
        for name, (address, content) in sections.items():
            place = {"sh_addr": address, "sh_offset": len(self.data), "sh_size": len(content)}
            self._sections["." + name.replace("_", ".")] = place
            self.data += content

    def section(self, name: str) -> Any:
        return self._sections.get(name)


def table(text: int, magic: int = 0xFFFFFFF1) -> bytes:
    """main.main at +0x10, 32 bytes; main.other behind it, 16 bytes."""
    names = b"main.main\0main.other\0"
    words = struct.pack("<5I", 0x10, 20, 0x30, 28, 0x40)
    functions = struct.pack("<Ii", 0x10, 0) + struct.pack("<Ii", 0x30, 10)
    start = golang.HEADER.size
    where = start + len(names)
    header = golang.HEADER.pack(magic, 1, 8, 2, 0, text, start, 0, 0, 0, where)
    return header + names + words + functions


@pytest.mark.parametrize("text", [0x401000, 0])
def test_functions_have_their_names_and_sizes(text: int) -> None:
    image: Any = FakeImage(gopclntab=(0, table(text)), text=(0x401000, b""))
    assert golang.functions(image) == [
        (0x401010, 0x20, "main.main"),
        (0x401030, 0x10, "main.other"),
    ]


def test_another_version_or_none_gives_nothing() -> None:
    old: Any = FakeImage(gopclntab=(0, table(0x1000, 0xFFFFFFFB)))
    none: Any = FakeImage()
    assert golang.functions(old) == golang.functions(none) == []


def test_a_damaged_table_gives_nothing_or_something_and_no_error() -> None:
    chance = random.Random(5)
    for _ in range(500):
        content = bytearray(table(0x401000))
        for _ in range(chance.randrange(1, 6)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        content = content[: chance.randrange(len(content)) + 1]
        image: Any = FakeImage(gopclntab=(0, bytes(content)))
        for _, _, name in golang.functions(image):
            assert isinstance(name, str)


def build_info(version: bytes, module: bytes) -> bytes:
    header = golang.BUILD_INFO + bytes((8, 2)) + bytes(16)
    return header + bytes((len(version),)) + version + bytes((len(module),)) + module


def test_the_compiler_and_the_module() -> None:
    known: Any = FakeImage(b"junk" + build_info(b"go1.22.4", b"no module"))
    assert golang.compiler(known) == "Go 1.22.4"
    whole: Any = FakeImage(build_info(b"go1.22.4", b"0" * 16 + b"\npath\texample.com/x\nmod\tx\n"))
    assert golang.compiler(whole) == "Go 1.22.4, example.com/x"
    text: Any = FakeImage(b"\0go1.9\0 go1.26.5 go1.26 go1.26.5\0")
    assert golang.compiler(text) == "Go 1.26.5"
    nothing: Any = FakeImage(b"\xff Go buildinf:")
    assert golang.compiler(nothing) is None


def test_the_build_id_of_the_note() -> None:
    note = struct.pack("<III4s", 4, 6, 4, b"Go\0\0") + b"abc/de"
    assert golang.build_id(FakeImage(note_go_buildid=(0, note))) == "abc/de"  # type: ignore[arg-type]
    assert golang.build_id(FakeImage(note_go_buildid=(0, note[:9]))) is None  # type: ignore[arg-type]
