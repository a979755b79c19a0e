"""The host's own Linux as an oracle for file operations: a worker in a chroot of a fresh tmpfs.

Each operation is a name and plain arguments; the worker answers ('ok', value) or ('error', errno).
``OurFiles`` understands the same operations, so that a test can compare the two.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import shutil
import struct
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from kernel.abi.errors import ENAMETOOLONG, ENOENT, KernelError
from kernel.abi.files import AT_FDCWD, O_ACCMODE, O_NONBLOCK
from kernel.cred import Credentials
from kernel.vfs import attributes, create, remove, rename, xattr
from kernel.vfs.dentry import path_from
from kernel.vfs.open import OpenHow, must_be_directory, open_at
from kernel.vfs.openfile import OpenFile
from kernel.vfs.permissions import check
from kernel.vfs.walk import DIRECTORY, FOLLOW, walk
from tests.support import oracles
from tests.support.files import FileWorld

Answer = tuple[str, Any]
SYS_RENAMEAT2 = 316
SYS_OPENAT2 = 437


def can_compare() -> bool:
    """Root on Linux x86_64 that may chroot, with the kernel's own rules for links and files.

    Distributions may set fs.protected_symlinks and the like, which make rules that are in no
    manual page of a call.
    """
    if os.uname().machine != "x86_64" or not oracles.can_chroot():
        return False
    rules = {name: Path("/proc/sys/fs", f"protected_{name}").read_text().strip() for name in _RULES}
    return rules == _RULES


_RULES = {"hardlinks": "1", "symlinks": "0", "fifos": "0", "regular": "0"}


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _raw(number: int, *args: Any) -> int:
    result = int(_libc().syscall(number, *args))
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def _shown(st: os.stat_result) -> tuple[int, ...]:
    size = 0 if st.st_mode & 0o170000 == 0o040000 else st.st_size
    return st.st_mode, st.st_nlink, st.st_uid, st.st_gid, size


class _HostOperations:
    """What the worker does; one method per operation."""

    def open(self, path: bytes, flags: int, mode: int) -> int:
        fd = os.open(path, flags | O_NONBLOCK, mode)
        try:
            return os.fstat(fd).st_mode
        finally:
            os.close(fd)

    def openat2(self, path: bytes, flags: int, mode: int, resolve: int) -> int:
        how = struct.pack("<QQQ", flags | O_NONBLOCK, mode, resolve)
        fd = _raw(SYS_OPENAT2, AT_FDCWD, path, how, 24)
        try:
            return os.fstat(fd).st_mode
        finally:
            os.close(fd)

    def write(self, path: bytes, data: bytes, flags: int) -> int:
        fd = os.open(path, flags | os.O_WRONLY | O_NONBLOCK)
        try:
            return os.write(fd, data)
        finally:
            os.close(fd)

    def read(self, path: bytes) -> bytes:
        fd = os.open(path, os.O_RDONLY | O_NONBLOCK)
        try:
            return os.read(fd, 1 << 16)
        finally:
            os.close(fd)

    def mkdir(self, path: bytes, mode: int) -> None:
        os.mkdir(path, mode)

    def rmdir(self, path: bytes) -> None:
        os.rmdir(path)

    def unlink(self, path: bytes) -> None:
        os.unlink(path)

    def symlink(self, target: bytes, path: bytes) -> None:
        os.symlink(target, path)

    def link(self, old: bytes, new: bytes, follow: bool) -> None:
        if _libc().linkat(AT_FDCWD, old, AT_FDCWD, new, 0x400 if follow else 0):
            raise OSError(ctypes.get_errno(), "")

    def rename(self, old: bytes, new: bytes, flags: int) -> None:
        _raw(SYS_RENAMEAT2, AT_FDCWD, old, AT_FDCWD, new, flags)

    def readlink(self, path: bytes) -> bytes:
        return os.readlink(path)

    def stat(self, path: bytes, follow: bool) -> tuple[int, ...]:
        return _shown(os.stat(path, follow_symlinks=follow))

    def list(self, path: bytes) -> list[bytes]:
        return sorted(os.listdir(path))

    def chmod(self, path: bytes, mode: int) -> None:
        os.chmod(path, mode)

    def chown(self, path: bytes, uid: int, gid: int, follow: bool) -> None:
        os.chown(path, uid, gid, follow_symlinks=follow)

    def truncate(self, path: bytes, size: int) -> None:
        os.truncate(path, size)

    def mkfifo(self, path: bytes, mode: int) -> None:
        os.mkfifo(path, mode)

    def access(self, path: bytes, mode: int) -> None:
        if _libc().faccessat(AT_FDCWD, path, mode, 0x200):
            raise OSError(ctypes.get_errno(), "")

    def utime(self, path: bytes, atime: int, mtime: int) -> tuple[int, int]:
        os.utime(path, ns=(atime, mtime))
        st = os.stat(path)
        return st.st_atime_ns, st.st_mtime_ns

    def chdir(self, path: bytes) -> bytes:
        os.chdir(path)
        return os.getcwdb()

    def getcwd(self) -> bytes:
        return os.getcwdb()

    def setxattr(self, path: bytes, name: bytes, value: bytes, flags: int) -> None:
        os.setxattr(path, name, value, flags)

    def getxattr(self, path: bytes, name: bytes) -> bytes:
        return os.getxattr(path, name)


def _worker(root: str, pipe: Connection) -> None:
    libc = _libc()
    libc.unshare(0x00020000)  # CLONE_NEWNS: our mount goes with us
    libc.mount(b"none", b"/", None, 0x4000 | 0x40000, None)
    libc.mount(b"tmpfs", root.encode(), b"tmpfs", 0, b"mode=755")
    os.chroot(root)
    os.chdir("/")
    os.umask(0o022)
    operations = _HostOperations()
    while True:
        message = pipe.recv_bytes()
        if not message:
            os._exit(0)
        uid, name, args = pickle.loads(message)
        os.setegid(uid)
        os.seteuid(uid)
        try:
            answer: Answer = ("ok", getattr(operations, name)(*args))
        except OSError as error:
            answer = ("error", error.errno)
        os.seteuid(0)
        os.setegid(0)
        pipe.send_bytes(pickle.dumps(answer))


class HostFiles:
    """The worker, seen from the test."""

    def __init__(self) -> None:
        self._root = tempfile.mkdtemp()
        self._pipe, theirs = Pipe()
        self._pid = os.fork()
        if not self._pid:
            try:
                os.setgroups([])
                _worker(self._root, theirs)
            finally:
                os._exit(1)
        theirs.close()

    def do(self, uid: int, name: str, args: tuple[Any, ...]) -> Answer:
        self._pipe.send_bytes(pickle.dumps((uid, name, args)))
        answer: Answer = pickle.loads(self._pipe.recv_bytes())
        return answer

    def close(self) -> None:
        self._pipe.send_bytes(b"")
        os.waitpid(self._pid, 0)
        self._pipe.close()
        shutil.rmtree(self._root, ignore_errors=True)


class OurFiles:
    """The same operations on our own tmpfs."""

    def __init__(self) -> None:
        self.world = FileWorld()
        self.caller = self.world.root

    def do(self, uid: int, name: str, args: tuple[Any, ...]) -> Answer:
        self.caller.cred = Credentials.for_user(uid, uid)
        if uid:  # what seteuid leaves: the real and saved ids
            self.caller.cred = self.caller.cred.changed(ruid=0, suid=0, rgid=0, sgid=0)
        operation: Callable[..., Any] = getattr(self, f"_{name}")
        try:
            return ("ok", operation(*args))
        except KernelError as error:
            return ("error", error.errno)

    def _opened(self, path: bytes, how: OpenHow) -> OpenFile:
        file = open_at(self.caller, AT_FDCWD, path, how)
        assert isinstance(file, OpenFile)
        file.hold()
        return file

    def _open(self, path: bytes, flags: int, mode: int) -> int:
        file = self._opened(path, OpenHow.from_flags(flags | O_NONBLOCK, mode))
        file.drop()
        return file.inode.mode

    def _openat2(self, path: bytes, flags: int, mode: int, resolve: int) -> int:
        file = self._opened(path, OpenHow.from_open_how(flags | O_NONBLOCK, mode, resolve))
        file.drop()
        return file.inode.mode

    def _write(self, path: bytes, data: bytes, flags: int) -> int:
        file = self._opened(path, OpenHow.from_flags(flags | os.O_WRONLY | O_NONBLOCK, 0))
        try:
            return self.caller.write(file, data)
        finally:
            file.drop()

    def _read(self, path: bytes) -> bytes:
        file = self._opened(path, OpenHow.from_flags(O_NONBLOCK, 0))
        try:
            assert not file.flags & O_ACCMODE
            return self.caller.read(file, 1 << 16)
        finally:
            file.drop()

    def _mkdir(self, path: bytes, mode: int) -> None:
        create.mkdir_at(self.caller, AT_FDCWD, path, mode)

    def _rmdir(self, path: bytes) -> None:
        remove.rmdir_at(self.caller, AT_FDCWD, path)

    def _unlink(self, path: bytes) -> None:
        remove.unlink_at(self.caller, AT_FDCWD, path)

    def _symlink(self, target: bytes, path: bytes) -> None:
        if len(target) >= 4096:
            raise ENAMETOOLONG  # where the system call reads the text
        create.symlink_at(self.caller, target, AT_FDCWD, path)

    def _link(self, old: bytes, new: bytes, follow: bool) -> None:
        create.link_at(self.caller, AT_FDCWD, old, AT_FDCWD, new, 0x400 if follow else 0)

    def _rename(self, old: bytes, new: bytes, flags: int) -> None:
        rename.rename_at(self.caller, AT_FDCWD, old, AT_FDCWD, new, flags)

    def _readlink(self, path: bytes) -> bytes:
        return walk(self.caller, AT_FDCWD, path, 0).inode.readlink(self.caller)

    def _stat(self, path: bytes, follow: bool) -> tuple[int, ...]:
        inode = walk(self.caller, AT_FDCWD, path, FOLLOW if follow else 0).inode
        size = 0 if inode.mode & 0o170000 == 0o040000 else inode.size
        return inode.mode, inode.nlink, inode.uid, inode.gid, size

    def _list(self, path: bytes) -> list[bytes]:
        file = self._opened(path, OpenHow.from_flags(0o200000, 0))
        try:
            return sorted(entry.name for entry in file.listing(self.caller)[2:])
        finally:
            file.drop()

    def _chmod(self, path: bytes, mode: int) -> None:
        attributes.chmod(self.caller, walk(self.caller, AT_FDCWD, path), mode)

    def _chown(self, path: bytes, uid: int, gid: int, follow: bool) -> None:
        place = walk(self.caller, AT_FDCWD, path, FOLLOW if follow else 0)
        attributes.chown(self.caller, place, uid & 0xFFFFFFFF, gid & 0xFFFFFFFF)

    def _truncate(self, path: bytes, size: int) -> None:
        attributes.truncate_at(self.caller, path, size)

    def _mkfifo(self, path: bytes, mode: int) -> None:
        create.mknod_at(self.caller, AT_FDCWD, path, 0o010000 | mode, 0)

    def _access(self, path: bytes, mode: int) -> None:
        place = walk(self.caller, AT_FDCWD, path)
        if mode:
            attributes.check_permission(self.caller.cred, place, mode)

    def _utime(self, path: bytes, atime: int, mtime: int) -> tuple[int, int]:
        place = walk(self.caller, AT_FDCWD, path)
        times = divmod(atime, 10**9), divmod(mtime, 10**9)
        attributes.utimes(self.caller, place, times)
        return place.inode.atime, place.inode.mtime

    def _chdir(self, path: bytes) -> bytes:
        place = walk(self.caller, AT_FDCWD, path, FOLLOW | DIRECTORY)
        check(self.caller.cred, must_be_directory(place), 1)
        self.caller.fs.set_cwd(place)
        return self._getcwd()

    def _getcwd(self) -> bytes:
        text, _, unlinked = path_from(self.caller.fs.root, self.caller.fs.cwd)
        if unlinked:
            raise ENOENT
        return text

    def _setxattr(self, path: bytes, name: bytes, value: bytes, flags: int) -> None:
        xattr.set_xattr(self.caller, walk(self.caller, AT_FDCWD, path), name, value, flags)

    def _getxattr(self, path: bytes, name: bytes) -> bytes:
        return xattr.get_xattr(self.caller, walk(self.caller, AT_FDCWD, path), name)
