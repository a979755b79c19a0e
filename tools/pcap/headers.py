"""Packets as bytes: IP, TCP, UDP and ICMP headers, checksums included.  See RFC 791, 8200, 9293."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dpkt import icmp, icmp6, ip, ip6, tcp, udp

from kernel.net.marks import Marks

if TYPE_CHECKING:
    from kernel.net.address import Endpoint

TCP, UDP, ICMP, ICMP6 = ip.IP_PROTO_TCP, ip.IP_PROTO_UDP, ip.IP_PROTO_ICMP, ip.IP_PROTO_ICMP6
SYN, ACK, FIN, RST, PSH = tcp.TH_SYN, tcp.TH_ACK, tcp.TH_FIN, tcp.TH_RST, tcp.TH_PUSH
LARGEST: Final = 65535
"""An IPv4 packet, its header included; also the payload of an IPv6 packet."""
SEGMENT: Final = {4: LARGEST - 40, 16: LARGEST - 60}
"""Bytes of the stream in one packet, by the length of the address; what MSS says."""
WINDOW_SCALE: Final = 7
WINDOW: Final = 0x10000 >> WINDOW_SCALE
"""Room for one largest segment, in units of the scale."""
QUOTED: Final = 548
"""Bytes of a refused datagram that come back in its ICMP message (RFC 1812, 4.3.2.3)."""
PORT_UNREACHABLE: Final = 3
PORT_UNREACHABLE6: Final = 4


class Headers:
    """Makes packets; ``_number`` is IPv4's identification, which counts up."""

    def __init__(self) -> None:
        self._number = 0

    def tcp(
        self, source: Endpoint, target: Endpoint, marks: Marks, seq: int, ack: int, flags: int,
        data: bytes = b"",
    ) -> bytes:  # fmt: skip
        """One segment.  A SYN carries the options MSS and window scale."""
        options = b""
        if flags & SYN:
            most = SEGMENT[len(source.ip)]
            options = bytes((2, 4)) + most.to_bytes(2, "big") + bytes((1, 3, 3, WINDOW_SCALE))
        segment = tcp.TCP(
            sport=source.port,
            dport=target.port,
            seq=seq,
            ack=ack,
            flags=flags,
            win=0 if flags & RST else LARGEST if flags & SYN else WINDOW,
            opts=options,
            data=data,
        )
        segment.off = (20 + len(options)) // 4
        return self._packet(source, target, marks, TCP, segment)

    def udp(self, source: Endpoint, target: Endpoint, marks: Marks, data: bytes) -> bytes:
        """One datagram."""
        datagram = udp.UDP(sport=source.port, dport=target.port, ulen=8 + len(data), data=data)
        return self._packet(source, target, marks, UDP, datagram)

    def unreachable(self, source: Endpoint, target: Endpoint, packet: bytes) -> bytes:
        """``source`` says that nobody has the port ``packet`` was sent to."""
        quoted = bytes(4) + packet[:QUOTED]
        marks = Marks(64, 0xC0 if len(source.ip) == 4 else 0)
        if len(source.ip) == 4:
            message: Any = icmp.ICMP(type=icmp.ICMP_UNREACH, code=PORT_UNREACHABLE, data=quoted)
            return self._packet(source, target, marks, ICMP, message)
        message = icmp6.ICMP6(type=icmp6.ICMP6_DST_UNREACH, code=PORT_UNREACHABLE6, data=quoted)
        return self._packet(source, target, marks, ICMP6, message)

    def _packet(
        self, source: Endpoint, target: Endpoint, marks: Marks, protocol: int, inner: Any
    ) -> bytes:
        """With its IP header; dpkt fills lengths and checksums in."""
        if len(source.ip) == 4:
            self._number = (self._number + 1) & 0xFFFF
            outer = ip.IP(
                src=source.ip,
                dst=target.ip,
                p=protocol,
                ttl=marks.hops,
                tos=marks.traffic_class,
                id=self._number,
                df=1,
                data=inner,
            )
            outer.len = 20 + len(inner)
            return bytes(outer)
        outer = ip6.IP6(
            src=source.ip,
            dst=target.ip,
            nxt=protocol,
            hlim=marks.hops,
            plen=len(inner),
            data=inner,
        )
        outer.v, outer.fc, outer.flow = 6, marks.traffic_class, 0
        outer.extension_hdrs = {}
        packet = bytes(outer)
        if protocol == UDP and not inner.sum:  # no checksum at all is not allowed (RFC 768)
            inner.sum = 0xFFFF
            packet = bytes(outer)
        return packet
