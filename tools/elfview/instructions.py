"""Instructions: a listing, and the system calls in the code.

**System calls.**  ``syscall`` and ``svc #0`` are found by their bytes; ``origin`` then looks for
what set the number's register (eax, x8).  Where that is an argument of the function, ``wrappers``
looks at its callers.

x86 instructions have no fixed length.  Decoding begins at every byte a little before, and where
most ways arrive is an instruction; byte pairs inside other instructions are weeded out that way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import capstone

from syscalls.numbers import NUMBERS
from tools.elfview.image import Image, Region
from tools.elfview.origin import Code, origin
from tools.elfview.wrappers import Through, calls_through
from tools.errors import DioramaError

BACK: Final = 64
LONGEST: Final = 15
"""Bytes of an x86 instruction."""
NUMBER: Final = {"x86_64": "rax", "aarch64": "x8"}
"""The register of the number."""
SYSCALL: Final = b"\x0f\x05"
SVC: Final = b"\x01\x00\x00\xd4"


class Site(NamedTuple):
    """One place in the code that makes a system call; number None: not a constant there."""

    address: int
    number: int | None


class Calls(NamedTuple):
    """All of a file: where the instruction is, and calls of wrappers that pass a number on."""

    sites: list[Site]
    through: list[Through]


class Instruction(NamedTuple):
    """As a listing shows it."""

    address: int
    data: bytes
    mnemonic: str
    operands: str


def disassembler(machine: str) -> Any:  # Any: capstone has no types
    """capstone for a CPU; DioramaError: for another than our two."""
    if machine == "x86_64":
        found = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    elif machine == "aarch64":
        found = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    else:
        raise DioramaError(f"instructions of {machine} cannot be shown (x86_64 and aarch64 can)")
    found.skipdata = True
    return found


def listing(image: Image, start: int, size: int) -> list[Instruction]:
    """The instructions in a range of addresses."""
    data = image.read(start, size)
    if not data:
        raise DioramaError(f"{image.name}: nothing at {start:#x} in the file")
    return [
        Instruction(i.address, bytes(i.bytes), i.mnemonic, i.op_str)
        for i in disassembler(image.machine).disasm(data, start)
    ]


# -- system calls --------------------------------------------------------------------------------


def system_calls(image: Image) -> Calls:
    """Every place that makes one, in order, and the numbers that wrappers are called with."""
    if image.bits != 64 or image.machine not in NUMBERS:
        return Calls([], [])
    engine = disassembler(image.machine)
    engine.skipdata = False
    find = _x86_sites if image.machine == "x86_64" else _arm_sites
    sites = [site for region in image.code for site in find(engine, region)]
    computed = [site.address for site in sites if site.number is None]
    if not computed:
        return Calls(sites, [])
    between = _x86_between if image.machine == "x86_64" else _arm_between

    def decode(region: Region, start: int, end: int) -> list[Code] | None:
        return between(engine, region, start - region.address, end - region.address)

    numbers, through = calls_through(image, computed, NUMBER[image.machine], decode)
    return Calls([Site(at, numbers.get(at, number)) for at, number in sites], through)


def _x86_sites(engine: Any, region: Region) -> Iterator[Site]:
    for match in re.finditer(re.escape(SYSCALL), region.data):
        before = _x86_before(engine, region, match.start())
        if before is not None:
            yield Site(region.address + match.start(), _constant(before, NUMBER["x86_64"]))


def _x86_before(engine: Any, region: Region, end: int) -> list[Code] | None:
    """The instructions before ``end``; None if most decodings step over it.

    Decodings that begin at different bytes soon fall into step, so what most of them arrive at is
    an instruction, and what most step over is not.
    """
    first = max(0, end - BACK)
    steps: dict[int, tuple[int, Code]] = {}
    for start in range(first, end):
        window, address = region.data[start : start + LONGEST], region.address + start
        for _, size, mnemonic, operands in engine.disasm_lite(window, address, 1):
            steps[start] = start + size, Code(address, mnemonic, operands)
    arriving = {end}
    for start in range(end - 1, first - 1, -1):
        if start in steps and steps[start][0] in arriving:
            arriving.add(start)
    if 2 * (len(arriving) - 1) <= end - first:
        return None
    found, at = [], min(arriving)
    while at != end:
        at, code = steps[at]
        found.append(code)
    return found


def _x86_between(engine: Any, region: Region, start: int, end: int) -> list[Code] | None:
    """From one offset to another; None if no instruction begins at the second."""
    found, at, base = [], start, region.address
    for _, size, mnemonic, operands in engine.disasm_lite(region.data[start:end], base + start):
        found.append(Code(base + at, mnemonic, operands))
        at += size
    return found if at == end else None


def _arm_sites(engine: Any, region: Region) -> Iterator[Site]:
    for match in re.finditer(re.escape(SVC), region.data):
        end = match.start()
        if not (region.address + end) % 4:
            found = _arm_between(engine, region, max(end % 4, end - BACK), end)
            yield Site(region.address + end, _constant(found, NUMBER["aarch64"]))


def _arm_between(engine: Any, region: Region, start: int, end: int) -> list[Code]:
    """From one offset to another; data between functions does not end the decoding."""
    found: list[Code] = []
    while start < end:
        address = region.address + start  # capstone's own may go round at the end of all memory
        for _, _, mnemonic, operands in engine.disasm_lite(region.data[start:end], address):
            found.append(Code(region.address + start, mnemonic, operands))
            start += 4
        if start < end:
            found.append(Code(region.address + start, "udf", ""))
            start += 4
    return found


def _constant(before: list[Code], register: str) -> int | None:
    """The number, if it is a constant there."""
    found = origin(before, register)
    return found.value if found is not None and isinstance(found.value, int) else None
