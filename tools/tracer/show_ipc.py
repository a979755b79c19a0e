"""Printers for System V IPC and POSIX message queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.ipc import IPC_CREAT, IPC_EXCL, IPC_NOWAIT, MQ_ATTR, SEMBUF
from kernel.abi.structs import LONG
from tools.tracer.names import FLAGS, OPEN_FLAGS
from tools.tracer.shows import shows
from tools.tracer.text import address, fields, quote, sequence

if TYPE_CHECKING:
    from tools.tracer.view import Call

PATH_LIMIT = 4096


@shows("ipc_key")
def ipc_key(call: Call, i: int) -> str:
    """A key, or IPC_PRIVATE."""
    return f"{call.values[i] & 0xFFFFFFFF:#x}" if call.values[i] else "IPC_PRIVATE"


@shows("mq_priority")
@shows("inotify_watch")
@shows("ipc_id")
def number(call: Call, i: int) -> str:
    """The number of an object, or a priority."""
    return str(call.values[i])


@shows("*mq_name")
def mq_name(call: Call, i: int) -> str:
    """The name of a queue, as the kernel gets it."""
    found = call.read_string(call.values[i], PATH_LIMIT)
    return address(call.values[i]) if found is None else quote(found[0], cut=found[1])


@shows("ipc_get_flags")
def ipc_get_flags(call: Call, i: int) -> str:
    """IPC_CREAT and the like, and the mode."""
    value = call.values[i] & 0xFFFFFFFF
    known = value & (IPC_CREAT | IPC_EXCL | IPC_NOWAIT)
    mode = value & ~known
    shown = f"0{mode:o}" if mode >= 8 else f"{mode:03o}"
    return f"{FLAGS['ipc_get'].text(known)}|{shown}" if known else shown


@shows("*sembufs")
def sembufs(call: Call, i: int) -> str:
    """The operations of semop(2)."""
    where, count = call.values[i], call.value(i + 1)
    shown = []
    for index in range(min(count, 32)):
        found = call.unpack(SEMBUF, where + index * SEMBUF.size)
        if found is None:
            return address(where)
        number, change, flags = found
        flag_text = FLAGS["semop"].text(flags & 0xFFFF)
        shown.append(
            fields((("sem_num", str(number)), ("sem_op", str(change)), ("sem_flg", flag_text)))
        )
    return sequence([*shown, "..."] if count > 32 else shown)


@shows("*msgbuf")
def msgbuf(call: Call, i: int) -> str:
    """A message: type and text."""
    where = call.values[i]
    found = call.unpack(LONG, where)
    length = call.value(i + 1) if call.result is None else call.result
    shown = min(length, call.detail.string_limit)
    text = call.read(where + LONG.size, shown) if shown else b""
    if found is None or text is None:
        return address(where)
    return fields((("mtype", str(found[0])), ("mtext", quote(text, cut=shown < length))))


@shows("*mq_attr")
def mq_attr(call: Call, i: int) -> str:
    """The attributes of a message queue."""
    found = call.unpack(MQ_ATTR, call.values[i])
    if found is None:
        return address(call.values[i])
    names = ("mq_maxmsg", "mq_msgsize", "mq_curmsgs")
    pairs = [("mq_flags", OPEN_FLAGS.text(found[0]))]
    pairs += [(name, str(value)) for name, value in zip(names, found[1:], strict=True)]
    return fields(pairs)
