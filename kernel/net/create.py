"""Making sockets: which family has which types and protocols.  See socket(2), ERRORS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import (
    EAFNOSUPPORT,
    EINVAL,
    EOPNOTSUPP,
    EPERM,
    EPROTONOSUPPORT,
    ESOCKTNOSUPPORT,
)
from kernel.abi.inet import IPPROTO_TCP, IPPROTO_UDP
from kernel.abi.sockets import (
    AF_INET,
    AF_INET6,
    AF_MAX,
    AF_NETLINK,
    AF_UNIX,
    SOCK_DGRAM,
    SOCK_PACKET,
    SOCK_RAW,
    SOCK_SEQPACKET,
    SOCK_STREAM,
)
from kernel.net.netlink import NETLINK_ROUTE, NetlinkSocket
from kernel.net.network import Network, network_of
from kernel.net.socketfile import SocketFile
from kernel.net.tcp import TcpSocket
from kernel.net.udp import UdpSocket
from kernel.net.unix_dgram import UnixDatagram
from kernel.net.unix_seqpacket import UnixSeqpacket
from kernel.net.unix_stream import UnixStream

if TYPE_CHECKING:
    from kernel.task.task import Task

CAP_NET_RAW = 13

_FAMILIES: Final = "family %d is none of AF_UNIX (1), AF_INET (2), AF_INET6 (10), AF_NETLINK (16)"


def make_socket(task: Task, domain: int, type_: int, protocol: int) -> SocketFile:
    """A new socket, without a name.  EAFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT, EPERM."""
    if not 0 <= domain < AF_MAX:
        raise EAFNOSUPPORT(_FAMILIES, domain)
    if not 0 <= type_ <= SOCK_PACKET:
        raise EINVAL("there is no socket type %d", type_)
    net = network_of(task.kernel)
    if domain == AF_UNIX:
        return _make_unix(net, task, type_, protocol)
    if domain in (AF_INET, AF_INET6):
        return _make_inet(net, task, domain, type_, protocol)
    if domain == AF_NETLINK:
        return _make_netlink(net, task, type_, protocol)
    raise EAFNOSUPPORT(_FAMILIES, domain)


def _make_unix(net: Network, task: Task, type_: int, protocol: int) -> SocketFile:
    if protocol not in (0, AF_UNIX):
        raise EPROTONOSUPPORT("AF_UNIX has no protocol %d", protocol)
    if type_ == SOCK_STREAM:
        return UnixStream(net, task, SOCK_STREAM)
    if type_ in (SOCK_DGRAM, SOCK_RAW):  # unix(7) sockets of type RAW are datagrams
        return UnixDatagram(net, task)
    if type_ == SOCK_SEQPACKET:
        return UnixSeqpacket(net, task)
    raise ESOCKTNOSUPPORT("this family has no sockets of type %d", type_)


def _make_inet(net: Network, task: Task, domain: int, type_: int, protocol: int) -> SocketFile:
    if not 0 <= protocol < 256:
        raise EINVAL("there is no protocol %d", protocol)
    if net.make_host_socket is not None and type_ in (SOCK_STREAM, SOCK_DGRAM):
        return net.make_host_socket(net, task, domain, type_, protocol)
    if type_ == SOCK_STREAM:
        if protocol not in (0, IPPROTO_TCP):
            raise EPROTONOSUPPORT("a stream speaks TCP (6), not protocol %d", protocol)
        return TcpSocket(net, task, domain)
    if type_ == SOCK_DGRAM:
        if protocol not in (0, IPPROTO_UDP):
            raise EPROTONOSUPPORT("datagrams are UDP (17), not protocol %d", protocol)
        return UdpSocket(net, task, domain)
    if type_ == SOCK_RAW:
        if not protocol:
            raise EPROTONOSUPPORT("raw sockets need a protocol")
        if not task.cred.capable(CAP_NET_RAW):
            raise EPERM("raw sockets need CAP_NET_RAW, which uid %d has not", task.cred.euid)
        raise EPROTONOSUPPORT("there are no raw sockets here")
    raise ESOCKTNOSUPPORT("this family has no sockets of type %d", type_)


def _make_netlink(net: Network, task: Task, type_: int, protocol: int) -> SocketFile:
    if type_ not in (SOCK_RAW, SOCK_DGRAM):
        raise ESOCKTNOSUPPORT("this family has no sockets of type %d", type_)
    if protocol != NETLINK_ROUTE:
        raise EPROTONOSUPPORT("netlink speaks NETLINK_ROUTE (0) here, not %d", protocol)
    return NetlinkSocket(net, task, type_)


def make_pair(task: Task, domain: int, type_: int, protocol: int) -> tuple[SocketFile, SocketFile]:
    """Two sockets that are partners: AF_UNIX only (EOPNOTSUPP).  See socketpair(2)."""
    first = make_socket(task, domain, type_, protocol)
    if domain != AF_UNIX:
        first.hold()
        first.drop()
        raise EOPNOTSUPP("socketpair is for AF_UNIX, not for family %d", domain)
    second = make_socket(task, domain, type_, protocol)
    first.pair(task, second)
    return first, second
