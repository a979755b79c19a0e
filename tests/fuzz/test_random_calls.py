"""Random calls: no exception escapes, no call takes long, and every call works at least once."""

from __future__ import annotations

import pytest

from tests.fuzz.world import World
from tests.support.counts import scaled

CALLS = 100_000
HARD_TO_SUCCEED: dict[str, str] = {}
"""Calls that random arguments cannot make succeed, with the reason."""


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_random_calls(arch: str) -> None:
    world = World(arch, seed=20)
    try:
        world.run(scaled(CALLS) // 2)
        machine = world.hardware.machine
        assert not machine.bugs, f"{world.results.last}\n{machine.bugs[0]}"
        assert not world.results.slow
    finally:
        world.close()
