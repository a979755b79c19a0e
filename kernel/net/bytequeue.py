"""One direction of a stream: bytes in order, with things attached to places among them.

Linux keeps ``sk_buff``s; here the chunks that writers gave are kept whole and cut when they are
read.  What travels beside the bytes (open files, credentials) is a ``Mark`` at a range of stream
offsets: a read that touches the range takes it along and ends with the range, so that two messages
with files never become one.  See unix(7), SCM_RIGHTS.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.net.message import Ancillary


class Mark:
    """``ancillary`` belongs to the bytes [start, end) of the stream."""

    __slots__ = ("ancillary", "end", "start")

    def __init__(self, start: int, end: int, ancillary: Ancillary) -> None:
        self.start = start
        self.end = end
        self.ancillary = ancillary

    def __repr__(self) -> str:
        return f"<Mark {self.start}..{self.end}>"


class ByteQueue:
    """Bytes on their way to one reader.

    Invariants: ``size`` is the sum of the chunks' lengths less ``head``, which is within the first
    chunk; no chunk is empty; ``taken`` counts the bytes ever read; marks are sorted and none ends
    at or before ``taken``.
    """

    __slots__ = ("chunks", "head", "marks", "size", "taken")

    def __init__(self) -> None:
        self.chunks: deque[bytes] = deque()
        self.marks: deque[Mark] = deque()
        self.head = 0
        self.size = 0
        self.taken = 0

    def append(self, data: bytes, ancillary: Ancillary | None = None) -> None:
        """Bytes at the end, not none."""
        self.chunks.append(data)
        if ancillary is not None:
            start = self.taken + self.size
            last = self.marks[-1] if self.marks else None
            if last is not None and last.end == start and last.ancillary.joins(ancillary):
                last.end += len(data)
            else:
                self.marks.append(Mark(start, start + len(data), ancillary))
        self.size += len(data)

    def mark_for(self, want: int, skip: int = 0) -> Mark | None:
        """The first mark that a read of ``want`` bytes, ``skip`` further on, would touch."""
        at = self.taken + skip
        for mark in self.marks:
            if mark.end > at:
                return mark if mark.start < at + want else None
        return None

    def read(self, buf: Buffer, want: int) -> int:
        """Move up to ``want`` bytes into the buffer; nothing is lost if it faults."""
        chunks = self.chunks
        first = chunks[0]
        if not self.head and (len(chunks) == 1 or len(first) >= want):
            count = buf.put(first if len(first) <= want else memoryview(first)[:want])
        else:
            count = buf.put(self.peek(want))
        self.skip(count)
        return count

    def peek(self, want: int, skip: int = 0) -> bytes:
        """Up to ``want`` bytes from ``skip`` on, left where they are."""
        parts: list[bytes] = []
        skip += self.head
        for chunk in self.chunks:
            if want <= 0:
                break
            length = len(chunk)
            if skip >= length:
                skip -= length
                continue
            part = chunk[skip : skip + want]
            skip = 0
            parts.append(part)
            want -= len(part)
        return b"".join(parts)

    def skip(self, count: int) -> None:
        """Drop bytes at the front."""
        chunks = self.chunks
        self.size -= count
        self.taken += count
        count += self.head
        while count:
            length = len(chunks[0])
            if count < length:
                break
            chunks.popleft()
            count -= length
        self.head = count
        while self.marks and self.marks[0].end <= self.taken:
            self.marks.popleft()

    def clear(self) -> list[Ancillary]:
        """Drop everything; returns what was attached, for whoever has to release it."""
        attached = [mark.ancillary for mark in self.marks]
        self.chunks.clear()
        self.marks.clear()
        self.taken += self.size
        self.size = self.head = 0
        return attached

    def check_invariants(self) -> None:
        """For tests."""
        assert self.size == sum(map(len, self.chunks)) - self.head
        assert all(self.chunks)
        assert self.head == 0 or self.head < len(self.chunks[0])
        edges = [edge for mark in self.marks for edge in (mark.start, mark.end)]
        assert edges == sorted(edges)
        assert all(mark.end > self.taken for mark in self.marks)

    def __repr__(self) -> str:
        return f"<ByteQueue {self.size} bytes>"
