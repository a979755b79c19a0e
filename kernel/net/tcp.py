"""TCP on the loopback, as a program sees it.  See tcp(7), connect(2), shutdown(2).

There are no segments: connect finds the listener and makes the other end; bytes go straight into
its queue; FIN and RST are calls.  What is kept of the protocol is its order of events.  The side
that sends FIN first ends in TIME_WAIT.  Closing with unread data, or with SO_LINGER 0, is a reset.
Sending to an end that has closed succeeds once, and is answered by a reset, so that the next send
is EPIPE.  A connect to a full listener waits (its SYN is dropped and sent again); ETIMEDOUT after
the time that tcp_syn_retries makes.  Linux: net/ipv4/tcp.c, tcp_input.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from kernel.abi.errors import (
    EAFNOSUPPORT,
    EAGAIN,
    EALREADY,
    ECONNABORTED,
    ECONNREFUSED,
    ECONNRESET,
    EINPROGRESS,
    EINVAL,
    EISCONN,
    ENOTCONN,
    EOPNOTSUPP,
    EPIPE,
    ETIMEDOUT,
)
from kernel.abi.files import O_NONBLOCK
from kernel.abi.inet import (
    IPPROTO_TCP,
    TCP_CLOSE,
    TCP_CLOSE_WAIT,
    TCP_ESTABLISHED,
    TCP_FIN_WAIT2,
    TCP_LISTEN,
    TCP_SYN_SENT,
)
from kernel.abi.sockets import (
    AF_INET,
    AF_INET6,
    AF_UNSPEC,
    MSG_ERRQUEUE,
    MSG_FASTOPEN,
    MSG_OOB,
    SOCK_STREAM,
    SOL_IP,
    SOL_IPV6,
    SOL_TCP,
)
from kernel.net.address import Endpoint, family_of, is_multicast
from kernel.net.connection import READABLE, ConnectionSocket
from kernel.net.inet import InetNames
from kernel.net.message import Ancillary, Incoming, Outgoing
from kernel.net.options import inherit
from kernel.net.socketfile import SHUT_BOTH, SHUT_RECEIVE, SHUT_SEND
from kernel.net.tcp_looks import TcpLooks
from kernel.net.tcp_options import get_tcp_option, set_tcp_option
from kernel.wait import Blocking

if TYPE_CHECKING:
    from kernel.clock.timers import Timer
    from kernel.mm.buffer import Buffer
    from kernel.net.network import Network
    from kernel.task.task import Task
    from kernel.vfs.caller import Caller

SYN_TIMEOUT_NS: Final = 127_000_000_000
"""tcp_syn_retries 6: 1 + 2 + 4 + ... + 64 seconds."""
DEFAULT_SEND: Final = 16384
DEFAULT_RECEIVE: Final = 131072
GROWN_SEND: Final = 212992
"""What a send buffer that nobody has set grows to."""


class TcpSocket(TcpLooks, InetNames, ConnectionSocket):
    """A connection's end, or a listener.

    ``connecting``: a connect(2) has begun whose outcome nobody has been told.  ``fin_sent``,
    ``fin_received``: which directions have ended by FIN.  ``knocking``: sockets whose connect waits
    for room in ``accepting``; ``waits_at`` is where this one knocks.
    """

    __slots__ = (
        "congestion", "connecting", "fin_first", "fin_received", "fin_sent", "knocking",
        "syn_timer", "tcp_options", "waits_at",
    )  # fmt: skip

    peer: TcpSocket | None

    def __init__(self, net: Network, caller: Caller, domain: int) -> None:
        super().__init__(net, caller, domain, SOCK_STREAM, IPPROTO_TCP)
        self.begin()
        self.options.sndbuf, self.options.rcvbuf = DEFAULT_SEND, DEFAULT_RECEIVE
        self.connecting = self.closed = False
        self.fin_sent = self.fin_received = self.fin_first = False
        self.knocking: dict[TcpSocket, None] = {}
        self.waits_at: TcpSocket | None = None
        self.syn_timer: Timer | None = None
        self.tcp_options: dict[int, int] = {}
        self.congestion = b"cubic"
        self.urgent: tuple[int, int | None] | None = None

    @property
    def shares_reused(self) -> bool:
        return self.state != TCP_LISTEN

    # -- listening -------------------------------------------------------------------------------

    def bind(self, task: Task, address: bytes) -> None:
        if self.state != TCP_CLOSE:
            raise EINVAL("%s is connected or listens", self)
        endpoint = self.address_to_bind(task, address)
        self.net.tcp.claim(self, endpoint)
        self.keep(endpoint)

    def listen(self, task: Task, backlog: int) -> None:
        if self.state not in (TCP_CLOSE, TCP_LISTEN) or self.connecting:
            raise EINVAL("%s is connected and cannot listen", self)
        self.set_backlog(backlog)
        if self.state == TCP_LISTEN:
            return
        if not self.local.port:
            self.net.tcp.claim(self, self.local)
        self.state = TCP_LISTEN  # before the check: listeners share less
        try:
            self.net.tcp.check(self)
        except BaseException:
            self.state = TCP_CLOSE
            raise
        self.shut = 0

    def accepted(self, task: Task) -> None:
        """The next one that knocks comes in."""
        if self.knocking and not self.accept_full:
            first = next(iter(self.knocking))
            first.stop_knocking()
            first.join(task, self)

    # -- connecting ------------------------------------------------------------------------------

    def connect(self, task: Task, address: bytes, nonblock: bool) -> int | Blocking[int]:
        if len(address) < 2:
            raise EINVAL("the address has %d bytes and no family", len(address))
        if family_of(address) == AF_UNSPEC:
            return self._disconnect()
        nonblock = bool(self.flags & O_NONBLOCK)
        if self.connecting:
            return self._connect_again(nonblock)
        if self.state != TCP_CLOSE or self.closed:
            raise EISCONN("%s is connected or listens", self)
        if family_of(address) not in (AF_INET, AF_INET6):
            raise EAFNOSUPPORT(
                "the address is of family %d, no Internet address", family_of(address)
            )
        self._begin(task, self.destination(address))
        if nonblock:
            raise EINPROGRESS("the handshake with %s goes on", self.remote)
        return self._connect_again(False)

    def start(self, task: Task, target: Endpoint) -> bool:
        """Connect on the kernel's own behalf (a published port); False if nobody listens."""
        self._begin(task, target)
        self.connecting = False
        return self.state != TCP_CLOSE

    def _begin(self, task: Task, target: Endpoint) -> None:
        """Send the SYN, so to speak; the outcome is there at once unless the listener is full."""
        if is_multicast(target.ip):
            raise ECONNREFUSED("%s is a multicast address, where nobody listens", target)
        ip = self.source_for(target)
        if not self.local.port:
            self.net.tcp.claim_for(self, ip, target)
        else:
            self.local = Endpoint(ip, self.local.port)
        self.remote = target
        self.connecting = True
        self.shut = self.error = 0
        self.fin_sent = self.fin_received = self.fin_first = False
        listener = self._listener(target)
        if listener is None:
            self.net.traffic.refused(self)
            self._refused(ECONNREFUSED.errno)
        elif not listener.accept_full:
            self.join(task, listener)
        else:
            self.net.traffic.knocked(self)
            self.state = TCP_SYN_SENT
            listener.knocking[self] = None
            self.waits_at = listener
            when = self.net.clock.monotonic() + SYN_TIMEOUT_NS
            self.syn_timer = self.net.timers.add(when, self._refused, ETIMEDOUT.errno)

    def _listener(self, target: Endpoint) -> TcpSocket | None:
        """Who takes the connection; one of several that share the port, chosen by ours."""
        found = [s for s in self.net.tcp.at(target) if s.state == TCP_LISTEN]
        if not found:
            return None
        same = [s for s in found if s.local == found[0].local]
        return same[self.local.port % len(same)]

    def _refused(self, error: int) -> None:
        self.stop_knocking()
        self.state = TCP_CLOSE
        self.error = error
        self.queue.wake()

    def stop_knocking(self) -> None:
        """Waits for no listener any more."""
        if self.waits_at is not None:
            self.waits_at.knocking.pop(self, None)
            self.waits_at = None
        if self.syn_timer is not None:
            self.net.timers.cancel(self.syn_timer)
            self.syn_timer = None

    def join(self, task: Caller, listener: TcpSocket) -> None:
        """The handshake: the other end comes to be and waits in the accept queue."""
        assert self.remote is not None
        other = TcpSocket(self.net, task, listener.domain)
        other.remote = self.local
        other.options = inherit(listener.options)
        other.v6only, other.chosen = listener.v6only, True
        other.ip_options = dict(listener.ip_options)
        other.tcp_options = dict(listener.tcp_options)
        self.net.tcp.join(other, self.remote)
        self.peer, other.peer = other, self
        self.state = other.state = TCP_ESTABLISHED
        listener.accepting.append(other)
        self.net.traffic.joined(self)
        listener.queue.wake()
        self.queue.wake()

    def _connect_again(self, nonblock: bool) -> int | Blocking[int]:
        """What has become of the connect that began."""
        if self.state == TCP_SYN_SENT:
            if nonblock:
                raise EALREADY("the handshake with %s goes on", self.remote)
            return self._connect_later(self.send_deadline())
        return self._outcome()

    def _outcome(self) -> int:
        self.connecting = False
        if self.state == TCP_CLOSE:
            name = str(self)  # with the addresses it is about to lose
            self._unclaim()
            self.remote = None
            raise self.told(self.take_error() or ECONNABORTED.errno, name)
        return 0

    def _connect_later(self, deadline: int | None) -> Blocking[int]:
        while self.state == TCP_SYN_SENT:
            try:
                yield from self.sleep(deadline)
            except EAGAIN:
                raise EINPROGRESS("the handshake goes on, and SO_SNDTIMEO is over") from None
        return self._outcome()

    def _unclaim(self) -> None:
        if self.local.port and not self.chosen:
            self.net.tcp.release(self)
            self.local = Endpoint(self.bound_ip, 0)

    def _disconnect(self) -> int:
        """connect(AF_UNSPEC): a reset for the partner, and a fresh start.  See connect(2)."""
        self.stop_knocking()
        if self.state == TCP_LISTEN:
            self._close_listener()
        elif self.peer is not None:
            self._reset_peer()
        self.connecting = False
        self.state, self.peer, self.remote = TCP_CLOSE, None, None
        self.incoming.clear()
        self.shut = self.error = 0
        self._unclaim()
        self.queue.wake()
        return 0

    # -- data ------------------------------------------------------------------------------------

    def send(self, task: Task, buf: Buffer, message: Outgoing) -> int | Blocking[int]:
        if message.flags & MSG_FASTOPEN:
            raise EOPNOTSUPP("TCP Fast Open (MSG_FASTOPEN) does not exist here")
        if self.state == TCP_SYN_SENT:
            if not self.waits(message.flags):
                raise EAGAIN("the handshake with %s goes on", self.remote)
            return self._send_connected(task, buf, message)
        result = super().send(task, buf, message)
        if message.flags & MSG_OOB and isinstance(result, int) and result and self.peer:
            self.peer.mark_urgent()
        return result

    def _send_connected(self, task: Task, buf: Buffer, message: Outgoing) -> Blocking[int]:
        deadline = self.send_deadline()
        while self.state == TCP_SYN_SENT:
            yield from self.sleep(deadline)
        result = self.send(task, buf, message)
        return result if isinstance(result, int) else (yield from result)

    def room(self) -> int:
        peer = self.peer
        if peer is None or peer.closed:
            return 1 << 30  # nobody to wait for: the answer is a reset
        own = self.options.sndbuf
        own = GROWN_SEND if own == DEFAULT_SEND else own
        return own + peer.options.rcvbuf - peer.incoming.size

    def check_send(self, message: Outgoing) -> None:
        if self.error or self.shut & SHUT_SEND or self.peer is None:
            error = self.take_error()
            if error and error != EPIPE.errno:
                raise self.told(error)
            never = self.remote is None and not error
            why = "%s is not connected" if never else "the connection of %s is over"
            raise self.broken_pipe(message.flags, why)

    def deliver(self, data: bytes, ancillary: Ancillary | None) -> None:
        peer = self.peer
        assert peer is not None
        self.net.traffic.segment(self, data, not peer.closed)
        if peer.closed:
            self.net.traffic.reset(peer)
            self.reset()
            return
        peer.incoming.append(data)
        if peer.queue.waiters:
            peer.queue.wake(events=READABLE)

    def receive(self, task: Task, buf: Buffer, message: Incoming) -> int | Blocking[int]:
        if message.flags & MSG_ERRQUEUE:
            raise EAGAIN("the error queue is empty")
        return super().receive(task, buf, message)

    def check_receive(self) -> None:
        if self.state == TCP_LISTEN:
            raise ENOTCONN("%s listens and receives nothing", self)

    def _ended(self, done: int) -> bool:
        if self.incoming.size and not done:
            return False
        if self.fin_received:
            return True
        if not done:
            self.raise_error()
        if self.error or self.shut & SHUT_RECEIVE:
            return True
        if self.state == TCP_CLOSE:
            if not done:
                raise ENOTCONN("%s is not connected", self)
            return True
        return False

    # -- the end ---------------------------------------------------------------------------------

    def reset(self) -> None:
        """RST arrives.  Linux: ``tcp_reset``."""
        if self.state == TCP_CLOSE:
            return
        self.error = EPIPE.errno if self.fin_received else ECONNRESET.errno
        self.state = TCP_CLOSE
        self.shut = SHUT_BOTH
        self.net.tcp.release(self) if self.closed else None
        self.queue.wake()

    def _reset_peer(self) -> None:
        if self.peer is not None and not self.peer.closed:
            if self.peer.state != TCP_CLOSE:
                self.net.traffic.reset(self)
            self.peer.reset()

    def shutdown(self, how: int) -> None:
        if self.state == TCP_LISTEN:
            if how & SHUT_RECEIVE:
                self._close_listener()
                self.state = TCP_CLOSE
                self.queue.wake()
            return
        if self.state == TCP_SYN_SENT:
            self._refused(ECONNRESET.errno)
            return
        over = self.state == TCP_CLOSE
        self.shut |= how
        if over:
            raise ENOTCONN("%s is not connected", self)
        if how & SHUT_SEND:
            self._send_fin()
        self.queue.wake()

    def _send_fin(self) -> None:
        peer = self.peer
        if self.fin_sent or peer is None:
            return
        self.net.traffic.ended(self)
        self.fin_sent = True
        self.fin_first = not self.fin_received
        self.shut |= SHUT_SEND
        peer.fin_received = True
        peer.shut |= SHUT_RECEIVE
        for end in (self, peer):
            if end.fin_sent and end.fin_received and end.state != TCP_CLOSE:
                end.finish()
        peer.queue.wake()

    def finish(self) -> None:
        """Both directions have ended: TIME_WAIT for who began it, nothing is left of the other."""
        self.state = TCP_CLOSE
        self.shut = SHUT_BOTH
        if self.fin_first:
            self._wait()
        self.queue.wake()

    def _wait(self) -> None:
        """TIME_WAIT."""
        if self.remote is not None:
            self.net.tcp.linger(self.local, self.remote, self.options.reuseaddr)

    def close_socket(self) -> None:
        self.closed = True
        self.stop_knocking()
        if self.state == TCP_LISTEN:
            self._close_listener()
        elif self.peer is not None and self.state != TCP_CLOSE:
            if self.incoming.size or self.options.linger == 0:
                self._reset_peer()
            else:
                self._send_fin()
                if self.state != TCP_CLOSE:
                    self._wait()  # FIN_WAIT2 without an owner
        self.state = TCP_CLOSE
        self.shut = SHUT_BOTH
        self.incoming.clear()
        if self.local.port:
            self.net.tcp.release(self)
        if self.peer is not None:
            self.peer.queue.wake()

    def _close_listener(self) -> None:
        for waiting in list(self.knocking):
            self.net.traffic.refused(waiting)
            waiting._refused(ECONNREFUSED.errno)
        while self.accepting:
            embryo = cast("TcpSocket", self.accepting.popleft())
            embryo._reset_peer()
            embryo.state = TCP_CLOSE
            embryo.hold()
            embryo.drop()

    # -- options ---------------------------------------------------------------------------------

    def set_option(self, task: Task, level: int, name: int, value: bytes) -> None:
        if level == SOL_TCP:
            set_tcp_option(self, name, value)
        elif level in (SOL_IP, SOL_IPV6):
            self.set_ip_option(task, level, name, value)
        else:
            super().set_option(task, level, name, value)

    def get_option(self, task: Task, level: int, name: int, size: int) -> bytes:
        if level == SOL_TCP:
            return get_tcp_option(self, name)
        if level in (SOL_IP, SOL_IPV6):
            return self.get_ip_option(level, name, size)
        return super().get_option(task, level, name, size)

    @property
    def shown_state(self) -> int:
        """As /proc/net/tcp and TCP_INFO show it."""
        if self.state != TCP_ESTABLISHED:
            return self.state
        if self.fin_sent:
            return TCP_FIN_WAIT2
        return TCP_CLOSE_WAIT if self.fin_received else TCP_ESTABLISHED

    def accepted_from(self) -> bytes:
        """The partner's address, unless a reset came before accept(2)."""
        if self.state == TCP_CLOSE or self.remote is None:
            raise ECONNABORTED("the connection was reset while it waited to be accepted")
        return self.shown(self.remote)

    def peer_name(self) -> bytes:
        if self.state in (TCP_CLOSE, TCP_SYN_SENT, TCP_LISTEN):
            raise ENOTCONN("%s is not connected", self)
        return super().peer_name()
