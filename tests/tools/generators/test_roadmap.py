"""docs/ROADMAP.md says what the tests say."""

from __future__ import annotations

import subprocess
import sys

from tools.generators.roadmap import ROADMAP, ROOT, known_rows, render

COLLECT = """
import sys
from tools.generators.roadmap import collect, render
proofs = collect()
sys.stdout.write(render(proofs))
print("\\nROWS", *sorted(proofs))
"""


def test_the_roadmap_is_fresh() -> None:
    """In a process of its own: collecting inside a running session would collect its plugins."""
    done = subprocess.run(
        [sys.executable, "-c", COLLECT], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    document, _, rows = done.stdout.rpartition("\nROWS")
    assert set(rows.split()) <= known_rows(), "a test is marked with a row that does not exist"
    committed = ROADMAP.read_text(encoding="utf-8")
    assert document == committed, "run: python -m tools.generators.roadmap"


def test_a_row_is_closed_by_tests_on_both_cpus() -> None:
    both = {"x86_64": {"t::a"}, "aarch64": {"t::a", "t::b"}}
    document = render({"K1": both, "K2": {"x86_64": {"t::c"}}})
    lines = {line.split(" | ")[0]: line.split(" | ") for line in document.splitlines()}
    assert lines["| K1"][2:5] == ["closed", "tested", "tested"]
    assert lines["| K2"][2:5] == ["begun", "tested", ""]
    assert lines["| K3"][2:5] == ["open", "", ""]


def test_what_is_missing_keeps_a_row_open() -> None:
    document = render({"T3": {"x86_64": {"t::a"}, "aarch64": {"t::a"}}})
    (line,) = (line for line in document.splitlines() if line.startswith("| T3 "))
    assert "| begun |" in line
    assert "replay" in line
