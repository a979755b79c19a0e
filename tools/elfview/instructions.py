"""Instructions: a listing, the system calls in the code, and what needs AVX.

**System calls.**  ``syscall`` and ``svc #0`` are found by their bytes.  From each the scan goes
back, instruction by instruction, for what last wrote the number's register (eax, x8): a constant,
a copy of another register (which is then followed), or something else, in which case the number
stays unknown.  It stops at a call, a jump or a return: what came before need not have run.

x86 instructions have no fixed length.  Decoding begins some bytes earlier and is believed if it
arrives at the ``syscall`` exactly; byte pairs inside other instructions are weeded out that way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import capstone

from syscalls.numbers import NUMBERS
from tools.elfview.image import Image, Region
from tools.errors import DioramaError

SWEEP_LIMIT: Final = 16 << 20
"""Bytes of code that are searched for AVX; a second for each 5 MB."""
BACK: Final = 64
SYSCALL: Final = b"\x0f\x05"
SVC: Final = b"\x01\x00\x00\xd4"
VEX: Final = (0xC4, 0xC5, 0x62)
EXAMPLES: Final = 5


class Site(NamedTuple):
    """One place in the code that makes a system call; number None: not a constant there."""

    address: int
    number: int | None


class Instruction(NamedTuple):
    """As a listing shows it."""

    address: int
    data: bytes
    mnemonic: str
    operands: str


def _disassembler(machine: str) -> Any:  # Any: capstone has no types
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
        for i in _disassembler(image.machine).disasm(data, start)
    ]


# -- system calls --------------------------------------------------------------------------------


def system_calls(image: Image) -> list[Site]:
    """Every place that makes one, in order."""
    if image.bits != 64 or image.machine not in NUMBERS:
        return []
    find = _x86_sites if image.machine == "x86_64" else _arm_sites
    engine = _disassembler(image.machine)
    engine.skipdata = False
    return [site for region in image.code for site in find(engine, image, region)]


def _x86_sites(engine: Any, image: Image, region: Region) -> Iterator[Site]:
    for match in re.finditer(re.escape(SYSCALL), region.data):
        before = _x86_before(engine, region, match.start())
        if before is not None:
            yield Site(region.address + match.start(), _number(before, "eax"))


def _x86_before(engine: Any, region: Region, end: int) -> list[tuple[str, str]] | None:
    """The instructions before ``end``; None if most decodings step over it.

    An instruction is at most 15 bytes long, so one of 16 neighbouring starts is right, and the
    wrong ones usually fall into step soon.
    """
    starts = range(end - BACK, end - BACK + 16) if end >= BACK else range(1)
    decoded = [_decoded_up_to(engine, region, start, end) for start in starts]
    arrived = [found for found in decoded if found is not None]
    return arrived[0] if 2 * len(arrived) > len(starts) else None


def _decoded_up_to(
    engine: Any, region: Region, start: int, end: int
) -> list[tuple[str, str]] | None:
    found, at = [], start
    for _, size, mnemonic, operands in engine.disasm_lite(region.data[start : end + 2], start):
        if at == end:
            break
        at += size
        found.append((mnemonic, operands))
    return found if at == end else None


def _arm_sites(engine: Any, image: Image, region: Region) -> Iterator[Site]:
    for match in re.finditer(re.escape(SVC), region.data):
        end = match.start()
        if (region.address + end) % 4:
            continue
        start = max(0, end - BACK)
        # Word by word: data between functions must not end the decoding.
        found = [
            next(
                ((m, o) for _, _, m, o in engine.disasm_lite(region.data[at : at + 4], at)),
                ("ret", ""),
            )
            for at in range(start + (end - start) % 4, end, 4)
        ]
        yield Site(region.address + end, _number(found, "w8"))


_BARRIERS: Final = frozenset("ret jmp call b bl br blr syscall svc int3 ud2 udf hlt".split())
_HEX: Final = re.compile(r"^#?(-?)(0x[0-9a-f]+|\d+)$")


def _number(before: list[tuple[str, str]], register: str) -> int | None:
    """The constant in a register after these instructions, if it is one."""
    wanted = _canonical(register)
    pushed: int | None = None  # looking for the `push imm` of a `pop rax`
    for mnemonic, operands in reversed(before):
        if mnemonic in _BARRIERS or mnemonic.startswith("b."):
            return None
        parts = [part.strip() for part in operands.split(",")]
        if pushed is not None:
            if mnemonic == "push":
                return _constant(parts[0])
            continue
        if not parts or _canonical(parts[0]) != wanted or _only_reads(mnemonic):
            continue
        if mnemonic in ("mov", "movz", "movabs") and len(parts) == 2:
            constant = _constant(parts[1])
            if constant is not None:
                return constant
            if not _is_register(parts[1]):
                return None
            wanted = _canonical(parts[1])
        elif mnemonic in ("xor", "eor", "sub") and len(set(map(_canonical, parts))) == 1:
            return 0
        elif mnemonic == "pop":
            pushed = 0
        else:
            return None
    return None


def _only_reads(mnemonic: str) -> bool:
    return mnemonic in ("cmp", "test", "push", "cbz", "cbnz", "str", "stp", "tbz", "tbnz", "strb")


def _constant(text: str) -> int | None:
    match = _HEX.match(text)
    if match is None:
        return None
    return int(match[1] + match[2], 0)


_LOW: Final = {
    f"{prefix}{name}": f"r{name}"
    for name in ("ax", "bx", "cx", "dx", "si", "di", "bp", "sp")
    for prefix in ("r", "e", "")
}


def _canonical(register: str) -> str:
    """The 64-bit name of a register: ``eax`` is ``rax``, ``r8d`` is ``r8``, ``w8`` is ``x8``."""
    if register in _LOW:
        return _LOW[register]
    match = re.fullmatch(r"(r\d+)[dwb]?|w(\d+)", register)
    if match is None:
        return register
    return match[1] or f"x{match[2]}"


def _is_register(text: str) -> bool:
    return text in _LOW or re.fullmatch(r"r\d+[dwb]?|[wx]\d+", text) is not None


# -- AVX -----------------------------------------------------------------------------------------


class Avx(NamedTuple):
    """Instructions with a VEX or EVEX prefix, and how much code was searched."""

    instructions: int
    examples: tuple[int, ...]
    functions: tuple[str, ...]
    searched: int


def avx(image: Image) -> Avx:
    """Search the code for AVX; nothing to search on other CPUs."""
    if image.machine != "x86_64" or image.bits != 64:
        return Avx(0, (), (), 0)
    engine = _disassembler("x86_64")
    count, searched = 0, 0
    examples: list[int] = []
    functions: dict[str, None] = {}
    for region in image.code:
        data = region.data[: SWEEP_LIMIT - searched]
        searched += len(data)
        for address, _, mnemonic, _ in engine.disasm_lite(data, region.address):
            if mnemonic[0] == "v" and data[address - region.address] in VEX:
                count += 1
                if len(examples) < EXAMPLES:
                    examples.append(address)
                functions[image.where(address).partition("+")[0]] = None
    functions.pop("", None)
    return Avx(count, tuple(examples), tuple(functions), searched)
