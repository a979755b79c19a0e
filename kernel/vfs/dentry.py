"""Dentries and paths: names, and places in the tree of mounts.

A dentry is a name that has an inode.  Names that do not exist have no dentry: our file systems
look a name up in a dict anyway, so remembering that it is missing saves nothing.  Dentries are made
by the walk and live as long as the name does; removing a name takes its dentry out of the tree,
while open files and working directories may go on holding it (``unlinked``).

A ``Path`` is a dentry and the mount it is seen through: the same directory can be in two places by
a bind mount.  Linux: ``struct dentry``, ``struct path``, path_resolution(7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kernel.vfs.inode import Inode
    from kernel.vfs.mount import Mount


MANY_NAMES: Final = 512


class Dentry:
    """A name in a directory.

    Invariants: while ``not unlinked``, ``parent.children[name] is self`` (the root of a file system
    is its own parent and in nobody's children).  ``mounts`` maps the mount that this dentry is seen
    through to the mount on top of it; None for nearly all.
    """

    __slots__ = ("children", "inode", "mounts", "name", "parent", "unlinked")

    def __init__(self, name: bytes, parent: Dentry | None, inode: Inode) -> None:
        self.name = name
        self.parent: Dentry = parent if parent is not None else self
        self.inode = inode
        self.children: dict[bytes, Dentry] = {}
        self.mounts: dict[Mount, Mount] | None = None
        self.unlinked = False

    def add(self, name: bytes, inode: Inode) -> Dentry:
        """Remember that ``name`` here is ``inode``."""
        child = Dentry(name, self, inode)
        self.children[name] = child
        return child

    def lookup(self, name: bytes) -> Dentry | None:
        """The child of that name: cached, or asked of the file system."""
        child = self.children.get(name)
        if child is not None and not self.inode.sb.volatile:
            return child
        inode = self.inode.lookup(name)
        if child is not None:
            if inode is child.inode:
                return child
            self.forget(name)
        if inode is None:
            return None
        if self.inode.sb.volatile and len(self.children) >= MANY_NAMES:
            self._prune()
        return self.add(name, inode)

    def _prune(self) -> None:
        """Let go of names that nothing is mounted on or remembered below.

        Names of volatile file systems (a process in /proc) vanish without telling us.  A dentry
        that somebody still holds goes on working: it knows its parent.
        """
        self.children = {
            name: child for name, child in self.children.items() if child.children or child.mounts
        }

    def forget(self, name: bytes) -> None:
        """The name is gone; whoever holds the dentry sees that."""
        child = self.children.pop(name, None)
        if child is not None:
            child.unlinked = True

    def is_below(self, ancestor: Dentry) -> bool:
        """Is ``ancestor`` this dentry or one above it (in the same file system)?"""
        here = self
        while here is not ancestor:
            if here.parent is here:
                return False
            here = here.parent
        return True

    def __repr__(self) -> str:
        return f"<Dentry {self.name!r}{' unlinked' if self.unlinked else ''}>"


class Path:
    """A place: a dentry, seen through a mount.  Never changed once made."""

    __slots__ = ("dentry", "mount")

    def __init__(self, mount: Mount, dentry: Dentry) -> None:
        self.mount = mount
        self.dentry = dentry

    @property
    def inode(self) -> Inode:
        """The file at this place."""
        return self.dentry.inode

    def same(self, other: Path) -> bool:
        """The same dentry seen through the same mount."""
        return self.dentry is other.dentry and self.mount is other.mount

    def __repr__(self) -> str:
        return f"<Path {display_path(self)!r}>"

    def __str__(self) -> str:
        """For people: the whole path, as /proc/PID/fd shows it."""
        return display_path(self).decode("utf-8", "backslashreplace")


def ancestors(path: Path) -> tuple[list[bytes], Path, bool]:
    """Names from the top down to ``path``, the top, and whether a removed name is among them."""
    mount, dentry = path.mount, path.dentry
    names: list[bytes] = []
    unlinked = False
    while True:
        if dentry is mount.root:
            parent = mount.parent
            if parent is None:
                break
            mount, dentry = parent, mount.mountpoint
            continue
        unlinked = unlinked or dentry.unlinked
        if dentry.parent is dentry:
            break
        names.append(dentry.name)
        dentry = dentry.parent
    names.reverse()
    return names, Path(mount, dentry), unlinked


def path_from(root: Path, path: Path) -> tuple[bytes, bool, bool]:
    """The absolute path seen from ``root``: (text, reachable from root, removed).

    Linux: ``d_path``, ``prepend_path``; getcwd(2) says "(unreachable)" if it is not.
    """
    mount, dentry = path.mount, path.dentry
    names: list[bytes] = []
    unlinked = False
    while dentry is not root.dentry or mount is not root.mount:
        if dentry is mount.root:
            parent = mount.parent
            if parent is None:
                names.reverse()
                return b"/" + b"/".join(names), False, unlinked
            mount, dentry = parent, mount.mountpoint
            continue
        unlinked = unlinked or dentry.unlinked
        if dentry.parent is dentry:  # an inode of a mount that nobody sees: a pipe, a memfd
            names.append(dentry.name)
            names.reverse()
            return b"/".join(names), False, unlinked
        names.append(dentry.name)
        dentry = dentry.parent
    names.reverse()
    return b"/" + b"/".join(names), True, unlinked


def display_path(path: Path, root: Path | None = None) -> bytes:
    """As /proc/PID/fd and maps show it: ' (deleted)' behind a name that is gone."""
    if path.mount.anonymous:
        return path.dentry.name
    text, _, unlinked = path_from(root if root is not None else ancestors(path)[1], path)
    return text + b" (deleted)" if unlinked else text
