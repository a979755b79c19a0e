"""Process numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.abi.errors import EAGAIN
from kernel.task.pids import Pids


def test_numbers_count_up_and_are_not_reused_at_once() -> None:
    pids = Pids()
    first = pids.allocate()
    pids.release(first)
    assert (first, pids.allocate()) == (1, 2)


def test_a_number_held_by_a_group_is_not_given_out() -> None:
    pids = Pids(maximum=303)
    leader = pids.allocate()
    pids.hold(leader)
    pids.release(leader)
    given_out = {pids.allocate() for _ in range(301)}
    assert leader not in given_out


def test_all_numbers_in_use_is_eagain() -> None:
    pids = Pids(maximum=4)
    assert [pids.allocate() for _ in range(3)] == [1, 2, 3]
    with pytest.raises(EAGAIN):
        pids.allocate()


@given(st.lists(st.booleans(), max_size=60))
def test_live_numbers_are_distinct(steps: list[bool]) -> None:
    pids = Pids(maximum=320)
    live: list[int] = []
    for take in steps:
        if take or not live:
            pid = pids.allocate()
            assert pid not in live
            assert 0 < pid < 320
            live.append(pid)
        else:
            pids.release(live.pop(0))
    assert len(pids) == len(live)
