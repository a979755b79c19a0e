"""Random calls: no exception escapes, no call takes long, and every call works at least once."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fuzz.world import World
from tests.support.counts import scaled

pytestmark = pytest.mark.row("K13")

CALLS = 1_000_000
"""Per CPU under ``make stress``; a tenth of it otherwise, which takes some ten seconds."""
PER_WORLD = 4_000
"""Calls before a fresh machine: some states cannot be left (a full disk, a covered root)."""
HARD_TO_SUCCEED = {
    "restart_syscall": "only the kernel calls it, after an interrupted sleep",
    "futex_waitv": "somebody else with the same memory must wake it while it sleeps",
    "rt_sigreturn": "replaces the registers, so it has no result of its own",
}


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_random_calls(arch: str) -> None:
    succeeded: Counter[str] = Counter()
    made = seed = 0
    declared: list[str] = []
    never = ["all"]
    goal = scaled(CALLS) // 2
    while made < goal or (never and made < 3 * goal):  # luck may need some more
        seed += 1
        world = World(arch, seed, [name for name in declared if not succeeded[name]])
        world.begin_with_a_connection()
        try:
            world.run(PER_WORLD)
            machine = world.hardware.machine
            assert not machine.bugs, f"seed {seed}, {world.results.last}\n{machine.bugs[0]}"
            assert not world.results.slow, f"seed {seed}"
            assert not world.leftovers(), f"seed {seed}"
            made += world.cpu.calls
            succeeded += world.results.succeeded
            declared = world.names
        finally:
            world.close()
        never = [name for name in declared if not succeeded[name] and name not in HARD_TO_SUCCEED]
    assert not never


def test_the_same_seed_makes_the_same_calls() -> None:
    ends = []
    for _ in range(2):
        world = World("x86_64", 7)
        try:
            world.run(2_000)
            ends.append((world.results.last, world.results.ended))
        finally:
            world.close()
    assert ends[0] == ends[1]
