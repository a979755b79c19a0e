"""Ports: who may share one, TIME_WAIT, and that all of them come back."""

from __future__ import annotations

from typing import Any, cast

import pytest

from kernel.abi.errors import EADDRINUSE, KernelError
from kernel.abi.sockets import AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM
from kernel.net.address import ANY4, ANY6, LOOPBACK4, LOOPBACK6, Endpoint, pack_inet
from kernel.net.socketfile import SocketFile
from tests.support.sockets import SocketWorld, connect

OTHER4 = bytes((127, 0, 0, 2))
PORT = 4000


def bound(
    world: SocketWorld, ip: bytes, type_: int, *, listens: int = 0, **options: int
) -> SocketFile | None:
    """A socket bound to PORT, or None if that is refused."""
    domain = AF_INET if len(ip) == 4 else AF_INET6
    made = world.socket(domain, type_)
    task = cast("Any", world.root)
    if options.pop("v6only", 0):
        cast("Any", made).v6only = 1
    for name, value in options.items():
        setattr(made.options, name, value)
    try:
        made.bind(task, pack_inet(domain, Endpoint(ip, PORT)))
        if listens:
            made.listen(task, 5)
    except EADDRINUSE:
        made.drop()
        return None
    return made


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ((ANY4, {}), (ANY4, {}), False),
        ((ANY4, {}), (LOOPBACK4, {}), False),
        ((LOOPBACK4, {}), (OTHER4, {}), True),
        ((ANY6, {}), (LOOPBACK4, {}), False),
        ((ANY6, {"v6only": 1}), (LOOPBACK4, {}), True),
        ((LOOPBACK6, {}), (LOOPBACK4, {}), True),
        ((LOOPBACK6, {}), (ANY6, {}), False),
        ((ANY4, {"reuseaddr": 1}), (ANY4, {"reuseaddr": 1}), True),
        ((ANY4, {"reuseaddr": 1}), (ANY4, {}), False),
        ((ANY4, {"reuseport": 1}), (ANY4, {"reuseport": 1}), True),
    ],
)
@pytest.mark.parametrize("type_", [SOCK_STREAM, SOCK_DGRAM])
def test_who_may_share_a_port(
    first: tuple[bytes, dict[str, int]], second: tuple[bytes, dict[str, int]], shared: bool,
    type_: int,
) -> None:  # fmt: skip
    world = SocketWorld()
    one = bound(world, first[0], type_, **first[1])
    two = bound(world, second[0], type_, **second[1])
    assert one is not None
    assert (two is not None) == shared
    for socket in (one, two):
        if socket is not None:
            socket.drop()
    assert not world.network.tcp.by_port
    assert not world.network.udp.by_port


def test_a_listener_does_not_share_reused_addresses() -> None:
    world = SocketWorld()
    assert bound(world, ANY4, SOCK_STREAM, listens=1, reuseaddr=1)
    assert bound(world, ANY4, SOCK_STREAM, reuseaddr=1) is None


def _closed_connection(world: SocketWorld, reuse: int) -> None:
    server = world.socket(AF_INET, SOCK_STREAM)
    task = cast("Any", world.root)
    server.options.reuseaddr = reuse
    server.bind(task, pack_inet(AF_INET, Endpoint(LOOPBACK4, PORT)))
    server.listen(task, 5)
    client = world.socket(AF_INET, SOCK_STREAM)
    connect(world, client, server.name())
    made = server.accept(task, True)
    assert isinstance(made, SocketFile)
    made.hold()
    made.drop()  # the server's end closes first: TIME_WAIT is here
    client.drop()
    server.drop()


@pytest.mark.row("K6")
def test_time_wait_lasts_a_minute() -> None:
    world = SocketWorld()
    _closed_connection(world, reuse=0)
    assert bound(world, LOOPBACK4, SOCK_STREAM, reuseaddr=1) is None
    world.clock.advance(61 * 10**9)
    assert bound(world, LOOPBACK4, SOCK_STREAM) is not None


def test_time_wait_gives_way_to_reuse() -> None:
    world = SocketWorld()
    _closed_connection(world, reuse=1)
    assert bound(world, LOOPBACK4, SOCK_STREAM) is None
    assert bound(world, LOOPBACK4, SOCK_STREAM, reuseaddr=1) is not None


def test_many_connections_leave_nothing() -> None:
    world = SocketWorld()
    listener = world.listener()
    for _ in range(500):
        client = world.socket(AF_INET, SOCK_STREAM)
        connect(world, client, listener.name())
        made = listener.accept(cast("Any", world.root), True)
        assert isinstance(made, SocketFile)
        made.hold()
        client.drop()
        made.drop()
        world.network.tcp.check_invariants()
    listener.drop()
    assert not world.network.tcp.by_port
    assert len(world.network.tcp.waiting) == 500
    world.clock.advance(61 * 10**9)
    world.network.tcp.expire()
    assert not world.network.tcp.waiting_ports


def test_privileged_ports_need_a_capability() -> None:
    world = SocketWorld()
    user = world.caller(uid=1000)
    made = world.socket(AF_INET, SOCK_STREAM, user)
    with pytest.raises(KernelError, match="CAP_NET_BIND_SERVICE"):
        made.bind(cast("Any", user), pack_inet(AF_INET, Endpoint(ANY4, 80)))
