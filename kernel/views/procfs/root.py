"""The top of /proc: the machine's files, self, and a directory for each process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel.abi.files import PROC_SUPER_MAGIC
from kernel.vfs.inode import DirEntry, Inode
from kernel.vfs.mount import same_instance
from kernel.views.procfs import machine_files
from kernel.views.procfs.ipc_files import sysvipc_directory
from kernel.views.procfs.nodes import (
    DirNode,
    Factory,
    NamesGiven,
    ViewSuperBlock,
    entry_of,
    link,
    text,
)
from kernel.views.procfs.process import TaskDirectory, process_directory
from kernel.views.procfs.sysctl import sysctl_directory

if TYPE_CHECKING:
    from kernel.task.system import System
    from kernel.task.task import Task
    from kernel.vfs.caller import Caller
    from kernel.vfs.mount import MountTable

SPARE = 64
"""How many directories of dead processes are kept before somebody sweeps."""


def _self(task: Task) -> bytes:
    return b"%d" % task.tgid


def _thread_self(task: Task) -> bytes:
    return b"%d/task/%d" % (task.tgid, task.tid)


def _mounts(task: Task) -> bytes:
    return b"self/mounts"


def _net(task: Task) -> bytes:
    return b"self/net"


def _names(boot_id: bytes) -> dict[bytes, Factory]:
    return {
        b"cmdline": text(machine_files.command_line),
        b"cpuinfo": text(machine_files.cpuinfo),
        b"devices": text(machine_files.devices),
        b"filesystems": text(machine_files.filesystems),
        b"loadavg": text(machine_files.loadavg),
        b"meminfo": text(machine_files.meminfo),
        b"mounts": link(_mounts),
        b"net": link(_net),
        b"self": link(_self),
        b"stat": text(machine_files.stat),
        b"swaps": text(machine_files.swaps),
        b"sys": sysctl_directory(boot_id),
        b"sysvipc": sysvipc_directory(),
        b"thread-self": link(_thread_self),
        b"uptime": text(machine_files.uptime),
        b"version": text(machine_files.version),
    }


class ProcRoot(NamesGiven, DirNode):
    """/proc itself.  ``_processes`` keeps a directory per process, as long as it exists."""

    __slots__ = ("_processes", "kernel")

    def __init__(self, sb: ViewSuperBlock) -> None:
        super().__init__(sb, _names(sb.kernel.random.bytes(16)))
        self.kernel = sb.kernel
        self._processes: dict[int, TaskDirectory] = {}

    def lookup(self, name: bytes) -> Inode | None:
        """A fixed name, or the number of a process (or of one of its tasks, as in Linux)."""
        if not name.isdigit():
            return self.child(name)
        if (name[0] == 48 and len(name) > 1) or len(name) > 9:
            return None
        task = self.kernel.tasks.get(int(name))
        return self._directory(task) if task is not None else None

    def _directory(self, task: Task) -> TaskDirectory:
        made = self._processes.get(task.tid)
        if made is None or made.task is not task:
            if len(self._processes) > 2 * len(self.kernel.tasks) + SPARE:
                self._sweep()
            group = task.group
            made = (
                process_directory(self.sb, group)
                if task is group.leader
                else TaskDirectory(self.sb, task)
            )
            self._processes[task.tid] = made
        made.refresh()
        return made

    def _sweep(self) -> None:
        tasks = self.kernel.tasks
        self._processes = {
            tid: made for tid, made in self._processes.items() if tasks.get(tid) is made.task
        }

    def entries(self, caller: Caller) -> list[DirEntry]:
        """The fixed names, then the processes by number."""
        groups = self.kernel.groups
        numbers = [
            entry_of(b"%d" % pid, self._directory(groups[pid].leader)) for pid in sorted(groups)
        ]
        return super().entries(caller) + numbers

    def refresh(self) -> None:
        """A link from each directory: the fixed ones and the processes'."""
        super().refresh()
        self.nlink += len(self.kernel.groups)


def make_procfs(kernel: System, mounts: MountTable) -> ViewSuperBlock:
    """The machine's proc file system, to be mounted on /proc; mount(2) gives the same one."""
    sb = ViewSuperBlock(kernel, b"proc", mounts.new_dev(), PROC_SUPER_MAGIC)
    sb.root = ProcRoot(sb)
    mounts.filesystems[b"proc"] = same_instance(sb)
    return sb
