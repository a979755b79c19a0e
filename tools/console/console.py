"""The dialogue: what happens from the moment the world stands still until it goes on.

``DebugConsole.stopped`` is the debugger's ``on_stop``.  It decides whether a stop is one the user
wants to see, says where the world stands, and reads commands until one of them lets it go on.

Nothing is raised through the machine: what goes wrong in a command is a line, and leaving is a
decision that takes effect when the loop looks for it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from kernel.abi.errors import EINTR, KernelError
from kernel.machine.debugger import ALL, Debugger, DebuggerBusy, Stop
from tools.boot.host_signals import SignalHandlers
from tools.cli.messages import one_line
from tools.console import stops
from tools.console.calls import Calls
from tools.console.command import RESUME, CommandError, Outcome, find
from tools.console.points import Points, call_values
from tools.console.symbols import Symbols
from tools.errors import EXIT_USAGE, DioramaError
from tools.predicates import CallValues, PredicateError

if TYPE_CHECKING:
    from types import FrameType

    from kernel.machine.debugger import Breakpoint
    from kernel.machine.loop import Machine
    from kernel.task.system import System
    from kernel.task.task import Task
    from syscalls.table import SyscallTable
    from tools.boot.session import Session
    from tools.console.input import Lines, Output
    from tools.console.points import Point
    from tools.tracer.view import Call

DEADLOCK = "deadlock"
"""The reason of the one stop that is not the debugger's: everybody waits for ever."""


class Leave(SystemExit):
    """The host wants us to end: the number of its signal.

    A SystemExit, which no mistake in a command catches, and which asyncio, under the prompt, lets
    through, as it does no other.
    """


@dataclass(frozen=True, slots=True)
class Goal:
    """What the last command waits for besides points: ``reached(stop)``; ``task``: on behalf of
    whom.  ``calls``: system calls must be reported for it; ``breakpoint`` was made for it.
    """

    task: Task
    reached: Callable[[Stop], bool]
    calls: bool = False
    breakpoint: Breakpoint | None = None


class DebugConsole:
    """One debugging session.

    ``stop``: where the world stands, None while it runs.  ``task``: the selected one.
    ``goal``: what a step or finish waits for.  ``again``: what an empty line does next, where that
    is not the last line (``x`` goes on behind what it has shown).
    """

    def __init__(self, session: Session, lines: Lines, output: Output) -> None:
        self.session = session
        self.machine: Machine = session.machine
        self.system: System = session.system
        self.table = cast("SyscallTable", self.machine.table)  # boot made it
        self.lines = lines
        self.output = output
        self.points = Points(self.table)
        self.symbols = Symbols()
        self.stop: Stop | None = None
        self.goal: Goal | None = None
        self.again = ""
        self._met: list[Point] = []
        self._selected: Task | None = None
        self._last_line = ""
        try:
            self.debugger = Debugger(self.machine, self.stopped)
        except DebuggerBusy as error:
            raise DioramaError(str(error).removeprefix("diorama: ")) from None
        self.calls = Calls(self.machine, self.table)
        self.attached = True
        session.on_interrupt = self.debugger.pause
        session.on_deadlock = self.deadlocked

    # -- what commands use -----------------------------------------------------------------------

    @property
    def task(self) -> Task:
        """The selected task.  CommandError: it has gone meanwhile."""
        task = self._selected
        if task is None or task.context is None or task.dead:
            raise CommandError("the selected task has ended (task TID selects another)")
        return task

    @property
    def selected_task(self) -> Task | None:
        """The selected task, ended or not."""
        return self._selected

    @property
    def selected_tid(self) -> int:
        """Its number; 0 for none."""
        return self._selected.tid if self._selected is not None else 0

    def where(self, task: Task) -> str:
        """What a task is doing, in a line."""
        text = f"{stops.task_name(task)} {stops.place(task, self.symbols)}"
        return text + self.calls.where(task)

    def call_values(self, stop: Stop) -> CallValues:
        """The decoded arguments of the call of a stop."""
        return call_values(stop, self.table)

    def select(self, task: Task) -> None:
        """Look at another task."""
        self._selected = task

    def say(self, text: str) -> None:
        """Show what a command found; what a guest named cannot move the cursor."""
        self.output.write("\n".join(map(one_line, text.split("\n"))) + "\n")

    def place(self) -> Stop:
        """Where the world stands."""
        assert self.stop is not None
        return self.stop

    def at_call(self) -> Stop | None:
        """The stop, if the selected task enters or leaves a system call there."""
        stop = self.place()
        at_call = stop.reason in ("enter", "return") and stop.task is self._selected
        return stop if at_call else None

    def changed_call(self, stop: Stop) -> None:
        """A command has changed the call of a stop: show it as it is now."""
        self.say(self.calls.changed(stop))

    def detach(self) -> None:
        """Let the program go; nothing stops it any more."""
        if self.attached:
            self.attached = False
            self._end_goal()
            self.debugger.close()
            self.calls.close()
            self.session.on_interrupt = None
            self.session.on_deadlock = None

    # -- stops -----------------------------------------------------------------------------------

    def stopped(self, stop: Stop) -> None:
        """The debugger's ``on_stop``."""
        if not self.attached or (stop.reason == "exit" and self._over(stop)):
            return
        met = self.points.met(stop)
        reached = self.goal is not None and self.goal.reached(stop)
        call = self.calls.at(stop) if met or self.goal is not None else None
        if not met and not reached and stop.reason not in ("start", "pause"):
            if not self._lost_goal(stop):
                self.debugger.overlook()
                return
        self._end_goal()
        self._met = met
        try:
            self._announce(stop, met, call)
        except Exception as error:  # noqa: BLE001  # the user wants to stop here all the same
            self.complain(f"{stop!r}: internal error: {type(error).__name__}: {error}")
        self._dialogue(stop)

    def _announce(self, stop: Stop, met: list[Point], call: Call | None) -> None:
        """The points that were met, and where the world stands."""
        self.lines.pending_output(self.session)
        for point in met:
            if point.failure:
                self.complain(f"the predicate of {point.number} failed: {point.failure}")
        text = stops.stop_text(stop, call, self.symbols)
        if stop.reason == "pause":
            text = f"Interrupted, {self.where(stop.task)}"
        self.say("".join(f"{point.title} {point.number}, " for point in met) + text)
        why = self.calls.why(stop, call) if call is not None else ""
        if why:
            self.say(why)

    def _end_goal(self) -> None:
        """What a step or finish waited for has come, or does not matter any more."""
        if self.goal is not None and self.goal.breakpoint is not None:
            self.debugger.remove(self.goal.breakpoint)
        self.goal = None

    def pass_by(self, times: int) -> None:
        """Do not stop at the points met here for as many times."""
        for point in self._met:
            point.passes = times

    def _lost_goal(self, stop: Stop) -> bool:
        """Has the task that a step was for ended?"""
        goal = self.goal
        return (
            goal is not None and stop.reason in ("exit", "thread_exit") and stop.task is goal.task
        )

    def _over(self, stop: Stop) -> bool:
        """The program's own end, unless somebody wants to look at it, ends the session."""
        first = self.session.task
        if first is None or stop.task.tgid != first.tgid:
            return False
        self._met = self.points.met(stop)
        self._end_goal()
        if self._met:
            self._announce(stop, self._met, None)
            self._dialogue(stop)
        elif self.attached:
            self._announce(stop, [], None)
        self.detach()
        return True

    def deadlocked(self, report: str) -> None:
        """Everybody waits for ever; the user may look around before the run ends."""
        tasks = self.system.tasks
        stuck = [tasks[tid] for tid in sorted(tasks) if tasks[tid].context is not None]
        if not self.attached or not stuck:
            return
        self._end_goal()
        self.say(f"deadlock: {report}")
        self._dialogue(Stop(stuck[0], DEADLOCK))
        self.detach()

    # -- the dialogue ----------------------------------------------------------------------------

    def _dialogue(self, stop: Stop) -> None:
        """Commands until one lets the world go on."""
        self.stop = stop
        self._selected = stop.task
        try:
            self.session.stand_still(self._serve, _HANDLERS)
        except Leave as why:  # it came while hands changed
            self._leave(128 + int(why.args[0]))
        finally:
            self.stop = None
        if self.attached:
            self._arm()

    def _serve(self) -> None:
        """The terminal and the host's signals are ours."""
        restore = self.lines.settings()
        try:
            while self.step_dialogue() is not RESUME:
                pass
        except Leave as why:
            restore()
            self._leave(128 + int(why.args[0]))

    def step_dialogue(self) -> Outcome:
        """One line.  The end of the input is ``quit``."""
        try:
            line = self.lines.read(self)
            if line is None:
                self._leave(EXIT_USAGE if self.place().reason == DEADLOCK else 0)
                return RESUME
            return self.obey(line)
        except KeyboardInterrupt:
            self.say("")
            return None

    def obey(self, line: str) -> Outcome:
        """Do what a line says; what is wrong with it is one line."""
        line = line.strip()
        if not line and self.lines.repeats:
            line = self._last_line
        if not line or line.startswith("#"):
            return None
        word, _, rest = line.partition(" ")
        if word[0] != "/":
            word, slash, form = word.partition("/")  # x/4xg, as gdb has it
            rest = f"{slash}{form} {rest}" if slash else rest
        self._last_line = self.again = ""
        try:
            command = find(word)
            outcome = command.action(self, rest.strip())
            if command.repeats:
                self._last_line = self.again or line
            return outcome
        except (CommandError, PredicateError, DioramaError) as error:
            self.complain(str(error))
        except KernelError as error:
            self.complain(f"{line}: {error.text}{f': {error.reason}' if error.reason else ''}")
        except Exception as error:  # noqa: BLE001  # a session is not lost to a mistake of ours
            self.complain(f"{word}: internal error: {type(error).__name__}: {error}")
        return None

    def complain(self, text: str) -> None:
        """One line that says what is wrong."""
        self.say("diorama: " + " ".join(text.split()))

    def _leave(self, status: int) -> None:
        """End the program and the session with it; a call it was about to make is not made."""
        if self.stop is not None and self.stop.reason == "enter":
            self.stop.result = -EINTR.errno
        self.detach()
        self.session.end(status)

    quit = _leave

    def _arm(self) -> None:
        """Have reported what the points and the goal need."""
        debugger = self.debugger
        self.points.arm(debugger)
        if self.goal is not None:
            debugger.catch_threads = debugger.catch_execs = True
            if self.goal.calls:
                debugger.catch_calls = ALL


def _leave(number: int, frame: FrameType | None) -> None:
    """SIGTERM and SIGHUP while the user is asked."""
    raise Leave(number)


_HANDLERS: Final[SignalHandlers] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: _leave,
    signal.SIGHUP: _leave,
}
"""What the host's signals mean while the world stands still."""
