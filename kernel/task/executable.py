"""The program files of address spaces: /proc/PID/exe, and ETXTBSY while a program runs.

An address space holds one reference to its program's open file and denies writing to it; fork adds
one of each, the last user of the space gives them back.  Linux analogue: ``mm_struct.exe_file``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.vfs.openfile import OpenFile


def set_executable(space: AddressSpace, file: OpenFile) -> None:
    """The space runs ``file`` from now on.  ETXTBSY if somebody has it open for writing."""
    file.inode.deny_write()
    file.hold()
    space.exe = file


def share_executable(parent: AddressSpace, child: AddressSpace) -> None:
    """fork: the copy runs the same program."""
    file: OpenFile | None = parent.exe  # type: ignore[assignment]  # kernel.mm knows no files
    child.exe = None
    if file is not None:
        set_executable(child, file)


def drop_executable(space: AddressSpace) -> None:
    """The space is no more."""
    file: OpenFile | None = space.exe  # type: ignore[assignment]
    space.exe = None
    if file is not None:
        file.inode.allow_write()
        file.drop()
