"""The layout of /proc against the host's own: the same names, order, columns and widths."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.support.guest import shell

pytestmark = [
    pytest.mark.native,
    pytest.mark.guest,
    pytest.mark.skipif(sys.platform != "linux", reason="the oracle is Linux's own /proc"),
]


def guest(name: str) -> str:
    return shell(f"cat /proc/{name}", "x86_64", quiet=True).text


def host(name: str) -> str:
    return Path("/proc", name).read_text()


def keys(text: str) -> list[str]:
    return [line.split(":")[0] for line in text.splitlines()]


def in_order(names: list[str], all_names: list[str]) -> bool:
    rest = iter(all_names)
    return all(name in rest for name in names)


@pytest.mark.parametrize("name", ["self/status", "meminfo"])
def test_names_come_in_the_hosts_order(name: str) -> None:
    ours = keys(guest(name))
    theirs = keys(host(name))
    known = [key for key in ours if key in theirs]
    assert in_order(known, theirs)
    assert len(ours) - len(known) <= 2  # names a newer kernel has dropped


def test_limits_have_the_hosts_columns() -> None:
    ours, theirs = guest("self/limits").splitlines(), host("self/limits").splitlines()
    assert [(line[:26], line[68:]) for line in ours] == [(line[:26], line[68:]) for line in theirs]


@pytest.mark.parametrize("name", ["uptime", "loadavg", "self/stat", "self/statm"])
def test_lines_have_the_hosts_form(name: str) -> None:
    def form(line: str) -> str:
        return re.sub(r"-?\d+", "9", re.sub(r"\(.*\)", "(name)", line))

    assert form(guest(name)) == form(host(name))


def test_widths_of_kilobytes_are_the_hosts() -> None:
    for name in ("meminfo", "self/status"):
        widths = {line.split(":")[0]: len(line) for line in host(name).splitlines()}
        for line in guest(name).splitlines():
            key = line.split(":")[0]
            if line.endswith(" kB") and key in widths and key != "VmallocTotal":
                assert len(line) == widths[key], line
