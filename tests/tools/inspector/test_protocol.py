"""The lines of the protocol, and the queue in front of a consumer."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.inspector.outbox import Outbox
from tools.inspector.protocol import (
    EVENTS_LIMIT,
    HARD_LIMIT,
    Lines,
    ProtocolError,
    decode,
    encode,
)
from tools.inspector.stream import Allowance

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.text(), VALUES), max_size=5), st.integers(1, 7))
def test_messages_survive_any_cutting(messages: list[dict[str, object]], size: int) -> None:
    data = b"".join(encode(message) for message in messages)
    lines = Lines()
    found = [
        decode(line)
        for start in range(0, len(data), size)
        for line in lines.feed(data[start : start + size])
    ]
    assert found == messages


def test_bytes_that_are_no_utf8_travel() -> None:
    name = b"/tmp/\xff\xfe".decode("utf-8", "surrogateescape")
    (line,) = Lines().feed(encode({"path": name}))
    assert decode(line)["path"].encode("utf-8", "surrogateescape") == b"/tmp/\xff\xfe"


@pytest.mark.parametrize("line", [b"", b"hello", b"[1]", b"7", b'{"a":', b"\xff", b"[" * 5000])
def test_what_is_no_message(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(line)


def test_a_line_that_never_ends() -> None:
    lines = Lines(100)
    assert lines.feed(b"x" * 100) == []
    with pytest.raises(ProtocolError):
        lines.feed(b"x")


def drain(outbox: Outbox) -> list[dict[str, object]]:
    """What a consumer that reads everything gets."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.settimeout(90)
        data = b""
        while outbox:
            outbox.send(ours)
            data += theirs.recv(1 << 20)
        ours.close()
        while more := theirs.recv(1 << 20):
            data += more
    return [decode(line) for line in Lines().feed(data)]


def test_what_is_left_out_is_counted_where_it_would_have_been() -> None:
    outbox = Outbox()
    outbox.put({"n": 1})
    outbox.lose()
    outbox.lose()
    outbox.put({"n": 2})
    outbox.lose()
    lost = {"event": "lost"}
    assert drain(outbox) == [{"n": 1}, {**lost, "events": 2}, {"n": 2}, {**lost, "events": 1}]


def test_a_queue_is_crowded_and_then_hopeless() -> None:
    outbox = Outbox()
    assert not outbox.crowded
    outbox.put({"data": "x" * EVENTS_LIMIT})
    assert outbox.crowded
    assert not outbox.hopeless
    outbox.put({"data": "x" * HARD_LIMIT})
    assert outbox.hopeless


def test_sending_takes_what_goes_and_never_waits() -> None:
    outbox = Outbox()
    outbox.put({"data": "x" * EVENTS_LIMIT})
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        outbox.send(ours)  # would hang for ever if it waited
        assert 0 < len(outbox) < EVENTS_LIMIT


def test_an_allowance_saves_up_a_second() -> None:
    allowance = Allowance(50)
    assert sum(allowance.take() for _ in range(1000)) in range(50, 100)
    assert all(Allowance(0).take() for _ in range(1000))
