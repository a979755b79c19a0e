"""Who has bound which port: one table for TCP, one for UDP.

Two sockets may share a port if their addresses do not overlap, or if both said so: SO_REUSEADDR
(for TCP only while neither listens), or SO_REUSEPORT by the same user.  An IPv6 wildcard overlaps
every IPv4 address unless it is IPV6_V6ONLY.  See socket(7), ip(7), ipv6(7).

A TCP connection that this end closed first stays in TIME_WAIT for a minute: its addresses are not
given out again, and binding its port needs SO_REUSEADDR.  Linux: ``inet_csk_get_port``,
``inet_bind_bucket``, ``tcp_time_wait``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from kernel.abi.errors import EADDRINUSE, EADDRNOTAVAIL
from kernel.abi.inet import EPHEMERAL
from kernel.net.address import ANY6, Endpoint

if TYPE_CHECKING:
    from kernel.clock.clock import Clock
    from kernel.net.options import SocketOptions
    from kernel.task.system import Random

TIME_WAIT_NS: Final = 60_000_000_000
MOST_WAITING: Final = 8192
"""/proc/sys/net/ipv4/tcp_max_tw_buckets: beyond it the oldest go."""


class Bound(Protocol):
    """What the table has to know of a socket."""

    local: Endpoint
    v6only: int
    options: SocketOptions

    @property
    def owner_uid(self) -> int:
        """Who made it (SO_REUSEPORT)."""

    @property
    def shares_reused(self) -> bool:
        """Is SO_REUSEADDR of both sides enough?  Not while it listens."""


B = TypeVar("B", bound=Bound)


class PortTable(Generic[B]):
    """Bound sockets by port.

    Invariants: a socket is in the list of its local port and in no other; no list is empty;
    ``waiting``, (deadline, SO_REUSEADDR) by both addresses, is ordered by deadline, and
    ``waiting_ports`` counts its entries by local port.
    """

    def __init__(self, random: Random, clock: Clock) -> None:
        self.random = random
        self.clock = clock
        self.by_port: dict[int, list[B]] = {}
        self.waiting: dict[tuple[Endpoint, Endpoint], tuple[int, int]] = {}
        self.waiting_ports: dict[int, int] = {}

    # -- claiming --------------------------------------------------------------------------------

    def claim(self, socket: B, endpoint: Endpoint) -> None:
        """bind(2): take the port, or any free one for port 0.  EADDRINUSE."""
        if endpoint.port:
            other = self._conflict(socket, endpoint)
            if other is not None:
                raise EADDRINUSE("%s is taken by %s", endpoint, other)
            self._enter(socket, endpoint)
            return
        for port in self._candidates():
            if port not in self.by_port and port not in self.waiting_ports:
                self._enter(socket, Endpoint(endpoint.ip, port))
                return
        raise EADDRINUSE("no port is free")

    def claim_for(self, socket: B, ip: bytes, remote: Endpoint) -> None:
        """connect(2): any port with which the connection is unique.  EADDRNOTAVAIL."""
        for port in self._candidates():
            if port not in self.by_port and (Endpoint(ip, port), remote) not in self.waiting:
                self._enter(socket, Endpoint(ip, port))
                return
        raise EADDRNOTAVAIL("no port is free")

    def join(self, socket: B, endpoint: Endpoint) -> None:
        """An accepted connection shares its listener's port."""
        self._enter(socket, endpoint)

    def check(self, socket: B) -> None:
        """listen(2): the port again, by the stricter rules.  EADDRINUSE."""
        other = self._conflict(socket, socket.local)
        if other is not None:
            raise EADDRINUSE("%s is taken by %s", socket.local, other)

    def release(self, socket: B) -> None:
        """The socket closes."""
        port = socket.local.port
        sharing = self.by_port.get(port)
        if sharing is not None and socket in sharing:
            sharing.remove(socket)
            if not sharing:
                del self.by_port[port]

    def _enter(self, socket: B, endpoint: Endpoint) -> None:
        socket.local = endpoint
        self.by_port.setdefault(endpoint.port, []).append(socket)

    def _candidates(self) -> list[int] | range:
        """Every ephemeral port once, from a random one on."""
        self.expire()
        first, last = EPHEMERAL
        start = first + self.random.below(last - first + 1)
        if start not in self.by_port and start not in self.waiting_ports:
            return [start, *range(first, last + 1)]
        return [*range(start, last + 1), *range(first, start)]

    def _conflict(self, socket: B, endpoint: Endpoint) -> object:
        """What has the port already, for the reason of the error; None if it can be had."""
        self.expire()
        if endpoint.port in self.waiting_ports and not self._reusable(socket, endpoint.port):
            return "a closed connection in TIME_WAIT (SO_REUSEADDR is not set)"
        return next(
            (
                other
                for other in self.by_port.get(endpoint.port, ())
                if other is not socket
                and _overlap(endpoint.ip, socket.v6only, other.local.ip, other.v6only)
                and not _share(socket, other)
            ),
            None,
        )

    def _reusable(self, socket: B, port: int) -> bool:
        """TIME_WAIT is no hindrance if both the old socket and the new one have SO_REUSEADDR."""
        return bool(socket.options.reuseaddr) and all(
            reuse for (local, _), (_, reuse) in self.waiting.items() if local.port == port
        )

    # -- finding ---------------------------------------------------------------------------------

    def at(self, target: Endpoint) -> list[B]:
        """Sockets that traffic to ``target`` may belong to, the most specific address first."""
        found = [
            (_score(socket, target.ip), index, socket)
            for index, socket in enumerate(self.by_port.get(target.port, ()))
            if _overlap(target.ip, 1, socket.local.ip, socket.v6only)
        ]
        found.sort(key=lambda entry: entry[:2])
        return [socket for _, _, socket in found]

    # -- TIME_WAIT -------------------------------------------------------------------------------

    def linger(self, local: Endpoint, remote: Endpoint, reuse: int) -> None:
        """A connection enters TIME_WAIT; ``reuse`` is its SO_REUSEADDR."""
        self.expire()
        key = (local, remote)
        if key not in self.waiting:
            self.waiting_ports[local.port] = self.waiting_ports.get(local.port, 0) + 1
        self.waiting.pop(key, None)
        self.waiting[key] = (self.clock.monotonic() + TIME_WAIT_NS, reuse)
        if len(self.waiting) > MOST_WAITING:
            self._forget(next(iter(self.waiting)))

    def expire(self) -> None:
        """Forget what has waited long enough."""
        now = self.clock.monotonic() if self.waiting else 0
        while self.waiting:
            key = next(iter(self.waiting))
            if self.waiting[key][0] > now:
                return
            self._forget(key)

    def _forget(self, key: tuple[Endpoint, Endpoint]) -> None:
        del self.waiting[key]
        port = key[0].port
        self.waiting_ports[port] -= 1
        if not self.waiting_ports[port]:
            del self.waiting_ports[port]

    def sockets(self) -> list[B]:
        """All of them, by port."""
        return [socket for port in sorted(self.by_port) for socket in self.by_port[port]]

    def check_invariants(self) -> None:
        """For tests."""
        for port, sharing in self.by_port.items():
            assert sharing
            assert all(socket.local.port == port for socket in sharing)
        counted: dict[int, int] = {}
        for local, _ in self.waiting:
            counted[local.port] = counted.get(local.port, 0) + 1
        assert counted == self.waiting_ports

    def __repr__(self) -> str:
        return f"<PortTable ports={sorted(self.by_port)[:8]}>"


def _overlap(a: bytes, a_only: int, b: bytes, b_only: int) -> bool:
    """Can both addresses be meant by one?"""
    if len(a) == len(b):
        return a == b or not any(a) or not any(b)
    six, only = (a, a_only) if len(a) == 16 else (b, b_only)
    return six == ANY6 and not only


def _share(a: Bound, b: Bound) -> bool:
    if a.options.reuseport and b.options.reuseport and a.owner_uid == b.owner_uid:
        return True
    both = a.options.reuseaddr and b.options.reuseaddr
    return bool(both and a.shares_reused and b.shares_reused)


def _score(socket: Bound, ip: bytes) -> int:
    """0 for the very address, 1 for the family's wildcard, 2 for the other family's."""
    if socket.local.ip == ip:
        return 0
    return 1 if len(socket.local.ip) == len(ip) else 2
