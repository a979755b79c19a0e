"""Printers for sockets: addresses, messages, options, as strace writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.inet import SOCKADDR_IN6
from kernel.abi.sockets import (
    AF_INET,
    AF_INET6,
    AF_NETLINK,
    AF_UNIX,
    CMSGHDR,
    LINGER,
    MMSGHDR_SIZE,
    MSG_LEN_OFFSET,
    MSGHDR,
    SCM_CREDENTIALS,
    SCM_RIGHTS,
    SO_LINGER,
    SO_PEERCRED,
    SOCK_TYPE_MASK,
    SOL_SOCKET,
    UCRED,
)
from kernel.abi.structs import IOVEC
from tools.tracer.names_net import (
    CONTROL_TYPES,
    FLAGS,
    LEVELS,
    OPTIONS,
    PROTOCOLS,
    SOCKET_CONSTANTS,
    TYPE_FLAGS,
    TYPES,
)
from tools.tracer.show_basic import ARRAY_LIMIT, bytes_at
from tools.tracer.shows import shows
from tools.tracer.text import address, fields, hexadecimal, quote, sequence

if TYPE_CHECKING:
    from tools.tracer.view import Call

_STORAGE = 128


# --- socket(2) -----------------------------------------------------------------------------------


@shows("socket_type")
def socket_type(call: Call, i: int) -> str:
    """A type and its flags."""
    value = call.values[i] & 0xFFFFFFFF
    text = TYPES.text(value & SOCK_TYPE_MASK)
    flags = value & ~SOCK_TYPE_MASK
    if value & SOCK_TYPE_MASK not in TYPES.by_value:
        return f"{value:#x} /* SOCK_??? */"
    return f"{text}|{TYPE_FLAGS.text(flags)}" if flags else text


@shows("socket_protocol")
def socket_protocol(call: Call, i: int) -> str:
    """A protocol, named where its family names them."""
    names = PROTOCOLS.get(call.value(0)) if call.name == "socket" else None
    return names.text(call.values[i]) if names is not None else str(call.values[i])


# --- addresses -----------------------------------------------------------------------------------


def sockaddr_text(raw: bytes) -> str:
    """A sockaddr, as far as its bytes go."""
    family = int.from_bytes(raw[:2], "little")
    shown = [("sa_family", SOCKET_CONSTANTS["socket_domain"].text(family))]
    if family == AF_UNIX and len(raw) > 2:
        shown.append(("sun_path", _unix_path(raw[2:])))
    elif family == AF_INET and len(raw) >= 8:
        shown.append(("sin_port", f"htons({int.from_bytes(raw[2:4], 'big')})"))
        shown.append(("sin_addr", f'inet_addr("{dotted(raw[4:8])}")'))
    elif family == AF_INET6 and len(raw) >= SOCKADDR_IN6.size:
        return _sockaddr_in6(shown[0], raw)
    elif family == AF_NETLINK and len(raw) >= 12:
        shown.append(("nl_pid", str(int.from_bytes(raw[4:8], "little"))))
        groups = int.from_bytes(raw[8:12], "little")
        shown.append(("nl_groups", f"{groups:08x}" if groups else "00000000"))
    elif len(raw) > 2 and family not in (AF_UNIX, AF_INET, AF_INET6, AF_NETLINK):
        shown.append(("sa_data", quote(raw[2:])))
    return fields(shown)


def _unix_path(path: bytes) -> str:
    if path[:1] == b"\0" and len(path) > 1:
        return "@" + quote(path[1:])
    return quote(path.split(b"\0", 1)[0])


def _sockaddr_in6(family: tuple[str, str], raw: bytes) -> str:
    _, port, flow, ip, scope = SOCKADDR_IN6.unpack_from(raw)
    port_text = f"htons({int.from_bytes(port, 'big')})"
    flow_text = f"htonl({int.from_bytes(flow.to_bytes(4, 'little'), 'big')})"
    host = f'inet_pton(AF_INET6, "{colons(ip)}", &sin6_addr)'
    head = f"{family[0]}={family[1]}, sin6_port={port_text}, sin6_flowinfo={flow_text}"
    return f"{{{head}, {host}, sin6_scope_id={scope}}}"


def dotted(ip: bytes) -> str:
    """127.0.0.1."""
    return ".".join(map(str, ip))


def colons(ip: bytes) -> str:
    """The shortest form of an IPv6 address, as inet_ntop(3) gives it."""
    if ip[:12] == bytes(10) + b"\xff\xff":
        return "::ffff:" + dotted(ip[12:])
    groups = [int.from_bytes(ip[i : i + 2], "big") for i in range(0, 16, 2)]
    start, length = _longest_zeros(groups)
    if length < 2:
        return ":".join(f"{group:x}" for group in groups)
    head = ":".join(f"{group:x}" for group in groups[:start])
    tail = ":".join(f"{group:x}" for group in groups[start + length :])
    return f"{head}::{tail}"


def _longest_zeros(groups: list[int]) -> tuple[int, int]:
    best, at = (0, 0), 0
    while at < len(groups):
        end = at
        while end < len(groups) and not groups[end]:
            end += 1
        if end - at > best[1]:
            best = (at, end - at)
        at = max(end, at + 1)
    return best


def sockaddr_at(call: Call, where: int, size: int) -> str:
    """A sockaddr in guest memory."""
    if not where:
        return "NULL"
    data = call.read(where, min(size, _STORAGE)) if size >= 2 else None
    return address(where) if data is None else sockaddr_text(data)


@shows("*sockaddr")
def sockaddr(call: Call, i: int) -> str:
    """An address for the kernel; the next argument is its size."""
    return sockaddr_at(call, call.values[i], call.value(i + 1))


def _remember_room(call: Call, where: int) -> None:
    data = call.read(where, 4)
    call.memo = None if data is None else int.from_bytes(data, "little", signed=True)


def _length_after(call: Call, where: int) -> int:
    data = call.read(where, 4)
    return 0 if data is None else int.from_bytes(data, "little", signed=True)


@shows("*sockaddr_out")
def sockaddr_out(call: Call, i: int) -> str:
    """An address from the kernel; no more of it than there was room for."""
    size = _length_after(call, call.value(i + 1))
    room = call.memo if isinstance(call.memo, int) else size
    return sockaddr_at(call, call.values[i], min(size, room))


@shows("*socklen", on_failure=True)
def socklen(call: Call, i: int) -> str:
    """The room there was, and what was needed."""
    where = call.values[i]
    data = call.read(where, 4)
    if data is None:
        return address(where)
    after = int.from_bytes(data, "little", signed=True)
    before = call.memo if isinstance(call.memo, int) else after
    return f"[{before}]" if before == after or call.failed else f"[{before} => {after}]"


# --- options -------------------------------------------------------------------------------------


@shows("socket_option")
def socket_option(call: Call, i: int) -> str:
    """An option's name within its level."""
    names = OPTIONS.get(call.value(i - 1))
    return names.text(call.values[i]) if names is not None else hexadecimal_or_zero(call.values[i])


def hexadecimal_or_zero(value: int) -> str:
    """Options of levels without names are plain numbers."""
    return str(value)


@shows("*option")
def option(call: Call, i: int) -> str:
    """An option's value for the kernel."""
    return _option_text(call, call.values[i], call.value(i + 1))


@shows("*option_out")
def option_out(call: Call, i: int) -> str:
    """An option's value from the kernel."""
    return _option_text(call, call.values[i], _length_after(call, call.value(i + 1)))


def _option_text(call: Call, where: int, size: int) -> str:
    key = call.value(1), call.value(2)
    data = call.read(where, size) if 0 < size <= 4096 else None
    if data is None:
        return address(where)
    if key == (SOL_SOCKET, SO_LINGER) and size == LINGER.size:
        names = ("l_onoff", "l_linger")
        return fields(zip(names, map(str, LINGER.unpack(data)), strict=True))
    if key == (SOL_SOCKET, SO_PEERCRED) and size == UCRED.size:
        return _ucred(data)
    if size == 4:
        return f"[{int.from_bytes(data, 'little', signed=True)}]"
    return bytes_at(call, where, size)


def _ucred(data: bytes) -> str:
    pid, uid, gid = UCRED.unpack(data)
    shown = (pid, *("-1" if value == 0xFFFFFFFF else value for value in (uid, gid)))
    return fields((name, str(v)) for name, v in zip(("pid", "uid", "gid"), shown, strict=True))


# --- messages ------------------------------------------------------------------------------------


def msghdr_text(call: Call, where: int, total: int, room: int | None = None) -> str:
    """A msghdr with its buffers and control messages; ``total`` bytes of data may be shown."""
    found = call.unpack(MSGHDR, where)
    if found is None:
        return address(where)
    name, name_length, iov, count, control, control_length, flags = found
    size = name_length if room is None else min(name_length, room)
    shown = [
        ("msg_name", sockaddr_at(call, name, size)),
        ("msg_namelen", str(name_length) if room in (None, name_length) or not name
            else f"{room} => {name_length}"),
        ("msg_iov", iovecs(call, iov, count, total)),
        ("msg_iovlen", str(count)),
    ]  # fmt: skip
    if control_length:
        shown.append(("msg_control", controls(call, control, control_length)))
    shown.append(("msg_controllen", str(control_length)))
    shown.append(("msg_flags", FLAGS["msg"].text(flags)))
    return fields(shown)


def iovecs(call: Call, where: int, count: int, total: int) -> str:
    """Buffers with their contents, ``total`` bytes at most."""
    if not count:
        return "[]" if where else "NULL"
    shown = []
    for index in range(min(count, ARRAY_LIMIT)):
        entry = call.unpack(IOVEC, where + index * IOVEC.size)
        if entry is None:
            return address(where)
        base, length = entry
        text = bytes_at(call, base, min(length, total))
        total -= min(length, total)
        shown.append(fields((("iov_base", text), ("iov_len", str(length)))))
    return sequence([*shown, "..."] if count > ARRAY_LIMIT else shown)


def controls(call: Call, where: int, size: int) -> str:
    """Control messages, those known to us decoded."""
    data = call.read(where, min(size, 4096))
    if data is None or size < CMSGHDR.size:
        return address(where)
    shown, at = [], 0
    while len(data) - at >= CMSGHDR.size:
        length, level, kind = CMSGHDR.unpack_from(data, at)
        body = data[at + CMSGHDR.size : at + length]
        types = CONTROL_TYPES.get(level)
        parts = [
            ("cmsg_len", str(length)),
            ("cmsg_level", LEVELS.text(level)),
            ("cmsg_type", types.text(kind) if types is not None else hexadecimal(kind)),
        ]
        if length > CMSGHDR.size:
            parts.append(("cmsg_data", _control_data(level, kind, body)))
        shown.append(fields(parts))
        if length < CMSGHDR.size:
            break
        at += length + 7 & ~7
    return sequence(shown)


def _control_data(level: int, kind: int, body: bytes) -> str:
    if level == SOL_SOCKET and kind == SCM_RIGHTS:
        numbers = (body[i : i + 4] for i in range(0, len(body) - 3, 4))
        return sequence(str(int.from_bytes(n, "little", signed=True)) for n in numbers)
    if level == SOL_SOCKET and kind == SCM_CREDENTIALS and len(body) == UCRED.size:
        return _ucred(body)
    return quote(body)


@shows("*msghdr")
def msghdr(call: Call, i: int) -> str:
    """What sendmsg(2) is to send."""
    return msghdr_text(call, call.values[i], 1 << 62)


@shows("*msghdr_out", on_failure=True)
def msghdr_out(call: Call, i: int) -> str:
    """What recvmsg(2) received."""
    where = call.values[i]
    if call.failed:
        found = call.unpack(MSGHDR, where)
        return address(where) if found is None else f"{{msg_namelen={found[1]}}}"
    room = call.memo if isinstance(call.memo, int) else None
    return msghdr_text(call, where, call.result or 0, room)


def _several(call: Call, i: int, *, received: bool) -> str:
    where, count = call.values[i], call.result or 0
    shown = []
    for index in range(min(count, ARRAY_LIMIT)):
        at = where + index * MMSGHDR_SIZE
        data = call.read(at + MSG_LEN_OFFSET, 4)
        length = 0 if data is None else int.from_bytes(data, "little")
        header = msghdr_text(call, at, length if received else 1 << 62)
        shown.append(fields((("msg_hdr", header), ("msg_len", str(length)))))
    return sequence([*shown, "..."] if count > ARRAY_LIMIT else shown)


@shows("*mmsghdr")
def mmsghdr(call: Call, i: int) -> str:
    """What sendmmsg(2) sent."""
    return _several(call, i, received=False)


@shows("*mmsghdr_out")
def mmsghdr_out(call: Call, i: int) -> str:
    """What recvmmsg(2) received."""
    return _several(call, i, received=True)


def remember_room(call: Call) -> None:
    """On entry: keep the length that the kernel is going to overwrite."""
    if call.declaration is None:
        return
    for index, (_, kind) in enumerate(call.declaration.parameters):
        if kind.show == "*socklen":
            _remember_room(call, call.values[index])
        elif kind.show == "*msghdr_out":
            _remember_room(call, call.values[index] + 8)
