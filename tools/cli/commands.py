"""The commands: each fills a RunConfig in, has it executed, and returns the exit status."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tools.cli.debug_options import DEBUG_OPTIONS, DebugDraft
from tools.cli.help import command_help
from tools.cli.inspect_command import INSPECT_OPTIONS, inspect
from tools.cli.messages import show
from tools.cli.options import Option, Parser, UsageError
from tools.cli.run_options import RUN_OPTIONS, RunDraft
from tools.cli.syscalls_command import SYSCALLS_OPTIONS, syscalls
from tools.cli.top_command import TOP_OPTIONS, top
from tools.cli.trace_options import PARSED_OPTIONS, TRACE_OPTIONS, TraceDraft
from tools.config import RunConfig, StatsOptions
from tools.stats.compare import compare


@dataclass(slots=True)
class StatsDraft(RunDraft):
    """A run whose calls are counted."""

    by_process: bool = False
    details: bool = False
    plot: str | None = None


def _by_process(draft: StatsDraft, _: str) -> None:
    draft.by_process = True


def _details(draft: StatsDraft, _: str) -> None:
    draft.details = True


def _plot(draft: StatsDraft, value: str) -> None:
    if not value.endswith((".svg", ".png")):
        raise ValueError(f"{value!r} ends neither in .svg nor in .png")
    draft.plot = value


def _compare_alone(_draft: StatsDraft, _: str) -> None:
    raise ValueError("comes first, with two files and no program")


STATS_OPTIONS: Final[tuple[Option[StatsDraft], ...]] = (
    Option(("--processes",), "", "a table for each process before the whole", _by_process),
    Option(("--details",), "", "sleep, bytes, errors by name, faults, switches too", _details),
    Option(("--plot",), "FILE.svg|png", "a picture of calls and memory over time", _plot),
    Option(("--compare",), "A.json B.json", "what changed from A to B", _compare_alone),
    *RUN_OPTIONS,
)

Execute = Callable[[RunConfig], int]


def run(words: Sequence[str], execute: Execute) -> int:
    """``diorama run``: the program's own exit status."""
    return execute(_parse_run("run", words))


def stats(words: Sequence[str], execute: Execute) -> int:
    """``diorama stats``: run, then the table; or, with ``--compare``, nothing runs."""
    if words[:1] == ["--compare"]:
        return _compare(words[1:])
    draft = StatsDraft()
    rest = Parser("stats", STATS_OPTIONS).parse(words, draft)
    config = draft.finish("stats", _program("stats", rest))
    wanted = config.stats or StatsOptions()
    wanted = replace(wanted, by_process=draft.by_process, details=draft.details, plot=draft.plot)
    return execute(replace(config, stats=wanted))


def _compare(files: Sequence[str]) -> int:
    """``diorama stats --compare A.json B.json``."""
    if len(files) != 2:
        raise UsageError("stats: --compare needs two files that --stats=FILE.json wrote")
    return show(compare(*files))


def trace(words: Sequence[str], execute: Execute) -> int:
    """``diorama trace``: run with every call shown."""
    draft = TraceDraft()
    rest = Parser("trace", PARSED_OPTIONS).parse(words, draft)
    return execute(draft.finish("trace", _program("trace", rest)))


def debug(words: Sequence[str], execute: Execute) -> int:
    """``diorama debug``: the program's status, or what ``quit`` says."""
    draft = DebugDraft()
    rest = Parser("debug", DEBUG_OPTIONS).parse(words, draft)
    return execute(draft.finish("debug", _program("debug", rest)))


def shell(words: Sequence[str], execute: Execute) -> int:
    """``diorama shell``: a BusyBox shell, reading a script where stdin is no terminal."""
    draft = RunDraft()
    rest = Parser("shell", RUN_OPTIONS).parse(words, draft)
    if rest:
        raise UsageError(f"shell: unexpected argument {rest[0]} (a program? use diorama run)")
    draft.busybox = True
    return execute(draft.finish("shell", ()))


def _parse_run(command: str, words: Sequence[str]) -> RunConfig:
    """Options and program of ``run`` and ``stats``."""
    draft = RunDraft()
    rest = Parser(command, RUN_OPTIONS).parse(words, draft)
    return draft.finish(command, _program(command, rest))


def _program(command: str, words: Sequence[str]) -> Sequence[str]:
    """The words from PROGRAM on, which must be there."""
    if not words:
        raise UsageError(f"{command}: PROGRAM is missing (see diorama {command} --help)")
    if not words[0]:
        raise UsageError(f"{command}: PROGRAM is an empty name")
    return words


def print_help(command: str) -> int:
    """``diorama COMMAND --help``."""
    tables: dict[str, Sequence[Option[Any]]] = {  # Any: the commands' drafts differ
        "trace": TRACE_OPTIONS,
        "stats": STATS_OPTIONS,
        "debug": DEBUG_OPTIONS,
        "top": TOP_OPTIONS,
        "syscalls": SYSCALLS_OPTIONS,
        "inspect": INSPECT_OPTIONS,
    }
    return show(command_help(command, tables.get(command, RUN_OPTIONS)))


def _top(words: Sequence[str], _execute: Execute) -> int:
    """``diorama top``: the machine runs in another process."""
    return top(words, lambda rest: _program("top", rest))


def _syscalls(words: Sequence[str], _execute: Execute) -> int:
    """``diorama syscalls``: nothing runs."""
    return syscalls(words)


def _inspect(words: Sequence[str], _execute: Execute) -> int:
    """``diorama inspect``: nothing runs."""
    return inspect(words)


COMMANDS: Final[dict[str, Callable[[Sequence[str], Execute], int]]] = {
    "run": run,
    "trace": trace,
    "stats": stats,
    "debug": debug,
    "top": _top,
    "shell": shell,
    "syscalls": _syscalls,
    "inspect": _inspect,
}
