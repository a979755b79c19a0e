"""epoll(7): waiting for many descriptors at a cost that does not grow with the idle ones.

poll(2) asks every file each time.  An epoll file instead leaves a ``Watcher`` on the wait queue of
every file it is interested in.  A wake-up puts the interest on the list of those that *may* be
ready; epoll_wait(2) asks only the files on this list.  What is level-triggered goes back to its end
after it was reported, so it is asked again next time and falls off when it is not ready any more.

An epoll file can itself be watched; a chain of them must not become long or a ring.

Linux: ``fs/eventpoll.c``; names there: ``struct eventpoll``, ``struct epitem``, ``rdllist``.
"""

from __future__ import annotations

from collections import deque
from struct import Struct
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EEXIST, EFAULT, EINVAL, ELOOP, ENOENT, EPERM
from kernel.abi.files import (
    EPOLLERR,
    EPOLLET,
    EPOLLEXCLUSIVE,
    EPOLLHUP,
    EPOLLIN,
    EPOLLONESHOT,
    EPOLLOUT,
    EPOLLWAKEUP,
    O_RDWR,
    POLLIN,
    POLLRDNORM,
)
from kernel.vfs.anonymous import AnonymousFile, hidden_mount, hidden_path
from kernel.vfs.inode import Inode
from kernel.vfs.openfile import OpenFile
from kernel.wait import WaitQueue, Watcher

if TYPE_CHECKING:
    from kernel.mm.usercopy import UserMemory
    from kernel.vfs.caller import Caller
    from kernel.vfs.dentry import Path

PACKED_EVENT: Final = Struct("<IQ")
ALIGNED_EVENT: Final = Struct("<I4xQ")
"""``struct epoll_event``: events, data.  Packed on x86_64 only."""

MAX_NESTS: Final = 4
"""The most epoll files one above the other."""

_HOW: Final = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE
"""Bits that say how to report, not what."""
_EXCLUSIVE_OK: Final = (
    EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE
)
_ALWAYS: Final = EPOLLERR | EPOLLHUP
_READABLE: Final = POLLIN | POLLRDNORM


class Interest:
    """One descriptor an epoll file watches.

    Invariants: while ``watcher`` is not None it is on the file's queue, and the interest is in the
    epoll file's ``interests`` and in the file's ``watched_by``.  ``listed``: it is in ``ready``.
    Linux: ``struct epitem``.
    """

    __slots__ = ("data", "epoll", "events", "fd", "file", "listed", "watcher")

    def __init__(self, epoll: EpollFile, fd: int, file: OpenFile, events: int, data: int) -> None:
        self.epoll = epoll
        self.fd = fd
        self.file = file
        self.events = events
        self.data = data
        self.listed = False
        assert file.queue is not None
        exclusive = bool(events & EPOLLEXCLUSIVE)
        self.watcher: Watcher | None = Watcher(file.queue, self.notice, exclusive)

    def notice(self, events: int) -> bool:
        """The file's queue was woken: it may be ready.  Called from the middle of anything."""
        wanted = self.events
        if not wanted & ~_HOW or (events and not events & wanted):
            return False  # used up (one-shot), or not what is waited for
        if not self.listed:
            self.listed = True
            self.epoll.ready.append(self)
        return self.epoll.tell() or not wanted & EPOLLEXCLUSIVE

    def poll(self, caller: Caller) -> int:
        """Which of the wanted events hold now."""
        wanted = self.events & ~_HOW
        return self.file.poll(caller, wanted) & wanted if wanted else 0

    def forget(self) -> None:
        """Stop watching: EPOLL_CTL_DEL, or one of the two files was closed for good."""
        if self.watcher is None:
            return
        self.watcher.remove()
        self.watcher = None
        del self.epoll.interests[self.fd, self.file]
        watched_by = self.file.watched_by
        if watched_by is not None:
            watched_by.pop(self, None)

    def __repr__(self) -> str:
        return f"<Interest in fd {self.fd} events={self.events:#x}>"


class EpollFile(AnonymousFile):
    """The list of interests, and of those that may be ready.

    ``sleepers`` are the calls of epoll_wait, woken one at a time; ``queue`` is for who polls or
    watches this file itself.
    """

    __slots__ = ("interests", "ready", "sleepers")

    queue: WaitQueue

    def __init__(self, inode: Inode, path: Path, flags: int) -> None:
        super().__init__(inode, path, flags)
        self.interests: dict[tuple[int, OpenFile], Interest] = {}
        self.ready: deque[Interest] = deque()
        self.queue = WaitQueue("epoll")
        self.sleepers = WaitQueue("epoll_wait")

    # -- the list of interests -------------------------------------------------------------------

    def add(self, caller: Caller, fd: int, file: OpenFile, events: int, data: int) -> None:
        """EPOLL_CTL_ADD.  See epoll_ctl(2), ERRORS."""
        if isinstance(file, EpollFile):
            check_nesting(self, file)
        if (fd, file) in self.interests:
            raise EEXIST("descriptor %d (%s) is watched already", fd, file.path)
        interest = Interest(self, fd, file, events | _ALWAYS, data)
        self.interests[fd, file] = interest
        if file.watched_by is None:
            file.watched_by = {}
        file.watched_by[interest] = None
        self._list_if_ready(caller, interest)

    def modify(self, caller: Caller, fd: int, file: OpenFile, events: int, data: int) -> None:
        """EPOLL_CTL_MOD; also arms a one-shot interest again."""
        interest = self._find(fd, file)
        if interest.events & EPOLLEXCLUSIVE:
            raise EINVAL("an exclusive interest cannot be changed")
        interest.events = events | _ALWAYS
        interest.data = data
        self._list_if_ready(caller, interest)

    def remove(self, fd: int, file: OpenFile) -> None:
        """EPOLL_CTL_DEL."""
        self._find(fd, file).forget()

    def _find(self, fd: int, file: OpenFile) -> Interest:
        interest = self.interests.get((fd, file))
        if interest is None:
            raise ENOENT("descriptor %d (%s) is not watched", fd, file.path)
        return interest

    def _list_if_ready(self, caller: Caller, interest: Interest) -> None:
        if interest.poll(caller) and not interest.listed:
            interest.listed = True
            self.ready.append(interest)
            self.tell()

    # -- what is ready ---------------------------------------------------------------------------

    def tell(self) -> bool:
        """Something may be ready; was an epoll_wait asleep?"""
        if self.queue.waiters:
            self.queue.wake(events=_READABLE)
        if not self.sleepers.waiters:
            return False
        self.sleepers.wake()
        return True

    def collect(
        self, caller: Caller, mem: UserMemory, address: int, most: int, layout: Struct
    ) -> int:
        """Store up to ``most`` ready events at ``address``; how many.

        EFAULT only if it comes with the first; what could not be stored stays ready.
        """
        ready = self.ready
        found = 0
        for _ in range(len(ready)):
            interest = ready.popleft()
            interest.listed = False
            if interest.watcher is None:
                continue
            events = interest.poll(caller)
            if not events:
                continue
            try:
                mem.pack(layout, address + found * layout.size, events, interest.data)
            except EFAULT:
                interest.listed = True
                ready.appendleft(interest)
                if found:
                    break
                raise
            found += 1
            self._reported(interest)
            if found == most:
                break
        return found

    def _reported(self, interest: Interest) -> None:
        if interest.events & EPOLLONESHOT:
            interest.events &= _HOW
        elif not interest.events & EPOLLET:
            interest.listed = True
            self.ready.append(interest)

    def poll(self, caller: Caller, events: int) -> int:
        """Readable while an event can be had; see epoll(7)."""
        ready = self.ready
        while ready:
            interest = ready[0]
            if interest.watcher is not None and interest.poll(caller):
                return events & _READABLE
            ready.popleft()
            interest.listed = False
        return 0

    # -- life ------------------------------------------------------------------------------------

    def release(self) -> None:
        for interest in list(self.interests.values()):
            interest.forget()
        self.ready.clear()

    def info_lines(self) -> str:
        return "".join(
            f"tfd: {interest.fd:8d} events: {interest.events:8x} data: {interest.data:16x}"
            f"  pos:{interest.file.pos} ino:{interest.file.inode.ino:x}"
            f" sdev:{interest.file.inode.sb.dev:x}\n"
            for interest in self.interests.values()
        )

    def describe(self) -> dict[str, object]:
        """The interests, as /proc/PID/fdinfo names them."""
        return super().describe() | {
            "tfd": [
                {"tfd": interest.fd, "events": interest.events, "data": interest.data,
                 "ino": interest.file.inode.ino}
                for interest in self.interests.values()
            ]
        }  # fmt: skip

    def check_invariants(self) -> None:
        """For tests."""
        for (fd, file), interest in self.interests.items():
            assert (interest.fd, interest.file) == (fd, file)
            assert interest.watcher is not None
            assert file.queue is not None
            assert interest.watcher in file.queue.waiters
            assert file.watched_by is not None
            assert interest in file.watched_by
        listed = [interest for interest in self.ready if interest.listed]
        assert len(listed) == len(self.ready), "an unlisted interest is on the list"
        assert len(dict.fromkeys(listed)) == len(listed), "listed twice"


def _depth_below(into: EpollFile, file: EpollFile, known: dict[EpollFile, int]) -> int:
    """How many epoll files ``file`` stands on; more than allowed if one of them is ``into``.

    ``known``: the answers so far.  Each file is asked once, however many ways lead to it: a few
    layers of a hundred that all watch each other have a million.
    """
    deepest = 0
    for interest in file.interests.values():
        inner = interest.file
        if not isinstance(inner, EpollFile):
            continue
        if inner is into:
            return MAX_NESTS + 1
        if inner not in known:
            known[inner] = _depth_below(into, inner, known)
        deepest = max(deepest, known[inner] + 1)
    return deepest


def _height_above(file: EpollFile, known: dict[EpollFile, int]) -> int:
    """How many epoll files stand on ``file``; ``known`` as below."""
    highest = 0
    for interest in file.watched_by or ():
        if isinstance(interest, Interest):
            if interest.epoll not in known:
                known[interest.epoll] = _height_above(interest.epoll, known)
            highest = max(highest, known[interest.epoll] + 1)
    return highest


def check_nesting(epoll: EpollFile, file: EpollFile) -> None:
    """ELOOP if watching ``file`` would make a ring or a chain of more than five."""
    if _depth_below(epoll, file, {}) + 1 + _height_above(epoll, {}) > MAX_NESTS:
        raise ELOOP("epoll files watch each other in a ring, or more than %d in a row", MAX_NESTS)


def as_epoll(file: OpenFile) -> EpollFile:
    """EINVAL unless it is an epoll file."""
    if not isinstance(file, EpollFile):
        raise EINVAL("%s is not an epoll descriptor", file.path)
    return file


def check_target(file: OpenFile) -> None:
    """EPERM for a file that is always ready: regular files, directories, /dev/null."""
    if file.queue is None:
        raise EPERM("%s is always ready, so epoll does not watch it", file.path)


def check_exclusive(file: OpenFile, events: int, adding: bool) -> None:
    """EINVAL where EPOLLEXCLUSIVE does not go with the rest; see epoll_ctl(2)."""
    if events & EPOLLEXCLUSIVE:
        if not adding or isinstance(file, EpollFile) or events & ~_EXCLUSIVE_OK:
            raise EINVAL("EPOLLEXCLUSIVE with other flags, an epoll file, or EPOLL_CTL_MOD")


def make_epoll(caller: Caller) -> OpenFile:
    """See epoll_create(2)."""
    mount = hidden_mount(caller, b"anon_inodefs")
    inode = Inode(mount.sb, 0o600, caller.cred.fsuid, caller.cred.fsgid)
    return EpollFile(inode, hidden_path(mount, b"anon_inode:[eventpoll]", inode), O_RDWR)
