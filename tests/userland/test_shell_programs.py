"""BusyBox at work: scripts that use the whole kernel, compared with the host where they can be."""

from __future__ import annotations

from pathlib import Path

import pytest

import userland
from tests.support.differential import assert_same, script
from tests.support.guest import shell
from tools.fetch import HOST_CPU

SCRIPTS = Path(userland.__file__).parent / "scripts"
NETWORK = "same\nsame\nsame\nno such page\nhttpd 143\n5000\ngot hey 1\ngot hey 2\ngot hey 3\n"


def text(name: str) -> str:
    """A script."""
    return (SCRIPTS / f"{name}.sh").read_text(encoding="utf-8")


@pytest.mark.guest
@pytest.mark.native
@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("pipelines", marks=pytest.mark.row("K8")),
        pytest.param("language", marks=pytest.mark.row("K8")),
        pytest.param("jobs", marks=pytest.mark.row("K8", "X2")),
    ],
)
def test_a_script_does_the_same_as_outside(name: str, arch: str) -> None:
    got = assert_same(script(text(name)), arch, stderr=False, oracle=HOST_CPU)
    assert got.status == 0


@pytest.mark.guest
@pytest.mark.row("K6", "K8")
def test_servers_and_clients_on_loopback(arch: str) -> None:
    """Inside only: outside, the ports would be the host's."""
    result = shell(text("network"), arch)
    assert (result.text, result.status) == (NETWORK, 0)
