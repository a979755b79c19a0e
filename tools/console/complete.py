"""Completion: what the word at the cursor may become."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kernel.abi.signals import NSIG, signal_name
from tools.console.command import COMMANDS, CommandError, find
from tools.console.points import EVENTS
from tools.predicates import call_names

if TYPE_CHECKING:
    from tools.console.console import DebugConsole


def candidates(console: DebugConsole, before: str) -> list[str]:
    """For the text before the cursor, in order."""
    words = before.split(" ")
    last = words[-1]
    if len(words) == 1:
        return [name for name in COMMANDS if name.startswith(last)]
    try:
        command = find(words[0])
        found = command.complete(console, words[1:]) if command.complete is not None else ()
        return sorted({text for text in found if text.startswith(last)})
    except CommandError:
        return []


def points(console: DebugConsole, words: list[str]) -> Iterable[str]:
    """Numbers of points."""
    return [str(point.number) for point in console.points]


def tids(console: DebugConsole, words: list[str]) -> Iterable[str]:
    """Numbers of tasks."""
    return [str(tid) for tid in console.system.tasks]


def commands(console: DebugConsole, words: list[str]) -> Iterable[str]:
    """Names of commands."""
    return COMMANDS


def events(console: DebugConsole, words: list[str]) -> Iterable[str]:
    """What ``catch`` knows, and the signals."""
    if len(words) > 1 and words[0] == "signal":
        return signals(console, words)
    return EVENTS


def signals(console: DebugConsole, words: list[str]) -> Iterable[str]:
    """Names of signals."""
    return [signal_name(n) for n in range(1, NSIG + 1)]


def calls(console: DebugConsole, words: list[str]) -> Iterable[str]:
    """System calls; behind ``if`` the names of the arguments; behind ``*`` functions."""
    if words[-1].startswith("*"):
        return [f"*{name}" for name in functions(console, words)]
    if len(words) == 1:
        return [name for name in console.table.names if name is not None]
    if len(words) == 2:
        return ["if"]
    number = console.table.numbers.get(words[0], -1)
    return call_names(console.table.declaration(number))


def functions(console: DebugConsole, words: list[str]) -> Iterable[str]:
    """Functions of the selected task's program."""
    return console.symbols.names(console.task)


def registers(console: DebugConsole, words: list[str]) -> Iterable[str]:
    """Names of registers."""
    return console.system.arch.register_names


def changes(console: DebugConsole, words: list[str]) -> Iterable[str]:
    """What ``set`` changes, and its names."""
    if len(words) == 1:
        return ("arg", "result", "reg", "mem", "signal")
    stop = console.at_call()
    if words[0] == "signal":
        return signals(console, words)
    if words[0] == "reg":
        return registers(console, words)
    if words[0] == "arg" and stop is not None:
        declaration = console.table.declaration(stop.number)
        return [p.name for p in declaration.parameters] if declaration is not None else ()
    return ()
