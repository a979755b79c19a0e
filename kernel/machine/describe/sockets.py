"""Sockets of every family, in the words of ss(8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi import inet
from kernel.abi.sockets import AF_INET, AF_INET6, AF_NETLINK, AF_UNIX
from kernel.machine.describe.files import open_files
from kernel.machine.describe.plain import dotted
from kernel.machine.describe.processes import sleepers
from kernel.net.connection import ConnectionSocket
from kernel.net.socketfile import SHUT_RECEIVE, SHUT_SEND, SocketFile
from kernel.net.tcp import TcpSocket
from kernel.net.udp import UdpSocket
from kernel.net.unix_dgram import UnixDatagram
from kernel.net.unix_names import UnixNames
from kernel.net.unix_seqpacket import UnixSeqpacket

if TYPE_CHECKING:
    from kernel.machine.describe.files import Holder
    from kernel.task.system import System

_FAMILIES: Final = {
    AF_UNIX: "AF_UNIX",
    AF_INET: "AF_INET",
    AF_INET6: "AF_INET6",
    AF_NETLINK: "AF_NETLINK",
}
_TYPES: Final = {1: "SOCK_STREAM", 2: "SOCK_DGRAM", 3: "SOCK_RAW", 5: "SOCK_SEQPACKET"}
_STATES: Final = {
    getattr(inet, name): name.removeprefix("TCP_")
    for name in (
        "TCP_ESTABLISHED", "TCP_SYN_SENT", "TCP_SYN_RECV", "TCP_FIN_WAIT1", "TCP_FIN_WAIT2",
        "TCP_TIME_WAIT", "TCP_CLOSE", "TCP_CLOSE_WAIT", "TCP_LAST_ACK", "TCP_LISTEN",
        "TCP_CLOSING",
    )
    if hasattr(inet, name)
}  # fmt: skip


class SocketView(NamedTuple):
    """One socket.

    ``state``: TCP's, or 'UNCONN' for what has no connection; ``received`` bytes wait to be read,
    ``accepting`` connections wait to be accepted, of ``backlog``; ``peer``: the other end's inode
    where it is in this machine; ``shut``: which directions are shut down, 'r' and 'w'; ``waiting``:
    tids that sleep on it.
    """

    inode: int
    family: str
    type: str
    protocol: int
    state: str
    local: str
    remote: str
    received: int
    accepting: int
    backlog: int
    peer: int | None
    error: int
    shut: str
    holders: tuple[Holder, ...]
    waiting: tuple[int, ...]
    implemented_by: str


def sockets(system: System) -> tuple[SocketView, ...]:
    """Every socket that lives, by inode: those with a descriptor, and those that wait to be
    accepted or are on their way in a message.
    """
    holders = {f: who for f, who in open_files(system).items() if isinstance(f, SocketFile)}
    found: dict[SocketFile, list[Holder]] = dict(holders)
    net = system.net
    if net is not None:
        for socket in (*net.unix, *net.tcp.sockets(), *net.udp.sockets()):
            found.setdefault(socket, [])
    for socket in list(found):
        if isinstance(socket, ConnectionSocket):
            for waiting in socket.accepting:
                found.setdefault(waiting, [])
    return tuple(_socket(s, found[s]) for s in sorted(found, key=lambda s: s.inode.ino))


def _socket(socket: SocketFile, holders: list[Holder]) -> SocketView:
    connection = socket if isinstance(socket, ConnectionSocket) else None
    peer = peer_of(socket)
    return SocketView(
        socket.inode.ino,
        _FAMILIES.get(socket.domain, str(socket.domain)),
        _TYPES.get(socket.type, str(socket.type)),
        socket.protocol,
        _state(socket),
        _local(socket),
        _remote(socket, peer),
        _received(socket),
        len(connection.accepting) if connection is not None else 0,
        connection.backlog if connection is not None else 0,
        peer.inode.ino if peer is not None else None,
        socket.error,
        ("r" if socket.shut & SHUT_RECEIVE else "") + ("w" if socket.shut & SHUT_SEND else ""),
        tuple(holders),
        sleepers(socket.queue),
        dotted(type(socket)),
    )


def peer_of(socket: SocketFile) -> SocketFile | None:
    """The other end, where it is a socket of this machine."""
    if isinstance(socket, ConnectionSocket | UnixDatagram):
        return socket.peer
    return None


def _state(socket: SocketFile) -> str:
    if isinstance(socket, TcpSocket):
        return _STATES.get(socket.shown_state, str(socket.shown_state))
    if isinstance(socket, ConnectionSocket):
        return _STATES.get(socket.state, str(socket.state))
    if isinstance(socket, UdpSocket) and socket.remote is not None:
        return "ESTABLISHED"
    return "UNCONN"


def _local(socket: SocketFile) -> str:
    if isinstance(socket, UnixNames):
        return unix_name(socket.bound)
    return str(socket.local) if isinstance(socket, TcpSocket | UdpSocket) else ""


def _remote(socket: SocketFile, peer: SocketFile | None) -> str:
    if isinstance(peer, UnixNames):
        return unix_name(peer.bound)
    if isinstance(socket, TcpSocket | UdpSocket) and socket.remote is not None:
        return str(socket.remote)
    return ""


def unix_name(name: bytes) -> str:
    """A UNIX name as /proc/net/unix shows it: @ for NUL."""
    return name.replace(b"\0", b"@").decode("utf-8", "replace")


def _received(socket: SocketFile) -> int:
    if isinstance(socket, UnixSeqpacket):
        return socket.packets.size
    if isinstance(socket, ConnectionSocket | UdpSocket | UnixDatagram):
        return socket.incoming.size
    return 0
