"""docs/inspector.md is true: its commands are run, on a terminal where they need one."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.support.pages import check_block, console_blocks, page
from tests.support.ptys import person
from tools.inspector.bindings import BINDINGS, PANES
from tools.inspector.requests import SHOWS
from tools.inspector.stream import KINDS

TEXT = page("inspector.md")
CONSOLES = console_blocks(TEXT)
SCREENS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if "--web" not in line  # tests/tools/inspector/test_web.py
]


@pytest.mark.guest
@pytest.mark.parametrize(
    "block", console_blocks(TEXT), ids=lambda block: block.splitlines()[0][2:40]
)
def test_the_commands_print_what_the_page_says(block: str, work: Path) -> None:
    check_block(block, work)


@pytest.mark.guest
@pytest.mark.parametrize("line", SCREENS)
def test_the_screens_come_up(line: str) -> None:
    command, *words = shlex.split(line)
    assert command == "diorama"
    with person(*words) as user:
        user.see(b"running" if "--pause" not in line else b"waiting")
        user.see(b"tasks")
        user.process.terminate()
        user.see(b"\x1b[?1049l")
        user.wait()


def test_every_key_pane_event_and_description_is_on_the_page() -> None:
    words = set(re.findall(r"[\w-]+|[/?]", TEXT))
    shown = {binding.key_display or binding.key for binding in BINDINGS} - {"^]"}
    shown -= {str(n) for n in range(2, 6)}  # 1 to 6
    for name in (*shown, *PANES, *SHOWS, *KINDS):
        assert name in words, name
