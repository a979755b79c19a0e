"""The wait-for graph of very many: what is said stays short, and the work is not their square."""

from __future__ import annotations

import json

import pytest

import diorama
from kernel.machine import describe
from kernel.machine.describe.graph import MOST_WAKERS, circles, stuck_tasks
from tests.support.crowds import crowd

pytestmark = pytest.mark.guest

MANY = 20_000
"""Its square would take minutes, its cube days."""


def test_a_ring_of_tasks_is_one_circle() -> None:
    crowds = [((tid + 1) % MANY,) for tid in range(MANY)]
    waits = {tid: tid for tid in range(MANY)}
    stuck = stuck_tasks(waits, crowds)
    assert stuck == waits
    assert circles(stuck, crowds) == (tuple(range(MANY)),)


def test_a_long_tail_leads_to_its_circle_from_every_task() -> None:
    crowds = [(max(tid - 1, 0) if tid != 0 else 1,) for tid in range(MANY)]
    waits = {tid: tid for tid in range(MANY)}
    assert circles(stuck_tasks(waits, crowds), crowds) == ((0, 1),)


def test_nobody_in_a_chain_is_stuck_whose_last_can_run() -> None:
    crowds = [(tid + 1,) for tid in range(MANY)]
    assert stuck_tasks({tid: tid for tid in range(MANY)}, crowds) == {}


def test_two_circles_and_one_who_has_a_choice() -> None:
    crowds = [(1,), (0,), (3,), (2,), (0, 9), (0, 2)]
    waits = {tid: tid for tid in range(6)}
    stuck = stuck_tasks(waits, crowds)
    assert sorted(stuck) == [0, 1, 2, 3, 5], "4 can be woken by 9, who is awake"
    assert circles(stuck, crowds) == ((0, 1), (2, 3))


def test_nobody_is_stuck_of_whom_nothing_is_known() -> None:
    assert stuck_tasks({1: 0, 2: 1}, [(), (1,)]) == {}


def test_sleepers_on_one_word_name_some_of_the_others(arch: str) -> None:
    sleepers = 300
    with crowd(arch, "sleepers", sleepers) as machine:
        graph = describe.wait_graph(machine.kernel)
        waits = {wait.tid: wait for wait in graph.waits if wait.call == "futex"}
        assert len(waits) == sleepers
        for wait in waits.values():
            assert wait.tid not in wait.wakers
            assert len(wait.wakers) == MOST_WAKERS
            assert len(wait.wakers) + wait.more == sleepers, "the other threads, and the first"
            assert not wait.stuck, "the first one only waits for a signal"
        assert len(json.dumps(describe.plain(graph))) < 600 * sleepers


def test_two_threads_are_named_both_ways(arch: str) -> None:
    with crowd(arch, "sleepers", 2) as machine:
        one, two = (w for w in describe.wait_graph(machine.kernel).waits if w.call == "futex")
        first = machine.system.tasks[one.pid].tid
        assert (one.wakers, one.more) == ((first, two.tid), 0)
        assert (two.wakers, two.more) == ((first, one.tid), 0)


def test_a_lone_sleeper_is_not_said_to_be_stuck(machine: diorama.Machine) -> None:
    """Nobody is known who could wake it, which is no proof."""
    machine.spawn("sh", "-c", "read line < /dev/tty0 || exec sleep 100")
    machine.run(seconds=0.2)
    (wait,) = describe.wait_graph(machine.kernel).waits
    assert (wait.wakers, wait.stuck) == ((), False)
