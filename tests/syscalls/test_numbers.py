"""The committed numbers are what the generator writes."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from syscalls.numbers import NUMBERS, x86_64
from tools.generators.syscall_numbers import include_directory, render


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_numbers_are_fresh(arch: str) -> None:
    if version("ziglang") != x86_64.ZIGLANG:
        pytest.skip(f"numbers are from ziglang {x86_64.ZIGLANG}, another one is installed")
    committed = Path(__file__).parents[2] / f"syscalls/numbers/{arch}.py"
    assert committed.read_text() == render(arch, include_directory(), x86_64.ZIGLANG)


def test_well_known_numbers() -> None:
    assert NUMBERS["x86_64"]["openat"] == 257
    assert NUMBERS["aarch64"]["openat"] == 56
    assert "open" not in NUMBERS["aarch64"]
