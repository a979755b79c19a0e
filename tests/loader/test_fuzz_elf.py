"""Mutated ELF files: each is refused with a reason or loaded into a sound address space.

Half of the mutations hit the headers.  What is loaded must obey every invariant of the address
space, and whatever was loaded or refused must give all its frames back.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest

from kernel.abi.errors import KernelError
from kernel.arch import ARCHES
from tests.support.counts import scaled
from tests.support.elf_files import (
    PT_GNU_PROPERTY,
    PT_INTERP,
    ElfFile,
    Header,
    R,
    plain,
    property_note,
)
from tests.support.programs import ProgramWorld

pytestmark = pytest.mark.row("K13")

MUTATIONS = 2000
INTERESTING = (
    0, 1, 2, 55, 56, 57, 4095, 4096, 4097, 65535, 65536, 0x400000, 0x401000, 0x7FFFFFFFF000,
    (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 47, (1 << 63) - 1, 1 << 63, (1 << 64) - 4096,
    (1 << 64) - 1,
)  # fmt: skip

Mutation = Callable[[bytearray, random.Random], None]


def _headers_end(data: bytearray) -> int:
    return min(len(data), 64 + 56 * 6)


def _flip_bit(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(_headers_end(data))] ^= 1 << chance.randrange(8)


def _odd_field(data: bytearray, chance: random.Random) -> None:
    """A header field of 2, 4 or 8 bytes takes an interesting value."""
    size = chance.choice((2, 4, 8))
    at = chance.randrange(0, max(_headers_end(data) - size, 1), 2)
    value = chance.choice(INTERESTING) & (1 << size * 8) - 1
    data[at : at + size] = value.to_bytes(size, "little")


def _shift_field(data: bytearray, chance: random.Random) -> None:
    """A 64-bit field of a program header moves by a little."""
    at = 64 + 56 * chance.randrange(6) + 8 * chance.randrange(1, 7)
    if at + 8 <= len(data):
        (value,) = struct.unpack_from("<Q", data, at)
        value += chance.choice((-4096, -1, 1, 4096, 1 << 20, -(1 << 20), 1 << 32))
        struct.pack_into("<Q", data, at, value % (1 << 64))


def _any_byte(data: bytearray, chance: random.Random) -> None:
    data[chance.randrange(len(data))] = chance.randrange(256)


def _cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def _lose_a_piece(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    del data[at : at + chance.randrange(1, 200)]


HEADER_MUTATIONS: tuple[Mutation, ...] = (_flip_bit, _odd_field, _shift_field)
OTHER_MUTATIONS: tuple[Mutation, ...] = (_any_byte, _cut, _lose_a_piece)


def seeds(arch: str) -> list[bytes]:
    """A static program, a static PIE, and a dynamic program with a property note."""
    pie = plain(arch, type=3, entry=0x1000)
    for header in pie.headers:
        header.vaddr = max(header.vaddr - 0x400000, 0)
    dynamic: ElfFile = plain(arch)
    dynamic.headers += [
        Header(PT_INTERP, R, 0x1800, data=b"/lib/ld.so\0"),
        Header(PT_GNU_PROPERTY, R, 0x1900, data=property_note(0xC0008002, 3)),
    ]
    return [bytes(plain(arch)), bytes(pie), bytes(dynamic)]


def mutated(seed: bytes, chance: random.Random) -> bytes:
    data = bytearray(seed)
    pool = HEADER_MUTATIONS if chance.random() < 0.5 else OTHER_MUTATIONS
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        if data:
            chance.choice(pool)(data, chance)
    return bytes(data)


def _execute(world: ProgramWorld) -> KernelError | None:
    try:
        world.execute(b"/bin/p", (b"p", b"argument"), (b"A=1",))
    except KernelError as error:
        return error
    return None


def _try(world: ProgramWorld, data: bytes) -> KernelError | None:
    world.add(b"/bin/p", data)
    error = _execute(world)
    if error is not None:
        assert error.reason, f"{error!r} without a reason"
        return error
    world.space.check_invariants()
    pc, sp = world.entry
    assert sp % 16 == 0
    assert world.program.mem.read_u64(sp) == 2
    assert 0 <= pc < 1 << 64
    return None


@pytest.mark.parametrize("arch", sorted(ARCHES))
@pytest.mark.parametrize("target", [b"/bin/p", b"/lib/ld.so"])
def test_mutated_files_are_refused_or_loaded(arch: str, target: bytes) -> None:
    chance = random.Random(f"{arch} {target!r}")
    world = ProgramWorld(arch)
    _static, pie, dynamic = sources = seeds(arch)
    world.add(b"/lib/ld.so", pie)
    assert _try(world, dynamic) is None
    refused = loaded = 0
    for _ in range(scaled(MUTATIONS) // 2):
        if target == b"/bin/p":
            error = _try(world, mutated(chance.choice(sources), chance))
        else:
            world.add(target, mutated(pie, chance))
            error = _try(world, dynamic)
        refused += error is not None
        loaded += error is None
    assert refused > 10
    assert loaded > 10
    world.add(b"/lib/ld.so", pie)
    assert _try(world, dynamic) is None
    world.kernel.frames.check_invariants()


@pytest.mark.parametrize("arch", sorted(ARCHES))
def test_nothing_is_kept_of_what_was_loaded_or_refused(arch: str) -> None:
    chance = random.Random(arch)
    world = ProgramWorld(arch)
    sources = seeds(arch)
    world.add(b"/lib/ld.so", sources[1])
    assert _try(world, sources[0]) is None
    used = world.kernel.frames.used_count
    for _ in range(scaled(200)):
        _try(world, mutated(chance.choice(sources), chance))
    assert _try(world, sources[0]) is None
    assert world.kernel.frames.used_count == used
