"""Mounts: which file system is seen where.

A ``MountTable`` is a mount namespace: a tree of ``Mount`` objects with one root, in the order they
were mounted.  A mount covers a dentry *as seen through its parent mount*, so a bind mount of a
directory does not show what is mounted below the original.  Linux: ``struct mount``,
mount_namespaces(7), mount(2).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from kernel.abi.errors import EBUSY, EINVAL, ENOSPC
from kernel.abi.files import (
    MS_NOATIME,
    MS_NODEV,
    MS_NODIRATIME,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_RELATIME,
    ST_NOATIME,
    ST_NODEV,
    ST_NODIRATIME,
    ST_NOEXEC,
    ST_NOSUID,
    ST_RDONLY,
    ST_RELATIME,
    ST_VALID,
    makedev,
)
from kernel.vfs.dentry import Dentry, Path, path_from
from kernel.vfs.devices import DeviceRegistry
from kernel.vfs.inode import SuperBlock
from kernel.vfs.locks import LockWaits

MOUNT_MAX: Final = 10_000
"""/proc/sys/fs/mount-max.  Linux has ten times as many, and a faster table."""
PER_MOUNT_FLAGS = (
    MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME
)
_OPTION_WORDS = (
    (MS_NOSUID, b"nosuid"), (MS_NODEV, b"nodev"), (MS_NOEXEC, b"noexec"),
    (MS_NOATIME, b"noatime"), (MS_NODIRATIME, b"nodiratime"), (MS_RELATIME, b"relatime"),
)  # fmt: skip
_STATFS_FLAGS = (
    (MS_RDONLY, ST_RDONLY), (MS_NOSUID, ST_NOSUID), (MS_NODEV, ST_NODEV), (MS_NOEXEC, ST_NOEXEC),
    (MS_NOATIME, ST_NOATIME), (MS_NODIRATIME, ST_NODIRATIME), (MS_RELATIME, ST_RELATIME),
)  # fmt: skip


class Mount:
    """One mount.  ``flags`` are the MS_* bits of this place, not of the file system.

    ``opens`` counts open files and working and root directories, ``writers`` files open for
    writing.  ``anonymous``: seen by nobody by name; pipes and memfds live in
    such a mount.
    """

    __slots__ = (
        "anonymous",
        "flags",
        "ident",
        "mountpoint",
        "opens",
        "parent",
        "root",
        "sb",
        "writers",
    )

    def __init__(self, ident: int, sb: SuperBlock, root: Dentry, flags: int) -> None:
        self.ident = ident
        self.sb = sb
        self.root = root
        self.flags = flags
        self.parent: Mount | None = None
        self.mountpoint = root
        self.anonymous = False
        self.opens = 0
        self.writers = 0

    @property
    def read_only(self) -> bool:
        """Is writing through this mount EROFS?"""
        return bool(self.flags & MS_RDONLY)

    def options(self) -> bytes:
        """As in /proc/mounts: 'rw,nosuid,relatime'."""
        words = [b"ro" if self.read_only else b"rw"]
        words += [word for bit, word in _OPTION_WORDS if self.flags & bit]
        return b",".join(words)

    def statfs_flags(self) -> int:
        """f_flags of statfs(2)."""
        return ST_VALID | sum(st for ms, st in _STATFS_FLAGS if self.flags & ms)

    def __repr__(self) -> str:
        return f"<Mount {self.ident} {self.sb.fstype.decode()}>"

    def __str__(self) -> str:
        """For people: '/mnt (tmpfs, ro,relatime)'."""
        place = Path(self, self.root)
        return f"{place} ({self.sb.fstype.decode()}, {self.options().decode()})"


class MountTable:
    """The mount namespace of a machine, and what there is one of per machine.

    ``devices``: drivers; ``filesystems``: name -> function that makes an instance from mount
    options; ``anonymous``: hidden mounts by type; ``lock_waits``: who waits for a record lock.

    Invariants: ``mounts[0]`` is the root; each other mount's parent comes before it in ``mounts``
    and ``mountpoint.mounts[parent] is mount``.
    """

    __slots__ = (
        "_next_ident", "_next_minor", "anonymous", "devices", "filesystems", "lock_waits",
        "mounts",
    )  # fmt: skip

    def __init__(self) -> None:
        self.mounts: list[Mount] = []
        self.devices = DeviceRegistry()
        self._next_ident = 20
        self._next_minor = 20
        self.anonymous: dict[bytes, Mount] = {}
        self.lock_waits: LockWaits = {}
        self.filesystems: dict[bytes, Callable[[bytes], SuperBlock]] = {}

    def new_dev(self) -> int:
        """A device number for a file system without a device: 0:N."""
        self._next_minor += 1
        return makedev(0, self._next_minor)

    @property
    def root(self) -> Path:
        """Where '/' is for the first process."""
        return self.top(Path(self.mounts[0], self.mounts[0].root))

    def _new(self, sb: SuperBlock, root: Dentry, flags: int) -> Mount:
        self._next_ident += 1
        return Mount(self._next_ident, sb, root, flags)

    def mount_root(self, sb: SuperBlock, flags: int = MS_RELATIME) -> Mount:
        """The first mount."""
        mount = self._new(sb, Dentry(b"", None, sb.root), flags)
        self.mounts.append(mount)
        return mount

    def anonymous_mount(self, sb: SuperBlock) -> Mount:
        """A mount for files without a place: pipes, memfds, epoll."""
        mount = self._new(sb, Dentry(b"", None, sb.root), 0)
        mount.anonymous = True
        self.anonymous[sb.fstype] = mount
        return mount

    def need_room(self, more: int) -> None:
        """ENOSPC if that many more mounts are too many: each bind of a tree may double them."""
        if len(self.mounts) + more > MOUNT_MAX:
            raise ENOSPC(
                "%d mounts and %d more are over mount-max, %d", len(self.mounts), more, MOUNT_MAX
            )

    def mount(self, sb: SuperBlock, at: Path, flags: int = 0) -> Mount:
        """Mount a file system on the directory (or file) ``at``."""
        self.need_room(1)
        return self._attach(self._new(sb, Dentry(b"", None, sb.root), flags), at)

    def bind(self, source: Path, at: Path, flags: int = 0) -> Mount:
        """Show ``source`` at ``at`` as well (MS_BIND)."""
        return self._attach(self._new(source.mount.sb, source.dentry, flags), at)

    def _attach(self, mount: Mount, at: Path) -> Mount:
        at = self.top(at)
        mount.parent, mount.mountpoint = at.mount, at.dentry
        if at.dentry.mounts is None:
            at.dentry.mounts = {}
        at.dentry.mounts[at.mount] = mount
        self.mounts.append(mount)
        return mount

    def top(self, path: Path) -> Path:
        """What is seen at a place: the topmost mount's root if something is mounted there."""
        mount, dentry = path.mount, path.dentry
        while dentry.mounts:
            above = dentry.mounts.get(mount)
            if above is None:
                break
            mount, dentry = above, above.root
        return path if dentry is path.dentry and mount is path.mount else Path(mount, dentry)

    def below(self, mount: Mount, top: Dentry | None = None) -> list[Mount]:
        """Every mount below ``mount``, or below its directory ``top``; parents first."""
        found: dict[Mount, None] = {}
        for other in self.mounts:
            if other.parent in found or (
                other.parent is mount and (top is None or other.mountpoint.is_below(top))
            ):
                found[other] = None
        return list(found)

    def move(self, mount: Mount, at: Path) -> None:
        """MS_MOVE: the mount, with what is below it, appears at another place."""
        self._detach(mount)
        above = self.below(mount)
        gone = dict.fromkeys([mount, *above])
        self.mounts = [m for m in self.mounts if m not in gone]
        self._attach(mount, at)
        self.mounts += above

    def _detach(self, mount: Mount) -> None:
        mounts = mount.mountpoint.mounts
        assert mounts is not None
        assert mount.parent is not None
        del mounts[mount.parent]
        if not mounts:
            mount.mountpoint.mounts = None

    def unmount(self, mount: Mount, detach: bool = False) -> None:
        """Take a mount away (EBUSY while something is mounted on it).  See umount(2)."""
        if mount is self.mounts[0] or mount.parent is None:
            raise EINVAL("no place to unmount" if mount.anonymous else "the root stays mounted")
        below = self.below(mount)
        if below and not detach:
            raise EBUSY("%s is mounted below it", below[0])
        for gone in (*reversed(below), mount):
            self._detach(gone)
            gone.parent = None
        self.mounts = [m for m in self.mounts if m.parent is not None or m is self.mounts[0]]

    def table(self, root: Path) -> list[tuple[Mount, bytes]]:
        """(mount, its place) seen from ``root``, as /proc/PID/mounts lists them."""
        shown: list[tuple[Mount, bytes]] = []
        for mount in self.mounts:
            text, reachable, _ = path_from(root, Path(mount, mount.root))
            if reachable:
                shown.append((mount, text))
        return shown

    def check_invariants(self) -> None:
        """For tests."""
        for index, mount in enumerate(self.mounts[1:], 1):
            assert mount.parent in self.mounts[:index], f"{mount} before its parent"
            assert mount.mountpoint.mounts is not None
            assert mount.mountpoint.mounts[mount.parent] is mount

    def __repr__(self) -> str:
        return f"<MountTable {len(self.mounts)} mounts>"


def same_instance(sb: SuperBlock) -> Callable[[bytes], SuperBlock]:
    """For ``MountTable.filesystems``: there is only one of it, whatever the options."""
    return partial(_the_one, sb)


def _the_one(sb: SuperBlock, options: bytes) -> SuperBlock:
    return sb


def show_mount(mount: Mount, place: bytes) -> bytes:
    """One line of /proc/mounts; see fstab(5) for the escapes."""
    escaped = place
    for char in (b"\\", b" ", b"\t", b"\n"):
        escaped = escaped.replace(char, b"\\%03o" % char[0])
    options = mount.options() + (b"," + mount.sb.options if mount.sb.options else b"")
    return b"%s %s %s %s 0 0\n" % (mount.sb.source, escaped, mount.sb.fstype, options)
