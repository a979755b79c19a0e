"""docs/inspector.md is true: its commands are run, on a terminal where they need one."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest

from tests.support.command import ROOT, shell
from tests.support.ptys import person
from tests.tools.test_docs_tracing import FLAGS, commands
from tools.inspector.bindings import BINDINGS, PANES
from tools.inspector.requests import SHOWS
from tools.inspector.stream import KINDS

TEXT = (ROOT / "docs" / "inspector.md").read_text(encoding="utf-8")
CONSOLES = re.findall(r"^```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SCREENS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if "--web" not in line  # tests/tools/inspector/test_web.py
]


@pytest.mark.guest
@pytest.mark.parametrize("block", CONSOLES, ids=lambda block: block.splitlines()[0][2:40])
def test_the_commands_print_what_the_page_says(block: str, work: Path) -> None:
    checker = doctest.OutputChecker()
    for command, expected in commands(block):
        done = shell(f'exec 2>&1\npython() {{ "$PYTHON" "$@"; }}\n{command}', cwd=work)
        printed = done.stdout.decode()
        assert checker.check_output(expected + "\n" if expected else "", printed, FLAGS), printed


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
