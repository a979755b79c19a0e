"""The options of ``trace``: strace's letters, and run's options in their long form."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from tools.cli.options import Option
from tools.cli.run_options import RUN_OPTIONS, RunDraft
from tools.cli.values import parse_number
from tools.config import TimeStamp, TraceOptions
from tools.tracer.columns import column_names, sort_key

# strace(1), OPTIONS, -e: what may stand before the `=`.  Anything else before one is taken for a
# variable by mistake, as in docker's -e.
QUALIFIERS: Final = frozenset(
    "trace t signal signals s status abbrev a verbose v raw x read reads r write writes w fault "
    "inject kvm quiet silent silence q decode-fds decode-fd decode-pids decode-pid trace-fds "
    "trace-fd secontext".split()
)
# What our tracer can do of them.
SUPPORTED_QUALIFIERS: Final = frozenset(
    "trace t signal signals s status read reads r write writes w".split()
)
INJECTIONS: Final = frozenset(["inject", "fault"])


@dataclass(slots=True)
class TraceDraft(RunDraft):
    """A run whose calls are shown.  Without ``-f`` only PROGRAM's own task is."""

    trace: TraceOptions | None = field(default_factory=lambda: TraceOptions(follow=False))

    @property
    def shown(self) -> TraceOptions:
        """The tracer's part, which is always there."""
        return self.trace or TraceOptions(follow=False)


def _follow(draft: TraceDraft, _: str) -> None:
    draft.trace = replace(draft.shown, follow=True)


def _separate(draft: TraceDraft, _: str) -> None:
    draft.trace = replace(draft.shown, follow=True, separate_files=True)


def _output(draft: TraceDraft, value: str) -> None:
    draft.trace = replace(draft.shown, output=value)


def _strings(draft: TraceDraft, value: str) -> None:
    draft.trace = replace(draft.shown, string_limit=parse_number(value))


def _expression(draft: TraceDraft, value: str) -> None:
    qualifier, equals, _ = value.partition("=")
    if equals and qualifier not in QUALIFIERS:
        raise ValueError(f"{qualifier!r} is no qualifier of strace's; use --env {value}")
    if qualifier in INJECTIONS and equals:
        _inject(draft, value if qualifier == "fault" else value.partition("=")[2])
        return
    if equals and qualifier not in SUPPORTED_QUALIFIERS:
        raise ValueError(f"the qualifier {qualifier!r} is not supported")
    draft.trace = replace(draft.shown, expressions=(*draft.shown.expressions, value))


def _count(draft: TraceDraft, _: str) -> None:
    draft.trace = replace(draft.shown, summary=True, summary_only=True)


def _count_too(draft: TraceDraft, _: str) -> None:
    draft.trace = replace(draft.shown, summary=True)


def _durations(draft: TraceDraft, _: str) -> None:
    draft.trace = replace(draft.shown, durations=True)


def _stamp(draft: TraceDraft, stamp: TimeStamp) -> None:
    draft.trace = replace(draft.shown, timestamp=stamp)


def _paths(draft: TraceDraft, level: int) -> None:
    draft.trace = replace(draft.shown, descriptors=level)


def _verbose(draft: TraceDraft, _: str) -> None:
    draft.trace = replace(draft.shown, verbose=True)


def _hexadecimal(draft: TraceDraft, level: int) -> None:
    draft.trace = replace(draft.shown, hexadecimal=level)


def _numbers(draft: TraceDraft, _: str) -> None:
    draft.trace = replace(draft.shown, call_numbers=True)


def _counters(draft: TraceDraft, _: str) -> None:
    draft.trace = replace(draft.shown, counters=True)


def _names(draft: TraceDraft, _: str) -> None:
    draft.trace = replace(draft.shown, names=True)


def _path(draft: TraceDraft, value: str) -> None:
    draft.trace = replace(draft.shown, paths=(*draft.shown.paths, value))


def _status(draft: TraceDraft, status: str) -> None:
    _expression(draft, f"status={status}")


def _wall_clock(draft: TraceDraft, _: str) -> None:
    draft.trace = replace(draft.shown, wall_clock=True)


def _sort_by(draft: TraceDraft, value: str) -> None:
    draft.trace = replace(draft.shown, sort_by=sort_key(value))


def _columns(draft: TraceDraft, value: str) -> None:
    draft.trace = replace(draft.shown, columns=",".join(column_names(value)))


def _user_stacks(draft: TraceDraft, _: str) -> None:
    draft.trace = replace(draft.shown, stacks=True)


def _inject(draft: TraceDraft, value: str) -> None:
    draft.trace = replace(draft.shown, injections=(*draft.shown.injections, value))


STRACE_OPTIONS: Final[tuple[Option[TraceDraft], ...]] = (
    Option(("-f",), "", "follow the program's children", _follow),
    Option(("-ff",), "", "the same; with -o FILE, one FILE.PID per task", _separate),
    Option(("-o",), "FILE", "write there instead of stderr", _output),
    Option(("-e",), "EXPR", "trace=..., signal=..., status=..., as in strace(1)", _expression),
    Option(("-s",), "N", "how much of a string is shown (32)", _strings),
    Option(("-c",), "", "only count: the table of strace -c", _count),
    Option(("-C",), "", "count as well", _count_too),
    Option(("-T",), "", "the time spent in each call", _durations),
    Option(("-t",), "", "the time of day before each line", lambda d, _: _stamp(d, "t")),
    Option(("-tt",), "", "with microseconds", lambda d, _: _stamp(d, "tt")),
    Option(("-ttt",), "", "in seconds since the epoch", lambda d, _: _stamp(d, "ttt")),
    Option(("-r",), "", "the time since the line before", lambda d, _: _stamp(d, "r")),
    Option(("-y",), "", "the path behind each descriptor", lambda d, _: _paths(d, 1)),
    Option(("-yy",), "", "and devices and sockets in full", lambda d, _: _paths(d, 2)),
    Option(("-v",), "", "structures and environments whole", _verbose),
    Option(("-x",), "", "strings that are no text in hexadecimal", lambda d, _: _hexadecimal(d, 1)),
    Option(("-xx",), "", "every string in hexadecimal", lambda d, _: _hexadecimal(d, 2)),
    Option(("-n",), "", "the number of each call", _numbers),
    Option(("-i",), "", "the program counter at each call", _counters),
    Option(("-N",), "", "the name of each argument", _names),
    Option(("-P",), "PATH", "only calls that name PATH or have it open", _path),
    Option(("-z",), "", "only calls that succeed", lambda d, _: _status(d, "successful")),
    Option(("-Z",), "", "only calls that fail", lambda d, _: _status(d, "failed")),
    Option(("-w",), "", "-c and -C: time from entry to end, asleep or not", _wall_clock),
    Option(("-S",), "KEY", "-c and -C: the column to sort by (time)", _sort_by),
    Option(("-U",), "COLUMNS", "-c and -C: which columns", _columns),
    Option(("--inject",), "SET:HOW", "tamper: error= retval= signal= delay_enter= when=", _inject),
    Option(("-k",), "", "the user's call stack after each call", _user_stacks),
)

_LONG_ONLY: Final = tuple(
    replace(option, names=tuple(name for name in option.names if name.startswith("--")))
    for option in RUN_OPTIONS
    if option.names[-1] not in ("--trace", "--interactive", "--tty", "--rm")
)
TRACE_OPTIONS: Final[tuple[Option[TraceDraft], ...]] = (
    *STRACE_OPTIONS,
    *_LONG_ONLY,
)
