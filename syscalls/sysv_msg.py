"""msgget(2), msgsnd(2), msgrcv(2), msgctl(2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EINVAL, ENOSYS, EPERM
from kernel.abi.ipc import (
    IPC_INFO,
    IPC_NOWAIT,
    IPC_PERM,
    IPC_RMID,
    IPC_SET,
    IPC_STAT,
    MSG_COPY,
    MSG_EXCEPT,
    MSG_INFO,
    MSG_STAT,
    MSG_STAT_ANY,
    MSGINFO,
    MSGMAX,
    MSGMNB,
    MSGMNI,
    MSQID_DS,
    READ,
)
from kernel.cred import CAP_SYS_RESOURCE
from kernel.task.sysv.msg import Message, MessageQueue, receive, remove_queue, send
from syscalls.declare import syscall
from syscalls.kinds import Size, Zero
from syscalls.kinds_ipc import (
    IpcGetFlags,
    IpcId,
    IpcKey,
    MsgbufOutPtr,
    MsgbufPtr,
    MsgCommand,
    MsgopFlags,
    MsgType,
    MsqidPtr,
)

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.wait import Blocking

_STATS: Final = (IPC_STAT, MSG_STAT, MSG_STAT_ANY)
_WORD: Final = 8


@syscall("msgget(2)")
def msgget(task: Task, key: IpcKey, msgflg: IpcGetFlags) -> int:
    """Find or make a message queue.  See msgget(2), ERRORS."""
    return task.kernel.ipc.queues.get(
        task, key, msgflg, lambda found: None, lambda: MessageQueue(task, key, msgflg)
    )


@syscall("msgop(2)")
def msgsnd(
    task: Task, msqid: IpcId, msgp: MsgbufPtr, msgsz: Size, msgflg: MsgopFlags
) -> Zero | Blocking[Zero]:
    """Add a message.  See msgsnd(2), ERRORS."""
    kind = task.mem.read_s64(msgp)
    if msgsz > MSGMAX or msqid < 0:
        raise EINVAL("queue %d, or %d bytes: at most %d", msqid, msgsz, MSGMAX)
    if kind < 1:
        raise EINVAL("the type of the message is %d, not positive", kind)
    return send(task, msqid, Message(kind, task.mem.read(msgp + _WORD, msgsz)), msgflg)


@syscall("msgop(2)", partial="MSG_COPY is ENOSYS")
def msgrcv(
    task: Task, msqid: IpcId, msgp: MsgbufOutPtr, msgsz: Size, msgtyp: MsgType, msgflg: MsgopFlags
) -> Size | Blocking[Size]:
    """Take a message by its type.  See msgrcv(2), ERRORS."""
    if msqid < 0 or msgsz >> 63:
        raise EINVAL("queue %d or %d bytes cannot be", msqid, msgsz)
    if msgflg & MSG_COPY:
        if msgflg & MSG_EXCEPT or not msgflg & IPC_NOWAIT:
            raise EINVAL("MSG_COPY goes with IPC_NOWAIT only")
        raise ENOSYS("looking at messages without taking them")
    found = receive(task, msqid, msgsz, msgtyp, msgflg)
    if isinstance(found, Message):
        return _store(task, msgp, msgsz, found)
    return _receive(task, found, msgp, msgsz)


def _receive(task: Task, waiting: Blocking[Message], msgp: int, room: int) -> Blocking[int]:
    return _store(task, msgp, room, (yield from waiting))


def _store(task: Task, msgp: int, room: int, message: Message) -> int:
    text = message.text[:room]
    task.mem.write(msgp, message.kind.to_bytes(_WORD, "little") + text)
    return len(text)


@syscall("msgctl(2)")
def msgctl(task: Task, msqid: IpcId, cmd: MsgCommand, buf: MsqidPtr) -> int:
    """Look at, change, remove a queue.  See msgctl(2), ERRORS."""
    if msqid < 0 or cmd < 0:
        raise EINVAL("queue %d or command %d cannot be", msqid, cmd)
    table = task.kernel.ipc.queues
    if cmd in (IPC_INFO, MSG_INFO):
        return _info(task, cmd, buf)
    if cmd in _STATS:
        found = table.find(msqid) if cmd == IPC_STAT else table.at_place(msqid)
        if cmd != MSG_STAT_ANY:
            found.check(task, READ)
        task.mem.write(buf, found.pack())
        return 0 if cmd == IPC_STAT else found.ident
    if cmd == IPC_RMID:
        remove_queue(task, table.find(msqid))
    elif cmd == IPC_SET:
        _change(task, msqid, buf)
    else:
        raise EINVAL("there is no command %d", cmd)
    return 0


def _info(task: Task, cmd: int, address: int) -> int:
    """As in Linux, MSG_INFO shows what is used in members that are limits otherwise."""
    table = task.kernel.ipc.queues
    queues = [queue for _, queue in table.objects()]
    pool, entries, total = MSGMNI * MSGMNB // 1024, MSGMNB, MSGMNB
    if cmd == MSG_INFO:
        pool, entries = len(queues), sum(len(queue.messages) for queue in queues)
        total = sum(queue.size for queue in queues)
    task.mem.pack(MSGINFO, address, pool, entries, MSGMAX, MSGMNB, MSGMNI, 16, total, 0xFFFF)
    return table.highest


def _change(task: Task, msqid: int, address: int) -> None:
    """IPC_SET: owner, mode, and how many bytes the queue may hold."""
    values = MSQID_DS.unpack(task.mem.read(address, MSQID_DS.size))
    _, uid, gid, _, _, mode, _ = IPC_PERM.unpack(values[0])
    limit = values[6]
    queue = task.kernel.ipc.queues.find(msqid)
    queue.check_owner(task)
    if limit > MSGMNB and not task.cred.capable(CAP_SYS_RESOURCE):
        raise EPERM("%d bytes are above MSGMNB, %d", limit, MSGMNB)
    queue.limit = limit
    queue.set_perm(task, uid, gid, mode)
    queue.waiting.wake()
