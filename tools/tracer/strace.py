"""The strace-style observer: from events to lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kernel.abi.signals import SIGKILL
from kernel.events import Observer
from syscalls.stubs import decode_arguments
from tools.tracer.calls import complete_on_entry, entry_text, exit_text
from tools.tracer.dump import NOBODY, dump_lines
from tools.tracer.filters import DescriptorSet, Filter, touches
from tools.tracer.first_exec import first_exec_text
from tools.tracer.known import Known, KnownCalls
from tools.tracer.lines import RESULT_COLUMN, Lines, Prefix, Sink, explained, fraction
from tools.tracer.qualifiers import Looks
from tools.tracer.results import interruption, result_text
from tools.tracer.show_basic import comm_text
from tools.tracer.show_signals import abbrev as signal_text
from tools.tracer.show_signals import siginfo_text
from tools.tracer.text import quote
from tools.tracer.view import Call, Detail

if TYPE_CHECKING:
    from kernel.machine.explain import Explainer
    from kernel.task.siginfo import SigInfo
    from kernel.task.task import Task
    from syscalls.table import SyscallTable
    from tools.tracer.inject import Marks
    from tools.tracer.stacks import Stacks

NS = 1_000_000_000
SENDER = re.compile(r"si_pid=(\d+)")


@dataclass(slots=True)
class Options:
    """strace's options as values; the letters are its own."""

    follow: bool = True  # -f
    separate: bool = False  # -ff
    to_file: bool = False  # -o
    detail: Detail = field(default_factory=Detail)  # -s, -y, -v, -x
    looks: Looks | None = None  # -e abbrev= verbose= raw= quiet=; None: the detail for every call
    call_numbers: bool = False  # -n
    counters: bool = False  # -i
    reads: DescriptorSet = NOBODY  # -e read=
    writes: DescriptorSet = NOBODY  # -e write=
    durations: str = ""  # -T: a precision
    absolute: str = ""  # -t -tt -ttt: see lines.Prefix
    relative: str = ""  # -r: a precision
    column: int = RESULT_COLUMN  # -a
    detach_on_exec: bool = False  # -b execve
    always_pid: bool = False  # --always-show-pid

    def looking(self) -> Looks:
        """How each call looks."""
        return self.looks or Looks(self.detail)


@dataclass(slots=True)
class _Open:
    """A call that has been entered: ``printed`` says whether its entry is on a line.

    ``after``: lines about signals that came meanwhile and were ignored; ``wait``: what was said
    last about what it waits for.
    """

    call: Call
    started: int  # 0 where nobody wants to know
    printed: bool
    stack: tuple[str, ...] = ()
    wait: str = ""
    after: list[str] | None = None


class StraceTracer(Observer["Task"]):
    """Prints every call, signal and end of the traced tasks.

    ``traced``: tids that are shown.  ``_open``: calls entered and not left, by tid.
    ``open_sink`` gives the stream of a task (one for all, or one each with ``-ff``).
    """

    def __init__(
        self,
        table: SyscallTable,
        open_sink: Callable[[int], Sink],
        options: Options | None = None,
        filters: Filter | None = None,
        *,
        stacks: Stacks | None = None,
        marks: Marks | None = None,
        explainer: Explainer | None = None,
    ) -> None:
        self.table = table
        self.options = options or Options()
        self.filter = filters or Filter()
        self.looks = self.options.looking()
        self.traced: dict[int, None] = {}
        self._stacks = stacks
        self._marks = marks
        self._explainer = explainer
        self._open_sink = open_sink
        self._open: dict[int, _Open] = {}
        self._skipped: dict[int, None] = {}
        self._places: dict[int, tuple[int, int | None]] = {}
        self._last_name: dict[int, str] = {}
        self._lines: dict[int, Lines] = {}
        self._known = KnownCalls(table, self.looks, self.filter)
        self._single: Lines | None = None  # the stream of all tasks, where there is one
        self._begun = False
        self._dumps = self.options.reads is not NOBODY or self.options.writes is not NOBODY
        self._places_wanted = self.options.call_numbers or self.options.counters
        self._timed = bool(self.options.durations)
        self._narrow = self.filter.narrow
        self._comms: dict[int, Task] = {}
        self._clock: Callable[[], int] = lambda: 0
        self._monotonic: Callable[[], int] = lambda: 0

    # -- tasks -----------------------------------------------------------------------------------

    def follow(self, task: Task) -> None:
        """Show this task from now on."""
        self._clock = task.kernel.clock.realtime
        self._monotonic = task.kernel.clock.monotonic
        self.traced[task.tid] = None
        self._comms[task.tid] = task
        if not self.options.separate:
            self._of(task.tid).tasks = len(self.traced)

    def _of(self, tid: int) -> Lines:
        """The stream a task prints to."""
        if self._single is not None:
            return self._single
        key = tid if self.options.separate else 0
        lines = self._lines.get(key)
        if lines is None:
            options = self.options
            prefix = Prefix(
                pid_always=options.to_file and not key and (options.follow or options.always_pid),
                pid_if_many=not options.to_file,
                absolute=options.absolute,
                relative=options.relative,
                column=options.column,
            )
            where = self._where if self._places_wanted else None
            label = self._comm if self.looks.detail.comms else None
            lines = Lines(self._open_sink(tid), prefix, lambda: self._clock(), where, label)
            self._lines[key] = lines
            if not key:
                self._single = lines
            if options.always_pid and not options.to_file:
                lines.tasks = 2
        return lines

    def _comm(self, tid: int) -> str:
        """``-Y``: the name of a task, which may be dead already."""
        task = self._comms.get(tid)
        return f"<{quote(task.comm)[1:-1]}>" if task is not None else ""

    def _where(self, tid: int) -> str:
        """``-n`` and ``-i``: the number of the task's last call, and where it was made."""
        number, pc = self._places.get(tid, (0, None))
        text = f"[{number:4d}] " if self.options.call_numbers else ""
        if self.options.counters:
            text += f"[{'?' * 16 if pc is None else f'{pc:016x}'}] "
        return text

    def _note_place(self, task: Task, number: int) -> None:
        if self._places_wanted:
            self._places[task.tid] = (number, task.kernel.cpu.registers(task.context).pc)

    def task_start(self, task: Task, parent: Task | None) -> None:
        """With ``-f`` children are shown too."""
        if parent is None or parent.tid not in self.traced or not self.options.follow:
            return
        if not self.options.to_file and "attach" not in self.looks.quiet:
            lines = self._of(task.tid)
            lines.note(f"strace: Process {task.tid} attached")
            lines.flush()
        self.follow(task)

    def task_end(self, task: Task, status: int) -> None:
        """``+++ exited with 3 +++``; of a leader only when its last thread has ended."""
        tid, group = task.tid, task.group
        if tid not in self.traced:
            return
        self._close_open(task)
        last = len(group.tasks) <= 1
        if last or tid != group.pid:
            self._ended(task, tid, status)
        if last and tid != group.pid and group.pid in self.traced:
            self._ended(task, group.pid, status)

    def _ended(self, task: Task, tid: int, status: int) -> None:
        self._places[tid] = (self._places.get(tid, (0, None))[0], None)
        killed = status & 0x7F
        hidden = not self.filter.signal(killed) if killed else "exit" in self.looks.quiet
        if not hidden:
            why = ""
            if self._explainer is not None and tid == task.tgid:
                why = self._explainer.end_reason(task, status)
            self._of(tid).line(tid, _with_reason(f"+++ {end_text(status)} +++", why))
        self._forget(tid)

    def _forget(self, tid: int) -> None:
        del self.traced[tid]
        self._places.pop(tid, None)
        self._last_name.pop(tid, None)
        self._comms.pop(tid, None)
        if not self.options.separate and not self.options.always_pid:
            self._of(tid).tasks = len(self.traced)

    def renumbered(self, task: Task, old: int, new: int) -> None:
        """A thread executes and gets the number of its leader, who is gone."""
        if old not in self.traced:
            return
        if new in self.traced and "thread-execve" not in self.looks.quiet:
            self._of(new).line(new, f"+++ superseded by execve in pid {old} +++")
        self._forget(old)
        self.traced[new] = None
        self._comms[new] = task
        entered = self._open.pop(old, None)
        if entered is not None:
            self._open[new] = entered

    def exec(self, task: Task, path: bytes, argv: tuple[bytes, ...]) -> None:
        """The first program is started by the machine, not by a call: show it as one."""
        if task.tid not in self.traced and not self.traced:
            self.follow(task)
        if task.tid not in self.traced:
            return
        if self.options.detach_on_exec and self._begun:
            self._detach_from(task)
            return
        self._begun = True
        if task.tid in self._open or not self.filter.call("execve"):
            return
        if not self.filter.status(failed=False) or self.filter.descriptors is not None:
            return
        if self.filter.paths is not None and path not in self.filter.paths:
            return
        lines = self._of(task.tid)
        self._note_place(task, self.table.numbers["execve"])
        lines.begin(task.tid)
        lines.write("execve(" + first_exec_text(task, path, argv, self.looks.of("execve")))
        lines.result("0" + self._duration(self._monotonic()))
        lines.flush()

    def _detach_from(self, task: Task) -> None:
        """``-b execve``: the task goes on alone."""
        entered = self._open.pop(task.tid, None)
        lines = self._of(task.tid)
        if entered is not None and self.filter.detached:
            if entered.printed:
                lines.resume(task.tid, entered.call.name)
            else:
                lines.begin(task.tid)
                lines.write(entered.call.notes)
            lines.detach()
        if "attach" not in self.looks.quiet and not self.options.to_file:
            lines.note(f"strace: Process {task.tid} detached")
            lines.flush()
        self._forget(task.tid)

    def detach(self) -> None:
        """Tracing ends while the program goes on."""
        for lines in self._lines.values():
            lines.detach()

    # -- calls -----------------------------------------------------------------------------------

    def syscall_enter(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """Print the name and what is known already."""
        tid = task.tid
        if tid not in self.traced:
            return
        known = self._known[number]
        if self._places_wanted:
            self._note_place(task, number)
        if not known.shown:
            self._last_name[tid] = known.name
            return
        call = self._call(task, known, args)
        if self._narrow and not touches(call, self.filter):
            self._skipped[tid] = None
            return
        text = f"{known.name}({entry_text(call)}"
        # With a status filter nothing may be printed before the end is known; and a call that is
        # not implemented has a line of ours between its entry and its end.
        printed = self.filter.statuses is None and known.declaration is not None
        if printed:
            lines = self._single or self._of(tid)
            lines.begin(tid)
            lines.write(text)
            if not self.options.to_file:  # somebody looks on, perhaps beside the program's output
                lines.flush()
        else:
            call.notes = text
        stack = tuple(map(str, self._stacks.of(task))) if self._stacks is not None else ()
        self._open[tid] = _Open(call, self._monotonic() if self._timed else 0, printed, stack)

    def _call(self, task: Task, known: Known, args: tuple[int, ...]) -> Call:
        declaration, name = known.declaration, known.name
        values = decode_arguments(declaration, self.table.arch, args) if declaration else args
        call = Call(task, name, declaration, values, known.detail)
        if name == "restart_syscall":
            call.memo = self._last_name.get(task.tid)
        else:
            self._last_name[task.tid] = name
        return call

    def syscall_exit(
        self, task: Task, number: int, args: tuple[int, ...], result: int, reason: str
    ) -> None:
        """Print the rest and the result."""
        tid = task.tid
        if tid not in self.traced:
            return
        known = self._known[number]
        if not known.shown:
            return
        if tid in self._skipped:
            del self._skipped[tid]
            return
        if task.group.exiting and not self._waiting_lines(tid):  # SIGKILL: nobody sees the result
            self._close_open(task)
            return
        entered = self._open.pop(tid, None)
        if entered is None:  # attached while the call slept
            entered = _Open(self._call(task, known, args), self._monotonic(), True)
        call = entered.call
        call.result = result
        if call.name == "rt_sigreturn":
            call.result = signed(task.kernel.cpu.registers(task.context).result)
        if self.filter.statuses is not None and not self.filter.status(call.failed):
            return
        lines = self._of(tid)
        if entered.printed:
            lines.resume(tid, call.name)
        else:
            lines.begin(tid)
            lines.write(call.notes)
        ending = result_text(call)
        rest = exit_text(call)
        if rest:
            lines.write(rest)
        for word in self._marks.of(tid) if self._marks is not None else ():
            ending += f" ({word})"
        if self._timed:
            ending += self._duration(entered.started)
        lines.result(ending)
        if self._explainer is not None and call.failed:
            injected = self._marks is not None and bool(self._marks.of(tid))
            why = self._explainer.why(task, number, args, result, reason, injected=injected)
            if why:
                lines.note(explained(why))
        if self._dumps:
            for text in dump_lines(call, self.options.reads, self.options.writes):
                lines.note(text)
        for frame in entered.stack:
            lines.note(f" > {frame}")
        lines.flush()
        for line in entered.after or ():
            lines.line(tid, line)

    def asleep(self, task: Task) -> None:
        """With ``--explain``: the line is left unfinished, and below it stands what it waits for.

        Said once, and again only if the call goes on to wait for something else.
        """
        entered = self._open.get(task.tid)
        if entered is None or not entered.printed:
            return
        self._of(task.tid).flush()
        if self._explainer is None:
            return
        wait = self._explainer.wait(task)
        if wait and wait != entered.wait:
            entered.wait = wait
            lines = self._of(task.tid)
            lines.wait(task.tid, explained(wait))

    def no_return(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """exit, or death in a call: the result is ``?``."""
        self._skipped.pop(task.tid, None)
        if task.tid in self.traced:
            self._close_open(task)

    def _waiting_lines(self, tid: int) -> bool:
        entered = self._open.get(tid)
        return entered is not None and bool(entered.after)

    def _close_open(self, task: Task) -> None:
        entered = self._open.get(task.tid)
        if entered is not None and entered.after:
            # A signal ended the sleep.  To a tracer it looks interrupted first, then killed.
            number = self.table.numbers.get(entered.call.name, -1)
            self.syscall_exit(task, number, (), -interruption(entered.call), "")
            return
        self._open.pop(task.tid, None)
        if entered is None or not self.filter.unfinished:
            return
        lines = self._of(task.tid)
        if entered.printed:
            lines.resume(task.tid, entered.call.name)
        else:
            lines.begin(task.tid)
            lines.write(entered.call.notes)
        if not complete_on_entry(entered.call):
            lines.write(" <unfinished ...>")
        lines.result("?")
        for frame in entered.stack:
            lines.note(f" > {frame}")
        lines.flush()

    def _duration(self, started: int) -> str:
        if not self.options.durations:
            return ""
        spent = self._monotonic() - started
        return f" <{spent // NS}{fraction(spent, self.options.durations)}>"

    # -- signals ---------------------------------------------------------------------------------

    def signal(self, task: Task, info: object, action: str) -> None:
        """``--- SIGCHLD {...} ---``; death by SIGKILL is only told by the last line."""
        signal: SigInfo = info  # type: ignore[assignment]
        if task.tid not in self.traced or not self.filter.signal(signal.signo):
            return
        if signal.signo == SIGKILL:
            return
        info_text = siginfo_text(signal.pack())
        if self.looks.detail.comms:
            info_text = SENDER.sub(lambda m: m[0] + comm_text(task, int(m[1])), info_text)
        text = f"--- {signal_text(signal.signo)} {info_text} ---"
        if self._stacks is not None:
            text += "".join(f"\n > {frame}" for frame in self._stacks.of(task))
        why = self._explainer.signal_reason(task, signal) if self._explainer else ""
        text = _with_reason(text, why)
        entered = self._open.get(task.tid)
        if entered is not None:  # strace sees a signal when the call is over
            entered.after = [*(entered.after or ()), text]
            return
        self._of(task.tid).line(task.tid, text)

    def stopped(self, task: Task, signal: int) -> None:
        """``--- stopped by SIGTSTP ---``."""
        if signal and task.tid in self.traced and self.filter.signal(signal):
            self._of(task.tid).line(task.tid, f"--- stopped by {signal_text(signal)} ---")


def _with_reason(line: str, why: str) -> str:
    return f"{line}\n{explained(why)}" if why else line


def signed(value: int) -> int:
    return value - (value >> 63 << 64)


def end_text(status: int) -> str:
    """How a task ended, from its wait(2) status."""
    if status & 0x7F:
        core = " (core dumped)" if status & 0x80 else ""
        return f"killed by {signal_text(status & 0x7F)}{core}"
    return f"exited with {status >> 8 & 0xFF}"
