"""Making the environment: what is wrong with a machine is one line."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from tools import make_venv


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would have been run."""
    ran: list[list[str]] = []
    monkeypatch.setattr(make_venv, "run", lambda command: ran.append(list(command)))
    return ran


def without(monkeypatch: pytest.MonkeyPatch, *missing: str) -> None:
    """A host whose Python lacks these modules; the new environment's has what was put into it."""
    monkeypatch.setattr(
        make_venv,
        "have",
        lambda module, python=sys.executable: python == sys.executable and module not in missing,
    )


def test_the_ordinary_way(
    monkeypatch: pytest.MonkeyPatch, commands: list[list[str]], tmp_path: Path
) -> None:
    monkeypatch.setattr(make_venv, "have", lambda module, python=sys.executable: True)
    python = str(tmp_path / "bin" / "python")
    assert make_venv.pip_command(tmp_path) == [python, "-m", "pip"]
    assert commands == [[sys.executable, "-m", "venv", str(tmp_path)]]


def test_without_ensurepip_the_hosts_pip_does_it(
    monkeypatch: pytest.MonkeyPatch, commands: list[list[str]], tmp_path: Path
) -> None:
    without(monkeypatch, "ensurepip")
    python = str(tmp_path / "bin" / "python")
    expected = [sys.executable, "-m", "pip", "--python", python]
    assert make_venv.pip_command(tmp_path) == expected
    assert commands == [[sys.executable, "-m", "venv", "--without-pip", str(tmp_path)]]


def test_without_both_one_line_names_the_package(
    monkeypatch: pytest.MonkeyPatch, commands: list[list[str]], tmp_path: Path
) -> None:
    without(monkeypatch, "ensurepip", "pip")
    with pytest.raises(SystemExit) as stopped:
        make_venv.pip_command(tmp_path)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert str(stopped.value).startswith("diorama: this Python has neither ensurepip nor pip")
    assert f"apt-get install python{version}-venv" in str(stopped.value)
    assert commands == []


@pytest.mark.parametrize(
    ("system", "machine", "fine"),
    [
        ("Linux", "x86_64", True),
        ("Linux", "aarch64", True),
        ("Darwin", "arm64", True),
        ("Linux", "riscv64", False),
        ("Windows", "AMD64", False),
    ],
)
def test_hosts(monkeypatch: pytest.MonkeyPatch, system: str, machine: str, fine: bool) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    if fine:
        make_venv.check_host()
    else:
        with pytest.raises(SystemExit, match=f"{system} on {machine} is not supported"):
            make_venv.check_host()


def test_of_pips_story_our_own_line_is_told() -> None:
    script = "print('noise'); print('  diorama: no C compiler here'); print('more'); exit(1)"
    with pytest.raises(SystemExit, match=r"^diorama: no C compiler here$"):
        make_venv.install([sys.executable, "-c", script])


def test_who_waits_is_told_for_what(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first make said nothing for as long as pip worked."""
    monkeypatch.setattr(make_venv, "pip_command", lambda place: [f"{place}/bin/pip"])
    ran: list[list[str]] = []
    monkeypatch.setattr(make_venv, "install", ran.append)
    monkeypatch.setattr(sys, "argv", ["make_venv.py", ".venv", "plot"])
    make_venv.main()
    assert ran == [[".venv/bin/pip", "install", "-q", "--editable", ".[plot]"]]
    assert capsys.readouterr().err == "diorama: installing into .venv\n"
