"""Mapping what an ``ElfImage`` says into an address space.

A segment becomes up to two areas: the pages that have contents in the file, mapped privately from
the page cache (so processes share them until they write), and the pages of BSS behind them,
anonymous.  Where contents end within a page, the rest of that page belongs to the BSS and is
zeroed; Linux does that only where the segment can be written, and so do we.

Linux analogue: ``elf_map``, ``elf_load``, ``load_elf_interp``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel.abi.errors import EEXIST, ENOEXEC
from kernel.abi.memory import (
    MAP_ANONYMOUS,
    MAP_FIXED_NOREPLACE,
    MAP_NORESERVE,
    MAP_PRIVATE,
    PROT_EXEC,
    PROT_NONE,
    PROT_READ,
    PROT_WRITE,
)
from kernel.arch.base import PAGE_SIZE
from loader.elf import PF_R, PF_W, PF_X, ElfImage, Segment

if TYPE_CHECKING:
    from kernel.mm.address_space import AddressSpace
    from kernel.mm.pager import Pager
    from kernel.vfs.openfile import OpenFile

PIE_BASE: Final = 0x555555554000
"""Two thirds of the user half, as Linux without randomization; the same on both CPUs."""

_FIXED: Final = MAP_PRIVATE | MAP_FIXED_NOREPLACE


def _round_up(address: int) -> int:
    return (address + PAGE_SIZE - 1) & -PAGE_SIZE


def _protection(flags: int) -> int:
    return (
        (PROT_READ if flags & PF_R else 0)
        | (PROT_WRITE if flags & PF_W else 0)
        | (PROT_EXEC if flags & PF_X else 0)
    )


def program_bias(image: ElfImage) -> int:
    """What to add to the addresses of the program itself: 0 unless it is position-independent."""
    if not image.position_independent:
        return 0
    return (PIE_BASE & -image.alignment) - (image.low & -image.alignment)


def interpreter_bias(space: AddressSpace, image: ElfImage) -> int:
    """Where the address space has room for the interpreter: below the stack, like any mmap."""
    if not image.position_independent:
        return 0
    room = image.high - image.low + image.alignment - PAGE_SIZE
    flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    address = space.mmap(0, room, PROT_NONE, flags)
    space.munmap(address, room)
    return ((address + image.alignment - 1) & -image.alignment) - (image.low & -image.alignment)


def _pager(file: OpenFile) -> Pager:
    pager = file.pager()
    if pager is None:
        raise ENOEXEC("its file system cannot map files")
    return pager


def map_image(space: AddressSpace, image: ElfImage, file: OpenFile, bias: int) -> None:
    """Map every segment at its address plus ``bias``; ENOEXEC where something is in the way."""
    mapped_to = 0
    for segment in image.segments:
        try:
            mapped_to = _map_segment(space, segment, file, bias, mapped_to)
        except EEXIST as error:
            raise ENOEXEC("no room at %#x for a segment", segment.vaddr + bias) from error


def _map_segment(
    space: AddressSpace, segment: Segment, file: OpenFile, bias: int, mapped_to: int
) -> int:
    """Map one segment; ``mapped_to``: end of the one below, which may share a page with it."""
    protection = _protection(segment.flags)
    start = (segment.vaddr + bias) & -PAGE_SIZE
    if start < mapped_to:
        space.munmap(start, mapped_to - start)  # as MAP_FIXED: the upper segment wins the page
    contents_end = segment.vaddr + bias + segment.filesz
    file_end = _round_up(contents_end) if segment.filesz else start
    end = _round_up(segment.end + bias)
    if segment.filesz:
        offset = segment.offset & -PAGE_SIZE
        length = file_end - start
        space.mmap(start, length, protection, _FIXED, _pager(file), offset, file, writable=False)
    if end > file_end:
        space.mmap(file_end, end - file_end, protection, _FIXED | MAP_ANONYMOUS)
    if segment.memsz > segment.filesz and contents_end < file_end and segment.flags & PF_W:
        space.user.write(contents_end, bytes(file_end - contents_end))
    return end


def set_layout(space: AddressSpace, image: ElfImage, bias: int) -> None:
    """The fields of ``mm_struct`` that /proc/PID/stat shows, and where brk(2) begins."""
    segments = image.segments
    code = [s for s in segments if s.flags & PF_X] or segments
    space.start_code = code[0].vaddr + bias
    space.end_code = max(s.vaddr + s.filesz for s in code) + bias
    space.start_data = segments[-1].vaddr + bias
    space.end_data = max(s.vaddr + s.filesz for s in segments) + bias
    space.start_brk = space.brk_end = image.high + bias
