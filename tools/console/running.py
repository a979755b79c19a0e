"""Commands that let the program go on: continue, step, stepi, finish, detach, quit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import KernelError
from tools.console import words
from tools.console.command import RESUME, CommandError, Outcome, command, no_words
from tools.console.console import DEADLOCK, Goal

if TYPE_CHECKING:
    from kernel.machine.debugger import Breakpoint, Stop
    from kernel.task.task import Task
    from tools.console.console import DebugConsole


MOST_STEPS: Final = 1 << 30


def _may_go_on(console: DebugConsole) -> None:
    if console.place().reason == DEADLOCK:
        raise CommandError("nobody can go on: every task waits for ever (quit ends the run)")


@command("continue [N]", "running", "c", repeats=True)
def continue_(console: DebugConsole, rest: str) -> Outcome:
    """Go on until the next point; N: pass the point that was met N-1 times more."""
    _may_go_on(console)
    console.pass_by(words.count(rest, 1, 1 << 30) - 1)
    return RESUME


@command("step [N]", "running", "s", repeats=True)
def step(console: DebugConsole, rest: str) -> Outcome:
    """Go on until the selected task's next system call has returned, and show it.

    Where it has just entered one, that is the one.  N: until so many have.  Other tasks run
    meanwhile.
    """
    count = words.count(rest, 1, MOST_STEPS)
    _may_go_on(console)
    over = _call_is_over(console.task)
    console.goal = Goal(console.task, _last_of(count, over), calls=True)
    return RESUME


def _last_of(
    count: int, event: Callable[[Stop], bool], again: Callable[[], None] = lambda: None
) -> Callable[[Stop], bool]:
    """Has the event happened so many times?  ``again`` is called as long as it has not."""
    left = count

    def reached(stop: Stop) -> bool:
        nonlocal left
        if not event(stop):
            return False
        left -= 1
        if left:
            again()
        return not left

    return reached


def _call_is_over(task: Task) -> Callable[[Stop], bool]:
    return lambda stop: stop.task is task and stop.reason == "return"


@command("stepi [N]", "running", "si", repeats=True)
def stepi(console: DebugConsole, rest: str) -> Outcome:
    """One instruction (N) of the selected task; a system call or a signal counts as one."""
    count = words.count(rest, 1, MOST_STEPS)
    _may_go_on(console)
    task, debugger = console.task, console.debugger
    debugger.step(task)
    reached = _last_of(
        count,
        lambda stop: stop.task is task and stop.reason == "step",
        lambda: debugger.step(task),
    )
    console.goal = Goal(task, reached)
    return RESUME


@command("finish", "running", "fin", repeats=True)
def finish(console: DebugConsole, rest: str) -> Outcome:
    """Go on until the system call returns; outside of one, until the function does."""
    no_words(rest, "finish")
    _may_go_on(console)
    task = console.task
    stop = console.at_call()
    if task.generator is not None or (stop is not None and stop.reason == "enter"):
        console.goal = Goal(task, _call_is_over(task), calls=True)
        return RESUME
    frames = console.symbols.stacks.addresses(task)
    if len(frames) < 2 or task.mm is None:
        raise CommandError("no caller can be found to finish to (stack shows what is known)")
    sp = console.system.cpu.registers(task.context).sp
    try:
        made = console.debugger.break_at(task.mm, frames[1])
    except KernelError:
        raise CommandError(f"the caller at {frames[1]:#x} cannot be reached") from None
    console.goal = Goal(task, _has_returned(task, made, sp), breakpoint=made)
    return RESUME


def _has_returned(task: Task, caller: Breakpoint, sp: int) -> Callable[[Stop], bool]:
    """Is the task back in its caller, and not in a deeper call of the same function?"""

    def reached(stop: Stop) -> bool:
        at = stop.reason == "breakpoint" and stop.task is task and stop.address == caller.address
        return at and task.kernel.cpu.registers(task.context).sp >= sp

    return reached


@command("detach", "running")
def detach(console: DebugConsole, rest: str) -> Outcome:
    """Let the program go; it runs to its end as under diorama run."""
    no_words(rest, "detach")
    _may_go_on(console)
    console.detach()
    return RESUME


@command("quit [STATUS]", "running", "q", "exit")
def quit_(console: DebugConsole, rest: str) -> Outcome:
    """End the program and leave, with STATUS (0).  So does the end of the input, Ctrl-D."""
    status = words.number(rest, what="status") if rest else 0
    if not 0 <= status <= 255:
        raise CommandError(f"{rest} is no exit status (0 to 255)")
    console.quit(status)
    return RESUME
