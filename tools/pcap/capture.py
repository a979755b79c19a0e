"""The observer of the net room, and the file it writes.

What is written, and what is said when it cannot be, is the trace's own: ``tools.tracer.output``.
Every packet is handed to the host at once, so that a reader at the other end of a FIFO sees it when
it happens.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from dpkt import pcap

from kernel.net.traffic import WireObserver
from tools.pcap.headers import Headers
from tools.pcap.streams import Streams
from tools.tracer.output import of_file, of_stream

if TYPE_CHECKING:
    from kernel.clock.clock import Clock
    from kernel.net.address import Endpoint
    from kernel.net.marks import Marks

LINKTYPE_RAW: Final = 101
"""Packets begin with their IP header, of either version."""
SNAPLEN: Final = 262144
NS: Final = 1_000_000_000
WORD: Final = 0xFFFFFFFF
"""The format's seconds have 32 bits."""


class Capture(WireObserver):
    """Writes what it sees to a capture file.  DioramaError: the file cannot be made."""

    def __init__(self, path: str, clock: Clock) -> None:
        self._clock = clock
        self._headers = Headers()
        self._streams = Streams(self._headers)
        self.output = of_stream(1, "stdout") if path == "-" else of_file(path, append=False)
        self.output.check()
        header = pcap.LEFileHdr(
            magic=pcap.TCPDUMP_MAGIC_NANO, snaplen=SNAPLEN, linktype=LINKTYPE_RAW
        )
        self.output.put(bytes(header))

    def _packets(self, packets: Iterable[bytes]) -> None:
        now = self._clock.realtime()
        for packet in packets:
            size = len(packet)
            seconds = now // NS & WORD  # a guest may set its clock beyond 2106
            header = pcap.LEPktHdr(tv_sec=seconds, tv_usec=now % NS, caplen=size, len=size)
            self.output.put(bytes(header) + packet)

    # -- what happens ----------------------------------------------------------------------------

    def tcp_open(self, source: Endpoint, target: Endpoint, marks: Marks) -> None:
        self._packets(self._streams.open(source, target, marks))

    def tcp_syn(self, source: Endpoint, target: Endpoint, marks: Marks) -> None:
        self._packets(self._streams.knock(source, target, marks))

    def tcp_refused(self, source: Endpoint, target: Endpoint, marks: Marks) -> None:
        self._packets(self._streams.refuse(source, target, marks))

    def tcp_data(
        self, source: Endpoint, target: Endpoint, marks: Marks, data: bytes, reached: bool
    ) -> None:
        self._packets(self._streams.data(source, target, marks, data, reached=reached))

    def tcp_fin(self, source: Endpoint, target: Endpoint, marks: Marks) -> None:
        self._packets(self._streams.finish(source, target, marks))

    def tcp_reset(self, source: Endpoint, target: Endpoint, marks: Marks) -> None:
        self._packets(self._streams.reset(source, target, marks))

    def udp(
        self, source: Endpoint, target: Endpoint, marks: Marks, data: bytes, reached: bool
    ) -> None:
        packet = self._headers.udp(source, target, marks, data)
        self._packets([packet])
        if not reached:
            self._packets([self._headers.unreachable(target, source, packet)])
