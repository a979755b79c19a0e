"""Names of socket constants, as strace prints them."""

from __future__ import annotations

from typing import Final

from kernel.abi import inet, sockets
from tools.tracer.names import CONSTANTS, FLAGS, Constants, Flags, members, prefixed

__all__ = [
    "CONTROL_TYPES", "FLAGS", "LEVELS", "OPTIONS", "PROTOCOLS", "SOCKET_CONSTANTS", "TYPES",
    "TYPE_FLAGS",
]  # fmt: skip

TYPES: Final = Constants(
    members(
        sockets, "SOCK_STREAM SOCK_DGRAM SOCK_RAW SOCK_RDM SOCK_SEQPACKET SOCK_DCCP SOCK_PACKET"
    ),
    "SOCK_???",
)
TYPE_FLAGS: Final = Flags(members(sockets, "SOCK_CLOEXEC SOCK_NONBLOCK"), "SOCK_???")
LEVELS: Final = Constants(prefixed(sockets, "SOL_"), "SOL_??")
_IP: Final = Constants(
    prefixed(inet, "IPPROTO_") | {"IPPROTO_IGMP": 2, "IPPROTO_RAW": 255}, "IPPROTO_???"
)
PROTOCOLS: Final = {
    sockets.AF_INET: _IP,
    sockets.AF_INET6: _IP,
    sockets.AF_NETLINK: Constants(
        {"NETLINK_ROUTE": 0, "NETLINK_SOCK_DIAG": 4, "NETLINK_KOBJECT_UEVENT": 15,
         "NETLINK_GENERIC": 16, "NETLINK_AUDIT": 9},
        "NETLINK_???",
    ),
}  # fmt: skip
_SOCKET: Final = {
    {
        "SO_RCVTIMEO": "SO_RCVTIMEO_OLD", "SO_SNDTIMEO": "SO_SNDTIMEO_OLD",
        "SO_TIMESTAMP": "SO_TIMESTAMP_OLD", "SO_TIMESTAMPNS": "SO_TIMESTAMPNS_OLD",
        "SO_TIMESTAMPING": "SO_TIMESTAMPING_OLD",
    }.get(name, name): value
    for name, value in prefixed(sockets, "SO_").items()
}  # fmt: skip
_STATES: Final = (
    "TCP_ESTABLISHED TCP_SYN_SENT TCP_SYN_RECV TCP_FIN_WAIT1 TCP_FIN_WAIT2 TCP_TIME_WAIT "
    "TCP_CLOSE TCP_CLOSE_WAIT TCP_LAST_ACK TCP_LISTEN TCP_CLOSING"
).split()
_TCP: Final = {name: value for name, value in prefixed(inet, "TCP_").items() if name not in _STATES}
OPTIONS: Final = {
    sockets.SOL_SOCKET: Constants(_SOCKET, "SO_???"),
    sockets.SOL_IP: Constants(prefixed(inet, "IP_"), "IP_???"),
    sockets.SOL_IPV6: Constants(prefixed(inet, "IPV6_"), "IPV6_???"),
    sockets.SOL_TCP: Constants(_TCP, "TCP_???"),
    sockets.SOL_UDP: Constants(prefixed(inet, "UDP_"), "UDP_???"),
}  # fmt: skip
CONTROL_TYPES: Final = {
    sockets.SOL_SOCKET: Constants(
        {
            **members(sockets, "SCM_RIGHTS SCM_CREDENTIALS"),
            "SO_TIMESTAMP_OLD": sockets.SO_TIMESTAMP,
            "SO_TIMESTAMPNS_OLD": sockets.SO_TIMESTAMPNS,
        },
        "SCM_???",
    ),
    sockets.SOL_IP: Constants(prefixed(inet, "IP_"), "IP_???"),
    sockets.SOL_IPV6: Constants(prefixed(inet, "IPV6_"), "IPV6_???"),
}
SOCKET_CONSTANTS: Final = {
    "socket_domain": Constants(
        {name: value for name, value in prefixed(sockets, "AF_").items() if name != "AF_MAX"},
        "AF_???",
    ),
    "socket_level": LEVELS,
    "shutdown": Constants(prefixed(sockets, "SHUT_"), "SHUT_???"),
}
CONSTANTS.update(SOCKET_CONSTANTS)
FLAGS["socket"] = TYPE_FLAGS
FLAGS["msg"] = Flags(prefixed(sockets, "MSG_"), "MSG_???")
