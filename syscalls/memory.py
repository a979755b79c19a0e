"""Memory: mmap(2), munmap(2), mprotect(2), mremap(2), brk(2), madvise(2), msync(2), mlock(2).

The work is in ``kernel.mm``; here descriptors become sources of pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EBADF, EFAULT, EINVAL, ENOMEM, EPERM
from kernel.abi.files import MS_NOEXEC
from kernel.abi.memory import (
    MAP_ANONYMOUS,
    MAP_HUGETLB,
    MAP_PRIVATE,
    MAP_SHARED,
    MAP_TYPE,
    MLOCK_ONFAULT,
    PROT_WRITE,
)
from kernel.cred import CAP_IPC_LOCK
from kernel.mm.mapping import Source
from kernel.mm.space import USER_TOP
from syscalls.declare import syscall

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.task.task import Task
    from syscalls.kinds import (
        Fd,
        Madvice,
        MapFlags,
        MapOffset,
        MincorePtr,
        MlockallFlags,
        MlockFlags,
        MremapFlags,
        MsyncFlags,
        NewAddr,
        ProtFlags,
        Size,
        UserAddr,
        Zero,
    )

_PAGE_MASK: Final = 0xFFF
MINCORE_STEP: Final = 4096
"""Pages that are looked at before their bytes are stored: a range may have more than fit here."""


def _space(task: Task) -> AddressSpace:
    space = task.mm
    assert space is not None, "a task without memory made a system call"
    return space


def _source(task: Task, prot: int, flags: int, fd: int) -> Source | None:
    """What a descriptor gives to map; None: anonymous memory.  See mmap(2), EBADF."""
    if flags & MAP_ANONYMOUS:
        if flags & MAP_HUGETLB:
            raise ENOMEM("MAP_HUGETLB: no huge pages are reserved")
        return None
    file = task.fds.get(fd)
    if file.is_path:
        raise EBADF("descriptor %d is open with O_PATH, only as a place: %s", fd, file.path)
    if flags & MAP_HUGETLB:
        raise EINVAL("MAP_HUGETLB, but %s is not on hugetlbfs", file.path)
    if file.maps_anonymous and flags & MAP_TYPE in (MAP_PRIVATE, MAP_SHARED):
        return None
    executable = not file.path.mount.flags & MS_NOEXEC
    writable = file.writable
    if file.inode.sealed and flags & MAP_TYPE != MAP_PRIVATE:
        if prot & PROT_WRITE:
            raise EPERM("%s is sealed against writing", file.path)
        writable = False
    return Source(file.pager(), file, file.readable, writable, executable)


@syscall("mmap(2)")
def mmap(
    task: Task,
    addr: UserAddr,
    length: Size,
    prot: ProtFlags,
    flags: MapFlags,
    fd: Fd,
    offset: MapOffset,
) -> NewAddr:
    """Map a file or anonymous memory; the address.  See mmap(2), ERRORS."""
    if offset & _PAGE_MASK:
        raise EINVAL("the offset %#x is not a multiple of the page size", offset)
    source = (
        None
        if flags & (MAP_ANONYMOUS | MAP_HUGETLB) == MAP_ANONYMOUS
        else (_source(task, prot, flags, fd))
    )
    may_lock = bool(task.cred.effective >> CAP_IPC_LOCK & 1)
    return _space(task).mmap_source(addr, length, prot, flags, source, offset, may_lock)


@syscall("munmap(2)")
def munmap(task: Task, addr: UserAddr, length: Size) -> Zero:
    """Unmap every page of a range.  See munmap(2), ERRORS."""
    _space(task).munmap(addr, length)
    return 0


@syscall("mprotect(2)")
def mprotect(task: Task, addr: UserAddr, length: Size, prot: ProtFlags) -> Zero:
    """Change the rights of a range.  See mprotect(2), ERRORS."""
    _space(task).mprotect(addr, length, prot)
    return 0


@syscall("mremap(2)")
def mremap(
    task: Task,
    old_address: UserAddr,
    old_size: Size,
    new_size: Size,
    flags: MremapFlags,
    new_address: UserAddr,
) -> NewAddr:
    """Resize or move a mapping; its address.  See mremap(2), ERRORS."""
    may_lock = task.cred.capable(CAP_IPC_LOCK)
    return _space(task).mremap(old_address, old_size, new_size, flags, new_address, may_lock)


@syscall("brk(2)")
def brk(task: Task, addr: UserAddr) -> NewAddr:
    """Move the end of the heap; the end as it is then.  See brk(2), NOTES."""
    return _space(task).brk(addr)


@syscall("madvise(2)")
def madvise(task: Task, addr: UserAddr, length: Size, advice: Madvice) -> Zero:
    """Give advice about a range.  See madvise(2), ERRORS."""
    _space(task).madvise(addr, length, advice)
    return 0


@syscall("msync(2)")
def msync(task: Task, addr: UserAddr, length: Size, flags: MsyncFlags) -> Zero:
    """Write dirty pages of shared mappings to their files.  See msync(2), ERRORS."""
    _space(task).msync(addr, length, flags)
    return 0


@syscall("mincore(2)")
def mincore(task: Task, addr: UserAddr, length: Size, vec: MincorePtr) -> Zero:
    """Which pages of a range are in memory.  See mincore(2), ERRORS."""
    if addr & _PAGE_MASK:
        raise EINVAL("address %#x is not a multiple of the page size", addr)
    if length > USER_TOP or addr > USER_TOP - length:
        raise ENOMEM("%#x bytes from %#x on go beyond the user half", length, addr)
    pages = (length + _PAGE_MASK) >> 12
    if vec + pages > USER_TOP:
        raise EFAULT("the vector of %d bytes at %#x lies outside the user half", pages, vec)
    for done in range(0, pages, MINCORE_STEP):
        count = min(pages - done, MINCORE_STEP)
        task.mem.write(vec + done, _space(task).mincore(addr + (done << 12), count << 12))
    return 0


@syscall("mlock(2)")
def mlock(task: Task, addr: UserAddr, length: Size) -> Zero:
    """Make a range present and keep it so.  See mlock(2), ERRORS."""
    _space(task).mlock(addr, length, False, task.cred.capable(CAP_IPC_LOCK))
    return 0


@syscall("mlock(2)")
def mlock2(task: Task, addr: UserAddr, length: Size, flags: MlockFlags) -> Zero:
    """mlock, with MLOCK_ONFAULT: lock pages as they come.  See mlock(2), ERRORS."""
    if flags & ~MLOCK_ONFAULT:
        raise EINVAL("flags %#x: only the bits %#x are known", flags, MLOCK_ONFAULT)
    _space(task).mlock(addr, length, bool(flags), task.cred.capable(CAP_IPC_LOCK))
    return 0


@syscall("mlock(2)")
def munlock(task: Task, addr: UserAddr, length: Size) -> Zero:
    """Undo mlock for a range.  See mlock(2), ERRORS."""
    _space(task).munlock(addr, length)
    return 0


@syscall("mlock(2)")
def mlockall(task: Task, flags: MlockallFlags) -> Zero:
    """Lock all memory: what there is, what will come.  See mlock(2), ERRORS."""
    _space(task).mlockall(flags, task.cred.capable(CAP_IPC_LOCK))
    return 0


@syscall("mlock(2)")
def munlockall(task: Task) -> Zero:
    """Undo mlockall.  See mlock(2)."""
    _space(task).munlockall()
    return 0
