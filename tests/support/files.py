"""A kernel of files alone: a root in tmpfs and callers, without tasks or a processor."""

from __future__ import annotations

from typing import Any

from kernel.abi.errors import KernelError
from kernel.abi.files import AT_FDCWD, O_RDONLY
from kernel.arch import get_arch
from kernel.clock import ManualClock
from kernel.cred import Credentials, Limits
from kernel.fs.devfs import mount_dev
from kernel.fs.devices import register_memory_devices
from kernel.fs.tmpfs import Tmpfs, tmpfs_factory
from kernel.mm.address_space import AddressSpace
from kernel.mm.buffer import KernelBuffer
from kernel.mm.frames import Frames
from kernel.mm.physical import PhysicalMemory
from kernel.mm.ranges import PythonRanges
from kernel.mm.tlb import NullTlb
from kernel.vfs.fdtable import FdTable
from kernel.vfs.fscontext import FsContext
from kernel.vfs.mount import MountTable
from kernel.vfs.open import OpenHow, open_at
from kernel.vfs.openfile import OpenFile
from kernel.vfs.walk import walk
from kernel.wait import Blocking, Interrupted, Sleep, Waiter

MODE = 0o755


class FakeCaller:
    """What ``kernel.vfs.caller.Caller`` asks for, and ``kernel`` for system calls."""

    def __init__(self, world: FileWorld, tid: int, cred: Credentials) -> None:
        self.tid = self.tgid = tid
        self.fs = FsContext(world.mounts)
        self.fds = FdTable()
        self.cred = cred
        self.limits = Limits()
        self.kernel = world
        self.mm = AddressSpace(world.frames, world.ranges, world.tlb, self.limits)
        self.mem: Any = self.mm.user

    # -- what tests do ---------------------------------------------------------------------------

    def open(self, path: bytes, flags: int = O_RDONLY, mode: int = 0o644) -> OpenFile:
        """An open file, not installed."""
        file = open_at(self, AT_FDCWD, path, OpenHow.from_flags(flags, mode))
        assert isinstance(file, OpenFile)
        return file

    def fd(self, path: bytes, flags: int = O_RDONLY, mode: int = 0o644) -> int:
        """A descriptor."""
        return self.fds.install(self.open(path, flags, mode))

    def read(self, file: OpenFile, count: int = 1 << 20, pos: int | None = None) -> bytes:
        """Read without sleeping."""
        buf = KernelBuffer.empty(count)
        got = file.read(self, buf, pos)
        assert isinstance(got, int)
        assert got == buf.done
        return buf.filled()

    def write(self, file: OpenFile, data: bytes, pos: int | None = None) -> int:
        """Write without sleeping."""
        count = file.write(self, KernelBuffer(data), pos)
        assert isinstance(count, int)
        return count

    def contents(self, path: bytes) -> bytes:
        """All of a file."""
        return self.read(self.open(path))

    def inode(self, path: bytes, flags: int = 0) -> Any:
        """The inode at a path, links not followed."""
        return walk(self, AT_FDCWD, path, flags).dentry.inode

    def names(self, path: bytes) -> list[bytes]:
        """Names in a directory, without '.' and '..'."""
        return [entry.name for entry in self.inode(path).entries(self)]


class FileWorld:
    """Memory, a mount table with a tmpfs root and /dev, and root as a caller.

    Also stands for ``task.kernel`` in system calls: ``arch`` and ``frames`` are here.
    """

    def __init__(self, ram: int = 8 << 20, arch: str = "x86_64") -> None:
        self.physical = PhysicalMemory(ram)
        self.tlb = NullTlb()
        self.frames = Frames(self.physical, self.tlb)
        self.ranges = PythonRanges(self.physical)
        self.clock = ManualClock()
        self.arch = get_arch(arch)
        self.mounts = MountTable()
        self.now = self.clock.realtime
        self.rootfs = Tmpfs(self.frames, self.mounts.new_dev(), self.now, mode=0o755)
        self.mounts.mount_root(self.rootfs)
        self.mounts.filesystems[b"tmpfs"] = tmpfs_factory(self.mounts, self.frames, self.now)
        register_memory_devices(self.mounts.devices, lambda n: b"\x5a" * n)
        self.root = self.caller()

    def with_dev(self) -> FileWorld:
        """Mount /dev as the machine does."""
        self.rootfs.root.mkdir(b"dev", 0o40755, 0, 0)
        mount_dev(self.mounts, walk(self.root, AT_FDCWD, b"/dev"), self.frames, self.now)
        return self

    def caller(self, uid: int = 0, gid: int = 0, groups: tuple[int, ...] = ()) -> FakeCaller:
        """A process of that user."""
        return FakeCaller(self, 2 + uid, Credentials.for_user(uid, gid, groups))


class Sleeping:
    """A blocked call, run by hand: like the scheduler, but one at a time."""

    def __init__(self, call: int | Blocking[Any]) -> None:
        self.result: Any = None
        self.done = False
        self.error: Exception | None = None
        self._waiter: Waiter | None = None
        assert not isinstance(call, int), "did not sleep"
        self._call = call
        self._resume(lambda: next(self._call))

    def _resume(self, step: Any) -> None:
        try:
            sleep: Sleep = step()
        except StopIteration as stop:
            self.result, self.done = stop.value, True
        except (KernelError, Interrupted) as error:
            self.error, self.done = error, True
        else:
            self._waiter = Waiter(self, sleep.queues, sleep.exclusive, sleep.key)

    def wake_up(self) -> None:
        """For ``Waiter``; the step itself is made by ``run``."""

    def run(self) -> bool:
        """Go on if woken; is the call finished?"""
        if not self.done and self._waiter is not None and self._waiter.woken:
            self._resume(lambda: self._call.send(True))
        return self.done

    def interrupt(self) -> None:
        """As a signal does."""
        assert self._waiter is not None
        self._waiter.remove()
        self._resume(lambda: self._call.throw(Interrupted()))
