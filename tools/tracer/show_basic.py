"""Printers for numbers, descriptors, paths, strings and buffers."""

from __future__ import annotations

from contextlib import suppress
from socket import AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM, inet_ntop
from typing import TYPE_CHECKING

from kernel.abi.errors import KernelError
from kernel.abi.files import AT_FDCWD, S_IFBLK, S_IFCHR, S_IFMT
from kernel.abi.limits import PATH_MAX
from kernel.abi.structs import IOVEC
from kernel.net.socketfile import SocketFile
from kernel.vfs.dentry import display_path
from kernel.views.pidfd import PidFile
from tools.tracer.shows import shows
from tools.tracer.text import address, fields, hexadecimal, quote, sequence

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.vfs.dentry import Path
    from kernel.vfs.openfile import OpenFile
    from tools.tracer.view import Call

ARRAY_LIMIT = 32
EVERYTHING = 1 << 64
"""No buffer is shorter than it says."""
UTS_LENGTH = 64


@shows("dec")
def decimal(call: Call, i: int) -> str:
    """A plain number."""
    return str(call.values[i])


@shows("udec")
def unsigned(call: Call, i: int) -> str:
    """A number without a sign."""
    return str(call.values[i] & (1 << 64) - 1)


@shows("hex")
def hexa(call: Call, i: int) -> str:
    """A number in hexadecimal."""
    return hexadecimal(call.values[i])


@shows("hidden")
def hidden(call: Call, i: int) -> None:
    """An argument nobody looks at."""


@shows("futex_timeout")
@shows("addr")
def pointer(call: Call, i: int) -> str:
    """An address whose target is not shown."""
    return address(call.values[i])


@shows("pid")
def process_number(call: Call, i: int) -> str:
    """A task, process or group."""
    return pid_text(call, call.values[i])


def pid_text(call: Call, pid: int) -> str:
    """A process; with ``-Y`` and its name, if there is one."""
    return f"{pid}{comm_text(call.task, pid)}" if call.detail.comms else str(pid)


def comm_text(task: Task, pid: int) -> str:
    """``<name>`` of a task; '' if there is none."""
    found = task.kernel.tasks.get(pid)
    return f"<{quote(found.comm)[1:-1]}>" if found is not None else ""


@shows("uid")
def identity(call: Call, i: int) -> str:
    """A user or group; all ones is the -1 that means `leave it`."""
    value = call.values[i]
    return "-1" if value == 0xFFFFFFFF else str(value)


def path_of_descriptor(call: Call, fd: int) -> str | None:
    """What a descriptor refers to, whatever ``-y`` says; None if it is not open."""
    try:
        where = call.task.fs.cwd if fd == AT_FDCWD else call.task.fds.get(fd).path
    except KernelError:
        return None
    return path_text(call, where)


def describe_fd(call: Call, fd: int) -> str:
    """A descriptor, with what ``-e decode-fds=`` wants behind it."""
    if not call.detail.descriptors or fd < 0:
        return str(fd)
    try:
        text = described(call, call.task.fds.get(fd))
    except KernelError:
        text = ""
    return f"{fd}<{text}>" if text else str(fd)


def described(call: Call, file: OpenFile) -> str:
    """A device by its number, a socket by its addresses, others by their path; '' for nothing."""
    wanted, inode = call.detail.descriptors, file.inode
    if "socket" in wanted and isinstance(file, SocketFile):
        text = socket_text(file)
        if text:
            return text
    if "dev" in wanted and inode.mode & S_IFMT in (S_IFCHR, S_IFBLK):
        kind = "char" if inode.mode & S_IFMT == S_IFCHR else "block"
        number = f"{inode.rdev >> 8 & 0xFFF}:{inode.rdev & 0xFF}"
        return f"{path_text(call, file.path)}<{kind} {number}>"
    if "pidfd" in wanted and isinstance(file, PidFile):
        return f"pid:{file.group.pid}"
    return path_text(call, file.path) if "path" in wanted else ""


def socket_text(file: SocketFile) -> str:
    """``TCP:[127.0.0.1:80->127.0.0.1:999]``, ``TCP:[12]`` for one without a port; '' for a family
    without such a form."""
    protocol = {int(SOCK_STREAM): "TCP", int(SOCK_DGRAM): "UDP"}.get(file.type)
    if file.domain not in (AF_INET, AF_INET6) or protocol is None:
        return ""
    six = "v6" if file.domain == AF_INET6 else ""
    try:
        name = file.name()
    except KernelError:
        return ""
    if not any(name[2:4]):
        return f"{protocol}{six}:[{file.inode.ino}]"
    ends = [_endpoint(name)]
    with suppress(KernelError):  # not connected
        ends.append(_endpoint(file.peer_name()))
    return f"{protocol}{six}:[{'->'.join(ends)}]"


def _endpoint(address: bytes) -> str:
    """``host:port`` of a sockaddr_in or sockaddr_in6."""
    port = int.from_bytes(address[2:4], "big")
    if len(address) < 28:
        return f"{inet_ntop(AF_INET, address[4:8])}:{port}"
    return f"[{inet_ntop(AF_INET6, address[8:24])}]:{port}"


def path_text(call: Call, path: Path) -> str:
    """The name of an open file, as /proc/PID/fd would show it."""
    return quote(display_path(path, call.task.fs.root))[1:-1]


@shows("fd")
def descriptor(call: Call, i: int) -> str:
    """A descriptor."""
    return describe_fd(call, call.values[i])


@shows("dirfd")
def directory(call: Call, i: int) -> str:
    """A directory descriptor or AT_FDCWD."""
    fd = call.values[i]
    if fd != AT_FDCWD:
        return describe_fd(call, fd)
    if "path" in call.detail.descriptors:
        return f"AT_FDCWD<{path_text(call, call.task.fs.cwd)}>"
    return "AT_FDCWD"


def text_at(call: Call, where: int, limit: int) -> str:
    """A C string in guest memory, at most ``limit`` bytes of it."""
    found = call.read_string(where, limit) if where else None
    if found is None:
        return address(where)
    return call.detail.quote(found[0], cut=found[1])


@shows("*path")
def path(call: Call, i: int) -> str:
    """A path, whole."""
    return text_at(call, call.values[i], PATH_MAX - 1)


@shows("*string")
def string(call: Call, i: int) -> str:
    """A name, cut at the limit of ``-s``."""
    return text_at(call, call.values[i], call.detail.string_limit)


@shows("*path_out")
def path_out(call: Call, i: int) -> str:
    """A path that the kernel wrote: as long as the result says."""
    if call.name == "getcwd":
        return text_at(call, call.values[i], PATH_MAX - 1)
    return bytes_at(call, call.values[i], call.result or 0)


def bytes_at(call: Call, where: int, size: int, *, force_hex: bool = False) -> str:
    """A buffer, cut at the limit of ``-s``."""
    if not where:
        return "NULL"
    detail = call.detail
    cut = size > detail.string_limit
    data = call.read(where, detail.string_limit if cut else size)
    if data is None:
        return address(where)
    return detail.quote(data, cut=cut, force_hex=force_hex)


@shows("*bytes")
def bytes_in(call: Call, i: int) -> str:
    """A buffer for the kernel; the next argument is its size."""
    size = call.value(i + 1)
    if size > UTS_LENGTH and call.name in ("sethostname", "setdomainname"):
        return address(call.values[i])
    return bytes_at(call, call.values[i], size)


@shows("*bytes_out")
def bytes_out(call: Call, i: int) -> str:
    """A buffer from the kernel: as long as the result says."""
    size = min(call.result or 0, call.value(i + 1))
    return bytes_at(call, call.values[i], size, force_hex=call.name == "getrandom")


@shows("*strings")
def strings(call: Call, i: int) -> str:
    """argv: each string cut, the list too."""
    where = call.values[i]
    found: list[str] = []
    if not where:
        return "NULL"
    while True:
        data = call.read(where + 8 * len(found), 8)
        if data is None:
            return sequence(found) if found else address(where)
        target = int.from_bytes(data, "little")
        if not target:
            return sequence(found)
        if len(found) == ARRAY_LIMIT:
            return sequence([*found, "..."])
        found.append(text_at(call, target, call.detail.string_limit))


@shows("*environ")
def environment(call: Call, i: int) -> str:
    """envp: only how many there are, unless ``-v`` asks for all."""
    if call.detail.verbose:
        return strings(call, i) or ""
    where, count = call.values[i], 0
    if not where:
        return "NULL"
    while True:
        data = call.read(where + 8 * count, 8)
        if data is None:
            return address(where) if not count else f"{where:#x} /* {count} vars, unterminated */"
        if not any(data):
            return f"{where:#x} /* {count} var{'s' if count != 1 else ''} */"
        count += 1


def _iovec(call: Call, i: int, total: int | None) -> str:
    """An iovec array; ``total`` is how many bytes may be shown, None for addresses only."""
    where, count = call.values[i], call.value(i + 1)
    if count == 0:
        return "[]" if where else "NULL"
    if where + count * IOVEC.size >= 1 << 64:
        return address(where)
    shown: list[str] = []
    for index in range(min(count, ARRAY_LIMIT)):
        entry = call.unpack(IOVEC, where + index * IOVEC.size)
        if entry is None:
            rest = f"... /* {where + index * IOVEC.size:#x} */"
            return sequence([*shown, rest]) if shown else address(where)
        base, length = entry
        if total is None:
            text = address(base)
        else:
            text = bytes_at(call, base, min(length, total))
            if total != EVERYTHING:
                total -= min(length, total)
        shown.append(fields((("iov_base", text), ("iov_len", str(length)))))
    return sequence([*shown, "..."] if count > ARRAY_LIMIT else shown)


@shows("*iovec")
def iovec_in(call: Call, i: int) -> str:
    """Buffers for the kernel, with their contents."""
    return _iovec(call, i, EVERYTHING)


@shows("*iovec_out", on_failure=True)
def iovec_out(call: Call, i: int) -> str:
    """Buffers from the kernel, with what was put in."""
    return _iovec(call, i, None if call.failed else call.result)


@shows("*uint_out")
@shows("*uid_out")
def unsigned_out(call: Call, i: int) -> str:
    """A number the kernel wrote."""
    data = call.read(call.values[i], 4)
    return address(call.values[i]) if data is None else f"[{int.from_bytes(data, 'little')}]"


@shows("*pid_out")
@shows("*int_out")
def signed_out(call: Call, i: int) -> str:
    """A signed number the kernel wrote."""
    data = call.read(call.values[i], 4)
    if data is None:
        return address(call.values[i])
    return f"[{int.from_bytes(data, 'little', signed=True)}]"


@shows("*addr_out")
def address_out(call: Call, i: int) -> str:
    """An address the kernel wrote."""
    data = call.read(call.values[i], 8)
    if data is None:
        return address(call.values[i])
    return f"[{address(int.from_bytes(data, 'little'))}]"


@shows("*size_out")
def size_out(call: Call, i: int) -> str:
    """A size the kernel wrote."""
    data = call.read(call.values[i], 8)
    return address(call.values[i]) if data is None else f"[{int.from_bytes(data, 'little')}]"
