"""The run queue, sleeping, deadlines, and what interrupts."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.abi.errors import EAGAIN, ERESTARTSYS
from kernel.abi.signals import SIGUSR1
from kernel.task import sleep
from kernel.task.actions import Action
from kernel.task.sched_policy import SCHED_FIFO, SchedulingPolicy
from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_task
from kernel.wait import Blocking, Interrupted, Sleep, WaitQueue
from tests.support.tasks import World


def wait_on(queue: WaitQueue, deadline: int | None = None) -> Blocking[int]:
    woken = yield Sleep((queue,), deadline)
    return 1 if woken else 2


def test_tasks_take_turns() -> None:
    world = World()
    scheduler = world.kernel.scheduler
    tasks = [world.fork() for _ in range(3)]
    seen = []
    for _ in range(6):
        task = scheduler.next()
        assert task is not None
        seen.append(task)
        scheduler.enqueue(task)
    assert seen == tasks * 2


def test_realtime_goes_first_by_priority() -> None:
    world = World()
    scheduler = world.kernel.scheduler
    ordinary, low, high = (world.fork() for _ in range(3))
    for task, priority in ((low, 1), (high, 50)):
        scheduler.remove(task)
        task.policy = SchedulingPolicy(SCHED_FIFO, priority)
        scheduler.enqueue(task)
    assert [scheduler.next() for _ in range(4)] == [high, low, ordinary, None]


def test_a_wake_up_ends_a_sleep() -> None:
    world = World()
    queue = WaitQueue("test")
    assert world.call(world.program, wait_on(queue)) is None
    assert world.program.state == "S"
    world.run_all()
    assert 2 not in world.results
    queue.wake()
    world.run_all()
    assert world.results[2] == 1
    assert not queue.waiters


def test_the_deadline_ends_a_sleep_and_a_wake_up_cancels_it() -> None:
    world = World()
    queue = WaitQueue("test")
    world.call(world.program, wait_on(queue, world.clock.monotonic() + 50))
    world.advance(49)
    assert 2 not in world.results
    world.advance(1)
    assert world.results.pop(2) == 2
    world.call(world.program, wait_on(queue, world.clock.monotonic() + 50))
    queue.wake()
    world.run_all()
    assert world.results[2] == 1
    assert world.kernel.timers.next_deadline() is None


def test_a_signal_interrupts_and_the_default_is_restart() -> None:
    world = World()
    world.program.actions.set(SIGUSR1, Action(0x1000))
    world.call(world.program, wait_on(WaitQueue("test")))
    send_to_task(world.program, SigInfo.user(SIGUSR1, 1, 0))
    assert sleep.resume(world.kernel.scheduler.next() or world.program) == -ERESTARTSYS.errno
    assert isinstance(world.program.interrupted, ERESTARTSYS)


def test_a_sleep_with_a_signal_pending_does_not_begin() -> None:
    world = World()
    world.program.actions.set(SIGUSR1, Action(0x1000))
    send_to_task(world.program, SigInfo.user(SIGUSR1, 1, 0))
    queue = WaitQueue("test")
    assert world.call(world.program, wait_on(queue)) == -ERESTARTSYS.errno
    assert not queue.waiters


def test_a_wake_up_wins_over_a_signal() -> None:
    world = World()
    world.program.actions.set(SIGUSR1, Action(0x1000))
    queue = WaitQueue("test")
    world.call(world.program, wait_on(queue))
    queue.wake()
    send_to_task(world.program, SigInfo.user(SIGUSR1, 1, 0))
    task = world.kernel.scheduler.next()
    assert task is world.program
    assert sleep.resume(task) == 1


def test_an_error_in_the_generator_is_the_result_with_its_reason() -> None:
    def refuse() -> Blocking[int]:
        yield Sleep((queue,))
        raise EAGAIN("not today")

    world = World()
    queue = WaitQueue("test")
    world.call(world.program, refuse())
    queue.wake()
    world.run_all()
    assert world.results[2] == -11
    assert world.program.error_reason == "not today"


def test_sleeping_after_an_interruption_is_a_bug() -> None:
    def stubborn() -> Blocking[int]:
        while True:
            try:
                yield Sleep(())
            except Interrupted:
                continue

    world = World()
    world.program.actions.set(SIGUSR1, Action(0x1000))
    send_to_task(world.program, SigInfo.user(SIGUSR1, 1, 0))
    with pytest.raises(RuntimeError, match="slept again"):
        world.call(world.program, stubborn())


def test_death_closes_the_generator_and_passes_an_exclusive_wake_on() -> None:
    closed: list[str] = []

    def take(name: str) -> Blocking[int]:
        try:
            yield Sleep((queue,), exclusive=True)
            return 1
        finally:
            closed.append(name)

    world = World()
    queue = WaitQueue("test")
    first, second = world.fork(), world.fork()
    for task in (first, second):
        world.kernel.scheduler.remove(task)
        world.call(task, take(str(task.tid)))
    queue.wake(1)
    send_to_task(first, SigInfo.user(9, 1, 0))
    world.run_all()
    assert closed == ["3", "4"]
    assert world.results == {4: 1}
    assert first.state == "Z"


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from("erns")), max_size=60))
def test_queue_against_a_model(operations: list[tuple[int, str]]) -> None:
    world = World()
    scheduler = world.kernel.scheduler
    tasks = [world.fork() for _ in range(5)]
    model: dict[int, deque[int]] = {0: deque(range(5)), 10: deque()}
    priority = [0] * 5
    for index, what in operations:
        task = tasks[index]
        queued = index in model[priority[index]]
        if what == "e":
            scheduler.enqueue(task)
            if not queued:
                model[priority[index]].append(index)
        elif what == "r":
            scheduler.remove(task)
            if queued:
                model[priority[index]].remove(index)
        elif what == "s" and not queued:
            priority[index] = 10 - priority[index]
            policy = SCHED_FIFO if priority[index] else 0
            task.policy = SchedulingPolicy(policy, priority[index])
        elif what == "n":
            expected = model[10] or model[0]
            found = scheduler.next()
            assert found is (tasks[expected.popleft()] if expected else None)
        assert scheduler.runnable == len(model[0]) + len(model[10])
