"""Volumes: what the host has is seen, what is written is there, and nothing leads outside."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path as HostPath

import pytest

from kernel.abi.errors import (
    EACCES,
    EEXIST,
    EISDIR,
    ELOOP,
    ENOENT,
    ENOTDIR,
    ENOTEMPTY,
    ENXIO,
    EPERM,
    EROFS,
    EXDEV,
    KernelError,
)
from kernel.abi.files import (
    AT_FDCWD,
    MS_RDONLY,
    O_APPEND,
    O_CREAT,
    O_DIRECTORY,
    O_EXCL,
    O_RDONLY,
    O_RDWR,
    O_TMPFILE,
    O_TRUNC,
    O_WRONLY,
    RENAME_EXCHANGE,
    RENAME_NOREPLACE,
    SEEK_DATA,
    SEEK_HOLE,
)
from kernel.fs.hostfs import DIRECTORIES_OPEN
from kernel.vfs.create import link_at, mkdir_at, mknod_at, symlink_at
from kernel.vfs.remove import rmdir_at, unlink_at
from kernel.vfs.rename import rename_at
from kernel.vfs.walk import walk
from tests.support.volumes import Volume, open_descriptors

# --- seeing ------------------------------------------------------------------------------------


def test_reads_see_the_present_contents(volume: Volume) -> None:
    (volume.host / "f").write_bytes(b"one")
    assert volume.read(b"/v/f") == b"one"
    (volume.host / "f").write_bytes(b"number two")
    assert volume.read(b"/v/f") == b"number two"
    (volume.host / "f").unlink()
    with pytest.raises(ENOENT):
        volume.read(b"/v/f")


def test_attributes_are_the_hosts_and_the_caller_is_the_start_user(volume: Volume) -> None:
    path = volume.host / "f"
    path.write_bytes(b"12345")
    os.chmod(path, 0o640)
    os.utime(path, ns=(1_000_000_001, 2_000_000_002))
    inode = volume.root.inode(b"/v/f")
    inode.refresh()
    assert (inode.mode, inode.size) == (stat.S_IFREG | 0o640, 5)
    assert (inode.uid, inode.gid) == (0, 0)
    assert (inode.atime, inode.mtime) == (1_000_000_001, 2_000_000_002)


def test_listings_are_sorted_and_numbered_by_first_sight(volume: Volume) -> None:
    for name in ("c", "a", "b"):
        (volume.host / name).mkdir()
    entries = volume.root.inode(b"/v").entries(volume.root)
    assert [entry.name for entry in entries] == [b"a", b"b", b"c"]
    assert [entry.ino for entry in entries] == [2, 3, 4]
    assert volume.root.inode(b"/v/c").ino == 4


def test_host_devices_sockets_and_fifos_are_listed_but_not_opened(volume: Volume) -> None:
    os.mkfifo(volume.host / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(volume.host / "socket"))
        assert volume.root.names(b"/v") == [b"fifo", b"socket"]
        for name in (b"/v/fifo", b"/v/socket"):
            with pytest.raises(ENXIO):
                volume.open(name, O_RDWR)


def test_holes_are_the_hosts(volume: Volume) -> None:
    with open(volume.host / "f", "wb") as file:
        file.seek(1 << 20)
        file.write(b"end")
    opened = volume.open(b"/v/f")
    assert opened.seek(volume.root, 0, SEEK_HOLE) == 0
    assert opened.seek(volume.root, 0, SEEK_DATA) == 1 << 20
    with pytest.raises(ENXIO):
        opened.seek(volume.root, 1 << 21, SEEK_DATA)
    opened.drop()


# --- writing -----------------------------------------------------------------------------------


def test_writes_are_on_the_host_at_once(volume: Volume) -> None:
    file = volume.open(b"/v/new", O_CREAT | O_EXCL | O_RDWR, 0o604)
    volume.root.write(file, b"hello")
    assert (volume.host / "new").read_bytes() == b"hello"
    assert stat.S_IMODE(os.stat(volume.host / "new").st_mode) == 0o604
    volume.root.write(file, b"J", 0)
    assert volume.root.read(file, 9, 0) == b"Jello"
    file.drop()
    with pytest.raises(EEXIST):
        volume.open(b"/v/new", O_CREAT | O_EXCL | O_RDWR)


def test_a_new_file_can_be_written_though_its_mode_forbids_opening_it_again(
    volume: Volume,
) -> None:
    file = volume.open(b"/v/sealed", O_CREAT | O_WRONLY, 0)
    assert volume.root.write(file, b"written") == 7
    file.drop()
    status = os.stat(volume.host / "sealed")
    assert (stat.S_IMODE(status.st_mode), status.st_size) == (0, 7)


def test_append_and_truncate(volume: Volume) -> None:
    file = volume.open(b"/v/log", O_CREAT | O_WRONLY | O_APPEND, 0o600)
    volume.root.write(file, b"one ")
    with open(volume.host / "log", "ab") as other:
        other.write(b"two ")
    volume.root.write(file, b"three")
    file.truncate(volume.root, 9)
    file.drop()
    assert (volume.host / "log").read_bytes() == b"one two t"
    volume.root.inode(b"/v/log").truncate(3)
    assert (volume.host / "log").read_bytes() == b"one"


def test_names_are_made_moved_and_removed_on_the_host(volume: Volume) -> None:
    root = volume.root
    mkdir_at(root, AT_FDCWD, b"/v/d", 0o711)
    assert stat.S_IMODE(os.stat(volume.host / "d").st_mode) == 0o711
    volume.write(b"/v/d/f", b"x")
    symlink_at(root, b"../elsewhere", AT_FDCWD, b"/v/d/link")
    assert os.readlink(volume.host / "d" / "link") == "../elsewhere"
    link_at(root, AT_FDCWD, b"/v/d/f", AT_FDCWD, b"/v/hard", 0)
    assert os.stat(volume.host / "hard").st_nlink == 2
    with pytest.raises(ENOTEMPTY):
        rmdir_at(root, AT_FDCWD, b"/v/d")
    rename_at(root, AT_FDCWD, b"/v/d", AT_FDCWD, b"/v/e", 0)
    assert volume.read(b"/v/e/f") == b"x"
    rename_at(root, AT_FDCWD, b"/v/e/f", AT_FDCWD, b"/v/e/link", RENAME_EXCHANGE)
    assert os.path.islink(volume.host / "e" / "f")
    with pytest.raises(EEXIST):
        rename_at(root, AT_FDCWD, b"/v/hard", AT_FDCWD, b"/v/e/f", RENAME_NOREPLACE)
    for name in (b"/v/e/f", b"/v/e/link", b"/v/hard"):
        unlink_at(root, AT_FDCWD, name)
    rmdir_at(root, AT_FDCWD, b"/v/e")
    assert os.listdir(volume.host) == []


def test_a_removed_file_stays_usable_while_it_is_open(volume: Volume) -> None:
    file = volume.open(b"/v/f", O_CREAT | O_RDWR)
    unlink_at(volume.root, AT_FDCWD, b"/v/f")
    volume.root.write(file, b"still")
    assert volume.root.read(file, 9, 0) == b"still"
    file.inode.refresh()
    assert file.inode.nlink == 0
    file.drop()


def test_unnamed_files_get_a_name(volume: Volume) -> None:
    file = volume.open(b"/v", O_TMPFILE | O_RDWR, 0o600)
    volume.root.write(file, b"unnamed")
    assert os.listdir(volume.host) == []
    volume.volumes[0].root.link(b"named", file.inode)
    assert (volume.host / "named").read_bytes() == b"unnamed"
    file.drop()


def test_attributes_are_changed_on_the_host(volume: Volume) -> None:
    volume.write(b"/v/f", b"x")
    inode = volume.root.inode(b"/v/f")
    inode.set_mode(0o600)
    inode.set_times(5, None)
    status = os.stat(volume.host / "f")
    assert (stat.S_IMODE(status.st_mode), status.st_atime_ns) == (0o600, 5)
    inode.set_owner(0, 0, 0o600)
    with pytest.raises(EPERM):
        inode.set_owner(1000, 0, 0o600)
    with pytest.raises(EPERM):
        mknod_at(volume.root, AT_FDCWD, b"/v/null", stat.S_IFCHR | 0o666, 0x103)
    assert os.listdir(volume.host) == ["f"]


def test_a_read_only_volume_is_erofs(tmp_path: HostPath) -> None:
    (tmp_path / "f").write_bytes(b"x")
    volume = Volume(tmp_path / "f")
    try:
        volume.mount(tmp_path, b"/ro", MS_RDONLY)
        assert volume.read(b"/ro/f") == b"x"
        attempts = (
            lambda: volume.open(b"/ro/f", O_RDWR),
            lambda: volume.open(b"/ro/new", O_CREAT | O_RDWR),
            lambda: mkdir_at(volume.root, AT_FDCWD, b"/ro/d", 0o755),
            lambda: unlink_at(volume.root, AT_FDCWD, b"/ro/f"),
            lambda: volume.root.inode(b"/ro/f").set_mode(0),
            lambda: volume.root.inode(b"/ro/f").truncate(0),
            lambda: volume.root.inode(b"/ro").create(b"n", stat.S_IFREG, 0, 0),
        )
        for attempt in attempts:
            with pytest.raises(EROFS):
                attempt()
        assert os.listdir(tmp_path) == ["f"]
    finally:
        volume.close()


def test_a_volume_of_one_file_follows_its_name(tmp_path: HostPath) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"first")
    volume = Volume(path)
    try:
        assert volume.read(b"/v") == b"first"
        (tmp_path / "new").write_bytes(b"replaced")
        os.rename(tmp_path / "new", path)
        assert volume.read(b"/v") == b"replaced"
        volume.write(b"/v", b"by the guest", O_TRUNC)
        assert path.read_bytes() == b"by the guest"
    finally:
        volume.close()


# --- staying inside ----------------------------------------------------------------------------


def test_host_links_are_followed_by_the_guests_walk_only(volume: Volume) -> None:
    secret = volume.host.parent / "secret"
    secret.write_bytes(b"outside")
    os.symlink(secret, volume.host / "absolute")
    os.symlink("../secret", volume.host / "relative")
    os.symlink("..", volume.host / "up")
    for name in (b"absolute", b"relative", b"up/secret"):
        with pytest.raises(ENOENT):
            volume.read(b"/v/" + name)
    assert volume.root.inode(b"/v/up", 0).mode >> 12 == stat.S_IFLNK >> 12


@pytest.mark.parametrize("name", [b"..", b".", b"", b"a/b", b"../secret"])
def test_a_name_is_one_step(volume: Volume, name: bytes) -> None:
    (volume.host.parent / "secret").write_bytes(b"outside")
    top = volume.volumes[0].root
    attempts: tuple[Callable[[], object], ...] = (
        lambda: top.lookup(name),
        lambda: top.create(name, stat.S_IFREG | 0o644, 0, 0),
        lambda: top.mkdir(name, stat.S_IFDIR | 0o755, 0, 0),
        lambda: top.symlink(name, b"x", 0, 0),
    )
    for attempt in attempts:
        with pytest.raises(KernelError):
            attempt()


def test_a_directory_swapped_for_a_link_leads_nowhere(volume: Volume) -> None:
    outside = volume.host.parent / "outside"
    outside.mkdir()
    (outside / "f").write_bytes(b"outside")
    (volume.host / "d").mkdir()
    (volume.host / "d" / "f").write_bytes(b"inside")
    directory = volume.root.inode(b"/v/d")
    held = directory.lookup(b"f")
    assert held is not None
    volume.volumes[0].drop_descriptor(directory)
    os.rename(volume.host / "d", volume.host / "old")
    os.symlink(outside, volume.host / "d")
    with pytest.raises((ENOENT, ENOTDIR, ELOOP)):
        directory.lookup(b"f")
    with pytest.raises((ENOENT, ENOTDIR, ELOOP)):
        directory.create(b"planted", stat.S_IFREG | 0o644, 0, 0)
    with pytest.raises((ENOENT, ENOTDIR, ELOOP)):
        held.open(volume.root, walk(volume.root, AT_FDCWD, b"/v"), O_RDONLY)
    assert os.listdir(outside) == ["f"]


def test_a_file_swapped_for_a_link_or_another_file_is_not_opened(volume: Volume) -> None:
    (volume.host.parent / "secret").write_bytes(b"outside")
    (volume.host / "f").write_bytes(b"inside")
    held = volume.root.inode(b"/v/f")
    place = walk(volume.root, AT_FDCWD, b"/v/f")
    os.rename(volume.host / "f", volume.host / "moved")
    os.symlink(volume.host.parent / "secret", volume.host / "f")
    with pytest.raises((ELOOP, ENOENT)):
        held.open(volume.root, place, O_RDONLY)
    with pytest.raises(KernelError):
        held.set_mode(0o777)
    (volume.host / "f").unlink()
    os.link(volume.host.parent / "secret", volume.host / "f")
    with pytest.raises(ENOENT):
        held.open(volume.root, place, O_RDONLY)
    assert stat.S_IMODE(os.stat(volume.host.parent / "secret").st_mode) != 0o777


def test_unlink_and_rename_leave_another_file_of_that_name_alone(volume: Volume) -> None:
    (volume.host / "f").write_bytes(b"old")
    top = volume.volumes[0].root
    held = top.lookup(b"f")
    assert held is not None
    (volume.host / "other").write_bytes(b"new")
    os.rename(volume.host / "other", volume.host / "f")
    with pytest.raises(ENOENT):
        top.unlink(b"f", held)
    with pytest.raises(ENOENT):
        top.rename(b"f", held, top, b"g", None, False)
    assert (volume.host / "f").read_bytes() == b"new"


def test_no_renaming_or_linking_between_volumes(volume: Volume) -> None:
    other = volume.host.parent / "other"
    other.mkdir()
    volume.mount(other, b"/w")
    volume.write(b"/v/f", b"x")
    with pytest.raises(EXDEV):
        rename_at(volume.root, AT_FDCWD, b"/v/f", AT_FDCWD, b"/w/f", 0)
    with pytest.raises(EXDEV):
        link_at(volume.root, AT_FDCWD, b"/v/f", AT_FDCWD, b"/w/f", 0)


def test_deep_trees_need_few_descriptors(volume: Volume) -> None:
    path = volume.host
    for depth in range(3 * DIRECTORIES_OPEN):
        path = path / f"d{depth}"
        path.mkdir()
    (path / "f").write_bytes(b"deep")
    guest = b"/v/" + os.fsencode(path.relative_to(volume.host)) + b"/f"
    before = open_descriptors()
    assert volume.read(guest) == b"deep"
    assert open_descriptors() - before <= DIRECTORIES_OPEN
    for directory in list(volume.volumes[0]._open):
        volume.volumes[0].drop_descriptor(directory)
    assert volume.read(guest) == b"deep"


def test_a_directory_is_not_a_file(volume: Volume) -> None:
    (volume.host / "d").mkdir()
    with pytest.raises(EISDIR):
        volume.open(b"/v/d", O_WRONLY)
    volume.write(b"/v/f", b"x")
    with pytest.raises(ENOTDIR):
        volume.open(b"/v/f", O_DIRECTORY)


def test_a_directory_that_the_host_forbids_to_list_cannot_be_opened(volume: Volume) -> None:
    """`ls` of such a one was empty and a success: it takes a failed getdents64 for the end."""
    volume.host.chmod(0o755)
    (volume.host / "d").mkdir(mode=0o311)
    (volume.host / "d" / "f").write_bytes(b"by name")
    if (child := os.fork()) == 0:  # for root nothing is forbidden
        try:
            if os.geteuid() == 0:
                os.seteuid(65534)
            os._exit(_refused(volume, b"/v/d") + 2 * (volume.read(b"/v/d/f") != b"by name"))
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == EACCES.errno
    assert open_descriptors() - volume.before <= DIRECTORIES_OPEN


def _refused(volume: Volume, path: bytes) -> int:
    """The errno of opening a directory, or 0."""
    try:
        volume.open(path, O_DIRECTORY)
    except KernelError as error:
        return error.errno
    return 0


def test_extended_attributes_of_users(volume: Volume) -> None:
    volume.write(b"/v/f", b"x")
    inode = volume.root.inode(b"/v/f")
    try:
        inode.set_xattr(b"user.color", b"blue", 0)
    except KernelError:
        pytest.skip("the host's file system has no user attributes")
    assert inode.get_xattr(b"user.color") == b"blue"
    assert inode.list_xattr() == [b"user.color"]
    inode.remove_xattr(b"user.color")
    assert inode.list_xattr() == []
