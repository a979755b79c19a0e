"""epoll: what is listed when, in what order, and that idle descriptors cost nothing."""

from __future__ import annotations

from itertools import pairwise

import pytest

from kernel.abi.errors import EEXIST, ELOOP, ENOENT
from kernel.abi.files import EPOLLET, EPOLLEXCLUSIVE, EPOLLIN, EPOLLONESHOT, EPOLLOUT
from kernel.fs.epoll import ALIGNED_EVENT, EpollFile, make_epoll
from kernel.fs.eventfd import make_eventfd
from kernel.vfs.openfile import OpenFile
from kernel.wait import Sleep, Waiter
from tests.support.files import FakeCaller, FileWorld


class Room:
    """Memory for one kernel: what ``collect`` stored."""

    def __init__(self) -> None:
        self.stored: list[tuple[int, int]] = []

    def pack(self, layout: object, address: int, events: int, data: int) -> None:
        self.stored.append((events, data))


class Counting(OpenFile):
    """A file that counts how often it is asked."""

    asked = 0

    def poll(self, caller: object, events: int) -> int:
        Counting.asked += 1
        return 0


@pytest.fixture
def caller() -> FakeCaller:
    return FileWorld(ram=1 << 20).root


def epoll(caller: FakeCaller) -> EpollFile:
    file = make_epoll(caller)
    assert isinstance(file, EpollFile)
    file.hold()
    return file


def event(caller: FakeCaller, count: int = 0) -> OpenFile:
    file = make_eventfd(caller, count, nonblock=True, semaphore=False)
    file.hold()
    return file


def collected(caller: FakeCaller, file: EpollFile, most: int = 64) -> list[tuple[int, int]]:
    room = Room()
    file.collect(caller, room, 0, most, ALIGNED_EVENT)  # type: ignore[arg-type]
    file.check_invariants()
    return room.stored


def post(caller: FakeCaller, file: OpenFile) -> None:
    caller.write(file, (1).to_bytes(8, "little"))


def test_level_stays_and_edge_goes(caller: FakeCaller) -> None:
    ep, level, edge = epoll(caller), event(caller), event(caller)
    ep.add(caller, 3, level, EPOLLIN, 3)
    ep.add(caller, 4, edge, EPOLLIN | EPOLLET, 4)
    post(caller, edge)
    post(caller, level)
    assert collected(caller, ep) == [(EPOLLIN, 4), (EPOLLIN, 3)]
    assert collected(caller, ep) == [(EPOLLIN, 3)]
    post(caller, edge)
    assert collected(caller, ep) == [(EPOLLIN, 3), (EPOLLIN, 4)]
    caller.read(level, 8)
    assert collected(caller, ep) == []


def test_one_shot_is_armed_again_by_a_change(caller: FakeCaller) -> None:
    ep, file = epoll(caller), event(caller, 1)
    ep.add(caller, 3, file, EPOLLIN | EPOLLONESHOT, 1)
    assert collected(caller, ep) == [(EPOLLIN, 1)]
    post(caller, file)
    assert collected(caller, ep) == []
    ep.modify(caller, 3, file, EPOLLIN | EPOLLONESHOT, 2)
    assert collected(caller, ep) == [(EPOLLIN, 2)]


def test_the_last_close_ends_the_interest(caller: FakeCaller) -> None:
    ep, file = epoll(caller), event(caller, 1)
    ep.add(caller, 3, file, EPOLLIN, 1)
    ep.add(caller, 4, file, EPOLLIN, 2)
    with pytest.raises(EEXIST):
        ep.add(caller, 4, file, EPOLLIN, 2)
    file.drop()
    assert collected(caller, ep) == []
    assert not ep.interests
    with pytest.raises(ENOENT):
        ep.remove(3, file)


def test_closing_the_epoll_file_leaves_no_watcher(caller: FakeCaller) -> None:
    ep, file = epoll(caller), event(caller)
    ep.add(caller, 3, file, EPOLLIN, 1)
    ep.drop()
    assert file.queue is not None
    assert not file.queue.waiters
    assert not file.watched_by


def test_idle_files_are_not_asked(caller: FakeCaller) -> None:
    ep, busy = epoll(caller), event(caller)
    idle = [Counting(busy.inode, busy.path, 0) for _ in range(50)]
    for number, file in enumerate(idle):
        file.queue = ep.sleepers.__class__("idle")
        ep.add(caller, 10 + number, file, EPOLLIN, number)
    ep.add(caller, 3, busy, EPOLLIN, 99)
    Counting.asked = 0
    for _ in range(20):
        post(caller, busy)
        assert collected(caller, ep) == [(EPOLLIN, 99)]
        caller.read(busy, 8)
        assert collected(caller, ep) == []
    assert Counting.asked == 0


def test_rings_and_long_chains_are_refused(caller: FakeCaller) -> None:
    chain = [epoll(caller) for _ in range(6)]
    for number in range(4):
        chain[number + 1].add(caller, number, chain[number], EPOLLIN, 0)
    with pytest.raises(ELOOP):
        chain[5].add(caller, 4, chain[4], EPOLLIN, 0)
    with pytest.raises(ELOOP):
        chain[0].add(caller, 4, chain[1], EPOLLIN, 0)


def test_many_ways_through_few_layers_are_looked_at_once(caller: FakeCaller) -> None:
    layers = [[epoll(caller) for _ in range(25)] for _ in range(4)]
    for upper, lower in pairwise(layers):
        for above in upper:
            for number, below in enumerate(lower):
                above.add(caller, number, below, EPOLLIN, 0)
    top, bottom = epoll(caller), epoll(caller)
    top.add(caller, 0, layers[0][0], EPOLLIN, 0)
    with pytest.raises(ELOOP):
        layers[3][0].add(caller, 0, bottom, EPOLLIN, 0)
    with pytest.raises(ELOOP):
        layers[3][0].add(caller, 0, top, EPOLLIN, 0)


def test_one_of_several_exclusive_watchers_is_told(caller: FakeCaller) -> None:
    class Nobody:
        woken = 0

        def wake_up(self) -> None:
            Nobody.woken += 1

    file = event(caller)
    files = [epoll(caller) for _ in range(3)]
    for ep in files:
        ep.add(caller, 3, file, EPOLLIN | EPOLLEXCLUSIVE, 0)
    for ep in files[1:]:  # nobody sleeps on the first: the wake-up goes on to the next
        sleep = Sleep((ep.sleepers,), None, True)
        Waiter(Nobody(), sleep.queues, sleep.exclusive)
    post(caller, file)
    assert Nobody.woken == 1
    assert [bool(ep.sleepers.waiters) for ep in files] == [False, False, True]


def test_a_wake_up_for_other_events_is_no_edge(caller: FakeCaller) -> None:
    ep, file = epoll(caller), event(caller, 1)
    ep.add(caller, 3, file, EPOLLOUT | EPOLLET, 0)
    assert collected(caller, ep) == [(EPOLLOUT, 0)]
    post(caller, file)
    assert collected(caller, ep) == []
    caller.read(file, 8)
    assert collected(caller, ep) == [(EPOLLOUT, 0)]
