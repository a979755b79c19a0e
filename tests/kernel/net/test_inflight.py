"""Files in messages: they stay open on the way, and cycles of sockets are found."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, cast

import pytest

from kernel.abi.errors import EAGAIN
from kernel.abi.files import O_NONBLOCK
from kernel.abi.sockets import AF_UNIX, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM
from kernel.mm.buffer import KernelBuffer
from kernel.net.message import Incoming, Outgoing
from kernel.net.socketfile import SocketFile
from kernel.vfs.openfile import OpenFile
from tests.support.sockets import SocketWorld, receive, send

if TYPE_CHECKING:
    from kernel.task.task import Task

TYPES = (SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET)


def carrying(*files: OpenFile) -> Outgoing:
    """A message with files."""
    message = Outgoing()
    message.files = files
    return message


@pytest.mark.parametrize("type_", TYPES)
def test_a_file_arrives_open(type_: int) -> None:
    world = SocketWorld()
    near, far = world.pair(AF_UNIX, type_)
    file = world.root.open(b"/", 0)
    file.hold()
    send(world, near, b"x", carrying(file))
    file.drop()
    assert file.refs == 1
    message = Incoming()
    assert receive(world, far, 10, message) == b"x"
    assert message.files == (file,)
    message.drop()
    assert file.refs == 0


@pytest.mark.parametrize("type_", TYPES)
def test_a_message_that_waits_for_room_keeps_its_files_open(type_: int) -> None:
    world = SocketWorld()
    near, _ = world.pair(AF_UNIX, type_)
    near.flags |= O_NONBLOCK
    with suppress(EAGAIN):
        while True:
            near.send(cast("Task", world.root), KernelBuffer(bytes(60000)), Outgoing())
    near.flags &= ~O_NONBLOCK
    file = world.root.open(b"/", 0)
    file.hold()
    sleeping = near.send(cast("Task", world.root), KernelBuffer(bytes(60000)), carrying(file))
    assert not isinstance(sleeping, int)
    next(sleeping)
    file.drop()
    assert file.refs == 1
    sleeping.close()
    assert file.refs == 0


@pytest.mark.parametrize("type_", TYPES)
def test_what_is_never_received_is_closed(type_: int) -> None:
    world = SocketWorld()
    near, far = world.pair(AF_UNIX, type_)
    file = world.root.open(b"/", 0)
    file.hold()
    send(world, near, b"x", carrying(file, file))
    file.drop()
    far.drop()
    near.drop()
    assert file.refs == 0
    assert not world.network.unix


@pytest.mark.row("K6")
@pytest.mark.parametrize("type_", TYPES)
def test_a_socket_sent_through_itself_is_found(type_: int) -> None:
    world = SocketWorld()
    near, far = world.pair(AF_UNIX, type_)
    send(world, near, b"x", carrying(far))
    send(world, far, b"x", carrying(near))
    near.drop()
    far.drop()
    world.socket(AF_UNIX, SOCK_DGRAM).drop()  # as in Linux, the next one that closes looks
    assert not world.network.unix
    assert world.network.files_in_flight == 0


def test_a_chain_that_somebody_holds_lives() -> None:
    world = SocketWorld()
    held, outer = world.pair(AF_UNIX, SOCK_STREAM)
    near, far = world.pair(AF_UNIX, SOCK_STREAM)
    send(world, outer, b"x", carrying(near))
    send(world, near, b"y", carrying(far))  # far lies in its own queue, and only there
    near.drop()
    far.drop()
    outer.drop()
    assert len(world.network.unix) == 2  # nobody could ever receive from far
    message = Incoming()
    assert receive(world, held, 1, message) == b"x"
    (found,) = message.files
    assert isinstance(found, SocketFile)
    message.drop()
    held.drop()
    assert not world.network.unix


def test_deep_chains_do_not_recurse() -> None:
    world = SocketWorld()
    near, far = world.pair(AF_UNIX, SOCK_DGRAM)
    for _ in range(3000):
        nearer, farther = world.pair(AF_UNIX, SOCK_DGRAM)
        send(world, nearer, b"x", carrying(near, far))
        near.drop()
        far.drop()
        near, far = nearer, farther
    near.drop()
    far.drop()
    assert not world.network.unix
