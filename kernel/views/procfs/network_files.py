"""/proc/net: sockets, the interface, routes; and /proc/sys/net.  See proc(5).

All processes share one network, so /proc/PID/net is the same directory for all.  The layouts are
those that netstat(8), ss(8) and ifconfig(8) parse, widths included.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from kernel.abi.inet import EPHEMERAL, TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN, TCP_TIME_WAIT
from kernel.abi.sockets import AF_INET, AF_INET6, SENT_RMEM_DEFAULT, SOMAXCONN
from kernel.net.address import ANY4, ANY6, MAPPED, Endpoint
from kernel.net.network import Network, network_of
from kernel.net.tcp import TcpSocket
from kernel.net.unix_dgram import QUEUE_LENGTH
from kernel.net.unix_names import UnixNames
from kernel.net.unix_stream import UnixStream
from kernel.views.procfs.nodes import DirNode, Factory, constant, directory, text

if TYPE_CHECKING:
    from kernel.net.udp import UdpSocket
    from kernel.task.task import Task
    from kernel.vfs.inode import SuperBlock

TCP_WIDTH: Final = 149
UDP_WIDTH: Final = 127
ROUTE_WIDTH: Final = 127
_TCP_HEAD: Final = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode"
)
_TCP6_HEAD: Final = (
    "  sl  local_address                         remote_address                        st tx_queue "
    "rx_queue tr tm->when retrnsmt   uid  timeout inode"
)
_UDP_HEAD: Final = (
    "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode ref pointer drops"
)
_UDP6_HEAD: Final = (
    "  sl  local_address                         remote_address                        st tx_queue "
    "rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops"
)
_ROUTE_HEAD: Final = (
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
)
_DEV_HEAD: Final = (
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|"
    "bytes    packets errs drop fifo colls carrier compressed\n"
)
_NOWHERE: Final = Endpoint(ANY4, 0)


def _network(task: Task) -> Network:
    return network_of(task.kernel)


def _words(ip: bytes) -> str:
    """Each 32-bit word as this machine's byte order reads it."""
    return "".join(
        f"{int.from_bytes(ip[at : at + 4], 'little'):08X}" for at in range(0, len(ip), 4)
    )


def _address(domain: int, endpoint: Endpoint) -> str:
    ip = endpoint.ip
    if domain == AF_INET6 and len(ip) == 4:
        ip = ANY6 if ip == ANY4 else MAPPED + ip
    elif domain == AF_INET and len(ip) == 16:
        ip = ANY4
    return f"{_words(ip)}:{endpoint.port:04X}"


def _table(head: str, lines: Iterable[str], width: int) -> bytes:
    rows = [head, *(line for line in lines)]
    return "".join(f"{row:<{width}}\n" for row in rows).encode()


# -- TCP and UDP -----------------------------------------------------------------------------------


def _tcp_line(slot: int, socket: TcpSocket) -> str:
    local = _address(socket.domain, socket.local)
    remote = _address(socket.domain, socket.remote or _NOWHERE)
    waiting = len(socket.accepting) if socket.state == TCP_LISTEN else socket.incoming.size
    inode = 0 if socket.closed or not socket.refs else socket.inode.ino
    return (
        f"{slot:4d}: {local} {remote} {socket.shown_state:02X} 00000000:{waiting:08X} 00:00000000 "
        f"00000000 {socket.inode.uid:5d}        0 {inode} {socket.refs + 1} 0000000000000000 "
        "100 0 0 10 0"
    )


def _waiting_line(slot: int, domain: int, local: Endpoint, remote: Endpoint, left: int) -> str:
    """A connection in TIME_WAIT belongs to nobody."""
    return (
        f"{slot:4d}: {_address(domain, local)} {_address(domain, remote)} {TCP_TIME_WAIT:02X} "
        f"00000000:00000000 03:{left:08X} 00000000     0        0 0 3 0000000000000000"
    )


def _tcp(task: Task, domain: int) -> list[str]:
    net = _network(task)
    net.tcp.expire()
    shown = [s for s in net.tcp.sockets() if s.domain == domain and s.state != TCP_CLOSE]
    shown.sort(key=lambda socket: socket.state != TCP_LISTEN)
    lines = [_tcp_line(slot, socket) for slot, socket in enumerate(shown)]
    now = net.clock.monotonic()
    for (local, remote), (deadline, _) in net.tcp.waiting.items():
        if (len(local.ip) == 4) == (domain == AF_INET):
            left = (deadline - now) // 10_000_000
            lines.append(_waiting_line(len(lines), domain, local, remote, left))
    return lines


def tcp(task: Task) -> bytes:
    """/proc/net/tcp."""
    return _table(_TCP_HEAD, _tcp(task, AF_INET), TCP_WIDTH)


def tcp6(task: Task) -> bytes:
    """/proc/net/tcp6; not padded, as in Linux."""
    lines = [_TCP6_HEAD, *_tcp(task, AF_INET6)]
    return "".join(f"{line}\n" for line in lines).encode()


def _udp_line(slot: int, socket: UdpSocket) -> str:
    state = TCP_ESTABLISHED if socket.remote is not None else TCP_CLOSE
    remote = _address(socket.domain, socket.remote or _NOWHERE)
    return (
        f"{slot:5d}: {_address(socket.domain, socket.local)} {remote} {state:02X} "
        f"00000000:{socket.incoming.size:08X} 00:00000000 00000000 {socket.inode.uid:5d}        0 "
        f"{socket.inode.ino} 2 0000000000000000 0"
    )


def _udp(task: Task, domain: int) -> list[str]:
    sockets = [s for s in _network(task).udp.sockets() if s.domain == domain]
    return [_udp_line(socket.local.port, socket) for socket in sockets]


def udp(task: Task) -> bytes:
    """/proc/net/udp."""
    return _table(_UDP_HEAD, _udp(task, AF_INET), UDP_WIDTH)


def udp6(task: Task) -> bytes:
    """/proc/net/udp6."""
    lines = [_UDP6_HEAD, *_udp(task, AF_INET6)]
    return "".join(f"{line}\n" for line in lines).encode()


# -- UNIX sockets ----------------------------------------------------------------------------------


def unix(task: Task) -> bytes:
    """/proc/net/unix: every socket, abstract names with @ for NUL."""
    lines = [b"Num       RefCount Protocol Flags    Type St Inode Path\n"]
    for socket in _network(task).unix:
        listening = socket.listening
        connected = isinstance(socket, UnixStream) and socket.state == TCP_ESTABLISHED
        line = b"%016d: %08X %08X %08X %04X %02X %5d" % (
            0, socket.refs + 1, 0, 0x10000 if listening else 0, socket.type,
            3 if connected else 1, socket.inode.ino,
        )  # fmt: skip
        name = socket.bound if isinstance(socket, UnixNames) else b""
        lines.append(line + (b" " + name.replace(b"\0", b"@") if name else b"") + b"\n")
    return b"".join(lines)


# -- interface and routes --------------------------------------------------------------------------


def dev(task: Task) -> bytes:
    """/proc/net/dev: what lo carried."""
    traffic = _network(task).traffic
    count = f"{traffic.bytes:7d} {traffic.packets:7d}"
    rest = f"{0:4d} {0:4d} {0:4d} {0:5d} {0:10d} {0:9d}"
    sent = f"{0:4d} {0:4d} {0:4d} {0:5d} {0:7d} {0:10d}"
    return f"{_DEV_HEAD}{'lo':>6}: {count} {rest} {count.strip():>16} {sent}\n".encode()


def route(task: Task) -> bytes:
    """/proc/net/route: lo's routes are in the local table, so the main one is empty."""
    return _table(_ROUTE_HEAD, (), ROUTE_WIDTH)


def if_inet6(task: Task) -> bytes:
    """/proc/net/if_inet6."""
    if not _network(task).has_loopback:
        return b""
    return b"00000000000000000000000000000001 01 80 10 80       lo\n"


def ipv6_route(task: Task) -> bytes:
    """/proc/net/ipv6_route: ::1, and that the rest is unreachable."""
    if not _network(task).has_loopback:
        return b""
    zero, one = "0" * 32, "0" * 31 + "1"
    return (
        f"{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n"
        f"{one} 80 {zero} 00 {zero} 00000000 00000002 00000000 80200001       lo\n"
    ).encode()


def sockstat(task: Task) -> bytes:
    """/proc/net/sockstat: how many sockets there are."""
    net = _network(task)
    tcp4 = [s for s in net.tcp.sockets() if s.domain == AF_INET]
    udp4 = [s for s in net.udp.sockets() if s.domain == AF_INET]
    total = len(net.unix) + len(net.tcp.sockets()) + len(net.udp.sockets())
    return (
        f"sockets: used {total}\nTCP: inuse {len(tcp4)} orphan 0 tw {len(net.tcp.waiting)} alloc "
        f"{len(tcp4)} mem 0\nUDP: inuse {len(udp4)} mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\n"
        "FRAG: inuse 0 memory 0\n"
    ).encode()


def _heading(line: bytes) -> Factory:
    """A table that is always empty here."""
    return constant(line)


NETWORK_FILES: Final[dict[bytes, Factory]] = {
    b"arp": _heading(
        b"IP address       HW type     Flags       HW address            Mask     Device\n"
    ),
    b"dev": text(dev),
    b"if_inet6": text(if_inet6),
    b"ipv6_route": text(ipv6_route),
    b"netlink": _heading(
        b"sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    "
        b"Inode\n"
    ),
    b"packet": _heading(b"sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n"),
    b"raw": _heading(_UDP_HEAD.encode()[1:].ljust(UDP_WIDTH) + b"\n"),
    b"raw6": _heading(_UDP6_HEAD.encode() + b"\n"),
    b"route": text(route),
    b"sockstat": text(sockstat),
    b"tcp": text(tcp),
    b"tcp6": text(tcp6),
    b"udp": text(udp),
    b"udp6": text(udp6),
    b"unix": text(unix),
}


def network_directory(sb: SuperBlock, task: Task) -> DirNode:
    """/proc/PID/net."""
    return DirNode(sb, NETWORK_FILES)


# -- /proc/sys/net ---------------------------------------------------------------------------------


def _number(value: int) -> Factory:
    return constant(b"%d\n" % value)


def sysctl_net() -> dict[bytes, Factory]:
    """The limits of kernel.net, where Linux shows them."""
    memory = (b"rmem_default", b"rmem_max", b"wmem_default", b"wmem_max")
    return {
        b"core": directory({
            b"somaxconn": _number(SOMAXCONN),
            b"optmem_max": _number(131072),
            **dict.fromkeys(memory, _number(SENT_RMEM_DEFAULT)),
        }),
        b"ipv4": directory({
            b"ip_forward": _number(0),
            b"ip_local_port_range": constant(b"%d\t%d\n" % EPHEMERAL),
            b"ip_unprivileged_port_start": _number(1024),
            b"tcp_fin_timeout": _number(60),
            b"tcp_keepalive_intvl": _number(75),
            b"tcp_keepalive_probes": _number(9),
            b"tcp_keepalive_time": _number(7200),
            b"tcp_max_syn_backlog": _number(SOMAXCONN),
            b"tcp_syn_retries": _number(6),
        }),
        b"ipv6": directory({
            b"conf": directory({
                name: directory({b"disable_ipv6": _number(0)}) for name in (b"all", b"lo")
            }),
        }),
        b"unix": directory({b"max_dgram_qlen": _number(QUEUE_LENGTH)}),
    }  # fmt: skip
