"""The one interface, lo: what ioctl(2) and netlink(7) say about it.  See netdevice(7)."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EADDRNOTAVAIL, ENODEV, EPERM
from kernel.abi.inet import SOCKADDR_IN
from kernel.abi.sockets import AF_INET
from kernel.abi.sockios import (
    ARPHRD_LOOPBACK,
    IFF_LOOPBACK,
    IFF_RUNNING,
    IFF_UP,
    SIOCADDMULTI,
    SIOCADDRT,
    SIOCBRADDBR,
    SIOCBRADDIF,
    SIOCBRDELBR,
    SIOCBRDELIF,
    SIOCDARP,
    SIOCDELMULTI,
    SIOCDELRT,
    SIOCDIFADDR,
    SIOCGIFADDR,
    SIOCGIFBRDADDR,
    SIOCGIFCONF,
    SIOCGIFDSTADDR,
    SIOCGIFFLAGS,
    SIOCGIFHWADDR,
    SIOCGIFINDEX,
    SIOCGIFMAP,
    SIOCGIFMETRIC,
    SIOCGIFMTU,
    SIOCGIFNAME,
    SIOCGIFNETMASK,
    SIOCGIFTXQLEN,
    SIOCSARP,
    SIOCSIFADDR,
    SIOCSIFBRDADDR,
    SIOCSIFDSTADDR,
    SIOCSIFFLAGS,
    SIOCSIFHWADDR,
    SIOCSIFHWBROADCAST,
    SIOCSIFMAP,
    SIOCSIFMETRIC,
    SIOCSIFMTU,
    SIOCSIFNAME,
    SIOCSIFNETMASK,
    SIOCSIFTXQLEN,
    SIOCSIFVLAN,
)
from kernel.net.address import ANY4, LOOPBACK4

if TYPE_CHECKING:
    from kernel.net.network import Network
    from kernel.task.task import Task

NAME: Final = b"lo"
INDEX: Final = 1
MTU: Final = 65536
QUEUE: Final = 1000
NETMASK: Final = bytes((255, 0, 0, 0))
PREFIX4: Final = 8
PREFIX6: Final = 128

_IFREQ: Final = 40
_NAME: Final = 16
_IFCONF: Final = Struct("<i4xQ")  # length, address


def flags(net: Network) -> int:
    """IFF_* of lo; without a network it is down, as in a fresh network namespace."""
    return IFF_UP | IFF_LOOPBACK | IFF_RUNNING if net.has_loopback else IFF_LOOPBACK


def interface_ioctl(task: Task, net: Network, cmd: int, arg: int) -> int | None:
    """SIOCGIF*, and what would change the network; None for what is no such request."""
    if cmd == SIOCGIFCONF:
        return _list(task, net, arg)
    if cmd == SIOCGIFNAME:
        return _name(task, arg)
    if cmd in _CHANGES:
        raise EPERM("the network of this machine is fixed: its one interface is lo")
    if cmd not in _FIELDS:
        return None
    name = task.mem.read(arg, _IFREQ)[:_NAME].split(b"\0", 1)[0]
    if name.split(b":", 1)[0] != NAME:
        raise ENODEV("there is no interface %r, only lo", name)
    task.mem.write(arg + _NAME, _field(net, cmd))
    return 0


_FIELDS: Final = (
    SIOCGIFADDR, SIOCGIFBRDADDR, SIOCGIFDSTADDR, SIOCGIFFLAGS, SIOCGIFHWADDR, SIOCGIFINDEX,
    SIOCGIFMETRIC, SIOCGIFMTU, SIOCGIFNETMASK, SIOCGIFTXQLEN, SIOCGIFMAP,
)  # fmt: skip


_CHANGES: Final = frozenset(
    {
        SIOCADDMULTI, SIOCADDRT, SIOCBRADDBR, SIOCBRADDIF, SIOCBRDELBR, SIOCBRDELIF, SIOCDARP,
        SIOCDELMULTI, SIOCDELRT, SIOCDIFADDR, SIOCSARP, SIOCSIFADDR, SIOCSIFBRDADDR,
        SIOCSIFDSTADDR, SIOCSIFFLAGS, SIOCSIFHWADDR, SIOCSIFHWBROADCAST, SIOCSIFMAP, SIOCSIFMETRIC,
        SIOCSIFMTU, SIOCSIFNAME, SIOCSIFNETMASK, SIOCSIFTXQLEN, SIOCSIFVLAN,
    }
)  # fmt: skip
"""Under Linux they need CAP_NET_ADMIN, which is asked for before anything else."""


def _field(net: Network, cmd: int) -> bytes:
    numbers = {
        SIOCGIFFLAGS: flags(net), SIOCGIFINDEX: INDEX, SIOCGIFMETRIC: 0, SIOCGIFMTU: MTU,
        SIOCGIFTXQLEN: QUEUE,
    }  # fmt: skip
    if cmd == SIOCGIFFLAGS:
        return numbers[cmd].to_bytes(2, "little")
    if cmd in numbers:
        return numbers[cmd].to_bytes(4, "little")
    if cmd == SIOCGIFHWADDR:
        return ARPHRD_LOOPBACK.to_bytes(2, "little") + bytes(14)
    if cmd == SIOCGIFMAP:
        return bytes(24)
    if not net.has_loopback:
        raise EADDRNOTAVAIL("lo is down and has no address")
    ip = {SIOCGIFNETMASK: NETMASK, SIOCGIFBRDADDR: ANY4}.get(cmd, LOOPBACK4)
    return _sockaddr(ip)


def _sockaddr(ip: bytes) -> bytes:
    return SOCKADDR_IN.pack(AF_INET, b"\0\0", ip)


def _list(task: Task, net: Network, arg: int) -> int:
    """SIOCGIFCONF: interfaces with an IPv4 address; a null buffer asks for the size."""
    room, where = task.mem.unpack(_IFCONF, arg)
    size = _IFREQ if net.has_loopback else 0
    if where:
        size = size if room >= size else 0
        if size:
            entry = NAME.ljust(_NAME, b"\0") + _sockaddr(LOOPBACK4)
            task.mem.write(where, entry.ljust(_IFREQ, b"\0"))
    task.mem.write_u32(arg, size)
    return 0


def _name(task: Task, arg: int) -> int:
    index = task.mem.read_s32(arg + _NAME)
    if index != INDEX:
        raise ENODEV("there is no interface %d, only 1 (lo)", index)
    task.mem.write(arg, NAME.ljust(_NAME, b"\0"))
    return 0
