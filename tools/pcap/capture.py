"""The observer of the net room, and the file it writes.

A write that fails raises nothing into the kernel: what a guest sees must not depend on who watches.
The first failure is kept, the rest is lost, and ``close`` says so; a reader that went away (of a
FIFO, or of stdout) is no mistake.  Every packet is handed to the host at once, so that a reader at
the other end of a FIFO sees it when it happens.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Final

from dpkt import pcap

from kernel.net.traffic import WireObserver
from tools.errors import DioramaError
from tools.pcap.headers import Headers
from tools.pcap.streams import Streams

if TYPE_CHECKING:
    from kernel.clock.clock import Clock
    from kernel.net.address import Endpoint
    from kernel.net.marks import Marks

LINKTYPE_RAW: Final = 101
"""Packets begin with their IP header, of either version."""
SNAPLEN: Final = 262144
NS: Final = 1_000_000_000


class Capture(WireObserver):
    """Writes what it sees to a capture file.  DioramaError: the file cannot be made."""

    def __init__(self, path: str, clock: Clock) -> None:
        self._name = path
        self._clock = clock
        self._failure: OSError | None = None
        self._headers = Headers()
        self._streams = Streams(self._headers)
        self._file = self._open(path)
        header = pcap.LEFileHdr(
            magic=pcap.TCPDUMP_MAGIC_NANO, snaplen=SNAPLEN, linktype=LINKTYPE_RAW
        )
        self._put(bytes(header))

    @staticmethod
    def _open(path: str) -> IO[bytes]:
        if path == "-":
            if sys.stdout is None:
                raise DioramaError("--pcap -: stdout is closed")
            return sys.stdout.buffer
        try:
            return open(path, "wb", buffering=0)
        except OSError as error:
            raise DioramaError(f"{path}: {error.strerror}") from None

    def _put(self, data: bytes) -> None:
        if self._failure is not None:
            return
        try:
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]
            self._file.flush()
        except OSError as error:
            self._failure = error

    def _packets(self, packets: Iterable[bytes]) -> None:
        now = self._clock.realtime()
        for packet in packets:
            size = len(packet)
            header = pcap.LEPktHdr(tv_sec=now // NS, tv_usec=now % NS, caplen=size, len=size)
            self._put(bytes(header) + packet)

    def close(self) -> None:
        """The run is over.  DioramaError: not everything could be written."""
        if self._name != "-":
            self._file.close()
        if self._failure is not None and not isinstance(self._failure, BrokenPipeError):
            raise DioramaError(f"{self._name}: {self._failure.strerror}") from None

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
