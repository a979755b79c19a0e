"""Netlink: questions to the kernel about its interfaces and addresses.  See netlink(7),
rtnetlink(7).

Enough for getifaddrs(3), if_nameindex(3) and ``ip addr``: dumps of links, addresses and routes,
and one link by index or name.  Changing anything is EPERM or EOPNOTSUPP: the network is fixed.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import (
    EADDRINUSE,
    EAGAIN,
    ECONNREFUSED,
    EINVAL,
    EMSGSIZE,
    ENOBUFS,
    ENODEV,
    ENOPROTOOPT,
    EOPNOTSUPP,
    EPERM,
)
from kernel.abi.files import POLLERR, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM
from kernel.abi.sockets import AF_INET, AF_INET6, AF_NETLINK, AF_UNSPEC, SOL_NETLINK
from kernel.abi.sockios import ARPHRD_LOOPBACK, IFF_LOWER_UP
from kernel.net import interfaces
from kernel.net.address import LOOPBACK4, LOOPBACK6, family_of
from kernel.net.message import Incoming, Outgoing
from kernel.net.options import as_int, number
from kernel.net.packets import Packet, PacketQueue, take_packet
from kernel.net.socketfile import SocketFile
from kernel.wait import Blocking

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.net.network import Network
    from kernel.task.task import Task
    from kernel.vfs.caller import Caller

NETLINK_ROUTE: Final = 0
NLMSG_ERROR: Final = 2
NLMSG_DONE: Final = 3
NLM_F_REQUEST: Final = 1
NLM_F_MULTI: Final = 2
NLM_F_ACK: Final = 4
NLM_F_ROOT: Final = 0x100
NLM_F_MATCH: Final = 0x200
RTM_NEWLINK: Final = 16
RTM_GETLINK: Final = 18
RTM_NEWADDR: Final = 20
RTM_GETADDR: Final = 22
RTM_GETROUTE: Final = 26
_RTM_BASE: Final = 16
_RTM_MAX: Final = 120

IFLA_ADDRESS: Final = 1
IFLA_BROADCAST: Final = 2
IFLA_IFNAME: Final = 3
IFLA_MTU: Final = 4
IFLA_TXQLEN: Final = 13
IFLA_OPERSTATE: Final = 16
IFLA_STATS64: Final = 23
IFA_ADDRESS: Final = 1
IFA_LOCAL: Final = 2
IFA_LABEL: Final = 3
IFA_FLAGS: Final = 8
IFA_F_PERMANENT: Final = 0x80
SCOPE_HOST: Final = 254

SOCKADDR_NL: Final = Struct("<H2xII")  # family, pid, groups
_NLMSG: Final = Struct("<IHHII")  # length, type, flags, sequence, port
_IFINFO: Final = Struct("<BxHiII")  # family, hardware, index, flags, change
_IFADDR: Final = Struct("<BBBBI")  # family, prefix, flags, scope, index
_ATTRIBUTE: Final = Struct("<HH")
_HEAD: Final = 32
"""What Linux keeps of the send buffer for itself."""
_OPTION_DEFAULTS: Final = dict.fromkeys((1, 2, 3, 4, 5, 8, 10, 11, 12), 0)


class NetlinkSocket(SocketFile):
    """A socket to rtnetlink.  ``port``: its address, given at bind or at the first send."""

    __slots__ = ("groups", "incoming", "netlink_options", "port")

    def __init__(self, net: Network, caller: Caller, type_: int) -> None:
        super().__init__(net, caller, AF_NETLINK, type_, NETLINK_ROUTE)
        self.incoming = PacketQueue()
        self.port = 0
        self.groups = 0
        self.netlink_options: dict[int, int] = {}

    # -- names -----------------------------------------------------------------------------------

    def bind(self, task: Task, address: bytes) -> None:
        if len(address) < SOCKADDR_NL.size:
            raise EINVAL("no sockaddr_nl")
        family, port, groups = SOCKADDR_NL.unpack_from(address)
        if family != AF_NETLINK or (self.port and port != self.port):
            raise EINVAL(
                "the address is of family %d, or the socket has port %d", family, self.port
            )
        if not self.port:
            self._take_port(task, port)
        self.groups = groups

    def _take_port(self, task: Task, wanted: int) -> None:
        ports = self.net.netlink
        if wanted and wanted in ports:
            raise EADDRINUSE("netlink port %d is taken", wanted)
        port = wanted or task.tgid
        while port in ports:
            port = 0x80000000 + self.net.random.below(0x7FFFFFFF)
        ports[port] = self
        self.port = port

    def connect(self, task: Task, address: bytes, nonblock: bool) -> int:
        if family_of(address) == AF_UNSPEC:
            return 0
        if len(address) < SOCKADDR_NL.size or family_of(address) != AF_NETLINK:
            raise EINVAL("no sockaddr_nl")
        if SOCKADDR_NL.unpack_from(address)[1]:
            raise ECONNREFUSED("on netlink only the kernel, port 0, can be talked to")
        if not self.port:
            self._take_port(task, 0)
        return 0

    def name(self) -> bytes:
        return SOCKADDR_NL.pack(AF_NETLINK, self.port, self.groups)

    def peer_name(self) -> bytes:
        return SOCKADDR_NL.pack(AF_NETLINK, 0, 0)

    # -- asking ----------------------------------------------------------------------------------

    def send(self, task: Task, buf: Buffer, message: Outgoing) -> int:
        if message.address is not None:
            if len(message.address) < SOCKADDR_NL.size or family_of(message.address) != AF_NETLINK:
                raise EINVAL("no sockaddr_nl")
            if SOCKADDR_NL.unpack_from(message.address)[1]:
                raise ECONNREFUSED("on netlink only the kernel, port 0, can be talked to")
        if not self.port:
            self._take_port(task, 0)
        if buf.remaining > self.options.sndbuf - _HEAD:
            raise EMSGSIZE(
                "a message of %d bytes does not fit into SO_SNDBUF, %d",
                buf.remaining, self.options.sndbuf,
            )  # fmt: skip
        data = buf.take(buf.remaining)
        self._answer_all(task, data)
        return len(data)

    def _answer_all(self, task: Task, data: bytes) -> None:
        at = 0
        while len(data) - at >= _NLMSG.size:
            length, kind, flags, sequence, _ = _NLMSG.unpack_from(data, at)
            if not _NLMSG.size <= length <= len(data) - at:
                return
            request = data[at : at + length]
            if flags & NLM_F_REQUEST and kind >= _RTM_BASE:
                self._answer(task, request, kind, flags, sequence)
            elif flags & NLM_F_ACK:
                self._error(request, sequence, 0)
            at += length + 3 & ~3

    def _answer(self, task: Task, request: bytes, kind: int, flags: int, sequence: int) -> None:
        body = request[_NLMSG.size :]
        family = body[0] if body else 0
        if kind > _RTM_MAX:
            self._error(request, sequence, EOPNOTSUPP.errno)
        elif kind & 3 != 2:
            self._error(request, sequence, EPERM.errno)
        elif flags & (NLM_F_ROOT | NLM_F_MATCH):
            self._dump(kind, family, sequence)
        elif kind == RTM_GETLINK:
            self._one_link(request, body, sequence)
        else:
            self._error(request, sequence, EOPNOTSUPP.errno)

    def _dump(self, kind: int, family: int, sequence: int) -> None:
        found: list[tuple[int, bytes]] = []
        if kind == RTM_GETLINK:
            found = [(RTM_NEWLINK, link(self.net))]
        elif kind == RTM_GETADDR:
            found = [(RTM_NEWADDR, body) for body in addresses(self.net, family)]
        messages = [self._message(type_, NLM_F_MULTI, sequence, body) for type_, body in found]
        if messages:
            self._reply(b"".join(messages))
        self._reply(self._message(NLMSG_DONE, NLM_F_MULTI, sequence, bytes(4)))

    def _one_link(self, request: bytes, body: bytes, sequence: int) -> None:
        if len(body) < _IFINFO.size:
            self._error(request, sequence, EINVAL.errno)
            return
        index = _IFINFO.unpack_from(body)[2]
        name = parse_attributes(body[_IFINFO.size :]).get(IFLA_IFNAME, b"").rstrip(b"\0")
        if index != interfaces.INDEX and name != interfaces.NAME:
            self._error(request, sequence, ENODEV.errno)
        else:
            self._reply(self._message(RTM_NEWLINK, 0, sequence, link(self.net)))

    def _error(self, request: bytes, sequence: int, errno: int) -> None:
        body = as_int(-errno) + (request if errno else request[: _NLMSG.size])
        self._reply(self._message(NLMSG_ERROR, 0, sequence, body))

    def _message(self, kind: int, flags: int, sequence: int, body: bytes) -> bytes:
        header = _NLMSG.pack(_NLMSG.size + len(body), kind, flags, sequence, self.port)
        return header + body + bytes(-len(body) % 4)

    def _reply(self, data: bytes) -> None:
        """An answer; one that finds no room is lost, and the next receive says so (netlink(7))."""
        if self.incoming.size + len(data) > self.options.rcvbuf:
            self.error = ENOBUFS.errno
            self.queue.wake()
            return
        self.incoming.append(Packet(data, self.peer_name()))
        self.queue.wake()

    # -- reading the answers ---------------------------------------------------------------------

    def receive(self, task: Task, buf: Buffer, message: Incoming) -> int | Blocking[int]:
        self.raise_error()
        if len(self.incoming):
            return take_packet(self, self.incoming, buf, message)[0]
        if not self.waits(message.flags):
            raise EAGAIN("no answer of the kernel waits")
        return self._receive_later(buf, message)

    def _receive_later(self, buf: Buffer, message: Incoming) -> Blocking[int]:
        deadline = self.receive_deadline()
        while not len(self.incoming):
            yield from self.sleep(deadline)
        return take_packet(self, self.incoming, buf, message)[0]

    def poll(self, caller: Caller, events: int) -> int:
        ready = POLLOUT | POLLWRNORM
        if len(self.incoming):
            ready |= POLLIN | POLLRDNORM
        return ready & events | (POLLERR if self.error else 0)

    def close_socket(self) -> None:
        if self.net.netlink.get(self.port) is self:
            del self.net.netlink[self.port]
        self.incoming.clear()

    def set_option(self, task: Task, level: int, name: int, value: bytes) -> None:
        if level != SOL_NETLINK:
            super().set_option(task, level, name, value)
        elif name not in _OPTION_DEFAULTS:
            raise ENOPROTOOPT("level %d has no option %d here", level, name)
        else:  # groups never say anything: nothing changes on this network
            self.netlink_options[name] = number(value)

    def get_option(self, task: Task, level: int, name: int, size: int) -> bytes:
        if level != SOL_NETLINK:
            return super().get_option(task, level, name, size)
        if name not in _OPTION_DEFAULTS:
            raise ENOPROTOOPT("level %d has no option %d here", level, name)
        return as_int(int(bool(self.netlink_options.get(name, 0))))


def attribute(kind: int, data: bytes) -> bytes:
    """One rtattr, padded."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(data), kind) + data + bytes(-len(data) % 4)


def parse_attributes(data: bytes) -> dict[int, bytes]:
    """The rtattrs of a request; ends at the first that is malformed."""
    found: dict[int, bytes] = {}
    at = 0
    while len(data) - at >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if not _ATTRIBUTE.size <= length <= len(data) - at:
            break
        found[kind] = data[at + _ATTRIBUTE.size : at + length]
        at += length + 3 & ~3
    return found


def link(net: Network) -> bytes:
    """RTM_NEWLINK of lo."""
    flags = interfaces.flags(net) | (IFF_LOWER_UP if net.has_loopback else 0)
    traffic = net.traffic
    counts = (traffic.packets, traffic.packets, traffic.bytes, traffic.bytes)
    statistics = b"".join(value.to_bytes(8, "little") for value in counts)
    return b"".join((
        _IFINFO.pack(AF_UNSPEC, ARPHRD_LOOPBACK, interfaces.INDEX, flags, 0),
        attribute(IFLA_IFNAME, interfaces.NAME + b"\0"),
        attribute(IFLA_TXQLEN, as_int(interfaces.QUEUE)),
        attribute(IFLA_OPERSTATE, b"\0"),
        attribute(IFLA_MTU, as_int(interfaces.MTU)),
        attribute(IFLA_ADDRESS, bytes(6)),
        attribute(IFLA_BROADCAST, bytes(6)),
        attribute(IFLA_STATS64, statistics.ljust(24 * 8, b"\0")),
    ))  # fmt: skip


def addresses(net: Network, family: int) -> list[bytes]:
    """RTM_NEWADDR of each address."""
    if not net.has_loopback:
        return []
    found = []
    if family in (AF_UNSPEC, AF_INET):
        header = _IFADDR.pack(
            AF_INET, interfaces.PREFIX4, IFA_F_PERMANENT, SCOPE_HOST, interfaces.INDEX
        )
        found.append(
            header
            + attribute(IFA_ADDRESS, LOOPBACK4)
            + attribute(IFA_LOCAL, LOOPBACK4)
            + attribute(IFA_LABEL, interfaces.NAME + b"\0")
            + attribute(IFA_FLAGS, as_int(IFA_F_PERMANENT))
        )
    if family in (AF_UNSPEC, AF_INET6):
        header = _IFADDR.pack(
            AF_INET6, interfaces.PREFIX6, IFA_F_PERMANENT, SCOPE_HOST, interfaces.INDEX
        )
        found.append(
            header
            + attribute(IFA_ADDRESS, LOOPBACK6)
            + attribute(IFA_FLAGS, as_int(IFA_F_PERMANENT))
        )
    return found
