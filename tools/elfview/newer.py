"""Instructions that are newer than the emulated processors: AVX; LSE atomics and SVE.

A library may have them behind a question to the processor, so they are a warning and no refusal.
What a file demands outright, it says in a note, which the loader reads.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from tools.elfview.image import Image, Region
from tools.elfview.instructions import LONGEST, disassembler

SWEEP_LIMIT: Final = 16 << 20
"""Bytes of code that are searched; a second for each 5 MB."""
VEX: Final = (0xC4, 0xC5, 0x62)
EXAMPLES: Final = 5
PIECE: Final = 1 << 16
ATOMICS: Final = ("cas", "ld", "st", "swp")
"""Beginnings of the mnemonics that FEAT_LSE and FEAT_LRCPC added."""


class Newer(NamedTuple):
    """Of one kind: how many, where the first are, in which functions, how much was searched."""

    kind: str
    instructions: int
    examples: tuple[int, ...]
    functions: tuple[str, ...]
    searched: int


Find = Callable[[Any, Region, int], Iterator[int]]


def newer(image: Image) -> list[Newer]:
    """Search the code; nothing to search on other CPUs."""
    if image.bits != 64 or image.machine not in FINDERS:
        return []
    engine = disassembler(image.machine)
    return [_search(image, engine, kind, find) for kind, find in FINDERS[image.machine].items()]


def _search(image: Image, engine: Any, kind: str, find: Find) -> Newer:
    count, searched = 0, 0
    examples: list[int] = []
    functions: dict[str, None] = {}
    for region in image.code:
        size = min(len(region.data), SWEEP_LIMIT - searched)
        searched += size
        for address in find(engine, region, size):
            count += 1
            if len(examples) < EXAMPLES:
                examples.append(address)
            functions[image.where(address).partition("+")[0]] = None
    functions.pop("", None)
    return Newer(kind, count, tuple(examples), tuple(functions), searched)


def _avx(engine: Any, region: Region, size: int) -> Iterator[int]:
    """A VEX or EVEX prefix; piece by piece, because capstone keeps a whole piece decoded."""
    data, base, at = region.data, region.address, 0
    while at < size:
        end = min(at + PIECE, size)
        window = data[at : min(end + LONGEST, size)]
        # By offsets, not addresses: those of a damaged file may go round at the end of all memory.
        for offset, length, mnemonic, _ in engine.disasm_lite(window, at):
            if offset >= end:
                break
            if mnemonic[0] == "v" and data[offset] in VEX:
                yield base + offset
            at = offset + length


def _words(region: Region, size: int) -> array[int]:
    return array("I", region.data[: size & ~3])


def _atomics(engine: Any, region: Region, size: int) -> Iterator[int]:
    """CAS, CASP, and the loads that add, clear, set or swap (Arm ARM, C4.1)."""
    found = [
        index
        for index, word in enumerate(_words(region, size))
        if word & 0x3F200C00 == 0x38200000
        or word & 0x3FA07C00 == 0x08A07C00
        or word & 0xBFA07C00 == 0x08207C00
    ]
    return _decoded(engine, region, found, ATOMICS)


def _sve(engine: Any, region: Region, size: int) -> Iterator[int]:
    """Scalable vectors have an encoding group of their own; data must not look like them."""
    words = enumerate(_words(region, size))
    found = [index for index, word in words if word >> 25 & 0xF == 2]
    return _decoded(engine, region, found, ())


def _decoded(
    engine: Any, region: Region, indices: list[int], names: tuple[str, ...]
) -> Iterator[int]:
    """Those that are instructions indeed, and are called so."""
    for index in indices:
        at, address = 4 * index, region.address + 4 * index
        for _, _, mnemonic, _ in engine.disasm_lite(region.data[at : at + 4], address):
            if not mnemonic.startswith(".") and (not names or mnemonic.startswith(names)):
                yield address


FINDERS: Final[dict[str, dict[str, Find]]] = {
    "x86_64": {"AVX": _avx},
    "aarch64": {"LSE atomic": _atomics, "SVE": _sve},
}
