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


def test_a_served_descriptor_calls_until_it_is_not_served(
    poller: HostSelector, pipe: tuple[int, int]
) -> None:
    """Observers' descriptors stay registered, and do not count as somebody of the guest's."""
    seen: list[int] = []
    poller.serve(pipe[0], select.POLLIN, seen.append)
    assert not poller.watching
    poller.wait(0)
    assert seen == []
    os.write(pipe[1], b"x")
    poller.wait(None)
    poller.wait(None)
    assert seen == [select.POLLIN, select.POLLIN]
    poller.unserve(pipe[0])
    poller.unserve(pipe[0])
    poller.wait(0)
    assert len(seen) == 2


def test_one_served_descriptor_may_end_another(poller: HostSelector, pipe: tuple[int, int]) -> None:
    other = os.pipe()
    called: list[int] = []

    def end(fd: int) -> None:
        called.append(fd)
        poller.unserve(other[0] if fd == pipe[0] else pipe[0])

    for ends in (pipe, other):
        os.write(ends[1], b"x")
        poller.serve(ends[0], select.POLLIN, lambda _, fd=ends[0]: end(fd))  # type: ignore[misc]
    poller.wait(None)
    assert len(called) == 1
    for fd in other:
        os.close(fd)
