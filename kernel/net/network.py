"""What one machine has of networking: names, ports, interfaces.

``mode`` is ``loopback`` (the interface lo, nothing beyond), ``none`` (not even lo has an address),
or ``host`` (Internet sockets are sockets of the host; see ``host_socket``).  The state is changed
by the families only, each its own part.  Linux: ``struct net``.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from kernel.net.ports import PortTable
from kernel.net.traffic import Traffic, WatchedTraffic, WireObserver

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel.clock.clock import Clock
    from kernel.clock.timers import Timers
    from kernel.net.message import Ancillary
    from kernel.net.socketfile import SocketFile
    from kernel.net.tcp import TcpSocket
    from kernel.net.udp import UdpSocket
    from kernel.task.system import Random, System
    from kernel.task.task import Task
    from kernel.vfs.inode import Inode
    from kernel.wait import HostPoller

    HostSocketMaker = Callable[["Network", Task, int, int, int], SocketFile]

LOOPBACK: Final = "loopback"
NONE: Final = "none"
HOST: Final = "host"
MODES: Final = (LOOPBACK, NONE, HOST)


class Network:
    """One machine's network.

    ``abstract``: abstract UNIX name and type -> socket.  ``places``: inode of a name -> socket.
    ``unix``: every UNIX socket.  ``tcp``, ``udp``: who has bound which port.  ``falling``:
    attachments being released (see ``inflight``); ``make_host_socket`` is there in mode ``host``;
    ``files_in_flight`` counts sockets on their way.
    """

    def __init__(self, kernel: System, mode: str = LOOPBACK) -> None:
        self.mode = mode
        self.kernel = kernel
        self.clock: Clock = kernel.clock
        self.timers: Timers = kernel.timers
        self.random: Random = kernel.random
        self.poller: HostPoller = kernel.host_poller
        self.abstract: dict[tuple[bytes, int], SocketFile] = {}
        self.places: dict[Inode, SocketFile] = {}
        self.unix: dict[SocketFile, None] = {}
        self.tcp: PortTable[TcpSocket] = PortTable(self.random, self.clock)
        self.udp: PortTable[UdpSocket] = PortTable(self.random, self.clock)
        self.netlink: dict[int, SocketFile] = {}
        self.traffic: Traffic = Traffic()
        self.make_host_socket: HostSocketMaker | None = None
        self.falling: deque[Ancillary] = deque()
        self.dropping = False
        self.files_in_flight = 0

    def watch(self, observer: WireObserver) -> None:
        """From now on ``observer`` sees every packet there would be."""
        traffic = self.traffic
        seen = traffic.observers if isinstance(traffic, WatchedTraffic) else ()
        self.traffic = WatchedTraffic(traffic, (*seen, observer))

    def unwatch(self, observer: WireObserver) -> None:
        """It sees no more."""
        traffic = self.traffic
        if isinstance(traffic, WatchedTraffic):
            left = tuple(other for other in traffic.observers if other is not observer)
            self.traffic = WatchedTraffic(traffic, left) if left else Traffic(traffic)

    @property
    def has_loopback(self) -> bool:
        """Is there an address to talk to?"""
        return self.mode != NONE

    def __repr__(self) -> str:
        return f"<Network {self.mode} {len(self.unix)} UNIX sockets>"


def network_of(kernel: System) -> Network:
    """The machine's network; loopback unless boot has chosen another."""
    net = kernel.net
    if net is None:
        net = kernel.net = Network(kernel)
    return net  # type: ignore[no-any-return]  # Any in System: a room above it
