"""The terminal drivers of a machine: who opens /dev/tty, /dev/console, /dev/ptmx and /dev/pts/N.

``Terminals`` is made once per machine; its ``register`` puts the drivers into the device registry,
``mount_devpts`` makes the file system for /dev/pts.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from kernel.abi.errors import EBUSY, EIO, ENOSPC, ENXIO
from kernel.abi.files import O_NOCTTY, O_WRONLY, minor
from kernel.cred import CAP_SYS_ADMIN
from kernel.task.jobs import opened_terminal, terminal_of
from kernel.vfs.mount import same_instance
from kernel.views.terminal.devpts import DevptsSuperBlock
from kernel.views.terminal.pseudo import SLAVE_MAJOR, MasterFile, Slave
from kernel.views.terminal.terminal import Terminal
from kernel.views.terminal.terminal_file import TerminalFile

if TYPE_CHECKING:
    from kernel.task.system import System
    from kernel.task.task import Task
    from kernel.vfs.caller import Caller
    from kernel.vfs.dentry import Path
    from kernel.vfs.devices import DeviceRegistry
    from kernel.vfs.inode import Inode
    from kernel.vfs.mount import MountTable
    from kernel.vfs.openfile import OpenFile
    from kernel.views.terminal.console import Console

PTY_MAX = 4096
"""How many pseudoterminals there may be (/proc/sys/kernel/pty/max)."""


class Terminals:
    """Every terminal of a machine.

    ``console``: None if no descriptor of the caller is a terminal.  ``pairs``: pseudoterminals
    whose master is open, by index.
    """

    __slots__ = ("console", "devpts", "kernel", "pairs")

    def __init__(self, kernel: System, mounts: MountTable, console: Console | None = None) -> None:
        self.kernel = kernel
        self.console = console
        self.pairs: dict[int, Slave] = {}
        self.devpts = DevptsSuperBlock(mounts.new_dev(), kernel.clock.realtime, mounts.devices)
        mounts.filesystems[b"devpts"] = same_instance(self.devpts)
        self.register(mounts.devices)

    def register(self, devices: DeviceRegistry) -> None:
        """Become the driver of the terminal device numbers."""
        devices.register(5, 0, b"/dev/tty", self.open_tty)
        devices.register(5, 1, b"/dev/console", self.open_console)
        devices.register(5, 2, b"/dev/ptmx", self.open_ptmx)
        devices.register(SLAVE_MAJOR, None, b"pts", self.open_slave)

    # -- the drivers' open ------------------------------------------------------------------------

    def open_tty(self, caller: Caller, inode: Inode, path: Path, flags: int) -> OpenFile:
        """/dev/tty: the caller's controlling terminal; ENXIO if it has none.  See tty(4)."""
        task = cast("Task", caller)
        terminal = terminal_of(task)
        if terminal is None:
            raise ENXIO("process %d has no controlling terminal", task.tgid)
        assert isinstance(terminal, Terminal)
        return self._open(task, inode, path, flags | O_NOCTTY, terminal)

    def open_console(self, caller: Caller, inode: Inode, path: Path, flags: int) -> OpenFile:
        """/dev/console: the caller's terminal outside; ENXIO if there is none."""
        if self.console is None:
            raise ENXIO("diorama was started without a terminal")
        return self._open(cast("Task", caller), inode, path, flags, self.console)

    def open_slave(self, caller: Caller, inode: Inode, path: Path, flags: int) -> OpenFile:
        """/dev/pts/N; EIO while it is locked or after its master was closed."""
        slave = self.pairs.get(minor(inode.rdev))
        if slave is None:
            raise EIO("the master of %s is closed", path)
        if slave.locked:
            raise EIO("%s is locked: unlockpt(3) was not called", path)
        return self._open(cast("Task", caller), inode, path, flags, slave)

    def _open(
        self, task: Task, inode: Inode, path: Path, flags: int, terminal: Terminal
    ) -> TerminalFile:
        if terminal.exclusive and not task.cred.capable(CAP_SYS_ADMIN):
            raise EBUSY("%s is open for one only (TIOCEXCL)", path)
        file = TerminalFile(inode, path, flags & ~O_NOCTTY, terminal)
        if not flags & (O_NOCTTY | O_WRONLY):
            opened_terminal(task, terminal)
        return file

    def open_ptmx(self, caller: Caller, inode: Inode, path: Path, flags: int) -> OpenFile:
        """/dev/ptmx: a new pair; the file is its master.  See pts(4)."""
        index = next((n for n in range(PTY_MAX) if n not in self.pairs), None)
        if index is None:
            raise ENOSPC("there are %d pseudoterminals, the most that can be", PTY_MAX)
        slave = Slave(self.kernel, index, partial(self._forget, index))
        file = MasterFile(inode, path, flags & ~O_NOCTTY, slave)
        self.pairs[index] = slave
        self.devpts.add(index, slave.device, caller.cred.fsuid)
        return file

    def _forget(self, index: int) -> None:
        del self.pairs[index]
        self.devpts.remove(index)

    def __repr__(self) -> str:
        return f"<Terminals {len(self.pairs)} pairs>"
