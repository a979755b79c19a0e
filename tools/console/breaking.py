"""Commands that say where to stop: break, catch, watch, delete, info."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import KernelError
from kernel.abi.signals import SIGKILL
from kernel.machine.points import MOST_WATCHED
from tools.console import complete, words
from tools.console.command import CommandError, command, find, no_words
from tools.console.points import EVENTS, AddressPoint, CallPoint, EventPoint, Point, WatchPoint
from tools.console.tables import table
from tools.predicates import TASK_NAMES, Predicate, call_names, register_names
from tools.tracer.filters import FilterError, parse_signals, parse_trace
from tools.tracer.meant import call_like

if TYPE_CHECKING:
    from collections.abc import Collection

    from tools.console.console import DebugConsole

WATCH_SIZE: Final = 8
"""Where nobody says how many bytes."""


def split_condition(rest: str) -> tuple[str, str | None]:
    """What stands before ``if``, and the predicate behind it."""
    head, found, tail = _at_if(rest)
    if not found:
        return rest.strip(), None
    if not tail.strip():
        raise CommandError("a predicate is missing behind if")
    return head.strip(), tail.strip()


def _at_if(rest: str) -> tuple[str, str, str]:
    """Cut at the first word ``if``."""
    match = re.search(r"(?:^|\s)if(?:\s|$)", rest)
    if match is None:
        return rest, "", ""
    return rest[: match.start()], "if", rest[match.end() :]


def _predicate(text: str | None, known: Collection[str]) -> Predicate | None:
    return None if text is None else Predicate(text, known)


def _on_registers(console: DebugConsole, text: str | None) -> Predicate | None:
    """A condition at an address; a register may have a ``$`` before it, as everywhere else."""
    known = register_names(console.task)
    if text is not None:
        text = re.sub(r"\$(\w+)", lambda found: found[found[1] in known], text)
    return _predicate(text, known)


@command("break CALL [if PREDICATE]", "stopping", "b", complete=complete.calls)
def break_(console: DebugConsole, rest: str) -> None:
    """Stop before a system call, or at an address: break *ADDRESS, break *FUNCTION.

    CALL is a name, or a set as in `trace -e trace=`: openat,read or %file or /^get or all.
    PREDICATE is a Python expression over the call's decoded arguments, with the names of the
    manual page: break openat if path.startswith("/etc"), break write if fd == 1 and count > 100.
    Besides there are path (the first one), task, pid, tid, comm, name, args, and Linux's constants.
    At an address the names are registers: break *main if rdi > 1.  An address belongs to the
    selected task's address space, and goes with it.
    """
    where, condition = split_condition(rest)
    if not where:
        raise CommandError("break needs a system call, or *ADDRESS")
    if where.startswith("*"):
        _break_at(console, where, condition)
        return
    numbers = _calls(console, where)
    known = frozenset.intersection(
        *(call_names(console.table.declaration(number)) for number in sorted(numbers))
    )
    predicate = _predicate(condition, known)
    _add(console, CallPoint(console.points.next_number(), rest.strip(), predicate, numbers))


def _calls(console: DebugConsole, where: str) -> frozenset[int]:
    """The numbers of the calls of a set."""
    numbers = console.table.numbers
    try:
        chosen = parse_trace(where.replace(" ", ""), numbers)
    except FilterError as error:
        if where[0] in "%/!?" or "," in where:  # which of them it was, and what is wrong with it
            raise CommandError(str(error)) from None
        if console.symbols.address(console.task, where) is not None:
            raise CommandError(f"{where} is no system call; the function is *{where}") from None
        hint = call_like(where, numbers) or " (an address has a * before)"
        raise CommandError(
            f"{where} is no system call of {console.system.arch.name}{hint}"
        ) from None
    if not chosen:
        raise CommandError(f"no system call is in {where}")
    return frozenset(numbers[name] for name in chosen)


def _break_at(console: DebugConsole, where: str, condition: str | None) -> None:
    address = words.address(console, where[1:].strip())
    predicate = _on_registers(console, condition)
    mm = console.task.mm
    assert mm is not None
    try:
        made = console.debugger.break_at(mm, address)
    except KernelError:
        raise CommandError(f"{where}: nothing is mapped at {address:#x}") from None
    text = f"*{console.symbols.named(console.task, address)}"
    text += f" if {condition}" if condition else ""
    _add(console, AddressPoint(console.points.next_number(), text, predicate, made))


def _add(console: DebugConsole, point: Point) -> None:
    console.points.add(point)
    console.points.arm(console.debugger)  # what a command does here may be caught already
    console.say(f"{point.title} {point.number}: {point.text}")


@command("catch EVENT [SIGNALS] [if PREDICATE]", "stopping", complete=complete.events)
def catch(console: DebugConsole, rest: str) -> None:
    """Stop at a signal, a fault, a fork, an exec, an exit or a thread.

    signal [NAMES]  before a signal is delivered: catch signal TERM,INT; `set signal 0` drops it
    fault           the processor's exceptions and refused accesses, before they become a signal
    fork            a new process (fork, vfork, clone); exec: a new program; exit: a process ends
    thread          a thread begins or ends
    PREDICATE: over task, pid, tid, comm and signal (its number): catch exec if comm == "sh"
    """
    what, condition = split_condition(rest)
    event, _, names = what.partition(" ")
    if event == "syscall":  # gdb's word
        raise CommandError(f"system calls are caught by break: break {names.strip() or 'all'}")
    if event not in EVENTS:
        instead = f", not {event}" if event else ""
        raise CommandError(f"catch needs one of {', '.join(EVENTS)}{instead}")
    if names and event != "signal":
        raise CommandError(f"catch {event} takes nothing behind it, not {names.strip()}")
    try:
        signals = parse_signals(names.replace(" ", "")) if names else None
    except FilterError as error:
        raise CommandError(str(error)) from None
    if signals == frozenset((SIGKILL,)):
        raise CommandError("SIGKILL is never delivered: catch exit sees what it does")
    predicate = _predicate(condition, (*TASK_NAMES, "signal"))
    number = console.points.next_number()
    _add(console, EventPoint(number, rest.strip(), predicate, event, signals))


@command("watch ADDRESS [LEN]", "stopping", complete=complete.functions)
def watch(console: DebugConsole, rest: str) -> None:
    """Stop after an instruction that wrote to memory.

    LEN bytes from ADDRESS on; without LEN, of a variable as many as it has, elsewhere 8.  A
    condition may follow: watch $sp 8 if comm == "sh".
    """
    where, condition = split_condition(rest)
    first, second = words.one_or_two(where.removeprefix("*"), "watch ADDRESS [LEN]")
    address = words.address(console, first)
    length = words.count(second, 0, MOST_WATCHED) if second else _usual_length(console, first)
    predicate = _on_registers(console, condition)
    mm = console.task.mm
    assert mm is not None
    try:
        made = console.debugger.watch(mm, address, length, "w")
    except KernelError as error:
        raise CommandError(f"{first}: {error.reason or 'nothing is mapped there'}") from None
    named = first.isidentifier()
    text = f"{f'{first} at ' if named else ''}{console.symbols.named(console.task, address)}"
    text += f", {length} byte{'s' if length > 1 else ''}"
    text += f" if {condition}" if condition else ""
    _add(console, WatchPoint(console.points.next_number(), text, predicate, made))


def _usual_length(console: DebugConsole, where: str) -> int:
    """All of a variable, where it can be watched."""
    size = console.symbols.size(console.task, where)
    if size > MOST_WATCHED:
        some = f"of which {MOST_WATCHED} can be watched: watch {where} LEN"
        raise CommandError(f"{where} has {size} bytes, {some}")
    return size or WATCH_SIZE


@command("delete [NUMBER...]", "stopping", "d", complete=complete.points)
def delete(console: DebugConsole, rest: str) -> None:
    """Forget points by their numbers, or all of them."""
    found: dict[int, Point] = {}
    for word in rest.split():
        point = console.points.get(int(word)) if word.isdecimal() else None
        if point is None:
            raise CommandError(f"there is no point {word} (info breaks lists them)")
        found[point.number] = point
    for point in found.values() if rest else list(console.points):
        console.points.remove(point, console.debugger)


@command("info breaks", "stopping", "i", complete=lambda console, typed: ("breaks",))
def info(console: DebugConsole, rest: str) -> None:
    """Every point, and how often it was met; info THING is the command THING: info registers."""
    thing, _, more = rest.partition(" ")
    if thing and not "breakpoints".startswith(thing) and thing not in ("breaks", "watchpoints"):
        found = find("regs" if thing == "r" else thing)
        if found.section not in ("looking", "machine"):
            raise CommandError(f"info knows breaks and what shows something, not {thing} (help)")
        found.action(console, more.strip())
        return
    no_words(more, f"info {thing}")
    rows = [
        (point.number, point.kind, point.hits, "yes" if point.live else "gone", point.text)
        for point in console.points
    ]
    console.say(table(("number", "kind", "hits", "live", "what"), rows) if rows else "no points")
