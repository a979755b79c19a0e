"""docs/tracing.md is true: its commands are run, one after another, and print what it says."""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import ROOT, shell

pytestmark = pytest.mark.row("T4")
TEXT = (ROOT / "docs" / "tracing.md").read_text(encoding="utf-8")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def commands(block: str) -> Iterator[tuple[str, str]]:
    """(command, what it prints) of a console block; `> ` goes on with a command."""
    for part in re.split(r"(?m)^\$ ", block)[1:]:
        lines = part.splitlines()
        end = 1
        while end < len(lines) and lines[end].startswith("> "):
            end += 1
        command = "\n".join([lines[0], *(line[2:] for line in lines[1:end])])
        yield command, "\n".join(lines[end:])


BLOCKS = re.findall(r"^```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.guest
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0][2:50])
def test_the_commands_print_what_the_page_says(block: str, tmp_path: Path) -> None:
    checker = doctest.OutputChecker()
    for command, expected in commands(block):
        if "/bin/busybox" in command and not Path("/bin/busybox").exists():
            continue
        done = shell(f'exec 2>&1\npython() {{ "$PYTHON" "$@"; }}\n{command}', cwd=tmp_path)
        printed = done.stdout.decode()
        assert checker.check_output(expected + "\n", printed, FLAGS), f"$ {command}\n{printed}"
        assert "internal error" not in printed


def test_every_option_of_trace_is_mentioned() -> None:
    from tools.cli.trace_options import STRACE_OPTIONS

    words = set(re.findall(r"(?<![\w-])--?[a-zA-Z]+(?:-[a-zA-Z]+)*", TEXT))
    names = {name for option in STRACE_OPTIONS for name in option.names}
    assert names - words == set()


def test_the_page_has_commands() -> None:
    assert len(BLOCKS) >= 8
