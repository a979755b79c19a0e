"""``--json``: one JSON object per line and event.  docs/tracing.md lists the keys.

Keys are in a fixed order.  ``order`` numbers what happened: a call has two, its entry and its end,
so that the interleaving of several tasks, and with it strace's text, can be made again from the
file (``tools.tracejson``).  A call is written when it ends; an object is never changed later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from kernel.abi.signals import SIGKILL
from kernel.events import SERVED_FAULTS, Observer
from syscalls.stubs import decode_arguments
from tools.tracer.calls import complete_on_entry, entry_text, exit_text
from tools.tracer.filters import Filter, touches
from tools.tracer.first_exec import first_exec_text
from tools.tracer.json_calls import (
    ENCODE,
    Ending,
    Entered,
    call_text,
    paths_on_entry,
    texts_on_entry,
)
from tools.tracer.known import Known, KnownCalls
from tools.tracer.results import interruption, result_text
from tools.tracer.show_signals import name as signal_text
from tools.tracer.show_signals import siginfo_text
from tools.tracer.strace import Options, end_text, signed
from tools.tracer.view import Call

if TYPE_CHECKING:
    from kernel.machine.explain import Explainer
    from kernel.task.siginfo import SigInfo
    from kernel.task.task import Task
    from syscalls.table import SyscallTable
    from tools.tracer.inject import Marks
    from tools.tracer.lines import Sink
    from tools.tracer.stacks import Stacks

VERSION: Final = 1
FORMAT: Final = "diorama-trace"
Plain = dict[str, Any]  # Any: what JSON can hold


class JsonTracer(Observer["Task"]):
    """Writes every event of the traced tasks.

    ``traced`` as in StraceTracer; ``_open``: calls entered and not left, by tid.
    """

    def __init__(
        self,
        table: SyscallTable,
        sink: Sink,
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
        self._looks = self.options.looking()
        self.traced: dict[int, None] = {}
        self._sink = sink
        self._stacks = stacks
        self._marks = marks
        self._explainer = explainer
        self._known = KnownCalls(table, self._looks, self.filter)
        self._open: dict[int, Entered] = {}
        self._skipped: dict[int, None] = {}
        self._last_name: dict[int, str] = {}
        self._order = 0
        self._clock: Callable[[], int] = lambda: 0
        self._write({"event": "start", "format": FORMAT, "version": VERSION, "arch": table.arch})

    def _write(self, event: Plain) -> None:
        self._write_text(ENCODE(event))

    def _write_text(self, event: str) -> None:
        """An event that is text already."""
        self._sink.write(event + "\n")

    def _next(self) -> int:
        self._order += 1
        return self._order

    def _head(self, kind: str, task: Task, time: int | None = None) -> Plain:
        """The keys every event of a task begins with."""
        return {
            "event": kind,
            "time": self._clock() if time is None else time,
            "pid": task.tgid,
            "tid": task.tid,
            "comm": task.comm.decode(errors="replace"),
        }

    # -- tasks -----------------------------------------------------------------------------------

    def follow(self, task: Task) -> None:
        """Write this task's events from now on."""
        self._clock = task.kernel.clock.realtime
        self.traced[task.tid] = None

    def task_start(self, task: Task, parent: Task | None) -> None:
        """A child is followed with ``-f``."""
        if parent is None or parent.tid not in self.traced or not self.options.follow:
            return
        self.follow(task)
        event = self._head("start_task", task)
        self._write({**event, "parent": parent.tid, "order": self._next()})

    def task_end(self, task: Task, status: int) -> None:
        """The last event of a task; of a leader only when its last thread has ended."""
        tid, group = task.tid, task.group
        if tid not in self.traced:
            return
        self._abandon(task)
        last = len(group.tasks) <= 1
        if last or tid != group.pid:
            self._ended(task, tid, status)
        if last and tid != group.pid and group.pid in self.traced:
            self._ended(task, group.pid, status)

    def _ended(self, task: Task, tid: int, status: int) -> None:
        killed = status & 0x7F
        event = self._head("exit", task)
        event["tid"] = tid
        event["status"] = None if killed else status >> 8 & 0xFF
        event["signal"] = signal_text(killed) if killed else None
        event["core_dumped"] = bool(status & 0x80)
        hidden = not self.filter.signal(killed) if killed else "exit" in self._looks.quiet
        event["text"] = None if hidden else end_text(status)
        event["reason"] = None
        if self._explainer is not None and tid == task.tgid:
            event["reason"] = self._explainer.end_reason(task, status) or None
        self._write({**event, "order": self._next()})
        del self.traced[tid]

    def renumbered(self, task: Task, old: int, new: int) -> None:
        """A thread that executes gets its leader's number."""
        if old not in self.traced:
            return
        if new in self.traced:
            event = self._head("superseded", task)
            self._write({**event, "tid": new, "by": old, "order": self._next()})
        del self.traced[old]
        self.traced[new] = None
        if old in self._open:
            self._open[new] = self._open.pop(old)

    def exec(self, task: Task, path: bytes, argv: tuple[bytes, ...]) -> None:
        """A new program; ``first`` is the one the machine started, without a call."""
        first = not self.traced
        if first:
            self.follow(task)
        if task.tid not in self.traced:
            return
        event = self._head("exec", task)
        event["path"] = path.decode(errors="surrogateescape")
        event["argv"] = [arg.decode(errors="surrogateescape") for arg in argv]
        event["first"] = first
        shown = first and self.filter.call("execve") and self.filter.status(failed=False)
        if self.filter.paths is not None and path not in self.filter.paths:
            shown = False
        event["text"] = (
            first_exec_text(task, path, argv, self._looks.of("execve")) if shown else None
        )
        self._write({**event, "order": self._next()})

    # -- calls -----------------------------------------------------------------------------------

    def syscall_enter(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """Keep what is known before the kernel acts."""
        if task.tid not in self.traced:
            return
        known = self._known[number]
        if not known.shown:
            self._last_name[task.tid] = known.name
            return
        entered = self._entered(task, known, number, args)
        if self.filter.narrow and not touches(entered.call, self.filter):
            self._skipped[task.tid] = None
        else:
            self._open[task.tid] = entered

    def _entered(self, task: Task, known: Known, number: int, args: tuple[int, ...]) -> Entered:
        declaration, name = known.declaration, known.name
        values = decode_arguments(declaration, self.table.arch, args) if declaration else args
        call = Call(task, name, declaration, values, known.detail)
        if name == "restart_syscall":
            call.memo = self._last_name.get(task.tid)
        self._last_name[task.tid] = name
        call.shown = {}
        entry = entry_text(call)
        return Entered(
            call,
            number,
            args,
            self._next(),
            self._clock(),
            task.kernel.clock.monotonic(),
            entry,
            texts_on_entry(call),
            paths_on_entry(call),
            self._stack(task),
        )

    def _stack(self, task: Task) -> list[str] | None:
        return [str(f) for f in self._stacks.of(task)] if self._stacks is not None else None

    def syscall_exit(
        self, task: Task, number: int, args: tuple[int, ...], result: int, reason: str
    ) -> None:
        """Write the call."""
        known = self._known[number]
        if task.tid not in self.traced or not known.shown:
            return
        if task.tid in self._skipped:
            del self._skipped[task.tid]
            return
        entered = self._open.get(task.tid)
        if task.group.exiting and not (entered is not None and entered.signals):
            self._abandon(task)
            return
        self._open.pop(task.tid, None)
        late = entered is None
        if entered is None:
            entered = self._entered(task, known, number, args)
        call = entered.call
        call.result = result
        if call.name == "rt_sigreturn":
            call.result = signed(task.kernel.cpu.registers(task.context).result)
        if self.filter.status(call.failed):
            if self._explainer is not None and call.failed:
                injected = self._marks is not None and bool(self._marks.of(task.tid))
                reason = self._explainer.why(task, number, args, result, reason, injected=injected)
            rest = exit_text(call)
            self._write_call(entered, rest, result_text(call), reason, late=late)

    def asleep(self, task: Task) -> None:
        """With ``--explain``: what the call waits for, said once and when it changes."""
        entered = self._open.get(task.tid)
        if self._explainer is None or entered is None or not self._shown_on_entry(entered.call):
            return
        wait = self._explainer.wait(task)
        if wait and wait != entered.wait:
            entered.wait = wait
            event = self._head("wait", task)
            event["name"] = entered.call.name
            event["waits_for"] = wait
            self._write({**event, "order": self._next()})

    def no_return(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """exit, or death in a call."""
        self._skipped.pop(task.tid, None)
        if task.tid in self.traced:
            self._abandon(task)

    def _abandon(self, task: Task) -> None:
        """The open call of a task, if there is one, never returns."""
        entered = self._open.get(task.tid)
        if entered is None:
            return
        if entered.signals:  # a signal ended the sleep: interrupted first, then killed
            self.syscall_exit(task, entered.number, entered.raw, -interruption(entered.call), "")
            return
        del self._open[task.tid]
        if self.filter.unfinished:
            rest = "" if complete_on_entry(entered.call) else " <unfinished ...>"
            self._write_call(entered, rest, "?", "", late=False)

    def _shown_on_entry(self, call: Call) -> bool:
        return self.filter.statuses is None and call.declaration is not None

    def _write_call(
        self, entered: Entered, rest: str, result: str, reason: str, *, late: bool
    ) -> None:
        call, task = entered.call, entered.call.task
        end = Ending(
            rest,
            result,
            reason,
            task.kernel.clock.monotonic() - entered.started,
            self._next(),
            self._marks.of(task.tid) if self._marks is not None else (),
            late,
            self._shown_on_entry(call),
            self._explainer is not None and call.failed,
        )
        self._write_text(call_text(entered, end))

    # -- signals and faults ----------------------------------------------------------------------

    def signal(self, task: Task, info: object, action: str) -> None:
        """A signal is delivered."""
        signal: SigInfo = info  # type: ignore[assignment]
        if task.tid not in self.traced or not self.filter.signal(signal.signo):
            return
        if task.tid in self._open and signal.signo != SIGKILL:
            self._open[task.tid].signals += 1
        event = self._head("signal", task)
        event["signal"] = signal_text(signal.signo)
        event["number"] = signal.signo
        event["code"] = signal.code
        event["action"] = action
        event["text"] = siginfo_text(signal.pack())
        event["stack"] = self._stack(task)
        event["reason"] = self._why_signal(task, signal)
        self._write({**event, "order": self._next()})

    def _why_signal(self, task: Task, signal: SigInfo) -> str | None:
        """With ``--explain``, why the kernel sent a signal."""
        if self._explainer is None:
            return None
        return self._explainer.signal_reason(task, signal) or None

    def stopped(self, task: Task, signal: int) -> None:
        """Stopped by a signal (or, signal null, continued)."""
        if task.tid in self.traced and self.filter.signal(signal):
            event = self._head("stop" if signal else "continue", task)
            event["signal"] = signal_text(signal) if signal else None
            self._write({**event, "order": self._next()})

    def fault(self, task: Task, address: int, access: int, kind: str) -> None:
        """A fault that ends in a signal."""
        if task.tid in self.traced and kind not in SERVED_FAULTS:
            event = self._head("fault", task)
            event["address"] = address
            event["access"] = ("read", "write", "execute")[access] if access < 3 else None
            event["kind"] = kind
            self._write({**event, "order": self._next()})
