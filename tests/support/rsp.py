"""A client of gdb's protocol in a few lines: for what the real gdb never does."""

from __future__ import annotations

import socket
from typing import Self

from tools.gdb.packets import frame

SECONDS = 90.0
FEATURES = b"qSupported:multiprocess+;swbreak+;hwbreak+;fork-events+;vfork-events+;exec-events+"


class Client:
    """One connection; acknowledgements are sent and skipped."""

    def __init__(self, target: str) -> None:
        if ":" in target:
            host, _, port = target.rpartition(":")
            self.socket = socket.create_connection((host, int(port)), SECONDS)
        else:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(SECONDS)
            self.socket.connect(target)
        self._buffer = b""

    def send(self, payload: bytes) -> None:
        """A packet, without waiting for its answer."""
        self.socket.sendall(frame(payload))

    def receive(self) -> bytes | None:
        """The next packet; None: the other side has hung up."""
        while b"#" not in self._buffer or len(self._buffer.partition(b"#")[2]) < 2:
            data = self.socket.recv(65536)
            if not data:
                return None
            self._buffer += data
        head, _, rest = self._buffer.partition(b"#")
        self._buffer = rest[2:]
        self.socket.sendall(b"+")
        return head.lstrip(b"+").removeprefix(b"$")

    def ask(self, payload: bytes) -> bytes | None:
        """A packet and its answer."""
        self.send(payload)
        return self.receive()

    def interrupt(self) -> None:
        """^C."""
        self.socket.sendall(b"\x03")

    def closed(self) -> bool:
        """Does nothing come any more?"""
        try:
            return self.receive() is None
        except ConnectionResetError:
            return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()
