"""Host calls that never follow a link and never take a path of more than one step.

Everything under a volume is reached so: a descriptor of a directory, one name, no following.  A
name with a slash, and ``.`` and ``..``, are refused here once more, whatever the walk above did.
So no symbolic link, no rename, and no race between them leads out of the mounted directory.

Descriptors for walking are opened O_PATH where the host has it (Linux): they need no permission to
read, and opening one has no effect on what it names.  See open(2), "Rationale for openat()".
"""

from __future__ import annotations

import ctypes
import os
import sys
from types import TracebackType
from typing import Final

from kernel.abi.errors import EINVAL
from kernel.fs.hosterrors import from_host

O_PATH: Final = getattr(os, "O_PATH", os.O_RDONLY)
O_TMPFILE: Final = getattr(os, "O_TMPFILE", 0)
_STEP: Final = os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY: Final = O_PATH | os.O_DIRECTORY | _STEP
_CONTENTS: Final = os.O_NONBLOCK | os.O_NOCTTY | _STEP
"""A file that turns out to be a FIFO or a terminal must neither block nor become ours."""
HAS_PROC: Final = sys.platform == "linux"
_RENAME_EXCHANGE: Final = 2

Identity = tuple[int, int]
"""(device, inode number) on the host."""


class _Host:
    """``with HOST:`` turns what the host refuses into the kernel's errors."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError):
            raise from_host(error) from error


HOST: Final = _Host()


def identity(status: os.stat_result) -> Identity:
    """What makes a file the same file."""
    return status.st_dev, status.st_ino


def check_step(name: bytes) -> None:
    """One step down, or EINVAL."""
    if b"/" in name or name in (b"", b".", b"..") or b"\0" in name:
        raise EINVAL("%r is not the name of an entry", name)


def step_stat(directory: int, name: bytes) -> os.stat_result:
    """lstat of an entry.  Raises OSError."""
    return os.stat(name, dir_fd=directory, follow_symlinks=False)


def open_directory(directory: int, name: bytes) -> int:
    """A descriptor to walk on from.  Raises OSError."""
    return os.open(name, _DIRECTORY, dir_fd=directory)


def open_entry(directory: int, name: bytes, flags: int = O_PATH) -> int:
    """A descriptor of an entry, links not followed.  Raises OSError."""
    return os.open(name, flags | _CONTENTS, dir_fd=directory)


def create_entry(directory: int, name: bytes, mode: int) -> int:
    """A new regular file, open for reading and writing.  Raises OSError."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | _CONTENTS
    return os.open(name, flags, mode & 0o777, dir_fd=directory)


def reopen(fd: int, flags: int) -> int:
    """Another way to use a file that is open already, whatever became of its name.

    The magic link leads to the open file itself, not along a path.  Raises OSError.
    """
    return os.open(proc_link(fd), flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)


def proc_link(fd: int) -> bytes:
    """A path that means an open file, for calls that take no descriptor."""
    return b"/proc/self/fd/%d" % fd


def exchange_names(old_dir: int, old: bytes, new_dir: int, new: bytes) -> None:
    """renameat2 with RENAME_EXCHANGE.  Raises OSError; EINVAL where the host has no such call."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        raise EINVAL("the host cannot exchange names") from None
    if call(old_dir, old, new_dir, new, _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
