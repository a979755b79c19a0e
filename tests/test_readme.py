"""The README is true: its library example runs, its commands exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tools.cli import main
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


def test_every_command_line_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    seen = []

    def execute(config: RunConfig) -> int:
        seen.append(config.program)
        return 0

    for line in "\n".join(blocks("")).splitlines():
        words = shlex.split(line.replace("$PWD", str(ROOT)), comments=True)
        if words[:1] == ["diorama"] and words[1] != "syscalls":
            assert main(words[1:], execute) == 0, line
    assert len(seen) >= 7


def test_every_make_target_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_files_that_are_named_exist() -> None:
    for name in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / name).exists(), name
