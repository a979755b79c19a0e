"""Printers for System V IPC and POSIX message queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.ipc import (
    IPC_CREAT,
    IPC_EXCL,
    IPC_INFO,
    IPC_NOWAIT,
    IPC_PERM,
    IPC_SET,
    IPC_STAT,
    MQ_ATTR,
    MSG_INFO,
    MSG_STAT,
    MSG_STAT_ANY,
    MSGINFO,
    MSQID_DS,
    SEM_INFO,
    SEM_STAT,
    SEM_STAT_ANY,
    SEMBUF,
    SEMID_DS,
    SEMID_DS_PADDED,
    SEMINFO,
    SHM_INFO,
    SHM_INFO_DS,
    SHM_STAT,
    SHM_STAT_ANY,
    SHMID_DS,
    SHMINFO,
)
from kernel.abi.structs import LONG
from tools.tracer.names import FLAGS, OPEN_FLAGS
from tools.tracer.shows import shows
from tools.tracer.text import address, fields, quote, sequence

if TYPE_CHECKING:
    from struct import Struct

    from tools.tracer.view import Call

PATH_LIMIT = 4096
_STATS = {
    "shmctl": (SHM_STAT, SHM_STAT_ANY),
    "semctl": (SEM_STAT, SEM_STAT_ANY),
    "msgctl": (MSG_STAT, MSG_STAT_ANY),
}
_SEM_NAMES = "semmap semmni semmns semmnu semmsl semopm semume semusz semvmx semaem"
_MSG_NAMES = "msgpool msgmap msgmax msgmnb msgmni msgssz msgtql msgseg"
_SHM_NAMES = "used_ids shm_tot shm_rss shm_swp swap_attempts swap_successes"
_INFOS = {
    ("shm", IPC_INFO): (SHMINFO, "shmmax shmmin shmmni shmseg shmall"),
    ("shm", SHM_INFO): (SHM_INFO_DS, _SHM_NAMES),
    ("sem", IPC_INFO): (SEMINFO, _SEM_NAMES),
    ("sem", SEM_INFO): (SEMINFO, _SEM_NAMES),
    ("msg", IPC_INFO): (MSGINFO, _MSG_NAMES),
    ("msg", MSG_INFO): (MSGINFO, _MSG_NAMES),
}
_FIELDS = {
    "shm": "segsz atime dtime ctime cpid lpid nattch",
    "sem": "otime ctime nsems",
    "msg": "stime rtime ctime cbytes qnum qbytes lspid lrpid",
}


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
    if not where:
        return "NULL"
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


# --- the structures of the xxxctl calls ----------------------------------------------------------


def _looks(call: Call, i: int) -> bool:
    """The commands that fill the structure in."""
    command = call.values[i - 1]
    return command in (IPC_STAT, *_STATS.get(call.name, ())) or (call.name[:3], command) in _INFOS


def _info(call: Call, i: int, layout: Struct, names: str) -> str:
    """The limits of a kind, or how much of it is in use."""
    found = call.unpack(layout, call.values[i])
    if found is None or call.failed:
        return address(call.values[i])
    return fields((name, str(value)) for name, value in zip(names.split(), found, strict=False))


def _perm(data: bytes) -> str:
    key, uid, gid, cuid, cgid, mode, _ = IPC_PERM.unpack(data)
    pairs = (("uid", uid), ("gid", gid), ("mode", f"0{mode:o}"), ("key", key), ("cuid", cuid))
    return fields((name, str(value)) for name, value in (*pairs, ("cgid", cgid)))


def _setting(call: Call, i: int, layout: Struct, prefix: str) -> str:
    """IPC_SET: only what it changes."""
    found = call.unpack(layout, call.values[i])
    if found is None:
        return address(call.values[i])
    _, uid, gid, _, _, mode, _ = IPC_PERM.unpack(found[0])
    perm = fields((("uid", str(uid)), ("gid", str(gid)), ("mode", f"0{mode:o}")))
    pairs = [(f"{prefix}_perm", perm)]
    if prefix == "msg":
        pairs.append(("msg_qbytes", str(found[6])))
    return fields(pairs)


def _structure(call: Call, i: int, layout: Struct, prefix: str, names: str) -> str:
    if call.values[i - 1] == IPC_SET:
        return _setting(call, i, layout, prefix)
    info = _INFOS.get((prefix, call.values[i - 1]))
    if info is not None:
        return _info(call, i, *info)
    found = call.unpack(layout, call.values[i]) if _looks(call, i) else None
    if found is None:
        return address(call.values[i])
    pairs = [(f"{prefix}_perm", _perm(found[0]))]
    by_name = dict(zip(_FIELDS[prefix].split(), found[1:], strict=True))
    pairs += [(f"{prefix}_{name}", str(by_name[name])) for name in names.split()]
    return fields(pairs)


@shows("*shmid_ds", late_if=_looks)
def shmid_ds(call: Call, i: int) -> str:
    """What shmctl(2) tells of a segment."""
    return _structure(call, i, SHMID_DS, "shm", "segsz cpid lpid nattch atime dtime ctime")


@shows("*semid_ds", late_if=_looks)
def semid_ds(call: Call, i: int) -> str:
    """What semctl(2) tells of a set; its other arguments are numbers and addresses."""
    padded = call.task.kernel.arch.semid_ds_padded
    layout = SEMID_DS_PADDED if padded else SEMID_DS
    return _structure(call, i, layout, "sem", "otime ctime nsems")


@shows("*msqid_ds", late_if=_looks)
def msqid_ds(call: Call, i: int) -> str:
    """What msgctl(2) tells of a queue."""
    return _structure(call, i, MSQID_DS, "msg", "stime rtime ctime qnum qbytes lspid lrpid")
