"""Message queues.  See msgget(2), msgop(2), msgctl(2)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.abi.errors import E2BIG, EAGAIN, EIDRM, EINTR, ENOMSG
from kernel.abi.ipc import (
    IPC_NOWAIT,
    MSG_EXCEPT,
    MSG_NOERROR,
    MSGMNB,
    MSQID_DS,
    READ,
    WRITE,
)
from kernel.task.sysv.ids import IpcObject, seconds
from kernel.wait import Interrupted, Sleep, WaitQueue

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.wait import Blocking

LONG_MIN: Final = -(1 << 63)


class Message(NamedTuple):
    """A message: its type is positive."""

    kind: int
    text: bytes


class MessageQueue(IpcObject):
    """Invariant: ``size`` is the sum of the texts' lengths."""

    __slots__ = ("last_receiver", "last_sender", "limit", "messages", "received", "sent", "size",
                 "waiting")  # fmt: skip

    def __init__(self, task: Task, key: int, mode: int) -> None:
        super().__init__(task, key, mode)
        self.messages: deque[Message] = deque()
        self.size = 0
        self.limit = MSGMNB
        self.sent = self.received = 0
        self.last_sender = self.last_receiver = 0
        self.waiting = WaitQueue("message queue")

    def pack(self) -> bytes:
        """``struct msqid64_ds``."""
        return MSQID_DS.pack(
            self.pack_perm(), self.sent, self.received, self.ctime, self.size, len(self.messages),
            self.limit, self.last_sender, self.last_receiver,
        )  # fmt: skip

    def has_room(self, length: int) -> bool:
        """May a text of this length be added?  Empty ones are limited by their number."""
        return self.size + length <= self.limit and len(self.messages) + 1 <= self.limit

    def find(self, kind: int, flags: int) -> int | None:
        """The place of the message that msgrcv(2) with this type takes."""
        messages = self.messages
        if not kind:
            return 0 if messages else None
        if kind > 0:
            other = bool(flags & MSG_EXCEPT)
            return next((i for i, m in enumerate(messages) if (m.kind == kind) != other), None)
        most = -kind if kind != LONG_MIN else -LONG_MIN - 1
        fitting = [(m.kind, i) for i, m in enumerate(messages) if m.kind <= most]
        return min(fitting)[1] if fitting else None


def remove_queue(task: Task, queue: MessageQueue) -> None:
    """IPC_RMID."""
    queue.check_owner(task)
    task.kernel.ipc.queues.remove(queue)
    queue.waiting.wake(len(queue.waiting.waiters))


# --- sending -------------------------------------------------------------------------------------


def send(task: Task, ident: int, message: Message, flags: int) -> int | Blocking[int]:
    """msgsnd(2)."""
    queue = task.kernel.ipc.queues.find(ident)
    queue.check(task, WRITE)
    if queue.has_room(len(message.text)):
        return _put(task, queue, message)
    if flags & IPC_NOWAIT:
        raise EAGAIN(
            "%d bytes do not fit: queue %d has %d messages of %d bytes, at most %d (IPC_NOWAIT)",
            len(message.text), ident, len(queue.messages), queue.size, queue.limit,
        )  # fmt: skip
    return _send_later(task, queue, message)


def _send_later(task: Task, queue: MessageQueue, message: Message) -> Blocking[int]:
    while not queue.has_room(len(message.text)):
        yield from _sleep(queue)
        queue.check(task, WRITE)
    return _put(task, queue, message)


def _sleep(queue: MessageQueue) -> Blocking[None]:
    """A handler ends the call in spite of SA_RESTART (signal(7))."""
    try:
        yield Sleep((queue.waiting,))
    except Interrupted:
        raise EINTR("a signal came") from None
    if queue.removed:
        raise EIDRM("message queue %d was removed while the call waited", queue.ident)


def _put(task: Task, queue: MessageQueue, message: Message) -> int:
    queue.messages.append(message)
    queue.size += len(message.text)
    queue.last_sender = task.tgid
    queue.sent = seconds(task)
    queue.waiting.wake()
    return 0


# --- receiving -----------------------------------------------------------------------------------


def receive(
    task: Task, ident: int, room: int, kind: int, flags: int
) -> Message | Blocking[Message]:
    """msgrcv(2): the message, cut to ``room`` if MSG_NOERROR allows it (else E2BIG)."""
    queue = task.kernel.ipc.queues.find(ident)
    queue.check(task, READ)
    place = queue.find(kind, flags)
    if place is not None:
        return _take(task, queue, place, room, flags)
    if flags & IPC_NOWAIT:
        if not queue.messages:
            raise ENOMSG("queue %d is empty (IPC_NOWAIT)", ident)
        raise ENOMSG(
            "none of the %d messages in queue %d is of type %d (IPC_NOWAIT)",
            len(queue.messages), ident, kind,
        )  # fmt: skip
    return _receive_later(task, queue, room, kind, flags)


def _receive_later(
    task: Task, queue: MessageQueue, room: int, kind: int, flags: int
) -> Blocking[Message]:
    while (place := queue.find(kind, flags)) is None:
        yield from _sleep(queue)
        queue.check(task, READ)
    return _take(task, queue, place, room, flags)


def _take(task: Task, queue: MessageQueue, place: int, room: int, flags: int) -> Message:
    message = queue.messages[place]
    if len(message.text) > room and not flags & MSG_NOERROR:
        raise E2BIG("the message has %d bytes, the buffer %d", len(message.text), room)
    del queue.messages[place]
    queue.size -= len(message.text)
    queue.last_receiver = task.tgid
    queue.received = seconds(task)
    queue.waiting.wake()
    return message
