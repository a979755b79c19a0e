"""Socket addresses: from the bytes a program passes to values, and back.

Inside the kernel an Internet address is 4 or 16 bytes and a port; an IPv4-mapped IPv6 address
(``::ffff:127.0.0.1``) is its four bytes, so that both families meet in one table, and becomes 16
again when an AF_INET6 socket shows it.  A UNIX name is the bytes after the family: a path without
its NUL, or an abstract name with its leading one; empty is unnamed.  See ip(7), ipv6(7), unix(7).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kernel.abi.errors import EAFNOSUPPORT, EINVAL
from kernel.abi.inet import SOCKADDR_IN, SOCKADDR_IN6, SOCKADDR_IN6_LEAST
from kernel.abi.sockets import AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC, UNIX_PATH_MAX

ANY4: Final = bytes(4)
ANY6: Final = bytes(16)
LOOPBACK4: Final = bytes((127, 0, 0, 1))
LOOPBACK6: Final = bytes(15) + b"\1"
MAPPED: Final = bytes(10) + b"\xff\xff"
BROADCAST4: Final = b"\xff" * 4
_FAMILY: Final = 2


class Endpoint(NamedTuple):
    """An address and a port."""

    ip: bytes
    port: int

    @property
    def any(self) -> bool:
        """Is the address the wildcard of its family?"""
        return self.ip in (ANY4, ANY6)

    def __str__(self) -> str:
        if len(self.ip) == 4:
            return f"{'.'.join(map(str, self.ip))}:{self.port}"
        if self.ip in (ANY6, LOOPBACK6):
            return f"[::{'1' if self.ip[15] else ''}]:{self.port}"
        groups = [self.ip[i : i + 2].hex() for i in range(0, 16, 2)]
        return f"[{':'.join(groups)}]:{self.port}"


NOWHERE4: Final = Endpoint(ANY4, 0)
NOWHERE6: Final = Endpoint(ANY6, 0)


def family_of(raw: bytes) -> int:
    """sa_family; 0 where there are not even two bytes."""
    return int.from_bytes(raw[:_FAMILY], "little")


def parse_inet(family: int, raw: bytes, *, unspec: bool = False) -> Endpoint:
    """A sockaddr_in or sockaddr_in6, as the socket's family wants it.

    ``unspec``: AF_UNSPEC means IPv4's wildcard, for bind(2) of old programs.
    """
    if family == AF_INET:
        if len(raw) < SOCKADDR_IN.size:
            raise EINVAL(
                "the address has %d bytes, a sockaddr_in has %d", len(raw), SOCKADDR_IN.size
            )
        found, port, ip = SOCKADDR_IN.unpack_from(raw)
        if found != AF_INET and not (unspec and found == AF_UNSPEC and ip == ANY4):
            raise EAFNOSUPPORT("the address is of family %d, the socket AF_INET (2)", found)
        return Endpoint(ip, int.from_bytes(port, "big"))
    if len(raw) < SOCKADDR_IN6_LEAST:
        raise EINVAL("the address has %d bytes, a sockaddr_in6 has %d", len(raw), SOCKADDR_IN6.size)
    found, port, _, ip, _ = SOCKADDR_IN6.unpack_from(raw.ljust(SOCKADDR_IN6.size, b"\0"))
    if found != AF_INET6:
        raise EAFNOSUPPORT("the address is of family %d, the socket AF_INET6 (10)", found)
    return Endpoint(unmapped(ip), int.from_bytes(port, "big"))


def unmapped(ip: bytes) -> bytes:
    """The four bytes of an IPv4-mapped address; others as they are."""
    return ip[12:] if ip[:12] == MAPPED else ip


def pack_inet(family: int, endpoint: Endpoint) -> bytes:
    """The sockaddr a socket of that family shows."""
    ip, port = endpoint
    order = port.to_bytes(2, "big")
    if family == AF_INET:
        return SOCKADDR_IN.pack(AF_INET, order, ip)
    if len(ip) == 4:
        ip = ANY6 if ip == ANY4 else MAPPED + ip
    return SOCKADDR_IN6.pack(AF_INET6, order, 0, ip, 0)


def parse_unix(raw: bytes) -> bytes:
    """The name in a sockaddr_un; b'' where there is none (autobind)."""
    if len(raw) < _FAMILY or len(raw) > _FAMILY + UNIX_PATH_MAX:
        raise EINVAL(
            "the address has %d bytes, a sockaddr_un 2 to %d", len(raw), _FAMILY + UNIX_PATH_MAX
        )
    if family_of(raw) != AF_UNIX:
        raise EINVAL("the address is of family %d, the socket AF_UNIX (1)", family_of(raw))
    name = raw[_FAMILY:]
    return name if name[:1] == b"\0" else name.split(b"\0", 1)[0]


def pack_unix(name: bytes) -> bytes:
    """The sockaddr_un of a name; a path ends in NUL, an unnamed socket has only the family."""
    family = AF_UNIX.to_bytes(2, "little")
    return family + name if not name or name[0] == 0 else family + name + b"\0"


def is_loopback(ip: bytes) -> bool:
    """127.0.0.0/8 and ::1: the addresses this machine has."""
    return ip[0] == 127 if len(ip) == 4 else ip == LOOPBACK6


def is_multicast(ip: bytes) -> bool:
    """224.0.0.0/4, ff00::/8."""
    return 224 <= ip[0] < 240 if len(ip) == 4 else ip[0] == 255
