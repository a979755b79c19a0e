"""The contents of one host file: its descriptors and its cached pages.

There is one ``HostContent`` per host file and machine, whichever volumes and names lead to it, so
that all see the same pages.  Reads and writes go to the host at once, into and out of slices of
guest RAM; only pages that are mapped are frames here, and then they come first.

Descriptors: at most one to read and one to write (or one for both), open only while a guest has the
file open.  Linux analogue: ``struct address_space`` and the file system's ``a_ops``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EBADF, KernelError
from kernel.fs.hostcalls import HAS_PROC, HOST, Identity, reopen
from kernel.mm.page_cache import CachedFile, PageCache, Stamp
from kernel.mm.physical import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE

if TYPE_CHECKING:
    from kernel.mm.buffer import Buffer

CHUNK: Final = 1 << 20
"""Bytes moved by one host call."""
_MAX_VIEWS: Final = 1024
"""IOV_MAX."""

Opener = Callable[[int], int]
"""Open the file on the host with these flags; raises a kernel error."""


class HostContent:
    """See the module.  Invariants: ``readers`` and ``writers`` count who needs ``_read_fd`` and
    ``_write_fd``; a descriptor nobody needs is closed; -1 stands for none."""

    __slots__ = ("_read_fd", "_write_fd", "key", "pages", "readers", "writers")

    def __init__(self, cache: PageCache, key: Identity) -> None:
        self.key = key
        self.pages = CachedFile(cache, self)
        self.readers = self.writers = 0
        self._read_fd = self._write_fd = -1

    # -- descriptors -----------------------------------------------------------------------------

    @property
    def fd(self) -> int:
        """Some open descriptor, or -1."""
        return self._read_fd if self._read_fd >= 0 else self._write_fd

    @property
    def write_fd(self) -> int:
        """The descriptor to write to, or -1."""
        return self._write_fd

    def acquire(self, opener: Opener, read: bool, write: bool) -> None:
        """Somebody opens the file that way; undone by ``release`` with the same arguments."""
        if write and self._write_fd < 0:
            self._open_to_write(opener, read)
        if read and self._read_fd < 0:
            self._read_fd = self._open(opener, os.O_RDONLY)
        self.readers += read
        self.writers += write

    def _open_to_write(self, opener: Opener, read: bool) -> None:
        if read and self._read_fd < 0:
            self._read_fd = self._write_fd = self._open(opener, os.O_RDWR)
        else:
            self._write_fd = self._open(opener, os.O_WRONLY)

    def _open(self, opener: Opener, flags: int) -> int:
        """By its name; by an open descriptor if the name is gone (O_TMPFILE, unlinked)."""
        if self.fd >= 0 and HAS_PROC:
            with HOST:
                return reopen(self.fd, flags)
        return opener(flags)

    def adopt(self, fd: int) -> None:
        """A descriptor for both, as creating the file gave it; kept until ``idle``."""
        self.idle()
        if self._read_fd < 0 and self._write_fd < 0:
            self._read_fd = self._write_fd = fd
        else:
            os.close(fd)

    def release(self, read: bool, write: bool) -> None:
        """That use of the file is over."""
        self.readers -= read
        self.writers -= write
        self.idle()

    def idle(self) -> None:
        """Close the descriptors nobody needs."""
        read, write = self._read_fd, self._write_fd
        if read == write:
            if read >= 0 and not self.readers and not self.writers:
                os.close(read)
                self._read_fd = self._write_fd = -1
            return
        if read >= 0 and not self.readers:
            os.close(read)
            self._read_fd = -1
        if write >= 0 and not self.writers:
            os.close(write)
            self._write_fd = -1

    # -- the cache's storage ---------------------------------------------------------------------

    def stamp(self) -> Stamp:
        """Size and mtime on the host."""
        with HOST:
            status = os.fstat(self._need(self.fd))
        return status.st_size, status.st_mtime_ns

    def read_into(self, views: list[memoryview], offset: int) -> int:
        """preadv(2) into frames."""
        with HOST:
            return os.preadv(self._need(self._read_fd), views[:_MAX_VIEWS], offset)

    def write_from(self, views: list[memoryview], offset: int) -> int:
        """pwritev(2) from frames."""
        with HOST:
            return os.pwritev(self._need(self._write_fd), views[:_MAX_VIEWS], offset)

    @staticmethod
    def _need(fd: int) -> int:
        if fd < 0:
            raise EBADF("the host file is not open that way")
        return fd

    # -- read and write --------------------------------------------------------------------------

    def read(self, at: int, buf: Buffer) -> int:
        """From offset ``at`` to the buffer, until it is full or the file ends."""
        if not self.pages.is_empty:
            self.pages.validate()
        done = 0
        while buf.remaining:
            n = min(buf.remaining, CHUNK)
            span = self.pages.uncached_run(at + done, n)
            moved = (
                self._read_host(at + done, buf, span)
                if span
                else (self._read_cached(at + done, buf))
            )
            done += moved
            if not moved or moved < span:
                break
        return done

    def _read_host(self, at: int, buf: Buffer, n: int) -> int:
        views = buf.put_views(n)
        if not views:
            return 0
        moved = self.read_into(views, at)
        buf.advance(moved)
        return moved

    def _read_cached(self, at: int, buf: Buffer) -> int:
        """From the one cached page at ``at``, as far as the file goes."""
        frame = self.pages.frame_of(at >> PAGE_SHIFT)
        offset = at & PAGE_MASK
        n = min(PAGE_SIZE - offset, self.pages.size - at, buf.remaining)
        if n <= 0:
            return 0
        return buf.put(self.pages.view(frame)[offset : offset + n])

    def write(self, at: int, buf: Buffer, count: int) -> int:
        """``count`` bytes of the buffer to offset ``at``, on the host when this returns."""
        done = 0
        while done < count:
            views = buf.take_views(min(count - done, CHUNK))
            if not views:
                break
            try:
                moved = self.write_from(views, at + done)
            except KernelError:
                if done:
                    break
                raise
            self.pages.patch(at + done, views, moved)
            buf.advance(moved)
            done += moved
            if not moved:
                break
        self.pages.wrote()
        return done

    def truncate(self, size: int) -> None:
        """ftruncate(2); pages beyond leave the mappings."""
        with HOST:
            os.ftruncate(self._need(self._write_fd), size)
        self.pages.truncated(size)

    def sync(self, data_only: bool) -> None:
        """Dirty pages to the host, and the host's to its disk."""
        self.pages.sync()
        with HOST:
            fd = self._write_fd if self._write_fd >= 0 else self._need(self.fd)
            if data_only and hasattr(os, "fdatasync"):
                os.fdatasync(fd)
            else:
                os.fsync(fd)

    def __repr__(self) -> str:
        return f"<HostContent {self.key} readers={self.readers} writers={self.writers}>"


class HostContents:
    """All host files of a machine that are open or cached, by identity."""

    __slots__ = ("_cache", "_contents")

    def __init__(self, cache: PageCache) -> None:
        self._cache = cache
        self._contents: dict[Identity, HostContent] = {}

    def __repr__(self) -> str:
        return f"<HostContents of {len(self._contents)} files>"

    def get(self, key: Identity) -> HostContent:
        """The one for a file."""
        content = self._contents.get(key)
        if content is None:
            content = self._contents[key] = HostContent(self._cache, key)
        return content

    def forget(self, key: Identity) -> None:
        """The file is gone: its number on the host may mean another one soon."""
        content = self._contents.get(key)
        if content is not None and not content.readers and not content.writers:
            content.idle()
            content.pages.clear()
            del self._contents[key]

    def close(self) -> None:
        """Close every descriptor and drop every page: the machine ends."""
        for content in self._contents.values():
            content.readers = content.writers = 0
            content.idle()
            content.pages.clear()
        self._contents.clear()
