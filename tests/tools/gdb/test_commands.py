"""Packets and their answers, against a machine that is booted and stands still."""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.abi.signals import SIGUSR1
from kernel.machine.debugger import Debugger, Stop
from kernel.task.siginfo import SigInfo
from kernel.task.task import Task
from tools.boot import Session, boot
from tools.config import RunConfig
from tools.gdb import commands, resume
from tools.gdb.packets import unescape
from tools.gdb.stops import reply_to
from tools.gdb.stub import Stub
from userland import build

pytestmark = pytest.mark.guest

SOURCE = """
    char greeting[] = "hello, debugger";
    int main(void) { return greeting[0]; }
"""
SUPPORTED = b"qSupported:multiprocess+;swbreak+;hwbreak+;fork-events+;vfork-events+;exec-events+"


@dataclass
class Table:
    """A conversation: the stub, the debugger's core, and the program that stands still."""

    stub: Stub
    core: Debugger
    session: Session
    task: Task

    def ask(self, packet: bytes) -> bytes | None:
        """The answer to one packet."""
        return commands.answer(self.stub, packet)

    @property
    def pc(self) -> int:
        """Where it stands."""
        return self.session.machine.cpu.registers(self.task.context).pc

    @property
    def steps(self) -> list[int]:
        """Who is to make a step, by tid."""
        return [task.tid for task in self.core._turns.steps]


@pytest.fixture
def table(arch: str) -> Iterator[Table]:
    """A program before its first instruction."""
    program = build.build_source("gdb_still", arch, SOURCE)
    session = boot(RunConfig(program=str(program), arch=arch, memory=64 << 20))
    core = Debugger(session.machine, lambda stop: None)
    stub = Stub(session.machine, core)
    assert session.task is not None
    stub.attach(session.task.tgid, ran_before=False)
    stub.stop = Stop(session.task, "start")
    table = Table(stub, core, session, session.task)
    table.ask(SUPPORTED)
    yield table
    session.close()


def test_what_is_offered(table: Table) -> None:
    offered = (table.ask(SUPPORTED) or b"").split(b";")
    for word in (
        b"multiprocess+", b"swbreak+", b"hwbreak+", b"vContSupported+", b"fork-events+",
        b"vfork-events+", b"exec-events+", b"QCatchSyscalls+", b"QPassSignals+",
        b"QStartNoAckMode+", b"qXfer:features:read+", b"qXfer:auxv:read+",
        b"qXfer:exec-file:read+", b"qXfer:threads:read+", b"qXfer:siginfo:read+",
    ):  # fmt: skip
        assert word in offered
    assert any(word.startswith(b"PacketSize=") for word in offered)
    assert {b"c", b"C", b"s", b"S", b"t"} <= set((table.ask(b"vCont?") or b"").split(b";")[1:])


def test_what_is_not_known_is_answered_with_nothing(table: Table) -> None:
    for packet in (
        b"", b"qOffsets", b"vMustReplyEmpty", b"Q", b"b", b"\xff", b"qTStatus", b"R00", b"vStopped",
        b"vCtrlC", b"QAgent:1", b"QSetWorkingDir:2f", b"QEnvironmentReset", b"QStartupWithShell:1",
        b"QDisableRandomization:1", b"QThreadOptions:1", b"qCRC:0,1", b"bs", b"bc", b"A0", b"r",
        b"t", b"d", b"i", b"B0", b"qMemTags:0,1:1", b"qTfP", b"QTinit",
        b"qXfer:libraries:read::0,9", b"qXfer:btrace:read::0,9", b"qGetTIBAddr:1",
        b"vFlashErase:0,10", b"vFile:nothing:1", b"z9,0,1", b"Z5,0,1", b"Hx0",
    ):  # fmt: skip
        assert table.ask(packet) == b"", packet


def test_threads(table: Table) -> None:
    assert (table.ask(b"?") or b"").startswith(b"T05thread:p2.2;")
    assert table.ask(b"qC") == b"QCp2.2"
    assert table.ask(b"qfThreadInfo") == b"mp2.2"
    assert table.ask(b"qsThreadInfo") == b"l"
    assert table.ask(b"Tp2.2") == b"OK"
    assert table.ask(b"Tp2.3") == b"E03"
    assert table.ask(b"Hgp2.2") == b"OK"
    assert table.ask(b"Hgp9.9") == b"E03"
    assert table.ask(b"Hcp-1.-1") == b"OK"
    assert table.ask(b"qAttached:2") == b"0"
    assert table.ask(b"qAttached:3") == b"E03"


def document(table: Table, name: bytes, annex: bytes = b"", piece: int = 64) -> bytes:
    """A whole qXfer document, in pieces."""
    text = b""
    while True:
        packet = b"qXfer:%b:read:%b:%x,%x" % (name, annex, len(text), piece)
        answer = table.ask(packet) or b""
        assert answer[:1] in (b"m", b"l"), answer
        text += unescape(answer[1:])
        if answer[:1] == b"l":
            return text


def test_documents(table: Table, arch: str) -> None:
    assert ET.fromstring(document(table, b"features", b"target.xml", 500)).tag == "target"
    auxv = document(table, b"auxv")
    entries = dict(struct.iter_unpack("<QQ", auxv))
    assert entries[9] == table.pc  # AT_ENTRY: static, so the program's own
    path = document(table, b"exec-file", b"2").decode()
    assert path.startswith("/bin/gdb_still")
    (thread,) = ET.fromstring(document(table, b"threads"))
    assert thread.get("id") == "p2.2"
    assert "gdb_still" in (thread.get("name") or "")
    processes = document(table, b"osdata", b"processes")
    assert b'<column name="pid">2</column>' in processes
    assert table.ask(b"qXfer:features:read:other.xml:0,100") == b"E00"
    assert table.ask(b"qXfer:nothing:read::0,100") == b""
    assert table.ask(b"qXfer:auxv:write::0:aa") == b""
    assert table.ask(b"qXfer:auxv:read::ffffff,100") == b"l"


def test_names_are_what_xml_can_hold(table: Table) -> None:
    """A program may call itself anything; gdb's parser knows no control characters."""
    task = table.stub.thread
    assert task is not None
    task.comm = b"<\x01\x1b&\xff"
    (thread,) = ET.fromstring(document(table, b"threads"))
    assert thread.get("name") == "<??&\ufffd"
    commands = [
        column.text
        for column in ET.fromstring(document(table, b"osdata", b"processes")).iter("column")
        if column.get("name") == "command"
    ]
    assert "<??&\ufffd" in commands


def test_registers_in_and_out(table: Table) -> None:
    everything = table.ask(b"g") or b""
    assert len(everything) * 4 == sum(slot.bits for slot in table.stub.registers._slots)
    assert table.ask(b"G" + everything) == b"OK"
    assert table.ask(b"g") == everything
    assert table.ask(b"p0") == everything[:16]
    assert table.ask(b"P0=efcdab8967452301") == b"OK"
    assert table.ask(b"p0") == b"efcdab8967452301"
    assert table.ask(b"pffff") == b"E03"
    assert table.ask(b"P0=00") == b"E16"
    assert table.ask(b"G00") == b"E16"


def test_every_register_keeps_what_is_written(table: Table) -> None:
    """But constants and bits that a user program could not set either."""
    slots = table.stub.registers._slots
    for number, slot in enumerate(slots):
        if slot.source == "fp" and slot.bits >= 80:
            value = bytes(range(1, slot.bits // 8 + 1)).hex().encode()
            assert table.ask(b"P%x=%b" % (number, value)) == b"OK"
            assert table.ask(b"p%x" % number) == value, slot.name


def test_memory_in_and_out(table: Table) -> None:
    at = table.pc
    before = table.ask(b"m%x,8" % at)
    assert before is not None
    assert len(before) == 16
    assert table.ask(b"M%x,2:0102" % at) == b"OK"
    assert table.ask(b"X%x,2:%b" % (at + 2, b"}\x03\x04")) == b"OK"
    assert table.ask(b"m%x,4" % at) == b"01022304"
    assert table.ask(b"x%x,4" % at) == b"b\x01\x02}\x03\x04"
    assert table.ask(b"X%x,0:" % at) == b"OK"
    assert table.ask(b"m10,4") == b"E0e"
    assert table.ask(b"M10,1:00") == b"E0e"
    assert table.ask(b"M%x,2:01" % at) == b"E16"
    assert table.ask(b"mffffffffffffffff,8") == b"E0e"


def test_searching_memory(table: Table) -> None:
    sp = table.session.machine.cpu.registers(table.task.context).sp
    at = (sp & ~0xFFF) - 0x2000
    assert table.ask(b"M%x,4:deadbeef" % (at + 0xFFE)) == b"OK"  # over a page's end
    assert table.ask(b"qSearch:memory:%x;2000;\xde\xad\xbe\xef" % at) == b"1,%x" % (at + 0xFFE)
    assert table.ask(b"qSearch:memory:%x;10;\xde\xad\xbe\xef" % at) == b"0"
    assert table.ask(b"qSearch:memory:%x;10;" % at) == b"E16"


def test_points(table: Table) -> None:
    at = table.pc
    assert table.ask(b"Z0,%x,1" % at) == b"OK"
    assert table.ask(b"Z0,%x,1" % at) == b"OK"
    assert table.ask(b"Z1,%x,4" % at) == b"OK"
    assert table.ask(b"Z2,%x,4" % at) == b"OK"
    assert table.ask(b"Z3,%x,2" % at) == b"OK"
    assert table.ask(b"Z4,%x,1" % at) == b"OK"
    points, space = table.core.points, table.task.mm
    assert space is not None
    assert [point.hardware for point in points.at(space, at)] == [False, True]
    watched = [(point.address, point.length, point.access) for point in points.watches]
    assert watched == [(at, 4, "w"), (at, 2, "r"), (at, 1, "a")]
    assert table.ask(b"z0,%x,1" % at) == b"OK"
    assert table.ask(b"z0,%x,1" % at) == b"OK"  # it is not there any more; that is fine
    assert [point.hardware for point in points.at(space, at)] == [True]
    assert table.ask(b"z3,%x,2" % at) == b"OK"
    assert [point.access for point in points.watches] == ["w", "a"]
    assert table.ask(b"Z0,10,1") == b"E0e"
    assert table.ask(b"Z5,10,1") == b""
    assert table.ask(b"Z0,10") == b"E16"


def test_going_on(table: Table) -> None:
    assert table.ask(b"vCont;s:p2.2;c:p2.-1") is None
    assert table.steps == [2]
    assert table.stub.going
    assert table.ask(b"vCont;c:p9.9") in (b"E03", b"N")
    for packet in (b"vCont", b"vCont;", b"vCont;x", b"vCont;c:", b"vCont;C", b"vCont;r5"):
        assert (table.ask(packet) or b"E")[:1] == b"E", packet


def test_a_step_through_a_range_is_said_once(table: Table) -> None:
    assert table.ask(b"vCont;r%x,%x:p2.2" % (table.pc, table.pc + 4)) is None
    step = Stop(table.task, "step", table.pc)
    table.core._turns.steps.clear()
    assert reply_to(table.stub, step) is None
    assert table.steps == [2]
    table.session.machine.cpu.registers(table.task.context).pc += 4
    assert (reply_to(table.stub, step) or b"").startswith(b"T05thread:p2.2;")


def test_a_signal_is_held_back_until_gdb_sends_it_on(table: Table) -> None:
    stop = Stop(table.task, "signal")
    stop.info = SigInfo.user(SIGUSR1, 7, 0)
    stop.signal = SIGUSR1
    table.stub.stop = stop
    assert (reply_to(table.stub, stop) or b"").startswith(b"T1ethread:p2.2;")
    assert stop.signal == 0
    image = document(table, b"siginfo")
    assert struct.unpack_from("<iii", image) == (SIGUSR1, 0, 0)
    assert struct.unpack_from("<i", image, 16) == (7,)
    assert table.ask(b"qXfer:siginfo:write::10:\x09\0\0\0") == b"4"
    assert stop.info.pid == 9
    assert table.ask(b"qXfer:siginfo:write::7e:\x09\0\0\0") == b"E16"
    assert table.ask(b"vCont;C1e:p2.2") is None
    assert stop.signal == SIGUSR1


def test_a_signal_gdb_passes_is_not_reported(table: Table) -> None:
    assert table.ask(b"QPassSignals:e;1e") == b"OK"
    assert SIGUSR1 not in table.core.catch_signals
    assert table.ask(b"QPassSignals:") == b"OK"
    assert SIGUSR1 in table.core.catch_signals


def test_a_signal_that_gdb_invents_is_not_reported_back(table: Table) -> None:
    assert table.ask(b"vCont;C1e:p2.2") is None
    assert table.task.pending.bits == 1 << (SIGUSR1 - 1)
    stop = Stop(table.task, "signal")
    stop.info, stop.signal = SigInfo.user(SIGUSR1, 0, 0), SIGUSR1
    assert reply_to(table.stub, stop) is None
    assert stop.signal == SIGUSR1
    assert reply_to(table.stub, stop) is not None


def test_detaching_hands_the_signal_back(table: Table) -> None:
    for wanted, delivered in ((b"1e", SIGUSR1), (b"1f", 0)):
        table.stub.attach(2, ran_before=False)
        stop = Stop(table.task, "signal")
        stop.info, stop.signal = SigInfo.user(SIGUSR1, 0, 0), SIGUSR1
        table.stub.stop = stop
        reply_to(table.stub, stop)
        assert table.ask(b"QProgramSignals:" + wanted) == b"OK"
        assert table.ask(b"D;2") == b"OK"
        assert stop.signal == delivered
        assert not table.stub.attached


def test_catching_calls(table: Table) -> None:
    assert table.ask(b"QCatchSyscalls:1;1;3c") == b"OK"
    assert table.core.catch_calls == frozenset({1, 0x3C})
    stop = Stop(table.task, "enter")
    stop.number = 1
    assert b"syscall_entry:1;" in (reply_to(table.stub, stop) or b"")
    stop.number = 2
    assert reply_to(table.stub, stop) is None
    assert table.ask(b"QCatchSyscalls:1") == b"OK"
    assert 12345 in table.core.catch_calls
    stop.reason = "return"
    assert b"syscall_return:2;" in (reply_to(table.stub, stop) or b"")
    assert table.ask(b"QCatchSyscalls:0") == b"OK"
    assert 1 not in table.core.catch_calls
    assert table.ask(b"QCatchSyscalls:2") == b"E16"


def test_ends(table: Table) -> None:
    stop = Stop(table.task, "exit")
    stop.status = 3 << 8
    assert reply_to(table.stub, stop) == b"W03;process:2"
    assert not table.stub.attached
    table.stub.attach(2, ran_before=False)
    stop.status = 10  # killed by SIGUSR1
    assert reply_to(table.stub, stop) == b"X1e;process:2"


def test_killing(table: Table) -> None:
    assert table.ask(b"vKill;9") == b"E03"
    assert table.ask(b"vKill;2") == b"OK"
    assert table.task.group.exiting
    assert not table.stub.attached


def test_there_is_no_other_program_to_run(table: Table) -> None:
    said: list[str] = []
    table.stub.log = said.append
    assert (table.ask(b"vRun;2f62696e2f7368") or b"").startswith(b"E.a machine runs one program")
    assert said == ["gdb: run: a machine runs one program; to run it again, start diorama again"]
    assert table.ask(b"QThreadEvents:2") == b"E16"


def test_attaching_to_what_is_there(table: Table) -> None:
    assert table.ask(b"vAttach;2") == b"E01"
    assert table.ask(b"vAttach;1") == b"E03"
    assert table.ask(b"vAttach;63") == b"E03"
    assert table.ask(b"D;2") == b"OK"
    assert (table.ask(b"vAttach;2") or b"").startswith(b"T00thread:p2.2;")
    assert table.ask(b"qAttached:2") == b"1"


def number(answer: bytes | None) -> int:
    """The result of a vFile packet."""
    match = re.match(rb"F(-?[0-9a-f]+)", answer or b"")
    assert match, answer
    return int(match[1], 16)


def test_the_guests_files(table: Table) -> None:
    passwd = b"/etc/passwd".hex().encode()
    assert table.ask(b"vFile:setfs:2") == b"F0"
    fd = number(table.ask(b"vFile:open:%b,0,0" % passwd))
    data = table.ask(b"vFile:pread:%x,1000,0" % fd) or b""
    assert data.partition(b";")[2].startswith(b"root:")
    assert number(data) == len(data.partition(b";")[2])
    stat = unescape((table.ask(b"vFile:fstat:%x" % fd) or b"").partition(b";")[2])
    assert len(stat) == 64
    assert struct.unpack_from(">I", stat, 8)[0] == 0o100644
    assert struct.unpack_from(">Q", stat, 28)[0] == number(data)
    assert table.ask(b"vFile:close:%x" % fd) == b"F0"
    assert table.ask(b"vFile:close:%x" % fd) == b"F-1,9"
    assert table.ask(b"vFile:open:%b,0,0" % b"/no".hex().encode()) == b"F-1,2"
    assert table.ask(b"vFile:open:%b,0,0" % (b"/" + b"x" * 300).hex().encode()) == b"F-1,5b"
    assert table.ask(b"vFile:setfs:99") == b"F-1,2"
    exe = table.ask(b"vFile:readlink:" + b"/proc/2/exe".hex().encode()) or b""
    assert exe.partition(b";")[2].startswith(b"/bin/gdb_still")
    assert table.ask(b"vFile:readlink:" + passwd) == b"F-1,16"
    assert table.ask(b"vFile:nothing:0") == b""
    assert table.ask(b"vFile:pread:0") == b"E16"


def test_files_for_the_guest(table: Table) -> None:
    name = b"/tmp/put".hex().encode()
    fd = number(table.ask(b"vFile:open:%b,601,1a4" % name))  # O_WRONLY O_CREAT O_TRUNC
    assert number(table.ask(b"vFile:pwrite:%x,0,a}\x03b" % fd)) == 3
    assert table.ask(b"vFile:pread:%x,10,0" % fd) == b"F-1,9"
    assert table.ask(b"vFile:close:%x" % fd) == b"F0"
    fd = number(table.ask(b"vFile:open:%b,0,0" % name))
    assert table.ask(b"vFile:pread:%x,10,0" % fd) == b"F3;a}\x03b"
    assert table.ask(b"vFile:unlink:" + name) == b"F0"
    assert table.ask(b"vFile:open:%b,0,0" % name) == b"F-1,2"


def test_a_fifo_does_not_hang_gdb(table: Table) -> None:
    assert number(table.ask(b"vFile:open:%b,0,0" % b"/proc/2/mem".hex().encode())) >= 0
    assert (table.ask(b"vFile:open:%b,0,0" % b"/dev/console".hex().encode()) or b"")[:1] == b"F"


def test_monitor(table: Table) -> None:
    answer = table.ask(b"qRcmd," + b"tasks".hex().encode()) or b""
    assert b"2/2 gdb_still" in bytes.fromhex(answer.decode())
    for text, unknown in ((b"", False), (b"help", False), (b"foo\xff", True)):
        answer = table.ask(b"qRcmd," + text.hex().encode()) or b""
        assert b"monitor tasks" in bytes.fromhex(answer.decode())
        assert (rb"called foo\xff" in bytes.fromhex(answer.decode())) is unknown


_VERBS = [*commands.LETTERS, *commands.NAMES, b"vFile:open", b"vFile:pread", b"qXfer:auxv:read"]
_ANYTHING = st.binary(max_size=30) | st.from_regex(rb"[0-9a-f,:;p.+=-]{0,40}", fullmatch=True)


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(verb=st.sampled_from(_VERBS), rest=_ANYTHING)
def test_whatever_comes_is_answered(table: Table, verb: bytes, rest: bytes) -> None:
    """Malformed packets get an error or nothing; no exception, and the next packet works."""
    for packet in (verb + rest, verb + b":" + rest, verb + b";" + rest):
        table.ask(packet)
    assert table.ask(b"vCont?") == resume.SUPPORTED
