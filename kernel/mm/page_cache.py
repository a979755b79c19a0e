"""The page cache: pages of host files that are, or were, mapped.

tmpfs needs no cache, its frames are the file.  A host file is read and written through at once;
only pages that a program *maps* become frames, and then those frames are the truth for everybody in
the machine: reads and writes look here first, and what was written through a mapping goes back at
msync(2), munmap(2), and exit.

``PageCache`` keeps the order of age over all files and gives clean unmapped pages back, oldest
first, when the allocator runs short.  ``CachedFile`` is the pager of one file.  Linux analogue:
``mm/filemap.c``, ``struct address_space``, the inactive LRU list.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from kernel.abi.errors import KernelError
from kernel.mm.frames import Frames
from kernel.mm.physical import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE
from kernel.mm.rmap import dirty_pages, unmap_everywhere, unmap_frames
from kernel.mm.vma import Vma

CLUSTER: Final = 16
"""Pages read at once, as many as a fault maps around itself."""
_KEEP_FREE: Final = 64
"""Read-ahead leaves at least so many frames free."""

_BATCH: Final = 32
"""Reclaim gives back at least so many: going through the list costs the same."""

Stamp = tuple[int, int]
"""(size, mtime in ns) of a file, by which a change behind our back is seen."""


class Storage(Protocol):
    """Where a cached file's bytes live."""

    def stamp(self) -> Stamp:
        """Size and modification time, now."""

    def read_into(self, views: list[memoryview], offset: int) -> int:
        """Fill views from an offset; returns the bytes read (less at the end).  Raises EIO..."""

    def write_from(self, views: list[memoryview], offset: int) -> int:
        """Write views at an offset; returns the bytes written.  Raises EIO, ENOSPC..."""


class PageCache:
    """All cached pages, oldest first.  Invariant: an entry for each page of each file."""

    __slots__ = ("_ages", "frames")

    def __init__(self, frames: Frames) -> None:
        self.frames = frames
        self._ages: dict[tuple[CachedFile, int], None] = {}
        frames.reclaimers.append(self.reclaim)

    def __len__(self) -> int:
        """Frames in the cache: part of Cached in /proc/meminfo."""
        return len(self._ages)

    def add(self, file: CachedFile, index: int) -> None:
        """A page came in: the youngest."""
        self._ages[file, index] = None

    def remove(self, file: CachedFile, index: int) -> None:
        """A page went."""
        del self._ages[file, index]

    def reclaim(self, wanted: int) -> int:
        """Drop clean pages that nobody maps, oldest first; returns how many."""
        wanted = max(wanted, _BATCH)
        freed = 0
        for file, index in list(self._ages):
            if freed >= wanted:
                break
            freed += file.give_up(index)
        return freed

    def __repr__(self) -> str:
        return f"<PageCache {len(self)} pages>"


class CachedFile:
    """The pages of one file of the host; its ``Pager``.

    Invariants: ``_pages`` holds one reference to each of its frames, each is known to the cache;
    ``_dirty`` is a subset of ``_pages``; ``_stamp`` is what the file looked like when its pages
    were read, or after our own last write.  ``error``: a failed write-back, for the next fsync(2).
    """

    __slots__ = (
        "_cache", "_dirty", "_frames", "_pages", "_stamp", "_storage", "areas", "error",
        "needs_write_back",
    )  # fmt: skip

    def __init__(self, cache: PageCache, storage: Storage) -> None:
        self._cache = cache
        self._frames = cache.frames
        self._storage = storage
        self._pages: dict[int, int] = {}
        self._dirty: dict[int, None] = {}
        self._stamp: Stamp = (0, 0)
        self.areas: dict[Vma, None] = {}
        self.error: KernelError | None = None
        self.needs_write_back = True

    # -- pager -----------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """The file's present size."""
        return self._storage.stamp()[0]

    @property
    def is_empty(self) -> bool:
        """Is nothing cached (then reads and writes need not look here)?"""
        return not self._pages

    def get_page(self, index: int) -> int:
        """The frame of a page; missing ones are read, with those behind it."""
        frame = self._pages.get(index)
        if frame is None:
            self._fill(index)
            frame = self._pages[index]
        return frame

    def present_pages(self, index: int, count: int) -> Sequence[int]:
        """Frames that are there already."""
        get = self._pages.get
        return [get(i, 0) for i in range(index, index + count)]

    def mark_dirty(self, index: int) -> None:
        """Written through a mapping: to be carried to the host."""
        if index in self._pages:
            self._dirty[index] = None

    def mapped(self, vma: Vma) -> None:
        """An area maps this file."""
        self.areas[vma] = None

    def unmapped(self, vma: Vma) -> None:
        """It does no longer."""
        del self.areas[vma]

    def _fill(self, index: int) -> None:
        """Read page ``index`` and, if memory is plenty, the rest of its cluster."""
        size, _ = stamp = self._storage.stamp()
        if not self._pages:
            self._stamp = stamp
        end = index + 1
        if self._frames.free_count > CLUSTER + _KEEP_FREE:
            last = min(index | CLUSTER - 1, (size - 1) >> PAGE_SHIFT)
            while end <= last and end not in self._pages:
                end += 1
        frames = [self._frames.alloc() for _ in range(index, end)]
        try:
            self._storage.read_into(
                [self._frames.writable(frame) for frame in frames], index << PAGE_SHIFT
            )
        except KernelError:
            for frame in frames:
                self._frames.put(frame)
            raise
        for page, frame in enumerate(frames, index):
            self._pages[page] = frame
            self._cache.add(self, page)

    # -- coherence with the host -----------------------------------------------------------------

    def validate(self) -> None:
        """Forget pages that the host has changed since; dirty ones are newer and stay.

        Called at open(2), at mmap(2) and before reads that look here.
        """
        if not self._pages:
            return
        stamp = self._storage.stamp()
        if stamp == self._stamp:
            return
        self._collect_dirty(0, None)
        stale = {i: frame for i, frame in self._pages.items() if i not in self._dirty}
        unmap_frames(self.areas, stale)
        self._drop(list(stale))
        self._stamp = stamp

    def wrote(self) -> None:
        """We changed the file ourselves: what it looks like now is not a surprise."""
        if self._pages:
            self._stamp = self._storage.stamp()

    def _collect_dirty(self, first: int, last: int | None) -> None:
        for index in dirty_pages(self.areas, first, last, clear=True):
            self.mark_dirty(index)

    def write_back(self, first: int, last: int) -> None:
        """Carry dirty pages first..last to the host.  Raises what the host says; keeps it too."""
        if not self._dirty:
            return
        wanted = sorted(i for i in self._dirty if first <= i <= last)
        size = self._storage.stamp()[0]
        for run in _runs(wanted):
            self._write_run(run, size)
        if wanted:
            self.wrote()

    def sync(self) -> None:
        """Everything to the host (fsync(2)); an error of an earlier write-back is raised here."""
        self._collect_dirty(0, None)
        error, self.error = self.error, None
        if error is not None:
            raise error
        if self._dirty:
            self.write_back(0, max(self._dirty))

    def _write_run(self, run: list[int], size: int) -> None:
        start = run[0] << PAGE_SHIFT
        length = min((run[-1] + 1) << PAGE_SHIFT, size) - start
        views = [self._frames.view(self._pages[i]) for i in run]
        try:
            done = 0
            while done < length:
                moved = self._storage.write_from(_cut(views, done, length), start + done)
                done += moved
        except KernelError as error:
            self.error = error
            raise
        for index in run:
            del self._dirty[index]

    # -- read and write --------------------------------------------------------------------------

    def frame_of(self, index: int) -> int:
        """The frame of a page if it is cached, else 0."""
        return self._pages.get(index, 0)

    def view(self, frame: int) -> memoryview:
        """The bytes of a cached page, to look at."""
        return self._frames.view(frame)

    def uncached_run(self, at: int, n: int) -> int:
        """How many of the n bytes from ``at`` lie before the first cached page."""
        if not self._pages:
            return n
        index = at >> PAGE_SHIFT
        end = (at + n + PAGE_MASK) >> PAGE_SHIFT
        while index < end and index not in self._pages:
            index += 1
        return min(max((index << PAGE_SHIFT) - at, 0), n)

    def patch(self, at: int, views: list[memoryview], n: int) -> None:
        """n bytes of views were written to the host at ``at``: cached pages get them as well."""
        if not self._pages:
            return
        for view in views:
            part = view[:n] if len(view) > n else view
            self._patch_view(at, part)
            at += len(part)
            n -= len(part)
            if not n:
                return

    def _patch_view(self, at: int, data: memoryview) -> None:
        done = 0
        while done < len(data):
            offset = (at + done) & PAGE_MASK
            length = min(PAGE_SIZE - offset, len(data) - done)
            frame = self._pages.get((at + done) >> PAGE_SHIFT)
            if frame is not None:
                page = self._frames.writable(frame)
                page[offset : offset + length] = data[done : done + length]
            done += length

    # -- size and end ----------------------------------------------------------------------------

    def truncated(self, size: int) -> None:
        """The file is ``size`` bytes now: pages beyond go, from mappings too; the tail is zero."""
        if not self._pages and not self.areas:
            return
        first = (size + PAGE_MASK) >> PAGE_SHIFT
        unmap_everywhere(self.areas, first, None)
        self._drop([index for index in self._pages if index >= first])
        frame = self._pages.get(size >> PAGE_SHIFT)
        if frame is not None and size & PAGE_MASK:
            self._frames.writable(frame)[size & PAGE_MASK :] = bytes(PAGE_SIZE - (size & PAGE_MASK))
        self.wrote()

    def give_up(self, index: int) -> int:
        """Drop a page if it is clean and nobody maps it; 1 if so (reclaim)."""
        if index in self._dirty or self._frames.count(self._pages[index]) > 1:
            return 0
        self._drop([index])
        return 1

    def clear(self) -> None:
        """Forget everything: the file is gone and nothing maps it."""
        self._dirty.clear()
        self._drop(list(self._pages))

    def _drop(self, indexes: list[int]) -> None:
        for index in indexes:
            self._cache.remove(self, index)
            self._dirty.pop(index, None)
            self._frames.put(self._pages.pop(index))

    def check_invariants(self) -> None:
        """See the class; for tests."""
        assert all(i in self._pages for i in self._dirty), "a dirty page is missing"
        assert all(self._frames.count(f) > 0 for f in self._pages.values()), (
            "a free frame is cached"
        )

    def __repr__(self) -> str:
        return f"<CachedFile {len(self._pages)} pages, {len(self._dirty)} dirty>"


def _runs(indexes: list[int]) -> list[list[int]]:
    """Ascending indices as runs of neighbours, at most 256 pages each."""
    runs: list[list[int]] = []
    for index in indexes:
        if runs and runs[-1][-1] == index - 1 and len(runs[-1]) < 256:
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs


def _cut(views: list[memoryview], start: int, end: int) -> list[memoryview]:
    """The part [start, end) of page-sized views laid end to end."""
    parts = []
    for number, view in enumerate(views):
        low = number << PAGE_SHIFT
        part = view[max(start - low, 0) : max(end - low, 0)]
        if len(part):
            parts.append(part)
    return parts
