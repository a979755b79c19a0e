"""The caller's own stdin, stdout and stderr, as files of the guest.

A pipe, a file, a socket or a device that was inherited is shared with programs outside the
machine, so the rules are strict:

* never read more than the waiting guest read asked for, and nothing while no guest reads;
* a regular file keeps the one offset that the caller sees too;
* O_NONBLOCK is never set on what we inherited, since it belongs to everybody who shares it: a
  transfer says "do not wait" for itself alone (RWF_NOWAIT), or asks poll(2) first and then moves
  no more than cannot block (PIPE_BUF);
* a reader that went away is EPIPE and SIGPIPE for the guest, not for us.

Terminals are not here but in kernel.views.terminal.console.
"""

from __future__ import annotations

import fcntl
import os
import select
import stat
import struct
import termios
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EAGAIN, EINVAL, EPERM, ERESTARTSYS, ESPIPE, KernelError
from kernel.abi.files import (
    MAX_OFFSET,
    O_ACCMODE,
    O_APPEND,
    O_LARGEFILE,
    O_NONBLOCK,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
    POLLERR,
    POLLHUP,
    S_IFCHR,
    S_IFMT,
    S_IFREG,
    SEEK_CUR,
    SEEK_END,
    SEEK_SET,
    makedev,
)
from kernel.cred import RLIM_INFINITY, RLIMIT_FSIZE
from kernel.fs.hosterrors import from_host
from kernel.vfs.attributes import write_room
from kernel.vfs.dentry import Path
from kernel.vfs.inode import Inode, SuperBlock
from kernel.vfs.openfile import ALWAYS_READY, OpenFile
from kernel.wait import Blocking, HostPoller, Interrupted, Sleep, WaitQueue

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.vfs.caller import Caller

MOST: Final = 1 << 20
"""Bytes moved by one host call."""
IOV_MAX: Final = 1024
"""Slices the host takes at once; a guest's 1024 segments can be more, cut at page boundaries."""

PIPE_BUF: Final = 4096
_NOWAIT: Final[int] = getattr(os, "RWF_NOWAIT", 0)  # Linux only


class HostInode(Inode):
    """What is behind an inherited descriptor.  Its fields follow the host's at each look."""

    __slots__ = ("fd", "owner", "poller")

    def __init__(
        self, sb: SuperBlock, fd: int, poller: HostPoller, owner: tuple[int, int] = (0, 0)
    ) -> None:
        super().__init__(sb, os.fstat(fd).st_mode, *owner)
        self.fd = fd
        self.owner = owner
        self.poller = poller
        self.refresh()

    @property
    def regular(self) -> bool:
        """Is it a file with a size and an offset?"""
        return self.mode & S_IFMT == S_IFREG

    def refresh(self) -> None:
        """See fstat(2).  The caller's own files appear as the guest's start user's."""
        found = os.fstat(self.fd)
        self.mode, self.size, self.nlink = found.st_mode, found.st_size, found.st_nlink
        self.blocks = found.st_blocks
        self.rdev = makedev(os.major(found.st_rdev), os.minor(found.st_rdev))
        self.uid = self.owner[0] if found.st_uid == os.getuid() else found.st_uid
        self.gid = self.owner[1] if found.st_gid == os.getgid() else found.st_gid
        self.atime, self.mtime, self.ctime = (
            found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns,
        )  # fmt: skip

    def open(self, caller: Caller, path: Path, flags: int) -> OpenFile:
        """/dev/stdin and /proc/self/fd/0: another file on the same host descriptor.

        Differs from Linux: a regular file opened again this way shares the offset.
        """
        mode = host_flags(self.fd) & O_ACCMODE
        if mode not in (O_RDWR, flags & O_ACCMODE):
            raise EPERM("the host's descriptor %d is not open for that", self.fd)
        return HostStream(self, path, flags)

    def set_mode(self, mode: int) -> None:
        """fchmod(2) on the host's file."""
        try:
            os.fchmod(self.fd, mode)
        except OSError as error:
            raise from_host(error) from None

    def set_owner(self, uid: int, gid: int, mode: int) -> None:
        """Never faked: EPERM unless nothing changes."""
        self.refresh()
        if (uid, gid) != (self.uid, self.gid):
            raise EPERM("what the host gave keeps its owner")

    def set_times(self, atime: int | None, mtime: int | None) -> None:
        """utimensat(2) on the host's file."""
        self.refresh()
        times = (self.atime if atime is None else atime, self.mtime if mtime is None else mtime)
        try:
            os.utime(self.fd, ns=times)
        except OSError as error:
            raise from_host(error) from None

    def truncate(self, size: int) -> None:
        """ftruncate(2)."""
        try:
            os.ftruncate(self.fd, size)
        except OSError as error:
            raise from_host(error) from None

    def fsync(self, data_only: bool) -> None:
        """fsync(2), fdatasync(2)."""
        try:
            os.fsync(self.fd)
        except OSError as error:
            raise from_host(error) from None


def host_flags(fd: int) -> int:
    """The access mode and O_APPEND of a host descriptor, in Linux's numbers."""
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    mode = {os.O_RDONLY: O_RDONLY, os.O_WRONLY: O_WRONLY}.get(flags & os.O_ACCMODE, O_RDWR)
    large = 0 if stat.S_ISFIFO(os.fstat(fd).st_mode) else O_LARGEFILE  # as open(2) would set it
    return mode | large | (O_APPEND if flags & os.O_APPEND else 0)


class HostStream(OpenFile):
    """An open file on an inherited descriptor.

    ``always``: it never blocks (regular files, /dev/null and the like).  ``nowait``: the host can
    refuse to wait for one transfer.  The descriptor itself belongs to the machine, which outlives
    the guest: a guest's close leaves it alone.
    """

    __slots__ = ("always", "fd", "host_append", "node", "nowait")

    def __init__(self, inode: HostInode, path: Path, flags: int) -> None:
        super().__init__(inode, path, flags)
        self.node = inode
        self.fd = inode.fd
        self.host_append = bool(host_flags(inode.fd) & O_APPEND)
        kind = inode.mode & S_IFMT
        self.always = kind == S_IFREG or (kind == S_IFCHR and not os.isatty(inode.fd))
        self.nowait = bool(_NOWAIT)
        if not self.always:
            self.queue = WaitQueue(f"host descriptor {inode.fd}")

    # -- reading -----------------------------------------------------------------------------------

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int | Blocking[int]:
        """See read(2), pread(2); never more than ``buf`` has room for."""
        if not buf.remaining:
            return 0
        if pos is not None:
            return self._at(buf, pos, writing=False)
        count = self._read_now(buf)
        if self.queue is not None and self.queue.waiters:
            self._watch(select.POLLIN)
        if count is not None:
            return count
        if self.flags & O_NONBLOCK:
            raise EAGAIN("the host has nothing to read")
        return self._read_later(buf)

    def _read_now(self, buf: Buffer) -> int | None:
        """One transfer that does not wait; None if it would have to."""
        views = buf.put_views(MOST)[:IOV_MAX]
        try:
            if self.always:
                count = os.readv(self.fd, views)
            elif self.nowait:
                count = os.preadv(self.fd, views, -1, _NOWAIT)
            elif self._ready(select.POLLIN):
                count = os.readv(self.fd, views)
            else:
                return None
        except BlockingIOError:
            return None
        except OSError as error:
            if self._without_nowait(error):
                return self._read_now(buf)
            raise from_host(error) from None
        buf.advance(count)
        return count

    def _read_later(self, buf: Buffer) -> Blocking[int]:
        while True:
            yield from self._sleep(select.POLLIN)
            count = self._read_now(buf)
            if count is not None:
                return count

    def _sleep(self, events: int) -> Blocking[None]:
        """Wait for the host descriptor; ERESTARTSYS if a signal comes first."""
        assert self.queue is not None
        self.node.poller.watch(self.fd, events, self.queue)
        try:
            yield Sleep((self.queue,))
        except Interrupted:
            raise ERESTARTSYS("a signal came while the host was waited for") from None

    def _watch(self, events: int) -> None:
        """Somebody watches (epoll, O_ASYNC): after a transfer the next readiness is news again."""
        assert self.queue is not None
        self.node.poller.watch(self.fd, events, self.queue)

    def _ready(self, events: int) -> bool:
        return bool(self._host_poll(events))

    def _host_poll(self, events: int) -> int:
        asked = select.poll()
        asked.register(self.fd, events)
        for _, found in asked.poll(0):
            return found
        return 0

    def _without_nowait(self, error: OSError) -> bool:
        """Did the host refuse RWF_NOWAIT itself (an old kernel, another file type)?"""
        if self.nowait and from_host(error).name in ("EOPNOTSUPP", "EINVAL", "ENOSYS", "ESPIPE"):
            self.nowait = False
            return True
        return False

    # -- writing -----------------------------------------------------------------------------------

    def write(self, caller: Caller, buf: Buffer, pos: int | None) -> int | Blocking[int]:
        """See write(2), pwrite(2), pipe(7): PIPE_BUF."""
        if not buf.remaining:
            return 0
        if pos is not None:
            return self._at(buf, pos, writing=True)
        start = buf.done
        if self.node.regular and caller.limits.soft(RLIMIT_FSIZE) != RLIM_INFINITY:
            return self._write_limited(caller, buf)
        try:
            while buf.remaining:
                count = self._write_now(buf)
                if count is None:
                    break
                if not count:  # a bad address after some good bytes
                    return buf.done - start
            else:
                return buf.done - start
        except KernelError:
            if buf.done > start:  # the next write will meet it again
                return buf.done - start
            raise
        if self.flags & O_NONBLOCK:
            if self.queue is not None and self.queue.waiters:
                self._watch(select.POLLOUT)
            if buf.done > start:
                return buf.done - start
            raise EAGAIN("the host takes no more")
        return self._write_later(buf, start)

    def _write_limited(self, caller: Caller, buf: Buffer) -> int:
        """Up to the file size limit; beyond it EFBIG and SIGXFSZ."""
        start = buf.done
        whence = os.SEEK_END if self.flags & O_APPEND else os.SEEK_CUR
        room = write_room(caller, os.lseek(self.fd, 0, whence), buf.remaining)
        while room and (count := self._write_now(buf, min(room, MOST))):
            room -= count
        return buf.done - start

    def _write_now(self, buf: Buffer, most: int = MOST) -> int | None:
        """One transfer that does not wait; None if it would have to."""
        views = buf.take_views(most if self.always or self.nowait else PIPE_BUF)[:IOV_MAX]
        try:
            if self.always:
                if self.flags & O_APPEND and not self.host_append and self.node.regular:
                    os.lseek(self.fd, 0, os.SEEK_END)
                count = os.writev(self.fd, views)
            elif self.nowait:
                count = os.pwritev(self.fd, views, -1, _NOWAIT)
            elif self._ready(select.POLLOUT):
                count = os.writev(self.fd, views)
            else:
                return None
        except BlockingIOError:
            return None
        except OSError as error:
            if self._without_nowait(error):
                return self._write_now(buf)
            raise from_host(error) from None
        buf.advance(count)
        return count

    def _write_later(self, buf: Buffer, start: int) -> Blocking[int]:
        count: int | None = None
        while buf.remaining and count != 0:
            try:
                if count is None:
                    yield from self._sleep(select.POLLOUT)
                count = self._write_now(buf)
            except KernelError:
                if buf.done > start:
                    break
                raise
        return buf.done - start

    def _at(self, buf: Buffer, pos: int, *, writing: bool) -> int:
        """pread and pwrite: only what has an offset can."""
        if not self.node.regular:
            raise ESPIPE("%s is a stream, which has no position", self.path)
        views = (buf.take_views(MOST) if writing else buf.put_views(MOST))[:IOV_MAX]
        try:
            count = os.pwritev(self.fd, views, pos) if writing else os.preadv(self.fd, views, pos)
        except OSError as error:
            raise from_host(error) from None
        buf.advance(count)
        return count

    # -- the rest ----------------------------------------------------------------------------------

    def poll(self, caller: Caller, events: int) -> int:
        """See poll(2).  Looks at the host and arms a watch for what is not there yet."""
        if self.always:
            return ALWAYS_READY & events
        found = self._host_poll(events) & (events | POLLERR | POLLHUP)
        if not found and self.queue is not None:
            self.node.poller.watch(self.fd, events, self.queue)
        return found

    @property
    def seekable(self) -> bool:
        """Regular files only."""
        return self.node.regular

    def seek(self, caller: Caller, offset: int, whence: int) -> int:
        """See lseek(2); it moves the offset that the caller shares."""
        if not self.node.regular:
            raise ESPIPE("%s is a stream, which has no position", self.path)
        if whence not in (SEEK_SET, SEEK_CUR, SEEK_END) or abs(offset) > MAX_OFFSET:
            raise EINVAL("whence %s, offset %s", whence, offset)
        try:
            self.pos = os.lseek(self.fd, offset, whence)
        except OSError as error:
            raise from_host(error) from None
        return self.pos

    def truncate(self, caller: Caller, size: int) -> None:
        """ftruncate(2)."""
        if not self.node.regular:
            raise EINVAL("%s is a stream, which has no size to set", self.path)
        self.node.truncate(size)

    def fsync(self, caller: Caller, data_only: bool) -> None:
        """fsync(2); EINVAL for a stream."""
        if not self.node.regular:
            raise EINVAL("%s is a stream, with nothing to write back", self.path)
        self.node.fsync(data_only)

    def bytes_readable(self, caller: Caller) -> int:
        """FIONREAD, asked of the host."""
        if self.node.regular:
            self.node.refresh()
            return self.node.size - os.lseek(self.fd, 0, os.SEEK_CUR)
        try:
            answer = fcntl.ioctl(self.fd, termios.FIONREAD, b"\0\0\0\0")
        except OSError as error:
            raise from_host(error) from None
        return int(struct.unpack("i", answer)[0])

    def describe(self) -> dict[str, object]:
        """Plain data for the inspector; the position is the host's."""
        if self.node.regular:
            self.pos = os.lseek(self.fd, 0, os.SEEK_CUR)
        return {**super().describe(), "host descriptor": self.fd}
