"""memfd_create(2): files in memory without a name, with seals."""

from __future__ import annotations

from typing import Final

from kernel.abi.errors import EBUSY, EINVAL, EPERM
from kernel.abi.files import (
    F_SEAL_EXEC,
    F_SEAL_FUTURE_WRITE,
    F_SEAL_GROW,
    F_SEAL_SEAL,
    F_SEAL_SHRINK,
    F_SEAL_WRITE,
    FALLOC_FL_KEEP_SIZE,
    FALLOC_FL_PUNCH_HOLE,
    FALLOC_FL_ZERO_RANGE,
    MFD_ALLOW_SEALING,
    MFD_NOEXEC_SEAL,
    O_LARGEFILE,
    O_RDWR,
    S_IFREG,
)
from kernel.fs.tmpfs import Tmpfs, TmpfsFile
from kernel.mm.buffer import Buffer
from kernel.mm.frames import Frames
from kernel.vfs.anonymous import hidden_path
from kernel.vfs.caller import Caller
from kernel.vfs.mount import Mount
from kernel.vfs.openfile import OpenFile

NAME_LIMIT: Final = 249
ALL_SEALS: Final = (
    F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE | F_SEAL_EXEC
)
_NO_WRITE: Final = F_SEAL_WRITE | F_SEAL_FUTURE_WRITE


class MemfdInode(TmpfsFile):
    """A tmpfs file that can be sealed; without MFD_ALLOW_SEALING it begins with F_SEAL_SEAL."""

    __slots__ = ("seals",)

    def __init__(self, sb: Tmpfs, mode: int, uid: int, gid: int, seals: int) -> None:
        super().__init__(sb, mode, uid, gid)
        self.seals = seals
        self.nlink = 0

    @property
    def sealed(self) -> bool:
        """Do the seals forbid new writable mappings?"""
        return bool(self.seals & _NO_WRITE)

    def write_at(self, at: int, buf: Buffer, count: int) -> int:
        if self.seals & _NO_WRITE:
            raise EPERM("the file is sealed with F_SEAL_WRITE (seals %#x)", self.seals)
        if self.seals & F_SEAL_GROW and at + count > self.size:
            if at >= self.size:
                raise EPERM("the file is sealed with F_SEAL_GROW (seals %#x)", self.seals)
            count = self.size - at
        return super().write_at(at, buf, count)

    def truncate(self, size: int) -> None:
        if size < self.size and self.seals & F_SEAL_SHRINK:
            raise EPERM("the file is sealed with F_SEAL_SHRINK (seals %#x)", self.seals)
        if size > self.size and self.seals & F_SEAL_GROW:
            raise EPERM("the file is sealed with F_SEAL_GROW (seals %#x)", self.seals)
        super().truncate(size)

    def fallocate(self, mode: int, offset: int, length: int) -> None:
        if mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE) and self.seals & _NO_WRITE:
            raise EPERM("the file is sealed with F_SEAL_WRITE (seals %#x)", self.seals)
        grows = not mode & FALLOC_FL_KEEP_SIZE and offset + length > self.size
        if grows and self.seals & F_SEAL_GROW:
            raise EPERM("the file is sealed with F_SEAL_GROW (seals %#x)", self.seals)
        super().fallocate(mode, offset, length)

    def set_mode(self, mode: int) -> None:
        if self.seals & F_SEAL_EXEC and (mode ^ self.mode) & 0o111:
            raise EPERM("the file is sealed with F_SEAL_EXEC (seals %#x)", self.seals)
        super().set_mode(mode)

    def add_seals(self, seals: int) -> None:
        """F_ADD_SEALS; see fcntl(2)."""
        if seals & ~ALL_SEALS:
            raise EINVAL("seals %#x: only the bits %#x are known", seals, ALL_SEALS)
        if self.seals & F_SEAL_SEAL:
            raise EPERM("the file is sealed with F_SEAL_SEAL (seals %#x)", self.seals)
        if seals & F_SEAL_WRITE and self.contents.has_writable_mapping:
            raise EBUSY("the file is mapped shared and writable")
        if seals & F_SEAL_EXEC and self.mode & 0o111:
            seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE
        self.seals |= seals


def memfd_mount(caller: Caller, frames: Frames) -> Mount:
    """The hidden tmpfs without a limit that memfds and shared anonymous files live in."""
    mounts = caller.fs.mounts
    mount = mounts.anonymous.get(b"tmpfs")
    if mount is None:
        now = mounts.mounts[0].sb.now
        mount = mounts.anonymous_mount(Tmpfs(frames, mounts.new_dev(), now, 0, inodes=0))
    return mount


def make_memfd(caller: Caller, frames: Frames, name: bytes, flags: int) -> OpenFile:
    """See memfd_create(2)."""
    mount = memfd_mount(caller, frames)
    sb = mount.sb
    assert isinstance(sb, Tmpfs)
    mode, seals = 0o777, F_SEAL_SEAL
    if flags & MFD_NOEXEC_SEAL:
        mode, seals = 0o666, F_SEAL_EXEC
    elif flags & MFD_ALLOW_SEALING:
        seals = 0
    inode = MemfdInode(sb, S_IFREG | mode, caller.cred.fsuid, caller.cred.fsgid, seals)
    path = hidden_path(mount, b"/memfd:" + name + b" (deleted)", inode)
    return inode.open(caller, path, O_RDWR | O_LARGEFILE)


def sealable(file: OpenFile) -> MemfdInode:
    """F_ADD_SEALS and F_GET_SEALS are for memfds (EINVAL)."""
    inode = file.inode
    if not isinstance(inode, MemfdInode):
        raise EINVAL("%s is not a file that can be sealed", file.path)
    return inode
