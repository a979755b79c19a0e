"""/proc/sysvipc and the IPC limits of /proc/sys/kernel.  See proc(5), sysvipc(7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.ipc import (
    MSGMAX,
    MSGMNB,
    MSGMNI,
    SEMMNI,
    SEMMNS,
    SEMMSL,
    SEMOPM,
    SHMALL,
    SHMMAX,
    SHMMNI,
)
from kernel.views.mqueue import MSG_MAX, MSGSIZE_MAX, QUEUES_MAX
from kernel.views.procfs.nodes import Factory, constant, directory, text

if TYPE_CHECKING:
    from kernel.task.sysv.ids import IpcObject
    from kernel.task.task import Task

_PAGE = 4096
_SHM_HEAD = (
    "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid"
    "      atime      dtime      ctime                   rss                  swap\n"
)
_SEM_HEAD = "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n"
_MSG_HEAD = (
    "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid"
    "      stime      rtime      ctime\n"
)


def _start(item: IpcObject, extra: int = 0) -> str:
    return f"{item.key:10d} {item.ident:10d}  {item.mode | extra:4o}"


def _owners(item: IpcObject) -> str:
    return f"{item.uid:5d} {item.gid:5d} {item.cuid:5d} {item.cgid:5d}"


def _shm(task: Task) -> bytes:
    lines = [_SHM_HEAD]
    for _, segment in task.kernel.ipc.segments.objects():
        lines.append(
            f"{_start(segment, segment.state)} {segment.size:21d}"
            f" {segment.creator:5d} {segment.last:5d}  {segment.memory.attached:5d}"
            f" {_owners(segment)} {segment.atime:10d} {segment.dtime:10d} {segment.ctime:10d}"
            f" {segment.memory.resident * _PAGE:21d} {0:21d}\n"
        )
    return "".join(lines).encode()


def _sem(task: Task) -> bytes:
    lines = [_SEM_HEAD]
    for _, found in task.kernel.ipc.semaphores.objects():
        lines.append(
            f"{_start(found)} {len(found.values):10d} {_owners(found)}"
            f" {found.otime:10d} {found.ctime:10d}\n"
        )
    return "".join(lines).encode()


def _msg(task: Task) -> bytes:
    lines = [_MSG_HEAD]
    for _, queue in task.kernel.ipc.queues.objects():
        lines.append(
            f"{_start(queue)}  {queue.size:10d} {len(queue.messages):10d}"
            f" {queue.last_sender:5d} {queue.last_receiver:5d} {_owners(queue)}"
            f" {queue.sent:10d} {queue.received:10d} {queue.ctime:10d}\n"
        )
    return "".join(lines).encode()


def sysvipc_directory() -> Factory:
    """/proc/sysvipc: one line per object."""
    return directory({b"msg": text(_msg), b"sem": text(_sem), b"shm": text(_shm)})


def ipc_limits() -> dict[bytes, Factory]:
    """What /proc/sys/kernel says of System V IPC."""
    limits = {
        b"msgmax": b"%d\n" % MSGMAX,
        b"msgmnb": b"%d\n" % MSGMNB,
        b"msgmni": b"%d\n" % MSGMNI,
        b"sem": b"%d\t%d\t%d\t%d\n" % (SEMMSL, SEMMNS, SEMOPM, SEMMNI),
        b"shmall": b"%d\n" % SHMALL,
        b"shmmax": b"%d\n" % SHMMAX,
        b"shmmni": b"%d\n" % SHMMNI,
    }
    return {name: constant(value) for name, value in limits.items()}


def mqueue_limits() -> Factory:
    """/proc/sys/fs/mqueue."""
    limits = {
        b"msg_default": MSG_MAX,
        b"msg_max": MSG_MAX,
        b"msgsize_default": MSGSIZE_MAX,
        b"msgsize_max": MSGSIZE_MAX,
        b"queues_max": QUEUES_MAX,
    }
    return directory({name: constant(b"%d\n" % value) for name, value in limits.items()})
