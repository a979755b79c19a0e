"""Mounts: crossing, binding, moving, read-only, what /proc/mounts shows."""

from __future__ import annotations

import pytest

from kernel.abi.errors import (
    EBUSY,
    EINVAL,
    ELOOP,
    ENODEV,
    ENOSPC,
    ENOTDIR,
    EPERM,
    EROFS,
    EXDEV,
)
from kernel.abi.files import (
    AT_FDCWD,
    MNT_DETACH,
    MS_BIND,
    MS_MOVE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    O_CREAT,
    O_RDWR,
)
from kernel.fs.root import make_directory, make_file
from kernel.fs.tmpfs import Tmpfs
from kernel.vfs.create import link_at, mkdir_at
from kernel.vfs.dentry import Path
from kernel.vfs.mount import MOUNT_MAX, show_mount
from kernel.vfs.mounting import mount_at, unmount_at
from kernel.vfs.remove import rmdir_at
from kernel.vfs.rename import rename_at
from kernel.vfs.walk import walk
from tests.support.files import FakeCaller, FileWorld


@pytest.fixture
def caller() -> FakeCaller:
    world = FileWorld(ram=1 << 20)
    for path in (b"a/in", b"b", b"c"):
        make_directory(world.rootfs.root, path)
    make_file(world.rootfs.root, b"a/file", b"of the root")
    return world.root


def mount(caller: FakeCaller, target: bytes, options: bytes = b"") -> None:
    mount_at(caller, b"none", target, b"tmpfs", 0, options)
    caller.kernel.mounts.check_invariants()


def test_what_is_mounted_covers_and_uncovers(caller: FakeCaller) -> None:
    mount(caller, b"/a", b"size=64k,mode=700")
    assert caller.names(b"/a") == []
    assert caller.inode(b"/a").mode & 0o7777 == 0o700
    assert caller.inode(b"/a/..") is caller.inode(b"/")
    unmount_at(caller, b"/a", 0)
    assert caller.contents(b"/a/file") == b"of the root"


def test_nothing_moves_across_mounts(caller: FakeCaller) -> None:
    mount(caller, b"/b")
    caller.open(b"/b/f", O_CREAT)
    with pytest.raises(EXDEV):
        rename_at(caller, AT_FDCWD, b"/b/f", AT_FDCWD, b"/f", 0)
    with pytest.raises(EXDEV):
        link_at(caller, AT_FDCWD, b"/b/f", AT_FDCWD, b"/f", 0)
    with pytest.raises(EBUSY):
        rmdir_at(caller, AT_FDCWD, b"/b")


def test_bind_shows_a_directory_twice_without_what_is_mounted_below(caller: FakeCaller) -> None:
    mount(caller, b"/a/in")
    mkdir_at(caller, AT_FDCWD, b"/a/in/deep", 0o755)
    mount_at(caller, b"/a", b"/b", b"", MS_BIND, b"")
    assert caller.contents(b"/b/file") == b"of the root"
    assert caller.names(b"/b/in") == []
    mount_at(caller, b"/a", b"/c", b"", MS_BIND | MS_REC, b"")
    assert caller.names(b"/c/in") == [b"deep"]
    caller.kernel.mounts.check_invariants()


def test_read_only_is_per_mount(caller: FakeCaller) -> None:
    mount_at(caller, b"/a", b"/b", b"", MS_BIND, b"")
    mount_at(caller, b"", b"/b", b"", MS_REMOUNT | MS_BIND | MS_RDONLY, b"")
    with pytest.raises(EROFS):
        caller.open(b"/b/file", O_RDWR)
    with pytest.raises(EROFS):
        mkdir_at(caller, AT_FDCWD, b"/b/new", 0o755)
    caller.open(b"/a/file", O_RDWR)


def test_moving_a_mount(caller: FakeCaller) -> None:
    mount(caller, b"/a")
    mkdir_at(caller, AT_FDCWD, b"/a/sub", 0o755)
    mount(caller, b"/a/sub")
    mount_at(caller, b"/a", b"/b", b"", MS_MOVE, b"")
    assert caller.names(b"/b") == [b"sub"]
    assert caller.contents(b"/a/file") == b"of the root"
    caller.kernel.mounts.check_invariants()
    with pytest.raises(ELOOP):
        mount_at(caller, b"/b", b"/b/sub", b"", MS_MOVE, b"")
    with pytest.raises(EINVAL):
        mount_at(caller, b"/c", b"/a", b"", MS_MOVE, b"")


def test_busy_mounts_stay(caller: FakeCaller) -> None:
    mount(caller, b"/b")
    file = caller.open(b"/b/f", O_CREAT)
    file.hold()
    with pytest.raises(EBUSY):
        unmount_at(caller, b"/b", 0)
    unmount_at(caller, b"/b", MNT_DETACH)
    assert caller.read(file) == b""
    file.drop()


def test_a_mount_with_another_below_is_busy(caller: FakeCaller) -> None:
    mount(caller, b"/b")
    mkdir_at(caller, AT_FDCWD, b"/b/d", 0o755)
    mount(caller, b"/b/d")
    with pytest.raises(EBUSY):
        unmount_at(caller, b"/b", 0)
    unmount_at(caller, b"/b", MNT_DETACH)
    assert len(caller.kernel.mounts.mounts) == 1


def test_who_and_what_may_be_mounted(caller: FakeCaller) -> None:
    user = caller.kernel.caller(1000)
    with pytest.raises(EPERM):
        mount_at(user, b"none", b"/b", b"tmpfs", 0, b"")
    with pytest.raises(ENODEV):
        mount_at(caller, b"none", b"/b", b"nosuchfs", 0, b"")
    with pytest.raises(ENOTDIR):
        mount(caller, b"/a/file")
    with pytest.raises(EINVAL):
        mount(caller, b"/b", b"what=ever")
    with pytest.raises(EINVAL):
        unmount_at(caller, b"/c", 0)


def test_the_table_as_seen_from_a_root(caller: FakeCaller) -> None:
    make_directory(caller.fs.root.inode, b"a dir")
    mount(caller, b"/a dir", b"size=1m")
    mounts = caller.kernel.mounts
    lines = [show_mount(m, place) for m, place in mounts.table(caller.fs.root)]
    assert lines == [
        b"tmpfs / tmpfs rw,relatime 0 0\n",
        b"none /a\\040dir tmpfs rw,relatime,size=1m 0 0\n",
    ]
    inside = walk(caller, AT_FDCWD, b"/a dir")
    assert [place for _, place in mounts.table(inside)] == [b"/"]


def test_a_working_directory_keeps_a_mount(caller: FakeCaller) -> None:
    mount(caller, b"/b")
    other = caller.kernel.caller(1000)
    other.fs.set_cwd(walk(other, AT_FDCWD, b"/b"))
    child = other.fs.copy()
    other.fs.release()
    with pytest.raises(EBUSY):
        unmount_at(caller, b"/b", 0)
    child.set_cwd(walk(other, AT_FDCWD, b"/"))
    unmount_at(caller, b"/b", 0)


def test_a_writer_keeps_a_mount_writable(caller: FakeCaller) -> None:
    mount(caller, b"/b")
    file = caller.open(b"/b/f", O_CREAT | O_RDWR)
    file.hold()
    with pytest.raises(EBUSY):
        mount_at(caller, b"", b"/b", b"", MS_REMOUNT | MS_RDONLY, b"")
    file.drop()
    mount_at(caller, b"", b"/b", b"", MS_REMOUNT | MS_RDONLY, b"")


def test_binding_a_tree_again_and_again_ends(caller: FakeCaller) -> None:
    mounts = caller.kernel.mounts

    def bind_for_ever() -> None:
        while True:
            mount_at(caller, b"/", b"/c", b"", MS_BIND | MS_REC, b"")

    with pytest.raises(ENOSPC):
        bind_for_ever()
    assert len(mounts.mounts) <= MOUNT_MAX
    mounts.check_invariants()
    unmount_at(caller, b"/c", MNT_DETACH)


def test_a_deep_pile_of_mounts_is_bound_and_taken_away(caller: FakeCaller) -> None:
    mounts = caller.kernel.mounts
    here = walk(caller, AT_FDCWD, b"/b")
    for _ in range(1500):
        made = mounts.mount(Tmpfs(caller.kernel.frames, 1, caller.kernel.now), here)
        here = Path(made, made.root)
    caller.kernel.mounts.check_invariants()
    mount_at(caller, b"/", b"/c", b"", MS_BIND | MS_REC, b"")
    assert len(mounts.mounts) == 2 + 2 * 1500
    mounts.check_invariants()
    mounts.unmount(mounts.mounts[1], detach=True)
    assert len(mounts.mounts) == 2 + 1500
    mounts.check_invariants()
