"""The guest's files from Python: read, write, list, and files that are Python functions.

Everything is done as root, through the same walk and the same file systems as the guest's own
calls, so permissions of the mount and errors are the guest's.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EEXIST, KernelError
from kernel.abi.files import (
    AT_FDCWD,
    O_CREAT,
    O_DIRECTORY,
    O_NONBLOCK,
    O_RDONLY,
    O_TRUNC,
    O_WRONLY,
    S_IFREG,
)
from kernel.mm.buffer import KernelBuffer
from kernel.vfs.create import mknod_at
from kernel.vfs.open import OpenHow, open_at
from kernel.vfs.openfile import OpenFile
from kernel.vfs.remove import unlink_at
from kernel.vfs.walk import DIRECTORY, FOLLOW, walk
from kernel.views.procfs.nodes import TextNode, ViewSuperBlock
from tools.boot.files import place
from tools.errors import DioramaError
from tools.library.memory import check_open
from tools.library.streams import StreamNode

if TYPE_CHECKING:
    from kernel.task.task import Task
    from kernel.vfs.mount import Mount
    from tools.boot.hardware import Hardware
    from tools.library.streams import Sink, Source

PIECE: Final = 1 << 20


class GuestFiles:
    """The files of one machine.  A failure is a DioramaError with the guest's error in words."""

    def __init__(self, hardware: Hardware, init: Task) -> None:
        self._hardware = hardware
        self._init = init

    def read(self, path: str) -> bytes:
        """All of a file."""
        file = self._open(path, O_RDONLY | O_NONBLOCK)
        found = bytearray()
        try:
            while True:
                buffer = KernelBuffer.empty(PIECE)
                moved = file.read(self._init, buffer, None)
                if not isinstance(moved, int):
                    moved.close()
                    raise DioramaError(f"{path}: reading would wait")
                if not moved:
                    return bytes(found)
                found += buffer.filled()
        except KernelError as error:
            raise _failed(path, error) from error
        finally:
            file.drop()

    def write(self, path: str, data: bytes, mode: int) -> None:
        """Make or replace a file; directories on the way are made."""
        folder = os.path.dirname(path)
        if folder not in ("", "/"):
            place(self._init, os.fsencode(folder), make=True)
        file = self._open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK, mode)
        try:
            buffer = KernelBuffer(data)
            while buffer.remaining:
                moved = file.write(self._init, buffer, None)
                if not isinstance(moved, int):
                    moved.close()
                    raise DioramaError(f"{path}: writing would wait")
                if not moved:
                    break
            if stat.S_ISREG(file.inode.mode):
                file.inode.set_mode(mode)
        except KernelError as error:
            raise _failed(path, error) from error
        finally:
            file.drop()

    def names(self, path: str) -> list[str]:
        """The names in a directory, sorted."""
        file = self._open(path, O_RDONLY | O_DIRECTORY)
        try:
            return sorted(os.fsdecode(entry.name) for entry in file.inode.entries(self._init))
        except KernelError as error:
            raise _failed(path, error) from error
        finally:
            file.drop()

    def exists(self, path: str) -> bool:
        """Does the path lead somewhere?"""
        check_open(self._init)
        try:
            walk(self._init, AT_FDCWD, os.fsencode(path), FOLLOW)
        except KernelError:
            return False
        return True

    def remove(self, path: str) -> None:
        """Remove a file."""
        check_open(self._init)
        try:
            unlink_at(self._init, AT_FDCWD, os.fsencode(path))
        except KernelError as error:
            raise _failed(path, error) from error

    def change_directory(self, task: Task, path: str) -> None:
        """Let a task that has not begun to run begin in a directory."""
        try:
            found = walk(self._init, AT_FDCWD, os.fsencode(path), FOLLOW | DIRECTORY)
        except KernelError as error:
            raise _failed(path, error) from error
        task.fs.set_cwd(found)

    def provide(
        self,
        path: str,
        read: Callable[[Task], bytes],
        write: Callable[[Task, bytes], None] | None,
    ) -> Mount:
        """A file whose contents are a function's, mounted over ``path``."""
        sb = self._new_file_system()
        sb.root = TextNode(sb, read, write)
        return self._cover(path, sb)

    def provide_stream(self, path: str, read: Source, write: Sink | None) -> Mount:
        """A device behind two functions, mounted over ``path``."""
        sb = self._new_file_system()
        sb.root = StreamNode(sb, read, write)
        return self._cover(path, sb)

    def _new_file_system(self) -> ViewSuperBlock:
        mounts = self._hardware.mounts
        return ViewSuperBlock(self._hardware.system, b"python", mounts.new_dev())

    def _cover(self, path: str, sb: ViewSuperBlock) -> Mount:
        check_open(self._init)
        folder, name = os.path.split(path)
        place(self._init, os.fsencode(folder or "/"), make=True)
        try:
            with_name = os.fsencode(path)
            try:
                at = mknod_at(self._init, AT_FDCWD, with_name, S_IFREG | 0o644, 0)
            except EEXIST:
                at = walk(self._init, AT_FDCWD, with_name)
            if stat.S_ISDIR(at.inode.mode):
                raise DioramaError(f"{name}: a file cannot cover a directory")
            return self._hardware.mounts.mount(sb, at, 0)
        except KernelError as error:
            raise _failed(path, error) from error

    def _open(self, path: str, flags: int, mode: int = 0) -> OpenFile:
        check_open(self._init)
        try:
            how = OpenHow.from_flags(flags, mode)
            file = open_at(self._init, AT_FDCWD, os.fsencode(path), how)
        except KernelError as error:
            raise _failed(path, error) from error
        if not isinstance(file, OpenFile):
            file.close()
            raise DioramaError(f"{path}: opening would wait")
        file.hold()
        return file


def _failed(path: str, error: KernelError) -> DioramaError:
    why = f" ({error.reason})" if error.reason else ""
    return DioramaError(f"{path}: {error.text}{why}")
