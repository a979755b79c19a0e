"""Messages that keep their borders: the queue behind datagrams and SOCK_SEQPACKET."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi.sockets import MSG_PEEK, MSG_TRUNC
from kernel.net.message import NOBODY
from kernel.net.socketfile import SHUT_RECEIVE

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.net.marks import Marks
    from kernel.net.message import Ancillary, Incoming
    from kernel.net.socketfile import SocketFile
    from kernel.wait import Blocking


OVERHEAD: Final = 768
"""What a message takes of a buffer beside its bytes, so that empty ones are bounded too."""


class Packet(NamedTuple):
    """One message.  ``address``: the sender's sockaddr.  ``sender``: whose buffer it fills.

    ``controls``: control messages made when it was sent, each with the option that asks for it.
    """

    data: bytes
    address: bytes
    sender: SocketFile | None = None
    ancillary: Ancillary | None = None
    time: int = 0
    target: bytes = b""  # the address it was sent to (IP_PKTINFO)
    marks: Marks | None = None  # of a datagram over IP


class PacketQueue:
    """Messages in order.  Invariant: ``size`` is the sum of their lengths."""

    __slots__ = ("packets", "size")

    def __init__(self) -> None:
        self.packets: deque[Packet] = deque()
        self.size = 0

    @property
    def charge(self) -> int:
        """How much of a buffer they take."""
        return self.size + len(self.packets) * OVERHEAD

    def append(self, packet: Packet) -> None:
        """One more at the end."""
        self.packets.append(packet)
        self.size += len(packet.data)

    def pop(self) -> Packet:
        """The first, taken out."""
        packet = self.packets.popleft()
        self.size -= len(packet.data)
        return packet

    def __len__(self) -> int:
        return len(self.packets)

    def clear(self) -> list[Ancillary]:
        """Drop all; returns what they carried."""
        carried = self.carried()
        self.packets.clear()
        self.size = 0
        return carried

    def carried(self) -> list[Ancillary]:
        """What the messages carry beside bytes."""
        return [p.ancillary for p in self.packets if p.ancillary is not None]

    def __repr__(self) -> str:
        return f"<PacketQueue {len(self.packets)} packets, {self.size} bytes>"


def wait_for_packet(socket: SocketFile, queue: PacketQueue) -> Blocking[bool]:
    """Sleep until there is a message; False: receiving was shut down, and none came.

    An error of the socket is raised, EAGAIN when SO_RCVTIMEO is over.
    """
    deadline = socket.receive_deadline()
    while not len(queue):
        yield from socket.sleep(deadline, exclusive=True)
        if not len(queue):
            socket.raise_error()
            if socket.shut & SHUT_RECEIVE:
                return False
    return True


def take_packet(
    socket: SocketFile, queue: PacketQueue, buf: Buffer, message: Incoming
) -> tuple[int, Packet]:
    """Receive the first message: (what recvmsg(2) returns, the message).

    What does not fit is lost, and MSG_TRUNC says so; asked for, it also makes the result the real
    length.  Differs from Linux: a message is not lost to a bad buffer.
    """
    peek = bool(message.flags & MSG_PEEK)
    packet = queue.packets[0]
    data, want = packet.data, buf.remaining
    length = len(data)
    count = min(length, want)
    if count:
        buf.put(data if count == length else memoryview(data)[:count])  # EFAULT: it stays
    if not peek:
        queue.pop()
    if length > count:
        message.found |= MSG_TRUNC
    message.address = packet.address
    if packet.ancillary is None:
        if socket.options.passcred:
            message.cred = NOBODY
    else:
        message.attach(packet.ancillary, socket, peek)
        if not peek:
            packet.ancillary.release()
    return (length if message.flags & MSG_TRUNC else count), packet
