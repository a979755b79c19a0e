"""The chapter "gdb" of docs/debugging.md is true: its programs are built, its sessions are held."""

from __future__ import annotations

import doctest
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.command import ROOT
from tests.support.gdb import Running, gdb
from tests.support.pages import FLAGS
from userland.build import zig

pytestmark = [pytest.mark.row("T2"), pytest.mark.guest, pytest.mark.slow]
CHAPTER = (ROOT / "docs" / "debugging.md").read_text(encoding="utf-8").partition("\n## gdb\n")[2]
SESSIONS = re.findall(r"```sh\n(.*?)```.*?```gdb\n(.*?)```", CHAPTER, re.DOTALL)
TARGET = "aarch64-linux-musl"
BASELINE = {"x86_64": "x86_64", "aarch64": "generic"}


def split(session: str) -> tuple[list[str], str]:
    """The commands of a session and what is printed."""
    lines = session.splitlines()
    asked = [line.removeprefix("(gdb) ") for line in lines if line.startswith("(gdb) ")]
    return asked, "\n".join(line for line in lines if not line.startswith("(gdb) "))


@pytest.mark.parametrize("number", range(len(SESSIONS)))
def test_the_sessions_go_as_the_page_says(number: int, arch: str, work: Path) -> None:
    """On the CPU of the page, and on the other one."""
    shell_lines, session = SESSIONS[number]
    (source,) = re.findall(r"```c\n(.*?)```", CHAPTER, re.DOTALL)
    Path("orders.c").write_text(source)
    *before, start, debugger = shell_lines.splitlines()
    for line in before:
        words = line.replace(TARGET, f"{arch}-linux-musl").split()
        assert words[:4] == ["python", "-m", "ziglang", "cc"]
        subprocess.run([*zig(), *words[3:], f"-mcpu={BASELINE[arch]}"], check=True)
    assert start.endswith(" &")
    assert debugger.startswith("gdb-multiarch -q")
    symbols = debugger.split()[2:]
    commands, printed = split(session)
    words = [word.strip("'") for word in re.findall(r"'[^']*'|\S+", start.removesuffix(" &"))]
    assert words[:2] == ["diorama", "run"]
    with Running("run", "--arch", arch, *words[2:]) as running:
        said = gdb("set print address on", *commands, symbols=Path(symbols[0]) if symbols else None)
        result = running.finish(said)
    assert doctest.OutputChecker().check_output(printed + "\n", said, FLAGS), said
    assert result.status == 0


def test_there_are_sessions_and_they_end() -> None:
    assert len(SESSIONS) == 2
    for _, session in SESSIONS:
        commands, _ = split(session)
        assert commands[0] == "target remote sock"
