"""AF_UNIX SOCK_SEQPACKET: connections as of a stream, messages as of datagrams.  See unix(7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EAGAIN, EMSGSIZE, ENOTCONN, EOPNOTSUPP, EPIPE
from kernel.abi.files import (
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLRDHUP,
    POLLRDNORM,
    POLLWRBAND,
    POLLWRNORM,
)
from kernel.abi.inet import TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN
from kernel.abi.sockets import MSG_OOB, SOCK_SEQPACKET
from kernel.net.message import Ancillary, Incoming, Outgoing
from kernel.net.packets import Packet, PacketQueue, take_packet
from kernel.net.socketfile import SHUT_BOTH, SHUT_RECEIVE, SHUT_SEND, SocketFile
from kernel.net.unix_names import attached
from kernel.net.unix_stream import UnixStream
from kernel.wait import Blocking

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.net.network import Network
    from kernel.task.task import Task
    from kernel.vfs.caller import Caller

_HEAD = 32


class UnixSeqpacket(UnixStream):
    """One end.  ``packets`` takes the place of the byte queue."""

    __slots__ = ("packets",)

    def __init__(self, net: Network, caller: Caller) -> None:
        super().__init__(net, caller, SOCK_SEQPACKET)
        self.packets = PacketQueue()

    def another(self, caller: Caller) -> UnixStream:
        return UnixSeqpacket(self.net, caller)

    def _partner(self) -> UnixSeqpacket:
        peer = self.peer
        assert isinstance(peer, UnixSeqpacket)
        return peer

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int | Blocking[int]:
        return SocketFile.read(self, caller, buf, pos)  # not as bytes

    def send(self, task: Task, buf: Buffer, message: Outgoing) -> int | Blocking[int]:
        self._check(message)
        count = buf.remaining
        if count > self.options.sndbuf - _HEAD:
            raise EMSGSIZE(
                "a message of %d bytes does not fit into SO_SNDBUF, %d", count, self.options.sndbuf
            )
        if self._fits(count):
            return self._deliver(task, buf, message)
        if not self.waits(message.flags):
            raise EAGAIN("the queue of the other end is full")
        return message.hold_files(self._send_later(task, buf, message))

    def _check(self, message: Outgoing) -> None:
        if self.state != TCP_ESTABLISHED:
            raise ENOTCONN("%s is not connected", self)
        if message.flags & MSG_OOB:
            raise EOPNOTSUPP("messages have no out-of-band data (MSG_OOB)")
        if self.shut & SHUT_SEND or self._partner().shut & SHUT_RECEIVE:
            raise EPIPE("%s or its other end is shut down or closed", self)
        self.raise_error()

    def _fits(self, count: int) -> bool:
        used = self._partner().packets.charge
        return not used or used + count <= self.options.sndbuf

    def _send_later(self, task: Task, buf: Buffer, message: Outgoing) -> Blocking[int]:
        deadline = self.send_deadline()
        while not self._fits(buf.remaining):
            yield from self.sleep(deadline)
            self._check(message)
        return self._deliver(task, buf, message)

    def _deliver(self, task: Task, buf: Buffer, message: Outgoing) -> int:
        partner = self._partner()
        data = buf.take(buf.remaining)
        partner.packets.append(Packet(data, b"", None, attached(task, message, self, partner)))
        partner.queue.wake()
        return len(data)

    def receive(self, task: Task, buf: Buffer, message: Incoming) -> int | Blocking[int]:
        if self.state != TCP_ESTABLISHED:
            raise ENOTCONN("%s is not connected", self)
        if message.flags & MSG_OOB:
            raise EOPNOTSUPP("messages have no out-of-band data (MSG_OOB)")
        if len(self.packets):
            return self._take(buf, message)
        if self._over():
            return 0
        if not self.waits(message.flags):
            raise EAGAIN("no message has come")
        return self._take_later(buf, message)

    def _over(self) -> bool:
        self.raise_error()
        return bool(self.shut & SHUT_RECEIVE)

    def _take_later(self, buf: Buffer, message: Incoming) -> Blocking[int]:
        deadline = self.receive_deadline()
        while not len(self.packets):
            if self._over():
                return 0
            yield from self.sleep(deadline)
        return self._take(buf, message)

    def _take(self, buf: Buffer, message: Incoming) -> int:
        count, _ = take_packet(self, self.packets, buf, message)
        if self.peer is not None:
            self.peer.queue.wake()
        return count

    def messages(self) -> list[Ancillary]:
        return self.packets.carried()

    def clear_messages(self) -> list[Ancillary]:
        return self.packets.clear()

    @property
    def has_unread(self) -> bool:
        return bool(self.packets)

    def poll(self, caller: Caller, events: int) -> int:
        ready = 0
        if self.error:
            ready |= POLLERR
        if self.shut == SHUT_BOTH or self.state == TCP_CLOSE:
            ready |= POLLHUP
        if self.shut & SHUT_RECEIVE:
            ready |= POLLRDHUP | POLLIN | POLLRDNORM
        if len(self.packets) or self.accepting:
            ready |= POLLIN | POLLRDNORM
        used = self._partner().packets.charge if self.peer is not None else 0
        if self.state != TCP_LISTEN and used * 4 <= self.options.sndbuf:
            ready |= POLLOUT | POLLWRNORM | POLLWRBAND
        return ready & (events | POLLERR | POLLHUP)
