"""The listening socket and one connection: bytes in, packets out.

gdb is reached over TCP on the loopback interface or over a UNIX socket.  Nothing here raises once
the connection stands: a peer that goes away or stops reading is ``closed``.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import stat
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from tools.errors import DioramaError
from tools.gdb.packets import ACK, NAK, PacketReader, frame

if TYPE_CHECKING:
    from tools.config import GdbAddress

PATIENCE: Final = 10.0
"""Seconds a peer may take to read a reply before it is given up."""
LINGER: Final = 0.5
"""Seconds a peer may take to hang up after the end."""
_MOST_READS: Final = 16
_CHUNK: Final = 1 << 16


class Listener:
    """Where gdb connects to.  ``name``: what its ``target remote`` takes."""

    def __init__(self, address: GdbAddress) -> None:
        self._path = address.path
        try:
            self.socket = _open_path(address.path) if address.path else _open_port(address)
        except OSError as error:
            raise DioramaError(f"gdb: cannot listen on {address}: {error.strerror}") from None
        self.socket.setblocking(False)
        self.name = address.path or "{}:{}".format(*self.socket.getsockname())

    def accept(self) -> Connection | None:
        """The next peer, if there is one."""
        try:
            peer, _ = self.socket.accept()
        except OSError:
            return None
        return Connection(peer)

    def close(self) -> None:
        """Listen no more; the path goes."""
        self.socket.close()
        if self._path:
            with suppress(OSError):
                os.unlink(self._path)


def _open_port(address: GdbAddress) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((address.host, address.port))
        made.listen(4)
    except OSError:
        made.close()
        raise
    return made


def _open_path(path: str) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        _remove_stale(path)
        made.bind(path)
        made.listen(4)
    except OSError:
        made.close()
        raise
    return made


def _remove_stale(path: str) -> None:
    """A socket that nobody listens on is left over from a run that was killed."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except OSError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)


def announce(fd: int) -> None:
    """Have SIGIO say that ``fd`` is ready: with virtual time nothing ticks and nobody looks."""
    fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)


class Connection:
    """One peer.  ``tokens``: what came and was not looked at yet (see PacketReader)."""

    def __init__(self, peer: socket.socket) -> None:
        self._socket = peer
        self._reader = PacketReader()
        self._last = b""
        self.tokens: deque[bytes] = deque()
        self.closed = False
        self.acknowledge = True
        peer.setblocking(False)
        if peer.family == socket.AF_INET:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def fileno(self) -> int:
        """For the machine's poller."""
        return self._socket.fileno()

    def receive(self) -> None:
        """Take what has arrived, if anything has."""
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return
        for token in self._reader.feed(data):
            if token == NAK:
                self._write(self._last)
            elif token == b"#":
                self._write(NAK)
            else:
                if token.startswith(b"$") and self.acknowledge:
                    self._write(ACK)
                self.tokens.append(token)

    def gone(self) -> bool:
        """Has the peer hung up, whether that was seen yet or not?"""
        for _ in range(_MOST_READS):  # its last words come first
            if self.closed or not select.select([self._socket], [], [], 0)[0]:
                break
            self.receive()
        return self.closed

    def stop_acknowledging(self) -> None:
        """After QStartNoAckMode."""
        self.acknowledge = False
        self._reader.check = False

    def send(self, payload: bytes) -> None:
        """One reply."""
        self._last = frame(payload)
        self._write(self._last)

    def _write(self, data: bytes) -> None:
        """All of it, or the connection is given up."""
        left = memoryview(data)
        while left and not self.closed:
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                ready = select.select([], [self._socket], [], PATIENCE)[1]
                self.closed = not ready
            except OSError:
                self.closed = True

    def refuse(self, reason: str) -> None:
        """Say why, and that no more will come; the peer closes."""
        self.send(b"E." + reason.encode())
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Hang up.  The peer gets the time to read the last reply: bytes of its own that nobody
        took would turn the end into a reset."""
        if not self.closed:
            self.closed = True
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)
                self._socket.settimeout(LINGER)
                while self._socket.recv(_CHUNK):
                    pass
        self._socket.close()
