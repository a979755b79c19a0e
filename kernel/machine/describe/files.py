"""Descriptors, open files, pipes, mounts and inodes."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, NamedTuple

from kernel.abi import files as abi
from kernel.fs.pipe import PipeFile
from kernel.machine.describe.plain import dotted
from kernel.machine.describe.processes import sleepers, text
from kernel.vfs.dentry import display_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kernel.fs.pipe import Pipe
    from kernel.task.system import System
    from kernel.task.task import Task
    from kernel.vfs.inode import Inode
    from kernel.vfs.openfile import OpenFile

Holder = tuple[int, int]
"""(pid, descriptor) of one who has an open file."""


class Descriptor(NamedTuple):
    """One line of a descriptor table.

    ``identity``: equal for descriptors of one open file (dup(2), fork(2)), in all processes; a
    number from 1 up, in order of pid and descriptor, so it may change when others come and go.
    ``shared``: who else has this open file.  ``kind``: 'regular', 'directory', 'pipe', 'socket',
    'character', ...; ``details``: what this kind of file says of itself.
    """

    fd: int
    path: str
    kind: str
    flags: int
    flag_names: tuple[str, ...]
    pos: int
    cloexec: bool
    identity: int
    refs: int
    shared: tuple[Holder, ...]
    inode: int
    device: int
    details: tuple[tuple[str, object], ...]
    implemented_by: str


class PipeView(NamedTuple):
    """One pipe or FIFO somebody has open: what is in it, and who is at which end."""

    name: str
    inode: int
    size: int
    capacity: int
    readers: tuple[Holder, ...]
    writers: tuple[Holder, ...]
    waiting: tuple[int, ...]
    """tids that sleep on it"""
    implemented_by: str = "kernel.fs.pipe.Pipe"


class MountView(NamedTuple):
    """One mount: what is seen where.  ``parent`` is the number of the mount it lies on."""

    ident: int
    parent: int | None
    place: str
    fstype: str
    source: str
    options: str
    device: int
    read_only: bool
    opens: int
    implemented_by: str


class InodeView(NamedTuple):
    """One file that is open somewhere; times in ns since the epoch."""

    device: int
    ino: int
    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    nlink: int
    opens: int
    writers: int
    paths: tuple[str, ...]
    holders: tuple[Holder, ...]
    locks: tuple[str, ...]
    implemented_by: str


_KINDS = {
    stat.S_IFREG: "regular", stat.S_IFDIR: "directory", stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "character",
    stat.S_IFBLK: "block",
}  # fmt: skip


_ACCESS = ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE")
_STATUS_FLAGS = ("O_APPEND", "O_NONBLOCK", "O_DIRECT", "O_ASYNC", "O_NOATIME", "O_DIRECTORY")


def kind_of(inode: Inode) -> str:
    """What sort of file it is; 'anonymous' for eventfds, epolls and the like."""
    return _KINDS.get(stat.S_IFMT(inode.mode), "anonymous")


def flag_names(flags: int) -> tuple[str, ...]:
    """The status flags of an open file by name, access mode first."""
    if flags & abi.O_PATH:
        return ("O_PATH",)
    mode = _ACCESS[flags & abi.O_ACCMODE]
    return (mode, *(name for name in _STATUS_FLAGS if flags & getattr(abi, name)))


def open_files(system: System) -> dict[OpenFile, list[Holder]]:
    """Every open file with the descriptors that stand for it, in order of pid and descriptor.

    Threads share their table and count once, under the pid of the process; so do processes that
    share one (CLONE_FILES without CLONE_THREAD): each is named.
    """
    found: dict[OpenFile, list[Holder]] = {}
    for pid, task in _tables(system):
        for fd, file in task.fds.items():
            found.setdefault(file, []).append((pid, fd))
    return found


def _tables(system: System) -> Iterator[tuple[int, Task]]:
    """(pid, a task) for each descriptor table of each process."""
    for pid in sorted(system.groups):
        seen: list[object] = []
        tasks = system.groups[pid].tasks
        for tid in sorted(tasks):
            task = tasks[tid]
            if not any(table is task.fds for table in seen):
                seen.append(task.fds)
                yield pid, task


def descriptors(task: Task) -> tuple[Descriptor, ...]:
    """The descriptor table of a task, by number."""
    everybody = open_files(task.kernel)
    identities = {file: number for number, file in enumerate(everybody, 1)}
    return tuple(
        _descriptor(task, fd, file, identities.get(file, 0), everybody.get(file, []))
        for fd, file in task.fds.items()
    )


def _descriptor(
    task: Task, fd: int, file: OpenFile, identity: int, holders: list[Holder]
) -> Descriptor:
    details = file.describe()
    pos = details.pop("pos", file.pos)
    details.pop("flags", None)
    details.pop("refs", None)
    return Descriptor(
        fd,
        text(display_path(file.path)),
        kind_of(file.inode),
        file.flags,
        flag_names(file.flags),
        pos if isinstance(pos, int) else file.pos,
        fd in task.fds.cloexec,
        identity,
        file.refs,
        tuple(holder for holder in holders if holder != (task.tgid, fd)),
        file.inode.ino,
        file.inode.sb.dev,
        tuple(details.items()),
        dotted(type(file)),
    )


def pipes(system: System) -> tuple[PipeView, ...]:
    """Every pipe and FIFO that a descriptor leads to, in order of the first one."""
    found: dict[Pipe, tuple[OpenFile, list[Holder], list[Holder]]] = {}
    for file, holders in open_files(system).items():
        if isinstance(file, PipeFile):
            _, readers, writers = found.setdefault(file.pipe, (file, [], []))
            readers += holders if file.readable else []
            writers += holders if file.writable else []
    return tuple(
        PipeView(
            text(display_path(file.path)),
            file.inode.ino,
            pipe.size,
            pipe.capacity,
            tuple(readers),
            tuple(writers),
            sleepers(pipe.queue),
        )
        for pipe, (file, readers, writers) in found.items()
    )


def mounts(system: System) -> tuple[MountView, ...]:
    """The mount tree as the first process sees it, in the order it was made; pipefs and such are
    not in it.
    """
    table = system.mounts
    if table is None or not table.mounts:
        return ()
    return tuple(
        MountView(
            mount.ident,
            mount.parent.ident if mount.parent is not None else None,
            text(place),
            text(mount.sb.fstype),
            text(mount.sb.source),
            text(mount.options()),
            mount.sb.dev,
            mount.read_only,
            mount.opens,
            dotted(type(mount.sb)),
        )
        for mount, place in table.table(table.root)
    )


def inodes(system: System) -> tuple[InodeView, ...]:
    """Every inode that a descriptor leads to, in order of the first one."""
    found: dict[Inode, list[tuple[OpenFile, list[Holder]]]] = {}
    for file, holders in open_files(system).items():
        found.setdefault(file.inode, []).append((file, holders))
    return tuple(_inode(inode, files) for inode, files in found.items())


def _inode(inode: Inode, files: list[tuple[OpenFile, list[Holder]]]) -> InodeView:
    inode.refresh()
    paths = dict.fromkeys(text(display_path(file.path)) for file, _ in files)
    return InodeView(
        inode.sb.dev,
        inode.ino,
        kind_of(inode),
        inode.mode,
        inode.uid,
        inode.gid,
        inode.size,
        inode.nlink,
        inode.opens,
        max(inode.writers, 0),
        tuple(paths),
        tuple(holder for _, holders in files for holder in holders),
        tuple(inode.locks.lines()) if inode.locks is not None else (),
        dotted(type(inode)),
    )
