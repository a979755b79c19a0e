"""What TCP and UDP share: addresses of the loopback, binding, options of ip(7) and ipv6(7).

The machine has one interface, lo, with 127.0.0.0/8 and ::1.  A socket bound to the wildcard talks
from the address it talks to.  Everything else is unreachable, as on a machine without a cable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import (
    EACCES,
    EADDRNOTAVAIL,
    EINVAL,
    ENETUNREACH,
    ENODEV,
    ENOPROTOOPT,
    ENOTCONN,
    EOPNOTSUPP,
    EPERM,
)
from kernel.abi.inet import (
    IP_ADD_MEMBERSHIP,
    IP_BIND_ADDRESS_NO_PORT,
    IP_DROP_MEMBERSHIP,
    IP_FREEBIND,
    IP_MTU,
    IP_MTU_DISCOVER,
    IP_MULTICAST_ALL,
    IP_MULTICAST_LOOP,
    IP_MULTICAST_TTL,
    IP_PKTINFO,
    IP_RECVERR,
    IP_RECVTOS,
    IP_RECVTTL,
    IP_TOS,
    IP_TRANSPARENT,
    IP_TTL,
    IPV6_ADD_MEMBERSHIP,
    IPV6_DROP_MEMBERSHIP,
    IPV6_MTU,
    IPV6_MTU_DISCOVER,
    IPV6_MULTICAST_HOPS,
    IPV6_MULTICAST_LOOP,
    IPV6_RECVERR,
    IPV6_RECVHOPLIMIT,
    IPV6_RECVPKTINFO,
    IPV6_RECVTCLASS,
    IPV6_TCLASS,
    IPV6_UNICAST_HOPS,
    IPV6_V6ONLY,
    PORT_FIRST_FREE,
)
from kernel.abi.sockets import AF_INET, AF_INET6, SOL_IP, SOL_IPV6
from kernel.cred import CAP_NET_BIND_SERVICE
from kernel.net.address import (
    ANY4,
    ANY6,
    LOOPBACK4,
    LOOPBACK6,
    MAPPED,
    NOWHERE4,
    NOWHERE6,
    Endpoint,
    is_loopback,
    is_multicast,
    pack_inet,
    parse_inet,
)
from kernel.net.marks import Marks
from kernel.net.options import CAP_NET_ADMIN, SocketOptions, as_int, number

if TYPE_CHECKING:
    from kernel.net.network import Network
    from kernel.task.task import Task
    from kernel.vfs.inode import Inode

LOOPBACK_MTU: Final = 65536

# option -> (default, least, most)
_IP: Final = {
    IP_TOS: (0, 0, 255), IP_TTL: (64, 1, 255), IP_MTU_DISCOVER: (1, 0, 5), IP_RECVERR: (0, 0, 1),
    IP_RECVTTL: (0, 0, 1), IP_RECVTOS: (0, 0, 1), IP_PKTINFO: (0, 0, 1), IP_FREEBIND: (0, 0, 1),
    IP_BIND_ADDRESS_NO_PORT: (0, 0, 1), IP_MULTICAST_LOOP: (1, 0, 1), IP_MULTICAST_TTL: (1, 0, 255),
    IP_MULTICAST_ALL: (1, 0, 1), IP_TRANSPARENT: (0, 0, 1),
}  # fmt: skip
_IPV6: Final = {
    IPV6_UNICAST_HOPS: (64, 0, 255), IPV6_MULTICAST_HOPS: (1, 0, 255), IPV6_TCLASS: (0, 0, 255),
    IPV6_MULTICAST_LOOP: (1, 0, 1), IPV6_MTU_DISCOVER: (1, 0, 5), IPV6_RECVERR: (0, 0, 1),
    IPV6_RECVPKTINFO: (0, 0, 1), IPV6_RECVHOPLIMIT: (0, 0, 1), IPV6_RECVTCLASS: (0, 0, 1),
}  # fmt: skip


class InetNames:
    """The addressing half of an Internet socket.

    ``local``, ``remote``: port 0 means none yet.  ``chosen``: bind(2) named the port, so a
    disconnect keeps it; ``bound_ip``: the address it named.  ``ip_options``: (level, option) ->
    number, where it was set.  Without slots, since it is mixed into classes of different layouts.
    """

    domain: int
    net: Network
    inode: Inode
    options: SocketOptions
    local: Endpoint
    remote: Endpoint | None
    v6only: int
    chosen: bool
    bound_ip: bytes
    ip_options: dict[tuple[int, int], int]

    def __str__(self) -> str:
        """For people: 'socket:[12] 127.0.0.1:80 -> 127.0.0.1:4000'."""
        far = f" -> {self.remote}" if self.remote is not None else ""
        return f"socket:[{self.inode.ino}] {self.local}{far}"

    def begin(self) -> None:
        """No addresses yet."""
        self.local = NOWHERE4 if self.domain == AF_INET else NOWHERE6
        self.remote = None
        self.v6only = 0
        self.chosen = False
        self.bound_ip = self.local.ip
        self.ip_options = {}

    @property
    def owner_uid(self) -> int:
        """Who made it."""
        return self.inode.uid

    # -- addresses -------------------------------------------------------------------------------

    def address_to_bind(self, task: Task, raw: bytes) -> Endpoint:
        """bind(2)'s address, checked.  EADDRNOTAVAIL, EACCES, EINVAL."""
        wanted = parse_inet(self.domain, raw, unspec=True)
        if self.local.port or self.chosen:
            raise EINVAL("%s has an address already", self)
        if len(wanted.ip) == 4 and self.domain == AF_INET6 and self.v6only:
            raise EINVAL("%s is an IPv4 address, and IPV6_V6ONLY is set", wanted)
        if not wanted.any and not self._mine(wanted.ip):
            raise EADDRNOTAVAIL("%s is no address of this machine, which has loopback ones", wanted)
        if 0 < wanted.port < PORT_FIRST_FREE and not task.cred.capable(CAP_NET_BIND_SERVICE):
            raise EACCES(
                "port %d is below %d: uid %d needs CAP_NET_BIND_SERVICE",
                wanted.port, PORT_FIRST_FREE, task.cred.euid,
            )  # fmt: skip
        return wanted

    def keep(self, wanted: Endpoint) -> None:
        """What bind(2) named outlives a connection."""
        self.chosen = bool(wanted.port)
        self.bound_ip = wanted.ip

    def _mine(self, ip: bytes) -> bool:
        if is_multicast(ip) and len(ip) == 4:
            return True
        return self.net.has_loopback and (is_loopback(ip) or bool(self._number(IP_FREEBIND)))

    def destination(self, raw: bytes) -> Endpoint:
        """Where connect(2) and sendto(2) go; the wildcard means this machine.  ENETUNREACH."""
        target = parse_inet(self.domain, raw)
        ip = target.ip
        if self.domain == AF_INET6 and len(ip) == 4 and self.v6only:
            raise ENETUNREACH("%s is an IPv4 address, and IPV6_V6ONLY is set", target)
        if target.any:
            ip = LOOPBACK4 if len(ip) == 4 else LOOPBACK6
            if ip == LOOPBACK6 and self.local.ip != ANY6 and len(self.local.ip) == 4:
                ip = LOOPBACK4
        if self.local.ip not in (ANY4, ANY6) and len(self.local.ip) != len(ip):
            kind = EINVAL if len(ip) == 4 else ENETUNREACH
            raise kind("%s is bound to the other family than %s", self, target)
        if not self.net.has_loopback or not is_loopback(ip):
            raise ENETUNREACH("there is no route to %s: --network is %s", target, self.net.mode)
        return Endpoint(ip, target.port)

    def source_for(self, target: Endpoint) -> bytes:
        """The address we talk from: the bound one, or the loopback's own."""
        if self.local.ip not in (ANY4, ANY6):
            return self.local.ip
        return LOOPBACK4 if len(target.ip) == 4 else LOOPBACK6

    def shown(self, endpoint: Endpoint) -> bytes:
        """A sockaddr of our family."""
        return pack_inet(self.domain, endpoint)

    def name(self) -> bytes:
        """getsockname(2)."""
        return self.shown(self.local)

    def peer_name(self) -> bytes:
        """getpeername(2)."""
        if self.remote is None:
            raise ENOTCONN("%s is not connected", self)
        return self.shown(self.remote)

    # -- options ---------------------------------------------------------------------------------

    def _number(self, name: int, level: int = SOL_IP) -> int:
        table = _IP if level == SOL_IP else _IPV6
        return self.ip_options.get((level, name), table[name][0])

    def marks(self, level: int) -> Marks:
        """What the options say of the header of each packet."""
        if level == SOL_IP:
            return Marks(self._number(IP_TTL), self._number(IP_TOS))
        return Marks(self._number(IPV6_UNICAST_HOPS, level), self._number(IPV6_TCLASS, level))

    def set_ip_option(self, task: Task, level: int, name: int, value: bytes) -> None:
        """Options of ip(7) and ipv6(7).  ENOPROTOOPT."""
        if level == SOL_IPV6 and self.domain != AF_INET6:
            raise ENOPROTOOPT("option %d is IPv6's, the socket AF_INET", name)
        if level == SOL_IPV6 and name == IPV6_V6ONLY:
            self._set_v6only(value)
            return
        if name in ((IP_ADD_MEMBERSHIP, IP_DROP_MEMBERSHIP) if level == SOL_IP else
                    (IPV6_ADD_MEMBERSHIP, IPV6_DROP_MEMBERSHIP)):  # fmt: skip
            if len(value) < (8 if level == SOL_IP else 20):
                raise EINVAL("%d bytes are no struct ip_mreq", len(value))
            raise ENODEV("lo, the only interface, does no multicast")
        table = _IP if level == SOL_IP else _IPV6
        if name not in table:
            raise ENOPROTOOPT("level %d has no option %d here", level, name)
        given = _small_number(value) if level == SOL_IP else number(value)
        default, least, most = table[name]
        if given == -1 and most == 255:
            given = default
        if level == SOL_IP and name == IP_TRANSPARENT and not task.cred.capable(CAP_NET_ADMIN):
            raise EPERM("IP_TRANSPARENT needs CAP_NET_ADMIN")
        if most == 1:
            given = int(bool(given))
        elif name == IP_TOS and level == SOL_IP:
            given &= 0xFF
        if not least <= given <= most:
            raise EINVAL("option %d is %d, not in %d to %d", name, given, least, most)
        self.ip_options[level, name] = given

    def _set_v6only(self, value: bytes) -> None:
        given = number(value)
        if self.local.port:
            raise EINVAL("IPV6_V6ONLY is set before bind, and %s is bound", self)
        self.v6only = int(bool(given))

    def get_ip_option(self, level: int, name: int, size: int) -> bytes:
        """Read them back.  A one-byte buffer gets one byte from ip(7)'s."""
        if level == SOL_IPV6:
            if self.domain != AF_INET6:
                raise EOPNOTSUPP("option %d is IPv6's, the socket AF_INET", name)
            if name == IPV6_V6ONLY:
                return as_int(self.v6only)
        if (level, name) in ((SOL_IP, IP_MTU), (SOL_IPV6, IPV6_MTU)):
            if self.remote is None:
                raise ENOTCONN("%s is not connected, so its path has no MTU", self)
            return as_int(LOOPBACK_MTU)
        if name not in (_IP if level == SOL_IP else _IPV6):
            raise ENOPROTOOPT("level %d has no option %d here", level, name)
        found = self._number(name, level)
        if level == SOL_IP and 0 < size < 4:
            return bytes((found & 0xFF,))
        return as_int(found)


def _small_number(value: bytes) -> int:
    """ip(7) takes an int or a byte."""
    if len(value) >= 4:
        return number(value)
    if not value:
        raise EINVAL("the option has no value")
    return value[0]


def mapped(ip: bytes) -> bytes:
    """16 bytes in any case, for IPV6_PKTINFO."""
    return ip if len(ip) == 16 else MAPPED + ip
