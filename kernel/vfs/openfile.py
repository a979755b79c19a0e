"""Open files: what a descriptor stands for.

An ``OpenFile`` is made by ``open`` and shared by every descriptor that dup(2) or fork(2) makes of
it.  File systems and devices subclass it.  The base class answers like a file that can do nothing:
each subclass overrides what it can.  Linux: ``struct file`` and ``struct file_operations``.

Who calls what: the system calls check that the file is open for reading or writing, make a
``Buffer``, and call ``read(caller, buffer, pos)``.  ``pos`` None means the file's own position,
which the method advances; a number leaves the position alone (pread).  ``read`` returns the number
of bytes, or a generator if it has to sleep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kernel.abi.errors import EBADF, EINVAL, ENOTDIR, ENOTTY, EOPNOTSUPP, EOVERFLOW, ESPIPE
from kernel.abi.files import (
    IN_CLOSE_NOWRITE,
    IN_CLOSE_WRITE,
    MAX_OFFSET,
    O_ACCMODE,
    O_APPEND,
    O_ASYNC,
    O_DIRECT,
    O_NOATIME,
    O_NOCTTY,
    O_NONBLOCK,
    O_PATH,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
    POLLIN,
    POLLOUT,
    POLLRDNORM,
    POLLWRNORM,
    SEEK_CUR,
    SEEK_END,
    SEEK_SET,
)
from kernel.vfs.dentry import display_path
from kernel.vfs.notify import notify_file, notify_gone
from kernel.wait import Blocking, WaitQueue

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.mm.pager import Pager
    from kernel.vfs.caller import Caller
    from kernel.vfs.dentry import Path
    from kernel.vfs.inode import DirEntry, Inode

SETTABLE_FLAGS = O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME | O_NONBLOCK
"""What F_SETFL may change; see fcntl(2)."""

ALWAYS_READY = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM


class Notice(Protocol):
    """Who is told when the file is ready, as long as O_ASYNC is set."""

    def cancel(self) -> None:
        """Stop telling."""


class Watch(Protocol):
    """An epoll file's interest in this one."""

    def forget(self) -> None:
        """The file was closed for good."""


class OpenFile:
    """An open file description.

    Invariants: ``refs`` is the number of descriptors (in all tables) and kernel users; at 0 the
    file is released, once.  ``flags`` keeps the access mode and the status flags of open(2);
    ``readable`` and ``writable`` are its access mode, ready for the hot path, both False for an
    O_PATH file (``is_path``).  ``queue`` is woken when ``poll`` may have a new answer; None: it is
    always ready.  ``watched_by``: the epoll interests in it, which end with it.
    """

    __slots__ = (
        "async_notice", "flags", "inode", "is_path", "owner", "owner_signal", "path", "pos",
        "queue", "readable", "refs", "watched_by", "writable",
    )  # fmt: skip

    maps_anonymous = False  # does mmap(2) of this file mean fresh zero memory (/dev/zero)?

    def __init__(self, inode: Inode, path: Path, flags: int) -> None:
        self.inode = inode
        self.path = path
        self.flags = flags & ~O_NOCTTY  # it concerns only the opening
        self.pos = 0
        self.refs = 0
        self.queue: WaitQueue | None = None
        self.is_path = bool(flags & O_PATH)
        mode = flags & O_ACCMODE
        self.readable = not self.is_path and mode in (O_RDONLY, O_RDWR)
        self.writable = not self.is_path and mode in (O_WRONLY, O_RDWR)
        self.owner: tuple[int, int] = (0, 0)  # F_SETOWN_EX: (type, id)
        self.owner_signal = 0  # F_SETSIG
        self.async_notice: Notice | None = None  # O_ASYNC; see async_io
        self.watched_by: dict[Watch, None] | None = None
        inode.opens += 1
        path.mount.opens += 1
        if self.writable:
            inode.writers += 1
            path.mount.writers += 1

    # -- data ------------------------------------------------------------------------------------

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int | Blocking[int]:
        """Read into ``buf``; 0 at the end.  See read(2)."""
        raise EINVAL("%s cannot be read", self.path)

    def write(self, caller: Caller, buf: Buffer, pos: int | None) -> int | Blocking[int]:
        """Write what is in ``buf``.  See write(2)."""
        raise EINVAL("%s cannot be written", self.path)

    def seek(self, caller: Caller, offset: int, whence: int) -> int:
        """Move the position; the base is a file that has none (a stream).  See lseek(2)."""
        raise ESPIPE("%s is a stream, which has no position", self.path)

    @property
    def seekable(self) -> bool:
        """Do pread and pwrite make sense?  Streams say no (ESPIPE)."""
        return False

    def poll(self, caller: Caller, events: int) -> int:
        """Which of ``events`` (and POLLERR, POLLHUP) hold now.

        If the answer may change, ``queue`` is woken when it does.  See poll(2).
        """
        return ALWAYS_READY & events

    def ioctl(self, caller: Caller, cmd: int, arg: int) -> int | Blocking[int]:
        """Device control; FIOCLEX, FIONBIO and the like are done by the caller.  See ioctl(2)."""
        raise ENOTTY("%s does not know request %#x", self.path, cmd)

    def listing(self, caller: Caller) -> list[DirEntry]:
        """All directory entries; ``pos`` is an index into this list.  See getdents(2)."""
        raise ENOTDIR("%s is %s, not a directory", self.path, self.inode.kind)

    def truncate(self, caller: Caller, size: int) -> None:
        """ftruncate(2)."""
        raise EINVAL("%s is %s, which has no size to set", self.path, self.inode.kind)

    def fallocate(self, caller: Caller, mode: int, offset: int, length: int) -> None:
        """fallocate(2)."""
        self.inode.fallocate(mode, offset, length)

    def fsync(self, caller: Caller, data_only: bool) -> None:
        """fsync(2); a stream has nothing to write back (EINVAL)."""
        raise EINVAL("%s has nothing to be written back", self.path)

    def pager(self) -> Pager | None:
        """Who supplies pages to mmap; None: ENODEV."""
        return None

    def bytes_readable(self, caller: Caller) -> int:
        """FIONREAD of a regular file; what has no size answers in ``ioctl``."""
        raise ENOTTY("%s has no size (FIONREAD)", self.path)

    def set_flags(self, caller: Caller, flags: int) -> None:
        """F_SETFL: ``flags`` has been limited to SETTABLE_FLAGS."""
        self.flags = (self.flags & ~SETTABLE_FLAGS) | flags

    # -- life ------------------------------------------------------------------------------------

    def flush(self, table: object) -> None:
        """A descriptor of ``table`` was closed (possibly not the last): drop its record locks."""
        locks = self.inode.locks
        if locks is not None:
            locks.drop_owner(table)

    def hold(self) -> None:
        """One more reference (``get_file``)."""
        self.refs += 1

    def drop(self) -> None:
        """One reference less (``fput``); the last one closes."""
        self.refs -= 1
        if self.refs == 0:
            self.close()

    def in_message(self, change: int) -> None:
        """One reference more (or less) is in a message between sockets; see unix(7), SCM_RIGHTS.

        Only sockets have to know: they alone can carry themselves (kernel.net.inflight).
        """

    def close(self) -> None:
        """The last reference is gone."""
        inode = self.inode
        if inode.sb.watched and not self.is_path:
            notify_file(self.path.dentry, IN_CLOSE_WRITE if self.writable else IN_CLOSE_NOWRITE)
        if self.writable:
            inode.writers -= 1
            self.path.mount.writers -= 1
        if inode.locks is not None:
            inode.locks.drop_file(self)
        if self.async_notice is not None:
            self.async_notice.cancel()
        if self.watched_by:
            for watch in list(self.watched_by):
                watch.forget()
        self.release()
        self.path.mount.opens -= 1
        inode.opens -= 1
        if not inode.opens and not inode.nlink:
            notify_gone(inode)
            inode.evict()

    def release(self) -> None:
        """What a subclass does at the last close."""

    def mapping_identity(self) -> tuple[bytes, int, int]:
        """(path, device, inode number) as /proc/PID/maps shows them."""
        return display_path(self.path), self.inode.sb.dev, self.inode.ino

    def info_lines(self) -> str:
        """What /proc/PID/fdinfo/N says of this kind of file, beyond position and flags."""
        return ""

    def describe(self) -> dict[str, object]:
        """Plain data for the inspector."""
        return {"pos": self.pos, "flags": oct(self.flags), "refs": self.refs}

    def __repr__(self) -> str:
        facts = f"flags={self.flags:#o} refs={self.refs}"
        return f"<{type(self).__name__} {display_path(self.path)!r} {facts}>"


class SeekableFile(OpenFile):
    """A file with a size and a position: regular files of every file system."""

    __slots__ = ()

    @property
    def seekable(self) -> bool:
        return True

    def seek(self, caller: Caller, offset: int, whence: int) -> int:
        """See lseek(2): EINVAL for a negative result or a bad whence, EOVERFLOW past 2^63."""
        if whence == SEEK_SET:
            new = offset
        elif whence == SEEK_CUR:
            new = self.pos + offset
        elif whence == SEEK_END:
            self.inode.refresh()
            new = self.inode.size + offset
        else:
            new = self.seek_data(offset, whence)
        if new > MAX_OFFSET:
            raise EOVERFLOW("the new position would be %d, past 2^63 - 1", new)
        if new < 0:
            raise EINVAL("the new position would be %d", new)
        self.pos = new
        return new

    def seek_data(self, offset: int, whence: int) -> int:
        """SEEK_DATA and SEEK_HOLE; the base has no holes but the one at the end."""
        raise EINVAL("whence is %s, which %s does not know", whence, self.path)

    def fsync(self, caller: Caller, data_only: bool) -> None:
        self.inode.fsync(data_only)

    def truncate(self, caller: Caller, size: int) -> None:
        self.inode.truncate(size)

    def pager(self) -> Pager | None:
        return self.inode.pager()

    def bytes_readable(self, caller: Caller) -> int:
        """What is left before the end; Linux does not limit it at 0."""
        self.inode.refresh()
        return self.inode.size - self.pos


class PathFile(OpenFile):
    """An O_PATH descriptor: a place, not a way to its contents.  See open(2), O_PATH."""

    __slots__ = ()

    def ioctl(self, caller: Caller, cmd: int, arg: int) -> int:
        raise EBADF("%s is open with O_PATH, only as a place", self.path)


class ShowFile(SeekableFile):
    """A read-only file whose text is made when it is first read (procfs, sysfs).

    A read at position 0 makes the text anew, so that ``lseek(fd, 0, SEEK_SET)`` shows the present
    state, as seq_file does.
    """

    __slots__ = ("_text",)

    def __init__(self, inode: Inode, path: Path, flags: int) -> None:
        super().__init__(inode, path, flags)
        self._text: bytes | None = None

    def show(self, caller: Caller) -> bytes:
        """The text; overridden."""
        raise EOPNOTSUPP("%s has no contents", self.path)

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int:
        at = self.pos if pos is None else pos
        if at == 0 or self._text is None:
            self._text = self.show(caller)
        data = self._text[at : at + buf.remaining]
        count = buf.put(data) if data else 0
        if pos is None:
            self.pos = at + count
        return count
