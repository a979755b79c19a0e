"""The framing: what is a packet, what is dropped, what escapes mean."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tools.gdb.packets import (
    INTERRUPT,
    NAK,
    PACKET_SIZE,
    PacketReader,
    escape,
    frame,
    unescape,
)


def read(*parts: bytes, check: bool = True) -> list[bytes]:
    """What a reader makes of bytes that come in parts."""
    reader = PacketReader()
    reader.check = check
    return [token for part in parts for token in reader.feed(part)]


def test_a_packet_in_one_piece_and_in_many() -> None:
    assert read(b"$qC#b4") == [b"$qC"]
    assert read(*(bytes([byte]) for byte in b"+$qC#b4+$g#67")) == [b"$qC", b"$g"]


def test_a_wrong_checksum_is_said_and_ignored_later() -> None:
    assert read(b"$qC#00") == [b"#"]
    assert read(b"$qC#zz") == [b"#"]
    assert read(b"$qC#00", check=False) == [b"$qC"]


def test_the_interrupt_byte_counts_only_outside_packets() -> None:
    assert read(b"\x03") == [INTERRUPT]
    data = frame(b"X10,1:\x03")
    assert read(data, b"\x03") == [b"$X10,1:\x03", INTERRUPT]


def test_a_request_to_send_again() -> None:
    assert read(b"-") == [NAK]


def test_noise_is_dropped() -> None:
    assert read(b"GET / HTTP/1.1\r\n\r\n" + frame(b"?")) == [b"$?"]


def test_a_packet_without_an_end_is_not_kept_for_ever() -> None:
    reader = PacketReader()
    tokens = [token for _ in range(4 * PACKET_SIZE // 1024) for token in reader.feed(b"$" * 1024)]
    assert tokens
    assert set(tokens) == {b"$"}
    assert len(reader._buffer) <= 2 * PACKET_SIZE + 2048


@given(st.binary())
def test_escapes_come_back(data: bytes) -> None:
    escaped = escape(data)
    assert not {0x23, 0x24, 0x2A} & set(escaped)
    assert unescape(escaped) == data
    assert read(frame(escaped)) == [b"$" + escaped]


def test_a_lone_escape_is_dropped() -> None:
    assert unescape(b"ab}") == b"ab"
    assert unescape(b"}\x03}]") == b"#}"


@given(st.lists(st.binary(max_size=40)))
def test_nothing_that_arrives_raises(parts: list[bytes]) -> None:
    for token in read(*parts):
        assert token[:1] in (b"$", b"#", b"-", b"\x03")
