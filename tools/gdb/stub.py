"""One conversation with one gdb: what it may see, what it has selected, how it wants to go on.

Plain state with small verbs; the packets that use them are in the modules beside this one.  gdb
sees the processes it is *attached* to: the one it started with, children of those that forked under
its eyes, and what it asks for (``vAttach``).  All others run on unseen, though they stand still
with everybody while gdb has the world stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.signals import NSIG, SIGKILL
from kernel.machine.debugger import ALL as EVERYTHING
from kernel.machine.debugger import NONE
from kernel.task.signals import kill_group
from tools.gdb import words
from tools.gdb.files import GuestFiles
from tools.gdb.points import Points
from tools.gdb.registers import RegisterView

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from kernel.machine.debugger import Debugger, Stop
    from kernel.machine.loop import Machine
    from kernel.task.siginfo import SigInfo
    from kernel.task.task import Task
    from kernel.task.thread_group import ThreadGroup
    from tools.gdb.words import ThreadId


class Stub:
    """The state of a conversation.

    ``attached``: the processes gdb debugs, each with whether they ran before gdb came.
    ``stop``: why the world stands still; None while it runs.  ``reply``: the last
    stop reply sent.
    ``going``: gdb has said how to go on, and awaits a stop reply.  ``extended``: it stays when
    nothing is left to debug.  ``features``: what it said it understands (qSupported).
    ``stepping``: by tid, the range of addresses a thread steps through (empty: one instruction).
    ``held``: the threads that stand still, by tid.  ``passed``: signals gdb asked not to hear of;
    ``wanted``: those a process gets that gdb leaves (None: all); ``injected``: (tid, number) of
    those gdb sent; ``kept_signals``: what gdb wants to send with one, by tid.
    ``cancelled``: threads whose call will not be made, so that its end is not reported, by tid.
    ``module_number``: the address of a symbol that tls.py needs.
    ``catches``: the system calls to report, by pid.  ``watched``: the thread that stopped last,
    if that was for a watchpoint.  ``killed``: gdb has killed the last process, and may want
    another.  ``log`` takes lines for people.
    """

    def __init__(self, machine: Machine, debugger: Debugger) -> None:
        self.machine = machine
        self.debugger = debugger
        self.registers = RegisterView(machine, debugger)
        self.points = Points(debugger)
        self.files = GuestFiles()
        self.attached: dict[int, bool] = {}
        self.features: frozenset[bytes] = frozenset()
        self.extended = False
        self.killed = False
        self.stop: Stop | None = None
        self.reply = b""
        self.going = False
        self.interrupting = False
        self.selected: Task | None = None
        self.continued: ThreadId = words.ThreadId(words.ALL, words.ALL)
        self.stepping: dict[int, range] = {}
        self.held: dict[int, None] = {}
        self.wanted: frozenset[int] | None = None
        self.passed: frozenset[int] = frozenset()
        self.injected: dict[tuple[int, int], None] = {}
        self.kept_signals: dict[int, SigInfo] = {}
        self.cancelled: dict[int, None] = {}
        self.catches: dict[int, Container[int]] = {}
        self.thread_events = False
        self.module_number = 0
        self.watched: Task | None = None
        self.documents: dict[bytes, bytes] = {}
        self.acknowledge = True
        self.log: Callable[[str], None] = lambda line: None
        self.listen()

    # -- what gdb wants to hear ------------------------------------------------------------------

    def has(self, feature: bytes) -> bool:
        """Does gdb understand this (``fork-events`` and so on)?"""
        return feature in self.features

    @property
    def multiprocess(self) -> bool:
        """Do thread numbers carry the process?"""
        return self.has(b"multiprocess")

    def listen(self) -> None:
        """Tell the core what is worth a stop."""
        debugger = self.debugger
        passed = self.passed
        debugger.catch_signals = frozenset(n for n in range(1, NSIG + 1) if n not in passed)
        calls = list(self.catches.values())
        if not calls:
            debugger.catch_calls = NONE
        elif any(called is EVERYTHING for called in calls):
            debugger.catch_calls = EVERYTHING
        else:
            debugger.catch_calls = frozenset(
                number for called in calls if isinstance(called, frozenset) for number in called
            )
        debugger.catch_forks = self.has(b"fork-events") or self.has(b"vfork-events")
        debugger.catch_execs = True
        debugger.catch_exits = True
        debugger.catch_threads = True

    # -- processes and threads -------------------------------------------------------------------

    def group(self, pid: int) -> ThreadGroup | None:
        """A process gdb debugs; None if it is none of those, or gone."""
        return self.machine.system.groups.get(pid) if pid in self.attached else None

    def tasks(self, pid: int = words.ALL) -> Iterator[Task]:
        """The living threads of one process, or of all that gdb debugs, by number."""
        for each in sorted(self.attached) if pid == words.ALL else [pid]:
            group = self.group(each)
            if group is not None:
                tasks = group.tasks
                yield from (tasks[tid] for tid in sorted(tasks) if tasks[tid].context is not None)

    def find(self, wanted: ThreadId) -> Task | None:
        """The thread a number means; for "any" the one that stopped, if it fits, else the first."""
        pid = words.ALL if wanted.pid == words.ANY else wanted.pid
        if wanted.tid not in (words.ALL, words.ANY):
            return next((task for task in self.tasks(pid) if task.tid == wanted.tid), None)
        best = self.current
        if best is not None and pid in (words.ALL, best.tgid):
            return best
        return next(self.tasks(pid), None)

    @property
    def current(self) -> Task | None:
        """The thread that stopped, while it lives and is gdb's business."""
        task = self.stop.task if self.stop is not None else None
        return task if task is not None and self.sees(task) and not task.dead else None

    def sees(self, task: Task) -> bool:
        """Does gdb debug the process of this task?"""
        return task.tgid in self.attached

    @property
    def thread(self) -> Task | None:
        """The thread packets are about (``Hg``): the selected one, else the one that stopped."""
        task = self.selected
        if task is not None and not task.dead and self.sees(task):
            return task
        return self.current or next(self.tasks(), None)

    @property
    def process(self) -> int:
        """The process packets are about."""
        task = self.thread
        return task.tgid if task is not None else words.ANY

    def show(self, task: Task) -> bytes:
        """The number of a thread."""
        return words.show_thread(task.tgid, task.tid, self.multiprocess)

    # -- beginning and end -----------------------------------------------------------------------

    def attach(self, pid: int, *, ran_before: bool) -> None:
        """Debug a process from now on."""
        self.attached[pid] = ran_before
        self.killed = False

    def forget(self, pid: int) -> None:
        """A process is none of gdb's business any more; what was put into it goes."""
        self._hand_back(pid)
        for task in list(self.tasks(pid)):
            self.debugger.release(task)
            self.held.pop(task.tid, None)
            self.stepping.pop(task.tid, None)
            self.registers.calls.pop(task.tid, None)
            self.registers.homes.pop(task.tid, None)
            self.cancelled.pop(task.tid, None)
        group = self.group(pid)
        leader = next(self.tasks(pid), group.leader if group is not None else None)
        del self.attached[pid]
        if self.catches.pop(pid, None) is not None:
            self.listen()
        if leader is not None and leader.mm is not None:
            shared = any(task.mm is leader.mm for task in self.tasks())
            if not shared:
                self.points.forget(leader.mm)

    def _hand_back(self, pid: int) -> None:
        """The signal a process stopped for reaches it, unless gdb never lets it through."""
        stop = self.stop
        if stop is None or stop.info is None or stop.task.tgid != pid:
            return
        if self.wanted is None or stop.info.signo in self.wanted:
            stop.signal = stop.info.signo

    def kill(self, pid: int) -> None:
        """End a process; gdb hears no more of it."""
        group = self.group(pid)
        self.forget(pid)
        if group is not None:
            kill_group(group, SIGKILL)

    def resume(self) -> None:
        """The world goes on: what belonged to this stop is over."""
        stop = self.stop
        self.stop = None
        self.documents.clear()
        if stop is not None and stop.reason == "enter" and not stop.task.dead:
            self._change_call(stop)
        for task in self.tasks():
            self.registers.stay(task)
        if stop is not None:
            self.registers.calls.pop(stop.task.tid, None)

    def _change_call(self, stop: Stop) -> None:
        """What gdb did to a call on its way in: another number, none (-1), or it went elsewhere.

        See ptrace(2), "Syscall-stops".
        """
        task = stop.task
        registers = self.machine.cpu.registers(task.context)
        number = self.registers.calls.get(task.tid, stop.number)
        if registers.pc != stop.address:
            self.registers.lead_away(task, stop.number, stop.address)
            self.cancelled[task.tid] = None
            stop.result = registers.result
        elif number < 0:
            stop.result = registers.result
        else:
            stop.number = number

    def detach(self) -> None:
        """gdb is gone: everything it put in goes, everybody runs."""
        for pid in list(self.attached):
            self.forget(pid)
        self.files.close_all()
        self.stepping.clear()
        self.injected.clear()
        self.kept_signals.clear()
