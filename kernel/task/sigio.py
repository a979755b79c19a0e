"""Who gets the signal of signal-driven I/O.  See fcntl(2), F_SETOWN, F_SETOWN_EX, F_SETSIG.

Linux: ``send_sigio``, ``sigio_perm``.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kernel.abi.errors import EAGAIN
from kernel.abi.files import F_OWNER_PGRP, F_OWNER_TID
from kernel.abi.signals import POLL_IN, POLL_OUT, SI_KERNEL, SIGIO, SIGURG
from kernel.cred import Credentials
from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_group, send_to_task
from kernel.vfs.async_io import INPUT

if TYPE_CHECKING:
    from kernel.task.system import System
    from kernel.task.task import Task
    from kernel.task.thread_group import ThreadGroup
    from kernel.vfs.async_io import Send
    from kernel.vfs.openfile import OpenFile


def sigio_sender(task: Task, fd: int) -> Send:
    """The function for ``set_async``: signals go out with the rights ``task`` has now.

    ``fd`` is what si_fd says; a descriptor that is duplicated later keeps it, as in Linux.
    """
    return partial(_send, task.kernel, task.cred, fd)


def _send(system: System, cred: Credentials, fd: int, file: OpenFile, ready: int) -> None:
    kind, number = file.owner
    signo = file.owner_signal or SIGIO
    if file.owner_signal:
        info = SigInfo.poll(signo, POLL_IN if ready & INPUT else POLL_OUT, ready, fd)
    else:
        info = SigInfo.user(signo, 0, 0, SI_KERNEL)
    try:
        if kind == F_OWNER_TID:
            _send_to_thread(system, cred, number, info)
        else:
            for group in _processes(system, kind, number):
                if _may(cred, group):
                    send_to_group(group, info)
    except EAGAIN:  # the queue of real-time signals is full: SIGIO says that something was lost
        for group in _processes(system, kind, number):
            send_to_group(group, SigInfo.user(SIGIO, 0, 0, SI_KERNEL))


def _send_to_thread(system: System, cred: Credentials, tid: int, info: SigInfo) -> None:
    task = system.tasks.get(tid)
    if task is not None and _may(cred, task.group):
        send_to_task(task, info)


def _processes(system: System, kind: int, number: int) -> list[ThreadGroup]:
    if kind == F_OWNER_PGRP:
        pgrp = system.pgrps.get(number)
        return list(pgrp.members.values()) if pgrp is not None else []
    task = system.tasks.get(number)
    return [task.group] if task is not None else []


def _may(cred: Credentials, group: ThreadGroup) -> bool:
    other = group.leader.cred
    theirs = (other.suid, other.ruid)
    return cred.euid == 0 or cred.euid in theirs or cred.ruid in theirs


def send_urgent(system: System, file: OpenFile) -> None:
    """SIGURG for the owner of a socket: out-of-band data came.  See tcp(7), fcntl(2)."""
    kind, number = file.owner
    cred = Credentials.for_user(file.inode.uid, file.inode.gid)
    info = SigInfo.user(SIGURG, 0, 0, SI_KERNEL)
    if kind == F_OWNER_TID:
        _send_to_thread(system, cred, number, info)
    elif number:
        for group in _processes(system, kind, number):
            if _may(cred, group):
                send_to_group(group, info)
