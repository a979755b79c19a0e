"""Address spaces, page tables, and the machine's frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from kernel.fs.tmpfs import shared_pages
from kernel.mm.page_table import flag_letters
from kernel.mm.physical import CODE, PAGE_MASK, PAGE_SHIFT, X_MAPPED
from kernel.mm.space import USER_TOP

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace, MapEntry
    from kernel.mm.vma import Vma
    from kernel.task.system import System
    from kernel.task.task import Task

SHIFTS: Final = (39, 30, 21, 12)
"""The address bit where each level's index begins, from the root down."""
LEVELS: Final = ("PGD", "PUD", "PMD", "PTE")
"""Linux's names of the four levels."""
_INDEX: Final = 511


class Area(NamedTuple):
    """One area of an address space: a line of /proc/PID/maps, and how much of it is there.

    ``perms`` as in maps, ``rwxp``; ``kind``: 'text', 'data', 'heap', 'stack', 'file', 'shared',
    'anonymous', 'vdso', 'none' (no rights); ``present`` pages of ``pages`` have a frame, ``dirty``
    of them were written to, ``frames_shared`` of them are seen by somebody else, too.
    """

    start: int
    end: int
    perms: str
    offset: int
    device: int
    inode: int
    name: str
    kind: str
    pages: int
    present: int
    dirty: int
    frames_shared: int
    implemented_by: str = "kernel.mm.vma.Vma"

    @property
    def size(self) -> int:
        """Bytes from ``start`` to ``end``."""
        return self.end - self.start


class TableEntry(NamedTuple):
    """One level of a page walk.

    ``table``: the frame that holds the table; ``slot`` the entry's number in it, 0..511, and
    ``entry`` its 64 bits; ``flags`` as letters ``rwxcads`` (copy-on-write, accessed, dirty, shared
    mapping), only of a leaf; ``frame`` is where it leads, 0 where the walk ends.
    ``used``: how many entries of this table are present.
    """

    level: str
    shift: int
    table: int
    slot: int
    entry: int
    present: bool
    flags: str
    frame: int
    used: int
    implemented_by: str = "kernel.mm.page_table.leaf_index"


class PageWalk(NamedTuple):
    """What the processor's walk finds for one address.

    ``frame`` 0: nothing is mapped; ``physical``: the address in RAM; ``references`` to the frame;
    ``code``: its bytes have been translated; ``area``: the area the address lies in.
    ``verdict``: in words, what an access would meet.
    """

    tid: int
    address: int
    levels: tuple[TableEntry, ...]
    frame: int
    physical: int | None
    flags: str
    references: int
    code: bool
    area: Area | None
    verdict: str
    implemented_by: str = "kernel.mm.ranges.PythonRanges.walk"


class Memory(NamedTuple):
    """The machine's frames, of 4096 bytes each, and what they are used for."""

    total: int
    free: int
    used: int
    tables: int
    page_cache: int
    shared: int
    """pages of tmpfs files"""
    committed: int
    commit_limit: int
    implemented_by: str = "kernel.mm.frames.Frames"


def memory_map(task: Task) -> tuple[Area, ...]:
    """The areas of a task's address space, by address; none once it has ended."""
    mm = task.mm
    if mm is None:
        return ()
    return tuple(_area(mm, vma, line) for vma, line in zip(mm.vmas, mm.maps(), strict=True))


def _area(mm: AddressSpace, vma: Vma, line: MapEntry) -> Area:
    name = line.name.decode("utf-8", "replace")
    present, shared = _present(mm, vma)
    dirty = len(mm.ranges.dirty(mm.root, vma.start >> PAGE_SHIFT, vma.pages, False))
    return Area(
        line.start,
        line.end,
        line.perms,
        line.offset,
        line.device,
        line.inode,
        name,
        _kind(vma, line.perms, name),
        vma.pages,
        present,
        dirty,
        shared,
    )


def _present(mm: AddressSpace, vma: Vma) -> tuple[int, int]:
    """Pages that have a frame, and those whose frame has other users, too."""
    words, counts = mm.physical.words, mm.physical.counts
    present = shared = 0
    first, last = vma.start >> PAGE_SHIFT, vma.end >> PAGE_SHIFT
    while first < last:
        table, span = _leaf_table(words, mm.root, first)
        end = min(last, (first | span) + 1)
        if table:
            low = (table << 9) + (first & _INDEX)
            for entry in words[low : low + end - first].tolist():
                if entry:
                    present += 1
                    shared += counts[entry >> PAGE_SHIFT] > 1
        first = end
    return present, shared


def _leaf_table(words: memoryview, root: int, vpn: int) -> tuple[int, int]:
    """The frame of the table that has a page's entry, or 0, and the page bits it would span."""
    table = root
    for shift in (27, 18, 9):
        entry = words[(table << 9) + (vpn >> shift & _INDEX)]
        if not entry:
            return 0, (1 << shift) - 1
        table = entry >> PAGE_SHIFT
    return table, _INDEX


def _kind(vma: Vma, perms: str, name: str) -> str:
    if name in ("[heap]", "[stack]"):
        return name[1:-1]
    if name.startswith("[v"):
        return "vdso"
    if perms.startswith("---"):
        return "none"
    if perms[3] == "s":
        return "shared"
    if vma.file is None:
        return "anonymous"
    if "x" in perms:
        return "text"
    return "data" if "w" in perms else "file"


def area_at(task: Task, address: int) -> Area | None:
    """The area an address lies in."""
    mm = task.mm
    vma = mm.vmas.find(address) if mm is not None else None
    if mm is None or vma is None:
        return None
    return _area(mm, vma, mm.map_entry(vma))


def page_walk(task: Task, address: int) -> PageWalk:
    """Follow an address through the four tables, as the processor does; nothing is changed.

    The entries that were not reached are left out, so ``levels`` has one to four.
    """
    mm = task.mm
    area = area_at(task, address)
    if mm is None or not 0 <= address < USER_TOP:
        reason = "it has no memory any more" if mm is None else "not an address of the user half"
        return PageWalk(task.tid, address, (), 0, None, "", 0, False, None, reason)
    levels = _levels(mm.physical.words, mm.root, address)
    leaf = levels[-1]
    frame = leaf.frame if len(levels) == len(SHIFTS) else 0
    state = mm.physical.flags[frame] if frame else 0
    return PageWalk(
        task.tid,
        address,
        tuple(levels),
        frame,
        frame << PAGE_SHIFT | address & PAGE_MASK if frame else None,
        leaf.flags,
        mm.physical.counts[frame] if frame else 0,
        bool(state & (CODE | X_MAPPED)),
        area,
        _verdict(area, leaf, frame),
    )


def _levels(words: memoryview, root: int, address: int) -> list[TableEntry]:
    levels: list[TableEntry] = []
    table = root
    for level, shift in zip(LEVELS, SHIFTS, strict=True):
        slot = address >> shift & _INDEX
        entries = words[table << 9 : (table + 1) << 9].tolist()
        entry = entries[slot]
        flags = flag_letters(entry) if entry and shift == PAGE_SHIFT else ""
        used = sum(1 for other in entries if other)
        frame = entry >> PAGE_SHIFT
        levels.append(TableEntry(level, shift, table, slot, entry, bool(entry), flags, frame, used))
        if not entry:
            break
        table = frame
    return levels


def _verdict(area: Area | None, leaf: TableEntry, frame: int) -> str:
    if area is None:
        return "nothing is mapped there: any access is SIGSEGV, SEGV_MAPERR"
    if not frame:
        if area.perms.startswith("---"):
            return "the area has no rights: any access is SIGSEGV, SEGV_ACCERR"
        return f"no {leaf.level} entry yet: the first access is a page fault that fills it in"
    if "c" in leaf.flags:
        return "the frame is shared copy-on-write: the first write makes a copy"
    return f"mapped: {area.perms[:3]} are its rights"


def memory(system: System) -> Memory:
    """How many frames there are, and what for."""
    frames = system.frames
    cache = system.page_cache
    return Memory(
        frames.total,
        frames.free_count,
        frames.used_count,
        frames.table_count,
        len(cache) if cache is not None else 0,
        shared_pages(system.mounts),
        frames.committed,
        frames.commit_limit,
    )
