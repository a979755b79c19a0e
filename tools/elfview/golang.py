"""What a Go binary says of itself, also when it is stripped: its functions, and its compiler.

The runtime needs names for its own stack traces, so ``.gopclntab`` is there in every binary.  Its
layout is that of Go 1.18 and later (``internal/abi``, ``runtime.pcHeader``); older ones are left
alone.  The version stands in ``.go.buildinfo``, or only as a string.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tools.elfview.image import Image

SECTIONS: Final = (".gopclntab", ".data.rel.ro.gopclntab")
MAGICS: Final = (0xFFFFFFF0, 0xFFFFFFF1)
HEADER: Final = struct.Struct("<I2xBBQQQQQQQQ")
"""magic, least instruction, pointer size, functions, files, text, and five offsets."""
BUILD_INFO: Final = b"\xff Go buildinf:"
VERSION: Final = re.compile(rb"\bgo(1\.\d{1,3}(?:\.\d{1,3})?(?:rc\d+)?)\b")
MOST: Final = 1 << 20


def functions(image: Image) -> list[tuple[int, int, str]]:
    """(address, size, name) of each function; none where the table is missing or unknown."""
    section = next((s for s in map(image.section, SECTIONS) if s is not None), None)
    if section is None:
        return []
    table = image.data[section["sh_offset"] : section["sh_offset"] + section["sh_size"]]
    try:
        return _functions(image, table)
    except (struct.error, ValueError, IndexError, OverflowError):  # its numbers lead nowhere
        return []


def _functions(image: Image, table: bytes) -> list[tuple[int, int, str]]:
    magic, _, size, count, _, text, names, _, _, _, where = HEADER.unpack_from(table)
    if magic not in MAGICS or size != 8 or count > MOST:
        return []
    if not text:  # from Go 1.26 on nothing there is relocated
        section = image.section(".text")
        text = section["sh_addr"] if section is not None else 0
    words = struct.unpack_from(f"<{2 * count + 1}I", table, where)
    found = []
    for start, place, end in zip(words[0:-1:2], words[1::2], words[2::2], strict=True):
        (offset,) = struct.unpack_from("<i", table, where + place + 4)
        stop = table.index(b"\0", names + offset)
        name = table[names + offset : stop].decode("utf-8", "replace")
        found.append((text + start, end - start, name))
    return found


def compiler(image: Image) -> str | None:
    """``Go 1.26.5``, and the module it was built from where it says so."""
    at = image.data.find(BUILD_INFO)
    if (
        at >= 0 and image.data[at + 15 : at + 16] == b"\2"
    ):  # strings with their lengths follow (Go 1.18)
        version, rest = _text(image.data, at + 32)
        module = re.search(r"\npath\t(\S+)", _text(image.data, rest)[0])
        if version.startswith("go"):
            return f"Go {version[2:]}" + (f", {module[1]}" if module else "")
    found = [match[1] for match in VERSION.finditer(image.data)]
    full = [version for version in found if version.count(b".") > 1] or found
    return f"Go {max(full, key=full.count).decode()}" if full else None


def _text(data: bytes, at: int) -> tuple[str, int]:
    """A string after its length (a varint), and where it ends."""
    length = shift = 0
    while True:
        byte = data[at] if at < len(data) else 0
        length |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        if byte < 0x80 or shift > 28:
            break
    return data[at : at + length].decode("utf-8", "replace"), at + length


def build_id(image: Image) -> str | None:
    """The note ``go build`` leaves, as ``go tool buildid`` prints it."""
    section = image.section(".note.go.buildid")
    if section is None:
        return None
    data = image.data[section["sh_offset"] : section["sh_offset"] + section["sh_size"]]
    if len(data) < 16:
        return None
    name, size = struct.unpack_from("<II", data)
    start = 12 + (name + 3 & ~3)
    return data[start : start + size].decode("ascii", "replace") or None
