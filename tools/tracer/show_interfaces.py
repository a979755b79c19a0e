"""Printers for the ioctl(2) requests of sockets and network interfaces, as strace writes them.

See netdevice(7).  A request whose structure strace does not take apart is shown with its address.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from kernel.abi import sockios
from tools.tracer.names import Constants, Flags, prefixed
from tools.tracer.show_net import sockaddr_text
from tools.tracer.text import address, fields, hexadecimal, quote, sequence

if TYPE_CHECKING:
    from tools.tracer.view import Call

REQUESTS: Final = {value: name for name, value in prefixed(sockios, "SIOC").items()} | {
    sockios.FIOGETOWN: "FIOGETOWN",
    sockios.FIOSETOWN: "FIOSETOWN",
    sockios.SIOCIWFIRST: "SIOCIWFIRST or SIOCSIWCOMMIT",
}
"""Requests by number."""
_NAME: Final = 16
_IFREQ: Final = 40
_IFCONF: Final = Struct("<i4xQ")  # ifc_len, ifc_buf
_ADDRESS_KINDS: Final = Constants(prefixed(sockios, "ARPHRD_"), "ARPHRD_???")
_ADDRESS_SIZES: Final = {
    sockios.ARPHRD_NETROM: 7,
    sockios.ARPHRD_ETHER: 6,
    sockios.ARPHRD_LOOPBACK: 6,
}
_LONGEST: Final = 14  # of sa_data
_FLAGS: Final = Flags(prefixed(sockios, "IFF_"), "IFF_???")
_NUMBERS: Final = {
    sockios.SIOCGIFINDEX: "ifr_ifindex",
    sockios.SIOCGIFMETRIC: "ifr_metric",
    sockios.SIOCSIFMETRIC: "ifr_metric",
    sockios.SIOCGIFMTU: "ifr_mtu",
    sockios.SIOCSIFMTU: "ifr_mtu",
    sockios.SIOCGIFTXQLEN: "ifr_qlen",
    sockios.SIOCSIFTXQLEN: "ifr_qlen",
}
_ADDRESSES: Final = {
    sockios.SIOCGIFADDR: "ifr_addr",
    sockios.SIOCSIFADDR: "ifr_addr",
    sockios.SIOCGIFDSTADDR: "ifr_dstaddr",
    sockios.SIOCSIFDSTADDR: "ifr_dstaddr",
    sockios.SIOCGIFBRDADDR: "ifr_broadaddr",
    sockios.SIOCSIFBRDADDR: "ifr_broadaddr",
    sockios.SIOCGIFNETMASK: "ifr_netmask",
    sockios.SIOCSIFNETMASK: "ifr_netmask",
}
_STRINGS: Final = {
    sockios.SIOCGIFSLAVE: "ifr_slave",
    sockios.SIOCSIFSLAVE: "ifr_slave",
    sockios.SIOCSIFNAME: "ifr_newname",
}
_HARDWARE: Final = frozenset(
    {
        sockios.SIOCGIFHWADDR, sockios.SIOCSIFHWADDR, sockios.SIOCSIFHWBROADCAST,
        sockios.SIOCADDMULTI, sockios.SIOCDELMULTI,
    }
)  # fmt: skip
_MAPS: Final = frozenset({sockios.SIOCGIFMAP, sockios.SIOCSIFMAP})
_SWITCHES: Final = frozenset({sockios.SIOCGIFFLAGS, sockios.SIOCSIFFLAGS})
_STRUCTURED: Final = frozenset(
    {*_NUMBERS, *_ADDRESSES, *_STRINGS, *_HARDWARE, *_MAPS, *_SWITCHES, sockios.SIOCGIFNAME}
)
_BRIDGES: Final = frozenset({sockios.SIOCBRADDBR, sockios.SIOCBRDELBR})
_PORTS: Final = frozenset({sockios.SIOCBRADDIF, sockios.SIOCBRDELIF})
_PLAIN: Final = frozenset(
    {
        sockios.SIOCDEVPRIVATE, sockios.SIOCPROTOPRIVATE, sockios.SIOCMKCLIP,
        sockios.SIOCSIFATMTCP,
    }
)  # fmt: skip
_WIRELESS: Final = range(sockios.SIOCIWFIRST, sockios.SIOCIWLASTPRIV + 1)
INTERFACE: Final = frozenset({*_STRUCTURED, *_BRIDGES, *_PORTS, sockios.SIOCGIFCONF})
"""Requests whose structure ``interface_request`` shows."""
ANSWERED: Final = frozenset(
    request for request in INTERFACE if REQUESTS[request].startswith("SIOCG")
)
"""Those of them that the kernel answers in the structure."""
INT_OUT: Final = frozenset(
    {
        sockios.FIOGETOWN, sockios.SIOCGPGRP, sockios.SIOCATMARK, sockios.SIOCGIFENCAP,
        sockios.SIOCOUTQNSD,
    }
)  # fmt: skip
INT_IN: Final = frozenset({sockios.FIOSETOWN, sockios.SIOCSPGRP, sockios.SIOCSIFENCAP})


def remember_room(call: Call, request: int, where: int) -> None:
    """On entry: keep what SIOCGIFCONF is going to overwrite."""
    if request == sockios.SIOCGIFCONF:
        call.memo = call.unpack(_IFCONF, where)


def interface_request(call: Call, request: int, where: int) -> str:
    """A struct ifreq: the name that was asked for and, where the call succeeded, the answer."""
    if request == sockios.SIOCGIFCONF:
        return _list(call, where)
    if request in _BRIDGES:
        found = call.read_string(where, _NAME)
        return address(where) if found is None else quote(found[0], cut=found[1])
    raw = call.read(where, _IFREQ)
    if raw is None:
        return address(where)
    index = ("ifr_ifindex", str(int.from_bytes(raw[_NAME : _NAME + 4], "little", signed=True)))
    if request in _PORTS:
        return fields([index])
    name = ("ifr_name", _string(raw[:_NAME]))
    if request == sockios.SIOCGIFNAME:
        return fields([index] if call.failed else [index, name])
    if call.failed and request in ANSWERED:
        return fields([name])
    return fields([name, _answer(request, raw[_NAME:])])


def other_request(request: int, where: int) -> str:
    """A request that is not taken apart: an address, or what may be a number."""
    if request in _PLAIN or request in _WIRELESS:
        return hexadecimal(where)
    return address(where)


def _answer(request: int, raw: bytes) -> tuple[str, str]:
    number = int.from_bytes(raw[:4], "little", signed=True)
    if request in _NUMBERS:
        return _NUMBERS[request], str(number)
    if request in _ADDRESSES:
        return _ADDRESSES[request], sockaddr_text(raw[:16])
    if request in _STRINGS:
        return _STRINGS[request], _string(raw[:_NAME])
    if request in _HARDWARE:
        return "ifr_hwaddr", _hardware(raw)
    if request in _MAPS:
        return "ifr_map", _map(raw)
    return "ifr_flags", _FLAGS.text(int.from_bytes(raw[:2], "little"))


def _string(raw: bytes) -> str:
    text, end, _ = raw.partition(b"\0")
    return quote(text) if end else quote(raw[:-1], cut=True)  # the NUL has no room


def _hardware(raw: bytes) -> str:
    kind = int.from_bytes(raw[:2], "little")
    data = raw[2 : 2 + _ADDRESS_SIZES.get(kind, _LONGEST)]
    return fields((("sa_family", _ADDRESS_KINDS.text(kind)), ("sa_data", data.hex(":"))))


def _map(raw: bytes) -> str:
    names = (
        ("mem_start", 0, 8), ("mem_end", 8, 8), ("base_addr", 16, 2), ("irq", 18, 1),
        ("dma", 19, 1), ("port", 20, 1),
    )  # fmt: skip
    number = {name: int.from_bytes(raw[at : at + size], "little") for name, at, size in names}
    return fields((name, hexadecimal(value)) for name, value in number.items())


def _list(call: Call, where: int) -> str:
    """A struct ifconf: the room there was and what it takes, and the interfaces."""
    after = call.unpack(_IFCONF, where)
    if after is None or call.memo is None:
        return address(where)
    room, buffer = call.memo
    needed = after[0]
    length = _length(needed)
    if buffer:
        length = _length(room) if needed == room else f"{_length(room)} => {length}"
    shown = address(buffer)
    if buffer and not call.failed:
        shown = _interfaces(call, buffer, needed // _IFREQ)
    return fields((("ifc_len", length), ("ifc_buf", shown)))


def _length(size: int) -> str:
    whole = size > 0 and size % _IFREQ == 0
    return f"{size} /* {size // _IFREQ} * sizeof(struct ifreq) */" if whole else str(size)


def _interfaces(call: Call, where: int, count: int) -> str:
    most = call.detail.string_limit
    shown: list[str] = []
    for index in range(min(count, most)):
        raw = call.read(where + index * _IFREQ, _IFREQ)
        if raw is None:
            return sequence([*shown, f"... /* {where + index * _IFREQ:#x} */"])
        pairs = (("ifr_name", _string(raw[:_NAME])), ("ifr_addr", sockaddr_text(raw[_NAME:32])))
        shown.append(fields(pairs))
    return sequence([*shown, "..."] if count > most else shown)
