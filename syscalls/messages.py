"""Messages with everything: sendmsg(2), recvmsg(2), and several at once.

A msghdr names an address, buffers and control messages (cmsg(3)).  Control messages are taken
apart and put together here; what they mean is the family's (kernel.net).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi.errors import (
    EBADF,
    EFAULT,
    EINVAL,
    EMFILE,
    EMSGSIZE,
    ENOBUFS,
    EPERM,
    ESRCH,
    ETOOMANYREFS,
    KernelError,
    Restart,
)
from kernel.abi.sockets import (
    AF_UNIX,
    CMSGHDR,
    MMSGHDR_SIZE,
    MSG_CMSG_CLOEXEC,
    MSG_CTRUNC,
    MSG_DONTWAIT,
    MSG_LEN_OFFSET,
    MSG_WAITFORONE,
    MSGHDR,
    SCM_CREDENTIALS,
    SCM_MAX_FD,
    SCM_RIGHTS,
    SOCKADDR_STORAGE,
    SOL_SOCKET,
    UCRED,
)
from kernel.abi.structs import TIMESPEC
from kernel.cred import CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN, CAP_SYS_RESOURCE, RLIMIT_NOFILE
from kernel.mm.usercopy import IOV_MAX
from kernel.net.message import Incoming, Outgoing, Ucred
from kernel.net.network import network_of
from kernel.net.socketfile import SocketFile
from kernel.vfs.openfile import OpenFile
from syscalls.declare import syscall
from syscalls.kinds import (
    Fd,
    MmsghdrOutPtr,
    MmsghdrPtr,
    MsgFlags,
    MsghdrOutPtr,
    MsghdrPtr,
    Size,
    TimespecPtr,
    UInt,
)
from syscalls.sockets import socket_of

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.task.task import Task
    from kernel.wait import Blocking

MOST_CONTROL: Final = 131072
"""/proc/sys/net/core/optmem_max."""
_HEADER: Final = CMSGHDR.size
_SECOND: Final = 1_000_000_000
_LONG: Final = 0x7FFFFFFF


class Header(NamedTuple):
    """A msghdr of the program's, copied in once."""

    address: int
    name: int
    name_length: int
    buffer: Buffer
    control: int
    control_length: int


def _read_header(task: Task, address: int) -> Header:
    """EFAULT, EINVAL, EMSGSIZE for too many buffers."""
    name, name_length, iov, count, control, control_length, _ = task.mem.unpack(MSGHDR, address)
    if not name:
        name_length = 0
    if name_length > _LONG:
        raise EINVAL("the length of the name is negative")
    if count > IOV_MAX:
        raise EMSGSIZE("%d buffers, and at most %d are allowed", count, IOV_MAX)
    buffer = task.mem.buffer_iov(task.mem.read_iovec(iov, count))
    return Header(
        address, name, min(name_length, SOCKADDR_STORAGE), buffer, control, control_length
    )


# --- sending -------------------------------------------------------------------------------------


def _outgoing(task: Task, socket: SocketFile, header: Header, flags: int) -> Outgoing:
    message = Outgoing(flags)
    if header.name and header.name_length:
        message.address = task.mem.read(header.name, header.name_length)
    if header.control_length > _LONG or header.control_length > MOST_CONTROL:
        raise ENOBUFS(
            "%d control bytes, and at most %d are allowed", header.control_length, MOST_CONTROL
        )
    if header.control_length:
        data = task.mem.read(header.control, header.control_length)
        _read_controls(task, socket, message, data)
    return message


def _read_controls(task: Task, socket: SocketFile, message: Outgoing, data: bytes) -> None:
    """Take the control messages apart.  EINVAL for malformed or unknown ones."""
    at = 0
    while len(data) - at >= _HEADER:
        length, level, kind = CMSGHDR.unpack_from(data, at)
        if not _HEADER <= length <= len(data) - at:
            raise EINVAL(
                "a control message of %d bytes does not fit the %d there are",
                length,
                len(data) - at,
            )
        body = data[at + _HEADER : at + length]
        if level == SOL_SOCKET:
            _read_control(task, socket, message, kind, body)
        else:
            message.controls.append((level, kind, body))
        at += length + 7 & ~7


def _read_control(
    task: Task, socket: SocketFile, message: Outgoing, kind: int, body: bytes
) -> None:
    if kind == SCM_RIGHTS:
        if socket.domain == AF_UNIX:
            message.files += _files(task, body)
            if len(message.files) > SCM_MAX_FD:
                raise EINVAL(
                    "%d files in a message, and at most %d are allowed",
                    len(message.files),
                    SCM_MAX_FD,
                )
    elif kind == SCM_CREDENTIALS:
        if len(body) != UCRED.size:
            raise EINVAL("%d bytes are no struct ucred", len(body))
        message.cred = _check_credentials(task, Ucred(*UCRED.unpack(body)))
    else:
        raise EINVAL("there is no control message %d", kind)


def _files(task: Task, body: bytes) -> tuple[OpenFile, ...]:
    """The open files behind the descriptors of SCM_RIGHTS.  EBADF, EINVAL, ETOOMANYREFS."""
    count = len(body) // 4
    if count > SCM_MAX_FD:
        raise EINVAL("%d files in a message, and at most %d are allowed", count, SCM_MAX_FD)
    _check_in_flight(task)
    numbers = [
        int.from_bytes(body[i : i + 4], "little", signed=True) for i in range(0, 4 * count, 4)
    ]
    if any(fd < 0 for fd in numbers):
        raise EBADF("descriptor %d is not open", min(numbers))
    return tuple(task.fds.get_any(fd) for fd in numbers)


def _check_in_flight(task: Task) -> None:
    """Sockets within sockets are limited as descriptors are."""
    in_flight = network_of(task.kernel).files_in_flight
    cred = task.cred
    if in_flight > task.limits.soft(RLIMIT_NOFILE):
        if not (cred.capable(CAP_SYS_RESOURCE) or cred.capable(CAP_SYS_ADMIN)):
            raise ETOOMANYREFS(
                "%d sockets are in messages, over RLIMIT_NOFILE, %d",
                in_flight, task.limits.soft(RLIMIT_NOFILE),
            )  # fmt: skip


def _check_credentials(task: Task, given: Ucred) -> Ucred:
    """One may say who one is; more needs privilege.  EPERM, ESRCH; see unix(7)."""
    cred = task.cred
    if given.uid == 0xFFFFFFFF or given.gid == 0xFFFFFFFF:
        raise EINVAL("uid or gid -1 is nobody's")
    if given.pid != task.tgid:
        if not cred.capable(CAP_SYS_ADMIN):
            raise EPERM("claiming to be process %d needs CAP_SYS_ADMIN", given.pid)
        if given.pid not in task.kernel.tasks:
            raise ESRCH("there is no process %d", given.pid)
    if given.uid not in (cred.ruid, cred.euid, cred.suid) and not cred.capable(CAP_SETUID):
        raise EPERM("claiming to be uid %d needs CAP_SETUID", given.uid)
    if given.gid not in (cred.rgid, cred.egid, cred.sgid) and not cred.capable(CAP_SETGID):
        raise EPERM("claiming to be gid %d needs CAP_SETGID", given.gid)
    return given


@syscall("send(2)", partial="as sendto")
def sendmsg(task: Task, sockfd: Fd, msg: MsghdrPtr, flags: MsgFlags) -> Size | Blocking[Size]:
    """Send buffers, an address and control messages.  See sendmsg(2), ERRORS."""
    socket = socket_of(task, sockfd)
    header = _read_header(task, msg)
    return socket.send(task, header.buffer, _outgoing(task, socket, header, flags))


@syscall("sendmmsg(2)")
def sendmmsg(
    task: Task, sockfd: Fd, msgvec: MmsghdrPtr, vlen: UInt, flags: MsgFlags
) -> Size | Blocking[Size]:
    """Send several messages.  See sendmmsg(2); an error after the first is for the next call."""
    return _send_several(task, socket_of(task, sockfd), msgvec, min(vlen, IOV_MAX), flags)


def _send_several(
    task: Task, socket: SocketFile, address: int, count: int, flags: int
) -> Blocking[int]:
    done = 0
    try:
        for index in range(count):
            at = address + index * MMSGHDR_SIZE
            header = _read_header(task, at)
            sent = socket.send(task, header.buffer, _outgoing(task, socket, header, flags))
            if not isinstance(sent, int):
                sent = yield from sent
            task.mem.write_u32(at + MSG_LEN_OFFSET, sent)
            done += 1
    except KernelError:
        if not done:
            raise
    return done


# --- receiving -----------------------------------------------------------------------------------


class _Controls:
    """Control messages being put together in the room the program gave."""

    __slots__ = ("data", "flags", "room")

    def __init__(self, room: int) -> None:
        self.room = room
        self.data = bytearray()
        self.flags = 0

    @property
    def left(self) -> int:
        """Bytes of room that are left."""
        return self.room - len(self.data)

    def add(self, level: int, kind: int, body: bytes) -> None:
        """One more; cut, with MSG_CTRUNC, if there is no room for all of it."""
        if self.left < _HEADER:
            self.flags |= MSG_CTRUNC
            return
        if self.left < _HEADER + len(body):
            self.flags |= MSG_CTRUNC
            body = body[: self.left - _HEADER]
        self.data += CMSGHDR.pack(_HEADER + len(body), level, kind) + body
        self.data += bytes(min(-len(body) % 8, self.left))


def _install_files(task: Task, message: Incoming, controls: _Controls) -> None:
    """SCM_RIGHTS: as many descriptors as there is room for; the rest are dropped."""
    files = message.files
    fits = max(controls.left - _HEADER, 0) // 4
    cloexec = bool(message.flags & MSG_CMSG_CLOEXEC)
    limit = task.limits.soft(RLIMIT_NOFILE)
    made: list[int] = []
    for file in files[:fits]:
        try:
            made.append(task.fds.install(file, cloexec, 0, limit))
        except EMFILE:
            break
    if len(made) < len(files):
        controls.flags |= MSG_CTRUNC
    if made:
        controls.add(SOL_SOCKET, SCM_RIGHTS, b"".join(fd.to_bytes(4, "little") for fd in made))
    message.drop()


def _deliver(task: Task, header: Header, message: Incoming) -> None:
    """Everything but the bytes: address, control messages, flags."""
    controls = _Controls(header.control_length if header.control else 0)
    for level, kind, body in message.controls:
        controls.add(level, kind, body)
    if message.cred is not None:
        controls.add(SOL_SOCKET, SCM_CREDENTIALS, UCRED.pack(*message.cred))
    if message.files:
        _install_files(task, message, controls)
    mem, at = task.mem, header.address
    if header.name:
        if message.address and header.name_length:
            mem.write(header.name, message.address[: header.name_length])
        mem.write_u32(at + 8, len(message.address))
    if controls.data:
        mem.write(header.control, bytes(controls.data))
    mem.write_u64(at + 40, len(controls.data))
    flags = message.found | controls.flags | message.flags & MSG_CMSG_CLOEXEC
    mem.write_u32(at + 48, flags)


def _receive_one(task: Task, socket: SocketFile, address: int, flags: int) -> int | Blocking[int]:
    header = _read_header(task, address)
    message = Incoming(flags)
    received = socket.receive(task, header.buffer, message)
    if not isinstance(received, int):
        return _receive_later(task, header, message, received)
    return _received(task, header, message, received)


def _receive_later(
    task: Task, header: Header, message: Incoming, receiving: Blocking[int]
) -> Blocking[int]:
    return _received(task, header, message, (yield from receiving))


def _received(task: Task, header: Header, message: Incoming, count: int) -> int:
    try:
        _deliver(task, header, message)
    except EFAULT:
        message.drop()
        raise
    return count


@syscall("recv(2)")
def recvmsg(task: Task, sockfd: Fd, msg: MsghdrOutPtr, flags: MsgFlags) -> Size | Blocking[Size]:
    """Receive into buffers, with address and control messages.  See recvmsg(2), ERRORS."""
    return _receive_one(task, socket_of(task, sockfd), msg, flags)


@syscall("recvmmsg(2)")
def recvmmsg(
    task: Task, sockfd: Fd, msgvec: MmsghdrOutPtr, vlen: UInt, flags: MsgFlags, timeout: TimespecPtr
) -> Size | Blocking[Size]:
    """Receive several messages.  See recvmmsg(2); the time is looked at after each message."""
    deadline = None
    if timeout:
        seconds, nanoseconds = task.mem.unpack(TIMESPEC, timeout)
        if seconds < 0 or not 0 <= nanoseconds < _SECOND:
            raise EINVAL("%d s %d ns is no time to wait", seconds, nanoseconds)
        deadline = task.kernel.clock.monotonic() + seconds * _SECOND + nanoseconds
    socket = socket_of(task, sockfd)
    receiving = _receive_several(task, socket, msgvec, min(vlen, IOV_MAX), flags, deadline)
    return _with_time_left(task, receiving, timeout, deadline) if deadline else receiving


def _with_time_left(
    task: Task, receiving: Blocking[int], timeout: int, deadline: int
) -> Blocking[int]:
    """The time that is left is written back."""
    count = yield from receiving
    left = max(0, deadline - task.kernel.clock.monotonic())
    task.mem.pack(TIMESPEC, timeout, left // _SECOND, left % _SECOND)
    return count


def _receive_several(
    task: Task, socket: SocketFile, address: int, count: int, flags: int, deadline: int | None
) -> Blocking[int]:
    done = 0
    try:
        while done < count:
            at = address + done * MMSGHDR_SIZE
            received = _receive_one(task, socket, at, flags & ~MSG_WAITFORONE)
            if not isinstance(received, int):
                received = yield from received
            task.mem.write_u32(at + MSG_LEN_OFFSET, received)
            done += 1
            if flags & MSG_WAITFORONE:
                flags |= MSG_DONTWAIT
            if deadline is not None and task.kernel.clock.monotonic() >= deadline:
                break
    except KernelError as error:
        if not done:
            raise
        if not isinstance(error, Restart) and error.name not in ("EAGAIN", "EINTR"):
            socket.error = error.errno
    return done
