"""Documents: ``qXfer:OBJECT:read:ANNEX:OFFSET,LENGTH``, and ``write`` for the signal.

A document is made when its beginning is read and kept for the pieces that follow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape as escape_xml

from kernel.task.siginfo import SIGINFO_SIZE, SigInfo
from kernel.vfs.dentry import display_path
from kernel.vfs.openfile import OpenFile
from tools.gdb import words
from tools.gdb.description import to_xml
from tools.gdb.packets import PACKET_SIZE, escape, unescape
from tools.gdb.threads import listing, printable

if TYPE_CHECKING:
    from tools.gdb.stub import Stub

_LONGEST: Final = PACKET_SIZE // 2 - 16  # every byte may have to be escaped
_NOT_FOUND: Final = b"E00"
_ESRCH: Final = 3


def answer(stub: Stub, packet: bytes) -> bytes:
    """A piece of a document: ``m`` with more to come, ``l`` with the last of it."""
    parts = packet.removeprefix(b"qXfer:").split(b":", 3)
    if len(parts) != 4:
        raise words.Malformed("qXfer needs four parts")
    name, operation, annex, rest = parts
    if operation == b"write" and name == b"siginfo":
        return _write_siginfo(stub, rest)
    if operation != b"read" or name not in DOCUMENTS:
        return words.UNSUPPORTED
    offset, length = words.numbers(rest, 2)
    key = name + b":" + annex
    if not offset or key not in stub.documents:
        document = DOCUMENTS[name](stub, annex)
        if document is None:
            stub.documents.pop(key, None)
            return _NOT_FOUND
        stub.documents[key] = document
    return _piece(stub.documents[key], offset, min(length, _LONGEST))


def _piece(document: bytes, offset: int, length: int) -> bytes:
    part = document[offset : offset + length]
    last = offset + len(part) >= len(document)
    return (b"l" if last else b"m") + escape(part)


def _features(stub: Stub, annex: bytes) -> bytes | None:
    return to_xml(stub.registers.description) if annex == b"target.xml" else None


def _auxv(stub: Stub, _: bytes) -> bytes | None:
    task = stub.thread
    return task.mm.auxv if task is not None and task.mm is not None else None


def _exec_file(stub: Stub, annex: bytes) -> bytes | None:
    """The path of a program, as /proc/PID/exe shows it."""
    pid = words.number(annex) if annex else stub.process
    group = stub.group(pid)
    mm = next((task.mm for task in stub.tasks(pid) if task.mm is not None), None)
    if group is None or mm is None or not isinstance(mm.exe, OpenFile):
        return None
    return display_path(mm.exe.path)


def _threads(stub: Stub, _: bytes) -> bytes | None:
    return listing(stub)


def _siginfo(stub: Stub, _: bytes) -> bytes | None:
    """``$_siginfo``: the signal the thread has stopped for."""
    stop, task = stub.stop, stub.thread
    if stop is None or stop.task is not task or stop.info is None:
        return None
    return stop.info.pack()


def _write_siginfo(stub: Stub, rest: bytes) -> bytes:
    """``qXfer:siginfo:write::OFFSET:DATA``: change what will be delivered.

    Around a function call gdb saves it and puts it back, when the thread has stopped for something
    else (on x86 for the fault of a stack that is not executable, where gdb has the function return
    to): then it is kept for the signal that gdb will send.
    """
    offset_text, _, data = rest.partition(b":")
    offset, part = words.number(offset_text), unescape(data)
    stop, task = stub.stop, stub.thread
    if task is None or offset + len(part) > SIGINFO_SIZE:
        return words.error(22)  # EINVAL
    old = stop.info if stop is not None and stop.task is task else None
    signo = int.from_bytes(part[:4], "little")
    if not offset and len(part) == SIGINFO_SIZE and (old is None or signo != old.signo):
        stub.kept_signals[task.tid] = SigInfo.unpack(part, signo)
        return b"%x" % len(part)
    if old is None:
        return words.error(_ESRCH)
    image = bytearray(old.pack())
    image[offset : offset + len(part)] = part
    new = SigInfo.unpack(bytes(image), old.signo)
    old.errno, old.code, old.payload = new.errno, new.code, new.payload
    return b"%x" % len(part)


def _processes(stub: Stub, annex: bytes) -> bytes | None:
    """``info os processes``: what ``attach`` can name."""
    if annex not in (b"processes", b""):
        return None
    items = []
    if not annex:
        columns = (("Type", "processes"), ("Description", "Listing of all processes"))
        items.append(columns)
    else:
        for pid, group in sorted(stub.machine.system.groups.items()):
            command = printable(group.leader.comm)
            user = str(group.leader.cred.ruid)
            items.append((("pid", str(pid)), ("user", user), ("command", command)))  # type: ignore[arg-type]
    kind = "processes" if annex else "types"
    lines = [f'<?xml version="1.0"?><!DOCTYPE target SYSTEM "osdata.dtd"><osdata type="{kind}">']
    for item in items:
        cells = "".join(f'<column name="{k}">{escape_xml(v)}</column>' for k, v in item)
        lines.append(f"<item>{cells}</item>")
    return "\n".join([*lines, "</osdata>"]).encode()


DOCUMENTS: Final[dict[bytes, Callable[[Stub, bytes], bytes | None]]] = {
    b"features": _features,
    b"auxv": _auxv,
    b"exec-file": _exec_file,
    b"threads": _threads,
    b"siginfo": _siginfo,
    b"osdata": _processes,
}
