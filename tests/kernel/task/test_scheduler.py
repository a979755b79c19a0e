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
from kernel.task.delivery import return_to_user
from kernel.task.sched_policy import SCHED_FIFO, SCHED_IDLE, SCHED_RR, SchedulingPolicy
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


def test_a_realtime_task_that_wakes_takes_the_processor() -> None:
    world = World()
    scheduler = world.kernel.scheduler
    running, urgent, other = (world.fork() for _ in range(3))
    for task in (running, urgent, other):
        scheduler.remove(task)
    urgent.policy = SchedulingPolicy(SCHED_FIFO, 5)
    scheduler.enqueue(running)
    assert scheduler.next() is running
    scheduler.enqueue(other)
    assert not running.work
    scheduler.enqueue(urgent)
    assert running.work
    assert not return_to_user(running)
    assert [scheduler.next() for _ in range(4)] == [urgent, running, other, None]


def test_fifo_keeps_its_turn_and_round_robin_gives_it_away() -> None:
    for policy, expected in ((SCHED_FIFO, 0), (SCHED_RR, 1)):
        world = World()
        scheduler = world.kernel.scheduler
        tasks = [world.fork() for _ in range(2)]
        for task in tasks:
            scheduler.remove(task)
            task.policy = SchedulingPolicy(policy, 5)
            scheduler.enqueue(task)
        assert scheduler.next() is tasks[0]
        scheduler.turn_over(tasks[0])
        assert scheduler.next() is tasks[expected]


def test_busy_realtime_tasks_leave_a_twentieth_to_the_others() -> None:
    world = World()
    scheduler = world.kernel.scheduler
    greedy, ordinary = world.fork(), world.fork()
    scheduler.remove(greedy)
    greedy.policy = SchedulingPolicy(SCHED_FIFO, 99)
    scheduler.enqueue(greedy)
    turns = []
    for _ in range(200):
        task = scheduler.next()
        assert task is not None
        turns.append(task)
        scheduler.turn_over(task)
    assert turns.count(ordinary) == 10


def test_nice_is_weight_and_idle_next_to_nothing() -> None:
    world = World()
    quantum = world.kernel.scheduler.quantum
    task = world.program
    assert quantum(task, 10_000) == 10_000
    task.policy = SchedulingPolicy(nice=5)
    assert 3_200 < quantum(task, 10_000) < 3_300
    task.policy = SchedulingPolicy(nice=-5)
    assert 30_000 < quantum(task, 10_000) < 31_000
    task.policy = SchedulingPolicy(SCHED_IDLE)
    assert quantum(task, 1_000_000) < 3_000


def test_load_average_rises_with_work_and_decays_without() -> None:
    world = World()
    scheduler = world.kernel.scheduler
    for _ in range(24):
        world.clock.advance(5_000_000_000)
        scheduler.sample_load(2)
    loads = scheduler.load_average()
    assert 1.6 < loads[0] < 1.8
    assert loads[0] > loads[1] > loads[2] > 0
    for _ in range(60):
        world.clock.advance(5_000_000_000)
        scheduler.sample_load(0)
    assert scheduler.load_average()[0] < 0.2
