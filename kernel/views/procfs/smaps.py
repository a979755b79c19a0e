"""/proc/PID/{smaps,smaps_rollup}: what of each area of memory is there, and whose it is.

Counted from the page table, as Linux does.  A page of a file or of shared memory is held by its
cache once more than by those who map it; any other is *anonymous*: the process's own, or shared
with a relative since a fork.  What a private mapping of a file copied it has written to, so the
dirty bit tells the copy from the file's page.  See proc(5).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from kernel.mm.physical import PAGE_SHIFT, PAGE_SIZE
from kernel.mm.ranges import PTE_ACCESSED, PTE_DIRTY, PTE_PRESENT
from kernel.mm.vm_flags import (
    VM_ACCOUNT,
    VM_DONTCOPY,
    VM_DONTDUMP,
    VM_DONTEXPAND,
    VM_EXEC,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_MAYEXEC,
    VM_MAYREAD,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_NORESERVE,
    VM_READ,
    VM_SHARED,
    VM_WIPEONFORK,
    VM_WRITE,
)
from kernel.views.procfs.access import check_look
from kernel.views.procfs.process_memory import map_line

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.mm.vma import Vma
    from kernel.task.task import Task

TABLE_PAGES: Final = 512
# Names in the order of Linux's show_smap(); those that are always 0 here stand at their places.
FIELDS: Final = (
    "Rss", "Pss", "Pss_Dirty", "Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty",
    "Referenced", "Anonymous", "KSM", "LazyFree", "AnonHugePages", "ShmemPmdMapped",
    "FilePmdMapped", "Shared_Hugetlb", "Private_Hugetlb", "Swap", "SwapPss", "Locked",
)  # fmt: skip
FLAG_LETTERS: Final = (
    (VM_READ, "rd"),
    (VM_WRITE, "wr"),
    (VM_EXEC, "ex"),
    (VM_SHARED, "sh"),
    (VM_MAYREAD, "mr"),
    (VM_MAYWRITE, "mw"),
    (VM_MAYEXEC, "me"),
    (VM_MAYSHARE, "ms"),
    (VM_GROWSDOWN, "gd"),
    (VM_LOCKED, "lo"),
    (VM_DONTCOPY, "dc"),
    (VM_DONTEXPAND, "de"),
    (VM_ACCOUNT, "ac"),
    (VM_NORESERVE, "nr"),
    (VM_WIPEONFORK, "wf"),
    (VM_DONTDUMP, "dd"),
)

Sums = dict[str, int]


def smaps(reader: Task, task: Task) -> bytes:
    """Each line of maps, with the account of its pages below it."""
    check_look(reader, task)
    mm = task.mm
    if mm is None:
        return b""
    parts = []
    for area, entry in zip(mm.vmas, mm.maps(), strict=True):
        sums = _account(mm, area)
        parts.append(map_line(entry))
        sizes = [("Size", area.end - area.start)]
        sizes += [("KernelPageSize", PAGE_SIZE), ("MMUPageSize", PAGE_SIZE)]
        parts.append(_lines([*sizes, *sums.items()]))
        parts.append(f"THPeligible:    {0:8}\nVmFlags: {_letters(area.flags)}\n".encode())
    return b"".join(parts)


def smaps_rollup(reader: Task, task: Task) -> bytes:
    """One account of the whole space."""
    check_look(reader, task)
    mm = task.mm
    if mm is None:
        return b""
    areas = list(mm.vmas)
    sums = _empty()
    for area in areas:
        for name, value in _account(mm, area).items():
            sums[name] += value
    start, end = (areas[0].start, areas[-1].end) if areas else (0, 0)
    head = f"{start:08x}-{end:08x} ---p 00000000 00:00 0 ".ljust(73) + "[rollup]\n"
    return head.encode() + _lines(list(sums.items()))


def _lines(fields: list[tuple[str, int]]) -> bytes:
    return "".join(f"{name + ':':<16}{value >> 10:8} kB\n" for name, value in fields).encode()


def _letters(flags: int) -> str:
    return "".join(f"{letters} " for bit, letters in FLAG_LETTERS if flags & bit)


def _empty() -> Sums:
    return dict.fromkeys(FIELDS, 0)


def _account(mm: AddressSpace, area: Vma) -> Sums:
    """The pages of an area by kind, in bytes."""
    sums = _empty()
    proportional = proportional_dirty = 0.0
    for entry in _entries(mm, area):
        dirty = bool(entry & PTE_DIRTY)
        cached = area.pager is not None and (bool(area.flags & VM_SHARED) or not dirty)
        sharers = max(mm.frames.count(entry >> PAGE_SHIFT) - cached, 1)
        whose = "Shared" if sharers > 1 else "Private"
        sums[f"{whose}_{'Dirty' if dirty else 'Clean'}"] += PAGE_SIZE
        sums["Rss"] += PAGE_SIZE
        sums["Referenced"] += PAGE_SIZE if entry & PTE_ACCESSED else 0
        sums["Anonymous"] += 0 if cached else PAGE_SIZE
        proportional += PAGE_SIZE / sharers
        proportional_dirty += PAGE_SIZE / sharers if dirty else 0
    sums["Pss"], sums["Pss_Dirty"] = int(proportional), int(proportional_dirty)
    if area.flags & VM_LOCKED:
        sums["Locked"] = sums["Pss"]
    return sums


def _entries(mm: AddressSpace, area: Vma) -> Iterator[int]:
    """The present entries of an area; tables that are not there are stepped over."""
    vpn, end = area.start >> PAGE_SHIFT, area.end >> PAGE_SHIFT
    if not mm.ranges.present(mm.root, vpn, end - vpn):
        return
    while vpn < end:
        stop = min(end, (vpn // TABLE_PAGES + 1) * TABLE_PAGES)
        if mm.ranges.present(mm.root, vpn, stop - vpn):
            for page in range(vpn, stop):
                entry = mm.ranges.walk(mm.root, page)
                if entry & PTE_PRESENT:
                    yield entry
        vpn = stop
