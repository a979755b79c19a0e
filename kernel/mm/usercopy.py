"""The one door to the bytes of a program.

Every address a program passes is untrusted: it may point nowhere, into a hole, across the end of a
mapping, or into the kernel's half.  ``UserMemory`` checks, faults pages in, and raises EFAULT; it
is the only module that reads or writes guest memory on a program's behalf.

Speed matters here more than anywhere else above the CPU, since nearly every system call passes:

* The leaf tables that were met are remembered (``_leaves``: address >> 21 to the index of the
  table's first word), so a small access is one dictionary look-up, one entry and one slice.
  The address space says when tables may have been freed (``forget_tables``).
* Longer ranges become runs of physically contiguous bytes, each copied at once.

Linux analogue: ``copy_from_user``, ``copy_to_user``, ``strncpy_from_user``, ``import_iovec``.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, Final, Protocol

from kernel.abi.errors import E2BIG, EFAULT, EINVAL, ENAMETOOLONG
from kernel.mm.around import Around, Places
from kernel.mm.fault import ACCESS_READ, ACCESS_WRITE, FAULT_OOM
from kernel.mm.page_table import FRAME_BITS, leaf_index
from kernel.mm.physical import CODE, PAGE_MASK, PAGE_SHIFT, PAGE_SIZE, PhysicalMemory
from kernel.mm.ranges import PTE_ACCESSED, PTE_COW, PTE_DIRTY, PTE_EXEC, PTE_READ, PTE_WRITE
from kernel.mm.tlb import Tlb
from kernel.mm.userbuffer import UserBuffer

USER_TOP: Final = 0x7FFFFFFFF000
PATH_MAX: Final = 4096
IOV_MAX: Final = 1024
MAX_RW_COUNT: Final = 0x7FFFF000
"""No read(2) or write(2) moves more than this at once."""

_WRITABLE: Final = PTE_WRITE | PTE_DIRTY | PTE_ACCESSED
_WRITE_CHECK: Final = _WRITABLE | PTE_COW
_READY: Final = (
    (PTE_READ, PTE_READ),
    (_WRITE_CHECK, _WRITABLE),
    (PTE_EXEC, PTE_EXEC),
)
"""By access: the bits of an entry to look at, and how they are where nothing is left to do."""
FEW: Final = 3 * PAGE_SIZE
"""Shorter ranges are looked at page by page."""
_LITTLE: Final = "little"


class Faulting(Places, Protocol):
    """What usercopy needs of an address space."""

    root: int
    physical: PhysicalMemory
    tlb: Tlb

    def fault(self, address: int, access: int, kernel: bool = False) -> int:
        """See AddressSpace.fault."""


class UserMemory:
    """Guest bytes of one address space: ``task.mem``.

    All methods raise EFAULT for addresses the program may not access that way, whole or in part;
    reads of length 0 succeed anywhere.  A page that no frame is left for is EFAULT too, as in
    Linux: callers that ignore a bad address must not fall over a full machine.
    """

    __slots__ = ("_bytes", "_flags", "_leaves", "_ram", "_space", "_words")

    def __init__(self, space: Faulting) -> None:
        self._space = space
        physical = space.physical
        self._words = physical.words
        self._bytes = physical.bytes
        self._ram = physical.ram
        self._flags = physical.flags
        self._leaves: dict[int, int] = {}

    @property
    def space(self) -> Faulting:
        """The address space, for reasons of errors."""
        return self._space

    @property
    def ram_bytes(self) -> memoryview:
        """The RAM, for those who have runs."""
        return self._bytes

    def forget_tables(self) -> None:
        """Leaf tables may have been freed."""
        self._leaves.clear()

    # -- bytes -----------------------------------------------------------------------------------

    def read(self, address: int, n: int) -> bytes:
        """n bytes from an address."""
        offset = address & 4095
        if offset + n <= 4096:
            base = self._leaves.get(address >> 21)
            if base is not None:
                entry = self._words[base + (address >> 12 & 511)]
                if entry & PTE_READ:
                    start = (entry & FRAME_BITS) + offset
                    return self._ram[start : start + n]
        if n <= 0:
            return b""
        ram = self._ram
        runs = self.runs(address, n, ACCESS_READ)
        if len(runs) == 1:
            start, length = runs[0]
            return ram[start : start + length]
        views = self._bytes
        return b"".join([views[start : start + length] for start, length in runs])

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Copy bytes to an address.  Every page is made writable before the first byte is."""
        n = len(data)
        offset = address & 4095
        if offset + n <= 4096:
            base = self._leaves.get(address >> 21)
            if base is not None:
                entry = self._words[base + (address >> 12 & 511)]
                if entry & _WRITE_CHECK == _WRITABLE and not self._flags[entry >> 12] & CODE:
                    start = (entry & FRAME_BITS) + offset
                    self._bytes[start : start + n] = data
                    return
        if not n:
            return
        done = 0
        ram = self._bytes
        source = memoryview(data)
        for start, length in self.runs(address, n, ACCESS_WRITE):
            ram[start : start + length] = source[done : done + length]
            done += length

    def zero(self, address: int, n: int) -> None:
        """Write n zero bytes (clear_user)."""
        ram = self._bytes
        for start, length in self.runs(address, n, ACCESS_WRITE):
            ram[start : start + length] = bytes(length)

    def physical_address(self, address: int, access: int) -> int:
        """Where a user address lies in RAM, with the page made accessible that way."""
        leaves = self._leaves
        words = self._words
        base = leaves.get(address >> 21)
        index = -1
        if base is not None:
            index = base + (address >> 12 & 511)
            entry = words[index]
            if access != ACCESS_WRITE:
                if entry & (PTE_EXEC if access > ACCESS_WRITE else PTE_READ):
                    return (entry & FRAME_BITS) + (address & PAGE_MASK)
            elif entry & (PTE_WRITE | PTE_COW) == PTE_WRITE:
                return self._written(index, entry) + (address & PAGE_MASK)
        return self._fault_in(address, access) + (address & PAGE_MASK)

    def _fault_in(self, address: int, access: int) -> int:
        """Slow path: ask the address space; returns the physical address of the page."""
        if not 0 <= address < USER_TOP:
            raise EFAULT("%#x is no address of the user half", address)
        space = self._space
        words = self._words
        index = leaf_index(words, space.root, address >> PAGE_SHIFT)
        entry = words[index] if index >= 0 else 0
        if not _allows(entry, access):
            verdict = space.fault(address, access, True)
            if verdict:
                raise EFAULT("%s", Around(space, address, access, verdict == FAULT_OOM))
            index = leaf_index(words, space.root, address >> PAGE_SHIFT)
            entry = words[index]
        self._leaves[address >> 21] = index - (address >> 12 & 511)
        if access == ACCESS_WRITE:
            return self._written(index, entry)
        return entry & FRAME_BITS

    def _written(self, index: int, entry: int) -> int:
        """The kernel is about to write to a page: as the MMU would, and code must go."""
        if entry & _WRITABLE != _WRITABLE:
            self._words[index] = entry | _WRITABLE
        frame = entry >> PAGE_SHIFT
        if self._flags[frame] & CODE:
            self._space.tlb.invalidate_code(frame)
            self._flags[frame] &= ~CODE
        return entry & FRAME_BITS

    def runs(
        self, address: int, n: int, access: int, partial: bool = False
    ) -> list[tuple[int, int]]:
        """[address, address+n) as (physical start, length) runs, faulted in.

        With ``partial``: as much as there is before the first bad page, which may be nothing.
        """
        if n > FEW:
            return self._many_runs(address, n, access, partial)
        found: list[tuple[int, int]] = []
        end = address + n
        run_start = run_length = 0
        while address < end:
            length = PAGE_SIZE - (address & PAGE_MASK)
            if length > end - address:
                length = end - address
            try:
                start = self.physical_address(address, access)
            except EFAULT:
                if partial:
                    break
                raise
            if start == run_start + run_length:
                run_length += length
            else:
                if run_length:
                    found.append((run_start, run_length))
                run_start, run_length = start, length
            address += length
        if run_length:
            found.append((run_start, run_length))
        return found

    def _many_runs(self, address: int, n: int, access: int, partial: bool) -> list[tuple[int, int]]:
        """``runs``, with the entries of many pages read at once."""
        found: list[tuple[int, int]] = []
        end = address + n
        page = address & ~PAGE_MASK
        run_start = run_end = -1
        flags = self._flags
        code = CODE if access == ACCESS_WRITE else 0
        mask, ready = _READY[access]
        try:
            while page < end:
                for entry in self._entries(page, end):
                    if entry & mask == ready and not flags[entry >> PAGE_SHIFT] & code:
                        start = entry & FRAME_BITS
                    else:
                        start = self.physical_address(max(page, address), access) & ~PAGE_MASK
                    if start != run_end:
                        if run_end >= 0:
                            found.append((run_start, run_end - run_start))
                        run_start = start
                    run_end = start + PAGE_SIZE
                    page += PAGE_SIZE
        except EFAULT:
            if not partial:
                raise
        if run_end >= 0:
            found.append((run_start, run_end - run_start - max(page - end, 0)))
            start, length = found[0]
            offset = address & PAGE_MASK
            found[0] = start + offset, length - offset
        return found

    def _entries(self, page: int, end: int) -> list[int]:
        """The entries of the pages up to ``end``, as far as one leaf table that was met has them.

        The first is 0, like one of a page that is not there, if the table was not met.
        """
        base = self._leaves.get(page >> 21)
        if base is None:
            return [0]
        first = base + (page >> PAGE_SHIFT & 511)
        last = min(first + (end - page + PAGE_MASK >> PAGE_SHIFT), base + 512)
        return self._words[first:last].tolist()

    # -- strings ---------------------------------------------------------------------------------

    def read_cstring(self, address: int, limit: int) -> bytes:
        """A string up to its NUL, without it; ENAMETOOLONG if none comes within limit bytes."""
        parts: list[bytes] = []
        left = limit
        ram = self._ram
        while left > 0:
            start = self.physical_address(address, ACCESS_READ)
            span = min(PAGE_SIZE - (start & PAGE_MASK), left)
            nul = ram.find(b"\0", start, start + span)
            if nul >= 0:
                tail = ram[start:nul]
                return b"".join([*parts, tail]) if parts else tail
            parts.append(ram[start : start + span])
            address += span
            left -= span
        raise ENAMETOOLONG("the string does not end within %d bytes", limit)

    def read_path(self, address: int) -> bytes:
        """A path name, at most 4095 bytes; may be empty (the caller says ENOENT)."""
        return self.read_cstring(address, PATH_MAX)

    def string_array(self, address: int, limit: int) -> list[bytes]:
        """A NULL-terminated array of strings (argv); E2BIG beyond ``limit`` bytes in all.

        As in execve(2), each string costs its NUL and its pointer.
        """
        strings: list[bytes] = []
        if not address:
            return strings
        while True:
            pointer = self.read_u64(address)
            if not pointer:
                return strings
            try:
                text = self.read_cstring(pointer, min(limit, 128 << 10))
            except ENAMETOOLONG:
                raise E2BIG(
                    "a string has more than %d bytes, the room that is left", min(limit, 128 << 10)
                ) from None
            limit -= len(text) + 9
            if limit < 0:
                raise E2BIG("the strings are %d bytes too long together", -limit)
            strings.append(text)
            address += 8

    # -- numbers and structures ------------------------------------------------------------------

    def read_u8(self, address: int) -> int:
        """One byte."""
        return self.read(address, 1)[0]

    def read_u16(self, address: int) -> int:
        """Two bytes, unsigned."""
        return int.from_bytes(self.read(address, 2), _LITTLE)

    def read_u32(self, address: int) -> int:
        """Four bytes, unsigned."""
        return int.from_bytes(self.read(address, 4), _LITTLE)

    def read_s32(self, address: int) -> int:
        """Four bytes, signed."""
        return int.from_bytes(self.read(address, 4), _LITTLE, signed=True)

    def read_u64(self, address: int) -> int:
        """Eight bytes, unsigned."""
        return int.from_bytes(self.read(address, 8), _LITTLE)

    def read_s64(self, address: int) -> int:
        """Eight bytes, signed."""
        return int.from_bytes(self.read(address, 8), _LITTLE, signed=True)

    def write_u8(self, address: int, value: int) -> None:
        """One byte."""
        self.write(address, (value & 0xFF).to_bytes(1, _LITTLE))

    def write_u16(self, address: int, value: int) -> None:
        """Two bytes."""
        self.write(address, (value & 0xFFFF).to_bytes(2, _LITTLE))

    def write_u32(self, address: int, value: int) -> None:
        """Four bytes; negative values as two's complement."""
        self.write(address, (value & 0xFFFFFFFF).to_bytes(4, _LITTLE))

    def write_u64(self, address: int, value: int) -> None:
        """Eight bytes; negative values as two's complement."""
        self.write(address, (value & 0xFFFFFFFFFFFFFFFF).to_bytes(8, _LITTLE))

    write_s32 = write_u32
    write_s64 = write_u64

    def unpack(self, layout: Struct, address: int) -> tuple[Any, ...]:
        """The fields of a structure."""
        return layout.unpack(self.read(address, layout.size))

    def pack(self, layout: Struct, address: int, *values: Any) -> None:
        """Write a structure."""
        self.write(address, layout.pack(*values))

    # -- buffers ---------------------------------------------------------------------------------

    def read_iovec(self, address: int, count: int) -> list[tuple[int, int]]:
        """(base, length) of each iovec, in one copy.  See readv(2), EINVAL.

        The sum is cut to what one call may move, as ``import_iovec`` does.
        """
        if not 0 <= count <= IOV_MAX:
            raise EINVAL("%d iovecs, and at most %d are allowed", count, IOV_MAX)
        if not count:
            return []
        fields = memoryview(self.read(address, 16 * count)).cast("Q").tolist()
        segments = []
        left = MAX_RW_COUNT
        for i in range(0, 2 * count, 2):
            base, length = fields[i], fields[i + 1]
            if length >> 63:
                raise EINVAL("the length of iovec %d is negative", i // 2)
            if length and base + length > USER_TOP:
                raise EFAULT(
                    "iovec %d, %#x bytes at %#x, is not in the user half", i // 2, length, base
                )
            length = min(length, left)
            left -= length
            segments.append((base, length))
        return segments

    def buffer(self, address: int, n: int) -> UserBuffer:
        """A buffer over [address, address+n).  Raises EFAULT outside the user half."""
        if n > MAX_RW_COUNT:
            n = MAX_RW_COUNT
        if address + n > USER_TOP:
            raise EFAULT("%#x bytes at %#x are not in the user half", n, address)
        return UserBuffer(self, [(address, n)])

    def buffer_iov(self, segments: list[tuple[int, int]]) -> UserBuffer:
        """A buffer over several segments, as ``read_iovec`` returns them."""
        return UserBuffer(self, segments)

    def __repr__(self) -> str:
        return f"<UserMemory of {self._space!r}>"


def _allows(entry: int, access: int) -> bool:
    """Would the MMU let this access through?"""
    if access == ACCESS_WRITE:
        return entry & (PTE_WRITE | PTE_COW) == PTE_WRITE
    return bool(entry & (PTE_EXEC if access > ACCESS_WRITE else PTE_READ))
