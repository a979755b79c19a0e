"""tmpfs: contents against bytes, holes, space, unnamed files, mappings that see truncation."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kernel.abi.errors import EFBIG, EINVAL, ENODATA, ENOSPC, ENOTEMPTY, ENXIO, EOPNOTSUPP
from kernel.abi.files import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_PUNCH_HOLE,
    FALLOC_FL_ZERO_RANGE,
    O_APPEND,
    O_CREAT,
    O_RDWR,
    O_TMPFILE,
    SEEK_DATA,
    SEEK_HOLE,
    SIGXFSZ,
    XATTR_CREATE,
    XATTR_REPLACE,
    XATTR_SIZE_MAX,
)
from kernel.abi.memory import MAP_PRIVATE, MAP_SHARED, PROT_READ, PROT_WRITE
from kernel.cred import RLIMIT_FSIZE
from kernel.fs.tmpfs import Tmpfs, TmpfsFile, parse_size
from kernel.mm.buffer import KernelBuffer
from kernel.mm.physical import CODE
from kernel.vfs.create import link_at, mkdir_at
from kernel.vfs.openfile import OpenFile
from kernel.vfs.remove import rmdir_at, unlink_at
from tests.support.files import FakeCaller, FileWorld

PAGE = 4096


class ContentsAgainstBytes(RuleBasedStateMachine):
    """One file; the model is a bytearray."""

    def __init__(self) -> None:
        super().__init__()
        self.world = FileWorld(ram=1 << 20)
        self.caller = self.world.root
        self.file = self.caller.open(b"/f", O_CREAT | O_RDWR)
        self.file.hold()
        self.model = bytearray()
        self.mark = 0

    offsets = st.sampled_from((0, 1, 100, 4095, 4096, 4097, 9000, 20000, 40960))
    lengths = st.sampled_from((0, 1, 5, 4095, 4096, 4097, 12288, 20000))

    @rule(at=offsets, length=lengths)
    def write(self, at: int, length: int) -> None:
        self.mark += 1
        data = bytes([self.mark & 0xFF or 1]) * length
        assert self.caller.write(self.file, data, at) == length
        if length:
            self.model.extend(bytes(max(at + length - len(self.model), 0)))
            self.model[at : at + length] = data

    @rule(at=offsets, length=lengths)
    def read(self, at: int, length: int) -> None:
        assert self.caller.read(self.file, length, at) == bytes(self.model[at : at + length])

    @rule(size=offsets)
    def truncate(self, size: int) -> None:
        self.file.truncate(self.caller, size)
        del self.model[size:]
        self.model.extend(bytes(size - len(self.model)))

    @rule(at=offsets, length=st.integers(1, 20000), zero=st.booleans())
    def punch(self, at: int, length: int, zero: bool) -> None:
        mode = FALLOC_FL_ZERO_RANGE if zero else FALLOC_FL_PUNCH_HOLE
        self.file.fallocate(self.caller, mode | FALLOC_FL_KEEP_SIZE, at, length)
        end = min(at + length, len(self.model))
        if at < end:
            self.model[at:end] = bytes(end - at)

    @rule(at=offsets, length=st.integers(1, 20000))
    def allocate(self, at: int, length: int) -> None:
        self.file.fallocate(self.caller, 0, at, length)
        self.model.extend(bytes(max(at + length - len(self.model), 0)))

    @invariant()
    def agrees(self) -> None:
        assert self.file.inode.size == len(self.model)
        assert self.caller.read(self.file, 1 << 20, 0) == bytes(self.model)
        self.file.inode.contents.check_invariants()  # type: ignore[attr-defined]
        self.world.frames.check_invariants()

    def teardown(self) -> None:
        unlink_at(self.caller, AT_FDCWD, b"/f")
        used = self.world.frames.used_count
        self.file.drop()
        assert self.world.frames.used_count <= used
        assert self.world.rootfs.budget.used == 0


TestContentsAgainstBytes = ContentsAgainstBytes.TestCase
TestContentsAgainstBytes.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)


@pytest.fixture
def caller() -> FakeCaller:
    return FileWorld(ram=1 << 20).root


def created(caller: FakeCaller, path: bytes = b"/f", flags: int = 0) -> OpenFile:
    file = caller.open(path, O_CREAT | O_RDWR | flags)
    file.hold()
    return file


def with_small(size: int | None = None, inodes: int | None = None) -> tuple[FileWorld, Tmpfs]:
    """A world with a small tmpfs at /small."""
    world = FileWorld()
    small = Tmpfs(world.frames, world.mounts.new_dev(), world.now, size, inodes=inodes)
    world.mounts.mount(small, mkdir_at(world.root, AT_FDCWD, b"/small", 0o755))
    return world, small


def test_holes_take_no_space_and_can_be_found(caller: FakeCaller) -> None:
    file = created(caller)
    caller.write(file, b"x", 5 * PAGE)
    assert file.inode.blocks == 8
    assert file.seek(caller, 0, SEEK_DATA) == 5 * PAGE
    assert file.seek(caller, 0, SEEK_HOLE) == 0
    assert file.seek(caller, 5 * PAGE, SEEK_HOLE) == 5 * PAGE + 1
    with pytest.raises(ENXIO):
        file.seek(caller, 5 * PAGE + 1, SEEK_DATA)
    with pytest.raises(EINVAL):
        file.seek(caller, 0, 9)


def test_full_file_system_writes_what_fits_then_enospc() -> None:
    world, small = with_small(size=3 * PAGE)
    file = created(world.root, b"/small/f")
    assert world.root.write(file, b"x" * (4 * PAGE)) == 3 * PAGE
    with pytest.raises(ENOSPC):
        world.root.write(file, b"y")
    assert small.statfs().bfree == 0
    with pytest.raises(ENOSPC):
        file.fallocate(world.root, 0, 0, 4 * PAGE)
    file.truncate(world.root, 0)
    assert small.statfs().bfree == 3


def test_inode_limit() -> None:
    world, _ = with_small(inodes=3)
    for name in (b"/small/a", b"/small/b"):
        mkdir_at(world.root, AT_FDCWD, name, 0o755)
    with pytest.raises(ENOSPC):
        mkdir_at(world.root, AT_FDCWD, b"/small/c", 0o755)
    rmdir_at(world.root, AT_FDCWD, b"/small/a")
    mkdir_at(world.root, AT_FDCWD, b"/small/c", 0o755)


def test_removed_file_lives_while_it_is_open(caller: FakeCaller) -> None:
    file = created(caller)
    caller.write(file, b"still here")
    frames = caller.kernel.frames.used_count
    unlink_at(caller, AT_FDCWD, b"/f")
    assert caller.read(file, 100, 0) == b"still here"
    file.drop()
    assert caller.kernel.frames.used_count == frames - 1


def test_tmpfile_gets_a_name_by_linkat(caller: FakeCaller) -> None:
    file = caller.open(b"/", O_TMPFILE | O_RDWR)
    fd = caller.fds.install(file)
    caller.write(file, b"secret")
    assert caller.names(b"/") == []
    link_at(caller, fd, b"", AT_FDCWD, b"/named", AT_EMPTY_PATH)
    caller.fds.close(fd)
    assert caller.contents(b"/named") == b"secret"


def test_append_goes_to_the_end_whatever_the_position(caller: FakeCaller) -> None:
    created(caller)
    file = created(caller, flags=O_APPEND)
    caller.write(file, b"one")
    caller.write(file, b"two", 0)
    assert caller.contents(b"/f") == b"onetwo"


def test_file_size_limit(caller: FakeCaller) -> None:
    file = created(caller)
    caller.limits.values[RLIMIT_FSIZE] = (10, 10)
    assert caller.write(file, b"x" * 20) == 10
    with pytest.raises(EFBIG) as caught:
        caller.write(file, b"y")
    assert caught.value.signal == SIGXFSZ


def test_directory_sizes_and_links(caller: FakeCaller) -> None:
    root = caller.inode(b"/")
    mkdir_at(caller, AT_FDCWD, b"/d", 0o755)
    mkdir_at(caller, AT_FDCWD, b"/d/e", 0o755)
    assert (root.nlink, caller.inode(b"/d").nlink, caller.inode(b"/d").size) == (3, 3, 60)
    with pytest.raises(ENOTEMPTY):
        rmdir_at(caller, AT_FDCWD, b"/d")


def test_attributes(caller: FakeCaller) -> None:
    inode = created(caller).inode
    inode.set_xattr(b"user.a", b"1", XATTR_CREATE)
    inode.set_xattr(b"user.a", b"2", XATTR_REPLACE)
    assert (inode.get_xattr(b"user.a"), inode.list_xattr()) == (b"2", [b"user.a"])
    inode.remove_xattr(b"user.a")
    with pytest.raises(ENODATA):
        inode.get_xattr(b"user.a")


def test_collapse_is_refused(caller: FakeCaller) -> None:
    with pytest.raises(EOPNOTSUPP):
        created(caller).fallocate(caller, 8, 0, PAGE)


def test_shared_mapping_is_the_file(caller: FakeCaller) -> None:
    file = created(caller)
    caller.write(file, b"a" * 2 * PAGE)
    address = caller.mm.mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file.pager(), 0, file)
    caller.mem.write(address, b"from memory")
    assert caller.read(file, 11, 0) == b"from memory"
    caller.write(file, b"from write!", 0)
    assert caller.mem.read(address, 11) == b"from write!"


def test_private_mapping_does_not_change_the_file(caller: FakeCaller) -> None:
    file = created(caller)
    caller.write(file, b"a" * PAGE)
    address = caller.mm.mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file.pager(), 0, file)
    caller.mem.write(address, b"private")
    assert caller.read(file, 3, 0) == b"aaa"
    file.fallocate(caller, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE)
    assert caller.mem.read(address, 7) == b"private"  # a copy survives a hole, not a truncation


def test_truncation_takes_pages_out_of_mappings(caller: FakeCaller) -> None:
    file = created(caller)
    caller.write(file, b"a" * 2 * PAGE)
    address = caller.mm.mmap(0, 2 * PAGE, PROT_READ, MAP_SHARED, file.pager(), 0, file)
    assert caller.mem.read(address, 2 * PAGE) == b"a" * 2 * PAGE
    file.truncate(caller, 100)
    caller.mm.check_invariants()
    assert caller.mm.rss == 1
    assert caller.mem.read(address, PAGE) == b"a" * 100 + bytes(PAGE - 100)
    caller.mm.munmap(address, 2 * PAGE)
    caller.kernel.frames.check_invariants()


def test_a_write_from_a_mapping_of_the_same_file(caller: FakeCaller) -> None:
    file = created(caller)
    caller.write(file, bytes(range(256)) * 16)
    address = caller.mm.mmap(0, PAGE, PROT_READ, MAP_SHARED, file.pager(), 0, file)
    buf = caller.mem.buffer(address, PAGE)
    assert file.write(caller, buf, 1) == PAGE
    assert caller.read(file, 4, 1) == b"\0\1\2\3"


def test_a_write_drops_the_code_of_each_page(caller: FakeCaller) -> None:
    file = created(caller)
    caller.write(file, b"a" * 5 * PAGE)
    world, inode = caller.kernel, file.inode
    assert isinstance(inode, TmpfsFile)
    for pages, size, at in (([1, 3], 4 * PAGE, PAGE - 1), ([2], 1, 2 * PAGE)):
        frames = [inode.contents.pages[page] for page in pages]
        for frame in frames:
            world.physical.flags[frame] |= CODE
        world.tlb.code_requests.clear()
        caller.write(file, b"b" * size, at)
        assert world.tlb.code_requests == frames
    assert caller.read(file, 5 * PAGE, 0) == b"a" * (PAGE - 1) + b"b" * 4 * PAGE + b"a"


def test_a_faulting_buffer_ends_the_write_in_the_middle(caller: FakeCaller) -> None:
    file = created(caller)
    address = caller.mm.mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, 0x22, None)
    caller.mm.munmap(address + PAGE, PAGE)
    assert file.write(caller, caller.mem.buffer(address + PAGE - 10, 100), None) == 10
    assert file.inode.size == 10


def test_sizes_of_mount_options() -> None:
    assert parse_size(b"4k", 0) == 4096
    assert parse_size(b"50%", 1000) == 500
    with pytest.raises(EINVAL):
        parse_size(b"big", 0)


def test_exec_cache_is_dropped_by_a_write(caller: FakeCaller) -> None:
    file = created(caller)
    file.inode.exec_cache = object()
    file.write(caller, KernelBuffer(b"x"), None)
    assert file.inode.exec_cache is None


def test_attributes_are_paid_for_with_the_mounts_size() -> None:
    world = FileWorld(ram=1 << 20)
    caller = world.root
    file = caller.open(b"/f", O_CREAT | O_RDWR)
    file.hold()
    inode = caller.inode(b"/f")
    used = world.rootfs.budget.used
    inode.set_xattr(b"user.a", bytes(9000), 0)
    inode.set_xattr(b"user.b", bytes(9000), 0)
    assert world.rootfs.budget.used == used + 5
    inode.remove_xattr(b"user.a")
    assert world.rootfs.budget.used == used + 3
    inode.set_xattr(b"user.c", bytes(XATTR_SIZE_MAX), 0)
    with pytest.raises(ENOSPC):
        inode.set_xattr(b"user.d", bytes(XATTR_SIZE_MAX), 0)
    assert inode.list_xattr() == [b"user.b", b"user.c"]
    unlink_at(caller, AT_FDCWD, b"/f")
    file.drop()
    assert world.rootfs.budget.used == used
    world.rootfs.budget.limit = 1
    with pytest.raises(ENOSPC):
        caller.inode(b"/").set_xattr(b"user.a", bytes(4097), 0)
