"""From the first letters of a packet to the function that answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tools.gdb import files, memory, points, queries, resume, threads, tls, transfer, words

if TYPE_CHECKING:
    from tools.gdb.stub import Stub

Handler = Callable[["Stub", bytes], "bytes | None"]
"""handler(stub, packet) -> the reply; None: none now."""

_ESRCH: Final = 3


def _read_all(stub: Stub, _: bytes) -> bytes:
    """``g``."""
    task = stub.thread
    if task is None:
        return words.error(_ESRCH)
    return words.tohex(stub.registers.read_all(task))


def _write_all(stub: Stub, packet: bytes) -> bytes:
    """``G HEX``."""
    task = stub.thread
    if task is None:
        return words.error(_ESRCH)
    stub.registers.write_all(task, words.unhex(packet[1:]))
    return words.OK


def _read_one(stub: Stub, packet: bytes) -> bytes:
    """``p NUMBER``."""
    task = stub.thread
    value = stub.registers.read(task, words.number(packet[1:])) if task is not None else None
    return words.error(_ESRCH) if value is None else words.tohex(value)


def _write_one(stub: Stub, packet: bytes) -> bytes:
    """``P NUMBER=HEX``."""
    number, _, data = packet[1:].partition(b"=")
    task = stub.thread
    if task is None or not stub.registers.write(task, words.number(number), words.unhex(data)):
        return words.error(_ESRCH)
    return words.OK


LETTERS: Final[dict[bytes, Handler]] = {
    b"!": queries.extended,
    b"?": queries.why,
    b"c": resume.old_style,
    b"C": resume.old_style,
    b"s": resume.old_style,
    b"S": resume.old_style,
    b"D": resume.detach,
    b"g": _read_all,
    b"G": _write_all,
    b"p": _read_one,
    b"P": _write_one,
    b"H": threads.select,
    b"k": resume.kill,
    b"m": memory.read,
    b"M": memory.write,
    b"x": memory.read_binary,
    b"X": memory.write_binary,
    b"T": threads.alive,
    b"z": points.remove,
    b"Z": points.insert,
}
"""Packets of one letter."""


def _vcont_supported(_stub: Stub, _: bytes) -> bytes:
    """``vCont?``."""
    return resume.SUPPORTED


NAMES: Final[dict[bytes, Handler]] = {
    b"qAttached": queries.attached,
    b"qC": threads.current,
    b"qRcmd": queries.monitor,
    b"qSearch": memory.search,
    b"qSupported": queries.supported,
    b"qGetTLSAddr": tls.address,
    b"qSymbol": tls.symbol,
    b"qThreadExtraInfo": threads.extra,
    b"qXfer": transfer.answer,
    b"qfThreadInfo": threads.first,
    b"qsThreadInfo": threads.rest,
    b"QCatchSyscalls": queries.catch_calls,
    b"QNonStop": queries.non_stop,
    b"QPassSignals": queries.pass_signals,
    b"QProgramSignals": queries.program_signals,
    b"QStartNoAckMode": queries.no_acknowledgements,
    b"QThreadEvents": queries.thread_events,
    b"vAttach": resume.attach,
    b"vCont": resume.vcont,
    b"vCont?": _vcont_supported,
    b"vFile": files.answer,
    b"vKill": resume.kill_process,
    b"vRun": resume.run,
}
"""Packets with a name, up to the first of ``: ; ,``."""


def find(packet: bytes) -> Handler | None:
    """The function for a packet; None: it is not known."""
    if packet[:1] not in (b"q", b"Q", b"v"):
        return LETTERS.get(packet[:1])
    end = min((at for at in map(packet.find, (b":", b";", b",")) if at >= 0), default=len(packet))
    return NAMES.get(packet[:end])


def answer(stub: Stub, packet: bytes) -> bytes | None:
    """The reply to any packet; whatever is wrong with it, an error or nothing, never more."""
    handler = find(packet)
    if handler is None:
        return words.UNSUPPORTED
    try:
        return handler(stub, packet)
    except words.Malformed:
        return words.error(22)  # EINVAL
