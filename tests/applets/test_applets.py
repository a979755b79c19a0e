"""Every applet of the tables, compared with itself outside, on both CPUs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.applets.files import file_commands
from tests.applets.system import system_commands
from tests.applets.text import text_commands
from tests.support.differential import Command, assert_same
from tests.support.guest import run_guest
from tools.fetch import HOST_CPU

ACCEPTED = tomllib.loads(Path(__file__).with_name("differences.toml").read_text(encoding="utf-8"))
COMMANDS = {**text_commands(), **file_commands(), **system_commands()}
MOST_DIFFERENCES = 15


def _runs_others(command: Command) -> bool:
    """A shell script starts programs, which qemu-user cannot follow: the host's CPU is asked."""
    return command.argv[1] in ("sh", "awk", "env", "nologin")


@pytest.mark.guest
@pytest.mark.native
@pytest.mark.slow
@pytest.mark.row("K8")
@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_same_as_outside(name: str, arch: str) -> None:
    command = COMMANDS[name]
    if name in ACCEPTED:
        pytest.skip(f"accepted difference: {ACCEPTED[name]}")
    assert_same(command, arch, oracle=HOST_CPU if _runs_others(command) else arch)


def test_accepted_differences_are_few_and_have_reasons() -> None:
    assert set(ACCEPTED) <= set(COMMANDS)
    assert len(ACCEPTED) <= MOST_DIFFERENCES
    assert all(isinstance(reason, str) and len(reason) > 10 for reason in ACCEPTED.values())


@pytest.mark.guest
def test_at_least_120_applets() -> None:
    """Those that stand under their own name; the others (`sh-jobs`) are applets at further work."""
    listed = run_guest("busybox", "--list", quiet=True).text.split()
    assert len((set(COMMANDS) - set(ACCEPTED)) & set(listed)) >= 120
