"""A world of files with a directory of the host mounted at /v."""

from __future__ import annotations

import os
from pathlib import Path as HostPath

from kernel.abi.files import AT_FDCWD, MS_RDONLY, O_CREAT, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY
from kernel.abi.memory import PROT_READ, PROT_WRITE
from kernel.fs.hostcontent import HostContents
from kernel.fs.hostfile import make_hostfs
from kernel.fs.hostfs import HostFs
from kernel.mm.page_cache import PageCache
from kernel.vfs.create import mkdir_at
from kernel.vfs.openfile import OpenFile
from kernel.vfs.walk import walk
from tests.support.files import FakeCaller, FileWorld

PAGE = 4096
RW = PROT_READ | PROT_WRITE


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


class Volume:
    """A world with a host directory at /v."""

    def __init__(self, host: HostPath) -> None:
        self.before = open_descriptors()
        self.host = host
        self.world = FileWorld()
        self.cache = PageCache(self.world.frames)
        self.contents = HostContents(self.cache)
        self.volumes: list[HostFs] = []
        self.root: FakeCaller = self.world.root
        self.mount(host, b"/v")

    def mount(self, host: HostPath, at: bytes, flags: int = 0) -> HostFs:
        volume = make_hostfs(
            str(host), self.world.mounts.new_dev(), self.world.now, self.contents, (0, 0),
            bool(flags & MS_RDONLY),
        )  # fmt: skip
        if host.is_dir():
            mkdir_at(self.root, AT_FDCWD, at, 0o755)
        else:
            self.root.open(at, O_CREAT | O_WRONLY).close()
        self.world.mounts.mount(volume, walk(self.root, AT_FDCWD, at), flags)
        self.volumes.append(volume)
        return volume

    def open(self, path: bytes, flags: int = O_RDONLY, mode: int = 0o644) -> OpenFile:
        file = self.root.open(path, flags, mode)
        file.hold()
        return file

    def read(self, path: bytes) -> bytes:
        file = self.open(path)
        try:
            return self.root.read(file)
        finally:
            file.drop()

    def write(self, path: bytes, data: bytes, flags: int = O_CREAT | O_TRUNC) -> None:
        file = self.open(path, O_WRONLY | flags)
        self.root.write(file, data)
        file.drop()

    def map(self, path: bytes, flags: int, prot: int = RW, length: int = PAGE) -> int:
        file = self.open(path, O_RDWR if prot & PROT_WRITE else O_RDONLY)
        address = self.root.mm.mmap(0, length, prot, flags, file.pager(), 0, file)
        file.drop()
        return address

    def close(self) -> None:
        self.root.mm.destroy()
        for volume in self.volumes:
            volume.close()
        self.contents.close()
        self.world.frames.check_invariants()
        assert open_descriptors() == self.before, "a host descriptor was left open"
