"""A kernel of files and sockets, without tasks or a processor."""

from __future__ import annotations

from typing import Any, cast

from kernel.abi.errors import EAGAIN
from kernel.abi.sockets import AF_INET, SOCK_NONBLOCK, SOCK_STREAM
from kernel.clock import Timers
from kernel.mm.buffer import KernelBuffer
from kernel.net.address import LOOPBACK4, Endpoint, pack_inet
from kernel.net.create import make_pair, make_socket
from kernel.net.message import Incoming, Outgoing
from kernel.net.network import Network, network_of
from kernel.net.socketfile import SocketFile
from kernel.task.system import Random
from tests.support.files import FileWorld
from tests.support.tasks import NoPoller


class SocketWorld(FileWorld):
    """What ``Network`` needs of a System."""

    def __init__(self) -> None:
        super().__init__()
        self.timers = Timers()
        self.random = Random(1)
        self.host_poller = NoPoller()
        self.net: Any = None

    @property
    def network(self) -> Network:
        """The machine's network."""
        return network_of(cast("Any", self))

    def socket(self, domain: int, type_: int, task: Any = None) -> SocketFile:
        """A non-blocking socket with one reference."""
        made = make_socket(task or cast("Any", self.root), domain, type_, 0)
        made.flags |= SOCK_NONBLOCK
        made.hold()
        return made

    def pair(self, domain: int, type_: int) -> tuple[SocketFile, SocketFile]:
        """Two that are connected: over TCP through a listener."""
        if domain != AF_INET:
            ends = make_pair(cast("Any", self.root), domain, type_, 0)
            for end in ends:
                end.flags |= SOCK_NONBLOCK
                end.hold()
            return ends
        listener = self.listener()
        near = self.socket(AF_INET, SOCK_STREAM)
        assert connect(self, near, listener.name()) == "EINPROGRESS"
        far = listener.accept(cast("Any", self.root), True)
        assert isinstance(far, SocketFile)
        far.flags |= SOCK_NONBLOCK
        far.hold()
        listener.drop()
        return near, far

    def listener(self, port: int = 0, backlog: int = 5) -> SocketFile:
        """A TCP socket that listens on 127.0.0.1."""
        made = self.socket(AF_INET, SOCK_STREAM)
        task = cast("Any", self.root)
        made.bind(task, pack_inet(AF_INET, Endpoint(LOOPBACK4, port)))
        made.listen(task, backlog)
        return made


def connect(world: SocketWorld, socket: SocketFile, address: bytes) -> str:
    """How connect(2) ends: '' or the name of the error."""
    try:
        socket.connect(cast("Any", world.root), address, True)
    except Exception as error:  # noqa: BLE001  # the name is what the test looks at
        return type(error).__name__
    return ""


def send(
    world: SocketWorld, socket: SocketFile, data: bytes, message: Outgoing | None = None
) -> int:
    """Send without sleeping; -1 for EAGAIN."""
    try:
        sent = socket.send(cast("Any", world.root), KernelBuffer(data), message or Outgoing())
    except EAGAIN:
        return -1
    assert isinstance(sent, int)
    return sent


def receive(
    world: SocketWorld, socket: SocketFile, count: int, message: Incoming | None = None
) -> bytes | None:
    """Receive without sleeping; None for EAGAIN."""
    buf = KernelBuffer.empty(count)
    try:
        got = socket.receive(cast("Any", world.root), buf, message or Incoming())
    except EAGAIN:
        return None
    assert isinstance(got, int)
    return buf.filled()
