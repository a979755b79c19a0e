"""The benchmark of tracing: what it writes, and that the page has it.  No figure fails a test."""

from __future__ import annotations

import re

import pytest

from benchmarks import tracing
from benchmarks.yardstick import REPORT
from tests.support.guest import run_guest

ROW = {"host": 0.1, "strace": 40.0, "diorama": 0.7, "text": 8.0, "json": 18.0}


def test_a_row_says_whether_the_goals_are_met() -> None:
    text = tracing.section({"x86_64 getpid": ROW, "aarch64 getpid": {**ROW, "strace": None}})
    assert text.startswith(tracing.HEADING)
    assert (
        "| x86_64 getpid | 0.1 | 40 | 0.7 | 8 | 18 | 0.20 (goal 1): met | "
        "2.25 (goal 2): **missed** | 39.9 | 7.3 (0.18) |\n"
    ) in text
    assert (
        "| aarch64 getpid | 0.1 | – | 0.7 | 8 | 18 | – | 2.25 (goal 2): **missed** | – | 7.3 |\n"
    ) in text


def test_a_row_that_misses_a_goal_says_why() -> None:
    met = {**ROW, "json": 9.0}
    text = tracing.section({"x86_64 getpid": met, "x86_64 transfer": {**met, "strace": 7.0}})
    assert text.endswith(f"|\n\nx86_64 transfer: {tracing.REASONS['transfer']}.\n")
    assert tracing.section({"x86_64 getpid": met}).endswith("|\n")


@pytest.mark.parametrize("arch", tracing.ARCHES)
@pytest.mark.parametrize("name", tracing.OPERATIONS)
def test_an_operation_is_as_many_calls_as_the_table_divides_by(arch: str, name: str) -> None:
    program = tracing.operations_program(arch)
    counts = [sum(run_guest(program, name, times).calls.values()) for times in ("1", "3")]
    assert counts[1] - counts[0] == 2 * tracing.OPERATIONS[name][1]


def test_the_section_is_replaced_and_survives_the_rest() -> None:
    page = tracing.with_section("# Performance\n\ntext\n", "## Tracing\n\nfirst\n")
    assert page == "# Performance\n\ntext\n\n## Tracing\n\nfirst\n"
    again = tracing.with_section(page, "## Tracing\n\nsecond\n")
    assert again == "# Performance\n\ntext\n\n## Tracing\n\nsecond\n"
    assert tracing.section_of(again) == "## Tracing\n\nsecond\n"
    assert tracing.with_section("# New\n", tracing.section_of(again)).endswith("second\n")
    assert tracing.with_section("# New\n", "") == "# New\n"


def test_the_page_has_every_row() -> None:
    text = tracing.section_of(REPORT.read_text(encoding="utf-8"))
    for arch in tracing.ARCHES:
        for name in tracing.OPERATIONS:
            assert re.search(rf"^\| {arch} {name} \|.*\|$", text, re.MULTILINE)
