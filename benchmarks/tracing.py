"""What looking costs: a call traced here, beside the same call under strace on this host.

    python -m benchmarks tracing

Every figure is CPU time of the whole command (strace's own included) for one more call.  The
columns take turns in one run, so that what else the machine does falls on all alike.  The figures
are written into docs/PERFORMANCE.md, in a section of their own that other runs leave as it is.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from benchmarks.machine import cpu_seconds
from userland.build import C_FLAGS, HERE, compile_program

TURNS: Final = 5
OPERATIONS: Final = {
    "getpid": (20_000, 1),
    "mask": (20_000, 1),
    "clock_call": (20_000, 1),
    "futex_wake": (20_000, 1),
    "stat": (10_000, 1),
    "one_page": (5_000, 2),
    "pipe_byte": (5_000, 2),
    "small_file": (3_000, 4),
    "transfer": (3_000, 2),
    "fork": (300, 10),
}
"""Operations of userland/bench/calls.c: how often, and how many calls each is."""
ARCHES: Final = ("x86_64", "aarch64")
HEADING: Final = "## Tracing"
INTRODUCTION: Final = """\
## Tracing

Written by `python -m benchmarks tracing`; do not edit.  Microseconds of CPU time for one system
call more, in one run: the host alone, the host under `strace -f -o FILE`, Diorama with nobody
looking, and Diorama with the trace as text and as JSON in a file.  Goals: text costs less than
strace does; JSON at most twice the text.  The last two columns take away what the call costs where
nobody looks, on the host (strace - host) and here (text - diorama): they are what the tracing alone
adds.

The calls: getpid; rt_sigprocmask; a clock_gettime that is a call; a futex wake that finds nobody;
stat of a path; mmap and munmap of a page; a byte into a pipe and out of it; open, fstat, read and
close of a small file; read and write of 64 KiB; fork and wait, ten calls with the child's.

| call | host | strace | diorama | text | JSON | text/strace | JSON/text | strace adds | text adds |
|---|---:|---:|---:|---:|---:|---|---|---:|---|
"""
REASONS: Final = {
    "futex_wake": "an object has six arguments where the line shows three",
    "transfer": "64 KiB are copied faster by the host than by a kernel in Python; what tracing adds"
    " is less than what strace adds",
}
"""Why a goal is missed, by operation, where it may be."""
Figures = Mapping[str, "float | None"]
COLUMNS: Final = ("host", "strace", "diorama", "text", "json")


def measure(report: Callable[[str], None] = print) -> dict[str, Figures]:
    """{row: {column: µs}}; None where something cannot run here."""
    found: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory(prefix="diorama-bench-") as scratch:
        for arch in ARCHES:
            program = operations_program(arch)
            for name, (times, calls) in OPERATIONS.items():
                prefixes = _prefixes(arch, Path(scratch))
                row = _row(prefixes, [program, name], times, calls)
                found[f"{arch} {name}"] = row
                report(_line(f"{arch} {name}", row))
    return found


def operations_program(arch: str) -> str:
    """userland/bench/calls.c, compiled."""
    source = HERE / "bench" / "calls.c"
    return str(compile_program("bench-calls", arch, [source], C_FLAGS))


def _prefixes(arch: str, scratch: Path) -> dict[str, list[str] | None]:
    """The command before the program, by column."""
    us = [sys.executable, "-m", "diorama"]
    strace = shutil.which("strace")
    native = arch == "x86_64" and sys.platform == "linux"
    output = str(scratch / "trace")
    return {
        "host": [] if native else None,
        "strace": [strace, "-f", "-o", output] if native and strace else None,
        "diorama": [*us, "run"],
        "text": [*us, "trace", "-f", "-o", output],
        "json": [*us, "trace", "-f", "--json", output],
    }


def _row(
    prefixes: Mapping[str, list[str] | None], program: list[str], times: int, calls: int
) -> Figures:
    """The cost of a call in each column; the columns take turns."""
    costs: dict[str, list[float]] = {name: [] for name in COLUMNS}
    for _ in range(TURNS):
        for name in COLUMNS:
            prefix = prefixes[name]
            if prefix is not None:
                empty = cpu_seconds([*prefix, *program, "0"])
                full = cpu_seconds([*prefix, *program, str(times)])
                costs[name].append((full - empty) / times / calls * 1e6)
    return {name: statistics.median(c) if c else None for name, c in costs.items()}


def _line(name: str, row: Figures) -> str:
    """A line of the table, with what the goals say."""
    cells = [_microseconds(row[column]) for column in COLUMNS]
    text, strace, json = row["text"], row["strace"], row["json"]
    verdicts = [
        f"{text / strace:.2f} (goal 1): {_met(text < strace)}" if text and strace else "–",
        f"{json / text:.2f} (goal 2): {_met(json <= 2 * text)}" if text and json else "–",
    ]
    theirs, ours = _added(row, "strace", "host"), _added(row, "text", "diorama")
    share = f" ({ours / theirs:.2f})" if ours is not None and theirs else ""
    added = [_microseconds(theirs), _microseconds(ours) + share]
    return f"| {' | '.join([name, *cells, *verdicts, *added])} |"


def _microseconds(us: float | None) -> str:
    return "–" if us is None else f"{us:.3g}"


def _added(row: Figures, seen: str, unseen: str) -> float | None:
    """What looking adds to a call."""
    more, less = row[seen], row[unseen]
    return None if more is None or less is None else more - less


def _met(yes: bool) -> str:
    return "met" if yes else "**missed**"


def section(measured: Mapping[str, Figures]) -> str:
    """The text of the section: the table, and a sentence for each row that misses a goal."""
    lines = {name: _line(name, row) for name, row in measured.items()}
    text = INTRODUCTION + "".join(f"{line}\n" for line in lines.values())
    for name, line in lines.items():
        if _met(False) in line:
            text += f"\n{name}: {REASONS.get(name.split()[-1], 'why is not known')}.\n"
    return text


def section_of(page: str) -> str:
    """The section as a page has it; '' if it has none."""
    _, heading, rest = page.partition(HEADING)
    return heading + rest


def with_section(page: str, text: str) -> str:
    """The page with this section at its end, in place of the one it had."""
    before, _, _ = page.partition(HEADING)
    return before.rstrip("\n") + "\n\n" + text if text else page


def main(page: Path) -> int:
    """Measure and write."""
    text = section(measure())
    page.write_text(with_section(page.read_text(encoding="utf-8"), text), encoding="utf-8")
    print(f"wrote {page.name}")
    return 0
