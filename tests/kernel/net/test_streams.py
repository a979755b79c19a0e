"""Streams of both families against two byte strings, whatever is done to them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.abi.errors import ECONNRESET, EPIPE
from kernel.abi.files import POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP
from kernel.abi.sockets import (
    AF_INET,
    AF_UNIX,
    MSG_DONTWAIT,
    MSG_PEEK,
    MSG_WAITALL,
    SHUT_WR,
    SOCK_DGRAM,
    SOCK_SEQPACKET,
    SOCK_STREAM,
)
from kernel.net.message import Incoming
from kernel.net.socketfile import check_shutdown
from tests.support.sockets import SocketWorld, connect, receive, send

FAMILIES = (AF_UNIX, AF_INET)
STEP = st.tuples(
    st.sampled_from(["send", "receive", "peek", "all"]),
    st.sampled_from([0, 1]),
    st.integers(1, 3000),
)


@pytest.mark.row("K6")
@pytest.mark.parametrize("domain", FAMILIES)
@settings(max_examples=40, deadline=None)
@given(steps=st.lists(STEP, max_size=60))
def test_a_stream_is_its_bytes(domain: int, steps: list[tuple[str, int, int]]) -> None:
    world = SocketWorld()
    ends = world.pair(domain, SOCK_STREAM)
    flowing = [bytearray(), bytearray()]  # on the way to each end
    for index, (what, who, count) in enumerate(steps):
        end, to_it, from_it = ends[who], flowing[who], flowing[1 - who]
        if what == "send":
            data = bytes((index + i) % 256 for i in range(count))
            sent = send(world, end, data)
            assert sent == count
            from_it += data
            continue
        flags = {"peek": MSG_PEEK, "all": MSG_WAITALL}.get(what, 0)
        got = receive(world, end, count, Incoming(flags | MSG_DONTWAIT))
        assert got == (bytes(to_it[:count]) if to_it else None)
        if what != "peek":
            del to_it[:count]
        assert bool(end.poll(world.root, POLLIN)) == bool(to_it)
    for end, left in zip(ends, flowing, strict=True):
        ends[1 - ends.index(end)].shutdown(check_shutdown(SHUT_WR))
        assert receive(world, end, 1 << 20) == bytes(left)
        assert receive(world, end, 10) == b""


@pytest.mark.parametrize("domain", FAMILIES)
def test_a_full_stream_takes_no_more(domain: int) -> None:
    world = SocketWorld()
    near, far = world.pair(domain, SOCK_STREAM)
    put = 0
    while (sent := send(world, near, bytes(50000))) > 0:
        put += sent
    assert 100_000 < put < 1_000_000
    assert not near.poll(world.root, POLLOUT)
    assert len(receive(world, far, 1 << 20) or b"") == put
    assert near.poll(world.root, POLLOUT)


@pytest.mark.parametrize("domain", FAMILIES)
def test_closing_with_unread_bytes_is_a_reset(domain: int) -> None:
    world = SocketWorld()
    near, far = world.pair(domain, SOCK_STREAM)
    send(world, near, b"never read")
    far.drop()
    assert near.poll(world.root, POLLIN) == POLLIN | POLLERR | POLLHUP
    with pytest.raises(ECONNRESET):
        receive(world, near, 10)
    assert receive(world, near, 10) == b""
    with pytest.raises(EPIPE):
        send(world, near, b"x")
    near.drop()


def test_messages_keep_their_borders() -> None:
    world = SocketWorld()
    near, far = world.pair(AF_UNIX, SOCK_SEQPACKET)
    for data in (b"one", b"three", b""):
        send(world, near, data)
    assert receive(world, far, 2) == b"on"
    assert receive(world, far, 10) == b"three"
    assert receive(world, far, 10) == b""
    assert receive(world, far, 10) is None
    near.drop()
    assert far.poll(world.root, POLLRDHUP) == POLLRDHUP | POLLHUP


def test_a_full_listener_makes_connectors_wait() -> None:
    world = SocketWorld()
    listener = world.listener(backlog=1)
    clients = [world.socket(AF_INET, SOCK_STREAM) for _ in range(4)]
    for client in clients:
        assert connect(world, client, listener.name()) == "EINPROGRESS"
    assert [bool(client.poll(world.root, POLLOUT)) for client in clients] == [
        True,
        True,
        False,
        False,
    ]
    listener.accept(world.root, True)  # type: ignore[arg-type]
    assert clients[2].poll(world.root, POLLOUT)
    assert connect(world, clients[3], listener.name()) == "EALREADY"
    listener.drop()
    assert connect(world, clients[3], listener.name()) == "ECONNREFUSED"


def test_nobody_answers_for_ever() -> None:
    world = SocketWorld()
    listener = world.listener(backlog=0)
    clients = [world.socket(AF_INET, SOCK_STREAM) for _ in range(2)]
    for client in clients:
        connect(world, client, listener.name())
    world.clock.advance(128 * 10**9)
    world.timers.expire(world.clock.monotonic())
    assert connect(world, clients[1], listener.name()) == "ETIMEDOUT"


@pytest.mark.parametrize("type_", [SOCK_SEQPACKET, SOCK_DGRAM])
def test_empty_messages_are_bounded(type_: int) -> None:
    world = SocketWorld()
    near, far = world.pair(AF_UNIX, type_)
    sent = 0
    while send(world, near, b"") == 0:
        sent += 1
    assert 100 < sent < 1000
    assert receive(world, far, 1) == b""
    assert send(world, near, b"") == 0
