"""/dev: a tmpfs with the usual nodes, /dev/pts and /dev/shm.  See null(4), tty(4), pts(4).

A node is a number; who opens it is in the machine's ``DeviceRegistry``.  /dev/pts is a file system
of its own, made by whoever makes pseudo terminals.  Linux: devtmpfs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kernel.abi.files import (
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RELATIME,
    S_IFCHR,
    makedev,
)
from kernel.fs.tmpfs import Tmpfs
from kernel.mm.frames import Frames
from kernel.vfs.dentry import Dentry, Path
from kernel.vfs.inode import SuperBlock
from kernel.vfs.mount import MountTable

TTY_GID: Final = 5

NODES: Final = (
    (b"null", 0o666, 1, 3, 0),
    (b"zero", 0o666, 1, 5, 0),
    (b"full", 0o666, 1, 7, 0),
    (b"random", 0o666, 1, 8, 0),
    (b"urandom", 0o666, 1, 9, 0),
    (b"tty", 0o666, 5, 0, TTY_GID),
    (b"console", 0o600, 5, 1, TTY_GID),
    (b"ptmx", 0o666, 5, 2, TTY_GID),
)
"""name, permissions, major, minor, group"""

LINKS: Final = (
    (b"fd", b"/proc/self/fd"),
    (b"stdin", b"/proc/self/fd/0"),
    (b"stdout", b"/proc/self/fd/1"),
    (b"stderr", b"/proc/self/fd/2"),
)


def mount_dev(
    mounts: MountTable,
    at: Path,
    frames: Frames,
    now: Callable[[], int],
    pts: SuperBlock | None = None,
) -> None:
    """Mount /dev on ``at``, with /dev/shm, and with ``pts`` on /dev/pts."""
    sb = Tmpfs(frames, mounts.new_dev(), now, mode=0o755, fstype=b"devtmpfs")
    root = sb.root
    for name, mode, major, minor, gid in NODES:
        root.mknod(name, S_IFCHR | mode, makedev(major, minor), 0, gid)
    for name, target in LINKS:
        root.symlink(name, target, 0, 0)
    root.mkdir(b"pts", 0o40755, 0, 0)
    root.mkdir(b"shm", 0o41777, 0, 0)
    dev = mounts.mount(sb, at, MS_NOSUID | MS_RELATIME)
    shm = Tmpfs(frames, mounts.new_dev(), now)
    mounts.mount(shm, _child(dev.root, b"shm", mounts, at), MS_NOSUID | MS_NODEV)
    if pts is not None:
        flags = MS_NOSUID | MS_NOEXEC | MS_RELATIME
        mounts.mount(pts, _child(dev.root, b"pts", mounts, at), flags)


def _child(root: Dentry, name: bytes, mounts: MountTable, at: Path) -> Path:
    child = root.lookup(name)
    assert child is not None
    return Path(mounts.top(at).mount, child)
