"""``-p HOSTPORT:GUESTPORT``: connections to a host port lead to a guest's port.

The host listens; each connection it takes is joined to a new one on the guest's loopback, and a
``Relay`` carries bytes both ways, ends included, as docker's userland proxy does.  Nothing is read
that the other side has no room for.  All of it runs between turns, from the machine's own poller
and timers.
"""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from kernel.abi.inet import TCP_CLOSE, TCP_SYN_SENT
from kernel.abi.sockets import AF_INET, AF_INET6
from kernel.net.address import LOOPBACK4, LOOPBACK6, Endpoint
from kernel.net.socketfile import SHUT_BOTH, SHUT_SEND
from kernel.net.tcp import TcpSocket
from kernel.wait import WaitQueue, Watcher

if TYPE_CHECKING:
    from kernel.net.network import Network
    from kernel.task.task import Task

CHUNK: Final = 65536
BACKLOG: Final = 128
LAST_WORDS: Final = 2.0
"""Seconds that a host client gets to take what an ended guest had sent."""


class Published:
    """One published port; made before the guest runs, so that a taken port is an error at once."""

    __slots__ = ("_queue", "_watcher", "guest_port", "host", "init", "net", "relays")

    def __init__(self, net: Network, init: Task, address: tuple[str, int], guest_port: int) -> None:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.net = net
        self.init = init
        self.guest_port = guest_port
        self.relays: dict[Relay, None] = {}
        self.host = socket.socket(family, socket.SOCK_STREAM)
        try:
            self.host.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.host.bind(address)
            self.host.listen(BACKLOG)
        except BaseException:
            self.host.close()
            raise
        self.host.setblocking(False)
        self._queue = WaitQueue(f"published port {address[1]}")
        self._watcher = Watcher(self._queue, self._notice)
        self._arm()

    def _arm(self) -> None:
        self.net.poller.watch(self.host.fileno(), select.POLLIN, self._queue)

    def _notice(self, events: int) -> bool:
        while True:
            try:
                made, _ = self.host.accept()
            except OSError:  # nobody more, or it went away again
                break
            relay = Relay(self, made)
            self.relays[relay] = None
            relay.soon()
        self._arm()
        return True

    def close(self) -> None:
        """The machine is gone; what its programs had sent still goes out."""
        for relay in list(self.relays):
            relay.finish()
            relay.close()
        self.net.poller.forget(self.host.fileno())
        self._watcher.remove()
        self.host.close()


class Relay:
    """One connection: ``host`` outside, ``guest`` inside; ends when both directions have."""

    __slots__ = (
        "_host_queue", "_host_watcher", "_inward", "_outward", "_scheduled", "_watcher", "guest",
        "host", "owner",
    )  # fmt: skip

    def __init__(self, owner: Published, host: socket.socket) -> None:
        host.setblocking(False)
        self.owner = owner
        self.host = host
        self.guest: TcpSocket | None = None
        self._scheduled = False
        self._inward = self._outward = True  # are the directions open?
        self._host_queue = WaitQueue("published connection")
        self._host_watcher = Watcher(self._host_queue, self._notice)
        self._watcher: Watcher | None = None

    def _notice(self, events: int) -> bool:
        self.soon()
        return True

    def soon(self) -> None:
        """Pump at the next chance, outside whatever woke us."""
        if not self._scheduled:
            self._scheduled = True
            net = self.owner.net
            net.timers.add(net.clock.monotonic(), self._pump)

    def _pump(self) -> None:
        self._scheduled = False
        if self.host.fileno() < 0:
            return
        try:
            if self.guest is None and not self._connect():
                self.close()
                return
            if self.guest is not None and self.guest.state != TCP_SYN_SENT:
                self._carry_in(self.guest)
                self._carry_out(self.guest)
        except OSError:  # the host's end is gone
            self.close()
            return
        guest = self.guest
        over = guest is None or (guest.state == TCP_CLOSE and not guest.incoming.size)
        if over or not (self._inward or self._outward):
            self.close()

    def _connect(self) -> bool:
        """To the guest's server: over IPv4, else over IPv6."""
        owner = self.owner
        for domain, ip in ((AF_INET, LOOPBACK4), (AF_INET6, LOOPBACK6)):
            guest = TcpSocket(owner.net, owner.init, domain)
            guest.hold()
            if guest.start(owner.init, Endpoint(ip, owner.guest_port)):
                self.guest = guest
                self._watcher = Watcher(guest.queue, self._notice)
                return True
            guest.drop()
        return False

    def _carry_in(self, guest: TcpSocket) -> None:
        while self._inward:
            room = guest.room()
            if room <= 0:
                guest.no_room = True
                return  # the guest wakes us when it has read
            try:
                data = self.host.recv(min(room, CHUNK))
            except BlockingIOError:
                self.owner.net.poller.watch(self.host.fileno(), select.POLLIN, self._host_queue)
                return
            if not data or guest.shut & SHUT_SEND:
                self._inward = False
                if guest.shut != SHUT_BOTH:
                    guest.shutdown(SHUT_SEND)
            else:
                guest.deliver(data, None)

    def _carry_out(self, guest: TcpSocket) -> None:
        incoming = guest.incoming
        while incoming.size:
            try:
                sent = self.host.send(incoming.peek(CHUNK))
            except BlockingIOError:
                self.owner.net.poller.watch(self.host.fileno(), select.POLLOUT, self._host_queue)
                return
            incoming.skip(sent)
            guest.made_room()
        if self._outward and guest.fin_received:
            self._outward = False
            self.host.shutdown(socket.SHUT_WR)

    def finish(self) -> None:
        """Send what is left, as a kernel does after a program's end; not for ever."""
        left = self.guest.incoming.peek(1 << 30) if self.guest is not None else b""
        if left:
            self.host.settimeout(LAST_WORDS)
            with suppress(OSError):
                self.host.sendall(left)

    def close(self) -> None:
        """Both ends; a reset outside if the guest's was one."""
        self.owner.relays.pop(self, None)
        guest, self.guest = self.guest, None
        if self.host.fileno() >= 0:
            self.owner.net.poller.forget(self.host.fileno())
            self.host.close()
        self._host_watcher.remove()
        if self._watcher is not None:
            self._watcher.remove()
        if guest is not None:
            guest.drop()
