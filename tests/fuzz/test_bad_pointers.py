"""Every pointer argument of every declared call, with addresses that are wrong in each way.

The other arguments are good.  Whatever the call answers, nothing of ours may escape.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kernel.task.task import Task
from syscalls.declare import Declaration
from tests.fuzz.values import ARENA, END, NOWHERE, READ_ONLY, Values, registers
from tests.fuzz.world import World

pytestmark = pytest.mark.row("X7")

SIZES = (1, 2, 4, 8, 16, 24, 32, 64, 128, 144, 256)
EDGES = tuple(edge - size + out for edge in (END, READ_ONLY) for size in SIZES for out in (0, 1))
ADDRESSES = (*NOWHERE, ARENA - 1, ARENA + 1, *EDGES)


def one_call(
    world: World, declaration: Declaration, index: int, address: int
) -> Callable[[Task], tuple[int, list[int]]]:
    """A step of the script: good arguments, but for one pointer."""

    def step(task: Task) -> tuple[int, list[int]]:
        values = Values(world.random, task).with_bad_pointer(declaration, index, address)
        number = world.table.numbers[declaration.name]
        return number, registers(declaration, world.arch, values)

    return step


def pointers(world: World) -> list[tuple[Declaration, int]]:
    """Every pointer parameter of every call but those that end the caller."""
    return [
        (declaration, index)
        for declaration in world.declarations
        for index, (_, kind) in enumerate(declaration.parameters)
        if kind.is_pointer
    ]


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_bad_pointers(arch: str) -> None:
    world = World(arch, seed=3)
    try:
        for declaration, index in pointers(world):
            world.script.extend(one_call(world, declaration, index, a) for a in ADDRESSES)
        world.random.shuffle(world.script)
        world.run(len(world.script))
        assert not world.broken
        assert not world.hardware.machine.bugs, world.hardware.machine.bugs[0]
    finally:
        world.close()
