"""Forty programs under the real ``strace -f`` and under ``diorama trace -f``, line by line.

Both see the same files, arguments and pids.  What differs by nature (addresses, times, numbers of
inodes) is replaced; when a task runs beside another, the order in which the kernel serves them is
nobody's promise, so lines are compared task by task, without the lines that only tell of that
order.  What is left is in one table, with reasons.
"""

from __future__ import annotations

import re
from difflib import unified_diff
from typing import Final

import pytest

from tests.support.command import ROOT
from tests.support.native_strace import diorama_trace, strace_trace
from tests.support.trace_lines import by_process, without
from tests.tools.tracer.differences import DIFFERENCES
from tests.tools.tracer.forty import PROGRAMS

pytestmark = [pytest.mark.guest, pytest.mark.native, pytest.mark.row("K10", "T1", "T4")]

ATTEMPTS: Final = 3
"""Two runs of strace differ now and then (who comes first); what differs always is a difference."""
KILLED: Final = "+++ killed by SIGKILL +++"
ORDER: Final = re.compile(r"^--- SIGCHLD |^rt_sigreturn\(|ERESTART|^sched_yield\(")
"""Whether something ends before or after somebody waits for it."""


def differences(theirs: str, ours: str) -> list[str]:
    """The lines that only one of the traces has, with ``-`` (strace) or ``+`` before them."""
    outside, inside = by_process(theirs), by_process(ours)
    found = []
    for pid in sorted({*outside, *inside}):
        first, second = (without(side.get(pid, []), ORDER) for side in (outside, inside))
        if KILLED in first and KILLED in second:  # how far it came before is chance
            length = min(len(first), len(second)) - 2
            first, second = first[:length], second[:length]
        found += list(unified_diff(first, second, n=0, lineterm=""))[2:]
    return [line for line in found if not line.startswith("@@")]


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_traces_are_equal(name: str) -> None:
    command = PROGRAMS[name]("x86_64")
    listed = [entry for entry in DIFFERENCES if entry.concerns(name)]
    for _ in range(ATTEMPTS):
        theirs = strace_trace(command, ())
        found = differences(theirs, diorama_trace(command, "x86_64", ()))
        unexplained = [line for line in found if not any(entry.covers(line) for entry in listed)]
        if not unexplained:
            break
    assert not unexplained, "\n".join(unexplained)
    for entry in listed:
        assert entry.timing or any(entry.covers(line) for line in found), f"gone: {entry.reason}"
    assert theirs.count("\n") > 2


def test_each_difference_is_about_one_of_them_and_there_are_forty() -> None:
    assert len(PROGRAMS) >= 40
    assert all(any(entry.concerns(name) for name in PROGRAMS) for entry in DIFFERENCES)


def test_the_page_has_the_list() -> None:
    page = (ROOT / "docs" / "tracing.md").read_text(encoding="utf-8")
    _, _, section = page.partition("## What differs from strace")
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    listed = [row for row in rows if not row.startswith(("| program |", "| ---"))]
    assert listed == [
        f"| {', '.join(entry.programs.split())} | {entry.reason} |"
        for entry in sorted(DIFFERENCES, key=lambda entry: entry.timing)
    ]
