"""Stacks without frame pointers: by the call frame information in ``.eh_frame``.

Compilers describe for each instruction where the caller's registers are; C++ and Rust need that
for exceptions, and C programs have it on both CPUs unless told otherwise.  The section is looked
through once per file for where each function's description begins (a few milliseconds), and only
those that a stack needs are decoded, by pyelftools.  See the DWARF standard, 6.4, and the Linux
Standard Base.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.elfview.image import Image

SECTION: Final = ".eh_frame"
POINTER_FORMATS: Final = {0x00: (8, False), 0x03: (4, False), 0x0B: (4, True), 0x0C: (8, True)}
"""DW_EH_PE_absptr, udata4, sdata4, sdata8: size and sign."""
PC_RELATIVE: Final = 0x10
UNKNOWN: Final = 0xFF
"""DW_EH_PE_omit: no format at all."""
NAMES: Final = {
    "x86_64": "rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15".split(),
    "aarch64": [*(f"x{n}" for n in range(31)), "sp"],
}
"""Registers by their numbers in DWARF."""
STACK_POINTER: Final = {"x86_64": 7, "aarch64": 31}
RETURN_ADDRESS: Final = {"x86_64": 16, "aarch64": 30}
KEPT: Final = {"x86_64": (3, 6, 7, 12, 13, 14, 15), "aarch64": (*range(19, 32),)}
"""Those that a function leaves as they were, and the stack pointer."""


class Step(NamedTuple):
    """The caller: where it goes on, and its registers."""

    address: int
    registers: dict[int, int]


class FrameTable:
    """The call frame information of one file, by the addresses its own tables use.

    What is damaged in it is as if it were not there.
    """

    def __init__(self, image: Image) -> None:
        self._image = image
        self._decoded: dict[int, list[dict[Any, Any]]] = {}

    @cached_property
    def _section(self) -> tuple[bytes, int]:
        """Its bytes and its address; no bytes if there is none."""
        from tools.elfview.image import BROKEN  # see _decode

        try:
            found = self._image.section(SECTION)
            return (b"", 0) if found is None else (found.data(), found["sh_addr"])
        except BROKEN:
            return b"", 0

    @cached_property
    def _index(self) -> list[tuple[int, int, int]]:
        """(first address, end, offset of the description), sorted."""
        found: list[tuple[int, int, int]] = []
        data, base = self._section
        encodings: dict[int, int] = {}
        at = 0
        while at + 8 <= len(data):
            length = int.from_bytes(data[at : at + 4], "little")
            if length in (0, 0xFFFFFFFF):  # the end; the 64-bit form, which nobody writes
                break
            reference = int.from_bytes(data[at + 4 : at + 8], "little")
            if reference == 0:
                encodings[at] = _encoding(data, at + 8)
            else:
                found += _range(data, base, at, encodings.get(at + 4 - reference, 0))
            at += 4 + length
        return sorted(found)

    def rules(self, address: int) -> dict[Any, Any] | None:
        """Where the caller's registers are when the program is at this address."""
        place = bisect_right(self._index, (address, 1 << 64, 0)) - 1
        if place < 0 or address >= self._index[place][1]:
            return None
        offset = self._index[place][2]
        rows = self._decoded.get(offset)
        if rows is None:
            rows = self._decoded[offset] = self._decode(offset)
        found = None
        for row in rows:
            if row["pc"] > address:
                break
            found = row
        return found

    def _decode(self, offset: int) -> list[dict[Any, Any]]:
        from elftools.dwarf.callframe import CallFrameInfo  # few runs need it
        from elftools.dwarf.structs import DWARFStructs

        from tools.elfview.image import BROKEN

        data, base = self._section
        structs = DWARFStructs(little_endian=True, dwarf_format=32, address_size=8)
        frames = CallFrameInfo(BytesIO(data), len(data), base, structs, for_eh_frame=True)
        try:
            entry: Any = frames._parse_entry_at(offset)
            return [row for row in entry.get_decoded().table if "cfa" in row]
        except BROKEN:
            return []


def _encoding(data: bytes, at: int) -> int:
    """How addresses are written in the descriptions that a CIE heads (its augmentation R)."""
    try:
        return _pointer_format(data, at + 1)
    except (ValueError, IndexError):  # it ends in the middle
        return UNKNOWN


def _pointer_format(data: bytes, at: int) -> int:
    end = data.index(b"\0", at)
    augmentation = data[at:end]
    at = end + 1
    if not augmentation.startswith(b"z"):
        return 0
    for _ in range(4):  # code and data alignment, return address column, augmentation length
        while data[at] & 0x80:
            at += 1
        at += 1
    for letter in augmentation[1:]:
        if letter == ord("R"):
            return data[at]
        if letter == ord("P"):
            at += 1 + POINTER_FORMATS.get(data[at] & 0x0F, (8, False))[0]
        elif letter == ord("L"):
            at += 1
    return 0


def _range(data: bytes, base: int, at: int, encoding: int) -> list[tuple[int, int, int]]:
    """What one FDE is about; nothing if it is written in a way that nobody uses."""
    form = POINTER_FORMATS.get(encoding & 0x0F)
    if form is None or encoding & 0x70 not in (0, PC_RELATIVE):
        return []
    size, signed = form
    start = int.from_bytes(data[at + 8 : at + 8 + size], "little", signed=signed)
    if encoding & PC_RELATIVE:
        start += base + at + 8
    length = int.from_bytes(data[at + 8 + size : at + 8 + 2 * size], "little")
    return [(start, start + length, at)] if length else []


def caller(
    arch: str,
    rules: dict[Any, Any],
    registers: dict[int, int],
    read: Callable[[int], int | None],
) -> Step | None:
    """One level up; None at the outermost function, or where the rules are beyond us."""
    cfa = rules["cfa"]
    if cfa.expr is not None or cfa.reg not in registers:
        return None
    frame = registers[cfa.reg] + cfa.offset & (1 << 64) - 1
    found = {number: registers[number] for number in KEPT[arch] if number in registers}
    back = RETURN_ADDRESS[arch]
    address = registers.get(back)
    for number, rule in rules.items():
        if not isinstance(number, int):
            continue
        value = _restored(rule, frame, registers, read)
        if number == back:
            if value is None:
                return None
            address = value
        elif value is not None:
            found[number] = value
    found[STACK_POINTER[arch]] = frame
    if arch == "aarch64" and address is not None:
        found[back] = address
    return Step(address, found) if address else None


def _restored(
    rule: Any, frame: int, registers: dict[int, int], read: Callable[[int], int | None]
) -> int | None:
    """A register of the caller's; None if it cannot be known."""
    if rule.type == "OFFSET":
        return read(frame + rule.arg)
    if rule.type == "VAL_OFFSET":
        return int(frame + rule.arg)
    if rule.type == "REGISTER":
        return registers.get(rule.arg)
    return None
