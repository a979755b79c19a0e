"""Random calls, each explained: no error and no wait is without words, whatever the arguments."""

from __future__ import annotations

from collections import Counter

import pytest

from kernel.events import Observer
from kernel.machine.explain import Explainer
from kernel.task.task import Task
from tests.fuzz.world import World
from tests.support.counts import scaled

pytestmark = pytest.mark.row("K13")

CALLS = 200_000
PER_WORLD = 4_000


class Asking(Observer[Task]):
    """Asks about everything, and keeps what has no answer or one that is no line."""

    def __init__(self, explainer: Explainer) -> None:
        self.explainer = explainer
        self.errors: Counter[int] = Counter()
        self.waits = 0
        self.bad: list[str] = []

    def syscall_exit(
        self, task: Task, number: int, args: tuple[int, ...], result: int, reason: str
    ) -> None:
        if -4096 < result < 0:
            why = self.explainer.why(task, number, args, result, reason)
            self.errors[-result] += 1
            if not why or not why.isprintable():
                self.bad.append(f"call {number}, {result}: {why!r}")

    def asleep(self, task: Task) -> None:
        wait = self.explainer.wait(task)
        self.waits += 1
        if not task.timed_out and (not wait.startswith("waits for ") or not wait.isprintable()):
            self.bad.append(f"{task.call}: {wait!r}")


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_random_calls_are_explained(arch: str) -> None:
    made = seed = waits = 0
    errors: Counter[int] = Counter()
    while made < scaled(CALLS) // 2:
        seed += 1
        world = World(arch, seed)
        machine = world.hardware.machine
        explainer = Explainer(world.table)
        asking = Asking(explainer)
        machine.attach(explainer)
        machine.attach(asking)
        world.begin_with_a_connection()
        try:
            world.run(PER_WORLD)
            assert not machine.bugs, f"seed {seed}, {world.results.last}\n{machine.bugs[0]}"
            assert asking.bad == [], f"seed {seed}"
            made += world.cpu.calls
            errors += asking.errors
            waits += asking.waits
        finally:
            world.close()
    assert len(errors) > 30
    assert waits > 50
