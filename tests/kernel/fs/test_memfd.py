"""memfd_create(2): seals and what they refuse."""

from __future__ import annotations

import pytest

from kernel.abi.errors import EBUSY, EINVAL, EPERM
from kernel.abi.files import (
    F_SEAL_EXEC,
    F_SEAL_GROW,
    F_SEAL_SEAL,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
    FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_PUNCH_HOLE,
    MFD_ALLOW_SEALING,
    MFD_NOEXEC_SEAL,
    O_CREAT,
    O_RDWR,
    O_TRUNC,
)
from kernel.abi.memory import MAP_SHARED, PROT_READ, PROT_WRITE
from kernel.fs.memfd import make_memfd, sealable
from kernel.vfs.dentry import display_path
from kernel.vfs.open import open_existing
from kernel.vfs.openfile import OpenFile
from tests.support.files import FakeCaller, FileWorld


@pytest.fixture
def caller() -> FakeCaller:
    return FileWorld(ram=1 << 20).root


def memfd(caller: FakeCaller, flags: int = MFD_ALLOW_SEALING) -> OpenFile:
    file = make_memfd(caller, caller.kernel.frames, b"test", flags)
    file.hold()
    caller.write(file, b"x" * 100)
    return file


def test_a_memfd_is_a_file_without_a_name(caller: FakeCaller) -> None:
    file = memfd(caller)
    assert caller.read(file, 3, 0) == b"xxx"
    assert display_path(file.path) == b"/memfd:test (deleted)"
    assert file.inode.nlink == 0
    used = caller.kernel.frames.used_count
    file.drop()
    assert caller.kernel.frames.used_count == used - 1


def test_seals(caller: FakeCaller) -> None:
    file = memfd(caller)
    inode = sealable(file)
    inode.add_seals(F_SEAL_GROW)
    assert caller.write(file, b"y" * 200, 50) == 50
    with pytest.raises(EPERM):
        caller.write(file, b"y", 100)
    with pytest.raises(EPERM):
        file.truncate(caller, 101)
    inode.add_seals(F_SEAL_SHRINK)
    with pytest.raises(EPERM):
        file.truncate(caller, 99)
    inode.add_seals(F_SEAL_WRITE)
    with pytest.raises(EPERM):
        caller.write(file, b"z", 0)
    with pytest.raises(EPERM):
        file.fallocate(caller, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 10)
    inode.add_seals(F_SEAL_SEAL)
    with pytest.raises(EPERM):
        inode.add_seals(F_SEAL_GROW)


def test_write_seal_waits_for_writable_mappings_to_go(caller: FakeCaller) -> None:
    file = memfd(caller)
    inode = sealable(file)
    both = PROT_READ | PROT_WRITE
    address = caller.mm.mmap(0, 4096, both, MAP_SHARED, file.pager(), 0, file)
    with pytest.raises(EBUSY):
        inode.add_seals(F_SEAL_WRITE)
    caller.mm.munmap(address, 4096)
    inode.add_seals(F_SEAL_WRITE)
    assert inode.sealed


def test_without_permission_to_seal(caller: FakeCaller) -> None:
    inode = sealable(memfd(caller, 0))
    assert inode.seals == F_SEAL_SEAL
    with pytest.raises(EPERM):
        inode.add_seals(F_SEAL_GROW)


def test_noexec(caller: FakeCaller) -> None:
    inode = sealable(memfd(caller, MFD_NOEXEC_SEAL))
    assert inode.mode & 0o777 == 0o666
    assert inode.seals & F_SEAL_EXEC
    with pytest.raises(EPERM):
        inode.set_mode(0o777)


def test_only_memfds_have_seals(caller: FakeCaller) -> None:
    with pytest.raises(EINVAL):
        sealable(caller.open(b"/f", O_CREAT))
    with pytest.raises(EINVAL):
        sealable(memfd(caller)).add_seals(0x80)


def test_a_huge_hole_in_a_huge_mapping_takes_no_longer_than_its_pages(caller: FakeCaller) -> None:
    file = memfd(caller)
    huge = 1 << 45
    file.truncate(caller, huge)
    both = PROT_READ | PROT_WRITE
    base = caller.mm.mmap(0, huge, both, MAP_SHARED, file.pager(), 0, file)
    caller.mem.write(base + huge // 2, b"x")
    file.fallocate(caller, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, huge)
    assert (caller.mm.rss, file.inode.blocks) == (0, 0)
    assert caller.mem.read(base + huge // 2, 1) == b"\0"


def test_a_refused_truncation_does_not_leave_the_file_open(caller: FakeCaller) -> None:
    file = memfd(caller)
    sealable(file).add_seals(F_SEAL_SHRINK)
    opens = file.inode.opens
    with pytest.raises(EPERM):
        open_existing(caller, file.path, O_RDWR | O_TRUNC)
    assert file.inode.opens == opens
    file.drop()
    assert not caller.kernel.frames.used_count - caller.mm.table_frames
