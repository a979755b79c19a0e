"""``AddressSpace``: everything a process can do with its memory, in one place.

The work is in the modules of the verbs; here they get their names.  Linux analogue: ``mm_struct``
and the entry points of ``mm/``.
"""

from __future__ import annotations

from typing import NamedTuple

from kernel.cred import Limits
from kernel.mm import advise, lock
from kernel.mm.brk import do_brk
from kernel.mm.fault import handle_fault, populate
from kernel.mm.fork import copy_space, destroy_space
from kernel.mm.frames import Frames
from kernel.mm.mapping import Source, do_mmap, do_munmap
from kernel.mm.pager import MappedFile, Pager
from kernel.mm.physical import PAGE_SHIFT
from kernel.mm.protect import do_mprotect
from kernel.mm.ranges import PTE_PRESENT, RangeOps
from kernel.mm.remap import do_mremap
from kernel.mm.space import Space
from kernel.mm.tlb import Tlb
from kernel.mm.usercopy import UserMemory
from kernel.mm.vm_flags import VM_EXEC, VM_MAYSHARE, VM_READ, VM_WRITE
from kernel.mm.vma import Vma


class MapEntry(NamedTuple):
    """One line of /proc/PID/maps, as plain data."""

    start: int
    end: int
    perms: str
    offset: int
    device: int
    inode: int
    name: bytes

    def __str__(self) -> str:
        name = self.name.decode(errors="backslashreplace")
        return f"{self.start:012x}-{self.end:012x} {self.perms} {self.offset:08x} {name}".rstrip()


class AddressSpace(Space):
    """The memory of a process; tasks made by vfork(2) or CLONE_VM share one.

    ``user`` is the door to its bytes.  Sharing is counted: ``hold`` and ``drop``.
    """

    __slots__ = ("user",)

    def __init__(
        self, frames: Frames, ranges: RangeOps, tlb: Tlb, limits: Limits | None = None
    ) -> None:
        super().__init__(frames, ranges, tlb, limits)
        self.user = UserMemory(self)
        self.leaves = self.user

    # -- verbs -----------------------------------------------------------------------------------

    def mmap(
        self,
        address: int,
        length: int,
        prot: int,
        flags: int,
        pager: Pager | None = None,
        offset: int = 0,
        file: MappedFile | None = None,
        *,
        label: bytes = b"",
        readable: bool = True,
        writable: bool = True,
    ) -> int:
        """Map a file's pager or (without one) anonymous memory; returns the address.

        The loader's and the kernel's own form; mmap(2) itself uses ``mmap_source``.
        """
        source = None
        if pager is not None:
            source = Source(pager, file, readable, writable)
        return do_mmap(self, address, length, prot, flags, source, offset, True, label)

    def mmap_source(
        self,
        address: int,
        length: int,
        prot: int,
        flags: int,
        source: Source | None,
        offset: int,
        may_lock: bool,
    ) -> int:
        """mmap(2) with what the descriptor allows; ``source`` None maps anonymous memory."""
        return do_mmap(self, address, length, prot, flags, source, offset, may_lock)

    def munmap(self, address: int, length: int) -> None:
        """See munmap(2)."""
        do_munmap(self, address, length)

    def mprotect(self, address: int, length: int, prot: int) -> None:
        """See mprotect(2)."""
        do_mprotect(self, address, length, prot)

    def mremap(
        self,
        address: int,
        old_length: int,
        new_length: int,
        flags: int,
        new_address: int = 0,
        may_lock: bool = True,
    ) -> int:
        """See mremap(2); returns the new address."""
        return do_mremap(self, address, old_length, new_length, flags, new_address, may_lock)

    def brk(self, address: int) -> int:
        """See brk(2); returns the break as it is afterwards."""
        return do_brk(self, address)

    def madvise(self, address: int, length: int, advice: int) -> None:
        """See madvise(2)."""
        advise.do_madvise(self, address, length, advice)

    def msync(self, address: int, length: int, flags: int) -> None:
        """See msync(2)."""
        advise.do_msync(self, address, length, flags)

    def mincore(self, address: int, length: int) -> bytes:
        """See mincore(2); returns the vector."""
        return advise.do_mincore(self, address, length)

    def mlock(self, address: int, length: int, on_fault: bool, may_lock: bool) -> None:
        """See mlock(2) and mlock2(2)."""
        lock.do_mlock(self, address, length, on_fault, may_lock)

    def munlock(self, address: int, length: int) -> None:
        """See munlock(2)."""
        lock.do_munlock(self, address, length)

    def mlockall(self, flags: int, may_lock: bool) -> None:
        """See mlockall(2)."""
        lock.do_mlockall(self, flags, may_lock)

    def munlockall(self) -> None:
        """See munlockall(2)."""
        lock.do_munlockall(self)

    def fault(self, address: int, access: int, kernel: bool = False) -> int:
        """Resolve a page fault; returns a verdict of ``kernel.mm.fault``.

        ``fault_kind`` says afterwards what it was: 'minor', 'major', 'cow', 'reuse', 'spurious'.
        """
        return handle_fault(self, address, access, kernel)

    def populate(self, start: int, end: int, write: bool | None = None) -> int:
        """Fault in a range; returns the first verdict that is not OK."""
        return populate(self, start, end, write)

    # -- life ------------------------------------------------------------------------------------

    def fork(self, limits: Limits | None = None) -> AddressSpace:
        """A copy that shares all frames, private ones copy-on-write.  Raises ENOMEM."""
        child = AddressSpace(self.frames, self.ranges, self.tlb, limits or self.limits)
        try:
            copy_space(self, child)
        except BaseException:
            child.destroy()
            raise
        return child

    def hold(self) -> None:
        """One more task uses this space (``mmget``)."""
        self.users += 1

    def drop(self) -> None:
        """One task less (``mmput``); the last one destroys the space."""
        self.users -= 1
        if not self.users:
            self.destroy()

    def destroy(self) -> None:
        """Give everything back.  The space must not be loaded in a CPU that will run it."""
        destroy_space(self)

    # -- for file systems and futexes ------------------------------------------------------------

    def frame_at(self, address: int, access: int) -> int:
        """The frame mapped at an address, faulted in; raises EFAULT.  For shared futexes."""
        return self.user.physical_address(address, access) >> PAGE_SHIFT

    def is_shared(self, address: int) -> bool:
        """Does a shared mapping lie there (a futex key is then (frame, offset))?"""
        area = self.vmas.find(address)
        return area is not None and bool(area.flags & VM_MAYSHARE)

    def has_page(self, address: int) -> bool:
        """Is a page present there?"""
        return bool(self.ranges.walk(self.root, address >> PAGE_SHIFT) & PTE_PRESENT)

    # -- looking ---------------------------------------------------------------------------------

    def maps(self) -> list[MapEntry]:
        """The lines of /proc/PID/maps, as plain data.  See proc(5)."""
        return [self.map_entry(area) for area in self.vmas]

    def map_entry(self, area: Vma) -> MapEntry:
        """One line of it."""
        letters = zip("rwx", (VM_READ, VM_WRITE, VM_EXEC), strict=True)
        perms = "".join(letter if area.flags & bit else "-" for letter, bit in letters)
        perms += "s" if area.flags & VM_MAYSHARE else "p"
        if area.file is not None:
            name, device, inode = area.file.mapping_identity()
            return MapEntry(area.start, area.end, perms, area.offset, device, inode, name)
        return MapEntry(area.start, area.end, perms, 0, 0, 0, self._special_name(area))

    def _special_name(self, area: Vma) -> bytes:
        if area.label:
            return area.label
        if area.pager is not None:
            return b"/dev/zero (deleted)"
        if area.start < self.brk_end and area.end > self.start_brk:
            return b"[heap]"
        if area.start <= self.start_stack < area.end:
            return b"[stack]"
        return b""

    def __repr__(self) -> str:
        areas = f"{len(self.vmas)} areas"
        return f"<AddressSpace root={self.root:#x} {areas} rss={self.rss} users={self.users}>"
