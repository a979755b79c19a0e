"""uname, sysinfo, getrandom, host names, personality."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from kernel.abi.errors import EFAULT, EINVAL, EPERM
from kernel.abi.structs import SYSINFO, UTSNAME
from syscalls import system as handlers
from tests.support.tasks import World

pytestmark = pytest.mark.row("X1")
system: Any = handlers  # Any: tests pass plain ints where handlers want kinds of arguments
BAD = 0x10
NONBLOCK, RANDOM, INSECURE = 1, 2, 4


@pytest.fixture(params=["x86_64", "aarch64"])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def test_uname_pads_every_field_with_zeros(world: World) -> None:
    world.program.mem.write(world.data, b"\xff" * 400)
    assert system.uname(world.program, world.data) == 0
    data = world.program.mem.read(world.data, 391)
    fields = UTSNAME.unpack(data[:390])
    assert [field.rstrip(b"\0") for field in fields[:3]] == [b"Linux", b"test", b"6.1.0"]
    assert fields[4].rstrip(b"\0").decode() == world.kernel.names.machine
    assert all(b"\xff" not in field for field in fields)
    assert data[390] == 0xFF
    with pytest.raises(EFAULT):
        system.uname(world.program, BAD)


def test_sethostname_shows_in_uname_and_checks_in_order(world: World) -> None:
    world.program.mem.write(world.data, b"newname")
    assert system.sethostname(world.program, world.data, 7) == 0
    assert world.kernel.names.host == "newname"
    with pytest.raises(EINVAL):
        system.sethostname(world.program, BAD, 65)
    with pytest.raises(EFAULT):
        system.sethostname(world.program, BAD, 64)
    assert system.setdomainname(world.program, world.data, 0) == 0
    assert world.kernel.names.domain == ""


def test_names_need_a_capability_first() -> None:
    world = World(user=1000)
    with pytest.raises(EPERM):
        system.sethostname(world.program, BAD, 1000)


def test_sysinfo_changes_with_the_state(world: World) -> None:
    assert system.sysinfo(world.program, world.data) == 0
    before = SYSINFO.unpack(world.program.mem.read(world.data, SYSINFO.size))
    world.fork()
    world.clock.advance(5_000_000_000)
    frames = [world.kernel.frames.alloc() for _ in range(10)]
    system.sysinfo(world.program, world.data)
    after = SYSINFO.unpack(world.program.mem.read(world.data, SYSINFO.size))
    assert after[0] == before[0] + 5
    assert after[10] == before[10] + 1
    assert after[4] == before[4]
    assert after[5] <= before[5] - 10 * 4096
    assert after[14] == 1
    for frame in frames:
        world.kernel.frames.put(frame)


def test_getrandom_flags(world: World) -> None:
    for flags in (0, NONBLOCK, RANDOM, INSECURE, NONBLOCK | RANDOM, NONBLOCK | INSECURE):
        assert system.getrandom(world.program, world.data, 16, flags) == 16
    for flags in (8, RANDOM | INSECURE, 1 << 31):
        with pytest.raises(EINVAL):
            system.getrandom(world.program, world.data, 16, flags)


def test_getrandom_fills_and_moves_on(world: World) -> None:
    system.getrandom(world.program, world.data, 32, 0)
    first = world.program.mem.read(world.data, 32)
    system.getrandom(world.program, world.data, 32, 0)
    assert first != world.program.mem.read(world.data, 32)
    assert system.getrandom(world.program, BAD, 0, 0) == 0


def test_getrandom_at_the_edge_returns_what_fitted_or_efault(world: World) -> None:
    end = world.data + 0x10000
    with pytest.raises(EFAULT):
        system.getrandom(world.program, end, 1, 0)
    with pytest.raises(EFAULT):
        system.getrandom(world.program, BAD, 1 << 40, 0)


def test_a_seed_repeats_itself() -> None:
    found = []
    for _ in range(2):
        world = World()
        system.getrandom(world.program, world.data, 32, 0)
        found.append(world.program.mem.read(world.data, 32))
    assert found[0] == found[1]


def test_getcpu_writes_where_asked(world: World) -> None:
    world.program.mem.write(world.data, b"\xff" * 8)
    assert system.getcpu(world.program, world.data, world.data + 4, BAD) == 0
    assert struct.unpack("<II", world.program.mem.read(world.data, 8)) == (0, 0)
    assert system.getcpu(world.program, 0, 0, 0) == 0
    with pytest.raises(EFAULT):
        system.getcpu(world.program, BAD, 0, 0)


def test_personality_asks_sets_and_refuses(world: World) -> None:
    assert system.personality(world.program, 0xFFFFFFFF) == 0
    assert system.personality(world.program, 0x0040000) == 0
    assert system.personality(world.program, 0xFFFFFFFF) == 0x0040000
    with pytest.raises(EINVAL):
        system.personality(world.program, 8)  # PER_LINUX32
