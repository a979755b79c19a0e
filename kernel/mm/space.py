"""The state of an address space, and the few moves every verb is made of.

Linux analogue: ``struct mm_struct``.  The verbs (map, protect, remap, brk, advise, fork, fault) are
functions over a ``Space`` in modules of their own; ``AddressSpace`` puts them together.

Who may change it: the verbs, called by the one task that runs.  Invariants
(``check_invariants``): areas as in ``VmaList``; every present page lies in an area and has no more
rights than it; ``rss`` is the number of present pages; ``total_vm``, ``data_vm``, ``stack_vm``,
``locked_vm`` are the sums over the areas; charged areas are private.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final, Protocol

from kernel.abi.errors import ENOMEM, KernelError
from kernel.cred import RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK, Limits
from kernel.mm.frames import Frames
from kernel.mm.page_table import count_tables, new_root, present_pages
from kernel.mm.physical import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE
from kernel.mm.ranges import PTE_RIGHTS, RangeOps
from kernel.mm.tlb import Tlb
from kernel.mm.vm_flags import (
    VM_ACCOUNT,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_SHARED,
    VM_WRITE,
)
from kernel.mm.vma import STACK_GUARD_GAP, Vma, VmaList

USER_TOP: Final = 0x7FFFFFFFF000
"""End of the user half, on both CPUs (TASK_SIZE)."""
MMAP_MIN_ADDR: Final = 0x10000
"""vm.mmap_min_addr."""
MAX_MAP_COUNT: Final = 65530
"""vm.max_map_count."""
_ALIGN: Final = (1 << 64) - 1 & ~PAGE_MASK
_MIN_GAP: Final = 128 << 20
_MAX_GAP: Final = USER_TOP // 6 * 5


class LeafCache(Protocol):
    """Who remembers where leaf tables are (usercopy); told when tables may go."""

    def forget_tables(self) -> None:
        """Leaf tables may have been freed."""


def page_align(length: int) -> int:
    """Round up to whole pages, in 64 bits: the last page of all rounds to 0, as in Linux."""
    return (length + PAGE_MASK) & _ALIGN


def mmap_top(stack_limit: int) -> int:
    """Where mappings begin, downwards: below the stack and the room it may grow into."""
    gap = min(max(stack_limit + STACK_GUARD_GAP, _MIN_GAP), _MAX_GAP)
    return (USER_TOP - gap) & ~PAGE_MASK


class Space:
    """State and primitive moves of one address space."""

    __slots__ = (
        "_hole_size",
        "_search_top",
        "allow_wx",
        "arg_end",
        "arg_start",
        "auxv",
        "brk_end",
        "data_vm",
        "default_flags",
        "end_code",
        "end_data",
        "env_end",
        "env_start",
        "exe",
        "fault_kind",
        "frames",
        "leaves",
        "limits",
        "locked_vm",
        "maj_flt",
        "membarrier",
        "min_flt",
        "mmap_base",
        "peak_rss",
        "peak_vm",
        "physical",
        "ranges",
        "read_implies_exec",
        "root",
        "rss",
        "stack_vm",
        "start_brk",
        "start_code",
        "start_data",
        "start_stack",
        "tlb",
        "total_vm",
        "users",
        "vdso_sigreturn",
        "vmas",
    )

    def __init__(
        self, frames: Frames, ranges: RangeOps, tlb: Tlb, limits: Limits | None = None
    ) -> None:
        self.frames = frames
        self.physical = frames.physical
        self.ranges = ranges
        self.tlb = tlb
        self.limits = limits if limits is not None else Limits()
        frames.reserve(1)
        self.root = new_root(frames.physical)
        self.vmas = VmaList()
        self.leaves: LeafCache | None = None
        self.users = 1
        # Sizes, in pages.
        self.rss = self.peak_rss = 0
        self.total_vm = self.peak_vm = 0
        self.data_vm = self.stack_vm = self.locked_vm = 0
        self.min_flt = self.maj_flt = 0
        self.fault_kind = ""
        # Layout, set by the loader.
        self.mmap_base = mmap_top(self.limits.soft(RLIMIT_STACK))
        self._search_top = self.mmap_base
        self._hole_size = 0
        self.start_code = self.end_code = self.start_data = self.end_data = 0
        self.start_brk = self.brk_end = self.start_stack = 0
        self.arg_start = self.arg_end = self.env_start = self.env_end = 0
        self.vdso_sigreturn = 0
        self.auxv = b""
        self.exe: object = None
        self.allow_wx = False
        self.membarrier = 0  # registrations, see membarrier(2)
        self.read_implies_exec = False  # personality(2), READ_IMPLIES_EXEC
        self.default_flags = 0
        """Flags every new area gets: VM_LOCKED after mlockall(MCL_FUTURE)."""

    # -- accounting ------------------------------------------------------------------------------

    def count_area(self, flags: int, pages: int) -> None:
        """An area of these flags grew (or, negative, shrank) by that many pages."""
        self.total_vm += pages
        if flags & VM_GROWSDOWN:
            self.stack_vm += pages
        elif flags & (VM_WRITE | VM_SHARED) == VM_WRITE:
            self.data_vm += pages
        if flags & VM_LOCKED:
            self.locked_vm += pages
        if self.total_vm > self.peak_vm:
            self.peak_vm = self.total_vm

    def check_room(self, flags: int, pages: int) -> None:
        """RLIMIT_AS and RLIMIT_DATA (``may_expand_vm``).  Raises ENOMEM."""
        values = self.limits.values
        if self.total_vm + pages > values[RLIMIT_AS][0] >> PAGE_SHIFT:
            raise ENOMEM(
                "%d pages and %d mapped already are over RLIMIT_AS, %d bytes or %d pages",
                pages, self.total_vm, values[RLIMIT_AS][0], values[RLIMIT_AS][0] >> PAGE_SHIFT,
            )  # fmt: skip
        if (
            flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN) == VM_WRITE
            and self.data_vm + pages > values[RLIMIT_DATA][0] >> PAGE_SHIFT
        ):
            raise ENOMEM(
                "%d pages and %d of data already are over RLIMIT_DATA, %d bytes",
                pages, self.data_vm, values[RLIMIT_DATA][0],
            )  # fmt: skip

    def add_rss(self, pages: int) -> None:
        """That many more pages are present."""
        rss = self.rss + pages
        self.rss = rss
        if rss > self.peak_rss:
            self.peak_rss = rss

    # -- areas -----------------------------------------------------------------------------------

    def add_area(self, area: Vma) -> Vma:
        """Insert an area, charged already, in free space; join it with its neighbours."""
        self.count_area(area.flags, area.pages)
        if area.file is not None:
            area.file.hold()
        if area.pager is not None:
            area.pager.mapped(area)
        self.vmas.insert(area)
        return self.join(area)

    def join(self, area: Vma) -> Vma:
        """Merge an area with equal neighbours; returns the area that contains it now."""
        left = self.vmas.before(area.start)
        if left is not None and left.can_join(area):
            self._absorb(left, area)
            area = left
        right = self.vmas.find(area.end)
        if right is not None and area.can_join(right):
            self._absorb(area, right)
        return area

    def _absorb(self, left: Vma, right: Vma) -> None:
        self.vmas.remove(right)
        left.end = right.end
        self.release(right)

    def release(self, area: Vma) -> None:
        """An area object is gone: its pager and file hear of it, the file last."""
        if area.pager is not None:
            area.pager.unmapped(area)
        if area.file is not None:
            area.file.drop()

    def split(self, area: Vma, address: int) -> Vma:
        """Cut an area in two; returns the upper part, ``area`` becomes the lower."""
        offset = area.offset + address - area.start if area.pager is not None else 0
        upper = Vma(self, address, area.end, area.flags, area.pager, offset, area.file, area.label)
        area.end = address
        if upper.file is not None:
            upper.file.hold()
        if upper.pager is not None:
            upper.pager.mapped(upper)
        self.vmas.insert(upper)
        return upper

    def isolate(self, area: Vma, start: int, end: int) -> Vma:
        """Cut so that one area covers exactly the part of ``area`` in [start, end); return it."""
        if area.start < start:
            area = self.split(area, start)
        if area.end > end:
            self.split(area, end)
        return area

    def need_areas(self, more: int) -> None:
        """Raises ENOMEM if that many more areas are too many (vm.max_map_count)."""
        if len(self.vmas) + more > MAX_MAP_COUNT:
            raise ENOMEM("%d areas are vm.max_map_count, %d", len(self.vmas), MAX_MAP_COUNT)

    def zap(self, area: Vma, start: int, end: int) -> int:
        """Drop the pages of [start, end) of an area, carrying dirty shared ones to their file."""
        pager = area.pager
        if pager is not None and pager.needs_write_back and area.flags & VM_SHARED:
            with suppress(KernelError):  # the pager keeps it for fsync(2); munmap(2) has no EIO
                self.clean(area, start, end)
        return self.drop_pages(start, end)

    def drop_pages(self, start: int, end: int) -> int:
        """Unmap whatever is present in [start, end); returns how many pages."""
        vpn, count = start >> PAGE_SHIFT, (end - start) >> PAGE_SHIFT
        dropped = self.ranges.unmap(self.root, vpn, count)
        if dropped:
            self.rss -= dropped
            self.tlb.invalidate(self.root, start, count)
            if self.ranges.stale:
                self.frames.settle(self.ranges)
        self.forget_tables()
        return dropped

    def clean(self, area: Vma, start: int, end: int) -> None:
        """Tell the pager of the dirty pages in [start, end) and have them written.  Raises EIO."""
        pager = area.pager
        if pager is None:
            return
        vpn, count = start >> PAGE_SHIFT, (end - start) >> PAGE_SHIFT
        dirty = self.ranges.dirty(self.root, vpn, count, True)
        if dirty:
            # Cleaned entries lose their right to write unseen.
            self.tlb.invalidate(self.root, start, count)
            for page in dirty:
                pager.mark_dirty(area.page_index(page << PAGE_SHIFT))
        pager.write_back(area.page_index(start), area.page_index(end - 1))

    def forget_tables(self) -> None:
        """Page tables may have been freed: whoever remembers one must look again."""
        if self.leaves is not None:
            self.leaves.forget_tables()

    def unmap_range(self, start: int, end: int) -> None:
        """Take every area of [start, end) away, pages and all.  Raises ENOMEM (too many areas)."""
        areas = self.vmas.overlapping(start, end)
        if not areas:
            return
        first, last = areas[0], areas[-1]
        if first.start < start:
            if first is last and first.end > end:
                self.need_areas(1)
            areas[0] = self.split(first, start)
            last = areas[-1]
        if last.end > end:
            self.split(last, end)
        for area in areas:
            self.zap(area, area.start, area.end)
            self.count_area(area.flags, -area.pages)
            if area.flags & VM_ACCOUNT:
                self.frames.uncharge(area.pages)
        self.vmas.remove_range(start, end)
        self.note_hole(end)
        for area in areas:
            self.release(area)

    # -- free space ------------------------------------------------------------------------------

    def note_hole(self, end: int) -> None:
        """Free space appeared below ``end``: the next search must see it."""
        if end > self._search_top:
            above = self.vmas.next_from(end)
            top = self.mmap_base if above is None else min(above.guarded_start, self.mmap_base)
            self._search_top = max(top, self._search_top)

    def forget_holes(self) -> None:
        """Search from the top again (``mmap_base`` was changed)."""
        self._search_top, self._hole_size = self.mmap_base, 0

    def find_hole(self, length: int) -> int:
        """The highest free place for ``length`` bytes below ``mmap_base``.  Raises ENOMEM.

        ``_search_top``: no hole larger than ``_hole_size`` lies above it, so that a program which
        maps thousands of areas does not pay for all of them each time (Linux keeps gaps in its
        tree for this).
        """
        if length <= self._hole_size:
            self._search_top, self._hole_size = self.mmap_base, 0
        top = self._search_top
        largest = self._hole_size
        for area in self.vmas.below(top):
            if area.end <= top:
                hole = top - area.end
                if hole >= length:
                    break
                largest = max(largest, hole)
            top = min(top, area.guarded_start)
        if top - MMAP_MIN_ADDR < length:
            return self._find_above(length)
        self._search_top, self._hole_size = top, largest
        return top - length

    def _find_above(self, length: int) -> int:
        """Bottom-up from ``mmap_base``, when nothing is free below it."""
        bottom = self.mmap_base
        for area in self.vmas.overlapping(bottom, USER_TOP):
            if area.guarded_start - bottom >= length:
                return bottom
            bottom = max(bottom, area.end)
        if USER_TOP - bottom >= length:
            return bottom
        raise ENOMEM("no hole of %#x bytes in the address space", length)

    def is_free(self, start: int, end: int) -> bool:
        """May a mapping be put here without touching others or their guard gaps?"""
        above = self.vmas.next_from(start)
        return above is None or end <= above.guarded_start

    # -- looking ---------------------------------------------------------------------------------

    @property
    def table_frames(self) -> int:
        """Frames that are page tables of this space."""
        return count_tables(self.physical.words, self.root)

    def check_invariants(self) -> None:
        """See the module's text; for tests."""
        self.vmas.check_invariants()
        total = data = stack = locked = 0
        for area in self.vmas:
            total += area.pages
            if area.flags & VM_GROWSDOWN:
                stack += area.pages
            elif area.flags & (VM_WRITE | VM_SHARED) == VM_WRITE:
                data += area.pages
            locked += area.pages if area.flags & VM_LOCKED else 0
        assert (total, data, stack, locked) == (
            self.total_vm,
            self.data_vm,
            self.stack_vm,
            self.locked_vm,
        ), "area sums differ"
        present = 0
        for page in present_pages(self.physical.words, self.root):
            present += 1
            found = self.vmas.find(page.vpn << PAGE_SHIFT)
            assert found is not None, f"page {page.vpn:#x} is present outside every area"
            entry = self.ranges.walk(self.root, page.vpn)
            assert not entry & PTE_RIGHTS & ~found.rights, f"{page} has more rights than {found}"
            assert self.frames.count(page.frame) > 0, f"{page} maps a free frame"
        assert present == self.rss, f"rss {self.rss}, present {present}"
        assert self.root << PAGE_SHIFT >= PAGE_SIZE, "no root table"
