"""Kernel objects are plain data: no closures, threads or host handles, while a machine is busy."""

from __future__ import annotations

import types

import pytest

import diorama
from tests.support.reachable import HOST_FIELDS, HOST_ROOMS, reachable, violations

pytestmark = pytest.mark.guest


def test_nothing_reachable_is_a_closure_a_thread_or_a_handle(busy: diorama.Machine) -> None:
    assert violations(busy.system, "system") == []


def test_generators_are_the_calls_that_tasks_sleep_in(busy: diorama.Machine) -> None:
    tasks = [task for task in busy.system.tasks.values() if task.generator is not None]
    found = [thing for _, thing in reachable(busy.system, "system")
             if isinstance(thing, types.GeneratorType)]  # fmt: skip
    assert len(found) == len(tasks) >= 16
    assert all(task.call is not None and task.waiter is not None for task in tasks)


def test_the_walk_finds_what_is_wrong(busy: diorama.Machine) -> None:
    """A closure in a timer, a generator and a handle in a task are met and named."""
    system, task = busy.system, busy.system.tasks[2]
    timer = system.timers.add(1 << 62, lambda: task.wake_up())
    with open("/dev/null", "rb") as handle:
        task.__setattr__("restart_block", ((n for n in range(1)), handle))
        try:
            found = violations(system, "system")
        finally:
            task.restart_block = None
            system.timers.cancel(timer)
    text = "\n".join(found)
    assert "closure" in text
    assert "restart_block[0]: generator" in text
    assert "restart_block[1]: host handle BufferedReader" in text
    assert len(found) == 3


def test_the_exceptions_are_there_and_have_reasons(busy: diorama.Machine) -> None:
    """What is excused exists; an excuse that nobody needs any more goes."""
    assert all(reason for reason in (*HOST_ROOMS.values(), *HOST_FIELDS.values()))
    things = [thing for _, thing in reachable(busy.system, "system")]
    names = {kind.__name__ for thing in things for kind in type(thing).__mro__}
    assert {owner for owner, _ in HOST_FIELDS} <= names
    met = {type(thing).__module__ for thing in things}
    for room in ("kernel.cpu", "kernel.mm.physical", "kernel.fs.hostpoller"):
        assert any(module.startswith(room) for module in met), room
