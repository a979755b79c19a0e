"""Descriptor tables: small numbers for open files.

Linux: ``struct files_struct``.  Shared by tasks made with CLONE_FILES, copied at fork(2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kernel.abi.errors import EBADF, EINVAL, EMFILE
from kernel.vfs.openfile import OpenFile

NR_OPEN: Final = 1048576
"""The most descriptors any limit allows (/proc/sys/fs/nr_open)."""


_NOT_OPEN: Final = "descriptor %d is not open"


class FdTable:
    """fd -> OpenFile, and which of them close at execve.

    Invariants: no free number below ``_lowest``; every fd of ``cloexec`` is in ``files``; each
    entry holds one reference.  ``users`` counts the tasks that share the table.
    """

    __slots__ = ("_lowest", "cloexec", "files", "users")

    def __init__(self) -> None:
        self.files: dict[int, OpenFile] = {}
        self.cloexec: dict[int, None] = {}
        self._lowest = 0
        self.users = 1

    def get(self, fd: int) -> OpenFile:
        """The open file behind fd.  EBADF also for an O_PATH descriptor."""
        file = self.files.get(fd)
        if file is None:
            raise EBADF(_NOT_OPEN, fd)
        if file.is_path:
            raise EBADF("descriptor %d is open with O_PATH, only as a place: %s", fd, file.path)
        return file

    def get_any(self, fd: int) -> OpenFile:
        """As ``get``, O_PATH descriptors included (fstat, dup, fchdir, *at)."""
        file = self.files.get(fd)
        if file is None:
            raise EBADF(_NOT_OPEN, fd)
        return file

    def free_fd(self, minimum: int, limit: int) -> int:
        """The lowest free number from ``minimum`` on; EMFILE at ``limit`` (RLIMIT_NOFILE)."""
        files = self.files
        fd = self._lowest if minimum <= self._lowest else minimum
        while fd in files:
            fd += 1
        if minimum <= self._lowest:
            self._lowest = fd
        if fd >= limit or fd >= NR_OPEN:
            raise EMFILE(
                "%d descriptors are open, and RLIMIT_NOFILE allows only numbers below %d",
                len(files), min(limit, NR_OPEN),
            )  # fmt: skip
        return fd

    def install(
        self, file: OpenFile, cloexec: bool = False, minimum: int = 0, limit: int = NR_OPEN
    ) -> int:
        """Give ``file`` the lowest free number; the table takes one reference."""
        try:
            fd = self.free_fd(minimum, limit)
        except EMFILE:
            if not file.refs:  # nobody else will ever close it
                file.hold()
                file.drop()
            raise
        file.refs += 1
        self.files[fd] = file
        if cloexec:
            self.cloexec[fd] = None
        return fd

    def duplicate(self, old: int, new: int, cloexec: bool, limit: int) -> int:
        """dup2 and dup3: ``new`` becomes a copy of ``old``, closing what it was.  See dup(2)."""
        file = self.get_any(old)
        if not 0 <= new < min(limit, NR_OPEN):
            raise EBADF("descriptor %d is not below RLIMIT_NOFILE, %d", new, min(limit, NR_OPEN))
        if old == new:
            raise EINVAL("both descriptors are %d", old)
        file.refs += 1
        previous = self.files.get(new)
        self.files[new] = file
        self.cloexec.pop(new, None)
        if cloexec:
            self.cloexec[new] = None
        if previous is not None:
            self._drop(previous)
        return new

    def close(self, fd: int) -> None:
        """See close(2)."""
        file = self.files.pop(fd, None)
        if file is None:
            raise EBADF(_NOT_OPEN, fd)
        if self.cloexec:
            self.cloexec.pop(fd, None)
        if fd < self._lowest:
            self._lowest = fd
        if file.inode.locks is not None:
            file.flush(self)
        file.refs -= 1
        if not file.refs:
            file.close()

    def _drop(self, file: OpenFile) -> None:
        file.flush(self)
        file.drop()

    def set_cloexec(self, fd: int, on: bool) -> None:
        """F_SETFD."""
        self.get_any(fd)
        if on:
            self.cloexec[fd] = None
        else:
            self.cloexec.pop(fd, None)

    def close_range(self, first: int, last: int) -> None:
        """Close every open descriptor in first..last; see close_range(2)."""
        for fd in [fd for fd in sorted(self.files) if first <= fd <= last]:
            self.close(fd)

    def close_on_exec(self) -> None:
        """Close what execve(2) must not pass on."""
        for fd in sorted(self.cloexec):
            self.close(fd)

    def copy(self, keep: Callable[[int], bool] | None = None) -> FdTable:
        """An own table with the same open files (fork, unshare)."""
        other = FdTable()
        other.files = dict(self.files) if keep is None else {
            fd: file for fd, file in self.files.items() if keep(fd)
        }  # fmt: skip
        other.cloexec = {fd: None for fd in self.cloexec if fd in other.files}
        other._lowest = self._lowest if keep is None else 0
        for file in other.files.values():
            file.refs += 1
        return other

    def share(self) -> FdTable:
        """One more task uses this table (CLONE_FILES)."""
        self.users += 1
        return self

    def release(self) -> None:
        """One task less; the last one closes everything, in order."""
        self.users -= 1
        if self.users == 0:
            for fd in sorted(self.files):
                self.close(fd)

    def items(self) -> list[tuple[int, OpenFile]]:
        """(fd, file), sorted by fd."""
        return sorted(self.files.items())

    def check_invariants(self) -> None:
        """For tests."""
        assert all(fd in self.files for fd in range(self._lowest)), "a free number below _lowest"
        assert all(fd in self.files for fd in self.cloexec), "cloexec of a closed descriptor"
        assert all(file.refs > 0 for file in self.files.values()), "an open file without references"

    def __repr__(self) -> str:
        return f"<FdTable {sorted(self.files)[:16]} users={self.users}>"
