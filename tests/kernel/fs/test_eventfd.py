"""eventfd(2): the counter, semaphore mode, waiting."""

from __future__ import annotations

import pytest

from kernel.abi.errors import EAGAIN, EINVAL
from kernel.abi.files import POLLIN, POLLOUT
from kernel.fs.eventfd import MAXIMUM, make_eventfd
from kernel.mm.buffer import KernelBuffer
from tests.support.files import FakeCaller, FileWorld, Sleeping


@pytest.fixture
def caller() -> FakeCaller:
    return FileWorld(ram=1 << 20).root


def word(value: int) -> bytes:
    return value.to_bytes(8, "little")


def test_reading_takes_all_and_a_semaphore_one(caller: FakeCaller) -> None:
    event = make_eventfd(caller, 3, nonblock=True, semaphore=False)
    assert caller.read(event, 8) == word(3)
    with pytest.raises(EAGAIN):
        caller.read(event, 8)
    counting = make_eventfd(caller, 2, nonblock=True, semaphore=True)
    assert (caller.read(counting, 8), caller.read(counting, 8)) == (word(1), word(1))


def test_sizes_and_values(caller: FakeCaller) -> None:
    event = make_eventfd(caller, 0, nonblock=True, semaphore=False)
    with pytest.raises(EINVAL):
        caller.read(event, 7)
    with pytest.raises(EINVAL):
        caller.write(event, word(MAXIMUM + 1))
    caller.write(event, word(MAXIMUM))
    with pytest.raises(EAGAIN):
        caller.write(event, word(1))


def test_reader_and_writer_wait_for_each_other(caller: FakeCaller) -> None:
    event = make_eventfd(caller, 0, nonblock=False, semaphore=False)
    assert event.poll(caller, POLLIN | POLLOUT) == POLLOUT
    reader = Sleeping(event.read(caller, KernelBuffer.empty(8), None))
    caller.write(event, word(7))
    assert reader.run()
    caller.write(event, word(MAXIMUM))
    assert event.poll(caller, POLLIN | POLLOUT) == POLLIN
    writer = Sleeping(event.write(caller, KernelBuffer(word(1)), None))
    assert caller.read(event, 8) == word(MAXIMUM)
    assert writer.run()
