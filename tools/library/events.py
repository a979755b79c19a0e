"""Functions that are called when something happens beside calls: signals, faults, tasks, programs.

They look and do not change; what changes things is a hook on a call or a breakpoint.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from kernel.abi.signals import signal_name
from kernel.events import Observer
from tools.boot.session import exit_code

if TYPE_CHECKING:
    from kernel.task.siginfo import SigInfo
    from kernel.task.task import Task
    from tools.library.hooks import Hook
    from tools.library.process import Process, Thread

SIGNAL: Final = "signal"
FAULT: Final = "fault"
FORK: Final = "fork"
EXEC: Final = "exec"
END: Final = "end"
_ACCESS: Final = ("read", "write", "execute")


class SignalEvent(NamedTuple):
    """A signal is delivered.  ``action``: 'handler', 'ignore', 'stop' or 'kill'; ``info``: all it
    carries (``kernel.task.siginfo.SigInfo``)."""

    process: Process
    thread: Thread
    signal: str
    number: int
    action: str
    info: SigInfo


class FaultEvent(NamedTuple):
    """A page fault.  ``kind``: 'minor', 'major', 'cow', ... where the kernel served it, else what
    it became: 'SEGV_MAPERR', 'SEGV_ACCERR', 'BUS_ADRERR', 'exception'."""

    process: Process
    thread: Thread
    address: int
    access: str
    kind: str


class ForkEvent(NamedTuple):
    """A task exists from now on: a new process, or (``is_thread``) one more thread of ``process``.

    ``child`` is the process it belongs to; ``parent`` None: the machine made it.
    """

    parent: Process | None
    child: Process
    thread: Thread
    is_thread: bool


class ExecEvent(NamedTuple):
    """A process runs another program from now on."""

    process: Process
    path: str
    argv: tuple[str, ...]


class EndEvent(NamedTuple):
    """A task is dead.  ``status`` as a shell shows it; ``last``: its process is over, too."""

    process: Process
    thread: Thread
    status: int
    last: bool


class EventHooks(Observer["Task"]):
    """The hooks on events of one machine, attached while there are any."""

    def __init__(
        self, process_of: Callable[[Task], Process], on_error: Callable[[Exception], None]
    ) -> None:
        self._process_of = process_of
        self._on_error = on_error
        self._hooks: dict[str, dict[Hook, Callable[[Any], bool]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._hooks.values()))

    def add(self, hook: Hook, kind: str, wanted: Callable[[Any], bool]) -> None:
        """One more; ``wanted`` says for which events."""
        self._hooks.setdefault(kind, {})[hook] = wanted

    def remove(self, hook: Hook) -> None:
        """One less."""
        for hooks in self._hooks.values():
            hooks.pop(hook, None)

    def _tell(self, kind: str, event: Any) -> None:
        for hook, wanted in list(self._hooks.get(kind, {}).items()):
            if not wanted(event):
                continue
            hook.calls += 1
            try:
                hook.function(event)
            except Exception as error:  # noqa: BLE001  # its owner's to see, not the kernel's
                self._on_error(error)

    def _who(self, task: Task) -> tuple[Process, Thread]:
        process = self._process_of(task)
        return process, process.thread(task)

    def signal(self, task: Task, info: object, action: str) -> None:
        """A signal is delivered."""
        if SIGNAL in self._hooks:
            found: SigInfo = info  # type: ignore[assignment]  # the room of events lies below
            name = signal_name(found.signo)
            self._tell(SIGNAL, SignalEvent(*self._who(task), name, found.signo, action, found))

    def fault(self, task: Task, address: int, access: int, kind: str) -> None:
        """A page fault."""
        if FAULT in self._hooks:
            word = _ACCESS[access] if access < len(_ACCESS) else str(access)
            self._tell(FAULT, FaultEvent(*self._who(task), address, word, kind))

    def task_start(self, task: Task, parent: Task | None) -> None:
        """A task exists."""
        if FORK in self._hooks:
            child, thread = self._who(task)
            mother = self._process_of(parent) if parent is not None else None
            self._tell(FORK, ForkEvent(mother, child, thread, task.tid != task.tgid))

    def task_end(self, task: Task, status: int) -> None:
        """A task is dead."""
        if END in self._hooks:
            last = not any(tid != task.tid for tid in task.group.tasks)
            self._tell(END, EndEvent(*self._who(task), exit_code(status), last))

    def exec(self, task: Task, path: bytes, argv: tuple[bytes, ...]) -> None:
        """execve succeeded."""
        if EXEC in self._hooks:
            words = tuple(arg.decode("utf-8", "replace") for arg in argv)
            event = ExecEvent(self._process_of(task), path.decode("utf-8", "replace"), words)
            self._tell(EXEC, event)
