"""POSIX message queues: mq_open(3) and its family, and the file system that shows them.

A queue is a file of the machine's one mqueue file system, which programs usually see at
/dev/mqueue: names can be listed and removed there, and reading a queue's file tells its state.
Messages are taken by priority, equal ones in the order they came.  See mq_overview(7).

Linux: ``ipc/mqueue.c``.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi.clocks import SIGEV_NONE, SIGEV_SIGNAL
from kernel.abi.errors import (
    EAGAIN,
    EBUSY,
    EINVAL,
    EMFILE,
    ENOSPC,
    ETIMEDOUT,
)
from kernel.abi.files import (
    O_NONBLOCK,
    POLLIN,
    POLLOUT,
    POLLRDNORM,
    POLLWRNORM,
    S_IFDIR,
    S_ISVTX,
)
from kernel.abi.ipc import MQUEUE_MAGIC
from kernel.abi.signals import SI_MESGQ
from kernel.cred import CAP_SYS_RESOURCE, RLIMIT_MSGQUEUE
from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_group
from kernel.vfs.directory import DirectoryFile
from kernel.vfs.inode import DirEntry, Inode, SuperBlock
from kernel.vfs.mount import same_instance
from kernel.vfs.openfile import OpenFile, ShowFile
from kernel.wait import Blocking, Sleep, WaitQueue

if TYPE_CHECKING:
    from kernel.task.system import System
    from kernel.task.task import Task
    from kernel.task.thread_group import ThreadGroup
    from kernel.vfs.caller import Caller
    from kernel.vfs.dentry import Path
    from kernel.vfs.mount import MountTable

# /proc/sys/fs/mqueue
QUEUES_MAX: Final = 256
MSG_MAX: Final = 10
MSGSIZE_MAX: Final = 8192
HARD_MSG_MAX: Final = 65536
HARD_MSGSIZE_MAX: Final = 16 << 20

_OVERHEAD: Final = 48
"""What RLIMIT_MSGQUEUE charges for each message beside its text."""
_NODE: Final = 48
_NODES: Final = 32768
_READABLE: Final = POLLIN | POLLRDNORM
_WRITABLE: Final = POLLOUT | POLLWRNORM


class Notice(NamedTuple):
    """mq_notify(3): whom to tell of a message in an empty queue, and how."""

    group: ThreadGroup
    notify: int
    signo: int
    value: int


class MqueueSuperBlock(SuperBlock):
    """The file system; ``bytes_used`` is what each real user's queues may take."""

    __slots__ = ("bytes_used", "queues")

    volatile = True  # mq_unlink(3) changes names that a mount shows

    def __init__(self, kernel: System, dev: int) -> None:
        super().__init__(b"mqueue", dev, kernel.clock.realtime, MQUEUE_MAGIC)
        self.bytes_used: dict[int, int] = {}
        self.queues = 0
        self.root: MqueueRoot = MqueueRoot(self, S_IFDIR | S_ISVTX | 0o777)


class MqueueInode(Inode):
    """One queue.

    Invariants: ``messages`` is a heap of (-priority, number, text) of at most ``most`` entries,
    none longer than ``longest``.  ``receivers`` counts the calls that sleep until a message comes.
    """

    __slots__ = ("charged", "longest", "messages", "most", "notice", "number", "owner", "queue",
                 "receivers", "total")  # fmt: skip

    sb: MqueueSuperBlock

    def __init__(
        self, sb: MqueueSuperBlock, mode: int, owner: tuple[int, int], most: int, longest: int
    ) -> None:
        super().__init__(sb, mode, *owner)
        self.most = most
        self.longest = longest
        self.messages: list[tuple[int, int, bytes]] = []
        self.number = 0
        self.total = 0
        self.receivers = 0
        self.notice: Notice | None = None
        self.queue = WaitQueue("message queue")
        self.owner = owner[0]
        self.charged = most * (longest + _OVERHEAD) + min(most, _NODES) * _NODE
        sb.queues += 1
        sb.bytes_used[self.owner] = sb.bytes_used.get(self.owner, 0) + self.charged
        self.size = 80

    def open(self, caller: Caller, path: Path, flags: int) -> OpenFile:
        return MqueueFile(self, path, flags)

    def evict(self) -> None:
        self.sb.queues -= 1
        self.sb.bytes_used[self.owner] -= self.charged

    def put(self, task: Task, text: bytes, priority: int) -> None:
        """Add a message; there is room."""
        was_empty = not self.messages
        self.number += 1
        heapq.heappush(self.messages, (-priority, self.number, text))
        self.total += len(text)
        self.mtime = self.ctime = self.sb.now()
        if was_empty and not self.receivers:
            self._tell(task)
        self.queue.wake(1, _READABLE)

    def take(self) -> tuple[bytes, int]:
        """The oldest of the most urgent messages, and its priority; there is one."""
        priority, _, text = heapq.heappop(self.messages)
        self.total -= len(text)
        self.queue.wake(1, _WRITABLE)
        return text, -priority

    def _tell(self, task: Task) -> None:
        """A registration is for one message."""
        notice, self.notice = self.notice, None
        if notice is None or notice.notify != SIGEV_SIGNAL or notice.group.zombie:
            return
        if notice.signo:  # 0 is allowed, and sends nothing
            sender, user = task.tgid, task.cred.ruid
            info = SigInfo.queued(notice.signo, sender, user, notice.value, SI_MESGQ)
            send_to_group(notice.group, info)

    def register(self, group: ThreadGroup, notice: Notice | None) -> None:
        """mq_notify(3); EBUSY if another has registered.  None ends one's own registration."""
        there = self.notice
        if there is not None and there.group.zombie:
            there = self.notice = None
        if notice is None:
            if there is not None and there.group is group:
                self.notice = None
        elif there is not None:
            raise EBUSY("process %d is to be notified already", there.group.pid)
        else:
            self.notice = notice

    def status(self) -> bytes:
        """What read(2) of the queue's file shows."""
        notice = self.notice
        shown = (notice.notify, notice.signo, notice.group.pid) if notice else (0, 0, 0)
        signo = shown[1] if notice and notice.notify == SIGEV_SIGNAL else 0
        return b"QSIZE:%-10d NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n" % (
            self.total, shown[0] if signo or shown[0] != SIGEV_NONE else SIGEV_NONE, signo, shown[2]
        )  # fmt: skip


class MqueueFile(ShowFile):
    """An open queue: a descriptor as mq_open(3) returns it."""

    __slots__ = ("messages",)

    queue: WaitQueue

    def __init__(self, inode: MqueueInode, path: Path, flags: int) -> None:
        super().__init__(inode, path, flags)
        self.messages = inode
        self.queue = inode.queue

    def show(self, caller: Caller) -> bytes:
        return self.messages.status()

    def poll(self, caller: Caller, events: int) -> int:
        found = self.messages
        ready = _READABLE if found.messages else 0
        if len(found.messages) < found.most:
            ready |= _WRITABLE
        return events & ready

    def release(self) -> None:
        """Linux ends a registration when its process closes the queue; we, at the last close."""
        if not self.messages.opens - 1:
            self.messages.notice = None


class MqueueRoot(Inode):
    """The one directory."""

    __slots__ = ("names",)

    sb: MqueueSuperBlock

    def __init__(self, sb: MqueueSuperBlock, mode: int) -> None:
        super().__init__(sb, mode)
        self.names: dict[bytes, MqueueInode] = {}
        self.nlink = 2

    def lookup(self, name: bytes) -> Inode | None:
        return self.names.get(name)

    def entries(self, caller: Caller) -> list[DirEntry]:
        return [DirEntry(name, inode.ino, inode.mode >> 12) for name, inode in self.names.items()]

    def open(self, caller: Caller, path: Path, flags: int) -> OpenFile:
        return DirectoryFile(self, path, flags)

    def create(self, name: bytes, mode: int, uid: int, gid: int) -> Inode:
        """open(2) with O_CREAT: a queue of the default size."""
        return self.add(name, mode, (uid, gid), MSG_MAX, MSGSIZE_MAX)

    def add(
        self, name: bytes, mode: int, owner: tuple[int, int], most: int, longest: int
    ) -> MqueueInode:
        """A new queue."""
        inode = MqueueInode(self.sb, mode, owner, most, longest)
        self.names[name] = inode
        return inode

    def unlink(self, name: bytes, inode: Inode) -> None:
        del self.names[name]
        inode.nlink -= 1
        inode.ctime = self.sb.now()


def check_new_queue(task: Task, sb: MqueueSuperBlock, most: int, longest: int) -> None:
    """EINVAL, ENOSPC, EMFILE: what limits the size and the number of queues."""
    privileged = task.cred.capable(CAP_SYS_RESOURCE)
    if not 0 < most <= (HARD_MSG_MAX if privileged else MSG_MAX):
        raise EINVAL("a queue of %d messages; at most %d", most, MSG_MAX)
    if not 0 < longest <= (HARD_MSGSIZE_MAX if privileged else MSGSIZE_MAX):
        raise EINVAL("messages of %d bytes; at most %d", longest, MSGSIZE_MAX)
    if sb.queues >= QUEUES_MAX and not privileged:
        raise ENOSPC("there are %d queues, the most that can be", sb.queues)
    wanted = most * (longest + _OVERHEAD) + min(most, _NODES) * _NODE
    used = sb.bytes_used.get(task.cred.fsuid, 0)
    if used + wanted > task.limits.soft(RLIMIT_MSGQUEUE):
        raise EMFILE(
            "%d bytes and %d of uid %d already are over RLIMIT_MSGQUEUE, %d",
            wanted, used, task.cred.fsuid, task.limits.soft(RLIMIT_MSGQUEUE),
        )  # fmt: skip


# --- sending and receiving -----------------------------------------------------------------------


def send(task: Task, file: MqueueFile, text: bytes, priority: int, until: int | None) -> (
    int | Blocking[int]
):  # fmt: skip
    """mq_timedsend(3); ``until`` is a time of day in ns."""
    queue = file.messages
    if len(queue.messages) < queue.most:
        queue.put(task, text, priority)
        return 0
    if file.flags & O_NONBLOCK:
        raise EAGAIN("the queue has %d messages, its most (O_NONBLOCK)", queue.most)
    return _send_later(task, queue, text, priority, until)


def _send_later(
    task: Task, queue: MqueueInode, text: bytes, priority: int, until: int | None
) -> Blocking[int]:
    while len(queue.messages) >= queue.most:
        yield from _sleep(task, queue, until)
    queue.put(task, text, priority)
    return 0


def _sleep(task: Task, queue: MqueueInode, until: int | None) -> Blocking[None]:
    """Wait for a change; ETIMEDOUT when the time of day has come."""
    clock = task.kernel.clock
    if until is None:
        yield Sleep((queue.queue,))
        return
    left = until - clock.realtime()
    if left <= 0:
        raise ETIMEDOUT(
            "the queue stayed %s in time", "full" if len(queue.messages) >= queue.most else "empty"
        )
    yield Sleep((queue.queue, clock.was_set), clock.monotonic() + left)


def receive(
    task: Task, file: MqueueFile, until: int | None
) -> tuple[bytes, int] | Blocking[tuple[bytes, int]]:
    """mq_timedreceive(3): text and priority."""
    queue = file.messages
    if queue.messages:
        return queue.take()
    if file.flags & O_NONBLOCK:
        raise EAGAIN("the queue is empty (O_NONBLOCK)")
    return _receive_later(task, queue, until)


def _receive_later(
    task: Task, queue: MqueueInode, until: int | None
) -> Blocking[tuple[bytes, int]]:
    queue.receivers += 1
    try:
        while not queue.messages:
            yield from _sleep(task, queue, until)
    finally:
        queue.receivers -= 1
    return queue.take()


def make_mqueue(kernel: System, mounts: MountTable) -> MqueueSuperBlock:
    """The machine's queues, to be mounted on /dev/mqueue; mount(2) gives the same ones."""
    sb = MqueueSuperBlock(kernel, mounts.new_dev())
    mounts.filesystems[b"mqueue"] = same_instance(sb)
    mounts.anonymous_mount(sb)  # where mq_open(3) works, whatever is mounted
    return sb
