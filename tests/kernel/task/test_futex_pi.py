"""Locks with priority inheritance: who owns, who waits, and with what priority the owner runs."""

from __future__ import annotations

import pytest

from kernel.abi.errors import EAGAIN, EDEADLK, EINVAL, EPERM, ESRCH
from kernel.abi.process import FUTEX_OWNER_DIED, FUTEX_WAITERS
from kernel.abi.signals import SIGUSR1
from kernel.task.actions import Action
from kernel.task.exit import exit_task
from kernel.task.futex_move import Pair
from kernel.task.futex_pi import lock_pi, requeue_pi, unlock_pi, wait_requeue
from kernel.task.sched_policy import SCHED_FIFO, SchedulingPolicy
from kernel.task.sched_rules import set_policy
from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_task
from kernel.task.task import Task
from tests.support.tasks import World

pytestmark = pytest.mark.row("X4")


class Scene:
    """Some threads with real-time priorities, and words they lock."""

    def __init__(self, *priorities: int) -> None:
        self.world = World()
        self.world.kernel.scheduler.remove(self.world.program)
        self.tasks = [self.world.thread() for _ in priorities]
        for task, priority in zip(self.tasks, priorities, strict=True):
            self.world.kernel.scheduler.remove(task)
            if priority:
                task.policy = SchedulingPolicy(SCHED_FIFO, priority)

    def address(self, lock: int) -> int:
        return self.world.data + 64 * lock

    def word(self, lock: int) -> int:
        return self.world.program.mem.read_u32(self.address(lock))

    def lock(self, task: Task, lock: int, deadline: int | None = None) -> int | None:
        self.world.kernel.futexes.check_invariants()
        return self.world.call(task, lock_pi(task, self.address(lock), True, deadline))

    def unlock(self, task: Task, lock: int) -> None:
        unlock_pi(task, self.address(lock), True)
        self.world.kernel.futexes.check_invariants()


def test_the_owner_runs_with_the_best_priority_that_waits() -> None:
    scene = Scene(0, 10, 50, 20)
    owner, low, high, middle = scene.tasks
    assert scene.lock(owner, 0) == 0
    assert scene.word(0) == owner.tid
    for task, boost in ((low, 10), (high, 50), (middle, 50)):
        assert scene.lock(task, 0) is None
        assert owner.priority == boost
    assert scene.word(0) == owner.tid | FUTEX_WAITERS
    scene.unlock(owner, 0)
    assert owner.priority == 0
    assert scene.word(0) == high.tid | FUTEX_WAITERS
    scene.world.run_all()
    assert scene.world.results[high.tid] == 0
    scene.unlock(high, 0)
    assert middle.priority == 20
    scene.unlock(middle, 0)
    assert scene.word(0) == low.tid | FUTEX_WAITERS
    scene.unlock(low, 0)
    assert scene.word(0) == 0


def test_priority_goes_along_a_chain_and_back() -> None:
    scene = Scene(0, 0, 0, 40)
    first, second, third, urgent = scene.tasks
    scene.lock(first, 0)
    scene.lock(second, 1)
    scene.lock(third, 2)
    assert scene.lock(second, 0) is None
    assert scene.lock(third, 1) is None
    assert scene.lock(urgent, 2, scene.world.clock.now + 100) is None
    assert [task.priority for task in scene.tasks] == [40, 40, 40, 40]
    scene.world.advance(100)
    assert scene.world.results[urgent.tid] == -110
    assert [task.priority for task in scene.tasks[:3]] == [0, 0, 0]


def test_a_boosted_owner_runs_before_what_lies_between() -> None:
    scene = Scene(0, 30, 60)
    owner, between, urgent = scene.tasks
    scheduler = scene.world.kernel.scheduler
    scene.lock(owner, 0)
    scene.lock(urgent, 0)
    scheduler.enqueue(between)
    scheduler.enqueue(owner)
    assert scheduler.next() is owner


def test_another_policy_of_a_waiter_is_inherited_at_once() -> None:
    scene = Scene(0, 5)
    owner, waiter = scene.tasks
    scene.lock(owner, 0)
    scene.lock(waiter, 0)
    set_policy(waiter, waiter, SCHED_FIFO, 70)
    assert owner.priority == 70


def test_circles_and_rubbish() -> None:
    scene = Scene(0, 0)
    first, second = scene.tasks
    scene.lock(first, 0)
    scene.lock(second, 1)
    with pytest.raises(EDEADLK):
        scene.lock(first, 0)
    assert scene.lock(second, 0) is None
    with pytest.raises(EDEADLK):
        scene.lock(first, 1)
    with pytest.raises(EPERM):
        scene.unlock(first, 1)
    with pytest.raises(EAGAIN):
        lock_pi(first, scene.address(1), True, None, wait=False)
    scene.world.program.mem.write_u32(scene.address(2), 29999)
    with pytest.raises(ESRCH):
        scene.lock(first, 2)
    scene.world.program.mem.write_u32(scene.address(0), 29999)
    with pytest.raises(EINVAL):
        scene.lock(scene.world.thread(), 0)


def test_a_signal_restarts_and_leaves_no_trace() -> None:
    scene = Scene(0, 30)
    owner, waiter = scene.tasks
    waiter.actions.set(SIGUSR1, Action(0x1000))
    scene.lock(owner, 0)
    scene.lock(waiter, 0)
    send_to_task(waiter, SigInfo(SIGUSR1))
    waiter.pending.discard(-1)
    scene.world.run_all()
    assert scene.world.results[waiter.tid] == -513
    assert owner.priority == 0
    assert not scene.world.kernel.futexes.locks
    scene.unlock(owner, 0)


def test_a_dying_owner_hands_over_with_a_mark() -> None:
    scene = Scene(0, 0, 9)
    owner, first, second = scene.tasks
    scene.lock(owner, 0)
    scene.lock(first, 0)
    scene.lock(second, 0)
    exit_task(owner, 0)
    assert scene.word(0) == second.tid | FUTEX_WAITERS | FUTEX_OWNER_DIED
    scene.world.run_all()
    assert scene.world.results[second.tid] == 0
    exit_task(second, 0)
    assert scene.word(0) == first.tid | FUTEX_WAITERS | FUTEX_OWNER_DIED


def test_requeueing_gives_the_lock_to_one_and_a_place_to_the_others() -> None:
    scene = Scene(0, 5, 8)
    world = scene.world
    pair = Pair(scene.address(1), scene.address(0), True)
    for task in scene.tasks:
        assert world.call(task, wait_requeue(task, pair, 0, None)) is None
    assert requeue_pi(world.program, pair, 1, 9, 0) == 3
    world.kernel.futexes.check_invariants()
    ordinary, low, high = scene.tasks
    world.run_all()
    assert world.results[high.tid] == 0
    assert scene.word(0) == high.tid | FUTEX_WAITERS
    scene.unlock(high, 0)
    scene.unlock(low, 0)
    world.run_all()
    assert world.results[ordinary.tid] == 0


def test_a_requeued_sleeper_that_times_out_leaves_the_lock() -> None:
    scene = Scene(0, 5)
    owner, sleeper = scene.tasks
    world = scene.world
    pair = Pair(scene.address(1), scene.address(0), True)
    scene.lock(owner, 0)
    waiting = wait_requeue(sleeper, pair, 0, world.clock.now + 50)
    assert world.call(sleeper, waiting) is None
    assert requeue_pi(world.program, pair, 1, 9, 0) == 1
    assert owner.priority == 5
    world.advance(50)
    assert world.results[sleeper.tid] == -110
    assert owner.priority == 0
    assert not world.kernel.futexes.locks
