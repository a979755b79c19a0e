"""How the program goes on: ``vCont``, the older ``c C s S``, ``k``, ``D``, ``vKill``.

An action is chosen for every thread of every process gdb debugs: the first of the packet's that
names it.  A thread that none names stays where it is (the core *holds* it): so gdb steps one thread
while others stand still, or runs one process and not another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_task
from tools.gdb import words
from tools.gdb.signals import from_gdb

if TYPE_CHECKING:
    from kernel.task.task import Task
    from tools.gdb.stub import Stub
    from tools.gdb.words import ThreadId

SUPPORTED: Final = b"vCont;c;C;s;S;t;r"
ONE_PROGRAM: Final = "a machine runs one program; to run it again, start diorama again"
_ESRCH: Final = 3


class Action(NamedTuple):
    """What one or more threads are to do.

    ``verb``: c go on, s step, r step through ``steps``, t stand still.  ``signal``: deliver it.
    """

    verb: bytes
    signal: int
    steps: range
    who: ThreadId


def vcont(stub: Stub, packet: bytes) -> bytes | None:
    """``vCont;ACTION[:THREAD];...``."""
    actions = [_action(stub, word) for word in packet.split(b";")[1:] if word]
    if not actions:
        raise words.Malformed("vCont without an action")
    return _go(stub, actions)


def _action(stub: Stub, word: bytes) -> Action:
    what, colon, who = word.partition(b":")
    wanted = words.thread_id(who, stub.process) if colon else words.ThreadId(words.ALL, words.ALL)
    verb, rest = what[:1], what[1:]
    if verb in (b"C", b"S"):
        return Action(verb.lower(), from_gdb(words.number(rest)), range(0), wanted)
    if verb == b"r":
        start, end = words.numbers(rest, 2)
        return Action(b"s", 0, range(start, end), wanted)
    if verb not in (b"c", b"s", b"t") or rest:
        raise words.Malformed(f"{what!r} is no action")
    return Action(verb, 0, range(0), wanted)


def old_style(stub: Stub, packet: bytes) -> bytes | None:
    """``c [ADDRESS]``, ``s [ADDRESS]``, ``C SIGNAL[;ADDRESS]``, ``S SIGNAL[;ADDRESS]``."""
    verb, rest = packet[:1], packet[1:]
    signal = 0
    if verb in (b"C", b"S"):
        number, _, rest = rest.partition(b";")
        signal = from_gdb(words.number(number))
    task = stub.thread
    if rest and task is not None:
        stub.debugger.settle(task)
        stub.machine.cpu.registers(task.context).pc = words.number(rest)
    everybody = words.ThreadId(words.ALL, words.ALL)
    actions = [Action(b"c", 0, range(0), everybody)]
    chosen = stub.find(stub.continued) if stub.continued.tid > 0 else task
    if chosen is not None and (signal or verb.lower() == b"s"):
        only = words.ThreadId(chosen.tgid, chosen.tid)
        actions.insert(0, Action(verb.lower(), signal, range(0), only))
    return _go(stub, actions)


def _go(stub: Stub, actions: list[Action]) -> bytes | None:
    """Give every thread its action; the reply comes with the next stop."""
    moving = False
    stub.stepping.clear()
    if _is_done_already(stub, actions):
        return stub.reply
    for task in list(stub.tasks()):
        action = next((action for action in actions if _names(action.who, task)), None)
        if action is None or action.verb == b"t":
            stub.debugger.hold(task)
            stub.held[task.tid] = None
            continue
        moving = True
        stub.debugger.release(task)
        stub.held.pop(task.tid, None)
        if action.verb == b"s":
            stub.stepping[task.tid] = action.steps
            stub.debugger.step(task)
        if action.signal:
            _deliver(stub, task, action.signal)
    stub.watched = None
    if not moving:
        return b"N" if stub.has(b"no-resumed") else words.error(_ESRCH)
    stub.going = True
    return None


def _is_done_already(stub: Stub, actions: list[Action]) -> bool:
    """Is this the step off a watchpoint, on a CPU that gdb takes to stop before the access?

    The core stops after it: that step was made.  Reporting it as such keeps gdb's idea of where
    the program is exact.
    """
    task = stub.watched
    if task is None or task.dead or not stub.registers.description.steps_off_watch:
        return False
    first = next((action for action in actions if _names(action.who, task)), None)
    stub.watched = None
    if first is None or first.verb != b"s" or first.signal or first.steps:
        return False
    stub.reply = b"T05thread:%b;" % stub.show(task)
    return True


def _names(who: ThreadId, task: Task) -> bool:
    return who.pid in (words.ALL, words.ANY, task.tgid) and who.tid in (
        words.ALL,
        words.ANY,
        task.tid,
    )


def _deliver(stub: Stub, task: Task, signo: int) -> None:
    """Let the signal it stopped for come, or send it one; gdb is not asked about it again."""
    stop = stub.stop
    if stop is not None and stop.task is task and stop.info is not None:
        if stop.info.signo == signo:
            stop.signal = signo
            return
        stop.signal = 0
    stub.injected[task.tid, signo] = None
    kept = stub.kept_signals.pop(task.tid, None)
    if kept is None or kept.signo != signo:
        kept = SigInfo.user(signo, 0, 0)
    send_to_task(task, kept)


def kill(stub: Stub, _: bytes) -> None:
    """``k``: end what gdb debugs; there is no reply."""
    for pid in list(stub.attached):
        stub.kill(pid)
    stub.going = True


def kill_process(stub: Stub, packet: bytes) -> bytes:
    """``vKill;PID``."""
    pid = words.number(packet.removeprefix(b"vKill;"))
    if pid not in stub.attached:
        return words.error(_ESRCH)
    stub.kill(pid)
    stub.killed = stub.extended and not stub.attached
    return words.OK


def run(stub: Stub, _: bytes) -> bytes:
    """``vRun;PROGRAM;...``: there is no other program.

    An empty reply would do, but gdb then goes on as if a program had been started.
    """
    stub.log(f"gdb: run: {ONE_PROGRAM}")
    return b"E." + ONE_PROGRAM.encode()


def detach(stub: Stub, packet: bytes) -> bytes:
    """``D[;PID]``: let a process, or all, run on without gdb."""
    _, named, text = packet.partition(b";")
    pids = [words.number(text)] if named else list(stub.attached)
    if any(pid not in stub.attached for pid in pids):
        return words.error(_ESRCH)
    for pid in pids:
        stub.forget(pid)
    return words.OK


def attach(stub: Stub, packet: bytes) -> bytes:
    """``vAttach;PID``: debug one more of the machine's processes; it stands still already."""
    pid = words.number(packet.removeprefix(b"vAttach;"))
    group = stub.machine.system.groups.get(pid)
    if group is None or pid == 1 or group.zombie:
        return words.error(_ESRCH)
    if pid in stub.attached:
        return words.error(1)  # EPERM, as ptrace(2) says of a tracee
    stub.attach(pid, ran_before=True)
    task = next(stub.tasks(pid))
    stub.selected = task
    stub.reply = b"T00thread:%b;" % stub.show(task)
    return stub.reply
