"""AF_UNIX datagrams: reliable and in order; a full receiver makes the sender wait.  See unix(7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import (
    EAGAIN,
    ECONNREFUSED,
    ECONNRESET,
    EMSGSIZE,
    ENOTCONN,
    EOPNOTSUPP,
    EPERM,
    EPIPE,
)
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
from kernel.abi.sockets import AF_UNIX, AF_UNSPEC, MSG_OOB, SOCK_DGRAM
from kernel.abi.sockios import SIOCINQ, SIOCOUTQ
from kernel.net.address import family_of, pack_unix
from kernel.net.inflight import collect, drop_all
from kernel.net.message import Ancillary, Incoming, Outgoing
from kernel.net.packets import OVERHEAD, Packet, PacketQueue, take_packet, wait_for_packet
from kernel.net.socketfile import SHUT_BOTH, SHUT_RECEIVE, SHUT_SEND, SocketFile
from kernel.net.unix_names import UnixNames, attached, find, remember_partner
from kernel.wait import Blocking

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.net.network import Network
    from kernel.task.task import Task
    from kernel.vfs.caller import Caller
    from kernel.vfs.inode import Inode

QUEUE_LENGTH: Final = 10
"""/proc/sys/net/unix/max_dgram_qlen; one more than that may wait."""
_HEAD: Final = 32


class UnixDatagram(UnixNames, SocketFile):
    """A datagram socket.  ``peer``: where send(2) goes.  ``unread``: what its own messages
    that nobody has read take of the send buffer.

    ``senders``: sockets that wait for room here; woken, in order, when a message is read.
    """

    __slots__ = ("bound", "closed", "incoming", "peer", "place", "senders", "unread")

    def __init__(self, net: Network, caller: Caller) -> None:
        super().__init__(net, caller, AF_UNIX, SOCK_DGRAM, 0)
        self.bound = b""
        self.place: Inode | None = None
        self.peer: UnixDatagram | None = None
        self.incoming = PacketQueue()
        self.senders: dict[UnixDatagram, None] = {}
        self.unread = 0
        self.closed = False
        net.unix[self] = None

    # -- names -----------------------------------------------------------------------------------

    def bind(self, task: Task, address: bytes) -> None:
        self.take_name(task, address)

    def connect(self, task: Task, address: bytes, nonblock: bool) -> int:
        if family_of(address) == AF_UNSPEC and len(address) >= 2:
            self._set_peer(None)
            return 0
        if self.options.passcred and not self.bound:
            self.auto_name()
        other = self._find(task, address)
        if not other.accepts(self):
            raise EPERM("%s is connected to another socket", other)
        self._set_peer(other)
        return 0

    def _set_peer(self, other: UnixDatagram | None) -> None:
        old = self.peer
        if old is not None and old is not other and old.peer is self:
            drop_all(self.net, self._drop_messages())
            old.error = ECONNRESET.errno
            old.queue.wake()
        self.peer = other
        self.queue.wake()

    def pair(self, task: Task, other: SocketFile) -> None:
        assert isinstance(other, UnixDatagram)
        self.peer, other.peer = other, self
        remember_partner(self, task)
        remember_partner(other, task)

    def _find(self, task: Task, address: bytes) -> UnixDatagram:
        found = find(task, self.net, address, self.type)
        assert isinstance(found, UnixDatagram)
        return found

    def accepts(self, sender: UnixDatagram) -> bool:
        """A connected socket takes messages from its partner only."""
        return self.peer is None or self.peer is sender

    def name(self) -> bytes:
        return self.shown_name()

    def peer_name(self) -> bytes:
        if self.peer is None:
            raise ENOTCONN("%s is not connected", self)
        return self.peer.shown_name()

    # -- data ------------------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        """Must the next sender wait?"""
        return len(self.incoming) > QUEUE_LENGTH

    def send(self, task: Task, buf: Buffer, message: Outgoing) -> int | Blocking[int]:
        other = self._target(task, message)
        count = buf.remaining
        if count > self.options.sndbuf - _HEAD:
            raise EMSGSIZE(
                "a message of %d bytes does not fit into SO_SNDBUF, %d", count, self.options.sndbuf
            )
        if self.options.passcred and not self.bound:
            self.auto_name()
        self._check(other)
        if self._fits(other, count):
            return self._deliver(task, other, buf, message)
        if not self.waits(message.flags):
            raise EAGAIN("the queue of %s is full", other)
        return message.hold_files(self._send_later(task, other, buf, message))

    def _target(self, task: Task, message: Outgoing) -> UnixDatagram:
        if message.flags & MSG_OOB:
            raise EOPNOTSUPP("datagrams have no out-of-band data (MSG_OOB)")
        if message.address is not None:
            return self._find(task, message.address)
        if self.peer is None:
            raise ENOTCONN("no address is given, and %s is not connected", self)
        return self.peer

    def _check(self, other: UnixDatagram) -> None:
        self.raise_error()
        if self.shut & SHUT_SEND:
            raise EPIPE("%s is shut down for sending", self)
        if other.closed:
            if self.peer is other:
                self.peer = None
            raise ECONNREFUSED("%s, the receiver, is closed", other)
        if not other.accepts(self):
            raise EPERM("%s is connected to another socket", other)
        if other.shut & SHUT_RECEIVE:
            raise EPIPE("%s is shut down for receiving", other)

    def _fits(self, other: UnixDatagram, count: int) -> bool:
        if self.unread and self.unread + count > self.options.sndbuf:
            return False
        return other.peer is self or not other.full

    def _send_later(
        self, task: Task, other: UnixDatagram, buf: Buffer, message: Outgoing
    ) -> Blocking[int]:
        deadline = self.send_deadline()
        while not self._fits(other, buf.remaining):
            other.senders[self] = None
            yield from self.sleep(deadline)
            self._check(other)
        return self._deliver(task, other, buf, message)

    def _deliver(self, task: Task, other: UnixDatagram, buf: Buffer, message: Outgoing) -> int:
        data = buf.take(buf.remaining)
        ancillary = attached(task, message, self, other)
        other.incoming.append(
            Packet(data, pack_unix(self.bound) if self.bound else b"", self, ancillary)
        )
        self.unread += len(data) + OVERHEAD
        other.queue.wake()
        return len(data)

    def receive(self, task: Task, buf: Buffer, message: Incoming) -> int | Blocking[int]:
        if message.flags & MSG_OOB:
            raise EOPNOTSUPP("datagrams have no out-of-band data (MSG_OOB)")
        if len(self.incoming):
            return self._take(buf, message)
        self.raise_error()
        if self.shut & SHUT_RECEIVE:
            return 0
        if not self.waits(message.flags):
            raise EAGAIN("no message has come")
        return self._receive_later(buf, message)

    def _receive_later(self, buf: Buffer, message: Incoming) -> Blocking[int]:
        there_is_one = yield from wait_for_packet(self, self.incoming)
        return self._take(buf, message) if there_is_one else 0

    def _take(self, buf: Buffer, message: Incoming) -> int:
        before = len(self.incoming)
        count, packet = take_packet(self, self.incoming, buf, message)
        if len(self.incoming) < before:
            self._read_one(packet)
        return count

    def _read_one(self, packet: Packet) -> None:
        sender = packet.sender
        if isinstance(sender, UnixDatagram):
            sender.unread -= len(packet.data) + OVERHEAD
            sender.queue.wake()
        waiting, self.senders = self.senders, {}
        for other in waiting:
            other.queue.wake()

    # -- the end ---------------------------------------------------------------------------------

    def shutdown(self, how: int) -> None:
        self.shut |= how
        self.queue.wake()
        for other in self.senders:
            other.queue.wake()

    def messages(self) -> list[Ancillary]:
        return self.incoming.carried()

    def clear_messages(self) -> list[Ancillary]:
        return self._drop_messages()

    def _drop_messages(self) -> list[Ancillary]:
        for packet in self.incoming.packets:
            if isinstance(packet.sender, UnixDatagram):
                packet.sender.unread -= len(packet.data) + OVERHEAD
        return self.incoming.clear()

    def close_socket(self) -> None:
        self.net.unix.pop(self, None)
        self.drop_name()
        self.closed = True
        self.shut = SHUT_BOTH
        dropped = self._drop_messages()
        for other in self.senders:
            other.queue.wake()
        self.senders.clear()
        if self.peer is not None:
            self.peer.queue.wake()
        self.peer = None
        drop_all(self.net, dropped)
        collect(self.net)

    # -- looking ---------------------------------------------------------------------------------

    def poll(self, caller: Caller, events: int) -> int:
        ready = 0
        if self.error:
            ready |= POLLERR
        if self.shut & SHUT_RECEIVE:
            ready |= POLLRDHUP | POLLIN | POLLRDNORM
        if self.shut == SHUT_BOTH:
            ready |= POLLHUP
        if len(self.incoming):
            ready |= POLLIN | POLLRDNORM
        if events & (POLLOUT | POLLWRNORM | POLLWRBAND) and self._writable():
            ready |= POLLOUT | POLLWRNORM | POLLWRBAND
        return ready & (events | POLLERR | POLLHUP)

    def _writable(self) -> bool:
        if self.unread * 4 > self.options.sndbuf:
            return False
        peer = self.peer
        if peer is not None and not peer.closed and peer.peer is not self and peer.full:
            peer.senders[self] = None
            return False
        return True

    def ioctl(self, caller: Caller, cmd: int, arg: int) -> int | Blocking[int]:
        if cmd == SIOCINQ:
            first = len(self.incoming.packets[0].data) if len(self.incoming) else 0
            caller.mem.write_u32(arg, first)
            return 0
        if cmd == SIOCOUTQ:
            caller.mem.write_u32(arg, self.unread)
            return 0
        return super().ioctl(caller, cmd, arg)
