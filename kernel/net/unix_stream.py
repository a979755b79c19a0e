"""AF_UNIX streams: bytes, and open files beside them.  See unix(7), socketpair(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import (
    EAGAIN,
    ECONNREFUSED,
    ECONNRESET,
    EINVAL,
    EISCONN,
    ENOTCONN,
    EOPNOTSUPP,
)
from kernel.abi.files import (
    O_NONBLOCK,
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
from kernel.abi.sockets import AF_UNIX
from kernel.abi.sockios import SIOCINQ, SIOCOUTQ
from kernel.net.connection import READABLE, ConnectionSocket
from kernel.net.inflight import collect, drop_all
from kernel.net.message import Ancillary, Outgoing
from kernel.net.options import inherit
from kernel.net.socketfile import SHUT_BOTH, SHUT_RECEIVE, SHUT_SEND, SocketFile
from kernel.net.unix_names import UnixNames, attached, find, remember_partner
from kernel.wait import Blocking, WaitQueue

if TYPE_CHECKING:
    from kernel.net.network import Network
    from kernel.task.task import Task
    from kernel.vfs.caller import Caller
    from kernel.vfs.inode import Inode


class UnixStream(UnixNames, ConnectionSocket):
    """A stream end or a listener.

    ``making_room``: connectors sleep here while the accept queue is full (Linux: ``peer_wait``).
    """

    __slots__ = ("bound", "making_room", "place")

    peer: UnixStream | None

    def __init__(self, net: Network, caller: Caller, type_: int) -> None:
        super().__init__(net, caller, AF_UNIX, type_, 0)
        self.bound = b""
        self.place: Inode | None = None
        self.making_room = WaitQueue(f"accept queue of socket:[{self.inode.ino}]")
        net.unix[self] = None

    def another(self, caller: Caller) -> UnixStream:
        """A socket of the same kind (accept, tests)."""
        return UnixStream(self.net, caller, self.type)

    # -- connections -----------------------------------------------------------------------------

    def bind(self, task: Task, address: bytes) -> None:
        self.take_name(task, address)

    def listen(self, task: Task, backlog: int) -> None:
        if not self.bound or self.state not in (TCP_CLOSE, TCP_LISTEN):
            raise EINVAL("%s has no name or is connected", self)
        longer = backlog > self.backlog
        self.set_backlog(backlog)
        self.state = TCP_LISTEN
        remember_partner(self, task)
        if longer:
            self.making_room.wake()

    def accepted(self, task: Task) -> None:
        self.making_room.wake()

    def connect(self, task: Task, address: bytes, nonblock: bool) -> int | Blocking[int]:
        self._check_unconnected()
        listener = self._listener(task, address)
        if not listener.accept_full:
            return self._join(task, listener)
        if self.flags & O_NONBLOCK:
            raise EAGAIN(
                "%d connections wait to be accepted by %s, at most %d",
                len(listener.accepting), listener, listener.backlog + 1,
            )  # fmt: skip
        return self._connect_later(task, address, self.send_deadline())

    def _check_unconnected(self) -> None:
        if self.state == TCP_ESTABLISHED:
            raise EISCONN("%s is connected", self)
        if self.state != TCP_CLOSE:
            raise EINVAL("%s listens", self)

    def _listener(self, task: Task, address: bytes) -> UnixStream:
        found = find(task, self.net, address, self.type)
        assert isinstance(found, UnixStream)
        if found.state != TCP_LISTEN or found.shut & SHUT_RECEIVE:
            raise ECONNREFUSED("%s does not listen", found)
        return found

    def _connect_later(self, task: Task, address: bytes, deadline: int | None) -> Blocking[int]:
        while True:
            listener = self._listener(task, address)
            if not listener.accept_full:
                return self._join(task, listener)
            yield from self.sleep(deadline, listener.making_room)
            self._check_unconnected()

    def _join(self, task: Task, listener: UnixStream) -> int:
        if self.options.passcred and not self.bound:
            self.auto_name()
        other = listener.another(task)
        other.bound = listener.bound
        other.options = inherit(listener.options)
        self._link(other)
        self.peer_cred, self.peer_groups = listener.peer_cred, listener.peer_groups
        remember_partner(other, task)
        listener.accepting.append(other)
        listener.queue.wake()
        return 0

    def _link(self, other: UnixStream) -> None:
        self.peer, other.peer = other, self
        self.state = other.state = TCP_ESTABLISHED

    def pair(self, task: Task, other: SocketFile) -> None:
        assert isinstance(other, UnixStream)
        self._link(other)
        remember_partner(self, task)
        remember_partner(other, task)

    def drop_name(self) -> None:
        """An accepted socket shows its listener's name but does not own it."""
        if self.net.abstract.get((self.bound, self.type)) is self or self.place is not None:
            super().drop_name()

    # -- data ------------------------------------------------------------------------------------

    def room(self) -> int:
        peer = self.peer
        return self.options.sndbuf - peer.incoming.size if peer is not None else 0

    def check_send(self, message: Outgoing) -> None:
        if message.address is not None:
            kind = EISCONN if self.state == TCP_ESTABLISHED else EOPNOTSUPP
            raise kind("an address is given, and %s is a stream", self)
        if self.peer is None:
            raise ENOTCONN("%s is not connected", self)
        if self.shut & SHUT_SEND or self.peer.shut & SHUT_RECEIVE:
            raise self.broken_pipe(message.flags, "%s or its other end is shut down or closed")
        self.raise_error()

    def ancillary_of(self, task: Task, message: Outgoing) -> Ancillary | None:
        return attached(task, message, self, self.peer)

    def deliver(self, data: bytes, ancillary: Ancillary | None) -> None:
        peer = self.peer
        assert peer is not None
        peer.incoming.append(data, ancillary)
        if peer.queue.waiters:
            peer.queue.wake(events=READABLE)

    def check_receive(self) -> None:
        if self.state != TCP_ESTABLISHED:
            raise EINVAL("%s is not connected", self)

    def shutdown(self, how: int) -> None:
        self.shut |= how
        peer = self.peer
        if peer is not None:
            peer.shut |= (how & SHUT_RECEIVE) << 1 | (how & SHUT_SEND) >> 1
            peer.queue.wake()
        self.queue.wake()

    @property
    def has_unread(self) -> bool:
        """Is something lost if it closes now?  The other end then gets ECONNRESET."""
        return self.incoming.size > 0

    def close_socket(self) -> None:
        self.net.unix.pop(self, None)
        self.drop_name()
        self.state = TCP_CLOSE
        self.shut = SHUT_BOTH
        peer = self.peer
        if peer is not None:
            if self.has_unread:
                peer.error = ECONNRESET.errno
            peer.shut = SHUT_BOTH
            peer.queue.wake()
        while self.accepting:
            embryo = self.accepting.popleft()
            if embryo.peer is not None:
                embryo.peer.error = ECONNRESET.errno
            embryo.hold()
            embryo.drop()
        self.making_room.wake()
        drop_all(self.net, self.clear_messages())
        collect(self.net)

    # -- looking ---------------------------------------------------------------------------------

    def name(self) -> bytes:
        return self.shown_name()

    def peer_name(self) -> bytes:
        if self.peer is None:
            raise ENOTCONN("%s is not connected", self)
        return self.peer.shown_name()

    @property
    def writable_now(self) -> bool:
        """Linux says so while at most a quarter of the buffer is used."""
        peer = self.peer
        used = peer.incoming.size if peer is not None else 0
        writable = self.state != TCP_LISTEN and used * 4 <= self.options.sndbuf
        self.no_room = self.no_room or not writable
        return writable

    def poll(self, caller: Caller, events: int) -> int:
        ready = 0
        if self.error:
            ready |= POLLERR
        if self.shut == SHUT_BOTH or self.state == TCP_CLOSE:
            ready |= POLLHUP
        if self.shut & SHUT_RECEIVE:
            ready |= POLLRDHUP | POLLIN | POLLRDNORM
        if self.incoming.size or self.accepting:
            ready |= POLLIN | POLLRDNORM
        if self.writable_now:
            ready |= POLLOUT | POLLWRNORM | POLLWRBAND
        return ready & (events | POLLERR | POLLHUP)

    def ioctl(self, caller: Caller, cmd: int, arg: int) -> int | Blocking[int]:
        if cmd == SIOCINQ:
            if self.state == TCP_LISTEN:
                raise EINVAL("%s listens", self)
            caller.mem.write_u32(arg, self.incoming.size)
            return 0
        if cmd == SIOCOUTQ:
            caller.mem.write_u32(arg, self.peer.incoming.size if self.peer is not None else 0)
            return 0
        return super().ioctl(caller, cmd, arg)
