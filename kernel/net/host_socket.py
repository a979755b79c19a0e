"""``--network host``: a guest's Internet socket is a socket of the host.

Only the sleeping is ours: the host's descriptor never blocks, and a call that would wait watches
it and sleeps on the socket's queue.  Addresses and options pass through, checked by the host.
Times (SO_RCVTIMEO) and the buffers' views stay with the guest.  See docker-run(1), --network host.
"""

from __future__ import annotations

import os
import select
import socket
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import (
    BY_NUMBER,
    EAGAIN,
    EALREADY,
    ECONNREFUSED,
    EINPROGRESS,
    EINVAL,
    EPIPE,
    KernelError,
)
from kernel.abi.files import O_NONBLOCK, POLLERR, POLLHUP, SIGPIPE
from kernel.abi.sockets import (
    AF_INET6,
    AF_UNSPEC,
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    MSG_OOB,
    MSG_PEEK,
    MSG_TRUNC,
    MSG_WAITALL,
    SO_ACCEPTCONN,
    SO_ERROR,
    SO_LINGER,
    SO_RCVTIMEO,
    SO_RCVTIMEO_NEW,
    SO_SNDTIMEO,
    SO_SNDTIMEO_NEW,
    SOCK_STREAM,
    SOL_SOCKET,
)
from kernel.abi.sockios import SIOCINQ
from kernel.fs.hosterrors import from_host
from kernel.net.address import NOWHERE4, Endpoint, family_of, pack_inet, parse_inet
from kernel.net.message import Incoming, Outgoing
from kernel.net.options import set_socket_option
from kernel.net.socketfile import SHUT_SEND, SocketFile

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.net.network import Network
    from kernel.task.task import Task
    from kernel.vfs.caller import Caller
    from kernel.wait import Blocking

MOST: Final = 1 << 20
_OURS: Final = (SO_RCVTIMEO, SO_SNDTIMEO, SO_RCVTIMEO_NEW, SO_SNDTIMEO_NEW)
_PASSED: Final = MSG_OOB | MSG_PEEK
_OPTION_ROOM: Final = 1024


def host_address(domain: int, raw: bytes) -> tuple[str, int]:
    """A guest's sockaddr as Python's socket module wants it."""
    ip, port = parse_inet(domain, raw)
    if domain == AF_INET6:
        ip = ip if len(ip) == 16 else bytes(10) + b"\xff\xff" + ip
        return socket.inet_ntop(socket.AF_INET6, ip), port
    return socket.inet_ntop(socket.AF_INET, ip), port


def guest_address(domain: int, address: object) -> bytes:
    """The host's answer as a sockaddr."""
    if not isinstance(address, tuple) or len(address) < 2:
        return b""
    family = socket.AF_INET6 if domain == AF_INET6 else socket.AF_INET
    ip = socket.inet_pton(family, address[0].split("%")[0])
    return pack_inet(domain, Endpoint(ip, address[1]))


class HostSocket(SocketFile):
    """A socket of the host.  ``connecting``: a connect(2) to ``target`` is under way."""

    __slots__ = ("connecting", "host", "is_listening", "target")

    def __init__(
        self, net: Network, caller: Caller, domain: int, type_: int, protocol: int,
        host: socket.socket | None = None,
    ) -> None:  # fmt: skip
        if host is None:
            family = socket.AF_INET6 if domain == AF_INET6 else socket.AF_INET
            try:
                host = socket.socket(family, type_, protocol)
            except OSError as error:
                raise from_host(error) from None
        host.setblocking(False)
        super().__init__(net, caller, domain, type_, host.proto)
        self.host = host
        self.connecting = False
        self.target = b""
        self.is_listening = False

    @property
    def is_stream(self) -> bool:
        """TCP, and not UDP."""
        return self.type == SOCK_STREAM

    def endpoints(self) -> tuple[Endpoint, Endpoint]:
        """Our address and the partner's; port 0 where there is none."""
        try:
            remote = self.endpoint_of(self.peer_name())
        except KernelError:
            remote = NOWHERE4
        return self.endpoint_of(self.name()), remote

    def endpoint_of(self, address: bytes) -> Endpoint:
        """A sockaddr of ours as a value."""
        return parse_inet(self.domain, address)

    @property
    def listening(self) -> bool:
        return self.is_listening

    # -- waiting ---------------------------------------------------------------------------------

    def _wait(self, events: int, deadline: int | None) -> Blocking[None]:
        self.net.poller.watch(self.host.fileno(), events, self.queue)
        yield from self.sleep(deadline)

    def _error(self, error: OSError, flags: int = 0) -> KernelError:
        """EPIPE of a stream comes with the guest's SIGPIPE."""
        found = from_host(error)
        if found.name == "ECONNRESET" and self.is_stream:
            self.net.traffic.host_reset(self)
        if found.name == "EPIPE" and self.type == SOCK_STREAM and not flags & MSG_NOSIGNAL:
            return EPIPE(found.reason, signal=SIGPIPE)
        return found

    def poll(self, caller: Caller, events: int) -> int:
        asked = select.poll()
        asked.register(self.host.fileno(), events)
        found = 0
        for _, bits in asked.poll(0):
            found = bits & (events | POLLERR | POLLHUP)
        if not found:
            self.net.poller.watch(self.host.fileno(), events, self.queue)
        return found

    # -- connections -----------------------------------------------------------------------------

    def bind(self, task: Task, address: bytes) -> None:
        try:
            self.host.bind(host_address(self.domain, address))
        except OSError as error:
            raise from_host(error) from None

    def listen(self, task: Task, backlog: int) -> None:
        try:
            self.host.listen(max(backlog, 0))
        except OSError as error:
            raise from_host(error) from None
        self.is_listening = True

    def accept(self, task: Task, nonblock: bool) -> SocketFile | Blocking[SocketFile]:
        made = self._accept_now(task)
        if made is not None:
            return made
        if self.flags & O_NONBLOCK:
            raise EAGAIN("no connection waits to be accepted")
        return self._accept_later(task)

    def _accept_now(self, task: Task) -> SocketFile | None:
        try:
            host, _ = self.host.accept()
        except BlockingIOError:
            return None
        except OSError as error:
            raise from_host(error) from None
        made = HostSocket(self.net, task, self.domain, self.type, self.protocol, host)
        self.net.traffic.host_joined(made, ours=False)
        return made

    def _accept_later(self, task: Task) -> Blocking[SocketFile]:
        deadline = self.receive_deadline()
        while True:
            yield from self._wait(select.POLLIN, deadline)
            made = self._accept_now(task)
            if made is not None:
                return made

    def connect(self, task: Task, address: bytes, nonblock: bool) -> int | Blocking[int]:
        nonblock = bool(self.flags & O_NONBLOCK)
        if self.connecting:
            return self._connect_again(nonblock)
        if len(address) >= 2 and family_of(address) == AF_UNSPEC:
            raise EINVAL("a host socket cannot be disconnected")
        error = self.host.connect_ex(host_address(self.domain, address))
        if error == EINPROGRESS.errno:
            self.connecting = True
            self.target = address
            if nonblock:
                raise EINPROGRESS("the handshake goes on")
            return self._connect_later()
        return self._connected(error, address)

    def _connected(self, error: int, address: bytes) -> int:
        """The outcome of a connect(2), also for those who watch."""
        if error == ECONNREFUSED.errno and self.is_stream:
            self.net.traffic.host_refused(self, address)
        if error:
            raise BY_NUMBER[error]("the host could not connect: %s", os.strerror(error))
        if self.is_stream:
            self.net.traffic.host_joined(self, ours=True)
        return 0

    def _connect_again(self, nonblock: bool) -> int | Blocking[int]:
        asked = select.poll()
        asked.register(self.host.fileno(), select.POLLOUT)
        if asked.poll(0):
            return self._outcome()
        if nonblock:
            raise EALREADY("the handshake goes on")
        return self._connect_later()

    def _connect_later(self) -> Blocking[int]:
        deadline = self.send_deadline()
        try:
            yield from self._wait(select.POLLOUT, deadline)
        except EAGAIN:
            raise EINPROGRESS("the handshake goes on, and SO_SNDTIMEO is over") from None
        return self._outcome()

    def _outcome(self) -> int:
        self.connecting = False
        error = self.host.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        return self._connected(error, self.target)

    def shutdown(self, how: int) -> None:
        try:
            self.host.shutdown(how - 1)
        except OSError as error:
            raise from_host(error) from None
        if how & SHUT_SEND:
            self.net.traffic.host_ended(self)

    def close_socket(self) -> None:
        self.net.traffic.host_gone(self)
        self.net.poller.forget(self.host.fileno())
        self.host.close()

    def name(self) -> bytes:
        return guest_address(self.domain, self.host.getsockname())

    def peer_name(self) -> bytes:
        try:
            return guest_address(self.domain, self.host.getpeername())
        except OSError as error:
            raise from_host(error) from None

    # -- data ------------------------------------------------------------------------------------

    def send(self, task: Task, buf: Buffer, message: Outgoing) -> int | Blocking[int]:
        if message.address is not None and self.type == SOCK_STREAM:
            message.address = None
        whole = self.type == SOCK_STREAM
        done = self._send_now(buf, message)
        if done is not None and (not whole or not buf.remaining):
            return done
        if not self.waits(message.flags):
            if done is None:
                raise EAGAIN("the host takes no more now")
            return done
        return self._send_later(buf, message, done or 0)

    def _send_now(self, buf: Buffer, message: Outgoing) -> int | None:
        """One transfer; None if it would have to wait."""
        views = buf.take_views(MOST) if buf.remaining else []
        flags = message.flags & MSG_OOB | MSG_DONTWAIT | MSG_NOSIGNAL
        try:
            if message.address is not None:
                where = host_address(self.domain, message.address)
                count = self.host.sendmsg(views, [], flags, where)
            else:
                count = self.host.sendmsg(views, [], flags)
        except BlockingIOError:
            return None
        except OSError as error:
            raise self._error(error, message.flags) from None
        self.net.traffic.host_sent(self, views, count, message.address)
        buf.advance(count)
        return count

    def _send_later(self, buf: Buffer, message: Outgoing, done: int) -> Blocking[int]:
        deadline = self.send_deadline()
        while buf.remaining:
            try:
                yield from self._wait(select.POLLOUT, deadline)
                done += self._send_now(buf, message) or 0
            except KernelError:
                if done:
                    return done
                raise
            if self.type != SOCK_STREAM and done:
                break
        return done

    def receive(self, task: Task, buf: Buffer, message: Incoming) -> int | Blocking[int]:
        count = self._receive_now(buf, message)
        whole = message.flags & MSG_WAITALL and self.type == SOCK_STREAM
        if count is not None and not (whole and count and buf.remaining):
            return count
        if not self.waits(message.flags):
            if count is None:
                raise EAGAIN("nothing has come")
            return count
        return self._receive_later(buf, message, count or 0, bool(whole))

    def _receive_now(self, buf: Buffer, message: Incoming) -> int | None:
        views = buf.put_views(MOST) if buf.remaining else []
        flags = message.flags & _PASSED | MSG_DONTWAIT
        try:
            count, _, found, address = self.host.recvmsg_into(views, 0, flags)
        except BlockingIOError:
            return None
        except OSError as error:
            raise self._error(error) from None
        message.found |= found & (MSG_TRUNC | MSG_OOB)
        if self.type != SOCK_STREAM:
            message.address = guest_address(self.domain, address)
        if message.flags & MSG_PEEK:
            return count
        if views or not self.is_stream:
            self.net.traffic.host_received(self, views, count, message.address)
        buf.advance(count)
        return count

    def _receive_later(
        self, buf: Buffer, message: Incoming, done: int, whole: bool
    ) -> Blocking[int]:
        deadline = self.receive_deadline()
        while True:
            try:
                yield from self._wait(select.POLLIN, deadline)
                count = self._receive_now(buf, message)
            except KernelError:
                if done:
                    return done
                raise
            if count is None:
                continue
            done += count
            if not count or not whole or not buf.remaining:
                return done

    # -- options ---------------------------------------------------------------------------------

    def set_option(self, task: Task, level: int, name: int, value: bytes) -> None:
        if level == SOL_SOCKET and name in _OURS:
            set_socket_option(task, self, name, value)
            return
        try:
            self.host.setsockopt(level, name, value)
        except OSError as error:
            raise from_host(error) from None

    def get_option(self, task: Task, level: int, name: int, size: int) -> bytes:
        if level == SOL_SOCKET and name in (*_OURS, SO_ACCEPTCONN):
            return super().get_option(task, level, name, size)
        if level == SOL_SOCKET and name == SO_ERROR:
            self.connecting = False
        try:
            room = 8 if level == SOL_SOCKET and name == SO_LINGER else min(size, _OPTION_ROOM)
            return self.host.getsockopt(level, name, max(room, 1))
        except OSError as error:
            raise from_host(error) from None

    def ioctl(self, caller: Caller, cmd: int, arg: int) -> int | Blocking[int]:
        if cmd == SIOCINQ:
            try:
                waiting = len(self.host.recv(MOST, MSG_PEEK | MSG_DONTWAIT))
            except OSError:
                waiting = 0
            caller.mem.write_u32(arg, waiting)
            return 0
        return super().ioctl(caller, cmd, arg)
