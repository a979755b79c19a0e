"""The programs below docs/examples do what they say, on both CPUs."""

from __future__ import annotations

import functools
import runpy
import sys
from typing import Any

import pytest

import diorama
from tests.support.command import ROOT
from userland import build

pytestmark = [pytest.mark.guest, pytest.mark.row("T2")]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))


@pytest.fixture
def example(arch: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs an example as a script; its machines have the CPU of the test."""
    monkeypatch.setattr(diorama, "boot", functools.partial(diorama.boot, arch), raising=False)

    def run(name: str, *words: str) -> int:
        monkeypatch.setattr(sys, "argv", [name, *words])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ROOT / "docs" / "examples" / name), run_name="__main__")
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return run


def test_every_call_of_a_program_fails_once(
    example: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert example("fail_every_call.py", "EIO", "cat", "/etc/hostname") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("cat /etc/hostname: ")
    assert lines[0].endswith(" calls, exit status 0")
    assert all(line.split(":")[0] in ("hangs", "dies", "lies") for line in lines[1:])
    assert all(" = EIO" in line for line in lines[1:])


def test_files_found_and_missing_are_listed(
    example: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert example("files_used.py", "cat", "/etc/hostname", "/etc/nothing") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "   1  /etc/hostname" in lines
    assert "   1  /etc/nothing (not there)" in lines


def test_a_program_of_the_hosts_comes_along(
    example: Any, arch: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are for programs of one's own, and knew only those of the guest."""
    program = str(build.build("hello", arch))
    assert example("files_used.py", program) == 0
    assert example("fail_every_call.py", program) == 0
    assert capsys.readouterr().out.startswith(f"{program}: ")


def test_a_program_that_is_nowhere_is_one_line(
    example: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in EXAMPLES:
        assert example(path.name, "no-such-program") == 1
        assert capsys.readouterr().err == "no-such-program: not found in the guest's files\n"


def test_without_words_they_say_how(example: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for path in EXAMPLES:
        assert example(path.name) == 2
        assert path.name in capsys.readouterr().err


def test_the_page_names_them() -> None:
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    assert EXAMPLES
    for path in EXAMPLES:
        assert f"examples/{path.name}" in text
