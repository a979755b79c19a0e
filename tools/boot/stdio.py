"""Descriptors 0, 1 and 2 of the first program: what the caller gave us.

Each that is a terminal on the host is the guest's console; the others are passed through with
their kind (pipe, file, socket, null); a closed one is closed in the guest.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kernel.abi.files import AT_FDCWD, O_NOCTTY, O_RDWR
from kernel.fs.inherited import HostStreams
from kernel.task.jobs import opened_terminal
from kernel.vfs.anonymous import hidden_mount
from kernel.vfs.open import OpenHow, open_at
from kernel.views.terminal.console import Console
from kernel.views.terminal.host_terminal import HostTerminal

if TYPE_CHECKING:
    from kernel.task.system import System
    from kernel.task.task import Task
    from kernel.vfs.openfile import OpenFile


def make_console(system: System) -> Console | None:
    """The console, if any of 0, 1, 2 is a terminal."""
    if not HostTerminal.present():
        return None
    console = Console(system, HostTerminal())
    system.console = console
    return console


def connect(system: System, task: Task, console: Console | None, owner: tuple[int, int]) -> None:
    """Give ``task`` its 0, 1 and 2."""
    mount = hidden_mount(task, b"hostfd")
    streams = HostStreams(mount, system.host_poller, owner)
    shared: OpenFile | None = None
    for fd in (0, 1, 2):
        file: OpenFile | None
        if console is not None and is_terminal(fd):
            shared = shared or _open_console(task, console)
            file = shared
        else:
            file = streams.open(fd)
        if file is not None:
            file.refs += 1
            task.fds.files[fd] = file


def _open_console(task: Task, console: Console) -> OpenFile:
    file = open_at(task, AT_FDCWD, b"/dev/console", OpenHow.from_flags(O_RDWR | O_NOCTTY, 0))
    opened_terminal(task, console)
    return file  # type: ignore[return-value]  # opening a terminal never sleeps


def is_terminal(fd: int) -> bool:
    """Is this descriptor of the caller's a terminal?"""
    try:
        return os.isatty(fd)
    except OSError:
        return False
