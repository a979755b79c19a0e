"""Sockets: making, naming and connecting them, and plain sends and receives.

Messages with everything (sendmsg(2), recvmsg(2)) are in ``messages``.  See socket(2), socket(7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.errors import EINVAL, ENOTSOCK
from kernel.abi.files import O_NONBLOCK
from kernel.abi.sockets import (
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    SOCK_TYPE_MASK,
    SOCKADDR_STORAGE,
)
from kernel.cred import RLIMIT_NOFILE
from kernel.net.create import make_pair, make_socket
from kernel.net.message import Incoming, Outgoing
from kernel.net.socketfile import SocketFile, check_shutdown
from syscalls.declare import syscall
from syscalls.kinds import (
    Fd,
    InBuf,
    Int,
    MsgFlags,
    NewFd,
    OptionOutPtr,
    OptionPtr,
    OutBuf,
    PipeFds,
    ShutHow,
    Size,
    SockaddrOutPtr,
    SockaddrPtr,
    SocketDomain,
    SocketFlags,
    SocketLevel,
    SocketOption,
    SocketProtocol,
    SocketType,
    SocklenPtr,
    Zero,
)

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.wait import Blocking

MOST_OPTION = 4096
"""No option is longer than this."""


def socket_of(task: Task, fd: int) -> SocketFile:
    """The socket behind a descriptor.  EBADF, ENOTSOCK."""
    file = task.fds.get(fd)
    if not isinstance(file, SocketFile):
        raise ENOTSOCK("descriptor %d (%s) is %s, not a socket", fd, file.path, file.inode.kind)
    return file


def read_address(task: Task, address: int, length: int) -> bytes:
    """A sockaddr the program passes.  EINVAL for an impossible length, EFAULT."""
    if not 0 <= length <= SOCKADDR_STORAGE:
        raise EINVAL("the address has %d bytes; at most %d are allowed", length, SOCKADDR_STORAGE)
    return task.mem.read(address, length) if length else b""


def write_address(task: Task, address: int, length_at: int, raw: bytes) -> None:
    """A sockaddr for the program, cut to the room it has; the real length goes to ``length_at``."""
    room = task.mem.read_s32(length_at)
    if room < 0:
        raise EINVAL("the length is negative")
    if room and raw:
        task.mem.write(address, raw[:room])
    task.mem.write_u32(length_at, len(raw))


# --- making them ---------------------------------------------------------------------------------


def _split_type(type_: int) -> tuple[int, int]:
    """(type, SOCK_CLOEXEC | SOCK_NONBLOCK)."""
    flags = type_ & ~SOCK_TYPE_MASK
    if flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK):
        raise EINVAL("flags %#x: only the bits %#x are known", flags, SOCK_CLOEXEC | SOCK_NONBLOCK)
    return type_ & SOCK_TYPE_MASK, flags


def _install(task: Task, socket: SocketFile, flags: int) -> int:
    if flags & SOCK_NONBLOCK:
        socket.flags |= O_NONBLOCK
    limit = task.limits.soft(RLIMIT_NOFILE)
    return task.fds.install(socket, bool(flags & SOCK_CLOEXEC), 0, limit)


@syscall(
    "socket(2)",
    partial="AF_UNIX, AF_INET and AF_INET6 with TCP and UDP, and NETLINK_ROUTE; no raw sockets",
)
def socket(task: Task, domain: SocketDomain, type_: SocketType, protocol: SocketProtocol) -> NewFd:
    """Make a socket.  See socket(2), ERRORS."""
    kind, flags = _split_type(type_)
    return _install(task, make_socket(task, domain, kind, protocol), flags)


@syscall("socketpair(2)")
def socketpair(
    task: Task, domain: SocketDomain, type_: SocketType, protocol: SocketProtocol, sv: PipeFds
) -> Zero:
    """Make two sockets that are connected.  See socketpair(2), ERRORS."""
    kind, flags = _split_type(type_)
    limit = task.limits.soft(RLIMIT_NOFILE)
    first = task.fds.free_fd(0, limit)  # Linux, too, reserves and tells before it makes anything
    second = task.fds.free_fd(first + 1, limit)
    task.mem.write(sv, first.to_bytes(4, "little") + second.to_bytes(4, "little"))
    for end in make_pair(task, domain, kind, protocol):
        _install(task, end, flags)
    return 0


@syscall("bind(2)")
def bind(task: Task, sockfd: Fd, addr: SockaddrPtr, addrlen: Int) -> Zero:
    """Give a socket a name.  See bind(2), ERRORS."""
    found = socket_of(task, sockfd)
    found.bind(task, read_address(task, addr, addrlen))
    return 0


@syscall("listen(2)")
def listen(task: Task, sockfd: Fd, backlog: Int) -> Zero:
    """Take connections from now on.  See listen(2), ERRORS."""
    socket_of(task, sockfd).listen(task, backlog)
    return 0


@syscall("accept(2)")
def accept(
    task: Task, sockfd: Fd, addr: SockaddrOutPtr, addrlen: SocklenPtr
) -> NewFd | Blocking[NewFd]:
    """The next connection, as a new descriptor.  See accept(2), ERRORS."""
    return _accept(task, sockfd, addr, addrlen, 0)


@syscall("accept(2)")
def accept4(
    task: Task, sockfd: Fd, addr: SockaddrOutPtr, addrlen: SocklenPtr, flags: SocketFlags
) -> NewFd | Blocking[NewFd]:
    """accept with SOCK_CLOEXEC and SOCK_NONBLOCK.  See accept4(2), ERRORS."""
    if flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK):
        raise EINVAL("flags %#x: only the bits %#x are known", flags, SOCK_CLOEXEC | SOCK_NONBLOCK)
    return _accept(task, sockfd, addr, addrlen, flags)


def _accept(task: Task, fd: int, addr: int, addrlen: int, flags: int) -> int | Blocking[int]:
    listener = socket_of(task, fd)
    task.fds.free_fd(0, task.limits.soft(RLIMIT_NOFILE))  # EMFILE before a connection is taken
    made = listener.accept(task, bool(listener.flags & O_NONBLOCK))
    if isinstance(made, SocketFile):
        return _accepted(task, made, addr, addrlen, flags)
    return _accept_later(task, made, addr, addrlen, flags)


def _accept_later(
    task: Task, waiting: Blocking[SocketFile], addr: int, addrlen: int, flags: int
) -> Blocking[int]:
    return _accepted(task, (yield from waiting), addr, addrlen, flags)


def _accepted(task: Task, made: SocketFile, addr: int, addrlen: int, flags: int) -> int:
    made.hold()  # a bad address loses the connection
    try:
        if addr:
            write_address(task, addr, addrlen, made.accepted_from())
        return _install(task, made, flags)
    finally:
        made.drop()


@syscall("connect(2)")
def connect(task: Task, sockfd: Fd, addr: SockaddrPtr, addrlen: Int) -> Zero | Blocking[Zero]:
    """Connect to an address.  See connect(2), ERRORS."""
    found = socket_of(task, sockfd)
    address = read_address(task, addr, addrlen)
    return found.connect(task, address, bool(found.flags & O_NONBLOCK))


@syscall("shutdown(2)")
def shutdown(task: Task, sockfd: Fd, how: ShutHow) -> Zero:
    """End one direction of a connection, or both.  See shutdown(2), ERRORS."""
    found = socket_of(task, sockfd)
    found.shutdown(check_shutdown(how))
    return 0


# --- names and options ---------------------------------------------------------------------------


@syscall("getsockname(2)")
def getsockname(task: Task, sockfd: Fd, addr: SockaddrOutPtr, addrlen: SocklenPtr) -> Zero:
    """The name of this end.  See getsockname(2), ERRORS."""
    write_address(task, addr, addrlen, socket_of(task, sockfd).name())
    return 0


@syscall("getpeername(2)")
def getpeername(task: Task, sockfd: Fd, addr: SockaddrOutPtr, addrlen: SocklenPtr) -> Zero:
    """The name of the other end.  See getpeername(2), ERRORS."""
    write_address(task, addr, addrlen, socket_of(task, sockfd).peer_name())
    return 0


@syscall("setsockopt(2)")
def setsockopt(
    task: Task, sockfd: Fd, level: SocketLevel, optname: SocketOption, optval: OptionPtr,
    optlen: Int,
) -> Zero:  # fmt: skip
    """Set an option.  See setsockopt(2), socket(7), ip(7), tcp(7)."""
    if optlen < 0:
        raise EINVAL("the length is negative")
    found = socket_of(task, sockfd)
    value = task.mem.read(optval, min(optlen, MOST_OPTION)) if optlen else b""
    found.set_option(task, level, optname, value)
    return 0


@syscall("getsockopt(2)")
def getsockopt(
    task: Task, sockfd: Fd, level: SocketLevel, optname: SocketOption, optval: OptionOutPtr,
    optlen: SocklenPtr,
) -> Zero:  # fmt: skip
    """Read an option, cut to the room there is.  See getsockopt(2)."""
    found = socket_of(task, sockfd)
    room = task.mem.read_s32(optlen)
    if room < 0:
        raise EINVAL("the length is negative")
    value = found.get_option(task, level, optname, room)[:room]
    if value:
        task.mem.write(optval, value)
    task.mem.write_u32(optlen, len(value))
    return 0


# --- data ----------------------------------------------------------------------------------------


@syscall("send(2)", partial="MSG_OOB on AF_UNIX and MSG_FASTOPEN are refused")
def sendto(
    task: Task, sockfd: Fd, buf: InBuf, len_: Size, flags: MsgFlags, dest_addr: SockaddrPtr,
    addrlen: Int,
) -> Size | Blocking[Size]:  # fmt: skip
    """Send bytes, perhaps to an address.  See sendto(2), ERRORS."""
    data = task.mem.buffer(buf, len_)
    found = socket_of(task, sockfd)
    message = Outgoing(flags, read_address(task, dest_addr, addrlen) if dest_addr else None)
    return found.send(task, data, message)


@syscall("recv(2)")
def recvfrom(
    task: Task, sockfd: Fd, buf: OutBuf, len_: Size, flags: MsgFlags, src_addr: SockaddrOutPtr,
    addrlen: SocklenPtr,
) -> Size | Blocking[Size]:  # fmt: skip
    """Receive bytes, and from whom.  See recvfrom(2), ERRORS."""
    data = task.mem.buffer(buf, len_)
    found = socket_of(task, sockfd)
    message = Incoming(flags)
    received = found.receive(task, data, message)
    if not isinstance(received, int):
        return _received_later(task, received, message, src_addr, addrlen)
    return _received(task, received, message, src_addr, addrlen)


def _received_later(
    task: Task, receiving: Blocking[int], message: Incoming, address: int, length_at: int
) -> Blocking[int]:
    count = yield from receiving
    return _received(task, count, message, address, length_at)


def _received(task: Task, count: int, message: Incoming, address: int, length_at: int) -> int:
    message.drop()  # files for somebody who did not ask for them
    if address:
        write_address(task, address, length_at, message.address)
    return count
