"""The benchmark of tracing: what it writes, and that the page has it.  No figure fails a test."""

from __future__ import annotations

import re

from benchmarks import tracing
from benchmarks.yardstick import REPORT

ROW = {"host": 0.1, "strace": 40.0, "diorama": 0.7, "text": 8.0, "json": 18.0}


def test_a_row_says_whether_the_goals_are_met() -> None:
    text = tracing.section({"x86_64 getpid": ROW, "aarch64 getpid": {**ROW, "strace": None}})
    assert text.startswith(tracing.HEADING)
    assert (
        "| x86_64 getpid | 0.1 | 40 | 0.7 | 8 | 18 | 0.20 (goal 1): met | "
        "2.25 (goal 2): **missed** |\n"
    ) in text
    assert "| aarch64 getpid | 0.1 | – | 0.7 | 8 | 18 | – | 2.25 (goal 2): **missed** |\n" in text


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
