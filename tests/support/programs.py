"""A kernel without a processor that can execute files: a World with a root in memory."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kernel.abi.errors import ENOENT, KernelError
from kernel.abi.files import AT_FDCWD
from kernel.fs.root import make_directory, make_file
from kernel.fs.tmpfs import Tmpfs
from kernel.task.execve import spawn
from kernel.vfs.fscontext import FsContext
from kernel.vfs.inode import Inode
from kernel.vfs.mount import MountTable
from kernel.vfs.remove import unlink_at
from loader.formats import formats_for
from tests.support.tasks import World

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace, MapEntry


class ProgramWorld(World):
    """``add`` makes a file, ``execute`` runs it in pid 2, whose space and registers show it."""

    def __init__(self, arch: str = "x86_64", user: int = 0) -> None:
        super().__init__(arch, user)
        mounts = MountTable()
        sb = Tmpfs(self.kernel.frames, mounts.new_dev(), self.clock.realtime, mode=0o755)
        mounts.mount_root(sb)
        self.root: Inode = sb.root
        make_directory(self.root, b"bin")
        make_directory(self.root, b"lib")
        self.program.fs = FsContext(mounts)
        self.kernel.formats = formats_for(self.kernel.arch)

    def add(self, path: bytes, content: bytes, mode: int = 0o755) -> Inode:
        """A file, executable unless ``mode`` says otherwise."""
        with suppress(ENOENT):
            unlink_at(self.program, AT_FDCWD, path)
        return make_file(self.root, path, content, mode)

    def execute(
        self, path: bytes, argv: tuple[bytes, ...] = (b"p",), envp: tuple[bytes, ...] = ()
    ) -> AddressSpace:
        """execve; returns the new address space."""
        spawn(self.program, path, argv, envp)
        return self.space

    def refusal(self, path: bytes, argv: tuple[bytes, ...] = (b"p",)) -> KernelError:
        """The error of an execve that must fail, and leave the old program whole."""
        before = self.space
        used = self.kernel.frames.used_count
        try:
            spawn(self.program, path, argv, ())
        except KernelError as error:
            assert self.space is before
            assert self.kernel.frames.used_count == used, "a failed exec keeps frames"
            self.space.check_invariants()
            return error
        raise AssertionError(f"{path!r} was executed")

    @property
    def space(self) -> AddressSpace:
        space = self.program.mm
        assert space is not None
        return space

    @property
    def entry(self) -> tuple[int, int]:
        """Program counter and stack pointer."""
        assert self.program.context is not None
        registers = self.cpu.registers(self.program.context)
        return registers.pc, registers.sp

    def area(self, address: int) -> MapEntry:
        """The mapping that contains an address."""
        return next(entry for entry in self.space.maps() if entry.start <= address < entry.end)
