"""Telling who watches files what happened to them.  See inotify(7).

Watches are kept by super block, in ``watched``: inode -> the marks on it.  It is empty where nobody
watches, and callers on hot paths look at that before they call anything here.

An event of a file goes to the marks on the directory it was found in (with its name), and to the
marks on the file itself.  Linux: ``fsnotify``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kernel.abi.files import (
    IN_ATTRIB,
    IN_CREATE,
    IN_DELETE,
    IN_DELETE_SELF,
    IN_ISDIR,
    IN_MOVE_SELF,
    IN_MOVED_FROM,
    IN_MOVED_TO,
    S_IFDIR,
    S_IFMT,
)

if TYPE_CHECKING:
    from kernel.vfs.dentry import Dentry
    from kernel.vfs.inode import Inode, SuperBlock


class Mark(Protocol):
    """One watcher's interest in one inode."""

    def tell(self, event: int, name: bytes = b"", cookie: int = 0, gone: bool = False) -> None:
        """It happened; ``gone``: to a name that has been removed already."""

    def unmounted(self) -> None:
        """The whole file system is gone."""

    def drop(self) -> None:
        """The inode is gone, and the mark with it."""


def _directory_bit(inode: Inode) -> int:
    return IN_ISDIR if inode.mode & S_IFMT == S_IFDIR else 0


def notify_file(dentry: Dentry, event: int) -> None:
    """Open, close, read, write, change of attributes: the directory hears it first."""
    inode = dentry.inode
    watched = inode.sb.watched
    if not watched:
        return
    event |= _directory_bit(inode)
    parent = dentry.parent
    if parent is not dentry:
        for mark in list(watched.get(parent.inode, ())):
            mark.tell(event, dentry.name, gone=dentry.unlinked)
    notify_inode(inode, event)


def notify_inode(inode: Inode, event: int) -> None:
    """Only the marks on the file itself."""
    for mark in list(inode.sb.watched.get(inode, ())):
        mark.tell(event)


def notify_name(directory: Inode, name: bytes, inode: Inode, event: int, cookie: int = 0) -> None:
    """Only the marks on the directory."""
    watched = directory.sb.watched
    if watched:
        event |= _directory_bit(inode)
        for mark in list(watched.get(directory, ())):
            mark.tell(event, name, cookie)


def notify_created(directory: Inode, name: bytes, inode: Inode) -> None:
    """A new name."""
    notify_name(directory, name, inode, IN_CREATE)


def notify_linked(directory: Inode, name: bytes, inode: Inode) -> None:
    """One more name for a file: its link count is one of its attributes."""
    if directory.sb.watched:
        notify_inode(inode, IN_ATTRIB)
        notify_name(directory, name, inode, IN_CREATE)


def notify_removed(directory: Inode, name: bytes, inode: Inode) -> None:
    """A name less; told after the end of the file itself, as Linux does."""
    notify_name(directory, name, inode, IN_DELETE)


def notify_moved(
    old: tuple[Inode, bytes], new: tuple[Inode, bytes], inode: Inode, replaced: Inode | None
) -> None:
    """A name moved; the two events of a pair have the same cookie."""
    sb = inode.sb
    if not sb.watched:
        return
    sb.moves += 1
    notify_name(*old, inode, IN_MOVED_FROM, sb.moves)
    notify_name(*new, inode, IN_MOVED_TO, sb.moves)
    if replaced is not None:
        notify_inode(replaced, IN_ATTRIB | _directory_bit(replaced))
    notify_inode(inode, IN_MOVE_SELF | _directory_bit(inode))


def notify_unmounted(sb: SuperBlock) -> None:
    """The last mount of a file system is gone."""
    for marks in list(sb.watched.values()):
        for mark in list(marks):
            mark.unmounted()


def notify_gone(inode: Inode) -> None:
    """The last name and the last user of a file are gone."""
    if inode.sb.watched:
        notify_inode(inode, IN_DELETE_SELF)
        for mark in list(inode.sb.watched.get(inode, ())):
            mark.drop()
