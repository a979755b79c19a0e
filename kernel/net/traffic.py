"""Everything that crosses the wire there would be passes here once, in the order of events.

``Traffic`` counts, for /proc/net/dev.  Who wants to see the packets puts a ``WatchedTraffic`` in
its place (``Network.watch``): the sockets go on telling the same object the same things, so that
looking costs nothing while nobody looks.  What an observer hears of are segments and datagrams as
TCP and UDP would have sent them; addresses are values, sockets stay inside.

Sockets of the host (``--network host``) tell what their programs gave and got; they are not lo's
and are not counted.  UNIX sockets have no wire.  Linux analogue: ``dev_queue_xmit_nit``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kernel.abi.sockets import SOL_IP, SOL_IPV6
from kernel.net.address import Endpoint, is_loopback
from kernel.net.marks import Marks

if TYPE_CHECKING:
    from kernel.net.host_socket import HostSocket
    from kernel.net.tcp import TcpSocket

HOST_MARKS = Marks(64, 0)
"""Of packets that the host makes: what they really are is not known."""


class WireObserver:
    """Override what you want to see.  ``source`` speaks, ``target`` hears."""

    def tcp_open(self, source: Endpoint, target: Endpoint, marks: Marks) -> None:
        """A connection comes to be: SYN, SYN-ACK, ACK."""

    def tcp_syn(self, source: Endpoint, target: Endpoint, marks: Marks) -> None:
        """A SYN that gets no answer: the listener has no room."""

    def tcp_refused(self, source: Endpoint, target: Endpoint, marks: Marks) -> None:
        """A SYN that is answered by a RST: nobody listens."""

    def tcp_data(
        self, source: Endpoint, target: Endpoint, marks: Marks, data: bytes, reached: bool
    ) -> None:
        """Bytes of the stream.  Not ``reached``: the other end is closed, its RST follows."""

    def tcp_fin(self, source: Endpoint, target: Endpoint, marks: Marks) -> None:
        """The source sends no more."""

    def tcp_reset(self, source: Endpoint, target: Endpoint, marks: Marks) -> None:
        """The source breaks the connection off."""

    def udp(
        self, source: Endpoint, target: Endpoint, marks: Marks, data: bytes, reached: bool
    ) -> None:
        """A datagram.  Not ``reached``: nobody has the port, which ICMP says."""


class Traffic:
    """What went through lo: /proc/net/dev.  ``before``: whose counts it goes on with."""

    __slots__ = ("bytes", "packets")

    def __init__(self, before: Traffic | None = None) -> None:
        self.bytes: int = before.bytes if before is not None else 0
        self.packets: int = before.packets if before is not None else 0

    # -- told by TCP -----------------------------------------------------------------------------

    def knocked(self, client: TcpSocket) -> None:
        """Its SYN finds a full listener."""

    def refused(self, client: TcpSocket) -> None:
        """Its SYN finds nobody."""

    def joined(self, client: TcpSocket) -> None:
        """Its SYN is answered."""
        self.packets += 1

    def segment(self, sender: TcpSocket, data: bytes, reached: bool) -> None:
        """Bytes leave."""
        self.bytes += len(data)
        self.packets += 1

    def ended(self, sender: TcpSocket) -> None:
        """FIN."""

    def reset(self, sender: TcpSocket) -> None:
        """RST."""

    # -- told by UDP -----------------------------------------------------------------------------

    def datagram(
        self, source: Endpoint, target: Endpoint, marks: Marks, data: bytes, reached: bool
    ) -> None:
        """A datagram leaves."""
        self.bytes += len(data)
        self.packets += 1

    # -- told by sockets of the host -------------------------------------------------------------

    def host_joined(self, socket: HostSocket, *, ours: bool) -> None:
        """A connection is made; ``ours``: by a guest's connect(2), else it was accepted."""

    def host_refused(self, socket: HostSocket, target: bytes) -> None:
        """connect(2) found nobody at this sockaddr."""

    def host_sent(
        self, socket: HostSocket, views: Iterable[memoryview], count: int, address: bytes | None
    ) -> None:
        """The first ``count`` bytes of the views went out."""

    def host_received(
        self, socket: HostSocket, views: Iterable[memoryview], count: int, address: bytes | None
    ) -> None:
        """So many bytes came in; none in a stream: its end."""

    def host_ended(self, socket: HostSocket) -> None:
        """The guest sends no more: shutdown(2), or the last close(2)."""

    def host_reset(self, socket: HostSocket) -> None:
        """The other side broke it off."""

    def host_gone(self, socket: HostSocket) -> None:
        """Its last descriptor is closed."""

    def __repr__(self) -> str:
        return f"<Traffic {self.packets} packets, {self.bytes} bytes>"


class WatchedTraffic(Traffic):
    """Counts and tells.

    ``_ends``: the addresses of the open connections of the host.  Where both ends are programs of
    ours, what one sends is not told again when the other gets it: ``_inside`` are such sockets,
    ``_speakers`` the ports that datagrams were sent from.
    """

    __slots__ = ("_ends", "_inside", "_speakers", "observers")

    def __init__(self, before: Traffic, observers: tuple[WireObserver, ...]) -> None:
        super().__init__(before)
        self.observers = observers
        self._ends: dict[HostSocket, tuple[Endpoint, Endpoint]] = {}
        self._inside: dict[HostSocket, None] = {}
        self._speakers: dict[int, None] = {}
        if isinstance(before, WatchedTraffic):
            self._ends, self._inside = before._ends, before._inside
            self._speakers = before._speakers

    # -- TCP -------------------------------------------------------------------------------------

    def knocked(self, client: TcpSocket) -> None:
        if client.remote is not None:
            for observer in self.observers:
                observer.tcp_syn(client.local, client.remote, _marks(client))

    def refused(self, client: TcpSocket) -> None:
        if client.remote is not None:
            for observer in self.observers:
                observer.tcp_refused(client.local, client.remote, _marks(client))

    def joined(self, client: TcpSocket) -> None:
        super().joined(client)
        if client.remote is not None:
            for observer in self.observers:
                observer.tcp_open(client.local, client.remote, _marks(client))

    def segment(self, sender: TcpSocket, data: bytes, reached: bool) -> None:
        super().segment(sender, data, reached)
        if sender.remote is not None:
            for observer in self.observers:
                observer.tcp_data(sender.local, sender.remote, _marks(sender), data, reached)

    def ended(self, sender: TcpSocket) -> None:
        if sender.remote is not None:
            for observer in self.observers:
                observer.tcp_fin(sender.local, sender.remote, _marks(sender))

    def reset(self, sender: TcpSocket) -> None:
        if sender.remote is not None:
            for observer in self.observers:
                observer.tcp_reset(sender.local, sender.remote, _marks(sender))

    # -- UDP -------------------------------------------------------------------------------------

    def datagram(
        self, source: Endpoint, target: Endpoint, marks: Marks, data: bytes, reached: bool
    ) -> None:
        super().datagram(source, target, marks, data, reached)
        for observer in self.observers:
            observer.udp(source, target, marks, data, reached)

    # -- the host's ------------------------------------------------------------------------------

    def host_joined(self, socket: HostSocket, *, ours: bool) -> None:
        local, remote = socket.endpoints()
        partner = next((s for s, ends in self._ends.items() if ends == (remote, local)), None)
        self._ends[socket] = local, remote
        if partner is not None:
            self._inside.update({socket: None, partner: None})
            return
        for observer in self.observers:
            first, second = (local, remote) if ours else (remote, local)
            observer.tcp_open(first, second, HOST_MARKS)

    def host_refused(self, socket: HostSocket, target: bytes) -> None:
        local, _ = socket.endpoints()
        remote = socket.endpoint_of(target)
        for observer in self.observers:
            observer.tcp_refused(local, remote, HOST_MARKS)

    def host_sent(
        self, socket: HostSocket, views: Iterable[memoryview], count: int, address: bytes | None
    ) -> None:
        if not socket.is_stream:
            self._speakers[socket.endpoints()[0].port] = None
        self._host_moved(socket, views, count, address, out=True)

    def host_received(
        self, socket: HostSocket, views: Iterable[memoryview], count: int, address: bytes | None
    ) -> None:
        ends = self._ends.get(socket)
        if socket in self._inside or (address and self._spoke(socket, address)):
            return
        if count or not socket.is_stream:
            self._host_moved(socket, views, count, address, out=False)
        elif ends is not None:
            for observer in self.observers:
                observer.tcp_fin(ends[1], ends[0], HOST_MARKS)

    def _spoke(self, socket: HostSocket, address: bytes) -> bool:
        """Does a datagram come from a program of ours?"""
        source = socket.endpoint_of(address)
        near = is_loopback(source.ip) or source.ip == socket.endpoints()[0].ip
        return near and source.port in self._speakers

    def _host_moved(
        self,
        socket: HostSocket,
        views: Iterable[memoryview],
        count: int,
        address: bytes | None,
        *,
        out: bool,
    ) -> None:
        local, remote = self._ends.get(socket) or socket.endpoints()
        if address:
            remote = socket.endpoint_of(address)
        source, target = (local, remote) if out else (remote, local)
        data = b"".join(views)[:count]
        for observer in self.observers:
            tell = observer.tcp_data if socket.is_stream else observer.udp
            tell(source, target, HOST_MARKS, data, True)

    def host_ended(self, socket: HostSocket) -> None:
        ends = self._ends.get(socket)
        if ends is not None:
            for observer in self.observers:
                observer.tcp_fin(ends[0], ends[1], HOST_MARKS)

    def host_reset(self, socket: HostSocket) -> None:
        ends = self._ends.pop(socket, None)
        if ends is not None:
            for observer in self.observers:
                observer.tcp_reset(ends[1], ends[0], HOST_MARKS)

    def host_gone(self, socket: HostSocket) -> None:
        self.host_ended(socket)
        self._ends.pop(socket, None)
        self._inside.pop(socket, None)


def _marks(socket: TcpSocket) -> Marks:
    """What the socket's options say of its packets."""
    remote = socket.remote
    return socket.marks(SOL_IP if remote is not None and len(remote.ip) == 4 else SOL_IPV6)
