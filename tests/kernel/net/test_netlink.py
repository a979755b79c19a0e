"""rtnetlink sockets: how much may be asked, and what becomes of answers that nobody reads."""

from __future__ import annotations

from struct import Struct

import pytest

from kernel.abi.errors import EMSGSIZE, ENOBUFS
from kernel.abi.files import POLLERR, POLLIN
from kernel.abi.sockets import AF_NETLINK, SOCK_RAW
from kernel.net.netlink import NLM_F_ACK, NetlinkSocket, parse_attributes
from tests.support.sockets import SocketWorld, receive, send

HEADER = Struct("<IHHII")
ASK = HEADER.pack(HEADER.size, 0, NLM_F_ACK, 0, 0)


@pytest.fixture
def world() -> SocketWorld:
    return SocketWorld()


def netlink(world: SocketWorld) -> NetlinkSocket:
    socket = world.socket(AF_NETLINK, SOCK_RAW)
    assert isinstance(socket, NetlinkSocket)
    return socket


def test_a_message_has_to_fit_into_the_send_buffer(world: SocketWorld) -> None:
    socket = netlink(world)
    with pytest.raises(EMSGSIZE):
        send(world, socket, bytes(socket.options.sndbuf))


def test_answers_that_find_no_room_are_lost_and_said_to_be(world: SocketWorld) -> None:
    socket = netlink(world)
    for _ in range(3):
        send(world, socket, ASK * 5000)
    assert socket.incoming.size <= socket.options.rcvbuf
    assert socket.poll(world.root, POLLIN) == POLLIN | POLLERR
    with pytest.raises(ENOBUFS):
        receive(world, socket, 100)
    answer = receive(world, socket, 100)
    assert answer is not None
    assert len(answer) == HEADER.size + 4 + HEADER.size


def test_attributes_end_at_the_first_malformed_one() -> None:
    good = Struct("<HH").pack(5, 7) + b"x\0\0\0"
    assert parse_attributes(good + Struct("<HH").pack(6, 8) + b"yz") == {7: b"x", 8: b"yz"}
    assert parse_attributes(good + Struct("<HH").pack(3, 8) + good) == {7: b"x"}
