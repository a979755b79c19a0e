"""The README is true: its library example runs, its commands exist."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import shell
from tools.busybox import find_busybox
from tools.cli import main
from tools.cli.commands import COMMANDS as OUR_COMMANDS
from tools.config import RunConfig

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Fenced blocks of that language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


@pytest.mark.guest
def test_the_library_example_runs() -> None:
    (example,) = blocks("python")
    assert len([line for line in example.splitlines() if line.strip()]) <= 12
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    entries = len([name for name in os.listdir(ROOT) if not name.startswith(".")])
    assert "/dev/null" in done.stdout or "->" in done.stdout
    assert "[stack]" in done.stdout
    last = done.stdout.splitlines()[-2:]
    assert last[0] == f"0 {entries}"


COMMANDS = [line for line in "\n".join(blocks("")).splitlines() if line.startswith("diorama ")]
ENDLESS = ("diorama run -p ", "diorama run -g ", "diorama top ")
"""These wait for somebody: a browser, gdb, a person.  Their own tests are elsewhere."""
STATUSES = {"diorama run busybox sh -c 'ls": 7, "diorama trace -k --inject": 1}


@pytest.mark.guest
@pytest.mark.parametrize("line", [line for line in COMMANDS if not line.startswith(ENDLESS)])
def test_every_command_line_works(line: str, work: Path) -> None:
    (work / "one.py").write_text("1\n2\n")
    shutil.copy(find_busybox("x86_64"), work / "busybox")
    line = line.replace("./a-static-program its", "./busybox echo its")
    done = shell(f"exec 2>&1 < /dev/null\n{line}", cwd=work)
    expected = next((n for start, n in STATUSES.items() if line.startswith(start)), 0)
    printed = done.stdout.decode()
    assert done.returncode == expected, printed
    assert "internal error" not in printed


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith(ENDLESS)])
def test_every_endless_command_line_is_understood(line: str, work: Path) -> None:
    seen = []

    def execute(config: RunConfig) -> int:
        seen.append(config.program)
        return 0

    words = shlex.split(line.replace("$PWD", str(work)), comments=True)[1:]
    assert main(words if words[0] == "run" else [words[0], "--help"], execute) == 0
    assert seen == (["busybox"] if words[0] == "run" else [])


def test_the_readme_shows_what_there_is() -> None:
    assert len(COMMANDS) >= 12
    shown = {line.split()[1] for line in COMMANDS}
    assert shown == set(OUR_COMMANDS)


def test_every_make_target_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_files_that_are_named_exist() -> None:
    for name in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / name).exists(), name
