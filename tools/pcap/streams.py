"""The sequence numbers of connections: what turns bytes in order into segments.

Initial numbers are a checksum of the addresses and of how many connections came before, so that two
runs with the same events give the same file.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tools.pcap.headers import ACK, FIN, PSH, RST, SEGMENT, SYN, Headers

if TYPE_CHECKING:
    from kernel.net.address import Endpoint
    from kernel.net.marks import Marks

Key = tuple["Endpoint", "Endpoint"]
_WORD = 0xFFFFFFFF


class Stream:
    """One connection: ``next``: the sequence number each end will use; who has sent FIN."""

    __slots__ = ("finished", "next")

    def __init__(self, source: Endpoint, target: Endpoint, number: int) -> None:
        words = [repr((*end, number)).encode() for end in (source, target)]
        self.next = {source: zlib.crc32(words[0]), target: zlib.crc32(words[1])}
        self.finished: set[Endpoint] = set()

    def advance(self, source: Endpoint, count: int) -> None:
        """``source`` has used so many numbers."""
        self.next[source] = (self.next[source] + count) & _WORD


class Streams:
    """All connections, by both ends' addresses, smaller first."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers
        self._streams: dict[Key, Stream] = {}
        self._count = 0

    def open(self, source: Endpoint, target: Endpoint, marks: Marks) -> Iterator[bytes]:
        """SYN, SYN-ACK, ACK.  A SYN that went before without an answer is sent again."""
        stream = self._new(source, target)
        yield self._segment(stream, source, target, marks, SYN)
        stream.advance(source, 1)
        yield self._segment(stream, target, source, marks, SYN | ACK)
        stream.advance(target, 1)
        yield self._segment(stream, source, target, marks, ACK)

    def knock(self, source: Endpoint, target: Endpoint, marks: Marks) -> Iterator[bytes]:
        """A SYN alone."""
        yield self._segment(self._new(source, target), source, target, marks, SYN)

    def refuse(self, source: Endpoint, target: Endpoint, marks: Marks) -> Iterator[bytes]:
        """SYN, RST."""
        stream = self._new(source, target)
        yield self._segment(stream, source, target, marks, SYN)
        stream.advance(source, 1)
        stream.next[target] = 0
        yield self._segment(stream, target, source, marks, RST | ACK)
        del self._streams[_key(source, target)]

    def data(
        self, source: Endpoint, target: Endpoint, marks: Marks, data: bytes, *, reached: bool
    ) -> Iterator[bytes]:
        """Segments of the largest size, each acknowledged; the last one is pushed."""
        stream, most = self._of(source, target), SEGMENT[len(source.ip)]
        for start in range(0, len(data), most):
            part = data[start : start + most]
            flags = ACK | PSH if start + most >= len(data) else ACK
            yield self._segment(stream, source, target, marks, flags, part)
            stream.advance(source, len(part))
            if reached:
                yield self._segment(stream, target, source, marks, ACK)

    def finish(self, source: Endpoint, target: Endpoint, marks: Marks) -> Iterator[bytes]:
        """FIN and its ACK, once; after both ends' the connection is forgotten."""
        stream = self._streams.get(_key(source, target))
        if stream is None or source in stream.finished:
            return
        stream.finished.add(source)
        yield self._segment(stream, source, target, marks, FIN | ACK)
        stream.advance(source, 1)
        yield self._segment(stream, target, source, marks, ACK)
        if len(stream.finished) == len(stream.next):
            del self._streams[_key(source, target)]

    def reset(self, source: Endpoint, target: Endpoint, marks: Marks) -> Iterator[bytes]:
        """RST; nothing follows."""
        stream = self._streams.get(_key(source, target))
        if stream is None:
            return
        yield self._segment(stream, source, target, marks, RST | ACK)
        del self._streams[_key(source, target)]

    # -- inside ----------------------------------------------------------------------------------

    def _new(self, source: Endpoint, target: Endpoint) -> Stream:
        self._count += 1
        stream = self._streams[_key(source, target)] = Stream(source, target, self._count)
        return stream

    def _of(self, source: Endpoint, target: Endpoint) -> Stream:
        """The connection; one whose beginning was not seen begins here."""
        return self._streams.get(_key(source, target)) or self._new(source, target)

    def _segment(
        self, stream: Stream, source: Endpoint, target: Endpoint, marks: Marks, flags: int,
        data: bytes = b"",
    ) -> bytes:  # fmt: skip
        ack = stream.next[target] if flags & ACK else 0
        return self._headers.tcp(source, target, marks, stream.next[source], ack, flags, data)


def _key(source: Endpoint, target: Endpoint) -> Key:
    return (source, target) if source <= target else (target, source)
