"""The table of ``diorama stats`` for people: calls, errors, time, name; with details, all of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from tools.stats.values import NS_PER_SECOND, ProcessRows, Stats, StatsRow, added

if TYPE_CHECKING:
    from rich.text import Text

HEAD: Final = f"{'calls':>9} {'errors':>9} {'seconds':>11}  syscall"
RULE: Final = f"{'-' * 9} {'-' * 9} {'-' * 11}  {'-' * 16}"
WIDE_HEAD: Final = (
    f"{'calls':>9} {'errors':>9} {'seconds':>11} {'asleep':>11} {'bytes':>11}  syscall"
)
WIDE_RULE: Final = f"{'-' * 9} {'-' * 9} {'-' * 11} {'-' * 11} {'-' * 11}  {'-' * 16}"

NUMBERS: Final = re.compile(r"[ \d]{8}\d ([ \d]{9}) [ .\d]{11}(?: [ .\d]{11} [ \d]{11})?  (?=\S)")


def as_table(stats: Stats, *, by_process: bool = False, details: bool = False) -> str:
    """The whole, its last lines ``total`` and ``unknown``.

    ``by_process``: a part for each process before it.  ``details``: sleep, bytes and errors by name
    as well, and what happened beside the calls.
    """
    lines: list[str] = []
    line = _wide if details else _narrow
    if by_process:
        for process in stats.processes:
            lines += [*_process(process, details=details), ""]
    if details:
        lines += [*_beside(stats), ""]
    lines += [WIDE_HEAD, WIDE_RULE] if details else [HEAD, RULE]
    lines += map(line, stats.rows)
    lines += [WIDE_RULE if details else RULE, line(stats.total), line(stats.unknown)]
    return "\n".join(lines) + "\n"


def _process(process: ProcessRows, *, details: bool) -> Iterator[str]:
    """The calls of one process."""
    yield f"pid {process.pid} {process.command}"
    line = _wide if details else _narrow
    yield from map(line, process.rows)
    yield line(added("total", process.rows))
    if details:
        yield from _used(process)


def _narrow(row: StatsRow) -> str:
    seconds = row.nanoseconds / NS_PER_SECOND
    return f"{row.calls:>9} {row.errors or '':>9} {seconds:>11.6f}  {row.name}"


def _wide(row: StatsRow) -> str:
    busy, asleep = row.nanoseconds / NS_PER_SECOND, row.asleep / NS_PER_SECOND
    start = f"{row.calls:>9} {row.errors or '':>9} {busy:>11.6f} {asleep:>11.6f}"
    return f"{start} {row.bytes or '':>11}  {row.name:<16} {_pairs(row.errnos)}".rstrip()


def _pairs(counts: Mapping[str, int]) -> str:
    return " ".join(f"{name}={count}" for name, count in counts.items())


def _used(process: ProcessRows) -> Iterator[str]:
    yield f"  faults    minor={process.minor} major={process.major}; {_pairs(process.faults)}"
    yield f"  switches  voluntary={process.voluntary} involuntary={process.involuntary}"
    user, system = process.user / NS_PER_SECOND, process.system / NS_PER_SECOND
    yield f"  time      user={user:.6f} system={system:.6f} seconds"
    yield f"  memory    {process.max_rss} KiB resident at most"


def _beside(stats: Stats) -> Iterator[str]:
    frames = stats.frames
    yield f"faults    minor={stats.minor} major={stats.major}; {_pairs(stats.faults)}"
    counts = f"voluntary={stats.voluntary} involuntary={stats.involuntary}"
    yield f"switches  {stats.switches} of the processor; {counts}"
    yield (
        f"frames    peak={frames.peak} used={frames.used} page_cache={frames.page_cache} "
        f"of {frames.total} (4 KiB each)"
    )


# -- colours -------------------------------------------------------------------------------------


def coloured(table: str) -> Text:
    """The same characters with colours, for a terminal."""
    from rich.text import Text  # only a terminal needs it

    text = Text(no_wrap=True, overflow="ignore", end="")
    text.append_text(Text("\n").join(_styled(table.splitlines())))
    text.append("\n")
    return text


def _styled(lines: Iterable[str]) -> Iterator[Text]:
    from rich.text import Text

    for line in lines:
        styled = Text(line)
        if line.startswith("---") or line.split()[:1] == ["calls"]:
            styled.stylize("dim")
        elif numbers := NUMBERS.match(line):
            if numbers[1].strip():
                styled.stylize("red", *numbers.span(1))
            name, _, errors = line[numbers.end() :].partition(" ")
            styled.stylize(
                "bold" if name in ("total", "unknown") else "cyan",
                numbers.end(),
                numbers.end() + len(name),
            )
            if errors:
                styled.stylize("red", len(line) - len(errors))
        elif line.startswith("pid "):
            styled.stylize("bold magenta")
        yield styled
