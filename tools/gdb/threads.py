"""Threads: which there are, which one packets are about, what they are doing."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from kernel.machine.snapshot import take_snapshot
from tools.gdb import words

if TYPE_CHECKING:
    from kernel.task.task import Task
    from tools.gdb.stub import Stub

_ESRCH = 3


def select(stub: Stub, packet: bytes) -> bytes:
    """``Hg THREAD``, ``Hc THREAD``: the thread of later packets."""
    operation, text = packet[1:2], packet[2:]
    wanted = words.thread_id(text, stub.process)
    if operation == b"c":
        stub.continued = wanted
        return words.OK
    if operation != b"g":
        return words.UNSUPPORTED
    if wanted.tid == words.ALL and wanted.pid == words.ALL:
        return words.OK
    task = stub.find(wanted)
    if task is None:
        return words.error(_ESRCH)
    stub.selected = task
    return words.OK


def alive(stub: Stub, packet: bytes) -> bytes:
    """``T THREAD``: is it there?"""
    task = stub.find(words.thread_id(packet[1:], stub.process))
    return words.error(_ESRCH) if task is None else words.OK


def current(stub: Stub, _: bytes) -> bytes:
    """``qC``."""
    task = stub.thread
    return words.UNSUPPORTED if task is None else b"QC" + stub.show(task)


def first(stub: Stub, _: bytes) -> bytes:
    """``qfThreadInfo``: all of them at once."""
    shown = b",".join(stub.show(task) for task in stub.tasks())
    return b"m" + shown if shown else b"l"


def rest(_stub: Stub, _: bytes) -> bytes:
    """``qsThreadInfo``: there are no more."""
    return b"l"


def extra(stub: Stub, packet: bytes) -> bytes:
    """``qThreadExtraInfo,THREAD``: a few words for ``info threads``."""
    task = stub.find(words.thread_id(packet.partition(b",")[2], stub.process))
    if task is None:
        return words.error(_ESRCH)
    return words.tohex(describe(stub, task).encode())


def describe(stub: Stub, task: Task) -> str:
    """What a thread is doing: its state, and the system call it sleeps in."""
    if task.generator is None or task.call is None:
        return task.state
    call = stub.machine.table.name(task.call[0]) or f"call {task.call[0]}"
    return f"{task.state} in {call}"


def listing(stub: Stub) -> bytes:
    """``qXfer:threads``: the threads in XML, with their names."""
    lines = ["<threads>"]
    for task in stub.tasks():
        number = quoteattr(stub.show(task).decode())
        name = quoteattr(printable(task.comm))
        what = escape(describe(stub, task))
        lines.append(f'<thread id={number} core="0" name={name}>{what}</thread>')
    lines.append("</threads>")
    return "\n".join(lines).encode()


def printable(name: bytes) -> str:
    """A name as XML can carry it: programs may set any bytes."""
    text = name.decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "?" for c in text)


def report(stub: Stub) -> str:
    """What every task of the machine is doing, for ``monitor tasks``."""
    return "".join(f"{task}\n" for task in take_snapshot(stub.machine))
