"""Options at the socket level.  See socket(7), "Socket options".

Most are numbers that a program sets and reads back: ``PLAIN`` names the field behind each.  Those
that steer segments on a wire (priorities, keep-alive probes, routing) have nothing to steer on
loopback, and are kept because a program may ask for them.  The rest have a function each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import (
    EDOM,
    EINVAL,
    ENODEV,
    ENOPROTOOPT,
    ENOTCONN,
    EPERM,
    ERANGE,
)
from kernel.abi.sockets import (
    AF_UNIX,
    LINGER,
    SENT_RMEM_DEFAULT,
    SO_ACCEPTCONN,
    SO_BINDTODEVICE,
    SO_BROADCAST,
    SO_COOKIE,
    SO_DEBUG,
    SO_DOMAIN,
    SO_DONTROUTE,
    SO_ERROR,
    SO_INCOMING_CPU,
    SO_KEEPALIVE,
    SO_LINGER,
    SO_MARK,
    SO_NO_CHECK,
    SO_OOBINLINE,
    SO_PASSCRED,
    SO_PEERCRED,
    SO_PEERGROUPS,
    SO_PEERNAME,
    SO_PRIORITY,
    SO_PROTOCOL,
    SO_RCVBUF,
    SO_RCVBUFFORCE,
    SO_RCVLOWAT,
    SO_RCVTIMEO,
    SO_RCVTIMEO_NEW,
    SO_REUSEADDR,
    SO_REUSEPORT,
    SO_SNDBUF,
    SO_SNDBUFFORCE,
    SO_SNDLOWAT,
    SO_SNDTIMEO,
    SO_SNDTIMEO_NEW,
    SO_TIMESTAMP,
    SO_TIMESTAMP_NEW,
    SO_TIMESTAMPNS,
    SO_TIMESTAMPNS_NEW,
    SO_TYPE,
    UCRED,
)
from kernel.abi.structs import TIMEVAL

if TYPE_CHECKING:
    from kernel.net.socketfile import SocketFile
    from kernel.task.task import Task

LEAST_SEND: Final = 4608
LEAST_RECEIVE: Final = 2304
CAP_NET_ADMIN: Final = 12
_SECOND: Final = 1_000_000_000
_HIGHEST_PRIORITY: Final = 6
_INT: Final = 4


@dataclass(slots=True)
class SocketOptions:
    """What setsockopt(2) has set at the socket level.  Times are ns, 0 for ever."""

    rcvbuf: int = SENT_RMEM_DEFAULT
    sndbuf: int = SENT_RMEM_DEFAULT
    receive_timeout: int = 0
    send_timeout: int = 0
    rcvlowat: int = 1
    linger: int = -1  # seconds; negative: off
    linger_time: int = 0  # what was asked for, even while it is off
    debug: int = 0
    reuseaddr: int = 0
    reuseport: int = 0
    dontroute: int = 0
    broadcast: int = 0
    keepalive: int = 0
    oobinline: int = 0
    no_check: int = 0
    priority: int = 0
    mark: int = 0
    passcred: int = 0
    timestamp: int = 0  # 1: struct timeval, 2: struct timespec
    device: bytes = b""

    def __repr__(self) -> str:
        return f"<SocketOptions rcvbuf={self.rcvbuf} sndbuf={self.sndbuf}>"


SWITCHES: Final = {
    SO_REUSEADDR: "reuseaddr", SO_REUSEPORT: "reuseport", SO_DONTROUTE: "dontroute",
    SO_BROADCAST: "broadcast", SO_KEEPALIVE: "keepalive", SO_OOBINLINE: "oobinline",
    SO_NO_CHECK: "no_check", SO_PASSCRED: "passcred", SO_DEBUG: "debug",
}  # fmt: skip
"""Options that are on or off."""

_STAMPS: Final = {
    SO_TIMESTAMP: 1, SO_TIMESTAMP_NEW: 1, SO_TIMESTAMPNS: 2, SO_TIMESTAMPNS_NEW: 2,
}  # fmt: skip


def number(value: bytes) -> int:
    """An option that is an int; EINVAL if there are fewer bytes."""
    if len(value) < _INT:
        raise EINVAL("the option has %d bytes, fewer than %d", len(value), _INT)
    return int.from_bytes(value[:_INT], "little", signed=True)


def as_int(value: int) -> bytes:
    """The bytes of an int."""
    return (value & 0xFFFFFFFF).to_bytes(_INT, "little")


# -- setting ---------------------------------------------------------------------------------------


def set_socket_option(task: Task, socket: SocketFile, name: int, value: bytes) -> None:
    """setsockopt(SOL_SOCKET, ...).  ENOPROTOOPT for what is not there."""
    if name == SO_BINDTODEVICE:  # the only one that may be shorter than an int
        _set_device(task, socket, value)
        return
    given = number(value)
    if name in SWITCHES:
        if name == SO_DEBUG and given and not task.cred.capable(CAP_NET_ADMIN):
            raise EPERM("SO_DEBUG needs CAP_NET_ADMIN")
        setattr(socket.options, SWITCHES[name], int(bool(given)))
        return
    setter = _SETTERS.get(name)
    if setter is None:
        raise ENOPROTOOPT("SOL_SOCKET has no option %d here", name)
    setter(task, socket, given, value)


def _set_device(task: Task, socket: SocketFile, value: bytes) -> None:
    name = value[:15].split(b"\0", 1)[0]
    if name not in (b"", b"lo"):
        raise ENODEV("there is no interface %r, only lo", name)
    socket.options.device = name


def _sndbuf(task: Task, socket: SocketFile, given: int, value: bytes) -> None:
    socket.options.sndbuf = max(min(given & 0xFFFFFFFF, SENT_RMEM_DEFAULT) * 2, LEAST_SEND)
    socket.queue.wake()


def _rcvbuf(task: Task, socket: SocketFile, given: int, value: bytes) -> None:
    socket.options.rcvbuf = max(min(given & 0xFFFFFFFF, SENT_RMEM_DEFAULT) * 2, LEAST_RECEIVE)


def _forced(field: str, least: int) -> Callable[[Task, SocketFile, int, bytes], None]:
    def force(task: Task, socket: SocketFile, given: int, value: bytes) -> None:
        if not task.cred.capable(CAP_NET_ADMIN):
            raise EPERM("forcing a buffer's size needs CAP_NET_ADMIN")
        setattr(socket.options, field, max(max(given, 0) * 2, least))
        socket.queue.wake()

    return force


def _linger(task: Task, socket: SocketFile, given: int, value: bytes) -> None:
    if len(value) < LINGER.size:
        raise EINVAL("%d bytes are no struct linger", len(value))
    on, seconds = LINGER.unpack_from(value)
    socket.options.linger = max(seconds, 0) if on else -1
    socket.options.linger_time = seconds if on else socket.options.linger_time


def _timeout(field: str) -> Callable[[Task, SocketFile, int, bytes], None]:
    def set_timeout(task: Task, socket: SocketFile, given: int, value: bytes) -> None:
        if len(value) < TIMEVAL.size:
            raise EINVAL("%d bytes are no struct timeval", len(value))
        seconds, micros = TIMEVAL.unpack_from(value)
        if not 0 <= micros < 1_000_000:
            raise EDOM("the time has %d microseconds, not 0 to 999999", micros)
        # a negative time is over at once; 1 ns is the shortest one can wait
        ns = 1 if seconds < 0 else seconds * _SECOND + micros * 1000
        setattr(socket.options, field, ns)

    return set_timeout


def _rcvlowat(task: Task, socket: SocketFile, given: int, value: bytes) -> None:
    socket.options.rcvlowat = (0x7FFFFFFF if given < 0 else given) or 1


def _priority(task: Task, socket: SocketFile, given: int, value: bytes) -> None:
    if not 0 <= given <= _HIGHEST_PRIORITY and not task.cred.capable(CAP_NET_ADMIN):
        raise EPERM(
            "priority %d is not in 0 to %d, which needs CAP_NET_ADMIN", given, _HIGHEST_PRIORITY
        )
    socket.options.priority = given


def _mark(task: Task, socket: SocketFile, given: int, value: bytes) -> None:
    if not task.cred.capable(CAP_NET_ADMIN):
        raise EPERM("SO_MARK needs CAP_NET_ADMIN")
    socket.options.mark = given


def _timestamp(kind: int) -> Callable[[Task, SocketFile, int, bytes], None]:
    def set_timestamp(task: Task, socket: SocketFile, given: int, value: bytes) -> None:
        socket.options.timestamp = kind if given else 0

    return set_timestamp


def _read_only(task: Task, socket: SocketFile, given: int, value: bytes) -> None:
    raise ENOPROTOOPT("this option can only be read")


_SETTERS: Final[dict[int, Callable[[Task, SocketFile, int, bytes], None]]] = {
    SO_SNDBUF: _sndbuf,
    SO_RCVBUF: _rcvbuf,
    SO_SNDBUFFORCE: _forced("sndbuf", LEAST_SEND),
    SO_RCVBUFFORCE: _forced("rcvbuf", LEAST_RECEIVE),
    SO_LINGER: _linger,
    SO_RCVTIMEO: _timeout("receive_timeout"),
    SO_RCVTIMEO_NEW: _timeout("receive_timeout"),
    SO_SNDTIMEO: _timeout("send_timeout"),
    SO_SNDTIMEO_NEW: _timeout("send_timeout"),
    SO_RCVLOWAT: _rcvlowat,
    SO_PRIORITY: _priority,
    SO_MARK: _mark,
    **{name: _timestamp(kind) for name, kind in _STAMPS.items()},
    **dict.fromkeys((SO_TYPE, SO_ERROR, SO_DOMAIN, SO_PROTOCOL, SO_ACCEPTCONN), _read_only),
}


# -- getting ---------------------------------------------------------------------------------------


def get_socket_option(task: Task, socket: SocketFile, name: int, size: int) -> bytes:
    """getsockopt(SOL_SOCKET, ...): all the bytes there are; the caller cuts them to ``size``."""
    options = socket.options
    if name in SWITCHES:
        return as_int(getattr(options, SWITCHES[name]))
    if name in _STAMPS:
        return as_int(int(options.timestamp == _STAMPS[name]))
    getter = _GETTERS.get(name)
    if getter is None:
        raise ENOPROTOOPT("SOL_SOCKET has no option %d here", name)
    return getter(socket, size)


def _get_timeout(ns: int) -> bytes:
    return TIMEVAL.pack(ns // _SECOND, ns % _SECOND // 1000)


def _get_linger(socket: SocketFile, size: int) -> bytes:
    options = socket.options
    return LINGER.pack(int(options.linger >= 0), options.linger_time)


def _get_cookie(socket: SocketFile, size: int) -> bytes:
    if size < 8:
        raise EINVAL("a cookie has 8 bytes, the buffer %d", size)
    return socket.inode.ino.to_bytes(8, "little")


def _get_peer(socket: SocketFile, size: int) -> bytes:
    name = socket.peer_name()
    if len(name) < size:
        raise EINVAL("the name has %d bytes, the buffer %d", len(name), size)
    return name


def _get_peercred(socket: SocketFile, size: int) -> bytes:
    cred = socket.peer_cred
    if cred is None:
        return UCRED.pack(0, 0xFFFFFFFF, 0xFFFFFFFF)
    return UCRED.pack(*cred)


def _get_peer_groups(socket: SocketFile, size: int) -> bytes:
    groups = socket.peer_groups
    if groups is None:
        kind = ENOTCONN if socket.domain != AF_UNIX else ENOPROTOOPT
        raise kind("%s has no partner whose groups were known", socket)
    if size < 4 * len(groups):
        raise ERANGE("the partner has %d groups, the buffer room for %d", len(groups), size // 4)
    return b"".join(group.to_bytes(4, "little") for group in groups)


def _get_device(socket: SocketFile, size: int) -> bytes:
    name = socket.options.device
    if not name:
        return b""
    if size < 16:
        raise EINVAL("a name has up to 16 bytes, the buffer %d", size)
    return name + b"\0"


_GETTERS: Final[dict[int, Callable[[SocketFile, int], bytes]]] = {
    SO_TYPE: lambda socket, size: as_int(socket.type),
    SO_DOMAIN: lambda socket, size: as_int(socket.domain),
    SO_PROTOCOL: lambda socket, size: as_int(socket.protocol),
    SO_ACCEPTCONN: lambda socket, size: as_int(int(socket.listening)),
    SO_ERROR: lambda socket, size: as_int(socket.take_error()),
    SO_SNDBUF: lambda socket, size: as_int(socket.options.sndbuf),
    SO_RCVBUF: lambda socket, size: as_int(socket.options.rcvbuf),
    SO_RCVLOWAT: lambda socket, size: as_int(socket.options.rcvlowat),
    SO_SNDLOWAT: lambda socket, size: as_int(1),
    SO_PRIORITY: lambda socket, size: as_int(socket.options.priority),
    SO_MARK: lambda socket, size: as_int(socket.options.mark),
    SO_INCOMING_CPU: lambda socket, size: as_int(0),
    SO_LINGER: _get_linger,
    SO_RCVTIMEO: lambda socket, size: _get_timeout(socket.options.receive_timeout),
    SO_RCVTIMEO_NEW: lambda socket, size: _get_timeout(socket.options.receive_timeout),
    SO_SNDTIMEO: lambda socket, size: _get_timeout(socket.options.send_timeout),
    SO_SNDTIMEO_NEW: lambda socket, size: _get_timeout(socket.options.send_timeout),
    SO_COOKIE: _get_cookie,
    SO_PEERNAME: _get_peer,
    SO_PEERCRED: _get_peercred,
    SO_PEERGROUPS: _get_peer_groups,
    SO_BINDTODEVICE: _get_device,
}


def inherit(options: SocketOptions) -> SocketOptions:
    """What an accepted connection takes over from its listener."""
    return replace(options)
