"""Which driver opens a device number.

A device node on any file system is only a number; the machine has one registry that says who opens
it.  The simple character devices (null, zero, ...) register from ``kernel.fs.devices``, terminals
from ``kernel.views``.  Linux: ``cdev_map``, Documentation/admin-guide/devices.txt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel.abi.errors import ENXIO
from kernel.abi.files import S_IFBLK, S_IFCHR, S_IFMT, major, minor
from kernel.wait import Blocking

if TYPE_CHECKING:
    from kernel.vfs.caller import Caller
    from kernel.vfs.dentry import Path
    from kernel.vfs.inode import Inode
    from kernel.vfs.openfile import OpenFile

DeviceOpen = Callable[["Caller", "Inode", "Path", int], "OpenFile | Blocking[OpenFile]"]
"""open(caller, inode, path, flags): the driver's open."""


class DeviceRegistry:
    """(type, major, minor) -> open function and name; a minor of None stands for all of a major."""

    __slots__ = ("_drivers",)

    def __init__(self) -> None:
        self._drivers: dict[tuple[int, int, int | None], tuple[bytes, DeviceOpen]] = {}

    def register(
        self, major: int, minor: int | None, name: bytes, open_: DeviceOpen, kind: int = S_IFCHR
    ) -> None:
        """A later registration of the same number replaces the earlier one."""
        self._drivers[kind, major, minor] = (name, open_)

    def open(
        self, caller: Caller, inode: Inode, path: Path, flags: int
    ) -> OpenFile | Blocking[OpenFile]:
        """Open the device that ``inode.rdev`` names; ENXIO if nobody drives it."""
        kind, number = inode.mode & S_IFMT, inode.rdev
        high = major(number)
        driver = self._drivers.get((kind, high, minor(number)))
        if driver is None:
            driver = self._drivers.get((kind, high, None))
        if driver is None:
            raise ENXIO("%s is device %d:%d, which has no driver here", path, high, minor(number))
        return driver[1](caller, inode, path, flags)

    def names(self, kind: int = S_IFCHR) -> list[tuple[int, bytes]]:
        """(major, name) for /proc/devices, sorted; blocks with S_IFBLK."""
        assert kind in (S_IFCHR, S_IFBLK)
        found = {(m, name) for (k, m, _), (name, _open) in self._drivers.items() if k == kind}
        return sorted(found)

    def __repr__(self) -> str:
        return f"<DeviceRegistry {len(self._drivers)} drivers>"
