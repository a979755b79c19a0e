"""Internet sockets: addresses, protocols, options.  See ip(7), ipv6(7), tcp(7), udp(7)."""

from __future__ import annotations

from struct import Struct
from typing import Final

IPPROTO_IP: Final = 0
IPPROTO_ICMP: Final = 1
IPPROTO_TCP: Final = 6
IPPROTO_UDP: Final = 17
IPPROTO_IPV6: Final = 41
IPPROTO_ICMPV6: Final = 58
IPPROTO_UDPLITE: Final = 136
IPPROTO_RAW: Final = 255

SOCKADDR_IN: Final = Struct("<H2s4s8x")  # family, port and address in network order
SOCKADDR_IN6: Final = Struct("<H2sI16sI")  # family, port, flowinfo, address, scope
SOCKADDR_IN6_LEAST: Final = 24
"""RFC 2133 addresses have no scope."""

# ip(7)
IP_TOS: Final = 1
IP_TTL: Final = 2
IP_HDRINCL: Final = 3
IP_OPTIONS: Final = 4
IP_RECVOPTS: Final = 6
IP_PKTINFO: Final = 8
IP_MTU_DISCOVER: Final = 10
IP_RECVERR: Final = 11
IP_RECVTTL: Final = 12
IP_RECVTOS: Final = 13
IP_MTU: Final = 14
IP_FREEBIND: Final = 15
IP_TRANSPARENT: Final = 19
IP_BIND_ADDRESS_NO_PORT: Final = 24
IP_MULTICAST_IF: Final = 32
IP_MULTICAST_TTL: Final = 33
IP_MULTICAST_LOOP: Final = 34
IP_ADD_MEMBERSHIP: Final = 35
IP_DROP_MEMBERSHIP: Final = 36
IP_MULTICAST_ALL: Final = 49
IP_LOCAL_PORT_RANGE: Final = 51

# ipv6(7)
IPV6_UNICAST_HOPS: Final = 16
IPV6_MULTICAST_IF: Final = 17
IPV6_MULTICAST_HOPS: Final = 18
IPV6_MULTICAST_LOOP: Final = 19
IPV6_ADD_MEMBERSHIP: Final = 20
IPV6_DROP_MEMBERSHIP: Final = 21
IPV6_MTU_DISCOVER: Final = 23
IPV6_MTU: Final = 24
IPV6_RECVERR: Final = 25
IPV6_V6ONLY: Final = 26
IPV6_RECVPKTINFO: Final = 49
IPV6_PKTINFO: Final = 50
IPV6_RECVHOPLIMIT: Final = 51
IPV6_HOPLIMIT: Final = 52
IPV6_RECVTCLASS: Final = 66
IPV6_TCLASS: Final = 67

# tcp(7)
TCP_NODELAY: Final = 1
TCP_MAXSEG: Final = 2
TCP_CORK: Final = 3
TCP_KEEPIDLE: Final = 4
TCP_KEEPINTVL: Final = 5
TCP_KEEPCNT: Final = 6
TCP_SYNCNT: Final = 7
TCP_LINGER2: Final = 8
TCP_DEFER_ACCEPT: Final = 9
TCP_WINDOW_CLAMP: Final = 10
TCP_INFO: Final = 11
TCP_QUICKACK: Final = 12
TCP_CONGESTION: Final = 13
TCP_USER_TIMEOUT: Final = 18
TCP_FASTOPEN: Final = 23
TCP_NOTSENT_LOWAT: Final = 25
TCP_FASTOPEN_CONNECT: Final = 30

# udp(7)
UDP_CORK: Final = 1

# states of a connection, as in /proc/net/tcp
TCP_ESTABLISHED: Final = 1
TCP_SYN_SENT: Final = 2
TCP_SYN_RECV: Final = 3
TCP_FIN_WAIT1: Final = 4
TCP_FIN_WAIT2: Final = 5
TCP_TIME_WAIT: Final = 6
TCP_CLOSE: Final = 7
TCP_CLOSE_WAIT: Final = 8
TCP_LAST_ACK: Final = 9
TCP_LISTEN: Final = 10
TCP_CLOSING: Final = 11

PORT_FIRST_FREE: Final = 1024
"""Below it bind(2) needs CAP_NET_BIND_SERVICE."""
EPHEMERAL: Final = (32768, 60999)
"""/proc/sys/net/ipv4/ip_local_port_range."""
