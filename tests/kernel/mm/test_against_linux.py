"""Random sequences of memory calls give the same results, errors included, as on real Linux.

Compared after each call: its result; what is mapped, page by page; now and then every byte that can
be read.  The host may be newer than the Linux we model: what it does otherwise is left out where
the sequences are made.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from kernel.abi.memory import (
    MAP_ANONYMOUS,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_SHARED_VALIDATE,
    MREMAP_DONTUNMAP,
    MREMAP_FIXED,
    MREMAP_MAYMOVE,
)
from tests.support import oracles
from tests.support.linux_memory import (
    ARENA,
    END,
    PAGES,
    READ_ONLY,
    READ_WRITE,
    WRITE_ONLY,
    LinuxMemory,
    OurMemory,
)
from tests.support.memory import PAGE

Call = tuple[str, tuple[int, ...]]

CALLS = (
    *("mmap",) * 6, *("munmap",) * 2, *("mprotect",) * 4, *("mremap",) * 3, *("madvise",) * 3,
    "msync", "mincore", "mlock", "mlock2", "munlock", *("write",) * 5, *("read",) * 2,
)  # fmt: skip
ADVICE = (0, 1, 2, 3, 4, 4, 4, 10, 11, 16, 17, 18, 19, 22, 23, 5, 99, 1000)


def _address(rng: random.Random) -> int:
    address = ARENA + rng.randrange(PAGES) * PAGE
    return address + rng.choice((1, 8, PAGE - 1)) if rng.random() < 0.04 else address


def _length(rng: random.Random) -> int:
    chance = rng.random()
    if chance < 0.05:
        return rng.choice((0, 1, PAGE - 1, (1 << 64) - 1, (1 << 64) - PAGE, 1 << 47, 1 << 63))
    return rng.choice((1, 1, 2, 3, 5, 8)) * PAGE - (rng.random() < 0.1)


def _mmap(rng: random.Random) -> Call:
    flags = rng.choice((MAP_PRIVATE, MAP_PRIVATE, MAP_SHARED, MAP_SHARED_VALIDATE, 0))
    fd, offset = rng.choice((READ_WRITE, READ_WRITE, READ_ONLY, WRITE_ONLY)), 0
    if rng.random() < 0.6:
        flags |= MAP_ANONYMOUS
        fd = -1 & (1 << 64) - 1
    else:
        offset = rng.choice((0, 0, 1, 2, 3)) * PAGE
    flags |= rng.choice((MAP_FIXED, MAP_FIXED, MAP_FIXED, MAP_FIXED_NOREPLACE, 0))
    flags |= rng.choice((0, 0, 0, MAP_NORESERVE, MAP_POPULATE))
    return "mmap", (_address(rng), _length(rng), rng.randrange(8), flags, fd, offset)


def _mremap(rng: random.Random) -> Call:
    flags = rng.choice(
        (0, MREMAP_MAYMOVE, MREMAP_MAYMOVE | MREMAP_FIXED, MREMAP_MAYMOVE | MREMAP_FIXED,
         MREMAP_FIXED, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 16)
    )  # fmt: skip
    old = _length(rng)
    new = old if rng.random() < 0.5 or flags & MREMAP_DONTUNMAP else _length(rng)
    return "mremap", (_address(rng), old, new, flags, _address(rng))


def make_call(rng: random.Random) -> Call:
    """A random call."""
    name = rng.choice(CALLS)
    address = _address(rng)
    if name == "mmap":
        return _mmap(rng)
    if name == "mremap":
        return _mremap(rng)
    if name == "read":
        return name, (address + rng.choice((0, 7, PAGE - 1)),)
    if name == "write":
        return name, (address, rng.randrange(256))
    extra = {
        "mprotect": (rng.choice((0, 1, 2, 3, 4, 5, 7, 8, 16, 0x01000003, 0x03000001)),),
        "madvise": (rng.choice(ADVICE),),
        "msync": (rng.choice((0, 1, 2, 4, 5, 6, 7, 8)),),
        "mlock2": (rng.choice((0, 1)),),
    }
    return name, (address, _length(rng), *extra.get(name, ()))


@pytest.fixture
def linux() -> Iterator[LinuxMemory]:
    if os.uname().machine != "x86_64" or os.uname().sysname != "Linux":
        oracles.cannot_run("memory calls are compared on Linux x86_64")
    worker = LinuxMemory()
    yield worker
    worker.close()


def _is_comparable(linux: LinuxMemory, ours: OurMemory, call: Call) -> bool:
    """Is the outcome the same in every Linux?"""
    name, args = call
    if name == "mremap":
        # Newer ones move several areas at once,
        # and look at the new size and address before the old ones.
        if args[2] >= 1 << 47:
            return False
        area = ours.space.vmas.find(args[0])
        one = area is not None and area.end >= args[0] + args[1]
        return one and linux.in_one_area(args[0], args[1])
    # Behind the arena lies the worker's own memory.
    return (
        name in ("mmap", "read", "write") or args[0] + args[1] <= END or args[1] >= (1 << 64) - PAGE
    )


def _leave_arena(linux: LinuxMemory, ours: OurMemory, theirs: int, mine: int, length: int) -> None:
    """Mappings placed elsewhere are taken away: where that is, is each kernel's own choice."""
    for side, address in ((linux, theirs), (ours, mine)):
        if address > 0 and not ARENA <= address < END:
            side.call("munmap", address, length)
    size = -(-length // PAGE) * PAGE
    if ARENA <= mine < END < mine + size:
        for side in (linux, ours):
            side.call("munmap", END, mine + size - END)


def _same(call: Call, theirs: int, mine: int) -> bool:
    if call[0] in ("mmap", "mremap") and theirs > 0 and mine > 0:
        inside = ARENA <= theirs < END, ARENA <= mine < END
        return theirs == mine if any(inside) else True
    return theirs == mine


def compare(linux: LinuxMemory, seed: int, length: int) -> None:
    """One sequence on both kernels."""
    rng = random.Random(seed)
    ours = OurMemory()
    history: list[str] = []
    for number in range(length):
        call = make_call(rng)
        if not _is_comparable(linux, ours, call):
            continue
        name, args = call
        history.append(f"{name}({', '.join(map(hex, args))})")
        theirs, mine = linux.call(name, *args), ours.call(name, *args)
        where = f"seed {seed}: " + "\n".join(history[-12:])
        assert _same(call, theirs, mine), f"ours {mine}, Linux {theirs}: {where}"
        if name in ("mmap", "mremap"):
            _leave_arena(linux, ours, theirs, mine, args[1] if name == "mmap" else args[2])
        if name not in ("read", "write", "mincore"):
            assert ours.pages() == linux.pages(), where
        if number % 20 == 19:
            for address in range(ARENA, END, PAGE // 2):
                seen = linux.call("read", address), ours.call("read", address)
                assert seen[0] == seen[1], f"{address:#x} {seen}: {where}"
            ours.memory.check(ours.space)
            assert ours.content() == linux.content()


@pytest.mark.native
@pytest.mark.parametrize("seed", range(8))
def test_random_sequences_as_on_linux(linux: LinuxMemory, seed: int) -> None:
    compare(linux, seed, 250)
