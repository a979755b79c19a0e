"""Printers for the ioctl(2) requests of network interfaces, as strace writes them: netdevice(7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi import sockets
from kernel.net import interfaces
from tools.tracer.names import Flags, members, prefixed
from tools.tracer.show_net import sockaddr_text
from tools.tracer.text import address, fields, quote

if TYPE_CHECKING:
    from tools.tracer.view import Call

REQUESTS: Final = {value: name for name, value in prefixed(sockets, "SIOC").items()}
"""Requests that sockets know, by number."""
_NAME: Final = 16
_IFREQ: Final = 40
_FLAGS: Final = Flags(members(interfaces, "IFF_UP IFF_LOOPBACK IFF_RUNNING"), "IFF_???")
_NUMBERS: Final = {
    sockets.SIOCGIFINDEX: "ifr_ifindex",
    sockets.SIOCGIFMETRIC: "ifr_metric",
    sockets.SIOCGIFMTU: "ifr_mtu",
    sockets.SIOCGIFTXQLEN: "ifr_qlen",
}
_ADDRESSES: Final = {
    sockets.SIOCGIFADDR: "ifr_addr",
    sockets.SIOCGIFDSTADDR: "ifr_dstaddr",
    sockets.SIOCGIFBRDADDR: "ifr_broadaddr",
    sockets.SIOCGIFNETMASK: "ifr_netmask",
}
INTERFACE: Final = frozenset(
    {
        *_NUMBERS, *_ADDRESSES, sockets.SIOCGIFFLAGS, sockets.SIOCSIFFLAGS, sockets.SIOCGIFHWADDR,
        sockets.SIOCGIFMAP,
    }
)  # fmt: skip
"""Requests that ask something of an interface by its name: a struct ifreq."""


def interface_request(call: Call, request: int, where: int) -> str:
    """A struct ifreq: the name that was asked for and, where the call succeeded, the answer."""
    raw = call.read(where, _IFREQ)
    if raw is None:
        return address(where)
    shown = [("ifr_name", quote(raw[:_NAME].split(b"\0", 1)[0]))]
    if not call.failed or request == sockets.SIOCSIFFLAGS:
        shown.append(_answer(request, raw[_NAME:]))
    return fields(shown)


def _answer(request: int, raw: bytes) -> tuple[str, str]:
    number = int.from_bytes(raw[:4], "little", signed=True)
    if request in _NUMBERS:
        return _NUMBERS[request], str(number)
    if request in _ADDRESSES:
        return _ADDRESSES[request], sockaddr_text(raw[:16])
    if request == sockets.SIOCGIFHWADDR:
        return "ifr_hwaddr", _hardware(raw)
    if request == sockets.SIOCGIFMAP:
        return "ifr_map", _map(raw)
    return "ifr_flags", _FLAGS.text(int.from_bytes(raw[:2], "little"))


def _hardware(raw: bytes) -> str:
    kind = int.from_bytes(raw[:2], "little")
    family = "ARPHRD_LOOPBACK" if kind == interfaces.ARPHRD_LOOPBACK else str(kind)
    return fields((("sa_family", family), ("sa_data", raw[2:8].hex(":"))))


def _map(raw: bytes) -> str:
    names = (
        ("mem_start", 0, 8), ("mem_end", 8, 8), ("base_addr", 16, 2), ("irq", 18, 1),
        ("dma", 19, 1), ("port", 20, 1),
    )  # fmt: skip
    number = {name: int.from_bytes(raw[at : at + size], "little") for name, at, size in names}
    return fields((name, f"{value:#x}" if value else "0") for name, value in number.items())
