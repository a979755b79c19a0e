"""docs/debugging.md is true: its commands are run, one after another, and print what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pages import check_block, console_blocks, page
from tools.console.start import FAMILIES

pytestmark = pytest.mark.row("T2")
TEXT = page("debugging.md")
BLOCKS = console_blocks(TEXT)


@pytest.mark.guest
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0][2:60])
def test_the_commands_print_what_the_page_says(block: str, tmp_path: Path) -> None:
    check_block(block, tmp_path)


def test_the_table_of_commands_is_the_declarations() -> None:
    """To make it again: tools.console.command.documentation()."""
    from tools.console.command import documentation

    assert FAMILIES
    assert documentation() in TEXT


def test_the_page_has_commands() -> None:
    assert len(BLOCKS) >= 6
