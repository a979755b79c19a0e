"""Random operations on an epoll file against a model that asks every descriptor."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kernel.abi.errors import EAGAIN, EEXIST, ENOENT
from kernel.abi.files import EPOLLET, EPOLLIN, EPOLLONESHOT
from kernel.fs.epoll import ALIGNED_EVENT, EpollFile, make_epoll
from kernel.fs.eventfd import make_eventfd
from kernel.vfs.openfile import OpenFile
from tests.support.files import FakeCaller, FileWorld

FILES = st.integers(0, 3)
HOW = st.sampled_from((0, EPOLLET, EPOLLONESHOT, EPOLLET | EPOLLONESHOT))


@dataclass
class Expected:
    """What the model keeps of one interest: ``news`` since it was last looked at."""

    how: int
    news: bool
    off: bool = False


class Room:
    """Memory that keeps what is stored."""

    def __init__(self) -> None:
        self.found: list[int] = []

    def pack(self, layout: object, address: int, events: int, data: int) -> None:
        assert events == EPOLLIN
        self.found.append(data)


class EpollModel(RuleBasedStateMachine):
    """Four counters, one epoll file."""

    def __init__(self) -> None:
        super().__init__()
        self.caller: FakeCaller = FileWorld(ram=1 << 20).root
        file = make_epoll(self.caller)
        assert isinstance(file, EpollFile)
        self.epoll = file
        self.files = [self._counter() for _ in range(4)]
        self.counts = [0] * 4
        self.model: dict[int, Expected] = {}

    def _counter(self) -> OpenFile:
        file = make_eventfd(self.caller, 0, nonblock=True, semaphore=False)
        file.hold()
        return file

    @rule(n=FILES)
    def write(self, n: int) -> None:
        self.caller.write(self.files[n], (1).to_bytes(8, "little"))
        self.counts[n] += 1
        if n in self.model and not self.model[n].off:
            self.model[n].news = True

    @rule(n=FILES)
    def read(self, n: int) -> None:
        try:
            self.caller.read(self.files[n], 8)
        except EAGAIN:
            assert not self.counts[n]
        self.counts[n] = 0

    @rule(n=FILES, how=HOW)
    def add(self, n: int, how: int) -> None:
        try:
            self.epoll.add(self.caller, n, self.files[n], EPOLLIN | how, n)
        except EEXIST:
            assert n in self.model
        else:
            self.model[n] = Expected(how, bool(self.counts[n]))

    @rule(n=FILES, how=HOW)
    def modify(self, n: int, how: int) -> None:
        try:
            self.epoll.modify(self.caller, n, self.files[n], EPOLLIN | how, n)
        except ENOENT:
            assert n not in self.model
        else:
            self.model[n] = Expected(how, bool(self.counts[n]) or self.model[n].news)

    @rule(n=FILES)
    def remove(self, n: int) -> None:
        try:
            self.epoll.remove(n, self.files[n])
        except ENOENT:
            assert n not in self.model
        self.model.pop(n, None)

    @rule(n=FILES)
    def close(self, n: int) -> None:
        self.files[n].drop()
        self.files[n] = self._counter()
        self.counts[n] = 0
        self.model.pop(n, None)

    @rule()
    def wait(self) -> None:
        room = Room()
        self.epoll.collect(self.caller, room, 0, 64, ALIGNED_EVENT)  # type: ignore[arg-type]
        assert sorted(room.found) == self._expected()

    def _expected(self) -> list[int]:
        found = []
        for n, expected in sorted(self.model.items()):
            news, expected.news = expected.news, False
            if expected.off or not self.counts[n]:
                continue
            if news or not expected.how & EPOLLET:
                found.append(n)
                expected.off = bool(expected.how & EPOLLONESHOT)
        return found

    @rule()
    def poll(self) -> None:
        """Asking the epoll file itself tells the same and takes nothing away."""
        ready = any(
            self.counts[n] and not expected.off and (expected.news or not expected.how & EPOLLET)
            for n, expected in self.model.items()
        )
        assert bool(self.epoll.poll(self.caller, EPOLLIN)) == ready

    @invariant()
    def is_consistent(self) -> None:
        self.epoll.check_invariants()


TestEpollModel = EpollModel.TestCase
TestEpollModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
