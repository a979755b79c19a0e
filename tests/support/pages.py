"""The console blocks of docs/*.md: commands of the host's shell, and what they print."""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.command import ROOT, shell

FLAGS: Final = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def page(name: str) -> str:
    """The text of docs/NAME."""
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def console_blocks(text: str) -> list[str]:
    """The blocks that show a console."""
    return re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(block: str) -> Iterator[tuple[str, str]]:
    """(command, what it prints) of a console block; `> ` goes on with a command."""
    for part in re.split(r"(?m)^\$ ", block)[1:]:
        lines = part.splitlines()
        end = 1
        while end < len(lines) and lines[end].startswith("> "):
            end += 1
        command = "\n".join([lines[0], *(line[2:] for line in lines[1:end])])
        yield command, "\n".join(lines[end:])


def check_block(block: str, work: Path) -> None:
    """Run its commands one after another in ``work``; each prints what the page says."""
    checker = doctest.OutputChecker()
    for command, expected in commands(block):
        done = shell(f'exec 2>&1\npython() {{ "$PYTHON" "$@"; }}\n{command}', cwd=work)
        printed = done.stdout.decode()
        wanted = f"{expected}\n" if expected else ""
        assert checker.check_output(wanted, printed, FLAGS), f"$ {command}\n{printed}"
        assert "internal error" not in printed
