"""Stop replies: what gdb is told of a stop, and which stops it is told of.

``reply_to`` does the bookkeeping that goes with a stop (a child becomes gdb's business, a process
that ended is none any more) and returns the packet, or None if gdb need not know: then everybody
goes on at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.machine.debugger import Breakpoint, Watchpoint
from kernel.vfs.dentry import display_path
from kernel.vfs.openfile import OpenFile
from tools.gdb import words
from tools.gdb.signals import INT, TRAP, to_gdb

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel.machine.debugger import Stop
    from kernel.task.task import Task
    from tools.gdb.stub import Stub

_RETURN: Final = b"syscall_return"
_WATCHES: Final = {"w": b"watch", "r": b"rwatch", "a": b"awatch"}


def reply_to(stub: Stub, stop: Stop) -> bytes | None:
    """The stop reply for ``stop``, or None if it is not for gdb."""
    if stop.reason == "pause":
        return _paused(stub, stop)
    reply = _REPLIES[stop.reason](stub, stop) if stub.sees(stop.task) else None
    if reply is None:
        stub.debugger.overlook()
    return reply


def trap(stub: Stub, task: Task, what: bytes = b"", signal: int = TRAP) -> bytes:
    """``T SIGNAL``, what happened, the thread, and the registers gdb asks for first.

    That thread is the selected one from now on: gdb takes it to be, and sends no ``Hg``.
    """
    stub.selected = task
    reply = b"T%02x%bthread:%b;core:0;" % (signal, what, stub.show(task))
    if task.context is None or task.dead:
        return reply
    return reply + b"".join(
        b"%x:%b;" % (number, words.tohex(value)) for number, value in stub.registers.expedited(task)
    )


def _paused(stub: Stub, stop: Stop) -> bytes:
    """^C, or gdb came or sent something while nothing of its own ran."""
    if not stub.sees(stop.task) or stop.task.dead:
        stop.task = next(stub.tasks(), stop.task)
    if not stub.interrupting:
        return trap(stub, stop.task, signal=0)
    stub.interrupting = False
    return interrupted(stub)


def interrupted(stub: Stub) -> bytes:
    """The answer to ^C."""
    task = stub.current or next(stub.tasks(), None)
    return b"W00" if task is None else trap(stub, task, signal=INT)


def _start(stub: Stub, stop: Stop) -> bytes:
    return trap(stub, stop.task)


def _breakpoint(stub: Stub, stop: Stop) -> bytes | None:
    hardware = isinstance(stop.point, Breakpoint) and stop.point.hardware
    kind = b"hwbreak" if hardware else b"swbreak"
    return trap(stub, stop.task, kind + b":;" if stub.has(kind) else b"")


def _watchpoint(stub: Stub, stop: Stop) -> bytes | None:
    point = stop.point
    access = point.access if isinstance(point, Watchpoint) else "w"
    stub.watched = stop.task
    return trap(stub, stop.task, b"%b:%x;" % (_WATCHES[access], stop.address))


def _step(stub: Stub, stop: Stop) -> bytes | None:
    """Inside the range that gdb steps through, nothing is said."""
    task = stop.task
    steps = stub.stepping.get(task.tid)
    if steps is None:
        return None  # asked for before gdb changed its mind
    if steps and stub.machine.cpu.registers(task.context).pc in steps:
        stub.debugger.step(task)
        return None
    return trap(stub, task)


def _signal(stub: Stub, stop: Stop) -> bytes | None:
    """One that gdb sent comes without asking it again."""
    if stop.info is None:
        return None
    key = (stop.task.tid, stop.info.signo)
    if key in stub.injected:
        del stub.injected[key]
        return None
    if stop.info.signo in stub.passed:
        return None
    stop.signal = 0  # gdb says whether it comes
    return trap(stub, stop.task, signal=to_gdb(stop.info.signo))


def _call(word: bytes) -> Callable[[Stub, Stop], bytes | None]:
    def reply(stub: Stub, stop: Stop) -> bytes | None:
        if word == _RETURN and stop.task.tid in stub.cancelled:
            del stub.cancelled[stop.task.tid]
            return None
        if stop.number not in stub.catches.get(stop.task.tgid, ()):
            return None
        stub.registers.calls[stop.task.tid] = stop.number
        return trap(stub, stop.task, b"%b:%x;" % (word, stop.number))

    return reply


def _fork(word: bytes, feature: bytes) -> Callable[[Stub, Stop], bytes | None]:
    def reply(stub: Stub, stop: Stop) -> bytes | None:
        child = stop.other
        if child is None or not stub.has(feature):
            return None
        stub.attach(child.tgid, ran_before=True)
        return trap(stub, stop.task, b"%b:%b;" % (word, stub.show(child)))

    return reply


def _vfork_done(stub: Stub, stop: Stop) -> bytes | None:
    return trap(stub, stop.task, b"vforkdone:;") if stub.has(b"vfork-events") else None


def _exec(stub: Stub, stop: Stop) -> bytes | None:
    """Everything inserted went with the old program."""
    stub.points.prune()
    stub.documents.clear()
    stub.stepping.pop(stop.task.tid, None)
    mm = stop.task.mm
    if not stub.has(b"exec-events") or mm is None or not isinstance(mm.exe, OpenFile):
        return None
    return trap(stub, stop.task, b"exec:%b;" % words.tohex(display_path(mm.exe.path)))


def _clone(stub: Stub, stop: Stop) -> bytes | None:
    if not stub.thread_events or stop.other is None:
        return None
    return trap(stub, stop.other, b"create:;")


def _thread_exit(stub: Stub, stop: Stop) -> bytes | None:
    """``w``; or ``N``, if of all threads only held ones are left."""
    task = stop.task
    stub.stepping.pop(task.tid, None)
    stub.held.pop(task.tid, None)
    stub.registers.calls.pop(task.tid, None)
    if stub.thread_events:
        return b"w%x;%b" % (stop.status >> 8 & 0xFF, stub.show(task))
    left = [other for other in stub.tasks() if other is not task]
    if left and all(other.tid in stub.held for other in left):
        return b"N" if stub.has(b"no-resumed") else trap(stub, left[0])
    return None


def _exit(stub: Stub, stop: Stop) -> bytes | None:
    """``W`` with the status, ``X`` with the signal that killed it."""
    pid, status = stop.task.tgid, stop.status
    stub.forget(pid)
    signal = status & 0x7F  # see wait(2)
    kind = b"X%02x" % to_gdb(signal) if signal else b"W%02x" % (status >> 8 & 0xFF)
    return kind + (b";process:%x" % pid if stub.multiprocess else b"")


_REPLIES: Final[dict[str, Callable[[Stub, Stop], bytes | None]]] = {
    "start": _start,
    "breakpoint": _breakpoint,
    "watchpoint": _watchpoint,
    "step": _step,
    "signal": _signal,
    "fault": _signal,
    "enter": _call(b"syscall_entry"),
    "return": _call(_RETURN),
    "fork": _fork(b"fork", b"fork-events"),
    "vfork": _fork(b"vfork", b"vfork-events"),
    "vfork_done": _vfork_done,
    "exec": _exec,
    "clone": _clone,
    "thread_exit": _thread_exit,
    "exit": _exit,
}
