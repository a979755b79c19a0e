"""Root, working directory and umask of a task; shared by CLONE_FS, copied by fork(2).

Linux: ``struct fs_struct``.  See chroot(2), chdir(2), umask(2).
"""

from __future__ import annotations

from kernel.vfs.dentry import Path, path_from
from kernel.vfs.mount import MountTable


class FsContext:
    """Where paths start.  ``users`` counts the tasks that share it.

    ``root`` and ``cwd`` are read freely and set by ``set_root`` and ``set_cwd``: each counts as a
    use of its mount, which is why umount(2) says EBUSY.
    """

    __slots__ = ("cwd", "mounts", "root", "umask", "users")

    def __init__(
        self, mounts: MountTable, root: Path | None = None, cwd: Path | None = None,
        umask: int = 0o022,
    ) -> None:  # fmt: skip
        self.mounts = mounts
        self.root = root if root is not None else mounts.root
        self.cwd = cwd if cwd is not None else self.root
        self.umask = umask
        self.users = 1
        self.root.mount.opens += 1
        self.cwd.mount.opens += 1

    def set_cwd(self, place: Path) -> None:
        """chdir(2)."""
        place.mount.opens += 1
        self.cwd.mount.opens -= 1
        self.cwd = place

    def set_root(self, place: Path) -> None:
        """chroot(2)."""
        place.mount.opens += 1
        self.root.mount.opens -= 1
        self.root = place

    def copy(self) -> FsContext:
        """An own one with the same values (fork, unshare)."""
        return FsContext(self.mounts, self.root, self.cwd, self.umask)

    def share(self) -> FsContext:
        """One more task uses it (CLONE_FS)."""
        self.users += 1
        return self

    def release(self) -> None:
        """One task less; the last one lets go of both places."""
        self.users -= 1
        if not self.users:
            self.root.mount.opens -= 1
            self.cwd.mount.opens -= 1

    def path_of(self, path: Path) -> bytes:
        """The absolute path seen from our root."""
        return path_from(self.root, path)[0]

    def __repr__(self) -> str:
        return f"<FsContext cwd={self.cwd!r} umask={self.umask:04o}>"
