"""docs/python.md is true: its examples are run, in order, on both CPUs, and print what it says."""

from __future__ import annotations

import contextlib
import doctest
import functools
import io
import re
from pathlib import Path

import pytest

import diorama
from tests.support.command import ROOT
from tests.support.pages import FLAGS
from userland.build import build_source

pytestmark = [pytest.mark.guest, pytest.mark.row("T1"), pytest.mark.row("T2")]
TEXT = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(
    r"^```python\n(.*?)^```\n(?:```text\n# prints\n(.*?)^```$)?", TEXT, re.MULTILINE | re.DOTALL
)
(GREET,) = re.findall(r"^```c\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_the_examples_print_what_the_page_says(
    arch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after another in one namespace, as a reader would type them."""
    greet = build_source("greet", arch, GREET, ("-std=c11", "-O1", "-g", "-static"))
    (tmp_path / "greet").write_bytes(greet.read_bytes())
    (tmp_path / "greet").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(diorama, "boot", functools.partial(diorama.boot, arch), raising=False)
    names: dict[str, object] = {}
    checker = doctest.OutputChecker()
    for number, (code, expected) in enumerate(EXAMPLES, 1):
        line = TEXT[: TEXT.index(code)].count("\n") + 1
        program = compile("\n" * (line - 1) + code, "docs/python.md", "exec")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(program, names)
        shown = printed.getvalue()
        assert checker.check_output(expected, shown, FLAGS), f"example {number}:\n{code}\n{shown}"


def test_every_example_that_prints_says_what() -> None:
    assert len(EXAMPLES) >= 20
    for code, expected in EXAMPLES:
        assert bool(expected) == ("print" in code), code


def test_the_lists_of_names_are_complete() -> None:
    """Everything public of a machine, a process and a call is named on the page, and exists."""
    tables = TEXT[TEXT.index("## Everything there is") :]
    for kind, word in ((diorama.Machine, "machine"), (diorama.Process, "process"),
                       (diorama.Call, "call")):  # fmt: skip
        table = tables[tables.index(f"| of a {word}") :].split("\n\n")[0]
        named = {name.split("(")[0].split(".")[0].split("[")[0]
                 for name in re.findall(r"`([a-z_]+[^`]*)`", table)}  # fmt: skip
        public = {name for name in dir(kind) if not name.startswith("_")}
        public |= {"memo", "phase", "process"} if kind is diorama.Call else set()
        assert named - public <= {"pid", "stdin", "remove", "symbols"}, word
        inner = "failed guarded process_of ended left decoded assign machine path data names"
        assert public - named <= {*inner.split(), "memory", "thread"}, word


def test_the_links_lead_somewhere() -> None:
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
               for heading in re.findall(r"^## (.*)$", TEXT, re.MULTILINE)}  # fmt: skip
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= anchors
    for file in re.findall(r"\]\(([a-z]+\.md)", TEXT):
        assert (ROOT / "docs" / file).exists()
