"""Reading clocks and sleeping on them, on a clock that the test moves."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

from kernel.abi.errors import (
    EFAULT,
    EINVAL,
    EOPNOTSUPP,
    EPERM,
    ERESTART_RESTARTBLOCK,
    KernelError,
)
from kernel.clock.clock import COARSE_NS
from kernel.wait import Interrupted
from syscalls import clocks as handlers
from syscalls.restarts import RESTARTS
from tests.support.tasks import World

pytestmark = pytest.mark.row("X1")

clocks: Any = handlers  # Any: tests pass plain ints where handlers want kinds of arguments
SECOND = 1_000_000_000
BAD = 0x10
REALTIME, MONOTONIC, PROCESS, THREAD, RAW, REALTIME_COARSE, MONOTONIC_COARSE, BOOTTIME = range(8)


@pytest.fixture
def world() -> World:
    return World()


def timespec(world: World, at: int) -> int:
    seconds, nanoseconds = struct.unpack("<qq", world.program.mem.read(at, 16))
    assert 0 <= nanoseconds < SECOND
    return int(seconds * SECOND + nanoseconds)


def put(world: World, seconds: int, nanoseconds: int, at: int = 0) -> int:
    address = world.data + at
    world.program.mem.write(address, struct.pack("<qq", seconds, nanoseconds))
    return address


def read(world: World, clock: int) -> int:
    assert clocks.clock_gettime(world.program, clock, world.data) == 0
    return timespec(world, world.data)


def errno(call: Callable[..., Any], *args: Any) -> type[KernelError]:
    try:
        call(*args)
    except KernelError as error:
        return type(error)
    raise AssertionError("no error")


def test_the_wall_clocks(world: World) -> None:
    world.clock.advance(12_345_678)
    clock = world.clock
    assert read(world, REALTIME) == clock.realtime()
    assert read(world, MONOTONIC) == read(world, RAW) == read(world, BOOTTIME) == clock.monotonic()
    assert read(world, MONOTONIC_COARSE) == clock.monotonic() // COARSE_NS * COARSE_NS
    assert read(world, REALTIME_COARSE) == clock.realtime() // COARSE_NS * COARSE_NS


def test_the_processor_time_clocks(world: World) -> None:
    world.kernel_time(world.program, 5_000_000)
    assert read(world, PROCESS) >= 5_000_000
    assert read(world, THREAD) >= 5_000_000
    own = ~world.program.tid << 3
    assert read(world, own | 2) == read(world, PROCESS)
    assert read(world, own | 2 | 4) == read(world, THREAD)
    assert read(world, own | 1) == world.program.utime


@pytest.mark.parametrize("clock", [8, 9, 10, 11, 12, 100, -1, ~999 << 3 | 2, ~1 << 3 | 6])
def test_other_clocks_are_einval(world: World, clock: int) -> None:
    assert errno(clocks.clock_gettime, world.program, clock, world.data) is EINVAL
    assert errno(clocks.clock_getres, world.program, clock, world.data) is EINVAL
    assert errno(clocks.clock_settime, world.program, clock, put(world, 1, 0)) is EINVAL
    assert errno(clocks.clock_nanosleep, world.program, clock, 0, put(world, 1, 0), 0) is EINVAL


def test_resolution(world: World) -> None:
    for clock in range(8):
        assert clocks.clock_getres(world.program, clock, world.data) == 0
        expected = COARSE_NS if clock in (REALTIME_COARSE, MONOTONIC_COARSE) else 1
        assert timespec(world, world.data) == expected
    assert clocks.clock_getres(world.program, 0, 0) == 0


def test_bad_pointers(world: World) -> None:
    task = world.program
    assert errno(clocks.clock_gettime, task, 0, BAD) is EFAULT
    assert errno(clocks.clock_gettime, task, 99, BAD) is EINVAL
    assert errno(clocks.clock_getres, task, 0, BAD) is EFAULT
    assert errno(clocks.gettimeofday, task, BAD, 0) is EFAULT
    assert errno(clocks.gettimeofday, task, 0, BAD) is EFAULT
    assert errno(clocks.time, task, BAD) is EFAULT
    assert errno(clocks.times, task, BAD) is EFAULT
    assert errno(clocks.nanosleep, task, BAD, 0) is EFAULT
    assert errno(clocks.clock_settime, task, 0, BAD) is EFAULT


def test_time_and_gettimeofday(world: World) -> None:
    task = world.program
    now = world.clock.realtime()
    assert clocks.gettimeofday(task, world.data, world.data + 16) == 0
    seconds, microseconds, west, dst = struct.unpack("<qqii", task.mem.read(world.data, 24))
    assert (seconds, microseconds, west, dst) == (now // SECOND, now % SECOND // 1000, 0, 0)
    assert clocks.time(task, world.data) == seconds
    assert task.mem.read_u64(world.data) == seconds


def test_times_counts_ticks(world: World) -> None:
    task = world.program
    world.kernel_time(task, 250_000_000)
    task.group.child_usage.utime = 1_000_000_000
    assert clocks.times(task, world.data) == world.clock.monotonic() // 10_000_000
    assert struct.unpack("<4q", task.mem.read(world.data, 32))[1:3] == (25, 100)


def test_root_sets_the_time_of_this_machine_only(world: World) -> None:
    task = world.program
    before = world.clock.monotonic()
    assert clocks.clock_settime(task, REALTIME, put(world, 2_000_000_000, 7)) == 0
    assert read(world, REALTIME) == 2_000_000_000 * SECOND + 7
    assert world.clock.monotonic() == before
    assert errno(clocks.clock_settime, task, REALTIME, put(world, 0, 0)) is EINVAL
    assert errno(clocks.clock_settime, task, REALTIME, put(world, 5, SECOND)) is EINVAL
    assert errno(clocks.clock_settime, task, MONOTONIC, put(world, 5, 0)) is EINVAL


def test_others_may_not_set_it() -> None:
    world = World(user=1000)
    task = world.program
    assert errno(clocks.clock_settime, task, REALTIME, put(world, 2_000_000_000, 0)) is EPERM
    assert errno(clocks.clock_settime, task, REALTIME, put(world, -1, 0)) is EINVAL
    assert errno(clocks.settimeofday, task, put(world, 2_000_000_000, 0), 0) is EPERM
    assert errno(clocks.settimeofday, task, 0, put(world, 0, 0)) is EPERM


def test_adjtimex_reads(world: World) -> None:
    task = world.program
    task.mem.write(world.data, bytes(208))
    assert clocks.adjtimex(task, world.data) == 5
    assert task.mem.read_u64(world.data + 88) == 10_000
    task.mem.write(world.data, struct.pack("<I", 1))
    assert errno(clocks.adjtimex, task, world.data) is EOPNOTSUPP


# --- sleeping ------------------------------------------------------------------------------------


def test_a_sleep_ends_at_its_time(world: World) -> None:
    task = world.program
    assert world.call(task, clocks.nanosleep(task, put(world, 1, 5), 0)) is None
    world.advance(SECOND)
    assert task.tid not in world.results
    world.advance(5)
    assert world.results[task.tid] == 0


@pytest.mark.parametrize("value", [(-1, 0), (0, -1), (0, SECOND), (1 << 62, SECOND + 1)])
def test_no_time_is_einval(world: World, value: tuple[int, int]) -> None:
    assert errno(clocks.nanosleep, world.program, put(world, *value), 0) is EINVAL


def test_a_very_long_sleep_is_cut_to_the_end_of_time(world: World) -> None:
    task = world.program
    assert world.call(task, clocks.nanosleep(task, put(world, 1 << 62, 0), 0)) is None
    world.advance(10**15)
    assert task.tid not in world.results


@pytest.mark.parametrize("clock", [REALTIME, MONOTONIC, BOOTTIME])
def test_a_sleep_until_a_time(world: World, clock: int) -> None:
    task = world.program
    until = divmod(read(world, clock) + 3 * SECOND, SECOND)
    sleep = clocks.clock_nanosleep(task, clock, 1, put(world, *until), 0)
    assert world.call(task, sleep) is None
    world.advance(3 * SECOND - 1)
    assert task.tid not in world.results
    world.advance(1)
    assert world.results[task.tid] == 0


def test_setting_the_time_of_day_ends_a_sleep_until_it(world: World) -> None:
    task = world.program
    until = read(world, REALTIME) // SECOND + 1000
    sleep = clocks.clock_nanosleep(task, REALTIME, 1, put(world, until, 0), 0)
    assert world.call(task, sleep) is None
    world.clock.set_realtime((until - 1) * SECOND)
    world.run_all()
    assert task.tid not in world.results
    world.advance(SECOND)
    assert world.results.pop(task.tid) == 0
    relative = clocks.clock_nanosleep(task, REALTIME, 0, put(world, 5, 0), 0)
    assert world.call(task, relative) is None
    world.clock.set_realtime((until + 10_000) * SECOND)
    world.run_all()
    assert task.tid not in world.results


def test_a_sleep_until_the_past_does_not_sleep(world: World) -> None:
    task = world.program
    assert world.call(task, clocks.clock_nanosleep(task, MONOTONIC, 1, put(world, 0, 1), 0)) == 0


def test_a_sleep_on_processor_time_waits_for_that(world: World) -> None:
    task, other = world.program, world.fork()
    clock = ~other.tid << 3 | 2
    assert world.call(task, clocks.clock_nanosleep(task, clock, 0, put(world, 0, 1000), 0)) is None
    world.advance(5000)
    assert task.tid not in world.results
    world.kernel_time(other, 1000)
    world.advance(5000)
    assert world.results[task.tid] == 0


@pytest.mark.parametrize(
    ("clock", "error"), [(RAW, EOPNOTSUPP), (REALTIME_COARSE, EOPNOTSUPP), (THREAD, EINVAL)]
)
def test_clocks_nobody_can_sleep_on(world: World, clock: int, error: type[KernelError]) -> None:
    assert errno(clocks.clock_nanosleep, world.program, clock, 0, put(world, 1, 0), 0) is error


def test_an_interrupted_sleep_says_what_is_left_and_goes_on(world: World) -> None:
    task = world.program
    rem = world.data + 64
    generator: Any = clocks.nanosleep(task, put(world, 3, 0), rem)
    next(generator)
    world.clock.advance(SECOND)
    from_kernel = _interrupt(generator)
    assert isinstance(from_kernel, ERESTART_RESTARTBLOCK)
    assert timespec(world, rem) == 2 * SECOND
    name, args, deadline = from_kernel.block
    again: Any = RESTARTS[name](task, args, deadline)
    sleep = next(again)
    assert sleep.deadline == world.clock.monotonic() + 2 * SECOND


def _interrupt(generator: Any) -> KernelError:
    with pytest.raises(KernelError) as caught:
        generator.throw(Interrupted())
    return caught.value


def test_an_interrupted_sleep_with_a_bad_rem_is_efault(world: World) -> None:
    generator: Any = clocks.nanosleep(world.program, put(world, 3, 0), BAD)
    next(generator)
    assert isinstance(_interrupt(generator), EFAULT)


def test_an_interrupted_sleep_that_was_over_anyway_is_0(world: World) -> None:
    generator: Any = clocks.nanosleep(world.program, put(world, 1, 0), BAD)
    next(generator)
    world.clock.advance(SECOND)
    with pytest.raises(StopIteration) as stop:
        generator.throw(Interrupted())
    assert stop.value.value == 0
