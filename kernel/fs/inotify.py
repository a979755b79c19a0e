"""inotify(7): a queue of what happened to files.

What a host does to a shared directory by itself is not seen, only what guests do.
Linux: ``fs/notify/inotify/``.
"""

from __future__ import annotations

from collections import deque
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi.errors import EAGAIN, EEXIST, EINVAL, ENOTTY
from kernel.abi.files import (
    FIONREAD,
    IN_EXCL_UNLINK,
    IN_IGNORED,
    IN_ISDIR,
    IN_MASK_ADD,
    IN_MASK_CREATE,
    IN_ONESHOT,
    IN_Q_OVERFLOW,
    IN_UNMOUNT,
    O_NONBLOCK,
    O_RDONLY,
    POLLIN,
    POLLRDNORM,
    S_IFDIR,
    S_IFMT,
)
from kernel.vfs.anonymous import AnonymousFile, hidden_mount, hidden_path
from kernel.vfs.inode import Inode
from kernel.vfs.openfile import OpenFile
from kernel.wait import Blocking, Sleep, WaitQueue

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer
    from kernel.vfs.caller import Caller
    from kernel.vfs.dentry import Path

MAX_QUEUED: Final = 16384
"""/proc/sys/fs/inotify/max_queued_events."""

ALL_EVENTS: Final = 0xFFF
_HEAD: Final = Struct("<iIII")  # wd, mask, cookie, len
_KEPT: Final = ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK
_NO_WATCH: Final = -1


class Event(NamedTuple):
    """struct inotify_event."""

    wd: int
    mask: int
    cookie: int
    name: bytes

    def pack(self) -> bytes:
        """As read(2) gives it: the name with its NUL, padded to whole structures."""
        length = (len(self.name) + _HEAD.size) // _HEAD.size * _HEAD.size if self.name else 0
        head = _HEAD.pack(self.wd, self.mask, self.cookie, length)
        return head + self.name.ljust(length, b"\0")


class WatchMark:
    """The watch of one inotify file on one inode; a ``kernel.vfs.notify.Mark``.

    Invariant: while it is in ``file.marks`` it is in ``inode.sb.watched[inode]``, too.
    """

    __slots__ = ("file", "inode", "mask", "wd")

    def __init__(self, file: InotifyFile, inode: Inode, wd: int, mask: int) -> None:
        self.file = file
        self.inode = inode
        self.wd = wd
        self.mask = mask
        inode.sb.watched.setdefault(inode, []).append(self)

    def tell(self, event: int, name: bytes = b"", cookie: int = 0, gone: bool = False) -> None:
        """Queue it if it is asked for."""
        if not event & self.mask & ALL_EVENTS or (gone and self.mask & IN_EXCL_UNLINK):
            return
        self.file.queue_event(Event(self.wd, event, cookie, name))
        if self.mask & IN_ONESHOT:
            self.drop()

    def unmounted(self) -> None:
        """Everybody is told, asked or not."""
        directory = IN_ISDIR if self.inode.mode & S_IFMT == S_IFDIR else 0
        self.file.queue_event(Event(self.wd, IN_UNMOUNT | directory, 0, b""))
        self.drop()

    def leave(self) -> None:
        """Watch no longer."""
        watched = self.inode.sb.watched
        marks = watched[self.inode]
        marks.remove(self)
        if not marks:
            del watched[self.inode]

    def drop(self) -> None:
        """The watch ends: IN_IGNORED is its last event."""
        if self.file.marks.pop(self.wd, None) is not None:
            self.leave()
            self.file.queue_event(Event(self.wd, IN_IGNORED, 0, b""))

    def __repr__(self) -> str:
        return f"<WatchMark {self.wd} mask={self.mask:#x}>"


class InotifyFile(AnonymousFile):
    """``marks``: the watches by number; ``events``: what was not read yet."""

    __slots__ = ("events", "last_wd", "marks")

    queue: WaitQueue

    def __init__(self, inode: Inode, path: Path, flags: int) -> None:
        super().__init__(inode, path, flags)
        self.queue = WaitQueue("inotify")
        self.events: deque[Event] = deque()
        self.marks: dict[int, WatchMark] = {}
        self.last_wd = 0

    # -- watches ---------------------------------------------------------------------------------

    def watch(self, inode: Inode, mask: int) -> int:
        """inotify_add_watch(2): a file has one watch per inotify file; a second call changes it."""
        for mark in inode.sb.watched.get(inode, ()):
            if isinstance(mark, WatchMark) and mark.file is self:
                if mask & IN_MASK_CREATE:
                    raise EEXIST("the file is watched already (IN_MASK_CREATE)")
                kept = mark.mask if mask & IN_MASK_ADD else 0
                mark.mask = kept | mask & _KEPT
                return mark.wd
        self.last_wd += 1
        self.marks[self.last_wd] = WatchMark(self, inode, self.last_wd, mask & _KEPT)
        return self.last_wd

    def unwatch(self, wd: int) -> None:
        """inotify_rm_watch(2)."""
        mark = self.marks.get(wd)
        if mark is None:
            raise EINVAL("there is no watch %d", wd)
        mark.drop()

    # -- events ----------------------------------------------------------------------------------

    def queue_event(self, event: Event) -> None:
        """Add one; the same as the last is not added twice, and too many are lost."""
        events = self.events
        if len(events) >= MAX_QUEUED:
            event = Event(_NO_WATCH, IN_Q_OVERFLOW, 0, b"")
        if events and events[-1] == event:
            return
        events.append(event)
        self.queue.wake(1, POLLIN | POLLRDNORM)

    def read(self, caller: Caller, buf: Buffer, pos: int | None) -> int | Blocking[int]:
        if self.events:
            return self._take(buf)
        if self.flags & O_NONBLOCK:
            raise EAGAIN("nothing has happened to what is watched")
        return self._take_later(buf)

    def _take_later(self, buf: Buffer) -> Blocking[int]:
        while not self.events:
            yield Sleep((self.queue,))
        return self._take(buf)

    def _take(self, buf: Buffer) -> int:
        """As many whole events as fit; EINVAL if not even one does."""
        done = 0
        while self.events:
            data = self.events[0].pack()
            if len(data) > buf.remaining:
                break
            done += buf.put(data)
            self.events.popleft()
        if not done:
            raise EINVAL("the next event does not fit into the buffer")
        return done

    def poll(self, caller: Caller, events: int) -> int:
        return events & (POLLIN | POLLRDNORM) if self.events else 0

    def ioctl(self, caller: Caller, cmd: int, arg: int) -> int:
        """FIONREAD: how many bytes can be read."""
        if cmd != FIONREAD:
            raise ENOTTY("%s does not know request %#x", self.path, cmd)
        caller.mem.write_u32(arg, sum(len(event.pack()) for event in self.events))
        return 0

    def release(self) -> None:
        for mark in self.marks.values():
            mark.leave()
        self.marks.clear()

    def info_lines(self) -> str:
        return "".join(
            f"inotify wd:{wd:x} ino:{mark.inode.ino:x} sdev:{mark.inode.sb.dev:x}"
            f" mask:{mark.mask:x} ignored_mask:0\n"
            for wd, mark in self.marks.items()
        )

    def describe(self) -> dict[str, object]:
        return super().describe() | {
            "inotify": [
                {"wd": wd, "ino": mark.inode.ino, "sdev": mark.inode.sb.dev,
                 "mask": mark.mask & ~IN_ISDIR}
                for wd, mark in self.marks.items()
            ]
        }  # fmt: skip


def make_inotify(caller: Caller, nonblock: bool) -> OpenFile:
    """See inotify_init(2)."""
    mount = hidden_mount(caller, b"anon_inodefs")
    inode = Inode(mount.sb, 0o600, caller.cred.fsuid, caller.cred.fsgid)
    path = hidden_path(mount, b"anon_inode:inotify", inode)
    return InotifyFile(inode, path, O_RDONLY | (O_NONBLOCK if nonblock else 0))


def as_inotify(file: OpenFile) -> InotifyFile:
    """EINVAL unless it is an inotify file."""
    if not isinstance(file, InotifyFile):
        raise EINVAL("%s is not an inotify descriptor", file.path)
    return file
