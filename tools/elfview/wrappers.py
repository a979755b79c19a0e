"""System calls whose number is an argument: ``syscall(3)``, musl's cancellable calls, Go's Syscall.

A place in the code that makes a system call with whatever its function was given is a *wrapper*.
Then the numbers stand where the wrapper is called, perhaps in another wrapper: so the scan goes
from each to its callers, until a constant is found or nothing is.

Callers are found by decoding call and jump instructions; a function begins where something calls.
"""

from __future__ import annotations

import re
import struct
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from tools.elfview.image import Image, Region
from tools.elfview.origin import STACK, Code, Found, Place, Slot, origin

LONGEST: Final = 2048
"""Bytes of a function that are looked through, from its beginning to the call."""
MOST_WRAPPERS: Final = 64
ARGUMENTS: Final = frozenset(
    "rax rbx rcx rdi rsi rdx r8 r9 r10 r11 x0 x1 x2 x3 x4 x5 x6 x7 x8".split()
)
"""Registers that C or Go pass arguments in."""
_REL32: Final = struct.Struct("<i")

Decode = Callable[[Region, int, int], "list[Code] | None"]
"""decode(region, start, end) -> the instructions between two addresses; None: they do not fit."""


class Through(NamedTuple):
    """A call of a wrapper with a constant: where, which number, which wrapper."""

    address: int
    number: int
    wrapper: int


class CallGraph:
    """Who calls or jumps where.  ``callers``: target -> places; ``starts``: sorted targets."""

    def __init__(self, image: Image, decode: Decode) -> None:
        self._decode = decode
        self.callers: dict[int, list[int]] = {}
        self._regions = image.code
        self._strong = {function.address for function in image.functions}
        starts = set(self._strong)
        scan = _x86_calls if image.machine == "x86_64" else _arm_calls
        self._return_size = 8 if image.machine == "x86_64" else 0
        for region in image.code:
            end = region.address + len(region.data)
            for place, target, is_call in scan(region):
                if region.address <= target < end:
                    self.callers.setdefault(target, []).append(place)
                    starts.add(target)
                    if is_call:
                        self._strong.add(target)
        self.starts = sorted(starts)

    def region_of(self, address: int) -> Region | None:
        """The piece of code an address is in."""
        return next(
            (r for r in self._regions if r.address <= address < r.address + len(r.data)), None
        )

    def functions_of(self, address: int) -> Iterator[int]:
        """Where the function of an address may begin, the nearest first."""
        index = bisect_right(self.starts, address) - 1
        while index >= 0 and address - self.starts[index] <= LONGEST:
            yield self.starts[index]
            index -= 1

    def before(self, address: int, place: Place) -> Iterator[Found]:
        """What can arrive in ``place`` at ``address``, from inside its function.

        A function may begin where something jumps (a tail call); but that may be a loop, too, so
        the way from further up counts as well, up to a place that is called.
        """
        region = self.region_of(address)
        if region is None:
            return
        for start in self.functions_of(address):
            code = self._decode(region, start, address)
            if not code:
                continue
            found = origin(code, place)
            if found is not None:
                yield found
            if start in self._strong:
                return

    def given(self, place: int | Place) -> Place | None:
        """How a caller sees what a function has in ``place`` at its beginning."""
        if isinstance(place, int):
            return None
        if isinstance(place, Slot):
            if place.base != STACK or place.offset < self._return_size:
                return None
            return place._replace(offset=place.offset - self._return_size)
        return place if place in ARGUMENTS else None


def calls_through(
    image: Image, computed: list[int], register: str, decode: Decode
) -> tuple[dict[int, int], list[Through]]:
    """(numbers of sites that only their whole function tells, calls of wrappers)."""
    graph = CallGraph(image, decode)
    numbers: dict[int, int] = {}
    calls: dict[tuple[int, int], Through] = {}
    for site in computed:
        for found in graph.before(site, register):
            if isinstance(found.value, int):
                numbers.setdefault(site, found.value)
            else:
                calls.update(((c.address, c.number), c) for c in _follow(graph, found))
    return numbers, [calls[key] for key in sorted(calls)]


def _follow(graph: CallGraph, found: Found) -> Iterator[Through]:
    """Every constant that can come from callers, and from theirs."""
    waiting, seen = [found], {found}
    while waiting and len(seen) < MOST_WRAPPERS:
        inside = waiting.pop()
        given = graph.given(inside.value)
        if given is None:
            continue
        for caller in graph.callers.get(inside.start, ()):
            for above in graph.before(caller, given):
                if isinstance(above.value, int):
                    yield Through(caller, above.value, inside.start)
                elif above not in seen:
                    seen.add(above)
                    waiting.append(above)


def _x86_calls(region: Region) -> Iterator[tuple[int, int, bool]]:
    """(place, target, is it a call) of every ``e8`` and ``e9`` that leads into the code."""
    data, base, size = region.data, region.address, len(region.data)
    for match in re.finditer(rb"[\xe8\xe9]", data):
        at = match.start()
        if at + 5 <= size:
            target = at + 5 + _REL32.unpack_from(data, at + 1)[0]
            if 0 <= target < size:
                yield base + at, base + target, data[at] == 0xE8


def _arm_calls(region: Region) -> Iterator[tuple[int, int, bool]]:
    """``bl`` and ``b``."""
    words = array("I", region.data[: len(region.data) & ~3])
    for index, word in enumerate(words):
        kind = word >> 26
        if kind in (0x25, 0x05):
            offset = (word & 0x3FFFFFF) - ((word & 0x2000000) << 1)
            yield region.address + 4 * index, region.address + 4 * (index + offset), kind == 0x25
