"""The host poller: a watch is for one event; signals come through the wake-up pipe."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator

import pytest

from kernel.fs.hostpoller import HostSelector
from kernel.wait import Waiter, WaitQueue


class Sleeper:
    """Counts its wake-ups."""

    def __init__(self) -> None:
        self.woken = 0

    def wake_up(self) -> None:
        self.woken += 1


@pytest.fixture
def poller() -> Iterator[HostSelector]:
    selector = HostSelector()
    yield selector
    selector.check_invariants()
    selector.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:
            pass


def test_a_ready_descriptor_wakes_its_queue_once(
    poller: HostSelector, pipe: tuple[int, int]
) -> None:
    queue, sleeper = WaitQueue(), Sleeper()
    Waiter(sleeper, (queue,))
    poller.watch(pipe[0], select.POLLIN, queue)
    poller.wait(0)
    assert sleeper.woken == 0
    os.write(pipe[1], b"x")
    poller.wait(None)
    assert sleeper.woken == 1
    assert not poller.watching
    Waiter(sleeper, (queue,))
    poller.wait(0)
    assert sleeper.woken == 1


def test_two_queues_wait_for_different_events(poller: HostSelector, pipe: tuple[int, int]) -> None:
    reader, writer = Sleeper(), Sleeper()
    first, second = WaitQueue(), WaitQueue()
    Waiter(reader, (first,))
    Waiter(writer, (second,))
    poller.watch(pipe[1], select.POLLIN, first)
    poller.watch(pipe[1], select.POLLOUT, second)
    poller.wait(None)
    assert (reader.woken, writer.woken) == (0, 1)
    assert poller.watching


def test_a_hang_up_wakes_everybody(poller: HostSelector, pipe: tuple[int, int]) -> None:
    queue, sleeper = WaitQueue(), Sleeper()
    Waiter(sleeper, (queue,))
    poller.watch(pipe[0], select.POLLIN, queue)
    os.close(pipe[1])
    poller.wait(None)
    assert sleeper.woken == 1


def test_forget_drops_a_watch(poller: HostSelector, pipe: tuple[int, int]) -> None:
    queue, sleeper = WaitQueue(), Sleeper()
    Waiter(sleeper, (queue,))
    poller.watch(pipe[1], select.POLLOUT, queue)
    poller.forget(pipe[1])
    poller.wait(0)
    assert sleeper.woken == 0


def test_the_time_is_kept_below_a_millisecond(poller: HostSelector) -> None:
    start = time.monotonic_ns()
    poller.wait(300_000)
    assert time.monotonic_ns() - start >= 300_000


def test_signals_end_the_wait_and_are_kept_in_order(poller: HostSelector) -> None:
    os.write(poller.wakeup_fd, bytes((2, 10)))
    poller.wait(None)
    assert poller.take_signals() == bytes((2, 10))
    assert poller.take_signals() == b""
