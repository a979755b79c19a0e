"""Packets on the wire: ``$payload#checksum``, acknowledgements, escapes, the interrupt byte.

Whatever arrives, nothing here raises: bytes that are no packet are dropped, as gdbserver does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

PACKET_SIZE: Final = 0x8000
"""The longest packet either side may send, announced in qSupported."""

INTERRUPT: Final = b"\x03"
"""^C: a byte of its own, outside any packet."""
ACK: Final = b"+"
NAK: Final = b"-"

_ESCAPE: Final = 0x7D
_ESCAPED: Final = frozenset(b"#$}*")
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")


def escape(data: bytes) -> bytes:
    """Binary data as it may stand in a packet."""
    if not _ESCAPED.intersection(data):
        return data
    out = bytearray()
    for byte in data:
        if byte in _ESCAPED:
            out.append(_ESCAPE)
            byte ^= 0x20
        out.append(byte)
    return bytes(out)


def unescape(data: bytes) -> bytes:
    """Undo ``escape``; a lone escape at the end is dropped."""
    head, *rest = data.split(b"}")
    out = bytearray(head)
    for part in rest:
        if part:
            out.append(part[0] ^ 0x20)
            out += part[1:]
    return bytes(out)


def frame(payload: bytes) -> bytes:
    """A payload, escaped already where it is binary, as it goes over the wire."""
    return b"$%b#%02x" % (payload, sum(payload) & 0xFF)


class PacketReader:
    """From a stream of bytes to what it means.

    ``feed`` yields, in order: ``INTERRUPT``, ``NAK`` (gdb wants the last reply again, or a packet
    came broken and gdb must send it again: then ``broken`` is true), or a payload with its escapes
    still in it, behind a ``$``.
    """

    def __init__(self) -> None:
        self.check = True
        """Are checksums looked at?  Not after QStartNoAckMode."""
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The next bytes of the stream."""
        self._buffer += data
        while True:
            token = self._next()
            if token is None:
                return
            if token:
                yield token

    def _next(self) -> bytes | None:
        """The first token of the buffer; empty: something was dropped; None: more must come."""
        buffer = self._buffer
        if not buffer:
            return None
        first = bytes(buffer[:1])
        if first != b"$":
            del buffer[:1]
            return first if first in (INTERRUPT, NAK) else b""
        end = buffer.find(b"#")
        if end < 0 or len(buffer) < end + 3:
            if len(buffer) > 2 * PACKET_SIZE + 4:  # no end in sight
                buffer.clear()
                return b"$"  # answered like any packet that means nothing
            return None
        payload, check = bytes(buffer[1:end]), bytes(buffer[end + 1 : end + 3])
        del buffer[: end + 3]
        if self.check and not _matches(payload, check):
            return b"#"
        return b"$" + payload


def _matches(payload: bytes, check: bytes) -> bool:
    return set(check) <= _HEX and int(check, 16) == sum(payload) & 0xFF
