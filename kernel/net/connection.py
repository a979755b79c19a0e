"""Sockets with one partner and bytes in order between them: UNIX streams and TCP.

The two ends are linked directly.  What one sends goes into the other's ``incoming``; a full queue
makes the sender sleep on its own ``queue``, which the reader wakes.  Everything about making and
losing a connection is the family's; receiving, sending and accepting are here.

Linux: ``unix_stream_sendmsg``/``recvmsg``, ``tcp_sendmsg``/``recvmsg``, ``inet_csk_accept``.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EAGAIN, EINVAL, EOPNOTSUPP, KernelError
from kernel.abi.files import O_NONBLOCK, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM
from kernel.abi.inet import TCP_CLOSE, TCP_LISTEN
from kernel.abi.sockets import MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_WAITALL, SOMAXCONN
from kernel.net.bytequeue import ByteQueue
from kernel.net.message import NOBODY, Ancillary, Incoming, Outgoing
from kernel.net.socketfile import SHUT_RECEIVE, SocketFile
from kernel.wait import Blocking, Sleep

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.net.network import Network
    from kernel.task.task import Task
    from kernel.vfs.caller import Caller

READABLE: Final = POLLIN | POLLRDNORM
_SLOW_FLAGS: Final = MSG_OOB | MSG_PEEK | MSG_TRUNC | MSG_WAITALL


class ConnectionSocket(SocketFile):
    """An end of a stream, or a listener.

    ``state``: TCP's names for it, as /proc/net shows.  ``peer``: the other end; stays while either
    is open.  ``no_room``: somebody was told that nothing more can be sent, so the reader must wake
    our queue when it has read (Linux: SOCK_NOSPACE).  ``accepting``: connections made and not yet
    accepted, at most ``backlog`` + 1.
    """

    __slots__ = ("accepting", "backlog", "incoming", "no_room", "peer", "state")

    def __init__(
        self, net: Network, caller: Caller, domain: int, type_: int, protocol: int
    ) -> None:
        super().__init__(net, caller, domain, type_, protocol)
        self.state = TCP_CLOSE
        self.peer: ConnectionSocket | None = None
        self.incoming = ByteQueue()
        self.accepting: deque[ConnectionSocket] = deque()
        self.backlog = 0
        self.no_room = False

    # -- what a family says ----------------------------------------------------------------------

    def room(self) -> int:
        """How many bytes the other end can take."""
        raise NotImplementedError

    def check_send(self, message: Outgoing) -> None:
        """Raise what forbids sending now."""
        raise NotImplementedError

    def check_receive(self) -> None:
        """Raise what forbids receiving at all (no connection)."""
        raise NotImplementedError

    def deliver(self, data: bytes, ancillary: Ancillary | None) -> None:
        """Bytes leave for the other end."""
        raise NotImplementedError

    def receive_urgent(self, buf: Buffer, message: Incoming) -> int:
        """MSG_OOB."""
        raise EOPNOTSUPP("%s has no out-of-band data (MSG_OOB)", self)

    def readable_now(self, want: int) -> int:
        """How many bytes a read may take at once; out-of-band bytes are borders."""
        return min(want, self.incoming.size)

    def accepted(self, task: Task) -> None:
        """There is room in the accept queue again."""

    # -- listening -------------------------------------------------------------------------------

    @property
    def listening(self) -> bool:
        return self.state == TCP_LISTEN

    @property
    def accept_full(self) -> bool:
        """Linux lets one more wait than ``backlog`` says."""
        return len(self.accepting) > self.backlog

    def set_backlog(self, backlog: int) -> None:
        """As listen(2) gives it; cut to somaxconn without a word."""
        self.backlog = SOMAXCONN if not 0 <= backlog <= SOMAXCONN else backlog

    def accept(self, task: Task, nonblock: bool) -> SocketFile | Blocking[SocketFile]:
        if self.state != TCP_LISTEN:
            raise EINVAL("%s does not listen", self)
        if self.accepting:
            return self._accept_now(task)
        if self.flags & O_NONBLOCK:
            raise EAGAIN("no connection waits to be accepted")
        return self._accept_later(task, self.receive_deadline())

    def _accept_now(self, task: Task) -> SocketFile:
        made = self.accepting.popleft()
        made.inode.uid, made.inode.gid = task.cred.fsuid, task.cred.fsgid
        self.accepted(task)
        return made

    def _accept_later(self, task: Task, deadline: int | None) -> Blocking[SocketFile]:
        while not self.accepting:
            if self.state != TCP_LISTEN:
                raise EINVAL("%s does not listen any more", self)
            yield from self.sleep(deadline, exclusive=True)
        return self._accept_now(task)

    # -- sending ---------------------------------------------------------------------------------

    def send(self, task: Task, buf: Buffer, message: Outgoing) -> int | Blocking[int]:
        self.check_send(message)
        ancillary = self.ancillary_of(task, message)
        count = buf.remaining
        if not count:
            return 0
        try:
            room = self.room()
            if count <= room:
                return self._put(buf, count, ancillary)
            if not self.waits(message.flags):
                self.no_room = True
                if room <= 0:
                    raise EAGAIN("the queue of the other end is full")
                return self._put(buf, room, ancillary)
        except KernelError:
            if ancillary is not None:
                ancillary.release()
            raise
        return self._send_all(buf, message, ancillary, self.send_deadline())

    def ancillary_of(self, task: Task, message: Outgoing) -> Ancillary | None:
        """What goes beside the bytes; nothing on a wire."""
        return None

    def _put(self, buf: Buffer, count: int, ancillary: Ancillary | None) -> int:
        data = buf.take(count)
        if data:
            self.deliver(data, ancillary)
        return len(data)

    def _send_all(
        self, buf: Buffer, message: Outgoing, ancillary: Ancillary | None, deadline: int | None
    ) -> Blocking[int]:
        done = 0
        try:
            while buf.remaining:
                room = min(self.room(), buf.remaining)
                if room > 0:
                    moved = self._put(buf, room, ancillary)
                    if not moved:
                        break  # the rest of the buffer faults
                    done += moved
                    ancillary = None
                else:
                    self.no_room = True
                    yield from self.sleep(deadline)
                    self.check_send(message)
        except KernelError as error:
            if not done:
                raise
            self._keep(error)
        finally:
            if ancillary is not None:
                ancillary.release()
        return done

    def _keep(self, error: KernelError) -> None:
        """An error after some bytes were sent is for the next call; EPIPE will come by itself."""

    # -- read(2) and write(2), the plain case ----------------------------------------------------

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int | Blocking[int]:
        incoming, options = self.incoming, self.options
        if pos is not None or incoming.marks or options.passcred or options.receive_timeout:
            return super().read(caller, buf, pos)
        size = incoming.size
        if size:
            want = self.readable_now(buf.remaining)
            if want and size >= options.rcvlowat:
                count = incoming.read(buf, want)
                self.made_room()
                return count
        elif buf.remaining and not (self.shut or self.error or self.flags & O_NONBLOCK):
            if self.peer is not None:
                return self._read_later(caller, buf)
        return super().read(caller, buf, pos)

    def _read_later(self, caller: Caller, buf: Buffer) -> Blocking[int]:
        yield Sleep((self.queue,))  # an interruption is ERESTARTSYS
        result = self.read(caller, buf, None)
        return result if isinstance(result, int) else (yield from result)

    # -- receiving -------------------------------------------------------------------------------

    def receive(self, task: Task, buf: Buffer, message: Incoming) -> int | Blocking[int]:
        incoming, flags = self.incoming, message.flags
        if (
            incoming.size
            and not flags & _SLOW_FLAGS
            and not incoming.marks
            and not self.options.passcred
        ):
            want = self.readable_now(buf.remaining)
            if want:
                count = incoming.read(buf, want)
                self.made_room()
                if count >= self.options.rcvlowat or not buf.remaining:
                    return count
                return self._receive_rest(buf, message, count)
        return self._receive_rest(buf, message, 0)

    def _receive_rest(self, buf: Buffer, message: Incoming, done: int) -> int | Blocking[int]:
        """The general case: flags, attached things, waiting."""
        flags = message.flags
        if flags & MSG_OOB:
            return self.receive_urgent(buf, message)
        self.check_receive()
        total = buf.remaining + done
        target = total if flags & MSG_WAITALL else min(self.options.rcvlowat, total)
        moved, stop = self._collect(buf, message, done)
        done += moved
        if stop or done >= target or self._ended(done):
            return done
        if not self.waits(flags):
            if done:
                return done
            raise EAGAIN("nothing has come")
        return self._receive_later(buf, message, done, target)

    def _receive_later(
        self, buf: Buffer, message: Incoming, done: int, target: int
    ) -> Blocking[int]:
        deadline = self.receive_deadline()
        while True:
            try:
                yield from self.sleep(deadline)
            except KernelError:
                if done:
                    return done
                raise
            moved, stop = self._collect(buf, message, done)
            done += moved
            if stop or done >= target or self._ended(done):
                return done

    def _ended(self, done: int) -> bool:
        """Will no more come?  A pending error is raised unless bytes have been moved."""
        if self.incoming.size and done == 0:
            return False
        if not done:
            self.raise_error()
        return bool(self.error or self.shut & SHUT_RECEIVE or self.peer is None)

    def _collect(self, buf: Buffer, message: Incoming, done: int) -> tuple[int, bool]:
        """Move what is there; (bytes, whether the call ends here whatever its target)."""
        incoming, peek = self.incoming, bool(message.flags & MSG_PEEK)
        skip = done if peek else 0
        moved, stop = 0, False
        while buf.remaining and incoming.size > skip and not stop:
            want = min(self.readable_now(buf.remaining + skip) - skip, buf.remaining)
            if want <= 0:
                return moved, True
            want, stop = self._take_attached(message, want, skip, peek)
            if peek:
                count = buf.put(incoming.peek(want, skip))
                skip += count
            elif message.flags & MSG_TRUNC and not incoming.marks:
                count = want
                incoming.skip(want)
                buf.advance(want)
            else:
                count = incoming.read(buf, want)
            moved += count
            if count < want:
                return moved, True  # the rest of the buffer faults
        if moved and not peek:
            self.made_room()
        return moved, stop

    def _take_attached(
        self, message: Incoming, want: int, skip: int, peek: bool
    ) -> tuple[int, bool]:
        """Cut ``want`` at the border of what is attached, and take that along."""
        mark = self.incoming.mark_for(want, skip)
        at = self.incoming.taken + skip
        if self.options.passcred and (mark is None or mark.start > at):
            message.cred = NOBODY
            return (want, False) if mark is None else (mark.start - at, True)
        if mark is None:
            return want, False
        holds_files = bool(mark.ancillary.files)
        message.attach(mark.ancillary, self, peek)
        return min(want, mark.end - at), holds_files or bool(self.options.passcred)

    def messages(self) -> list[Ancillary]:
        return [mark.ancillary for mark in self.incoming.marks]

    def clear_messages(self) -> list[Ancillary]:
        return self.incoming.clear()

    def made_room(self) -> None:
        """Bytes were read: wake a sender that found no room."""
        peer = self.peer
        if peer is not None and peer.no_room:
            peer.no_room = False
            peer.queue.wake(events=POLLOUT | POLLWRNORM)
