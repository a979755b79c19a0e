"""From the machine's events to messages: what one consumer has subscribed to.

A call is one message when it returns at once, and two when it sleeps: the first, without a result,
goes out when the queue is sent while the call is still open.  Both have the same ``seq``.

A guest can make more calls than anybody can read.  ``rate`` is how many events a second are put
into words; the rest is counted, which is cheap, and told as ``lost``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import BY_NUMBER
from kernel.events import Observer
from tools.inspector.outbox import Outbox
from tools.tracer.calls import entry_text, exit_text
from tools.tracer.filters import Filter
from tools.tracer.results import result_text
from tools.tracer.show_signals import name as signal_text
from tools.tracer.show_signals import siginfo_text
from tools.tracer.strace import end_text, signed
from tools.tracer.view import Call, Detail

if TYPE_CHECKING:
    from kernel.task.siginfo import SigInfo
    from kernel.task.task import Task
    from syscalls.table import SyscallTable
    from tools.inspector.protocol import Message

KINDS: Final = ("calls", "signals", "faults", "switches", "tasks", "terminal")
DEFAULT_KINDS: Final = ("calls", "signals", "tasks")
DEFAULT_RATE: Final = 2000
MOST_WORDS: Final = 32
LONGEST_WORD: Final = 256
"""So much of a new program's arguments is told."""
_SECOND: Final = 1_000_000_000
_ACCESS: Final = ("read", "write", "execute")


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a consumer wants to hear of.  ``rate``: events a second, 0 for all of them."""

    kinds: frozenset[str] = frozenset(DEFAULT_KINDS)
    filters: Filter = field(default_factory=Filter)
    rate: int = DEFAULT_RATE
    paths: bool = False


@dataclass(slots=True)
class _Open:
    """A call that has been entered; ``told``: the consumer knows of it."""

    call: Call
    seq: int
    time: int
    started: int
    entry: str
    told: bool = False


class Allowance:
    """How many events may still be told now: ``rate`` a second, and at most a second's saved up.

    Who has used it up waits for a tenth of a second's worth: a run of calls, a gap, a run of calls
    can be read; a gap behind every call cannot.
    """

    __slots__ = ("_left", "_rate", "_since", "_spent")

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._left = rate * _SECOND
        self._since = monotonic_ns()
        self._spent = False

    def take(self) -> bool:
        """May one more be told?"""
        if not self._rate:
            return True
        if self._spent or self._left < _SECOND:
            now = monotonic_ns()
            self._left = min(self._rate * _SECOND, self._left + (now - self._since) * self._rate)
            self._since = now
            self._spent = self._left < max(_SECOND, self._rate * _SECOND // 10)
            if self._spent:
                return False
        self._left -= _SECOND
        return True


class Stream(Observer["Task"]):
    """Puts the events that ``wanted`` names into an outbox.

    ``on_more``: called when there is something to send.  ``_open``: calls entered and not left.
    """

    def __init__(
        self,
        table: SyscallTable,
        outbox: Outbox,
        wanted: Subscription,
        on_more: Callable[[], None],
    ) -> None:
        self._table = table
        self._outbox = outbox
        self.wanted = wanted
        self._on_more = on_more
        self._allowance = Allowance(wanted.rate)
        self._detail = Detail(descriptors=frozenset(("path",) if wanted.paths else ()))
        self._open: dict[int, _Open] = {}
        self._seq = 0
        self._calls = "calls" in wanted.kinds

    # -- to the consumer -------------------------------------------------------------------------

    def _allowed(self) -> bool:
        """Is there room for one more event?  If not, it is counted."""
        if not self._outbox.crowded and self._allowance.take():
            return True
        self._outbox.lose()
        return False

    def _tell(self, message: Message) -> None:
        self._outbox.put(message)
        self._on_more()

    def settle(self) -> None:
        """The outbox is about to be sent: calls that are still open are told of first."""
        if self.wanted.filters.statuses is not None:
            return  # only the end says whether they are shown
        for entered in self._open.values():
            if not entered.told:
                entered.told = True
                self._outbox.put(self._message(entered, entered.entry, None, None, ""))

    def _head(self, kind: str, task: Task) -> Message:
        return {
            "event": kind,
            "time": task.kernel.clock.realtime(),
            "pid": task.tgid,
            "tid": task.tid,
            "comm": task.comm.decode("utf-8", "replace"),
        }

    # -- calls -----------------------------------------------------------------------------------

    def adopt(self, tasks: Iterable[Task]) -> None:
        """Tasks that sleep in a call already when the consumer comes."""
        for task in tasks:
            if task.generator is not None and task.call is not None:
                self.syscall_enter(task, task.call[0], tuple(task.call[1:]))

    def syscall_enter(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """Keep what is known before the kernel acts."""
        if not self._calls:
            return
        name = self._table.name(number)
        if not self.wanted.filters.call(name) or not self._allowed():
            return
        values = self._table.decode(number, args)
        shown = name or f"syscall_{number:#x}"
        call = Call(task, shown, self._table.declaration(number), values, self._detail)
        self._seq += 1
        clock = task.kernel.clock
        entry = entry_text(call)
        self._open[task.tid] = _Open(call, self._seq, clock.realtime(), clock.monotonic(), entry)
        self._on_more()

    def syscall_exit(
        self, task: Task, number: int, args: tuple[int, ...], result: int, reason: str
    ) -> None:
        """Tell of the whole call."""
        entered = self._open.pop(task.tid, None)
        if entered is None:
            return
        call = entered.call
        call.result = result
        if call.name == "rt_sigreturn":
            call.result = signed(task.kernel.cpu.registers(task.context).result)
        if not self.wanted.filters.status(call.failed):
            return
        error = BY_NUMBER.get(-result) if call.failed else None
        name = error.__name__ if error is not None else None
        text = entered.entry + exit_text(call)
        self._tell(self._message(entered, text, result_text(call), name, reason))

    def no_return(self, task: Task, number: int, args: tuple[int, ...]) -> None:
        """exit, or death in a call."""
        entered = self._open.pop(task.tid, None)
        if entered is not None and self.wanted.filters.unfinished:
            self._tell(self._message(entered, entered.entry, "?", None, ""))

    def _message(
        self, entered: _Open, text: str, result: str | None, error: str | None, reason: str
    ) -> Message:
        call = entered.call
        spent = call.task.kernel.clock.monotonic() - entered.started
        return {
            "event": "call",
            "seq": entered.seq,
            "time": entered.time,
            "pid": call.task.tgid,
            "tid": call.task.tid,
            "comm": call.task.comm.decode("utf-8", "replace"),
            "name": call.name,
            "arguments": text,
            "result": result,
            "error": error,
            "reason": reason or None,
            "duration": None if result is None else spent,
        }

    # -- the rest --------------------------------------------------------------------------------

    def signal(self, task: Task, info: object, action: str) -> None:
        """A signal is delivered."""
        signal: SigInfo = info  # type: ignore[assignment]
        if "signals" not in self.wanted.kinds or not self.wanted.filters.signal(signal.signo):
            return
        if self._allowed():
            text = siginfo_text(signal.pack())
            name = signal_text(signal.signo)
            self._tell(
                {**self._head("signal", task), "signal": name, "action": action, "text": text}
            )

    def stopped(self, task: Task, signal: int) -> None:
        """Stopped by job control, or (signal null) continued."""
        if "signals" in self.wanted.kinds and self._allowed():
            name = signal_text(signal) if signal else None
            self._tell({**self._head("stop" if signal else "continue", task), "signal": name})

    def fault(self, task: Task, address: int, access: int, kind: str) -> None:
        """A page fault, served or failed."""
        if "faults" in self.wanted.kinds and self._allowed():
            how = _ACCESS[access] if access < len(_ACCESS) else None
            self._tell(
                {**self._head("fault", task), "address": address, "access": how, "kind": kind}
            )

    def switch(self, previous: Task | None, task: Task) -> None:
        """The CPU goes to another task."""
        if "switches" in self.wanted.kinds and self._allowed():
            before = previous.tid if previous is not None else None
            self._tell({**self._head("switch", task), "from": before})

    def task_start(self, task: Task, parent: Task | None) -> None:
        """fork, vfork, clone."""
        if "tasks" in self.wanted.kinds and self._allowed():
            by = parent.tid if parent is not None else None
            self._tell({**self._head("start", task), "parent": by})

    def task_end(self, task: Task, status: int) -> None:
        """A task is dead."""
        entered = self._open.pop(task.tid, None)
        if entered is not None:
            self._tell(self._message(entered, entered.entry, "?", None, ""))
        if "tasks" in self.wanted.kinds and self._allowed():
            self._tell({**self._head("end", task), "status": status, "text": end_text(status)})

    def renumbered(self, task: Task, old: int, new: int) -> None:
        """A thread that executes gets the number of its leader."""
        entered = self._open.pop(old, None)
        if entered is not None:
            self._open[new] = entered

    def exec(self, task: Task, path: bytes, argv: tuple[bytes, ...]) -> None:
        """A new program."""
        if "tasks" in self.wanted.kinds and self._allowed():
            words = [_shortened(word) for word in argv[:MOST_WORDS]]
            words += ["…"] if len(argv) > MOST_WORDS else []
            shown = path.decode("utf-8", "surrogateescape")
            self._tell({**self._head("exec", task), "path": shown, "argv": words})


def _shortened(word: bytes) -> str:
    """Arguments may have megabytes, which would crowd out everything else."""
    more = "…" if len(word) > LONGEST_WORD else ""
    return word[:LONGEST_WORD].decode("utf-8", "surrogateescape") + more
