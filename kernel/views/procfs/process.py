"""The directory of one process, /proc/PID, and of one task, /proc/PID/task/TID.  See proc(5)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from kernel.abi.errors import ENOENT, ESRCH
from kernel.abi.files import S_IFDIR
from kernel.task.task import DEAD
from kernel.vfs.directory import DirectoryFile
from kernel.vfs.inode import DirEntry, Inode, SuperBlock
from kernel.views.procfs import process_files, process_memory, process_status, smaps
from kernel.views.procfs.access import check_look
from kernel.views.procfs.network_files import network_directory
from kernel.views.procfs.nodes import NamesGiven, TextNode, entry_of

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.task.thread_group import ThreadGroup
    from kernel.vfs.caller import Caller
    from kernel.vfs.dentry import Path
    from kernel.vfs.openfile import OpenFile

TaskFactory = Callable[[SuperBlock, "Task"], Inode]
TaskShow = Callable[["Task", "Task"], bytes]
TaskStore = Callable[["Task", "Task", bytes], None]


def _text(
    show: TaskShow, mode: int = 0o444, store: TaskStore | None = None, secret: bool = False
) -> TaskFactory:
    """A file about a task; reading it after the task is gone is ESRCH."""
    return partial(_make_text, show, mode, store, secret)


def _make_text(
    show: TaskShow, mode: int, store: TaskStore | None, secret: bool, sb: SuperBlock, task: Task
) -> Inode:
    return TextNode(
        sb,
        partial(_show_task, show, task),
        partial(_store_task, store, task) if store is not None else None,
        mode,
        partial(_guard, task) if secret else None,
    )


def _show_task(show: TaskShow, task: Task, reader: Task) -> bytes:
    return show(reader, _existing(task))


def _store_task(store: TaskStore, task: Task, writer: Task, data: bytes) -> None:
    store(writer, _existing(task), data)


def _guard(task: Task, opener: Task) -> None:
    check_look(opener, task)


def _existing(task: Task) -> Task:
    if task.state == DEAD or task.kernel.tasks.get(task.tid) is not task:
        raise ESRCH("process %d is gone", task.tid)
    return task


def _process_stat(reader: Task, task: Task) -> bytes:
    return process_status.stat(reader, task, whole=True)


def _task_stat(reader: Task, task: Task) -> bytes:
    return process_status.stat(reader, task, whole=False)


_COMMON: dict[bytes, TaskFactory] = {
    b"fd": process_files.FdDirectory,
    b"fdinfo": process_files.FdinfoDirectory,
    b"environ": _text(process_memory.environ, 0o400, secret=True),
    b"auxv": _text(process_memory.auxv, 0o400, secret=True),
    b"status": _text(process_status.status),
    b"limits": _text(process_status.limits),
    b"loginuid": _text(process_status.loginuid),
    b"comm": _text(process_status.comm, 0o644, process_status.set_comm),
    b"cmdline": _text(process_memory.cmdline),
    b"stat": _text(_process_stat),
    b"statm": _text(process_status.statm),
    b"maps": _text(process_memory.maps, secret=True),
    b"smaps": _text(smaps.smaps, secret=True),
    b"smaps_rollup": _text(smaps.smaps_rollup, secret=True),
    b"mem": process_memory.MemNode,
    b"cwd": process_files.cwd,
    b"root": process_files.root,
    b"exe": process_files.exe,
    b"mounts": _text(process_files.mounts),
    b"net": network_directory,
    b"mountinfo": _text(process_files.mountinfo),
    b"wchan": _text(process_status.wchan),
    b"oom_score": _text(process_status.oom_score),
    b"oom_score_adj": _text(process_status.oom_score_adj, 0o644, process_status.set_oom_score_adj),
}
_TASK_FILES: dict[bytes, TaskFactory] = {**_COMMON, b"stat": _text(_task_stat)}


_DIRECTORIES = (b"task", b"fd", b"fdinfo", b"net")


class TaskDirectory(NamesGiven):
    """A directory about one task; its files belong to the task's effective user."""

    __slots__ = ("_factories", "_made", "task")

    def __init__(
        self, sb: SuperBlock, task: Task, factories: dict[bytes, TaskFactory] | None = None
    ) -> None:
        super().__init__(sb, S_IFDIR | 0o555)
        self.task = task
        self._factories = _TASK_FILES if factories is None else factories
        self._made: dict[bytes, Inode] = {}
        self.refresh()

    def refresh(self) -> None:
        """Owner: the effective user, or root while it must not be looked into (proc(5))."""
        self._own(self)
        self.nlink = 2 + sum(1 for name in _DIRECTORIES if name in self._factories)

    @property
    def process(self) -> ThreadGroup | None:
        """What /proc/PID stands for; None where this is one task of /proc/PID/task."""
        return self.task.group if self._factories is PROCESS_FILES else None

    def _own(self, inode: Inode) -> None:
        cred, shown = self.task.cred, self.task.group.dumpable == 1
        inode.uid = cred.euid if shown or inode is self else 0
        inode.gid = cred.egid if shown or inode is self else 0

    def lookup(self, name: bytes) -> Inode | None:
        """A fixed name, as long as the task exists."""
        if self.task.kernel.tasks.get(self.task.tid) is not self.task:
            return None
        return self._child(name)

    def _child(self, name: bytes) -> Inode | None:
        made = self._made.get(name)
        if made is None:
            factory = self._factories.get(name)
            if factory is None:
                return None
            made = self._made[name] = factory(self.sb, self.task)
        self._own(made)
        return made

    def entries(self, caller: Caller) -> list[DirEntry]:
        """All names, in a fixed order."""
        if self.task.kernel.tasks.get(self.task.tid) is not self.task:
            raise ENOENT("process %d is gone", self.task.tid)
        return [entry_of(name, self._child(name)) for name in self._factories]

    def open(self, caller: Caller, path: Path, flags: int) -> OpenFile:
        """For getdents64(2)."""
        return DirectoryFile(self, path, flags)


class ThreadsDirectory(NamesGiven):
    """/proc/PID/task: a directory per task."""

    __slots__ = ("_made", "group")

    def __init__(self, sb: SuperBlock, group: ThreadGroup) -> None:
        super().__init__(sb, S_IFDIR | 0o555)
        self.group = group
        self._made: dict[int, TaskDirectory] = {}

    def refresh(self) -> None:
        """A link from each task's directory, as everywhere."""
        self.nlink = 2 + len(self._tasks())

    def _tasks(self) -> dict[int, Task]:
        """The living ones, and the leader until it is reaped."""
        leader = self.group.leader
        return {leader.tid: leader, **self.group.tasks}

    def lookup(self, name: bytes) -> Inode | None:
        """A task of this process."""
        if not name.isdigit():
            return None
        task = self._tasks().get(int(name))
        return self._of(task) if task is not None else None

    def _of(self, task: Task) -> TaskDirectory:
        made = self._made.get(task.tid)
        if made is None or made.task is not task:
            made = self._made[task.tid] = TaskDirectory(self.sb, task)
        made.refresh()
        return made

    def entries(self, caller: Caller) -> list[DirEntry]:
        """The tasks, by number."""
        tasks = self._tasks()
        return [entry_of(b"%d" % tid, self._of(tasks[tid])) for tid in sorted(tasks)]

    def open(self, caller: Caller, path: Path, flags: int) -> OpenFile:
        """For getdents64(2)."""
        return DirectoryFile(self, path, flags)


def _threads(sb: SuperBlock, task: Task) -> Inode:
    return ThreadsDirectory(sb, task.group)


PROCESS_FILES: dict[bytes, TaskFactory] = {
    b"task": _threads,
    **_COMMON,
}


def process_directory(sb: SuperBlock, group: ThreadGroup) -> TaskDirectory:
    """/proc/PID."""
    return TaskDirectory(sb, group.leader, PROCESS_FILES)
