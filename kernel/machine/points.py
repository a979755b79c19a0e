"""Breakpoints and watchpoints by address space, and what of them is in the processor.

Several breakpoints may be at one address; the processor has one there.  Points end with their
address space: exec and exit leave none behind.

A watchpoint sees what instructions do.  What the kernel writes for a program (read(2) into a
watched buffer) is found after the call by comparing the bytes; the debug registers of a real
processor would miss it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EFAULT, EINVAL, ENOSPC
from kernel.cpu.base import WATCH_READ, WATCH_WRITE
from kernel.machine.stops import Breakpoint, Watchpoint
from kernel.mm.peek import peek

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel.cpu.base import Cpu
    from kernel.machine.stops import Stop
    from kernel.mm.address_space import AddressSpace

ACCESSES: Final = {"r": WATCH_READ, "w": WATCH_WRITE, "a": WATCH_READ | WATCH_WRITE}
MOST_WATCHED: Final = 1 << 16
"""Bytes that one watchpoint may cover."""


class Points:
    """All points of one debugger.

    Invariant: the processor has a breakpoint exactly at the keys of ``_breakpoints``, and the
    watchpoints of ``watches``.
    """

    def __init__(self, cpu: Cpu) -> None:
        self._cpu = cpu
        self._breakpoints: dict[tuple[int, int], list[Breakpoint]] = {}
        self.watches: list[Watchpoint] = []

    def break_at(
        self,
        mm: AddressSpace,
        address: int,
        hardware: bool,
        when: Callable[[Stop], object] | None,
    ) -> Breakpoint:
        """See Debugger.break_at."""
        if address % self._cpu.arch.code_alignment:
            raise EINVAL("no instruction can begin at %#x", address)
        if not peek(mm, address, 1):
            raise EFAULT("nothing is mapped at %#x", address)
        found = self._breakpoints.get((mm.root, address))
        if found is None:
            try:
                self._cpu.insert_breakpoint(mm.root, address)
            except MemoryError as full:
                raise ENOSPC("%s", full) from None
            found = self._breakpoints[mm.root, address] = []
        point = Breakpoint(mm, address, hardware, when)
        found.append(point)
        return point

    def watch(
        self,
        mm: AddressSpace,
        address: int,
        length: int,
        access: str,
        when: Callable[[Stop], object] | None,
    ) -> Watchpoint:
        """See Debugger.watch."""
        if access not in ACCESSES:
            raise EINVAL("access is 'r', 'w' or 'a', not %r", access)
        if not 1 <= length <= MOST_WATCHED:
            raise EINVAL("a watchpoint covers 1 to %d bytes, not %d", MOST_WATCHED, length)
        point = Watchpoint(mm, address, length, access, when)
        point.old = point.new = peek(mm, address, length)
        if len(point.new) < length:
            raise EFAULT("nothing is mapped at %#x", address + len(point.new))
        try:
            point.number = self._cpu.insert_watch(mm.root, address, length, ACCESSES[access])
        except MemoryError as full:
            raise ENOSPC("%s", full) from None
        self.watches.append(point)
        return point

    def remove(self, point: Breakpoint | Watchpoint) -> None:
        """See Debugger.remove."""
        if not point.live:
            return
        point.live = False
        if isinstance(point, Watchpoint):
            self.watches.remove(point)
            self._cpu.remove_watch(point.number)
            return
        key = (point.mm.root, point.address)
        self._breakpoints[key].remove(point)
        if not self._breakpoints[key]:
            del self._breakpoints[key]
            self._cpu.remove_breakpoint(*key)

    def clear(self) -> None:
        """Take out all of them."""
        for watch in list(self.watches):
            self.remove(watch)
        for points in list(self._breakpoints.values()):
            for point in list(points):
                self.remove(point)

    def at(self, mm: AddressSpace, address: int) -> list[Breakpoint]:
        """The breakpoints at an address."""
        return self._breakpoints.get((mm.root, address), [])

    def prune(self) -> None:
        """Forget the points of spaces that are gone; the processor has done so already."""
        self.watches = [point for point in self.watches if _alive(point)]
        for key, points in list(self._breakpoints.items()):
            if not all(map(_alive, points)):
                del self._breakpoints[key]

    def hit(self, mm: AddressSpace, bits: int) -> list[Watchpoint]:
        """The watchpoints that an instruction met, with their bytes brought up to date."""
        found = [p for p in self.watches if p.mm is mm and bits >> p.number & 1]
        for point in self.watches:
            if point.mm is mm:
                refresh(point)
        return found

    def changed(self, mm: AddressSpace) -> list[Watchpoint]:
        """The watchpoints for writing whose bytes the kernel has changed."""
        return [p for p in self.watches if p.mm is mm and refresh(p) and p.access != "r"]


def refresh(point: Watchpoint) -> bool:
    """Look at the bytes again: are they different?"""
    point.old, point.new = point.new, peek(point.mm, point.address, point.length)
    return point.old != point.new


def _alive(point: Breakpoint | Watchpoint) -> bool:
    if point.mm.users == 0:
        point.live = False
    return point.live
