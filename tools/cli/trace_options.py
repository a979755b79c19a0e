"""The options of ``trace``: strace's letters and long names, and run's options in their long form.

strace's names are those of strace(1) 6.x.  What cannot be had here is refused with a line that says
why (``tools.cli.trace_refusals``); nothing is accepted and ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tools.cli.options import Option, UsageError
from tools.cli.run_options import RUN_OPTIONS, RunDraft
from tools.cli.trace_refusals import REFUSED_OPTIONS, REFUSED_QUALIFIERS
from tools.cli.values import parse_number, parse_user
from tools.config import RunConfig, TraceOptions
from tools.tracer.columns import column_names, sort_key

# strace(1), OPTIONS, -e: what may stand before the `=`.  Anything else before one is taken for a
# variable by mistake, as in docker's -e.
QUALIFIERS: Final = frozenset(
    "trace t signal signals s status abbrev a verbose v raw x read reads r write writes w quiet "
    "silent silence q decode-fds decode-fd decode-pids decode-pid trace-fds trace-fd".split()
)
INJECTIONS: Final = frozenset(["inject", "fault"])
PRECISIONS: Final = ("s", "ms", "us", "ns")
TIME_UNITS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1000, "ns": 1, "": 1000}
HEX_STRINGS: Final = {"none": 0, "non-ascii": 1, "all": 2, "": 2, "non-ascii-chars": 3}
STYLES: Final = ("abbrev", "raw", "verbose")


@dataclass(slots=True)
class TraceDraft(RunDraft):
    """A run whose calls are shown.  Without ``-f`` only PROGRAM's own task is.

    ``unset``: variables that PROGRAM does not get.
    """

    trace: TraceOptions | None = field(default_factory=lambda: TraceOptions(follow=False))
    unset: list[bytes] = field(default_factory=list)

    @property
    def shown(self) -> TraceOptions:
        """The tracer's part, which is always there."""
        return self.trace or TraceOptions(follow=False)

    def set(self, **changes: Any) -> None:  # Any: each field of TraceOptions has a type of its own
        """Change the tracer's part."""
        self.trace = replace(self.shown, **changes)

    def express(self, expression: str) -> None:
        """One more ``-e``."""
        self.set(expressions=(*self.shown.expressions, expression))

    def finish(self, command: str, words: Sequence[str]) -> RunConfig:
        """The run, with what is said only here."""
        self._check_output(command)
        config = super(TraceDraft, self).finish(command, words)
        return replace(config, unset=tuple(self.unset))

    def _check_output(self, command: str) -> None:
        if self.shown.output is None:  # strace's -ff without -o is its -f
            self.set(separate_files=False)
        shown = self.shown
        if shown.separate_files and shown.output is not None and shown.output[:1] in ("|", "!"):
            raise UsageError(f"{command}: -ff and -o '|COMMAND' exclude each other")


Apply = Callable[[TraceDraft, str], None]


def _sets(**changes: Any) -> Apply:  # Any: see TraceDraft.set
    """An option that only changes fields."""

    def apply(draft: TraceDraft, _: str) -> None:
        draft.set(**changes)

    return apply


def _expresses(prefix: str) -> Apply:
    """An option that is short for ``-e prefix=VALUE``."""

    def apply(draft: TraceDraft, value: str) -> None:
        draft.express(f"{prefix}={value}")

    return apply


def _short_for(expression: str) -> Apply:
    def apply(draft: TraceDraft, _: str) -> None:
        draft.express(expression)

    return apply


def _expression(draft: TraceDraft, value: str) -> None:
    qualifier, equals, _ = value.partition("=")
    if equals and qualifier in REFUSED_QUALIFIERS:
        raise ValueError(REFUSED_QUALIFIERS[qualifier])
    if qualifier in INJECTIONS and equals:
        _inject(draft, value if qualifier == "fault" else value.partition("=")[2])
        return
    if equals and qualifier not in QUALIFIERS:
        raise ValueError(f"{qualifier!r} is no qualifier of strace's; use --env {value}")
    draft.express(value)


def _inject(draft: TraceDraft, value: str) -> None:
    draft.set(injections=(*draft.shown.injections, value))


def _fault(draft: TraceDraft, value: str) -> None:
    _inject(draft, f"fault={value}")


def _refused(why: str) -> Apply:
    def apply(draft: TraceDraft, _: str) -> None:
        raise ValueError(why)

    return apply


def _precision(value: str) -> str:
    """``s``, ``ms``, ``us``, ``ns``; microseconds if nothing is said."""
    if value and value not in PRECISIONS:
        raise ValueError(f"{value!r} is not one of {', '.join(PRECISIONS)}")
    return value or "us"


def _durations(draft: TraceDraft, value: str) -> None:
    draft.set(durations=_precision(value))


def _relative(draft: TraceDraft, value: str) -> None:
    draft.set(relative=_precision(value))


def _absolute(draft: TraceDraft, value: str) -> None:
    """``[[format:]FORMAT[,[precision:]PRECISION]]``."""
    form, precision = "time", "s"
    for word in value.split(",") if value else ():
        word = word.removeprefix("format:").removeprefix("precision:")
        if word in ("none", "time", "unix"):
            form = word
        elif word in PRECISIONS:
            precision = word
        else:
            raise ValueError(f"{value!r}: formats are none, time, unix; precisions s, ms, us, ns")
    draft.set(absolute="" if form == "none" else f"{form}.{precision}")


def _style(draft: TraceDraft, value: str) -> None:
    if value not in STYLES:
        raise ValueError(f"{value!r} is not one of {', '.join(STYLES)}")
    draft.set(const_style=value)


def _strings_in_hex(draft: TraceDraft, value: str) -> None:
    if value not in HEX_STRINGS:
        raise ValueError(f"{value!r} is not one of {', '.join(filter(None, HEX_STRINGS))}")
    draft.set(hexadecimal=HEX_STRINGS[value])


def _overhead(draft: TraceDraft, value: str) -> None:
    match = re.fullmatch(r"(\d+)(s|ms|us|ns|)", value, re.ASCII)
    if match is None:
        raise ValueError(f"{value!r} is no time (a number and s, ms, us or ns)")
    draft.set(overhead=int(match[1]) * TIME_UNITS[match[2]])


def _path(draft: TraceDraft, value: str) -> None:
    draft.set(paths=(*draft.shown.paths, value))


def _detach_on(draft: TraceDraft, value: str) -> None:
    if value != "execve":
        raise ValueError(f"{value!r}: strace too can only detach on execve")
    draft.set(detach_on_exec=True)


def _variable(draft: TraceDraft, value: str) -> None:
    """strace's ``-E``: ``VAR=VALUE`` sets, ``VAR`` removes."""
    name, equals, text = value.encode("utf-8", "surrogateescape").partition(b"=")
    if not name:
        raise ValueError(f"{value!r} is not NAME=VALUE or NAME")
    if equals:
        draft.environment[name] = text
    else:
        draft.environment.pop(name, None)
        draft.unset.append(name)


def _user(draft: TraceDraft, value: str) -> None:
    draft.user = parse_user(value)


def _quiet(draft: TraceDraft, value: str) -> None:
    """Without a value run's option, too: nothing about calls that are not implemented."""
    draft.quiet = draft.quiet or not value
    draft.express(f"quiet={value or 'attach,personality'}")


def _stacks(draft: TraceDraft, value: str) -> None:
    if value not in ("", "symbol"):
        raise ValueError(f"{value!r} is not supported; frames are shown by symbol")
    draft.set(stacks=True)


STRACE_OPTIONS: Final[tuple[Option[TraceDraft], ...]] = (
    Option(("-f", "--follow-forks"), "", "follow the program's children", _sets(follow=True)),
    Option(
        ("-ff",), "", "the same; with -o FILE, one FILE.PID per task",
        _sets(follow=True, separate_files=True),
    ),
    Option(
        ("--output-separately",), "", "one FILE.PID per task", _sets(separate_files=True)
    ),
    Option(
        ("-o", "--output"), "FILE", "write there instead of stderr; '|COMMAND' is a pipe",
        lambda d, v: d.set(output=v),
    ),
    Option(("-A", "--output-append-mode"), "", "append to FILE", _sets(append=True)),
    Option(("-e",), "EXPR", "trace=..., signal=..., status=..., as in strace(1)", _expression),
    Option(("--trace",), "SET", "the same as -e trace=SET", _expresses("trace")),
    Option(("--signal", "--signals"), "SET", "-e signal=SET", _expresses("signal")),
    Option(("--status",), "SET", "-e status=SET", _expresses("status")),
    Option(("-P", "--trace-path"), "PATH", "only calls that name PATH or have it open", _path),
    Option(("--trace-fds", "--trace-fd"), "SET", "only calls on them", _expresses("trace-fds")),
    Option(
        ("-z", "--successful-only"), "", "only calls that succeed", _short_for("status=successful")
    ),
    Option(("-Z", "--failed-only"), "", "only calls that fail", _short_for("status=failed")),
    Option(("-b", "--detach-on"), "execve", "let a task go when it executes", _detach_on),
    Option(
        ("-s", "--string-limit"), "N", "how much of a string is shown (32)",
        lambda d, v: d.set(string_limit=parse_number(v)),
    ),
    Option(
        ("-a", "--columns"), "COLUMN", "where results stand (40)",
        lambda d, v: d.set(column=parse_number(v)),
    ),
    Option(("-v", "--no-abbrev"), "", "structures and environments whole",
           _short_for("abbrev=none")),
    Option(("--abbrev",), "SET", "-e abbrev=SET: calls with structures cut short",
           _expresses("abbrev")),
    Option(("--verbose",), "SET", "-e verbose=SET: calls whose structures are shown",
           _expresses("verbose")),
    Option(("--raw",), "SET", "-e raw=SET: calls whose arguments are numbers", _expresses("raw")),
    Option(("-x",), "", "strings that are no text in hexadecimal", _sets(hexadecimal=1)),
    Option(("-xx",), "", "every string in hexadecimal", _sets(hexadecimal=2)),
    Option(("--strings-in-hex",), "[=WHICH]", "all, non-ascii, non-ascii-chars", _strings_in_hex),
    Option(("-X", "--const-print-style"), "STYLE", "constants abbrev, raw or verbose", _style),
    Option(("-y",), "", "the path behind each descriptor", _short_for("decode-fds=path")),
    Option(("-yy",), "", "and devices and sockets in full", _short_for("decode-fds=all")),
    Option(("--decode-fds", "--decode-fd"), "[=SET]", "path, dev, socket, pidfd or all",
           lambda d, v: d.express(f"decode-fds={v or 'path'}")),
    Option(("-Y",), "", "the name behind each pid", _short_for("decode-pids=comm")),
    Option(("--decode-pids", "--decode-pid"), "SET", "comm, pidns", _expresses("decode-pids")),
    Option(("--always-show-pid",), "", "the pid before every line", _sets(always_pid=True)),
    Option(("-N", "--arg-names"), "", "the name of each argument", _sets(names=True)),
    Option(("-n", "--syscall-number"), "", "the number of each call", _sets(call_numbers=True)),
    Option(("-i", "--instruction-pointer"), "", "the program counter at each call",
           _sets(counters=True)),
    Option(("-k",), "", "the user's call stack after each call", _sets(stacks=True)),
    Option(("--stack-traces", "--stack-trace"), "[=symbol]", "the same", _stacks),
    Option(("--stack-trace-frame-limit",), "N", "at most so many frames (64)",
           lambda d, v: d.set(stack_depth=parse_number(v, 1))),
    Option(("-t",), "", "the time of day before each line", _sets(absolute="time.s")),
    Option(("-tt",), "", "with microseconds", _sets(absolute="time.us")),
    Option(("-ttt",), "", "in seconds since the epoch", _sets(absolute="unix.us")),
    Option(("--absolute-timestamps", "--timestamps"), "[=FORMAT,PRECISION]",
           "none, time, unix; s, ms, us, ns", _absolute),
    Option(("-r",), "", "the time since the line before", _sets(relative="us")),
    Option(("--relative-timestamps",), "[=PRECISION]", "the same: s, ms, us, ns", _relative),
    Option(("-T",), "", "the time spent in each call", _sets(durations="us")),
    Option(("--syscall-times",), "[=PRECISION]", "the same: s, ms, us, ns", _durations),
    Option(("-q",), "", "no line when a task is attached or let go",
           _short_for("quiet=attach,personality")),
    Option(("-qq",), "", "and none when it ends", _short_for("quiet=attach,personality,exit")),
    Option(("-qqq",), "", "no such line at all", _short_for("quiet=all")),
    Option(("--quiet", "--silent", "--silence"), "[=SET]",
           "attach, exit, thread-execve, all; no SET: -q", _quiet),
    Option(("-c", "--summary-only"), "", "only count: the table of strace -c",
           _sets(summary=True, summary_only=True)),
    Option(("-C", "--summary"), "", "count as well", _sets(summary=True)),
    Option(("-w", "--summary-wall-clock"), "", "-c and -C: time from entry to end, asleep or not",
           _sets(wall_clock=True)),
    Option(("-S", "--summary-sort-by"), "KEY", "-c and -C: the column to sort by (time)",
           lambda d, v: d.set(sort_by=sort_key(v))),
    Option(("-U", "--summary-columns"), "COLUMNS", "-c and -C: which columns",
           lambda d, v: d.set(columns=",".join(column_names(v)))),
    Option(("-O", "--summary-syscall-overhead"), "TIME", "-c and -C: taken off each call",
           _overhead),
    Option(("--inject",), "SET:HOW", "tamper: error= retval= syscall= signal= poke_enter= ...",
           _inject),
    Option(("--fault",), "SET[:HOW]", "the same as -e fault=", _fault),
    Option(("--read", "--reads"), "SET", "-e read=SET: bytes read there, in full",
           _expresses("read")),
    Option(("--write", "--writes"), "SET", "-e write=SET: bytes written there",
           _expresses("write")),
    Option(("-E",), "VAR[=VALUE]", "set a variable of PROGRAM's, or remove it", _variable),
    Option(("-u", "--user"), "USER[:GROUP]", "who starts the program (0:0)", _user),
)  # fmt: skip

_REFUSALS: Final[tuple[Option[TraceDraft], ...]] = tuple(
    Option(names, metavar, "", _refused(why)) for names, metavar, why in REFUSED_OPTIONS
)
_STRACE_NAMES: Final = frozenset(name for option in STRACE_OPTIONS for name in option.names)
_LONG_ONLY: Final = tuple(
    replace(option, names=long)
    for option in RUN_OPTIONS
    if option.names[-1] not in ("--interactive", "--tty", "--rm")
    and (long := tuple(n for n in option.names if n.startswith("--") and n not in _STRACE_NAMES))
)
TRACE_OPTIONS: Final[tuple[Option[TraceDraft], ...]] = (
    *STRACE_OPTIONS,
    *_LONG_ONLY,
)
PARSED_OPTIONS: Final[tuple[Option[TraceDraft], ...]] = (*TRACE_OPTIONS, *_REFUSALS)
"""Those of the help text, and those that are only refused."""
