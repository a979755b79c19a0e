"""What an open file is, who else has it, and what has to happen before it is ready."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.fs.epoll import EpollFile
from kernel.fs.eventfd import EventFile
from kernel.fs.hostio import HostStream
from kernel.fs.inotify import InotifyFile
from kernel.fs.pipe import PipeFile
from kernel.machine.explain.who import everybody, holders, text, who
from kernel.net.connection import ConnectionSocket
from kernel.net.socketfile import SocketFile
from kernel.vfs.dentry import display_path
from kernel.views.mqueue import MqueueFile
from kernel.views.pidfd import PidFile
from kernel.views.signalfd import SignalFile
from kernel.views.terminal.terminal_file import TerminalFile
from kernel.views.timerfd import TimerFile

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.vfs.openfile import OpenFile

SECOND: Final = 1_000_000_000


def name_of(file: OpenFile) -> str:
    """As /proc/PID/fd shows it: a path, ``pipe:[12]``, ``socket:[13]``."""
    return text(display_path(file.path))


def data(task: Task, file: OpenFile) -> str:
    """What a reader of the file waits for."""
    name = name_of(file)
    if isinstance(file, PipeFile):
        return f"data in {name}, {_other_end(task, file, writing=True)}"
    if isinstance(file, ConnectionSocket) and file.listening:
        return f"a connection to {socket_name(file)}"
    if isinstance(file, SocketFile):
        return f"data for {socket_name(file)}{_partner(task, file, 'sent')}"
    if isinstance(file, TerminalFile):
        return f"terminal input ({name})"
    if isinstance(file, TimerFile):
        left = f"in {file.alarm.left() / SECOND:.3f} s" if file.alarm.running else "once it is set"
        return f"{name} to expire {left}"
    if isinstance(file, EventFile):
        return f"the counter of {name} to rise from 0, {_also(task, file, 'shared with')}"
    if isinstance(file, HostStream):
        return f"data from the host ({name})"
    return _DATA.get(type(file), "data in {}").format(name)


_DATA: Final[dict[type, str]] = {
    SignalFile: "a signal for {}",
    InotifyFile: "something to happen to what {} watches",
    MqueueFile: "a message in {}",
    PidFile: "the end of the process of {}",
    EpollFile: "a ready descriptor in {}",
}


def room(task: Task, file: OpenFile) -> str:
    """What a writer to the file waits for."""
    name = name_of(file)
    if isinstance(file, PipeFile):
        pipe = file.pipe
        full = f"{pipe.size} of {pipe.capacity} bytes are full"
        return f"room in {name} ({full}), {_other_end(task, file, writing=False)}"
    if isinstance(file, SocketFile):
        return f"room at the other end of {socket_name(file)}{_partner(task, file, 'received')}"
    if isinstance(file, EventFile):
        return f"the counter of {name} to be read, {_also(task, file, 'shared with')}"
    if isinstance(file, HostStream):
        return f"the host to take more ({name})"
    return f"room in {name}"


def _other_end(task: Task, file: PipeFile, *, writing: bool) -> str:
    pipe = file.pipe
    verb = "written" if writing else "read"

    def other(found: OpenFile) -> bool:
        ours = isinstance(found, PipeFile) and found.pipe is pipe
        return ours and (found.writable if writing else found.readable)

    pids = holders(task.kernel, other)
    if not pids:
        return f"{verb} by nobody yet"
    if pids == [task.tgid]:
        return f"{verb} only by {who(task.kernel, task.tgid)} itself"
    return f"{verb} by {everybody(task.kernel, (pid for pid in pids if pid != task.tgid))}"


def _also(task: Task, file: OpenFile, words: str) -> str:
    pids = [pid for pid in holders(task.kernel, lambda f: f is file) if pid != task.tgid]
    return f"{words} {everybody(task.kernel, pids)}" if pids else f"{words} nobody"


def owners(task: Task, file: OpenFile) -> str:
    """Every process with a descriptor of this open file; '' for nobody."""
    return everybody(task.kernel, holders(task.kernel, lambda found: found is file))


def socket_name(file: SocketFile) -> str:
    """``socket:[13]`` with its addresses: ``127.0.0.1:80 -> 127.0.0.1:4000``, ``@name``."""
    return str(file)


def _partner(task: Task, file: SocketFile, verb: str) -> str:
    peer = getattr(file, "peer", None)
    if not isinstance(peer, SocketFile):
        return ""
    found = owners(task, peer)
    if found:
        return f", {verb} by {found}"
    listens = everybody(task.kernel, holders(task.kernel, lambda f: _keeps(f, peer)))
    return f", which {listens} has not accepted yet" if listens else _NOBODY


_NOBODY: Final = ", whose other end nobody has open"


def _keeps(file: OpenFile, made: SocketFile) -> bool:
    """Is it a listener with that connection in its queue?"""
    return isinstance(file, ConnectionSocket) and made in file.accepting
