"""Options of tcp(7).  Without segments on a wire they are numbers that a program reads back."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EINVAL, ENOENT, ENOPROTOOPT
from kernel.abi.inet import (
    TCP_CONGESTION,
    TCP_CORK,
    TCP_DEFER_ACCEPT,
    TCP_ESTABLISHED,
    TCP_FASTOPEN,
    TCP_INFO,
    TCP_KEEPCNT,
    TCP_KEEPIDLE,
    TCP_KEEPINTVL,
    TCP_LINGER2,
    TCP_MAXSEG,
    TCP_NODELAY,
    TCP_NOTSENT_LOWAT,
    TCP_QUICKACK,
    TCP_SYNCNT,
    TCP_USER_TIMEOUT,
    TCP_WINDOW_CLAMP,
)
from kernel.net.options import as_int, number

if TYPE_CHECKING:
    from kernel.net.tcp import TcpSocket

CONGESTION_CONTROLS: Final = (b"cubic", b"reno")
LOOPBACK_SEGMENT: Final = 65483
UNCONNECTED_SEGMENT: Final = 536
_BIG: Final = 0x7FFFFFFF

# option -> (default, least, most)
_NUMBERS: Final = {
    TCP_NODELAY: (0, 0, 1), TCP_CORK: (0, 0, 1), TCP_QUICKACK: (1, 0, 1),
    TCP_KEEPIDLE: (7200, 1, 32767), TCP_KEEPINTVL: (75, 1, 32767), TCP_KEEPCNT: (9, 1, 127),
    TCP_SYNCNT: (6, 1, 127), TCP_LINGER2: (60, -_BIG, _BIG), TCP_DEFER_ACCEPT: (0, -_BIG, _BIG),
    TCP_WINDOW_CLAMP: (0, 0, _BIG), TCP_USER_TIMEOUT: (0, 0, _BIG), TCP_FASTOPEN: (0, 0, _BIG),
    TCP_NOTSENT_LOWAT: (0xFFFFFFFF, -_BIG, _BIG), TCP_MAXSEG: (0, 88, 32767),
}  # fmt: skip
_SWITCHES: Final = (TCP_NODELAY, TCP_CORK, TCP_QUICKACK)

# struct tcp_info up to tcpi_total_retrans: eight bytes of state, then 24 words
_INFO: Final = Struct("<8B24I")
_STATE, _RTO, _ATO, _SND_MSS, _RCV_MSS, _PMTU, _SND_CWND = 0, 8, 9, 10, 11, 22, 26


def set_tcp_option(socket: TcpSocket, name: int, value: bytes) -> None:
    """setsockopt(SOL_TCP, ...)."""
    if name == TCP_CONGESTION:
        wanted = value[:15].split(b"\0", 1)[0]
        if not value:
            raise EINVAL("the name of the congestion control is empty")
        if wanted not in CONGESTION_CONTROLS:
            raise ENOENT("there is no congestion control %r", wanted)
        socket.congestion = wanted
        return
    given = number(value)
    if name not in _NUMBERS:
        raise ENOPROTOOPT("TCP has no option %d here", name)
    _, least, most = _NUMBERS[name]
    if name in _SWITCHES:
        given = int(bool(given))
    if not least <= given <= most:
        raise EINVAL("option %d is %d, not in %d to %d", name, given, least, most)
    socket.tcp_options[name] = given


def get_tcp_option(socket: TcpSocket, name: int) -> bytes:
    """getsockopt(SOL_TCP, ...)."""
    if name == TCP_CONGESTION:
        return socket.congestion.ljust(16, b"\0")
    if name == TCP_INFO:
        return _info(socket)
    if name == TCP_MAXSEG:
        connected = socket.state == TCP_ESTABLISHED
        return as_int(LOOPBACK_SEGMENT if connected else UNCONNECTED_SEGMENT)
    if name not in _NUMBERS:
        raise ENOPROTOOPT("TCP has no option %d here", name)
    return as_int(socket.tcp_options.get(name, _NUMBERS[name][0]))


def _info(socket: TcpSocket) -> bytes:
    """struct tcp_info: the state, and the figures of an idle loopback connection."""
    fields = [0] * 32
    fields[_STATE] = socket.shown_state
    fields[_RTO], fields[_ATO] = 200000, 40000
    fields[_SND_MSS] = fields[_RCV_MSS] = LOOPBACK_SEGMENT
    fields[_PMTU], fields[_SND_CWND] = 65535, 10
    return _INFO.pack(*fields)
