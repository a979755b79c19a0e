"""How a TCP socket looks from outside: poll(2), ioctl(2), and the out-of-band byte.

The urgent byte stays in the stream's order but apart from it: a read ends before it and the next
one skips it, unless SO_OOBINLINE leaves it among the others; MSG_OOB takes it.  See tcp(7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EAGAIN, EINVAL, ENOTCONN
from kernel.abi.files import (
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    POLLPRI,
    POLLRDHUP,
    POLLRDNORM,
    POLLWRNORM,
)
from kernel.abi.inet import TCP_CLOSE, TCP_LISTEN, TCP_SYN_SENT
from kernel.abi.sockets import MSG_OOB, MSG_PEEK
from kernel.abi.sockios import SIOCATMARK, SIOCINQ, SIOCOUTQ
from kernel.net.connection import ConnectionSocket
from kernel.net.socketfile import SHUT_BOTH, SHUT_RECEIVE, SHUT_SEND
from kernel.task.sigio import send_urgent

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.net.message import Incoming
    from kernel.vfs.caller import Caller
    from kernel.wait import Blocking


class TcpLooks(ConnectionSocket):
    """The outer half of a TcpSocket.

    ``urgent``: stream offset of the out-of-band byte and the byte, None once it was read.
    ``closed``: no descriptor is left.
    """

    __slots__ = ("closed", "urgent")

    urgent: tuple[int, int | None] | None
    closed: bool

    def room(self) -> int:
        raise NotImplementedError

    # -- poll ------------------------------------------------------------------------------------

    def poll(self, caller: Caller, events: int) -> int:
        state, shut = self.state, self.shut
        if state == TCP_LISTEN:
            return (POLLIN | POLLRDNORM) & events if self.accepting else 0
        ready = POLLERR if self.error else 0
        if shut == SHUT_BOTH or state == TCP_CLOSE:
            ready |= POLLHUP
        if shut & SHUT_RECEIVE:
            ready |= POLLIN | POLLRDNORM | POLLRDHUP
        if state != TCP_SYN_SENT:
            if self.incoming.size >= self.options.rcvlowat:
                ready |= POLLIN | POLLRDNORM
            if shut & SHUT_SEND or self._writable():
                ready |= POLLOUT | POLLWRNORM
            if self.urgent is not None and self.urgent[1] is not None:
                ready |= POLLPRI
        return ready & (events | POLLERR | POLLHUP)

    def _writable(self) -> bool:
        """Linux says so while a third of the buffer is free."""
        peer = self.peer
        if peer is None:
            return True
        writable = self.room() * 2 >= peer.incoming.size
        self.no_room = self.no_room or not writable
        return writable

    def ioctl(self, caller: Caller, cmd: int, arg: int) -> int | Blocking[int]:
        if cmd in (SIOCINQ, SIOCOUTQ):
            if self.state == TCP_LISTEN:
                raise EINVAL("%s listens", self)
            caller.mem.write_u32(arg, self._bytes_before_urgent() if cmd == SIOCINQ else 0)
            return 0
        if cmd == SIOCATMARK:
            at = self.urgent is not None and self.urgent[0] == self.incoming.taken
            caller.mem.write_u32(arg, int(at))
            return 0
        return super().ioctl(caller, cmd, arg)

    def _bytes_before_urgent(self) -> int:
        size = self.incoming.size
        if self.urgent is None or self.options.oobinline:
            return size
        distance = self.urgent[0] - self.incoming.taken
        return distance if distance > 0 else max(size - 1, 0)

    # -- the urgent byte -------------------------------------------------------------------------

    def mark_urgent(self) -> None:
        """The last byte that arrived is out of band; one that was still unread joins the others."""
        incoming = self.incoming
        if not incoming.size or self.closed:
            return
        last = incoming.chunks[-1][-1]
        self.urgent = (incoming.taken + incoming.size - 1, last)
        send_urgent(self.net.kernel, self)
        self.queue.wake()

    def readable_now(self, want: int) -> int:
        urgent = self.urgent
        if urgent is not None:
            want = self._up_to_urgent(urgent[0], want)
        return min(want, self.incoming.size)

    def _up_to_urgent(self, at: int, want: int) -> int:
        incoming = self.incoming
        if at < incoming.taken:
            self.urgent = None
        elif at > incoming.taken:
            return min(want, at - incoming.taken)
        elif not self.options.oobinline:
            incoming.skip(1)
            self.urgent = None
        return want

    def receive_urgent(self, buf: Buffer, message: Incoming) -> int:
        urgent = self.urgent
        if self.options.oobinline or urgent is None or urgent[1] is None:
            if self.state == TCP_CLOSE and not self.shut:
                raise ENOTCONN("%s is not connected", self)
            raise EINVAL("%s has no out-of-band byte", self)
        if self.state == TCP_CLOSE and not self.incoming.size:
            raise EAGAIN("the out-of-band byte has not come yet")
        message.found |= MSG_OOB
        if not buf.remaining:
            return 0
        count = buf.put(bytes((urgent[1],)))
        if not message.flags & MSG_PEEK:
            self.urgent = (urgent[0], None)
        return count
