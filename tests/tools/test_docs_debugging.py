"""docs/debugging.md is true: its commands are run, one after another, and print what it says."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from tests.support.command import ROOT, shell
from tests.tools.test_docs_tracing import FLAGS, commands
from tools.console.start import FAMILIES

pytestmark = pytest.mark.row("T2")
TEXT = (ROOT / "docs" / "debugging.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.guest
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0][2:60])
def test_the_commands_print_what_the_page_says(block: str, tmp_path: Path) -> None:
    checker = doctest.OutputChecker()
    for command, expected in commands(block):
        done = shell(f"exec 2>&1\n{command}", cwd=tmp_path)
        printed = done.stdout.decode()
        assert checker.check_output(expected + "\n", printed, FLAGS), f"$ {command}\n{printed}"
        assert "internal error" not in printed


def test_the_table_of_commands_is_the_declarations() -> None:
    """To make it again: tools.console.command.documentation()."""
    from tools.console.command import documentation

    assert FAMILIES
    assert documentation() in TEXT


def test_the_page_has_commands() -> None:
    assert len(BLOCKS) >= 6
