"""Breakpoints and watchpoints: ``Z0`` to ``Z4`` and ``z0`` to ``z4``.

They belong to an address space, so to every thread of it.  gdb may insert one twice or take out
what is not there any more (a new program has come); both are fine, as the protocol demands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import KernelError
from tools.gdb import words

if TYPE_CHECKING:
    from kernel.machine.debugger import Breakpoint, Debugger, Watchpoint
    from kernel.mm.address_space import AddressSpace
    from tools.gdb.stub import Stub

_SOFTWARE: Final = 0
_HARDWARE: Final = 1
_ACCESS: Final = {2: "w", 3: "r", 4: "a"}

Key = tuple[int, int, int]
"""Kind, address, and length of a watchpoint."""


class Points:
    """What gdb has inserted, by address space."""

    def __init__(self, debugger: Debugger) -> None:
        self._debugger = debugger
        self._points: dict[AddressSpace, dict[Key, Breakpoint | Watchpoint]] = {}

    def insert(self, mm: AddressSpace, kind: int, address: int, length: int) -> None:
        """Insert one.  Raises EFAULT, EINVAL."""
        points = self._points.setdefault(mm, {})
        key = _key(kind, address, length)
        there = points.get(key)
        if there is not None and there.live:
            return
        if kind in _ACCESS:
            points[key] = self._debugger.watch(mm, address, length, _ACCESS[kind])
        else:
            points[key] = self._debugger.break_at(mm, address, hardware=kind == _HARDWARE)

    def remove(self, mm: AddressSpace, kind: int, address: int, length: int) -> None:
        """Take one out, if it is there."""
        points = self._points.get(mm, {})
        point = points.pop(_key(kind, address, length), None)
        if point is not None:
            self._debugger.remove(point)

    def forget(self, mm: AddressSpace) -> None:
        """Take out all of one space."""
        for point in self._points.pop(mm, {}).values():
            self._debugger.remove(point)

    def prune(self) -> None:
        """Drop what went with its space (exec, exit)."""
        for mm, points in list(self._points.items()):
            if not any(point.live for point in points.values()):
                del self._points[mm]


def _key(kind: int, address: int, length: int) -> Key:
    return (kind, address, length if kind in _ACCESS else 0)


def insert(stub: Stub, packet: bytes) -> bytes:
    """``Z KIND,ADDRESS,LENGTH``."""
    return _point(stub, packet, "insert")


def remove(stub: Stub, packet: bytes) -> bytes:
    """``z KIND,ADDRESS,LENGTH``."""
    return _point(stub, packet, "remove")


def _point(stub: Stub, packet: bytes, verb: str) -> bytes:
    kind, address, length = words.numbers(packet[1:].partition(b";")[0], 3)
    if kind not in (_SOFTWARE, _HARDWARE, *_ACCESS):
        return words.UNSUPPORTED
    task = stub.thread
    if task is None or task.mm is None:
        return words.error(3)  # ESRCH
    try:
        if verb == "insert":
            stub.points.insert(task.mm, kind, address, length)
        else:
            stub.points.remove(task.mm, kind, address, length)
    except KernelError as error:
        return words.error(error.errno)
    return words.OK
