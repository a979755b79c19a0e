"""docs/tracing.md is true: its commands are run, one after another, and print what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.pages import check_block, console_blocks, page

pytestmark = pytest.mark.row("T4")
TEXT = page("tracing.md")


BLOCKS = console_blocks(TEXT)


@pytest.mark.guest
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0][2:50])
def test_the_commands_print_what_the_page_says(block: str, tmp_path: Path) -> None:
    check_block(block, tmp_path)


def test_every_option_of_trace_is_mentioned() -> None:
    from tools.cli.trace_options import STRACE_OPTIONS

    words = set(re.findall(r"(?<![\w-])--?[a-zA-Z]+(?:-[a-zA-Z]+)*", TEXT))
    names = {name for option in STRACE_OPTIONS for name in option.names}
    assert names - words == set()


def test_the_page_has_commands() -> None:
    assert len(BLOCKS) >= 8
