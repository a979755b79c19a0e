"""null, zero, full, random, and the nodes of /dev."""

from __future__ import annotations

import pytest

from kernel.abi.errors import EACCES, ENOSPC, ENXIO
from kernel.abi.files import AT_FDCWD, MS_NODEV, O_RDWR, O_WRONLY, S_IFCHR, makedev
from kernel.fs.devices import RANDOM_MAX
from kernel.vfs.create import mknod_at
from tests.support.files import FakeCaller, FileWorld


@pytest.fixture
def caller() -> FakeCaller:
    return FileWorld().with_dev().root


def test_null_swallows_and_is_empty(caller: FakeCaller) -> None:
    null = caller.open(b"/dev/null", O_RDWR)
    assert caller.write(null, b"x" * 10) == 10
    assert caller.read(null) == b""


def test_null_does_not_look_at_the_bytes(caller: FakeCaller) -> None:
    null = caller.open(b"/dev/null", O_WRONLY)
    assert null.write(caller, caller.mem.buffer(0x1000, 5), None) == 5


def test_zero_and_full(caller: FakeCaller) -> None:
    assert caller.read(caller.open(b"/dev/zero"), 100_000) == bytes(100_000)
    full = caller.open(b"/dev/full", O_RDWR)
    assert caller.read(full, 3) == bytes(3)
    with pytest.raises(ENOSPC):
        caller.write(full, b"x")


@pytest.mark.parametrize("name", [b"/dev/random", b"/dev/urandom"])
def test_random_gives_the_machines_bytes(caller: FakeCaller, name: bytes) -> None:
    device = caller.open(name, O_RDWR)
    assert caller.read(device, 4) == b"\x5a" * 4
    assert caller.write(device, b"seed") == 4


def test_one_read_gives_less_than_32_mebibytes(caller: FakeCaller) -> None:
    assert len(caller.read(caller.open(b"/dev/urandom"), 1 << 25)) == RANDOM_MAX


def test_a_number_nobody_drives_is_enxio(caller: FakeCaller) -> None:
    mknod_at(caller, AT_FDCWD, b"/odd", S_IFCHR | 0o600, makedev(200, 1))
    with pytest.raises(ENXIO):
        caller.open(b"/odd")


def test_nodes_work_on_any_file_system_unless_nodev(caller: FakeCaller) -> None:
    mknod_at(caller, AT_FDCWD, b"/zero", S_IFCHR | 0o600, makedev(1, 5))
    assert caller.read(caller.open(b"/zero"), 2) == bytes(2)
    caller.fs.root.mount.flags |= MS_NODEV
    with pytest.raises(EACCES):
        caller.open(b"/zero")


def test_the_nodes_of_dev(caller: FakeCaller) -> None:
    for name in (b"null", b"zero", b"full", b"random", b"urandom", b"tty", b"console", b"ptmx"):
        assert caller.inode(b"/dev/" + name).mode & S_IFCHR == S_IFCHR
    assert caller.inode(b"/dev/shm").mode & 0o7777 == 0o1777
    assert caller.inode(b"/dev/fd").readlink(caller) == b"/proc/self/fd"
