"""devpts: the directory /dev/pts, a node for each open pseudoterminal.  See pts(4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.abi.files import DEVPTS_SUPER_MAGIC, S_IFCHR, S_IFDIR, makedev
from kernel.vfs.directory import DirectoryFile
from kernel.vfs.inode import DirEntry, Inode, SuperBlock
from kernel.wait import Blocking

if TYPE_CHECKING:
    from kernel.vfs.caller import Caller
    from kernel.vfs.dentry import Path
    from kernel.vfs.devices import DeviceRegistry
    from kernel.vfs.openfile import OpenFile

TTY_GROUP = 5
SLAVE_MODE = 0o620


class DevptsSuperBlock(SuperBlock):
    """The file system: nodes come and go with their masters, so names are always asked for."""

    __slots__ = ("devices", "nodes")

    volatile = True

    def __init__(self, dev: int, now: Callable[[], int], devices: DeviceRegistry) -> None:
        super().__init__(b"devpts", dev, now, DEVPTS_SUPER_MAGIC)
        self.options = b"gid=%d,mode=%o,ptmxmode=666" % (TTY_GROUP, SLAVE_MODE)
        self.devices = devices
        self.nodes: dict[bytes, Inode] = {}
        self.root = _Root(self)
        self.nodes[b"ptmx"] = TerminalNode(self, 0o666, makedev(5, 2))

    def add(self, index: int, rdev: int, uid: int) -> None:
        """A pseudoterminal was made; its node belongs to who made it."""
        self.nodes[b"%d" % index] = TerminalNode(self, SLAVE_MODE, rdev, uid, TTY_GROUP)

    def remove(self, index: int) -> None:
        """Its master was closed."""
        self.nodes.pop(b"%d" % index, None)


class TerminalNode(Inode):
    """A character device node."""

    __slots__ = ("devices",)

    def __init__(
        self, sb: DevptsSuperBlock, mode: int, rdev: int, uid: int = 0, gid: int = 0
    ) -> None:
        super().__init__(sb, S_IFCHR | mode, uid, gid)
        self.rdev = rdev
        self.devices = sb.devices

    def open(self, caller: Caller, path: Path, flags: int) -> OpenFile | Blocking[OpenFile]:
        """Whoever drives the device number."""
        return self.devices.open(caller, self, path, flags)


class _Root(Inode):
    """/dev/pts."""

    __slots__ = ("nodes",)

    def __init__(self, sb: DevptsSuperBlock) -> None:
        super().__init__(sb, S_IFDIR | 0o755)
        self.nlink = 2
        self.nodes = sb.nodes

    def lookup(self, name: bytes) -> Inode | None:
        """A node of that name."""
        return self.nodes.get(name)

    def entries(self, caller: Caller) -> list[DirEntry]:
        """Numbers in order, then ptmx."""
        return [
            DirEntry(name, node.ino, S_IFCHR >> 12)
            for name, node in sorted(self.nodes.items(), key=lambda item: (len(item[0]), item[0]))
        ]

    def open(self, caller: Caller, path: Path, flags: int) -> OpenFile:
        """For getdents64(2)."""
        return DirectoryFile(self, path, flags)
