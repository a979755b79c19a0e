"""mmap(2) and munmap(2).

The order of the checks is Linux's ``do_mmap`` (6.1): programs that probe for features see the same
error as there.
"""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from kernel.abi.errors import (
    EACCES,
    EAGAIN,
    EEXIST,
    EINVAL,
    ENODEV,
    ENOMEM,
    EOPNOTSUPP,
    EOVERFLOW,
    EPERM,
)
from kernel.abi.memory import (
    MAP_32BIT,
    MAP_ANONYMOUS,
    MAP_DENYWRITE,
    MAP_EXECUTABLE,
    MAP_FIXED,
    MAP_FIXED_NOREPLACE,
    MAP_GROWSDOWN,
    MAP_HUGETLB,
    MAP_LOCKED,
    MAP_NONBLOCK,
    MAP_NORESERVE,
    MAP_POPULATE,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_SHARED_VALIDATE,
    MAP_STACK,
    MAP_TYPE,
    MAP_UNINITIALIZED,
    PROT_EXEC,
    PROT_READ,
    PROT_WRITE,
)
from kernel.cred import RLIMIT_MEMLOCK
from kernel.mm.around import Mapped
from kernel.mm.fault import populate
from kernel.mm.pager import MappedFile, Pager
from kernel.mm.physical import PAGE_MASK, PAGE_SHIFT
from kernel.mm.shared import SharedAnonymous
from kernel.mm.space import MMAP_MIN_ADDR, USER_TOP, Space, page_align
from kernel.mm.vm_flags import (
    VM_ACCOUNT,
    VM_GROWSDOWN,
    VM_LOCKED,
    VM_LOCKONFAULT,
    VM_MAY,
    VM_MAYEXEC,
    VM_MAYSHARE,
    VM_MAYWRITE,
    VM_NORESERVE,
    VM_SHARED,
    VM_WRITE,
)
from kernel.mm.vma import Vma

_PROTS: Final = PROT_READ | PROT_WRITE | PROT_EXEC
_MAX_FILE: Final = (1 << 63) - 1
_LOW_BASE: Final = 0x40000000
_LOW_TOP: Final = 0x80000000
"""MAP_32BIT: the first 2 GiB; Linux starts at 1 GiB."""
LEGACY_MAP_MASK: Final = (
    MAP_SHARED
    | MAP_PRIVATE
    | MAP_FIXED
    | MAP_ANONYMOUS
    | MAP_32BIT
    | MAP_GROWSDOWN
    | MAP_DENYWRITE
    | MAP_EXECUTABLE
    | MAP_LOCKED
    | MAP_NORESERVE
    | MAP_POPULATE
    | MAP_NONBLOCK
    | MAP_STACK
    | MAP_HUGETLB
    | MAP_UNINITIALIZED
)
"""What MAP_SHARED_VALIDATE knows for an ordinary file: no DAX, so no MAP_SYNC; and, an oversight of
Linux, not MAP_FIXED_NOREPLACE."""

WX_REASON: Final = "writable and executable at once is refused (W^X); --allow-wx permits it"


class Source(NamedTuple):
    """A file to map: its pager, what to call it, and what its descriptor allows.

    ``pager`` None: the file cannot be mapped (ENODEV).  ``readable``, ``writable``: how it was
    opened.  ``executable``: False on a noexec mount.
    """

    pager: Pager | None
    file: MappedFile | None = None
    readable: bool = True
    writable: bool = True
    executable: bool = True
    append: bool = False

    @property
    def name(self) -> str:
        """The file's path, for reasons."""
        return "the file" if self.file is None else os.fsdecode(self.file.mapping_identity()[0])


def do_mmap(
    space: Space,
    address: int,
    length: int,
    prot: int,
    flags: int,
    source: Source | None = None,
    offset: int = 0,
    may_lock: bool = True,
    label: bytes = b"",
) -> int:
    """Map a file, or anonymous memory (``source`` None); returns the address.  See mmap(2), ERRORS.

    ``may_lock``: the caller has CAP_IPC_LOCK.
    """
    if length <= 0:
        raise EINVAL("the length is %d", length)
    if space.read_implies_exec and prot & PROT_READ and (source is None or source.executable):
        prot |= PROT_EXEC
    if flags & MAP_FIXED_NOREPLACE:
        flags |= MAP_FIXED
    length = page_align(length)
    if not length or length > USER_TOP:
        raise ENOMEM("%#x bytes are more than the address space", length)
    space.need_areas(1)
    address = _place(space, address, length, flags)
    if flags & MAP_FIXED_NOREPLACE and space.vmas.overlapping(address, address + length):
        raise EEXIST(
            "%s is mapped there (MAP_FIXED_NOREPLACE)", Mapped(space, address, address + length)
        )
    vm_flags = prot & _PROTS | VM_MAY | space.default_flags
    if flags & MAP_GROWSDOWN:
        vm_flags |= VM_GROWSDOWN
    if flags & MAP_LOCKED:
        vm_flags |= VM_LOCKED
    if vm_flags & VM_LOCKED:
        check_lock(space, length >> PAGE_SHIFT, may_lock)
    if source is None:
        vm_flags |= _anonymous_flags(flags)
    else:
        vm_flags = _file_flags(source, vm_flags, prot, flags, offset + length)
    check_wx(space, vm_flags)
    if flags & MAP_NORESERVE:
        vm_flags |= VM_NORESERVE
    _install(space, address, length, vm_flags, source, offset, label)
    if flags & (MAP_POPULATE | MAP_NONBLOCK) == MAP_POPULATE or (
        vm_flags & (VM_LOCKED | VM_LOCKONFAULT) == VM_LOCKED
    ):
        populate(space, address, address + length)  # mmap(2): does not fail if this does
    return address


def _place(space: Space, address: int, length: int, flags: int) -> int:
    """Where the mapping goes (``get_unmapped_area``)."""
    if flags & MAP_FIXED:
        if address > USER_TOP - length:
            raise ENOMEM("%#x bytes from %#x on go beyond the user half", length, address)
        if address & PAGE_MASK:
            raise EINVAL("MAP_FIXED with %#x, not a multiple of the page size", address)
        if address < MMAP_MIN_ADDR:
            raise EPERM("%#x is below vm.mmap_min_addr, %#x", address, MMAP_MIN_ADDR)
        return address
    address &= ~PAGE_MASK
    if address:
        address = max(address, MMAP_MIN_ADDR)
        if address <= USER_TOP - length and space.is_free(address, address + length):
            return address
    if flags & MAP_32BIT:
        return _place_low(space, length)
    return space.find_hole(length)


def _place_low(space: Space, length: int) -> int:
    """MAP_32BIT: bottom-up in the second gigabyte."""
    bottom = _LOW_BASE
    for area in space.vmas.overlapping(_LOW_BASE, _LOW_TOP):
        if area.guarded_start - bottom >= length:
            break
        bottom = max(bottom, area.end)
    if bottom + length > _LOW_TOP:
        raise ENOMEM("there is no hole of %#x bytes below 2 GiB (MAP_32BIT)", length)
    return bottom


def _anonymous_flags(flags: int) -> int:
    kind = flags & MAP_TYPE
    if kind == MAP_SHARED:
        if flags & MAP_GROWSDOWN:
            raise EINVAL("shared memory cannot grow down")
        return VM_SHARED | VM_MAYSHARE
    if kind != MAP_PRIVATE:
        raise EINVAL("flags %#x have neither MAP_PRIVATE nor MAP_SHARED", flags)
    return 0


def _file_flags(source: Source, vm_flags: int, prot: int, flags: int, end: int) -> int:
    """What the way the file was opened allows.  See mmap(2), EACCES, ENODEV, EPERM."""
    if end > _MAX_FILE:
        raise EOVERFLOW("the mapping ends at %d in the file, beyond the largest one", end)
    kind = flags & MAP_TYPE
    if kind == MAP_SHARED_VALIDATE and flags & ~(LEGACY_MAP_MASK | MAP_SHARED_VALIDATE):
        raise EOPNOTSUPP("MAP_SHARED_VALIDATE with a flag this file does not know")
    if kind in (MAP_SHARED, MAP_SHARED_VALIDATE):
        if prot & PROT_WRITE and not source.writable:
            raise EACCES(
                "MAP_SHARED with PROT_WRITE, but the descriptor of %s is not open for writing",
                source.name,
            )
        if source.append and source.writable:
            raise EACCES("MAP_SHARED of %s, which is O_APPEND", source.name)
        vm_flags |= VM_SHARED | VM_MAYSHARE
        if not source.writable:
            # Linux drops VM_SHARED here, since nothing can be written; coherence stays the same.
            vm_flags &= ~VM_MAYWRITE
    elif kind != MAP_PRIVATE:
        raise EINVAL("flags %#x have neither MAP_PRIVATE nor MAP_SHARED", flags)
    if not source.readable:
        raise EACCES("the descriptor of %s is not open for reading", source.name)
    if not source.executable:
        if prot & PROT_EXEC:
            raise EPERM("PROT_EXEC, but %s is on a mount that is noexec", source.name)
        vm_flags &= ~VM_MAYEXEC
    if source.pager is None:
        raise ENODEV("%s cannot be mapped", source.name)
    if flags & MAP_GROWSDOWN:
        raise EINVAL("a file mapping cannot grow down")
    return vm_flags


def check_wx(space: Space, vm_flags: int) -> None:
    """The W^X policy: writable and executable at once only where it was allowed."""
    if vm_flags & PROT_WRITE and vm_flags & PROT_EXEC and not space.allow_wx:
        raise EACCES(WX_REASON)


def check_lock(space: Space, pages: int, may_lock: bool) -> None:
    """RLIMIT_MEMLOCK (``mlock_future_check``).  See mlock(2), EAGAIN and EPERM."""
    if may_lock:
        return
    limit = space.limits.soft(RLIMIT_MEMLOCK)
    if not limit:
        raise EPERM("RLIMIT_MEMLOCK is 0, and there is no CAP_IPC_LOCK")
    if space.locked_vm + pages > limit >> PAGE_SHIFT:
        raise EAGAIN(
            "%d pages and %d locked already are over RLIMIT_MEMLOCK, %d bytes",
            pages, space.locked_vm, limit,
        )  # fmt: skip


def is_charged(vm_flags: int) -> bool:
    """Does an area count against the commit limit (``accountable_mapping``)?"""
    return vm_flags & (VM_NORESERVE | VM_SHARED | VM_WRITE) == VM_WRITE


def _install(
    space: Space,
    address: int,
    length: int,
    vm_flags: int,
    source: Source | None,
    offset: int,
    label: bytes,
) -> None:
    """Check limits, clear the place, charge, insert (``mmap_region``)."""
    end = address + length
    pages = length >> PAGE_SHIFT
    vmas = space.vmas
    old = vmas.overlapping(address, end)
    covered = _covered(old, address, end) if old else 0
    space.check_room(vm_flags, pages - covered)
    charged = is_charged(vm_flags)
    if charged:
        space.frames.charge(pages)
        vm_flags |= VM_ACCOUNT
    try:
        pager = source.pager if source is not None else None
        if pager is None and vm_flags & VM_SHARED:
            pager = SharedAnonymous(space.frames, pages, not vm_flags & VM_NORESERVE)
        if old:
            space.unmap_range(address, end)
    except ENOMEM:
        if charged:
            space.frames.uncharge(pages)
        raise
    if charged and source is None and not label:
        # The commonest case, kept short: an anonymous neighbour grows.
        below = vmas.find(address - 1)
        if below is not None and below.pager is None and below.flags == vm_flags:
            above = vmas.find(end)
            if not below.label and (above is None or not below.can_join(above)):
                below.end = end
                space.count_area(vm_flags, pages)
                space.join(below)
                return
    file = source.file if source is not None else None
    if source is None:
        offset = 0
    space.add_area(Vma(space, address, end, vm_flags, pager, offset, file, label))


def _covered(areas: list[Vma], start: int, end: int) -> int:
    """Pages of [start, end) that are mapped (and will be replaced)."""
    return sum(min(a.end, end) - max(a.start, start) for a in areas) >> PAGE_SHIFT


def do_munmap(space: Space, address: int, length: int) -> None:
    """Unmap every page of a range.  See munmap(2), ERRORS."""
    if address & PAGE_MASK:
        raise EINVAL("address %#x is not a multiple of the page size", address)
    if address > USER_TOP or length > USER_TOP - address:
        raise EINVAL("%#x bytes from %#x on go beyond the user half", length, address)
    length = page_align(length)
    if not length:
        raise EINVAL("the length is 0")
    space.unmap_range(address, address + length)
