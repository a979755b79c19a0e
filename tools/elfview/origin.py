"""Where a value comes from: backwards through instructions, from a register to what set it.

``origin`` answers with a constant, or with the *place* (a register, or a slot of the stack) that
had the value where the way back ends, or with None.  A place that the beginning of a function has
is one of its arguments.

What is followed: constants, copies, sign extensions, stores to the stack and loads from it, push
and pop.  At a call only the stack and the registers a C function saves keep their values.  At an
unconditional jump or return the way goes on at a jump that leads behind it.  Where ways meet, one
of them is taken: what is found is what *can* arrive.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

STACK: Final = "sp"
FRAME: Final = "fp"


class Slot(NamedTuple):
    """A word on the stack: ``base`` is STACK or FRAME, ``offset`` in bytes from it."""

    base: str
    offset: int


Place = str | Slot


class Code(NamedTuple):
    """One instruction."""

    address: int
    mnemonic: str
    operands: str


ENDS: Final = frozenset("ret jmp b br int3 ud2 udf hlt".split())
CALLS: Final = frozenset("call bl blr syscall svc".split())
SAVED: Final = frozenset(
    ["rbx", "rbp", "r12", "r13", "r14", "r15", *(f"x{n}" for n in range(19, 30))]
)
READS: Final = frozenset(
    "cmp test push cbz cbnz str stp tbz tbnz strb strh nop endbr64 bti jmp call".split()
)
COPIES: Final = frozenset("mov movabs movsxd movzx sxtw uxtw ldr ldur ldrsw".split())
BOTH_ZERO: Final = frozenset("xor eor sub".split())
JUMPS: Final = re.compile(r"j\w+|b|b\.\w+|cbn?z|tbn?z")
_HEX: Final = re.compile(r"#?(-?)(0x[0-9a-f]+|\d+)")
_X86_MEMORY: Final = re.compile(r"(?:[dq]word ptr )?\[(r[sb]p)(?: ([+-]) (0x[0-9a-f]+|\d+))?\]")
_ARM_MEMORY: Final = re.compile(r"\[(sp|x29)(?:, #(-?(?:0x[0-9a-f]+|\d+)))?\](!?)")
_BASES: Final = {"rsp": STACK, "sp": STACK, "rbp": FRAME, "x29": FRAME}
_LOW: Final = {
    f"{prefix}{name}": f"r{name}"
    for name in ("ax", "bx", "cx", "dx", "si", "di", "bp", "sp")
    for prefix in ("r", "e", "")
} | {"al": "rax", "bl": "rbx", "cl": "rcx", "dl": "rdx", "sil": "rsi", "dil": "rdi"}
_NUMBERED: Final = re.compile(r"(r\d+)[dwb]?|w(\d+)")


def canonical(register: str) -> str:
    """The 64-bit name of a register: ``eax`` is ``rax``, ``r8d`` is ``r8``, ``w8`` is ``x8``."""
    if register in _LOW:
        return _LOW[register]
    match = _NUMBERED.fullmatch(register)
    if match is None:
        return register
    return match[1] or f"x{match[2]}"


def is_register(text: str) -> bool:
    """Is the operand a general register?"""
    return text in _LOW or re.fullmatch(r"r\d+[dwb]?|[wx]\d+", text) is not None


def constant(text: str) -> int | None:
    """An immediate operand."""
    match = _HEX.fullmatch(text)
    return None if match is None else int(match[1] + match[2], 0)


def split(operands: str) -> list[str]:
    """Operands at their commas, those inside brackets left alone."""
    return [part.strip() for part in re.split(r",(?![^\[]*\])", operands)]


def slot(text: str) -> Slot | None:
    """A memory operand on the stack or in the frame."""
    match = _X86_MEMORY.fullmatch(text)
    if match is not None:
        offset = int(match[3] or "0", 0)
        return Slot(_BASES[match[1]], -offset if match[2] == "-" else offset)
    match = _ARM_MEMORY.fullmatch(text)
    return None if match is None else Slot(_BASES[match[1]], int(match[2] or "0", 0))


class Found(NamedTuple):
    """A constant, or the place that had the value when the instruction at ``start`` began."""

    value: int | Place
    start: int


def origin(before: Sequence[Code], wanted: Place) -> Found | None:
    """What arrives in ``wanted`` after these instructions; None: nothing that can be told."""
    at, start = len(before) - 1, 0
    steps = 4 * len(before)  # ways may lead in circles
    while at >= 0 and steps:
        steps -= 1
        code = before[at]
        if code.mnemonic in ENDS:
            jump = _jump_to(before, start)
            if jump is None:
                return Found(wanted, start) if start else None
            at = jump - 1
            continue
        found = _before(code, wanted)
        if found is None or isinstance(found, int):
            return None if found is None else Found(found, code.address)
        wanted = found
        if code.mnemonic != "nop":
            start = code.address
        at -= 1
    return Found(wanted, start) if start and steps else None


def _jump_to(before: Sequence[Code], address: int) -> int | None:
    """The first jump to an instruction that nothing falls into."""
    for i, code in enumerate(before):
        if JUMPS.fullmatch(code.mnemonic) and constant(split(code.operands)[-1]) == address:
            return i
    return None


def _before(code: Code, wanted: Place) -> int | Place | None:
    """Where the value was before one instruction."""
    mnemonic = code.mnemonic
    if mnemonic in CALLS:
        return wanted if isinstance(wanted, Slot) or wanted in SAVED else None
    parts = split(code.operands) if code.operands else []
    if isinstance(wanted, Slot):
        return _slot_before(mnemonic, parts, wanted)
    return _register_before(mnemonic, parts, wanted)


# -- registers -----------------------------------------------------------------------------------


def _register_before(mnemonic: str, parts: list[str], wanted: str) -> int | Place | None:
    if not parts:
        return None if mnemonic in ("cdq", "cqo") and wanted == "rdx" else wanted
    if mnemonic in ("ldp", "xchg") and wanted in map(canonical, parts[:2]):
        return _pair_before(mnemonic, parts, wanted)
    if canonical(parts[0]) != wanted or mnemonic in READS:
        return wanted
    if mnemonic in BOTH_ZERO and len({canonical(part) for part in parts[-2:]}) == 1:
        return 0
    if mnemonic == "pop":
        return Slot(STACK, 0)
    if mnemonic in ("movz", *COPIES) and len(parts) == 2:
        value = _value(parts[1])
        return slot(parts[1]) if value is None else value
    return None


def _pair_before(mnemonic: str, parts: list[str], wanted: str) -> Place | None:
    second = canonical(parts[1]) == wanted
    if mnemonic == "xchg":
        return canonical(parts[0 if second else 1])
    place = slot(parts[2])
    return None if place is None or len(parts) > 3 else place._replace(
        offset=place.offset + 8 * second
    )  # fmt: skip


# -- the stack -----------------------------------------------------------------------------------


def _slot_before(mnemonic: str, parts: list[str], wanted: Slot) -> int | Place | None:
    stored = _stored(mnemonic, parts, wanted)
    if stored is not None:
        return stored
    if wanted.base == FRAME and parts and canonical(parts[0]) in ("rbp", "x29"):
        return _without_frame(mnemonic, parts, wanted)
    if wanted.base == STACK:
        moved = _stack_change(mnemonic, parts)
        if moved is None:
            return None
        return wanted._replace(offset=wanted.offset + moved)
    return wanted


def _stored(mnemonic: str, parts: list[str], wanted: Slot) -> int | Place | None:
    """The value that this instruction puts there."""
    if mnemonic == "push" and wanted == Slot(STACK, 0):
        return _value(parts[0])
    if mnemonic == "mov" and len(parts) == 2 and slot(parts[0]) == wanted:
        return _value(parts[1])
    if mnemonic in ("str", "stur") and len(parts) == 2 and _without_update(parts[1]) == wanted:
        return _value(parts[0])
    if mnemonic == "stp" and len(parts) == 3:
        place = _without_update(parts[2])
        for index in (0, 1):
            if place is not None and place._replace(offset=place.offset + 8 * index) == wanted:
                return _value(parts[index])
    return None


def _without_update(text: str) -> Slot | None:
    """The slot that is written, as the stack pointer stands afterwards."""
    if text.endswith("!"):
        found = slot(text[:-1])
        return None if found is None else found._replace(offset=0)
    return slot(text)


def _value(text: str) -> int | Place | None:
    number = constant(text)
    if number is not None:
        return number
    if text in ("xzr", "wzr"):
        return 0
    return canonical(text) if is_register(text) else None


def _without_frame(mnemonic: str, parts: list[str], wanted: Slot) -> Place | None:
    """Before the frame pointer was set a slot has a place relative to the stack pointer."""
    if mnemonic == "mov" and parts[1] in ("rsp", "sp"):
        return wanted._replace(base=STACK)
    if mnemonic == "lea":
        place = slot(parts[1])
    elif mnemonic == "add" and len(parts) == 3 and parts[1] == "sp":
        place = Slot(STACK, constant(parts[2]) or 0)
    else:
        return wanted if mnemonic in READS else None
    if place is None or place.base != STACK:
        return None
    return Slot(STACK, wanted.offset + place.offset)


def _stack_change(mnemonic: str, parts: list[str]) -> int | None:
    """What to add to an offset from the stack pointer; None: it is set to something else."""
    if mnemonic == "push":
        return -8
    if mnemonic == "pop":
        return 8
    if parts and parts[-1].endswith("!") and mnemonic in ("stp", "str"):
        found = slot(parts[-1][:-1])
        return 0 if found is None or found.base != STACK else found.offset
    if not parts or parts[0] not in ("rsp", "sp"):
        return 0
    change = constant(parts[-1])
    if mnemonic in READS:
        return 0
    if change is None or mnemonic not in ("add", "sub"):
        return None
    return change if mnemonic == "add" else -change
