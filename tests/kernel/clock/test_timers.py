"""Timers against a sorted list."""

from __future__ import annotations

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from kernel.clock import Timer, Timers
from kernel.clock.timers import FOREVER


def test_fires_in_order_of_deadline_then_of_adding() -> None:
    timers = Timers()
    fired: list[str] = []
    timers.add(20, lambda: fired.append("b"))
    timers.add(10, lambda: fired.append("a"))
    timers.add(20, lambda: fired.append("c"))
    assert timers.next_deadline() == 10
    assert timers.expire(9) == 0
    assert timers.expire(20) == 3
    assert fired == ["a", "b", "c"]
    assert timers.next_deadline() is None


def test_what_is_due_after_the_end_of_time_is_never_due() -> None:
    timers = Timers()
    timers.add(FOREVER, lambda: None)
    timers.add(1 << 90, lambda: None)
    assert timers.next_deadline() is None
    assert not timers.barren, "somebody still waits for the time"
    assert timers.expire(FOREVER) == 0
    timers.add(FOREVER - 1, lambda: None)
    assert timers.next_deadline() == FOREVER - 1


def test_cancel_is_true_once() -> None:
    timers = Timers()
    timer = timers.add(5, lambda: None)
    assert timers.cancel(timer)
    assert not timers.cancel(timer)
    assert timers.expire(10) == 0
    done = timers.add(5, lambda: None)
    timers.expire(5)
    assert not timers.cancel(done)


def test_a_timer_that_adds_itself_does_not_fire_for_ever() -> None:
    timers = Timers()
    fired: list[int] = []

    def again() -> None:
        fired.append(1)
        timers.add(0, again)

    timers.add(0, again)
    assert timers.expire(100) == 1
    assert timers.expire(100) == 1
    assert len(timers) == 1


def test_a_callback_cancels_one_that_is_due_too() -> None:
    timers = Timers()
    fired: list[str] = []
    doomed: list[Timer] = []

    def cancel_others() -> None:
        for timer in doomed:
            timers.cancel(timer)

    timers.add(1, cancel_others)
    doomed.append(timers.add(2, lambda: fired.append("doomed")))
    timers.expire(5)
    assert fired == []
    timers.check_invariants()


def test_cancelled_timers_do_not_pile_up() -> None:
    timers = Timers()
    keep = timers.add(10**9, lambda: None)
    for deadline in range(10_000):
        timers.cancel(timers.add(10**6 + deadline, lambda: None))
    assert len(timers._heap) < 1000
    assert keep.active


@given(st.lists(st.tuples(st.sampled_from("ace"), st.integers(0, 50)), max_size=60))
def test_like_a_sorted_list(steps: list[tuple[str, int]]) -> None:
    timers = Timers()
    model: dict[int, tuple[int, Timer]] = {}
    fired: list[int] = []
    for index, (action, number) in enumerate(steps):
        if action == "a":
            model[index] = (number, timers.add(number, partial(fired.append, index)))
        elif action == "c" and model:
            chosen = sorted(model)[number % len(model)]
            assert timers.cancel(model.pop(chosen)[1])
        elif action == "e":
            due = sorted(
                (deadline, key) for key, (deadline, _) in model.items() if deadline <= number
            )
            fired.clear()
            assert timers.expire(number) == len(due)
            assert fired == [key for _, key in due]
            for _, key in due:
                del model[key]
        timers.check_invariants()
        assert len(timers) == len(model)
        assert timers.next_deadline() == min((d for d, _ in model.values()), default=None)
