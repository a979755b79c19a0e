"""Commands by declaration.

::

    @command("x ADDRESS [N]", "examining", repeats=True)
    def examine(console: DebugConsole, rest: str) -> None:
        \"\"\"The bytes in memory from ADDRESS on (N of them, 64).

        More words, shown by ``help x``.
        \"\"\"

The first line of the docstring is the summary, the rest is what ``help`` adds.  A command that lets
the program go on returns RESUME; a mistake of the user's is a CommandError, one line.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from tools.console.console import DebugConsole

RESUME: Final = "resume"
"""What a command returns to end the dialogue: the program goes on."""

Outcome = Literal["resume"] | None
Action = Callable[["DebugConsole", str], Outcome]
Completer = Callable[["DebugConsole", list[str]], Iterable[str]]
"""completer(console, words typed after the command, the last one unfinished) -> candidates."""

SECTIONS: Final = {
    "stopping": "Where to stop",
    "running": "Going on",
    "looking": "What the kernel has",
    "machine": "Registers and memory",
    "changing": "Changing",
    "other": "Other",
}


class CommandError(Exception):
    """The user's mistake, in one line."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command: the words it is called by, how it is used, what it does."""

    name: str
    aliases: tuple[str, ...]
    usage: str
    section: str
    summary: str
    text: str
    action: Action
    complete: Completer | None
    repeats: bool

    def help(self) -> str:
        """What ``help NAME`` prints."""
        lines = [self.usage, "", self.summary]
        if self.text:
            lines += ["", self.text]
        if self.aliases:
            lines += ["", f"Short: {', '.join(self.aliases)}"]
        return "\n".join(lines)


COMMANDS: Final[dict[str, Command]] = {}
"""By name, in the order of declaration."""


def command(
    usage: str,
    section: str,
    *aliases: str,
    complete: Completer | None = None,
    repeats: bool = False,
) -> Callable[[Action], Action]:
    """Declare a command; ``repeats``: an empty line does it again."""
    name = usage.split()[0]

    def declare(action: Action) -> Action:
        summary, _, text = (inspect.getdoc(action) or "").partition("\n")
        COMMANDS[name] = Command(
            name, aliases, usage, section, summary, text.strip(), action, complete, repeats
        )
        return action

    return declare


_LINES: Final = "that is about lines of source, which gdb knows: diorama run -g"
_NEXT: Final = f"{_LINES}; here step is a system call, stepi an instruction"
_LIST: Final = f"{_LINES}; disas shows instructions, source our own source"
_STARTED: Final = "the program has been started: continue"
_DELETE: Final = "delete forgets a point"
_READS: Final = "watch sees what is written; who reads is seen by gdb: diorama run -g"
_TYPES: Final = "types of the program are known to gdb: diorama run -g"
ELSEWHERE: Final = {
    "run": _STARTED,
    "r": _STARTED,
    "start": _STARTED,
    "kill": "quit ends the program, send KILL kills the selected task's process",
    "next": _NEXT,
    "n": _NEXT,
    "nexti": "stepi is one instruction, finish leaves a function",
    "list": _LIST,
    "l": _LIST,
    "until": _LINES,
    "advance": _LINES,
    "tbreak": "break, and delete when it was met",
    "enable": _DELETE,
    "disable": _DELETE,
    "clear": _DELETE,
    "condition": "it stands behind: break CALL if PREDICATE",
    "ignore": "continue N passes the point that was met",
    "commands": "-x FILE has commands, and from Python a breakpoint has a hook",
    "rwatch": _READS,
    "awatch": _READS,
    "frame": "stack shows all levels",
    "up": "stack shows all levels",
    "down": "stack shows all levels",
    "handle": "signals stop nothing unless caught: catch signal",
    "signal": "set signal, at catch signal; send SIGNAL sends one",
    "jump": "set reg pc ADDRESS, and continue",
    "return": "set result, where a call is entered or returns",
    "call": "functions of the program are called by gdb: diorama run -g",
    "ptype": _TYPES,
    "whatis": _TYPES,
    "display": "x ADDRESS, at each stop",
    "file": "the program is given behind diorama debug",
    "attach": "task TID selects another task",
    "strace": "diorama debug --trace traces",
}
"""Commands that other debuggers have: what is typed here for them."""


def find(word: str) -> Command:
    """By name, by a short name, by a beginning that only one name has.  CommandError else."""
    if word in COMMANDS:
        return COMMANDS[word]
    for found in COMMANDS.values():
        if word in found.aliases:
            return found
    if word in ELSEWHERE:
        raise CommandError(f"no command is called {word}: {ELSEWHERE[word]}")
    begun = [name for name in COMMANDS if name.startswith(word)]
    if len(begun) == 1:
        return COMMANDS[begun[0]]
    if begun:
        raise CommandError(f"{word} is short for {' and '.join(begun)}")
    like = difflib.get_close_matches(word, COMMANDS, 1)
    instead = f"{like[0]}?" if like else "help lists them"
    raise CommandError(f"no command is called {word} ({instead})")


def no_words(rest: str, name: str) -> None:
    """CommandError if something stands behind a command that takes nothing."""
    if rest:
        raise CommandError(f"{name} takes nothing behind it, not {rest}")


def overview() -> str:
    """What ``help`` prints: every command with its summary, by section."""
    lines = []
    for section, title in SECTIONS.items():
        lines.append(f"{title}:")
        lines += [_line(found) for found in COMMANDS.values() if found.section == section]
        lines.append("")
    lines.append(
        "`help COMMAND` says more; a beginning is enough where it is clear; # is a comment."
    )
    return "\n".join(lines)


def _line(found: Command) -> str:
    """A command with its summary, beside or, where it is long, below it."""
    gap = " " if len(found.usage) <= 20 else "\n" + " " * 23
    return f"  {found.usage:<20}{gap}{found.summary}"


def documentation() -> str:
    """The table of docs/debugging.md."""
    lines: list[str] = []
    for section, title in SECTIONS.items():
        lines += [f"| {title} | |", "| --- | --- |"] if not lines else [f"| **{title}** | |"]
        for found in COMMANDS.values():
            if found.section == section:
                usage = found.usage.replace("|", "\\|")
                short = f" (`{', '.join(found.aliases)}`)" if found.aliases else ""
                lines.append(f"| `{usage}`{short} | {found.summary} |")
    return "\n".join(lines)
