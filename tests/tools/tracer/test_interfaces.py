"""Requests about network interfaces; what strace writes of them is in ``test_native_oracle``."""

from __future__ import annotations

import pytest

from tests.support.guest import run_cli

pytestmark = [pytest.mark.guest, pytest.mark.row("K10")]


def requests(arch: str, *words: str) -> list[str]:
    """The lines of a program's ioctl calls."""
    result = run_cli("trace", "--arch", arch, "-e", "trace=ioctl", "busybox", *words)
    return [line for line in result.stderr.decode().splitlines() if line.startswith("ioctl")]


def test_what_is_asked_and_answered_is_shown(arch: str) -> None:
    lines = requests(arch, "ifconfig", "lo")
    assert 'ioctl(3, SIOCGIFMTU, {ifr_name="lo", ifr_mtu=65536}) = 0' in lines
    assert (
        'ioctl(3, SIOCGIFNETMASK, {ifr_name="lo", ifr_netmask={sa_family=AF_INET, '
        'sin_port=htons(0), sin_addr=inet_addr("255.0.0.0")}}) = 0'
    ) in lines


def test_a_name_that_is_none(arch: str) -> None:
    lines = requests(arch, "ifconfig", "nope")
    assert 'ioctl(3, SIOCGIFFLAGS, {ifr_name="nope"}) = -1 ENODEV (No such device)' in lines
