"""The strace-style observer: from events to lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kernel.abi.signals import SIGKILL
from kernel.events import Observer
from tools.tracer.calls import complete_on_entry, entry_text, exit_text
from tools.tracer.dump import NOBODY, DescriptorSet, dump_lines
from tools.tracer.filters import Filter, touches
from tools.tracer.lines import Lines, Prefix, Sink, explained
from tools.tracer.results import interruption, result_text
from tools.tracer.show_basic import environment
from tools.tracer.show_signals import name as signal_text
from tools.tracer.show_signals import siginfo_text
from tools.tracer.text import sequence
from tools.tracer.view import Call, Detail

if TYPE_CHECKING:
    from kernel.machine.explain import Explainer
    from kernel.task.siginfo import SigInfo
    from kernel.task.task import Task
    from syscalls.table import SyscallTable
    from tools.tracer.inject import Marks
    from tools.tracer.stacks import Stacks

NS = 1_000_000_000
ARGV_LIMIT = 32


@dataclass(slots=True)
class Options:
    """strace's options as values; the letters are its own."""

    follow: bool = True  # -f
    separate: bool = False  # -ff
    to_file: bool = False  # -o
    detail: Detail = field(default_factory=Detail)  # -s, -y, -v, -x
    call_numbers: bool = False  # -n
    counters: bool = False  # -i
    reads: DescriptorSet = NOBODY  # -e read=
    writes: DescriptorSet = NOBODY  # -e write=
    durations: bool = False  # -T
    stamp: str = ""  # -t -tt -ttt -r


@dataclass(slots=True)
class _Open:
    """A call that has been entered: ``printed`` says whether its entry is on a line.

    ``after``: lines about signals that came meanwhile and were ignored; ``wait``: what was said
    last about what it waits for.
    """

    call: Call
    started: int
    printed: bool
    stack: tuple[str, ...] = ()
    wait: str = ""
    after: list[str] = field(default_factory=list)


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
        self._clock: Callable[[], int] = lambda: 0
        self._monotonic: Callable[[], int] = lambda: 0

    # -- tasks -----------------------------------------------------------------------------------

    def follow(self, task: Task) -> None:
        """Show this task from now on."""
        self._clock = task.kernel.clock.realtime
        self._monotonic = task.kernel.clock.monotonic
        self.traced[task.tid] = None
        if not self.options.separate:
            self._of(task.tid).tasks = len(self.traced)

    def _of(self, tid: int) -> Lines:
        """The stream a task prints to."""
        key = tid if self.options.separate else 0
        lines = self._lines.get(key)
        if lines is None:
            prefix = Prefix(
                pid_always=self.options.follow and self.options.to_file and not key,
                pid_if_many=not self.options.to_file,
                stamp=self.options.stamp,
            )
            lines = Lines(self._open_sink(tid), prefix, lambda: self._clock(), self._where)
            self._lines[key] = lines
        return lines

    def _where(self, tid: int) -> str:
        """``-n`` and ``-i``: the number of the task's last call, and where it was made."""
        number, pc = self._places.get(tid, (0, None))
        text = f"[{number:4d}] " if self.options.call_numbers else ""
        if self.options.counters:
            text += f"[{'?' * 16 if pc is None else f'{pc:016x}'}] "
        return text

    def _note_place(self, task: Task, number: int) -> None:
        if self.options.call_numbers or self.options.counters:
            self._places[task.tid] = (number, task.kernel.cpu.registers(task.context).pc)

    def task_start(self, task: Task, parent: Task | None) -> None:
        """With ``-f`` children are shown too."""
        if parent is None or parent.tid not in self.traced or not self.options.follow:
            return
        if not self.options.to_file:
            self._of(task.tid).note(f"strace: Process {task.tid} attached")
        self.follow(task)

    def task_end(self, task: Task, status: int) -> None:
        """``+++ exited with 3 +++``; of a leader only when its last thread has ended."""
        tid, group = task.tid, task.group
        if tid not in self.traced:
            return
        self._close_open(task)
        last = len(group.tasks) <= 1
        if last or tid != group.pid:
            self._ended(tid, f"+++ {end_text(status)} +++")
        if last and tid != group.pid and group.pid in self.traced:
            self._ended(group.pid, f"+++ {end_text(status)} +++")

    def _ended(self, tid: int, text: str) -> None:
        self._places[tid] = (self._places.get(tid, (0, None))[0], None)
        self._of(tid).line(tid, text)
        self._forget(tid)

    def _forget(self, tid: int) -> None:
        del self.traced[tid]
        self._places.pop(tid, None)
        self._last_name.pop(tid, None)
        if not self.options.separate:
            self._of(tid).tasks = len(self.traced)

    def renumbered(self, task: Task, old: int, new: int) -> None:
        """A thread executes and gets the number of its leader, who is gone."""
        if old not in self.traced:
            return
        if new in self.traced:
            self._of(new).line(new, f"+++ superseded by execve in pid {old} +++")
        self._forget(old)
        self.traced[new] = None
        entered = self._open.pop(old, None)
        if entered is not None:
            self._open[new] = entered

    def exec(self, task: Task, path: bytes, argv: tuple[bytes, ...]) -> None:
        """The first program is started by the machine, not by a call: show it as one."""
        if task.tid not in self.traced and not self.traced:
            self.follow(task)
        if task.tid not in self.traced or task.tid in self._open or not self.filter.call("execve"):
            return
        if not self.filter.status(failed=False):
            return
        if self.filter.paths is not None and path not in self.filter.paths:
            return
        lines = self._of(task.tid)
        self._note_place(task, self.table.numbers["execve"])
        lines.begin(task.tid)
        lines.write("execve(" + first_exec_text(task, path, argv, self.options.detail))
        lines.result("0" + (" <0.000000>" if self.options.durations else ""))

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
        name = self.table.name(number)
        self._note_place(task, number)
        if not self.filter.call(name):
            self._last_name[tid] = name or ""
            return
        call = self._call(task, number, args)
        if self.filter.paths is not None and not touches(call, self.filter.paths):
            self._skipped[tid] = None
            return
        text = f"{call.name}({entry_text(call)}"
        # With a status filter nothing may be printed before the end is known; and a call that is
        # not implemented has a line of ours between its entry and its end.
        printed = self.filter.statuses is None and call.declaration is not None
        if printed:
            lines = self._of(tid)
            lines.begin(tid)
            lines.write(text)
        else:
            call.notes = text
        stack = tuple(map(str, self._stacks.of(task))) if self._stacks is not None else ()
        self._open[tid] = _Open(call, self._monotonic(), printed, stack)

    def _call(self, task: Task, number: int, args: tuple[int, ...]) -> Call:
        declaration = self.table.declaration(number)
        values = self.table.decode(number, args)
        name = self.table.name(number) or f"syscall_{number:#x}"
        call = Call(task, name, declaration, values, self.options.detail)
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
        if tid not in self.traced or not self.filter.call(self.table.name(number)):
            return
        if tid in self._skipped:
            del self._skipped[tid]
            return
        if task.group.exiting and not self._waiting_lines(tid):  # SIGKILL: nobody sees the result
            self._close_open(task)
            return
        entered = self._open.pop(tid, None)
        if entered is None:  # attached while the call slept
            entered = _Open(self._call(task, number, args), self._monotonic(), True)
        call = entered.call
        call.result = result
        if call.name == "rt_sigreturn":
            call.result = signed(task.kernel.cpu.registers(task.context).result)
        if not self.filter.status(call.failed):
            return
        lines = self._of(tid)
        if entered.printed:
            lines.resume(tid, call.name)
        else:
            lines.begin(tid)
            lines.write(call.notes)
        lines.write(exit_text(call))
        ending = "".join(f" ({word})" for word in self._marks.of(tid)) if self._marks else ""
        lines.result(result_text(call) + ending + self._duration(entered.started))
        if self._explainer is not None and call.failed:
            injected = self._marks is not None and bool(self._marks.of(tid))
            why = self._explainer.why(task, number, args, result, reason, injected=injected)
            if why:
                lines.note(explained(why))
        for text in dump_lines(call, self.options.reads, self.options.writes):
            lines.note(text)
        for frame in entered.stack:
            lines.note(f" > {frame}")
        for line in entered.after:
            lines.line(tid, line)

    def asleep(self, task: Task) -> None:
        """With ``--explain``: the line is left unfinished, and below it stands what it waits for.

        Said once, and again only if the call goes on to wait for something else.
        """
        entered = self._open.get(task.tid)
        if self._explainer is None or entered is None or not entered.printed:
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

    def _waiting_lines(self, tid: int) -> list[str]:
        entered = self._open.get(tid)
        return entered.after if entered is not None else []

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

    def _duration(self, started: int) -> str:
        if not self.options.durations:
            return ""
        spent = self._monotonic() - started
        return f" <{spent // NS}.{spent % NS // 1000:06d}>"

    # -- signals ---------------------------------------------------------------------------------

    def signal(self, task: Task, info: object, action: str) -> None:
        """``--- SIGCHLD {...} ---``; death by SIGKILL is only told by the last line."""
        signal: SigInfo = info  # type: ignore[assignment]
        if task.tid not in self.traced or not self.filter.signal(signal.signo):
            return
        if signal.signo == SIGKILL:
            return
        text = f"--- {signal_text(signal.signo)} {siginfo_text(signal.pack())} ---"
        entered = self._open.get(task.tid)
        if entered is not None:  # strace sees a signal when the call is over
            entered.after.append(text)
        else:
            lines = self._of(task.tid)
            lines.line(task.tid, text)
            why = self._explainer.signal_reason(task, signal) if self._explainer else ""
            if why:
                lines.note(explained(why))

    def stopped(self, task: Task, signal: int) -> None:
        """``--- stopped by SIGTSTP ---``."""
        if signal and task.tid in self.traced and self.filter.signal(signal):
            self._of(task.tid).line(task.tid, f"--- stopped by {signal_text(signal)} ---")


def signed(value: int) -> int:
    return value - (value >> 63 << 64)


def end_text(status: int) -> str:
    """How a task ended, from its wait(2) status."""
    if status & 0x7F:
        core = " (core dumped)" if status & 0x80 else ""
        return f"killed by {signal_text(status & 0x7F)}{core}"
    return f"exited with {status >> 8 & 0xFF}"


def first_exec_text(task: Task, path: bytes, argv: tuple[bytes, ...], detail: Detail) -> str:
    """The arguments of the execve that nobody called: path, argv, and how many variables."""
    limit = detail.string_limit
    shown = [detail.quote(arg[:limit], cut=len(arg) > limit) for arg in argv[:ARGV_LIMIT]]
    if len(argv) > ARGV_LIMIT:
        shown.append("...")
    stack = task.kernel.cpu.registers(task.context).sp
    call = Call(task, "execve", None, (stack + 8 * (len(argv) + 2),), detail)
    return f"{detail.quote(path)}, {sequence(shown)}, {environment(call, 0)}"
