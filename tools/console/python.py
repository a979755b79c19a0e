"""Commands that reach into our own source: print, source; and help."""

from __future__ import annotations

import os
import pprint
from typing import TYPE_CHECKING, Any, Final

from kernel.machine import describe
from tools.console import complete, words
from tools.console.command import CommandError, command, find, overview
from tools.predicates import PredicateError, call_names, compile_expression, evaluate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kernel.machine.describe.plain import Source
    from tools.console.console import DebugConsole

LONGEST_SOURCE: Final = 60
LONGEST_VALUE: Final = 20_000


def _names(console: DebugConsole) -> dict[str, Any]:  # Any: kernel objects of every kind
    """What expressions may use."""
    stop = console.place()
    found = {
        "console": console,
        "debugger": console.debugger,
        "describe": describe,
        "machine": console.machine,
        "stop": stop,
        "system": console.system,
    }
    if console.selected_task is not None:
        found["task"] = console.selected_task
    return found


def _value(console: DebugConsole, text: str) -> Any:  # Any: see _names
    names = _names(console)
    stop = console.at_call()
    values = None
    if stop is not None:
        values = console.call_values(stop)
        for name in call_names(values.call.declaration) - names.keys():
            names.setdefault(name, None)
    code, used = compile_expression(text, names)
    if values is not None:
        known = _names(console)
        names |= {name: values(name) for name in used if name not in known}
    try:
        return evaluate(code, names)
    except PredicateError as error:
        raise CommandError(f"{text}: {error}") from None
    except Exception as error:  # noqa: BLE001  # whatever the user's expression does
        raise CommandError(f"{text}: {type(error).__name__}: {error}") from None


def _form(text: str) -> tuple[str, str]:
    """``print/x EXPR``: the letter, and the expression."""
    if not text.startswith("/"):
        return "", text
    form, _, rest = text.partition(" ")
    if form not in ("/x", "/d", "/o", "/b"):
        raise CommandError(f"{form} is no format of print: /x /d /o /b")
    if not rest.strip():
        raise CommandError("print needs an expression: print/x $sp")
    return form[1], rest.strip()


def _with_registers(console: DebugConsole, text: str) -> str:
    """``$sp`` is the register's value, as long as there is somebody to have it."""
    return words.with_registers(console.task, text) if "$" in text else text


@command("print EXPR", "other", "p")
def print_(console: DebugConsole, rest: str) -> None:
    """The value of a Python expression over kernel objects.

    Names: task (the selected one), system, machine, stop, debugger, describe (kernel.machine's
    descriptions), Linux's constants, registers ($sp), and at a call its arguments.  print/x gives
    a number in hexadecimal.  Examples: print task.mm.vmas,
    print [t.comm for t in system.tasks.values()], print describe.plain(describe.memory(system)).
    Calling what changes the kernel changes it.
    """
    if not rest:
        raise CommandError("print needs an expression: print task.fds.files")
    form, rest = _form(rest)
    value = _value(console, _with_registers(console, rest))
    if form and isinstance(value, int):
        value = format(value & words.MASK64 if form == "x" else value, f"#{form}")
    try:
        text = value if isinstance(value, str) else pprint.pformat(value, width=100)
    except Exception as error:  # noqa: BLE001  # of the value's own repr
        raise CommandError(f"{rest} cannot be shown: {type(error).__name__}: {error}") from None
    console.say(text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "...")


@command("source WHAT", "other", complete=lambda console, typed: _sources(console))
def source(console: DebugConsole, rest: str) -> None:
    """Where in our source a system call or a kernel object is implemented, and its lines.

    WHAT is a system call (source openat), a command's subject (source pipes), a dotted name
    (source kernel.task.futex), or an expression over objects (source task.mm).
    """
    if not rest:
        raise CommandError("source needs a system call or an object: source openat, source task.mm")
    found = _source(console, rest)
    where = os.path.relpath(found.file, _root())
    lines = found.text().splitlines()
    shown = lines[:LONGEST_SOURCE]
    numbered = [f"{found.first + i:5d}  {line}" for i, line in enumerate(shown)]
    more = [f"       ... to line {found.last}"] if len(lines) > len(shown) else []
    console.say("\n".join([f"{where}:{found.first} {found.name}", *numbered, *more]))


def _root() -> str:
    """The directory the packages are in."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


SUBJECTS: Final = {
    "tasks": "kernel.task.task.Task",
    "maps": "kernel.mm.vma.Vma",
    "pagetable": "kernel.mm.page_table.PageTable",
    "fds": "kernel.vfs.fdtable.FdTable",
    "waits": "kernel.wait.WaitQueue",
    "futexes": "kernel.task.futex.Bucket",
    "runqueue": "kernel.task.scheduler.Scheduler",
    "mounts": "kernel.vfs.mount.Mount",
    "inodes": "kernel.vfs.inode.Inode",
    "pipes": "kernel.fs.pipe.Pipe",
    "sockets": "kernel.net.socketfile.SocketFile",
    "signals": "kernel.task.signals.send_to_task",
    "memory": "kernel.mm.frames.Frames",
}
"""What the commands of the same names show."""


def _sources(console: DebugConsole) -> Iterable[str]:
    return [*SUBJECTS, *(name for name in console.table.names if name is not None)]


def _source(console: DebugConsole, text: str) -> Source:
    number = console.table.numbers.get(text)
    try:
        if number is not None:
            declaration = console.table.declaration(number)
            if declaration is None:
                raise CommandError(f"{text} has no implementation: it gives ENOSYS")
            return describe.source(declaration.handler)
        if text in SUBJECTS:
            return describe.source(SUBJECTS[text])
        if text.startswith(("kernel.", "syscalls.", "loader.", "tools.")):
            return describe.source(text)
        return describe.source(_value(console, text))
    except LookupError as error:
        raise CommandError(str(error.args[0]) if error.args else f"{text}: no source") from None


@command("help [COMMAND]", "other", "h", "?", complete=complete.commands)
def help_(console: DebugConsole, rest: str) -> None:
    """Every command, or one in full."""
    console.say(find(rest).help() if rest else overview())
