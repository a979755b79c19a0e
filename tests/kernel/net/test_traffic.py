"""What goes over lo is counted, and told to those who watch."""

from __future__ import annotations

from typing import Any, cast

from kernel.abi.sockets import AF_INET, AF_UNIX, SOCK_DGRAM, SOCK_STREAM
from kernel.net.address import LOOPBACK4, Endpoint, pack_inet
from kernel.net.marks import Marks
from kernel.net.message import Outgoing
from kernel.net.socketfile import SHUT_SEND
from kernel.net.traffic import Traffic, WireObserver
from tests.support.sockets import SocketWorld, connect, receive, send


class Notes(WireObserver):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def tcp_open(self, source: Endpoint, target: Endpoint, marks: Marks) -> None:
        self.told.append(("open", source.port, target.port))

    def tcp_refused(self, source: Endpoint, target: Endpoint, marks: Marks) -> None:
        self.told.append(("refused", target.port))

    def tcp_data(
        self, source: Endpoint, target: Endpoint, marks: Marks, data: bytes, reached: bool
    ) -> None:
        self.told.append(("data", source.port, data, reached))

    def tcp_fin(self, source: Endpoint, target: Endpoint, marks: Marks) -> None:
        self.told.append(("fin", source.port))

    def tcp_reset(self, source: Endpoint, target: Endpoint, marks: Marks) -> None:
        self.told.append(("reset", source.port))

    def udp(
        self, source: Endpoint, target: Endpoint, marks: Marks, data: bytes, reached: bool
    ) -> None:
        self.told.append(("udp", target.port, marks, data, reached))


def watched() -> tuple[SocketWorld, Notes]:
    world, notes = SocketWorld(), Notes()
    world.network.watch(notes)
    return world, notes


def test_a_connection_from_beginning_to_end() -> None:
    world, notes = watched()
    near, far = world.pair(AF_INET, SOCK_STREAM)
    ports = near.local.port, far.local.port  # type: ignore[attr-defined]  # a TcpSocket
    send(world, near, b"question")
    assert receive(world, far, 100) == b"question"
    send(world, far, b"answer")
    assert receive(world, near, 100) == b"answer"
    near.shutdown(SHUT_SEND)
    far.drop()
    near.drop()
    assert notes.told == [
        ("open", *ports),
        ("data", ports[0], b"question", True),
        ("data", ports[1], b"answer", True),
        ("fin", ports[0]),
        ("fin", ports[1]),
    ]


def test_resets_come_from_the_end_that_makes_them() -> None:
    world, notes = watched()
    near, far = world.pair(AF_INET, SOCK_STREAM)
    send(world, near, b"unread")
    far_port = far.local.port  # type: ignore[attr-defined]
    far.drop()
    assert notes.told[-1] == ("reset", far_port)
    notes.told.clear()
    near, far = world.pair(AF_INET, SOCK_STREAM)
    far_port = far.local.port  # type: ignore[attr-defined]
    far.drop()
    send(world, near, b"late")
    assert [note[0] for note in notes.told] == ["open", "fin", "data", "reset"]
    assert notes.told[-2][3] is False
    assert notes.told[-1] == ("reset", far_port)


def test_nobody_listens() -> None:
    world, notes = watched()
    connect(world, world.socket(AF_INET, SOCK_STREAM), pack_inet(AF_INET, Endpoint(LOOPBACK4, 9)))
    assert notes.told == [("refused", 9)]


def test_a_datagram_and_one_to_nobody() -> None:
    world, notes = watched()
    hearer, talker = (world.socket(AF_INET, SOCK_DGRAM) for _ in range(2))
    hearer.bind(cast("Any", world.root), pack_inet(AF_INET, Endpoint(LOOPBACK4, 700)))
    for port in (700, 701):
        where = pack_inet(AF_INET, Endpoint(LOOPBACK4, port))
        message = Outgoing()
        message.address = where
        send(world, talker, b"hello", message)
    usual = Marks(64, 0)
    assert notes.told == [
        ("udp", 700, usual, b"hello", True),
        ("udp", 701, usual, b"hello", False),
    ]


def test_unix_sockets_have_no_wire() -> None:
    world, notes = watched()
    near, _ = world.pair(AF_UNIX, SOCK_STREAM)
    send(world, near, b"x")
    assert notes.told == []


def test_watching_goes_on_counting_and_several_may_watch() -> None:
    world = SocketWorld()
    near, far = world.pair(AF_INET, SOCK_STREAM)
    assert type(world.network.traffic) is Traffic
    send(world, near, b"12345")
    before = world.network.traffic.packets
    notes = [Notes(), Notes()]
    for note in notes:
        world.network.watch(note)
    send(world, far, b"678")
    traffic = world.network.traffic
    assert (traffic.packets, traffic.bytes) == (before + 1, 8)
    assert notes[0].told == notes[1].told == [("data", far.local.port, b"678", True)]  # type: ignore[attr-defined]


def test_who_has_seen_enough_sees_no_more_and_the_counts_go_on() -> None:
    world, notes = watched()
    near, _ = world.pair(AF_INET, SOCK_STREAM)
    send(world, near, b"12345")
    told = list(notes.told)
    world.network.unwatch(notes)
    assert type(world.network.traffic) is Traffic
    send(world, near, b"678")
    assert notes.told == told
    assert world.network.traffic.bytes == 8
