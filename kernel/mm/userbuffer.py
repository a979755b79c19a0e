"""``UserBuffer``: the Buffer protocol over guest memory, one segment or an iovec's many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EFAULT
from kernel.mm.around import Around

if TYPE_CHECKING:
    from kernel.mm.usercopy import UserMemory

_READ = 0
_WRITE = 1


class UserBuffer:
    """A position in a list of guest segments; see kernel.mm.buffer for the rules.

    Invariant: ``remaining`` is the sum of what is left of the segments from ``_index`` on, the
    first of them from ``_offset`` on.
    """

    __slots__ = ("_index", "_memory", "_offset", "_segments", "done", "remaining")

    def __init__(self, memory: UserMemory, segments: list[tuple[int, int]]) -> None:
        self._memory = memory
        self._segments = segments
        self._index = 0
        self._offset = 0
        self.done = 0
        self.remaining = (
            sum(length for _, length in segments) if len(segments) != 1 else (segments[0][1])
        )

    def put(self, data: bytes | bytearray | memoryview) -> int:
        """Copy kernel bytes to the program; returns how many fitted.

        EFAULT only if the buffer moved nothing so far.
        """
        n = len(data)
        if len(self._segments) == 1 and n <= self.remaining:
            try:
                self._memory.write(self._segments[0][0] + self._offset, data)
            except EFAULT:
                pass  # the exact end is found below
            else:
                self.advance(n)
                return n
        source = memoryview(data)
        copied = 0
        for view in self._views(n, _WRITE):
            length = len(view)
            view[:] = source[copied : copied + length]
            copied += length
        self.advance(copied)
        return copied

    def take(self, n: int) -> bytes:
        """Copy up to n bytes from the program.  EFAULT only if the buffer moved nothing so far."""
        n = min(n, self.remaining)
        if len(self._segments) == 1:
            try:
                data = self._memory.read(self._segments[0][0] + self._offset, n)
            except EFAULT:
                pass  # the exact end is found below
            else:
                self.advance(n)
                return data
        data = b"".join(self._views(n, _READ))
        self.advance(len(data))
        return data

    def put_views(self, n: int) -> list[memoryview]:
        """Slices of RAM for the next n bytes at most, made writable; not advanced."""
        return self._views(n, _WRITE)

    def take_views(self, n: int) -> list[memoryview]:
        """Slices of RAM with the next n bytes at most; not advanced."""
        return self._views(n, _READ)

    def _views(self, n: int, access: int) -> list[memoryview]:
        """Slices for the next n bytes, up to the first bad page."""
        wanted = left = min(n, self.remaining)
        index, offset = self._index, self._offset
        ram = self._memory.ram_bytes
        views: list[memoryview] = []
        while left:
            base, length = self._segments[index]
            span = min(length - offset, left)
            if span:
                got = 0
                for start, size in self._memory.runs(base + offset, span, access, partial=True):
                    views.append(ram[start : start + size])
                    got += size
                left -= got
                if got < span:
                    break
            index, offset = index + 1, 0
        if left == wanted and wanted and not self.done:
            base, _ = self._segments[self._index]
            raise EFAULT("%s", Around(self._memory.space, base + self._offset, access))
        return views

    def advance(self, n: int) -> None:
        """n bytes were moved."""
        self.done += n
        self.remaining -= n
        self._offset += n
        while self._index < len(self._segments) - 1:
            length = self._segments[self._index][1]
            if self._offset < length:
                break
            self._offset -= length
            self._index += 1
