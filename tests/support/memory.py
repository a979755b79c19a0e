"""A small memory for kernel tests: no engine, Python range operations, a TLB that takes notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from kernel.abi.errors import EIO
from kernel.abi.memory import MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE
from kernel.cred import Limits
from kernel.mm.address_space import AddressSpace
from kernel.mm.frames import Frames
from kernel.mm.physical import PhysicalMemory
from kernel.mm.ranges import PythonRanges
from kernel.mm.tlb import NullTlb
from kernel.mm.vma import Vma

PAGE = 4096
RW = PROT_READ | PROT_WRITE
ANON = MAP_PRIVATE | MAP_ANONYMOUS


class Memory:
    """RAM, allocator, range operations and address spaces over them."""

    def __init__(self, frames: int = 2048) -> None:
        self.physical = PhysicalMemory(frames * PAGE)
        self.tlb = NullTlb()
        self.frames = Frames(self.physical, self.tlb)
        self.ranges = PythonRanges(self.physical)
        self.limits = Limits()

    def space(self) -> AddressSpace:
        """A new address space."""
        return AddressSpace(self.frames, self.ranges, self.tlb, self.limits)

    def pager(self, content: bytes, writes_back: bool = True) -> FakePager:
        """A file of that content."""
        return FakePager(self.frames, bytearray(content), writes_back)

    def check(self, *spaces: AddressSpace) -> None:
        """Check every invariant."""
        for space in spaces:
            space.check_invariants()
        self.frames.check_invariants()


@dataclass(eq=False)
class FakePager:
    """A file in a bytearray, with the pages that were asked for as frames."""

    frames: Frames
    content: bytearray
    needs_write_back: bool
    pages: dict[int, int] = field(default_factory=dict)
    dirty: set[int] = field(default_factory=set)
    areas: list[Vma] = field(default_factory=list)
    reads: int = 0
    broken: bool = False

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.content)

    def get_page(self, index: int) -> int:
        """Read a page into a frame."""
        if index not in self.pages:
            if self.broken:
                raise EIO("broken on purpose")
            self.reads += 1
            frame = self.frames.alloc()
            part = self.content[index * PAGE : (index + 1) * PAGE]
            self.frames.writable(frame)[: len(part)] = part
            self.pages[index] = frame
        return self.pages[index]

    def present_pages(self, index: int, count: int) -> Sequence[int]:
        """What was read so far."""
        return [self.pages.get(i, 0) for i in range(index, index + count)]

    def mark_dirty(self, index: int) -> None:
        """Remember it."""
        self.dirty.add(index)

    def write_back(self, first: int, last: int) -> None:
        """Copy dirty frames into the content."""
        for index in sorted(i for i in self.dirty if first <= i <= last):
            self.dirty.discard(index)
            start = index * PAGE
            end = min(start + PAGE, len(self.content))
            self.content[start:end] = self.frames.view(self.pages[index])[: end - start]

    def mapped(self, vma: Vma) -> None:
        """An area maps this file."""
        self.areas.append(vma)

    def unmapped(self, vma: Vma) -> None:
        """It does no longer."""
        self.areas.remove(vma)

    def close(self) -> None:
        """Give the frames back."""
        for frame in self.pages.values():
            self.frames.put(frame)
        self.pages.clear()


class FakeFile:
    """A MappedFile that counts its references."""

    def __init__(self, name: bytes = b"/file") -> None:
        self.name = name
        self.refs = 1

    def hold(self) -> None:
        """One more."""
        self.refs += 1

    def drop(self) -> None:
        """One less."""
        self.refs -= 1

    def mapping_identity(self) -> tuple[bytes, int, int]:
        """As /proc/PID/maps shows it."""
        return self.name, 0x801, 42
