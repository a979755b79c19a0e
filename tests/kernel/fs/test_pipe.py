"""Pipes: bytes in order, PIPE_BUF, EPIPE, polling; FIFOs: who waits for whom."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kernel.abi.errors import EAGAIN, EBUSY, EINVAL, ENXIO, EPERM, EPIPE
from kernel.abi.files import (
    AT_FDCWD,
    O_DIRECT,
    O_NONBLOCK,
    O_RDONLY,
    O_RDWR,
    O_WRONLY,
    PIPE_BUF,
    POLLERR,
    POLLHUP,
    POLLIN,
    POLLOUT,
    S_IFIFO,
    SIGPIPE,
)
from kernel.fs.pipe import PipeFile, make_pipe
from kernel.mm.buffer import KernelBuffer
from kernel.vfs.create import mknod_at
from kernel.vfs.open import OpenHow, open_at
from kernel.vfs.openfile import OpenFile
from kernel.wait import Interrupted
from tests.support.files import FakeCaller, FileWorld, Sleeping


def pair(caller: FakeCaller, flags: int = 0) -> tuple[PipeFile, PipeFile]:
    ends = make_pipe(caller, flags)
    for end in ends:
        end.hold()
    read, write = ends
    assert isinstance(read, PipeFile)
    assert isinstance(write, PipeFile)
    return read, write


@pytest.fixture
def caller() -> FakeCaller:
    return FileWorld(ram=1 << 20).root


class PipeAgainstBytes(RuleBasedStateMachine):
    """A pipe is a bytes object with a limit."""

    def __init__(self) -> None:
        super().__init__()
        self.caller = FileWorld(ram=1 << 20).root
        self.read_end, self.write_end = pair(self.caller, O_NONBLOCK)
        self.content = b""
        self.counter = 0

    @rule(size=st.sampled_from((0, 1, 2, 100, 4096, 4097, 30000, 65536, 70000)))
    def write(self, size: int) -> None:
        data = bytes((self.counter + i) & 0xFF for i in range(size))
        self.counter += size
        room = self.write_end.pipe.capacity - len(self.content)
        if size and (not room or (size > room and size <= PIPE_BUF)):
            with pytest.raises(EAGAIN):
                self.caller.write(self.write_end, data)
            return
        assert self.caller.write(self.write_end, data) == min(size, room)
        self.content += data[:room]

    @rule(size=st.sampled_from((0, 1, 3, 4096, 50000, 70000)))
    def read(self, size: int) -> None:
        if size and not self.content:
            with pytest.raises(EAGAIN):
                self.caller.read(self.read_end, size)
            return
        assert self.caller.read(self.read_end, size) == self.content[:size]
        self.content = self.content[size:]

    @rule(pages=st.sampled_from((1, 2, 16, 20)))
    def resize(self, pages: int) -> None:
        capacity = 4096 << (pages - 1).bit_length()
        if capacity < len(self.content):
            with pytest.raises(EBUSY):
                self.write_end.pipe.resize(self.caller, pages * 4096)
        else:
            assert self.write_end.pipe.resize(self.caller, pages * 4096) == capacity

    @invariant()
    def agrees(self) -> None:
        self.write_end.pipe.check_invariants()
        assert self.write_end.pipe.size == len(self.content)
        assert bool(self.read_end.poll(self.caller, POLLIN)) == bool(self.content)


TestPipeAgainstBytes = PipeAgainstBytes.TestCase
TestPipeAgainstBytes.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_reader_waits_and_is_woken(caller: FakeCaller) -> None:
    read, write = pair(caller)
    buf = KernelBuffer.empty(10)
    call: Any = read.read(caller, buf, None)
    sleeping = Sleeping(call)
    assert not sleeping.run()
    caller.write(write, b"abc")
    assert sleeping.run()
    assert (sleeping.result, buf.filled()) == (3, b"abc")


def test_reader_sees_the_end_when_the_last_writer_goes(caller: FakeCaller) -> None:
    read, write = pair(caller)
    sleeping = Sleeping(read.read(caller, KernelBuffer.empty(1), None))
    write.drop()
    assert sleeping.run()
    assert sleeping.result == 0
    assert caller.read(read) == b""
    assert read.poll(caller, POLLIN) == POLLHUP


def test_small_write_is_all_or_nothing(caller: FakeCaller) -> None:
    read, write = pair(caller)
    caller.write(write, b"x" * 65000)
    sleeping = Sleeping(write.write(caller, KernelBuffer(b"y" * 4096), None))
    caller.read(read, 100)
    assert not sleeping.run()
    assert write.pipe.size == 64900
    caller.read(read, 64900)
    assert sleeping.run()
    assert sleeping.result == 4096
    assert caller.read(read) == b"y" * 4096


def test_large_write_fills_and_goes_on(caller: FakeCaller) -> None:
    read, write = pair(caller)
    data = bytes(i % 251 for i in range(200_000))
    sleeping = Sleeping(write.write(caller, KernelBuffer(data), None))
    got = b""
    while len(got) < len(data):
        got += caller.read(read, 50_000)
        sleeping.run()
    assert sleeping.result == len(data)
    assert got == data


def test_interrupted_write_tells_what_it_wrote(caller: FakeCaller) -> None:
    _read, write = pair(caller)
    sleeping = Sleeping(write.write(caller, KernelBuffer(b"z" * 100_000), None))
    sleeping.interrupt()
    assert sleeping.result == 65536
    again = Sleeping(write.write(caller, KernelBuffer(b"z"), None))
    again.interrupt()
    assert isinstance(again.error, Interrupted)


def test_writing_without_a_reader_is_epipe_and_sigpipe(caller: FakeCaller) -> None:
    read, write = pair(caller)
    read.drop()
    with pytest.raises(EPIPE) as caught:
        caller.write(write, b"x")
    assert caught.value.signal == SIGPIPE
    assert write.poll(caller, POLLOUT) == POLLOUT | POLLERR


def test_sleeping_writer_gets_epipe_when_the_reader_goes(caller: FakeCaller) -> None:
    read, write = pair(caller)
    caller.write(write, b"x" * 65536)
    sleeping = Sleeping(write.write(caller, KernelBuffer(b"y"), None))
    read.drop()
    sleeping.run()
    assert isinstance(sleeping.error, EPIPE)


def test_pollout_means_room_for_an_atomic_write(caller: FakeCaller) -> None:
    read, write = pair(caller)
    caller.write(write, b"x" * (65536 - PIPE_BUF + 1))
    assert not write.poll(caller, POLLOUT)
    caller.read(read, 1)
    assert write.poll(caller, POLLOUT) == POLLOUT


def test_resize_limits(caller: FakeCaller) -> None:
    _read, write = pair(caller)
    assert write.pipe.resize(caller, 0) == 4096
    assert write.pipe.resize(caller, 1 << 21) == 1 << 21
    user = caller.kernel.caller(1000)
    with pytest.raises(EPERM):
        write.pipe.resize(user, 1 << 22)
    with pytest.raises(EINVAL):
        write.pipe.resize(caller, (1 << 31) + 1)


def test_packets_keep_their_bounds(caller: FakeCaller) -> None:
    read, write = pair(caller, O_DIRECT | O_NONBLOCK)
    caller.write(write, b"first")
    caller.write(write, b"second")
    assert caller.read(read, 3) == b"fir"  # the rest of the packet is lost
    assert caller.read(read, 100) == b"second"


# --- FIFOs ---------------------------------------------------------------------------------------


def opened(caller: FakeCaller, flags: int) -> Any:
    return open_at(caller, AT_FDCWD, b"/fifo", OpenHow.from_flags(flags, 0))


@pytest.fixture
def fifo(caller: FakeCaller) -> FakeCaller:
    mknod_at(caller, AT_FDCWD, b"/fifo", S_IFIFO | 0o644, 0)
    return caller


def test_fifo_reader_waits_for_a_writer(fifo: FakeCaller) -> None:
    reader = Sleeping(opened(fifo, O_RDONLY))
    writer = opened(fifo, O_WRONLY)
    assert reader.run()
    fifo.write(writer, b"hello")
    assert fifo.read(reader.result) == b"hello"


def test_fifo_writer_waits_for_a_reader_even_one_that_left(fifo: FakeCaller) -> None:
    writer = Sleeping(opened(fifo, O_WRONLY))
    reader = opened(fifo, O_RDONLY | O_NONBLOCK)
    reader.hold()
    reader.drop()
    assert writer.run()
    with pytest.raises(EPIPE):
        fifo.write(writer.result, b"x")


def test_fifo_without_waiting(fifo: FakeCaller) -> None:
    with pytest.raises(ENXIO):
        opened(fifo, O_WRONLY | O_NONBLOCK)
    reader = opened(fifo, O_RDONLY | O_NONBLOCK)
    assert fifo.read(reader) == b""
    assert reader.poll(fifo, POLLIN) == 0  # no writer yet is no hang-up
    both = opened(fifo, O_RDWR)
    fifo.write(both, b"x")
    assert fifo.read(both) == b"x"


def test_interrupted_open_leaves_no_end_behind(fifo: FakeCaller) -> None:
    waiting = Sleeping(opened(fifo, O_RDONLY))
    waiting.interrupt()
    assert isinstance(waiting.error, Interrupted)
    with pytest.raises(ENXIO):
        opened(fifo, O_WRONLY | O_NONBLOCK)


def test_a_pipe_that_is_fuller_than_full_takes_nothing(caller: FakeCaller) -> None:
    read, write = pair(caller)
    caller.write(write, b"x" * read.pipe.capacity)
    taken = read.pipe.take(10000)
    caller.write(write, b"y" * 10000)
    writer = Sleeping(write.write(caller, KernelBuffer(b"z" * 5000), None))
    read.pipe.put_back(taken)
    assert not writer.run(), "there is no room"
    write.flags |= O_NONBLOCK
    for size in (1, 5000):
        with pytest.raises(EAGAIN):
            caller.write(write, b"z" * size)
    assert caller.read(read, 10001) == b"x" * 10001


def test_what_comes_back_wakes_a_reader(caller: FakeCaller) -> None:
    read, write = pair(caller)
    caller.write(write, b"abc")
    taken = read.pipe.take(3)
    buffer = KernelBuffer.empty(5)
    reader = Sleeping(read.read(caller, buffer, None))
    read.pipe.put_back(taken)
    assert reader.run()
    assert reader.result == 3
    assert buffer.filled() == b"abc"


def test_fifo_partner_that_came_between_a_signal_and_its_taking_is_not_lost(
    fifo: FakeCaller,
) -> None:
    opening = opened(fifo, O_RDONLY)
    assert not isinstance(opening, OpenFile)
    next(opening)  # asleep; a signal makes the task runnable, which has not run yet
    writer = opened(fifo, O_WRONLY)
    assert isinstance(writer, OpenFile)
    with pytest.raises(StopIteration) as ended:
        opening.throw(Interrupted())
    fifo.write(writer, b"hello")
    assert fifo.read(ended.value.value) == b"hello"
