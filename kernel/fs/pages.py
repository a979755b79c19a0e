"""File contents kept as frames of guest memory: what tmpfs and memfd files are made of.

The frame *is* the file: read and write copy to and from it, a mapping shows it, nothing has to be
written back.  Pages never written are holes.  Each file system instance has a ``SpaceBudget``.
Linux: mm/shmem.c.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kernel.abi.errors import ENOMEM, ENOSPC, KernelError
from kernel.mm.buffer import Buffer
from kernel.mm.frames import Frames
from kernel.mm.physical import CODE, PAGE_SHIFT, PAGE_SIZE
from kernel.mm.ranges import PTE_PRESENT
from kernel.mm.rmap import indexes_within
from kernel.mm.vm_flags import VM_MAYWRITE, VM_SHARED
from kernel.mm.vma import Vma
from kernel.vfs.inode import Inode

ZEROES: Final = bytes(PAGE_SIZE)
CHUNK: Final = 1 << 20
SECTORS: Final = PAGE_SIZE // 512


class SpaceBudget:
    """How many pages the files of one instance may take, and take.  ``limit`` 0: no limit."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def take(self, pages: int = 1) -> None:
        """So many more pages, or fewer; ENOSPC."""
        if self.limit and pages > 0 and self.used + pages > self.limit:
            raise ENOSPC("the file system holds %d bytes and has none left", self.limit * PAGE_SIZE)
        self.used += pages

    def __repr__(self) -> str:
        return f"<SpaceBudget {self.used} of {self.limit or 'any'} pages>"


class FilePages:
    """The pages of one file; its ``kernel.mm.pager.Pager``.

    Invariants: ``pages`` has no page wholly beyond the size, except pages that fallocate(2) made
    with KEEP_SIZE; bytes beyond the size are zero unless a mapping wrote them; each page holds one
    reference to its frame and one unit of the budget.
    """

    __slots__ = ("_areas", "_budget", "_flags", "_frames", "_inode", "_ram", "pages")

    needs_write_back = False

    def __init__(self, frames: Frames, budget: SpaceBudget, inode: Inode) -> None:
        self._frames = frames
        self._ram = frames.physical.bytes
        self._flags = frames.physical.flags
        self._budget = budget
        self._inode = inode
        self._areas: dict[Vma, None] = {}
        self.pages: dict[int, int] = {}

    # -- the pager ---------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """The size of the file."""
        return self._inode.size

    def get_page(self, index: int) -> int:
        """The frame of a page; a hole is filled."""
        return self.pages.get(index) or self._new_page(index)

    def present_pages(self, index: int, count: int) -> Sequence[int]:
        """Frames that are there, 0 for holes."""
        get = self.pages.get
        return [get(i, 0) for i in range(index, index + count)]

    def mark_dirty(self, index: int) -> None:
        """Written through a mapping."""
        self._inode.mtime = self._inode.ctime = self._inode.sb.now()

    def write_back(self, first: int, last: int) -> None:
        """The frame is the file: nothing is anywhere else."""

    def mapped(self, vma: Vma) -> None:
        """An area maps this file."""
        self._areas[vma] = None

    def unmapped(self, vma: Vma) -> None:
        """It does no longer."""
        self._areas.pop(vma, None)

    @property
    def has_writable_mapping(self) -> bool:
        """Is there a shared mapping that may write (F_SEAL_WRITE: EBUSY)?"""
        both = VM_SHARED | VM_MAYWRITE
        return any(vma.flags & both == both for vma in self._areas)

    def _new_page(self, index: int) -> int:
        self._budget.take()
        try:
            frame = self._frames.alloc()
        except ENOMEM:
            self._budget.used -= 1
            raise
        self.pages[index] = frame
        self._inode.blocks += SECTORS
        return frame

    # -- contents ----------------------------------------------------------------------------------

    def read(self, at: int, buf: Buffer) -> int:
        """Copy from offset ``at`` to the buffer."""
        count = min(buf.remaining, self._inode.size - at)
        if count <= 0:
            return 0
        offset = at & PAGE_SIZE - 1
        if offset + count <= PAGE_SIZE:
            frame = self.pages.get(at >> PAGE_SHIFT)
            if frame is None:
                return buf.put(ZEROES[:count])
            start = (frame << PAGE_SHIFT) + offset
            return buf.put(self._ram[start : start + count])
        return self._read_many(at, buf, count)

    def _read_many(self, at: int, buf: Buffer, count: int) -> int:
        done = 0
        while done < count:
            frame, length = self._run(at + done, count - done)
            if frame:
                start = (frame << PAGE_SHIFT) + (at + done & PAGE_SIZE - 1)
                moved = buf.put(self._ram[start : start + length])
            else:
                moved = buf.put(ZEROES[:length])
            done += moved
            if moved < length:
                break
        return done

    def _run(self, at: int, count: int) -> tuple[int, int]:
        """(first frame, bytes) of the run of adjacent frames from ``at``; a hole: (0, n)."""
        index = at >> PAGE_SHIFT
        length = PAGE_SIZE - (at & PAGE_SIZE - 1)
        get = self.pages.get
        first = frame = get(index, 0)
        while frame and length < count:
            index += 1
            frame += 1
            if get(index) != frame:
                break
            length += PAGE_SIZE
        return first, min(length, count)

    def write(self, at: int, buf: Buffer, count: int) -> int:
        """Copy from the buffer to offset ``at`` and set size and times.

        ENOSPC, ENOMEM, EFAULT only if nothing was written.
        """
        done = 0
        try:
            while done < count:
                data = buf.take(min(count - done, CHUNK))
                if not data:
                    break
                stored = self.store(at + done, data)
                done += stored
                if stored < len(data):
                    break
        except KernelError:
            if not done:
                raise
        inode = self._inode
        if at + done > inode.size:
            inode.size = at + done
        inode.mtime = inode.ctime = inode.sb.now()
        return done

    def store(self, at: int, data: bytes | memoryview) -> int:
        """Put bytes at an offset, whatever the size is; how many, ENOSPC if none."""
        total = len(data)
        offset = at & PAGE_SIZE - 1
        if offset + total <= PAGE_SIZE:
            frame = self.pages.get(at >> PAGE_SHIFT)
            if frame is not None and not self._flags[frame] & CODE:
                start = (frame << PAGE_SHIFT) + offset
                self._ram[start : start + total] = data
                return total
        return self._store_many(at, memoryview(data))

    def _store_many(self, at: int, data: memoryview) -> int:
        done, total = 0, len(data)
        while done < total:
            frame, length = self._run(at, total - done)
            if not frame:
                try:
                    frame = self._new_page(at >> PAGE_SHIFT)
                except (ENOSPC, ENOMEM):
                    if done:
                        return done
                    raise
            start = (frame << PAGE_SHIFT) + (at & PAGE_SIZE - 1)
            end = start + length + PAGE_SIZE - 1 >> PAGE_SHIFT
            if any(self._flags[frame:end]):
                for each in range(frame, end):
                    if self._flags[each] & CODE:
                        self._frames.writable(each)
            self._ram[start : start + length] = data[done : done + length]
            done += length
            at += length
        return done

    # -- size --------------------------------------------------------------------------------------

    def truncate(self, size: int) -> None:
        """Set the size; what lies beyond goes, from mappings too (SIGBUS from then on)."""
        inode = self._inode
        old = inode.size
        inode.size = size
        if size < old or self.pages:
            first = size + PAGE_SIZE - 1 >> PAGE_SHIFT
            self._unmap(first, None, True)
            self._drop([index for index in self.pages if index >= first])
            self._zero(size, first << PAGE_SHIFT)
        inode.mtime = inode.ctime = inode.sb.now()

    def punch(self, start: int, end: int) -> None:
        """Make a hole; partial pages at its edges are zeroed."""
        first, last = start + PAGE_SIZE - 1 >> PAGE_SHIFT, end >> PAGE_SHIFT
        if first > last:
            self._zero(start, end)
            return
        self._zero(start, min(first << PAGE_SHIFT, end))
        self._zero(last << PAGE_SHIFT, end)
        self._unmap(first, last, False)
        self._drop(indexes_within(self.pages, range(first, last)))

    def allocate(self, start: int, end: int) -> None:
        """Fill holes; ENOSPC leaves nothing new behind."""
        made: list[int] = []
        for index in range(start >> PAGE_SHIFT, end + PAGE_SIZE - 1 >> PAGE_SHIFT):
            if index not in self.pages:
                try:
                    self._new_page(index)
                except (ENOSPC, ENOMEM):
                    self._drop(made)
                    raise
                made.append(index)

    def clear(self) -> None:
        """Give every page back, long runs of them to the host."""
        self._drop(list(self.pages))
        self._frames.trim()

    def _zero(self, start: int, end: int) -> None:
        """Within one page."""
        frame = self.pages.get(start >> PAGE_SHIFT)
        if frame and end > start:
            offset = start & PAGE_SIZE - 1
            self._frames.writable(frame)[offset : offset + end - start] = bytes(end - start)

    def _drop(self, indexes: list[int]) -> None:
        for index in indexes:
            self._frames.put(self.pages.pop(index))
        self._budget.used -= len(indexes)
        self._inode.blocks -= SECTORS * len(indexes)

    def _unmap(self, first: int, last: int | None, copies: bool) -> None:
        """Take pages first..last out of every mapping; private copies too if ``copies``."""
        for area in list(self._areas):
            start = max(area.address_of(first), area.start)
            end = area.end if last is None else min(area.address_of(last), area.end)
            space = area.space
            if start >= end or space is None:
                continue
            if copies:
                space.drop_pages(start, end)
                continue
            shown = range(area.page_index(start), area.page_index(end))
            for index in indexes_within(self.pages, shown):
                address = area.address_of(index)
                entry = space.ranges.walk(space.root, address >> PAGE_SHIFT)
                if entry & PTE_PRESENT and entry >> PAGE_SHIFT == self.pages[index]:
                    space.drop_pages(address, address + PAGE_SIZE)

    # -- holes -------------------------------------------------------------------------------------

    def next_data(self, at: int) -> int | None:
        """The first offset >= ``at`` with data (SEEK_DATA), None if there is none."""
        index = at >> PAGE_SHIFT
        if index in self.pages:
            return at
        later = min((i for i in self.pages if i > index), default=None)
        return None if later is None else later << PAGE_SHIFT

    def next_hole(self, at: int) -> int:
        """The first offset >= ``at`` without data (SEEK_HOLE); the end is one."""
        index = at >> PAGE_SHIFT
        if index not in self.pages:
            return at
        while index in self.pages:
            index += 1
        return min(index << PAGE_SHIFT, self._inode.size)

    def check_invariants(self) -> None:
        """For tests."""
        assert all(self._frames.count(frame) > 0 for frame in self.pages.values())
        assert self._inode.blocks == SECTORS * len(self.pages)

    def __repr__(self) -> str:
        return f"<FilePages {len(self.pages)} pages>"
