"""``SocketFile``: what every socket is, whatever its family.

The base class answers as Linux's ``sock_no_*`` functions do: EOPNOTSUPP.  A family overrides what
it can.  All sleeping is on ``queue``, which is woken when data or room come, when a connection is
made, accepted or lost: a sleeper looks again at what it waits for.

Blocking calls follow signal(7): with no timeout an interruption is ERESTARTSYS; with SO_RCVTIMEO or
SO_SNDTIMEO it is EINTR, since a restart would begin the time anew; once bytes were moved, their
number is the result.

Linux: ``struct socket``, ``struct sock``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from kernel.abi.errors import (
    BY_NUMBER,
    EAGAIN,
    ECONNREFUSED,
    ECONNRESET,
    EINTR,
    EINVAL,
    ENOPROTOOPT,
    ENOTCONN,
    ENOTTY,
    EOPNOTSUPP,
    EPIPE,
    ERESTARTSYS,
    ESPIPE,
    ETIMEDOUT,
    KernelError,
)
from kernel.abi.files import O_NONBLOCK, O_RDWR, S_IFSOCK, SIGPIPE, SOCKFS_MAGIC
from kernel.abi.sockets import AF_INET, AF_INET6, AF_NETLINK, MSG_DONTWAIT, MSG_NOSIGNAL, SOL_SOCKET
from kernel.net.interfaces import interface_ioctl
from kernel.net.message import Ancillary, Incoming, Outgoing, Ucred
from kernel.net.options import SocketOptions, get_socket_option, set_socket_option
from kernel.vfs.anonymous import hidden_mount, hidden_path
from kernel.vfs.inode import Inode
from kernel.vfs.openfile import OpenFile
from kernel.wait import Blocking, Interrupted, Sleep, WaitQueue

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.net.network import Network
    from kernel.task.task import Task
    from kernel.vfs.caller import Caller

SHUT_RECEIVE: Final = 1
SHUT_SEND: Final = 2
SHUT_BOTH: Final = 3


class SocketFile(OpenFile):
    """A socket.

    ``error``: an errno that the next call reports and forgets (SO_ERROR).  ``shut``: which
    directions are shut down.  ``inflight``: how many references to this file are in messages (see
    ``inflight``).  ``peer_cred``: who was there when the connection was made (SO_PEERCRED).
    """

    __slots__ = (
        "domain", "error", "inflight", "net", "options", "peer_cred", "peer_groups", "protocol",
        "shut", "type",
    )  # fmt: skip

    queue: WaitQueue
    domain: int
    type: int
    protocol: int
    options: SocketOptions
    error: int
    shut: int

    def __init__(
        self, net: Network, caller: Caller, domain: int, type_: int, protocol: int
    ) -> None:
        mount = hidden_mount(caller, b"sockfs", SOCKFS_MAGIC)
        inode = Inode(mount.sb, S_IFSOCK | 0o777, caller.cred.fsuid, caller.cred.fsgid)
        super().__init__(inode, hidden_path(mount, b"socket:[%d]" % inode.ino, inode), O_RDWR)
        self.net = net
        self.domain = domain
        self.type = type_
        self.protocol = protocol
        self.options = SocketOptions()
        self.queue = WaitQueue(f"socket:[{inode.ino}]")
        self.error = 0
        self.shut = 0
        self.inflight = 0
        self.peer_cred: Ucred | None = None
        self.peer_groups: tuple[int, ...] | None = None

    def __str__(self) -> str:
        """For people: 'socket:[12]', and its addresses where the family has some."""
        return f"socket:[{self.inode.ino}]"

    # -- what a family does ----------------------------------------------------------------------

    @property
    def listening(self) -> bool:
        """Does it take connections (SO_ACCEPTCONN)?"""
        return False

    def bind(self, task: Task, address: bytes) -> None:
        """Take a name.  See bind(2)."""
        raise EOPNOTSUPP("%s (family %d, type %d) has no bind", self, self.domain, self.type)

    def listen(self, task: Task, backlog: int) -> None:
        """Take connections from now on.  See listen(2)."""
        raise EOPNOTSUPP("%s (family %d, type %d) has no listen", self, self.domain, self.type)

    def accept(self, task: Task, nonblock: bool) -> SocketFile | Blocking[SocketFile]:
        """The next connection, a new socket.  See accept(2)."""
        raise EOPNOTSUPP("%s (family %d, type %d) has no accept", self, self.domain, self.type)

    def connect(self, task: Task, address: bytes, nonblock: bool) -> int | Blocking[int]:
        """Find a partner; 0.  See connect(2)."""
        raise EOPNOTSUPP("%s (family %d, type %d) has no connect", self, self.domain, self.type)

    def pair(self, task: Task, other: SocketFile) -> None:
        """Become partners.  See socketpair(2)."""
        raise EOPNOTSUPP("%s (family %d, type %d) has no socketpair", self, self.domain, self.type)

    def send(self, task: Task, buf: Buffer, message: Outgoing) -> int | Blocking[int]:
        """Send what is in ``buf``.  See send(2)."""
        raise EOPNOTSUPP("%s (family %d, type %d) has no send", self, self.domain, self.type)

    def receive(self, task: Task, buf: Buffer, message: Incoming) -> int | Blocking[int]:
        """Receive into ``buf``.  See recv(2)."""
        raise EOPNOTSUPP("%s (family %d, type %d) has no receive", self, self.domain, self.type)

    def shutdown(self, how: int) -> None:
        """``how`` is SHUT_RECEIVE, SHUT_SEND or both.  See shutdown(2)."""
        raise EOPNOTSUPP("%s (family %d, type %d) has no shutdown", self, self.domain, self.type)

    def name(self) -> bytes:
        """The sockaddr of this end.  See getsockname(2)."""
        raise EOPNOTSUPP("%s (family %d, type %d) has no getsockname", self, self.domain, self.type)

    def peer_name(self) -> bytes:
        """The sockaddr of the other end.  See getpeername(2)."""
        raise ENOTCONN("%s has no partner", self)

    def accepted_from(self) -> bytes:
        """What accept(2) tells of the partner; empty if it is gone already."""
        return self.peer_name()

    def get_option(self, task: Task, level: int, name: int, size: int) -> bytes:
        """See getsockopt(2); levels above SOL_SOCKET are the family's."""
        if level == SOL_SOCKET:
            return get_socket_option(task, self, name, size)
        raise EOPNOTSUPP("%s has no options of level %d", self, level)

    def set_option(self, task: Task, level: int, name: int, value: bytes) -> None:
        """See setsockopt(2)."""
        if level == SOL_SOCKET:
            set_socket_option(task, self, name, value)
            return
        if self.domain in (AF_INET, AF_INET6, AF_NETLINK):
            raise ENOPROTOOPT("%s has no options of level %d", self, level)
        raise EOPNOTSUPP("%s has no options of level %d", self, level)

    # -- as an open file -------------------------------------------------------------------------

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int | Blocking[int]:
        if pos is not None:
            raise ESPIPE("%s is a socket, which has no position", self)
        if not buf.remaining:
            return 0  # readv(2) of nothing does not look at the socket
        message = Incoming()
        received = self.receive(cast("Task", caller), buf, message)
        if isinstance(received, int):
            message.drop()  # files for somebody who did not ask for them
            return received
        return _read_later(received, message)

    def write(self, caller: Caller, buf: Buffer, pos: int | None) -> int | Blocking[int]:
        if pos is not None:
            raise ESPIPE("%s is a socket, which has no position", self)
        return self.send(cast("Task", caller), buf, _PLAIN)

    def ioctl(self, caller: Caller, cmd: int, arg: int) -> int | Blocking[int]:
        """Requests about interfaces work on every socket.  See netdevice(7)."""
        done = interface_ioctl(cast("Task", caller), self.net, cmd, arg)
        if done is None:
            raise ENOTTY("%s does not know request %#x", self, cmd)
        return done

    def release(self) -> None:
        self.close_socket()
        self.queue.wake()

    def close_socket(self) -> None:
        """The last descriptor is gone."""

    def describe(self) -> dict[str, object]:
        return super().describe() | {
            "domain": self.domain, "type": self.type, "protocol": self.protocol,
            "error": self.error, "shut": self.shut,
        }  # fmt: skip

    def in_message(self, change: int) -> None:
        self.inflight += change
        self.net.files_in_flight += change

    def messages(self) -> list[Ancillary]:
        """What the messages in its queue carry."""
        return []

    def clear_messages(self) -> list[Ancillary]:
        """Drop the messages in its queue; returns what they carried."""
        return []

    # -- for the families ------------------------------------------------------------------------

    def take_error(self) -> int:
        """The pending error, forgotten now."""
        error, self.error = self.error, 0
        return error

    def raise_error(self) -> None:
        """Report the pending error, if there is one."""
        if self.error:
            raise self.told(self.take_error())

    def told(self, number: int, name: str = "") -> KernelError:
        """The error that was pending on the socket, with its reason; ``name``: what it was then."""
        return BY_NUMBER[number](_PENDING.get(number, "an error was pending on %s"), name or self)

    def waits(self, flags: int) -> bool:
        """May a call with these MSG_* flags sleep?"""
        return not (flags & MSG_DONTWAIT or self.flags & O_NONBLOCK)

    def receive_deadline(self) -> int | None:
        """When a receive that begins now gives up (SO_RCVTIMEO)."""
        timeout = self.options.receive_timeout
        return self.net.clock.monotonic() + timeout if timeout else None

    def send_deadline(self) -> int | None:
        """When a send that begins now gives up (SO_SNDTIMEO)."""
        timeout = self.options.send_timeout
        return self.net.clock.monotonic() + timeout if timeout else None

    def sleep(
        self, deadline: int | None, queue: WaitQueue | None = None, exclusive: bool = False
    ) -> Blocking[None]:
        """Wait for a change; EAGAIN when the time is over, EINTR or a restart after a signal."""
        try:
            woken = yield Sleep((queue or self.queue,), deadline, exclusive)
        except Interrupted:
            if deadline is not None:
                raise EINTR("a signal came, and a timeout is set") from None
            raise ERESTARTSYS("a signal came") from None
        if not woken:
            raise EAGAIN("the timeout of %s is over (SO_RCVTIMEO, SO_SNDTIMEO)", self)

    def broken_pipe(self, flags: int, why: str) -> EPIPE:
        """EPIPE, with SIGPIPE unless MSG_NOSIGNAL asks for none.  ``why``: a format of the name."""
        return EPIPE(why, self, signal=0 if flags & MSG_NOSIGNAL else SIGPIPE)


_PENDING: Final = {
    ECONNREFUSED.errno: "nobody listens at the other end of %s",
    ECONNRESET.errno: "the other end of %s was closed before it had read all",
    EPIPE.errno: "the other end of %s is closed",
    ETIMEDOUT.errno: "the listener had no room in time where %s leads",
}
"""What left an error on a socket, to be told by its next call."""
_PLAIN: Final = Outgoing()
"""What write(2) asks for."""


def _read_later(receiving: Blocking[int], message: Incoming) -> Blocking[int]:
    count = yield from receiving
    message.drop()
    return count


def check_shutdown(how: int) -> int:
    """SHUT_RD, SHUT_WR, SHUT_RDWR as bits; EINVAL."""
    if not 0 <= how <= 2:
        raise EINVAL("how is %d, none of SHUT_RD, SHUT_WR, SHUT_RDWR", how)
    return how + 1
