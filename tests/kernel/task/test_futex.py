"""Futexes: keys, values, bitsets, timeouts, and no lost wake-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.abi.errors import EAGAIN, EFAULT, EINVAL, ERESTART_RESTARTBLOCK, ERESTARTSYS
from kernel.abi.signals import SIGUSR1
from kernel.task.actions import Action
from kernel.task.futex import MIN_BUCKETS
from kernel.task.siginfo import SigInfo
from kernel.task.signals import send_to_task
from tests.support.tasks import World

if TYPE_CHECKING:
    from kernel.task.task import Task


def sleep_on(world: World, task: Task, address: int, expected: int = 0, **more: int) -> int | None:
    world.kernel.scheduler.remove(task)
    bitset = more.get("bitset", 0xFFFFFFFF)
    deadline = more.get("deadline")
    futexes = world.kernel.futexes
    waiting = futexes.wait(
        task, address, expected, private=bool(more.get("private", 1)), deadline=deadline,
        bitset=bitset, restart=(1,) if "restart" in more else None,
    )  # fmt: skip
    return world.call(task, waiting)


def test_another_value_is_eagain_and_leaves_no_bucket() -> None:
    world = World()
    world.program.mem.write_u32(world.data, 5)
    with pytest.raises(EAGAIN):
        sleep_on(world, world.program, world.data, 4)
    assert not any(b.waiters for b in world.kernel.futexes.buckets.values())


def test_alignment_and_range() -> None:
    world = World()
    futexes = world.kernel.futexes
    with pytest.raises(EINVAL):
        futexes.wake(world.program, world.data + 2, 1)
    with pytest.raises(EFAULT):
        futexes.wake(world.program, 1 << 63, 1, private=True)
    with pytest.raises(EFAULT):
        sleep_on(world, world.program, 0x10000, 0)


def test_wake_in_order_and_count() -> None:
    world = World()
    tasks = [world.fork() for _ in range(3)]
    shared = world.map(world.program, shared=True)
    tasks = [world.fork() for _ in range(3)]
    for task in tasks:
        assert sleep_on(world, task, shared, private=0) is None
    assert world.kernel.futexes.wake(world.program, shared, 2) == 2
    world.run_all()
    assert sorted(world.results) == [tasks[0].tid, tasks[1].tid]
    assert world.kernel.futexes.wake(world.program, shared, 5) == 1
    assert not any(b.waiters for b in world.kernel.futexes.buckets.values())


def test_private_memory_of_a_fork_is_another_futex() -> None:
    world = World()
    child = world.fork()
    sleep_on(world, child, world.data, private=1)
    assert world.kernel.futexes.wake(world.program, world.data, 1, private=True) == 0
    assert world.kernel.futexes.wake(child, world.data, 1) == 1


def test_bitsets_select() -> None:
    world = World()
    sleep_on(world, world.program, world.data, bitset=0b10)
    futexes = world.kernel.futexes
    assert futexes.wake(world.program, world.data, 1, private=True, bitset=0b101) == 0
    assert futexes.wake(world.program, world.data, 1, private=True, bitset=0b110) == 1


def test_timeout() -> None:
    world = World()
    sleep_on(world, world.program, world.data, deadline=world.clock.now + 10)
    world.advance(10)
    assert world.results[2] == -110
    assert not any(b.waiters for b in world.kernel.futexes.buckets.values())


def test_interruption_restarts_by_kind_of_timeout() -> None:
    world = World()
    world.program.actions.set(SIGUSR1, Action(0x1000))
    send_to_task(world.program, SigInfo(SIGUSR1))
    assert sleep_on(world, world.program, world.data) == -ERESTARTSYS.errno
    assert sleep_on(world, world.program, world.data, restart=1) == -516
    assert isinstance(world.program.interrupted, ERESTART_RESTARTBLOCK)
    assert not any(b.waiters for b in world.kernel.futexes.buckets.values())


def test_a_woken_waiter_returns_0_although_a_signal_is_pending() -> None:
    world = World()
    world.program.actions.set(SIGUSR1, Action(0x1000))
    sleep_on(world, world.program, world.data)
    world.kernel.futexes.wake(world.program, world.data, 1, private=True)
    send_to_task(world.program, SigInfo(SIGUSR1))
    world.step()
    assert world.results[2] == 0


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from("swW"), st.integers(0, 3), st.integers(1, 3), st.integers(1, 3)),
        max_size=40,
    )
)
def test_against_a_model(operations: list[tuple[str, int, int, int]]) -> None:
    world = World()
    tasks = [world.fork() for _ in range(4)]
    shared = world.map(world.program, shared=True)
    tasks = [world.fork() for _ in range(4)]
    model: list[tuple[int, int]] = []
    for what, index, bits, count in operations:
        task = tasks[index]
        if what == "s":
            if any(sleeper == index for sleeper, _ in model):
                continue
            sleep_on(world, task, shared, private=0, bitset=bits)
            model.append((index, bits))
            continue
        wanted = bits if what == "W" else 3
        hit = [entry for entry in model if entry[1] & wanted][:count]
        woken = world.kernel.futexes.wake(world.program, shared, count, bitset=wanted)
        assert woken == len(hit)
        model = [entry for entry in model if entry not in hit]
        world.results.clear()
        world.run_all()
        assert sorted(world.results) == sorted(tasks[index].tid for index, _ in hit)
        world.kernel.futexes.check_invariants()


@pytest.mark.row("X4")
def test_hundreds_of_words_at_once_and_none_disturbs_another() -> None:
    """At least 256 buckets: every word has one of its own while somebody sleeps on it."""
    world = World()
    count = 600
    tasks = [world.thread() for _ in range(count)]
    for index, task in enumerate(tasks):
        sleep_on(world, task, world.data + 64 * index)
    world.results.clear()
    for index in range(0, count, 2):
        assert (
            world.kernel.futexes.wake(world.program, world.data + 64 * index, 9, private=True) == 1
        )
    world.kernel.scheduler.remove(world.program)
    world.run_all()
    assert sorted(world.results) == [task.tid for task in tasks[::2]]
    world.kernel.futexes.check_invariants()


@pytest.mark.row("X4")
def test_words_nobody_sleeps_on_do_not_pile_up() -> None:
    world = World()
    for index in range(3000):
        sleep_on(world, world.program, world.data + 4 * index)
        assert (
            world.kernel.futexes.wake(world.program, world.data + 4 * index, 1, private=True) == 1
        )
        world.run_all()
    assert len(world.kernel.futexes.buckets) <= 2 * MIN_BUCKETS


@pytest.mark.row("X4")
def test_a_waiter_survives_munmap_by_its_peer() -> None:
    world = World()
    shared = world.map(world.program, shared=True)
    sleeper, waker = world.fork(), world.fork()
    world.kernel.scheduler.remove(waker)
    sleep_on(world, sleeper, shared, private=0)
    assert world.program.mm is not None
    world.program.mm.munmap(shared, 0x10000)
    with pytest.raises(EFAULT):
        world.kernel.futexes.wake(world.program, shared, 1)
    assert world.kernel.futexes.wake(waker, shared, 1) == 1
    world.run_all()
    assert world.results[sleeper.tid] == 0


@pytest.mark.row("X4")
def test_a_shared_word_is_not_given_to_somebody_else_while_it_is_waited_for() -> None:
    """The waiter's own process unmaps it: the frame stays its until the sleep is over."""
    world = World()
    shared = world.map(world.program, shared=True)
    thread = world.thread()
    frames = world.kernel.frames
    sleep_on(world, thread, shared, private=0, deadline=world.clock.now + 10)
    used = frames.used_count
    assert world.program.mm is not None
    world.program.mm.munmap(shared, 0x10000)
    kept = used - frames.used_count
    world.advance(10)
    assert world.results[thread.tid] == -110
    assert used - frames.used_count == kept + 1
