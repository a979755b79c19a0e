"""The guest's files for gdb: ``vFile``.  So gdb needs no copy of the programs and libraries.

gdb's ``target:`` system root, its usual setting with a remote target, opens them here.  Numbers
for flags, errors and ``struct stat`` are those of gdb's File-I/O protocol, which are no system's.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from kernel.abi import files as abi
from kernel.abi.errors import EBADF, EINVAL, ENOENT, KernelError
from kernel.mm.buffer import KernelBuffer
from kernel.vfs.attributes import inode_at
from kernel.vfs.open import OpenHow, open_at
from kernel.vfs.openfile import OpenFile
from kernel.vfs.remove import unlink_at
from kernel.vfs.walk import FOLLOW, walk
from tools.gdb import words
from tools.gdb.packets import PACKET_SIZE, escape, unescape

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel.task.task import Task
    from kernel.vfs.inode import Inode
    from tools.gdb.stub import Stub

_ACCESS: Final = 3
_FLAGS: Final = {0x8: abi.O_APPEND, 0x200: abi.O_CREAT, 0x400: abi.O_TRUNC, 0x800: abi.O_EXCL}
_STAT: Final = struct.Struct(">IIIIIIIQQQIII")
_ERRNOS: Final = {1, 2, 4, 9, 13, 14, 16, 17, 19, 20, 21, 22, 23, 24, 27, 28, 29, 30}
_TOO_LONG: Final = (36, 91)  # ENAMETOOLONG, here and in File-I/O
_UNKNOWN: Final = 9999
_CHUNK: Final = PACKET_SIZE // 2 - 32
_MOST_FILES: Final = 256


class GuestFiles:
    """What gdb has open, by its own numbers, and in which process's view of the file system."""

    def __init__(self) -> None:
        self.pid = 0
        self._open: dict[int, OpenFile] = {}

    def add(self, file: OpenFile) -> int:
        """A number for an open file."""
        if len(self._open) >= _MOST_FILES:
            raise EBADF("too many files are open for gdb")
        number = next(n for n in range(len(self._open) + 1) if n not in self._open)
        file.hold()
        self._open[number] = file
        return number

    def get(self, number: int) -> OpenFile:
        """The file of a number.  Raises EBADF."""
        if number not in self._open:
            raise EBADF(f"no file {number} is open for gdb")
        return self._open[number]

    def close(self, number: int) -> None:
        """Close one.  Raises EBADF."""
        self.get(number).drop()
        del self._open[number]

    def close_all(self) -> None:
        """The conversation is over."""
        for file in self._open.values():
            file.drop()
        self._open.clear()


def answer(stub: Stub, packet: bytes) -> bytes:
    """``vFile:OPERATION:PARAMETERS``: ``F RESULT[,ERRNO][;DATA]``."""
    name, _, rest = packet.removeprefix(b"vFile:").partition(b":")
    operation = _OPERATIONS.get(name)
    if operation is None:
        return words.UNSUPPORTED
    try:
        return operation(stub, rest)
    except KernelError as error:
        return b"F-1,%x" % _errno(error.errno)


def _errno(errno: int) -> int:
    if errno == _TOO_LONG[0]:
        return _TOO_LONG[1]
    return errno if errno in _ERRNOS else _UNKNOWN


def _caller(stub: Stub) -> Task:
    """In whose eyes paths are looked up: the process of ``setfs``, else the selected one."""
    group = stub.machine.system.groups.get(stub.files.pid)
    task = group.leader if group is not None else stub.thread
    if task is None or task.dead:
        task = stub.machine.system.init
    return task


def _set_fs(stub: Stub, rest: bytes) -> bytes:
    pid = words.number(rest)
    if pid and pid not in stub.machine.system.groups:
        raise ENOENT(f"there is no process {pid}")
    stub.files.pid = pid
    return b"F0"


def _open(stub: Stub, rest: bytes) -> bytes:
    name, flags, mode = _parts(rest, 3)
    wanted = words.number(flags)
    ours = wanted & _ACCESS | sum(bit for theirs, bit in _FLAGS.items() if wanted & theirs)
    how = OpenHow.from_flags(ours | abi.O_NONBLOCK, words.number(mode))
    file = open_at(_caller(stub), abi.AT_FDCWD, words.unhex(name), how)
    if not isinstance(file, OpenFile):
        file.close()  # a FIFO whose partner is missing: gdb will not wait
        raise EINVAL("opening would have to wait")
    return b"F%x" % stub.files.add(file)


def _close(stub: Stub, rest: bytes) -> bytes:
    stub.files.close(words.number(rest))
    return b"F0"


def _pread(stub: Stub, rest: bytes) -> bytes:
    fd, count, offset = words.numbers(rest, 3)
    file = stub.files.get(fd)
    if not file.readable:
        raise EBADF("not open for reading")
    if not file.seekable:
        raise EINVAL("a stream has no positions")
    buffer = KernelBuffer.empty(min(count, _CHUNK))
    done = file.read(_caller(stub), buffer, offset)
    if not isinstance(done, int):
        done.close()
        raise EINVAL("reading would have to wait")
    return b"F%x;%b" % (done, escape(buffer.filled()[:done]))


def _pwrite(stub: Stub, rest: bytes) -> bytes:
    fd, offset, data = _parts(rest, 3)
    file = stub.files.get(words.number(fd))
    if not file.writable:
        raise EBADF("not open for writing")
    done = file.write(_caller(stub), KernelBuffer(unescape(data)), words.number(offset))
    if not isinstance(done, int):
        done.close()
        raise EINVAL("writing would have to wait")
    return b"F%x" % done


def _fstat(stub: Stub, rest: bytes) -> bytes:
    inode = stub.files.get(words.number(rest)).inode
    inode.refresh()
    return _show_stat(inode)


def _stat(stub: Stub, rest: bytes) -> bytes:
    return _show_stat(inode_at(_caller(stub), abi.AT_FDCWD, words.unhex(rest), FOLLOW))


def _show_stat(inode: Inode) -> bytes:
    nanoseconds = 1_000_000_000
    data = _STAT.pack(
        inode.sb.dev & 0xFFFFFFFF, inode.ino & 0xFFFFFFFF, inode.mode, inode.nlink, inode.uid,
        inode.gid, inode.rdev & 0xFFFFFFFF, inode.size, 4096, (inode.size + 511) // 512,
        *(time // nanoseconds & 0xFFFFFFFF for time in (inode.atime, inode.mtime, inode.ctime)),
    )  # fmt: skip
    return b"F%x;%b" % (len(data), escape(data))


def _readlink(stub: Stub, rest: bytes) -> bytes:
    inode = walk(_caller(stub), abi.AT_FDCWD, words.unhex(rest), 0).dentry.inode
    if inode.mode & abi.S_IFMT != abi.S_IFLNK:
        raise EINVAL("not a symbolic link")
    target = inode.readlink(_caller(stub))
    return b"F%x;%b" % (len(target), escape(target))


def _unlink(stub: Stub, rest: bytes) -> bytes:
    unlink_at(_caller(stub), abi.AT_FDCWD, words.unhex(rest))
    return b"F0"


def _parts(rest: bytes, count: int) -> list[bytes]:
    parts = rest.split(b",", count - 1)
    if len(parts) != count:
        raise words.Malformed(f"{count} parts expected")
    return parts


_OPERATIONS: Final[dict[bytes, Callable[[Stub, bytes], bytes]]] = {
    b"setfs": _set_fs,
    b"open": _open,
    b"close": _close,
    b"pread": _pread,
    b"pwrite": _pwrite,
    b"fstat": _fstat,
    b"stat": _stat,
    b"readlink": _readlink,
    b"unlink": _unlink,
}
