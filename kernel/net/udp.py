"""UDP on the loopback: datagrams to whoever has the port.  See udp(7).

What does not fit into the receiver's buffer is lost without a word, as on a wire.  A datagram for
a port that nobody has comes back as ECONNREFUSED, if the sender is connected (the ICMP answer).
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import (
    EACCES,
    EAGAIN,
    ECONNREFUSED,
    EDESTADDRREQ,
    EINVAL,
    EMSGSIZE,
    ENETUNREACH,
    ENOPROTOOPT,
    ENOTCONN,
    EOPNOTSUPP,
)
from kernel.abi.files import (
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLRDHUP,
    POLLRDNORM,
    POLLWRNORM,
)
from kernel.abi.inet import (
    IP_PKTINFO,
    IPPROTO_UDP,
    IPV6_PKTINFO,
    IPV6_RECVPKTINFO,
    UDP_CORK,
)
from kernel.abi.sockets import (
    AF_INET,
    AF_INET6,
    AF_UNSPEC,
    MSG_ERRQUEUE,
    MSG_OOB,
    SO_TIMESTAMP,
    SO_TIMESTAMPNS,
    SOCK_DGRAM,
    SOL_IP,
    SOL_IPV6,
    SOL_SOCKET,
    SOL_UDP,
)
from kernel.abi.sockios import SIOCINQ, SIOCOUTQ
from kernel.abi.structs import TIMESPEC, TIMEVAL
from kernel.net.address import Endpoint, family_of
from kernel.net.inet import InetNames, mapped
from kernel.net.interfaces import INDEX
from kernel.net.marks import Marks, chosen_marks, shown_marks
from kernel.net.message import Incoming, Outgoing
from kernel.net.options import as_int, number
from kernel.net.packets import Packet, PacketQueue, take_packet, wait_for_packet
from kernel.net.socketfile import SHUT_BOTH, SHUT_RECEIVE, SHUT_SEND, SocketFile
from kernel.wait import Blocking

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.net.network import Network
    from kernel.task.task import Task
    from kernel.vfs.caller import Caller

MOST: Final = 65507
"""Bytes in a datagram over IPv4: 65535 less the headers."""
MOST6: Final = 65527
_SECOND: Final = 1_000_000_000
_PKTINFO: Final = Struct("<i4s4s")  # interface, our address, the header's address
_PKTINFO6: Final = Struct("<16sI")
_READABLE: Final = POLLIN | POLLRDNORM


class UdpSocket(InetNames, SocketFile):
    """A UDP socket.  ``remote``: whom it is connected to; others' datagrams do not reach it."""

    __slots__ = ("incoming",)

    def __init__(self, net: Network, caller: Caller, domain: int) -> None:
        super().__init__(net, caller, domain, SOCK_DGRAM, IPPROTO_UDP)
        self.begin()
        self.incoming = PacketQueue()

    @property
    def shares_reused(self) -> bool:
        return True

    # -- names -----------------------------------------------------------------------------------

    def bind(self, task: Task, address: bytes) -> None:
        endpoint = self.address_to_bind(task, address)
        self.net.udp.claim(self, endpoint)
        self.keep(endpoint)

    def connect(self, task: Task, address: bytes, nonblock: bool) -> int:
        if len(address) < 2:
            raise EINVAL("the address has %d bytes and no family", len(address))
        if family_of(address) == AF_UNSPEC:
            return self._disconnect()
        target = self.destination(address)
        self._check_broadcast(address)
        ip = self.source_for(target)
        if not self.local.port:
            self.net.udp.claim(self, Endpoint(self.local.ip, 0))
        self.local = Endpoint(ip, self.local.port)
        self.remote = target
        return 0

    def _disconnect(self) -> int:
        self.remote = None
        if not self.chosen and self.local.port:
            self.net.udp.release(self)
            self.local = Endpoint(self.bound_ip, 0)
        return 0

    # -- sending ---------------------------------------------------------------------------------

    def send(self, task: Task, buf: Buffer, message: Outgoing) -> int:
        count = buf.remaining
        if count > 0xFFFF:
            raise EMSGSIZE("a datagram has at most %d bytes, not %d", MOST, count)
        if message.flags & MSG_OOB:
            raise EOPNOTSUPP("datagrams have no out-of-band data (MSG_OOB)")
        target = self._target(message)
        level = SOL_IP if len(target.ip) == 4 else SOL_IPV6
        marks = chosen_marks(message.controls, self.marks(level), level)
        self.raise_error()
        if self.shut & SHUT_SEND:
            raise self.broken_pipe(message.flags, "%s is shut down for sending")
        if count > (MOST if len(target.ip) == 4 else MOST6):
            raise EMSGSIZE("a datagram to %s has at most %d bytes, not %d", target, MOST, count)
        if not self.local.port:
            self.net.udp.claim(self, Endpoint(self.local.ip, 0))
        data = buf.take(count)
        self._route(data, target, marks)
        return count

    def _target(self, message: Outgoing) -> Endpoint:
        raw = message.address
        if raw is not None and not (family_of(raw) == AF_UNSPEC and self.domain == AF_INET6):
            try:
                target = self.destination(raw)
            except ENETUNREACH:
                self._check_broadcast(raw)
                raise
            if not target.port:
                raise EINVAL("the destination has port 0")
            self._check_broadcast(raw)
            return target
        if self.remote is None:
            raise EDESTADDRREQ("no address is given, and %s is not connected", self)
        return self.remote

    def _check_broadcast(self, raw: bytes) -> None:
        """127.255.255.255 is lo's broadcast address."""
        if self.domain == AF_INET and raw[4:8] == b"\x7f\xff\xff\xff":
            if not self.options.broadcast:
                raise EACCES("a broadcast needs SO_BROADCAST")

    def _route(self, data: bytes, target: Endpoint, marks: Marks) -> None:
        source = Endpoint(self.source_for(target), self.local.port)
        receiver = self._receiver(source, target)
        self.net.traffic.datagram(source, target, marks, data, receiver is not None)
        if receiver is None:
            if self.remote is not None:
                self.error = ECONNREFUSED.errno
                self.queue.wake()
            return
        receiver.arrive(data, source, target, marks)

    def _receiver(self, source: Endpoint, target: Endpoint) -> UdpSocket | None:
        """A socket connected to us goes first, then the most specific address."""
        found = [s for s in self.net.udp.at(target) if s.remote is None or s.remote == source]
        if not found:
            return None
        for socket in found:
            if socket.remote is not None:
                return socket
        same = [s for s in found if s.local == found[0].local]
        if len(same) > 1 and not same[0].options.reuseport:
            return same[-1]  # with SO_REUSEADDR the last one bound gets everything
        return same[source.port % len(same)]

    def arrive(self, data: bytes, source: Endpoint, target: Endpoint, marks: Marks) -> None:
        """A datagram comes; lost if the buffer is full."""
        queue = self.incoming
        if self.shut & SHUT_RECEIVE or queue.charge >= self.options.rcvbuf:
            return
        stamp = self.net.clock.realtime() if self.options.timestamp else 0
        queue.append(Packet(data, self.shown(source), None, None, stamp, target.ip, marks))
        self.queue.wake(events=_READABLE)

    # -- receiving -------------------------------------------------------------------------------

    def receive(self, task: Task, buf: Buffer, message: Incoming) -> int | Blocking[int]:
        if message.flags & MSG_ERRQUEUE:
            raise EAGAIN("the error queue is empty")
        if message.flags & MSG_OOB:
            raise EOPNOTSUPP("datagrams have no out-of-band data (MSG_OOB)")
        if len(self.incoming):
            return self._take(buf, message)
        self.raise_error()
        if self.shut & SHUT_RECEIVE:
            return 0
        if not self.waits(message.flags):
            raise EAGAIN("no datagram has come")
        return self._receive_later(buf, message)

    def _receive_later(self, buf: Buffer, message: Incoming) -> Blocking[int]:
        there_is_one = yield from wait_for_packet(self, self.incoming)
        return self._take(buf, message) if there_is_one else 0

    def _take(self, buf: Buffer, message: Incoming) -> int:
        count, packet = take_packet(self, self.incoming, buf, message)
        stamp = self.options.timestamp
        if stamp:
            ns = packet.time or self.net.clock.realtime()
            data = (
                TIMEVAL.pack(ns // _SECOND, ns % _SECOND // 1000)
                if stamp == 1
                else TIMESPEC.pack(ns // _SECOND, ns % _SECOND)
            )
            kind = SO_TIMESTAMP if stamp == 1 else SO_TIMESTAMPNS
            message.controls.append((SOL_SOCKET, kind, data))
        if self.ip_options:
            self._add_controls(message, packet)
        return count

    def _add_controls(self, message: Incoming, packet: Packet) -> None:
        """What ip(7) and ipv6(7) options ask for beside each datagram."""
        wanted, controls, target = self.ip_options, message.controls, packet.target
        if len(target) == 4:
            if wanted.get((SOL_IP, IP_PKTINFO)):
                controls.append((SOL_IP, IP_PKTINFO, _PKTINFO.pack(INDEX, target, target)))
        if self.domain == AF_INET6:
            if wanted.get((SOL_IPV6, IPV6_RECVPKTINFO)):
                info = _PKTINFO6.pack(mapped(target), INDEX)
                controls.append((SOL_IPV6, IPV6_PKTINFO, info))
        if packet.marks is not None:
            level = SOL_IP if len(target) == 4 else SOL_IPV6
            controls.extend(shown_marks(packet.marks, wanted, level))

    # -- the rest --------------------------------------------------------------------------------

    def shutdown(self, how: int) -> None:
        if self.remote is None:
            raise ENOTCONN("%s is not connected", self)
        self.shut |= how
        self.queue.wake()

    def close_socket(self) -> None:
        self.incoming.clear()
        if self.local.port:
            self.net.udp.release(self)

    def poll(self, caller: Caller, events: int) -> int:
        ready = POLLOUT | POLLWRNORM
        if self.error:
            ready |= POLLERR
        if self.shut & SHUT_RECEIVE:
            ready |= POLLRDHUP | _READABLE
        if self.shut == SHUT_BOTH:
            ready |= POLLHUP
        if len(self.incoming):
            ready |= _READABLE
        return ready & (events | POLLERR | POLLHUP)

    def ioctl(self, caller: Caller, cmd: int, arg: int) -> int | Blocking[int]:
        if cmd == SIOCINQ:
            first = len(self.incoming.packets[0].data) if len(self.incoming) else 0
            caller.mem.write_u32(arg, first)
            return 0
        if cmd == SIOCOUTQ:
            caller.mem.write_u32(arg, 0)
            return 0
        return super().ioctl(caller, cmd, arg)

    def set_option(self, task: Task, level: int, name: int, value: bytes) -> None:
        if level in (SOL_IP, SOL_IPV6):
            self.set_ip_option(task, level, name, value)
        elif level == SOL_UDP:
            if name != UDP_CORK or number(value):
                raise ENOPROTOOPT("UDP has no option %d here", name)
        else:
            super().set_option(task, level, name, value)

    def get_option(self, task: Task, level: int, name: int, size: int) -> bytes:
        if level in (SOL_IP, SOL_IPV6):
            return self.get_ip_option(level, name, size)
        if level == SOL_UDP:
            if name != UDP_CORK:
                raise ENOPROTOOPT("UDP has no option %d here", name)
            return as_int(0)
        return super().get_option(task, level, name, size)
