"""What gdb asks and sets at large: ``qSupported``, ``qAttached``, ``QCatchSyscalls`` and others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.machine.debugger import ALL as EVERYTHING
from tools.gdb import words
from tools.gdb.packets import PACKET_SIZE
from tools.gdb.signals import from_gdb
from tools.gdb.stops import trap
from tools.gdb.threads import report

if TYPE_CHECKING:
    from tools.gdb.stub import Stub

_ESRCH: Final = 3
_OFFERED: Final = (
    b"PacketSize=%x" % PACKET_SIZE,
    b"multiprocess+", b"swbreak+", b"hwbreak+", b"vContSupported+", b"QStartNoAckMode+",
    b"fork-events+", b"vfork-events+", b"exec-events+", b"no-resumed+", b"QThreadEvents+",
    b"QCatchSyscalls+", b"QPassSignals+", b"QProgramSignals+",
    b"qXfer:features:read+", b"qXfer:auxv:read+", b"qXfer:exec-file:read+",
    b"qXfer:threads:read+", b"qXfer:siginfo:read+", b"qXfer:siginfo:write+",
    b"qXfer:osdata:read+",
)  # fmt: skip
_HELP: Final = """\
monitor tasks   what every task of the machine is doing
monitor help    these lines
"""


def supported(stub: Stub, packet: bytes) -> bytes:
    """``qSupported``: what either side understands."""
    offered = packet.partition(b":")[2].split(b";")
    stub.features = frozenset(word[:-1] for word in offered if word.endswith(b"+"))
    stub.listen()
    return b";".join(_OFFERED)


def no_acknowledgements(stub: Stub, _: bytes) -> bytes:
    """``QStartNoAckMode``: the socket loses nothing."""
    stub.acknowledge = False
    return words.OK


def extended(stub: Stub, _: bytes) -> bytes:
    """``!``: gdb stays when nothing is left to debug."""
    stub.extended = True
    return words.OK


def why(stub: Stub, _: bytes) -> bytes:
    """``?``: why does the world stand still?

    The first stop comes before gdb has said what it understands: its reply is made here.
    """
    task = stub.thread
    if task is None:
        return b"W00"
    return stub.reply or trap(stub, task)


def attached(stub: Stub, packet: bytes) -> bytes:
    """``qAttached[:PID]``: 1 if it ran before gdb came, so that quitting lets it run on."""
    _, named, text = packet.partition(b":")
    pid = words.number(text) if named else stub.process
    if pid not in stub.attached:
        return words.error(_ESRCH)
    return b"1" if stub.attached[pid] else b"0"


def catch_calls(stub: Stub, packet: bytes) -> bytes:
    """``QCatchSyscalls:1[;NUMBER]...``, ``QCatchSyscalls:0``: for the selected process."""
    switch, *rest = packet.partition(b":")[2].split(b";")
    pid = stub.process
    if pid not in stub.attached or switch not in (b"0", b"1"):
        return words.error(_ESRCH if switch in (b"0", b"1") else 22)
    stub.catches.pop(pid, None)
    if switch == b"1":
        numbers = frozenset(words.number(word) for word in rest if word)
        stub.catches[pid] = numbers or EVERYTHING
    stub.listen()
    return words.OK


def pass_signals(stub: Stub, packet: bytes) -> bytes:
    """``QPassSignals:NUMBER;...``: deliver these without asking."""
    text = packet.partition(b":")[2]
    stub.passed = frozenset(from_gdb(words.number(word)) for word in text.split(b";") if word)
    stub.listen()
    return words.OK


def program_signals(stub: Stub, packet: bytes) -> bytes:
    """``QProgramSignals:NUMBER;...``: which a process gets that gdb leaves while it has one."""
    text = packet.partition(b":")[2]
    stub.wanted = frozenset(from_gdb(words.number(word)) for word in text.split(b";") if word)
    return words.OK


def thread_events(stub: Stub, packet: bytes) -> bytes:
    """``QThreadEvents:1``: report the start and end of threads."""
    switch = packet.partition(b":")[2]
    if switch not in (b"0", b"1"):
        return words.error(22)
    stub.thread_events = switch == b"1"
    return words.OK


def non_stop(_stub: Stub, packet: bytes) -> bytes:
    """``QNonStop:0``: the only way here; the machine has one thread."""
    return words.OK if packet.endswith(b":0") else words.error(22)


def monitor(stub: Stub, packet: bytes) -> bytes:
    """``monitor COMMAND``."""
    command = words.unhex(packet.partition(b",")[2]).strip()
    if command == b"tasks":
        return words.tohex(report(stub).encode())
    name = command.decode("utf-8", "backslashreplace")
    unknown = f"no monitor command is called {name}\n" if name not in ("", "help") else ""
    return words.tohex((unknown + _HELP).encode())
